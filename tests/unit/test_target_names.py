"""Several targets, without a network: how they are written, what they are called, how they are measured."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from dlrun.data.target import Target, Targets
from dlrun.errors import DataError
from dlrun.evaluation.metrics import measure, measure_several
from dlrun.evaluation.names import higher_is_better, label, main_metric
from dlrun.evaluation.predictions import Predictions, of_target
from dlrun.experiment import Experiment
from dlrun.training.patience import direction

SPEC = {"data": {"source": {"kind": "bundled", "name": "sotu_eras"}}, "architecture": {"kind": "ann"}}


def target(written: object) -> object:
    return Experiment.parse({**SPEC, "data": {**SPEC["data"], "target": written}}).data.target  # type: ignore[dict-item]


def test_one_target_stays_one() -> None:
    assert target("era") == target({"column": "era"}) == Target(column="era")
    assert target({"column": "number"}) == Target(column="number")


def test_a_wrong_kind_is_mended_in_the_form_it_was_written_in() -> None:
    values, rows = np.array(["yes", "no"], object), np.arange(2)
    for others, hint in [
        ([], "target: {column: sold, kind: category} if it is a class"),
        (["price"], "target: {sold: category}, with price beside it as before, if it is a class"),
    ]:
        with pytest.raises(DataError) as caught:
            Target(column="sold").fit(values, rows, "number", None, same=False, others=others)
        assert caught.value.hint == hint


def test_several_are_a_mapping_of_columns() -> None:
    several = target({"year": {"loss": "huber", "weight": 0.5}, "era": {"kind": "category"}, "column": {}})
    assert isinstance(several, Targets)
    assert [each.column for each in several.each] == ["year", "era", "column"]
    assert several.column == "year"
    assert several.root["year"].loss is not None
    assert several.root["year"].loss.kind == "huber"
    assert several.root["era"].kind == "category"
    again = Experiment.parse(
        Experiment.parse({**SPEC, "data": {**SPEC["data"], "target": several.model_dump(mode="json")}}).tree()  # type: ignore[dict-item]
    )
    assert again.data.target == several


def test_a_kind_alone_is_short_for_it() -> None:
    assert target({"year": {"weight": 2.0}, "era": "category"}) == target(
        {"year": {"weight": 2.0}, "era": {"kind": "category"}}
    )


def test_one_alone_is_no_several() -> None:
    with pytest.raises(ValidationError, match="write `target: year`"):
        target({"year": {"loss": "huber"}})


@pytest.fixture
def said() -> Predictions:
    random = np.random.default_rng(0)
    rows = np.arange(50)
    truth = random.normal(size=50)
    sold = random.integers(0, 2, 50)
    scores = random.random((50, 2))
    second = Predictions("test", "binary", "sold", ("no", "yes"), rows, sold, scores / scores.sum(1, keepdims=True))
    return Predictions("test", "regression", "price", (), rows, truth, truth + 0.1, further=(second,))


def test_each_is_measured_as_if_it_were_alone(said: Predictions) -> None:
    together = measure_several(said)
    for each in said.each:
        alone = measure(each)
        bounds = alone.pop("interval")
        alone.pop("per_class", None)
        assert {f"{each.target}_{name}": value for name, value in alone.items()}.items() <= together.items()
        assert {f"{each.target}_{name}": pair for name, pair in bounds.items()}.items() <= together["interval"].items()
    assert together["price_mae"] == pytest.approx(0.1)
    assert list(together["per_class"]) == ["sold"]
    assert set(measure_several(said, ["mae", "accuracy"])) == {"price_mae", "sold_accuracy", "interval", "per_class"}


def test_the_table_of_all_can_be_parted_again(said: Predictions) -> None:
    frame = said.to_frame()
    assert frame.columns[:4] == ["row", "split", "price_truth", "price_prediction"]
    for each in said.each:
        back = Predictions.from_frame(of_target(frame, each.target), "test", each.task, each.target)
        np.testing.assert_array_equal(back.truth, each.truth)
        np.testing.assert_array_equal(back.scores, each.scores)
        assert back.classes == each.classes


def test_names_tell_target_and_metric() -> None:
    assert label("price_mae") == "price: MAE"
    assert label("validation_sold_accuracy") == "Validation sold: Accuracy"
    assert label("balanced_accuracy") == "Balanced accuracy"
    assert higher_is_better("sold_f1")
    assert higher_is_better("validation_sold_accuracy")
    assert not higher_is_better("price_mae")
    assert not higher_is_better("sold_log_loss")
    assert not higher_is_better("accuracy_loss")
    assert direction("validation_sold_accuracy") == "max"
    assert direction("validation_accuracy_loss") == "min"


def test_the_first_target_is_the_main_one() -> None:
    from dlrun.data.signature import Output

    price, sold = Output("price", "regression", (1,)), Output("sold", "binary", (1,), ("no", "yes"))
    assert main_metric([price]) == "mae"
    assert main_metric([price, sold]) == "price_mae"
    assert main_metric([sold, price]) == "sold_accuracy"
