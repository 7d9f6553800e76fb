"""What several folds come to: mean and spread as NumPy has them, predictions of rows held out, and how that looks."""

from __future__ import annotations

import io
import json
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from sklearn.metrics import confusion_matrix

from dlrun.compare import compare
from dlrun.console import print_comparison
from dlrun.console.numbers import spread
from dlrun.console.results import print_summary
from dlrun.data.signature import Output
from dlrun.evaluation.folds import across_folds, confusion_of, ensemble, ensemble_of, out_of_fold
from dlrun.evaluation.plots.folds import draw_folds
from dlrun.evaluation.plots.style import png, with_spread
from dlrun.evaluation.predictions import Predictions
from dlrun.run.folder import RunFolder
from dlrun.run.status import Status


@given(values=st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_mean_and_spread_are_those_of_numpy(values: list[float]) -> None:
    folds = [
        {
            "train": {"accuracy": 1.0},
            "validation": {"accuracy": value, "per_class": {}, "interval": {"accuracy": [0, 1]}},
        }
        for value in values
    ]
    found = across_folds([each | {"baseline": {"majority": {"accuracy": 0.5}}} for each in folds])
    assert found["folds"] == len(values)
    assert found["headline"] == f"validation: mean over {len(values)} folds, each model on the rows held out from it"
    assert found["validation"] == {"accuracy": np.mean(values)}
    assert found["deviation"]["validation"] == {"accuracy": np.std(values, ddof=1)}
    assert found["deviation"]["train"] == {"accuracy": 0}
    assert found["baseline"] == {"majority": {"accuracy": 0.5}}
    assert [each["validation"]["accuracy"] for each in found["by_fold"]] == values
    assert "test" not in found
    tested = across_folds([{**each, "test": {"accuracy": 0.5}, "baseline": {}} for each in folds])
    assert tested["headline"] == f"test: mean over {len(values)} folds, each model on the test rows"


def test_a_metric_or_baseline_that_one_fold_does_not_have_has_no_mean() -> None:
    trivial = {"majority class": {"accuracy": 0.4}}
    found = across_folds(
        [
            {"validation": {"accuracy": 0.5, "roc_auc": 0.7}, "baseline": trivial | {"last value": {"accuracy": 0.3}}},
            {"validation": {"accuracy": 0.7}, "baseline": trivial},
        ]
    )
    assert found["validation"] == {"accuracy": pytest.approx(0.6)}
    assert found["baseline"] == trivial
    assert found["by_fold"][0]["validation"]["roc_auc"] == 0.7


def frames() -> list[pl.DataFrame]:
    random = np.random.default_rng(0)
    made = []
    for fold in range(3):
        rows = [*range(fold, 30, 3), 30, 31, 32, 33]
        second = random.random(len(rows))
        made.append(
            pl.DataFrame(
                {
                    "row": rows,
                    "split": ["validation"] * 10 + ["test"] * 4,
                    "truth": [["no", "yes"][row % 2] for row in rows],
                    "prediction": np.where(second > 0.5, "yes", "no"),
                    "score_no": 1 - second,
                    "score_yes": second,
                }
            )
        )
    return made


def test_each_row_is_judged_by_the_fold_that_has_not_seen_it() -> None:
    frame = out_of_fold(frames())
    assert frame["row"].to_list() == list(range(30))
    assert frame["fold"].to_list() == [1, 2, 3] * 10
    matrix = confusion_of(frame)
    expected = confusion_matrix(frame["truth"].to_list(), frame["prediction"].to_list(), labels=["no", "yes"])
    assert matrix == {"labels": ["no", "yes"], "counts": expected.tolist()}


def test_the_folds_of_several_series_follow_one_another_in_time() -> None:
    """Stretches of 20, 15 and 10 times, of which 3 come before the first window of each and 2 behind its last."""
    made, expected, first = [], [], 0
    for times in (20, 15, 10):
        own = np.arange(3, times - 2)
        expected += (first + own).tolist()
        first += times
        columns = {"row": expected[-len(own) :], "split": "validation", "series": "a", "time_index": own}
        made.append(pl.DataFrame({**columns, "truth": [[0.0, 1.0]] * len(own)}))
    assert out_of_fold(made)["time_index"].to_list() == expected


def test_the_test_rows_are_judged_by_the_mean_of_all_folds() -> None:
    output = Output("label", "binary", (1,), ("no", "yes"))
    mean = np.mean([frame.filter(pl.col("split") == "test")["score_yes"].to_numpy() for frame in frames()], axis=0)
    right = (mean > 0.5) == (np.arange(30, 34) % 2 == 1)
    assert ensemble_of(frames(), [output], [None] * 3)["accuracy"] == right.mean()
    low = ensemble_of(frames(), [output], [0.0, 0.01, 0.02])  # the mean of the thresholds: nearly all are taken for yes
    assert low["accuracy"] == ((mean >= 0.01) == (np.arange(30, 34) % 2 == 1)).mean()
    without = [frame.filter(pl.col("split") != "test") for frame in frames()]
    assert ensemble_of(without, [output], [None] * 3) == {}


def test_several_models_say_the_mean_of_what_each_says_of_every_target() -> None:
    def said(yes: float, price: float, threshold: float | None) -> Predictions:
        one, row = np.array([[1 - yes, yes]]), np.array([7])
        number = Predictions("test", "regression", "price", (), row, np.array([1.0]), np.array([price]))
        return Predictions(
            "test", "binary", "sold", ("no", "yes"), row, np.array([1]), one, threshold=threshold, further=(number,)
        )

    found = ensemble([said(0.9, 1, 0.5), said(0.8, 2, 0.6), said(0.1, 9, None)])
    np.testing.assert_allclose(found.scores, [[0.4, 0.6]])
    assert found.threshold == pytest.approx(0.55)
    assert [each.scores.tolist() for each in found.further] == [[4]]
    assert ensemble([said(0.9, 1, 0.5)]).scores.tolist() == said(0.9, 1, 0.5).scores.tolist()


def folded(root: Path, done: int = 3) -> RunFolder:
    run = RunFolder.create(root, "k", datetime(2026, 11, 23, 4, 5, 6))
    run.write_resolved({"name": "k", "data": {"split": {"kind": "kfold", "folds": 3}}})
    run.start(9, main_metric="accuracy", folds=3)
    run.update_folds(done)
    values = [0.9, 0.95, 0.97]
    run.write_metrics(
        across_folds(
            [{"validation": {"accuracy": each}, "baseline": {"majority": {"accuracy": 0.5}}} for each in values]
        )
    )
    for number in range(1, done + 1):
        fold = run.make_fold(number)
        fold.start(9, main_metric="accuracy")
    run.finish()
    return run


def test_compare_and_the_summary_show_mean_and_spread(tmp_path: Path) -> None:
    run = folded(tmp_path)
    found = compare([tmp_path])
    assert [each.folder.path for each in found.runs] == [run.path]  # its folds are not runs of their own there
    text = io.StringIO()
    print_comparison(found, Console(file=text, width=200))
    assert "3/3 folds" in text.getvalue()
    assert "0.940 ± 0.036" in text.getvalue()
    assert found.rows()[0]["deviation"] == {"accuracy": pytest.approx(np.std([0.9, 0.95, 0.97], ddof=1))}
    assert len(compare([run.path / "folds"]).runs) == 3
    text = io.StringIO()
    print_summary(run, Console(file=text, width=200))
    lines = text.getvalue().splitlines()
    told = "mean and standard deviation over 3 folds, each model on the rows held out from it"
    assert lines[1] == f"Accuracy  0.940 ± 0.036  {told}  majority 0.5000"
    assert lines[2].startswith("finished after 3 of 3 folds")


def test_the_status_of_an_older_run_has_no_folds() -> None:
    tree = json.loads(json.dumps(Status.begin(3, None).tree()))
    del tree["folds"], tree["folds_done"]
    assert Status.parse(tree).folds is None


@pytest.mark.parametrize(
    ("mean", "deviation", "text"),
    [(0.97712, 0.0276, "0.977 ± 0.028"), (41.2, 3.21, "41.2 ± 3.2"), (0.5, 0.0, "0.5000 ± 0"), (0.5, None, "0.5000")],
)
def test_a_spread_has_two_digits(mean: float, deviation: float | None, text: str) -> None:
    assert spread(mean, deviation) == text
    if deviation:
        assert with_spread(mean, deviation) == text


def test_the_metric_of_each_fold_is_drawn_with_mean_and_band() -> None:
    values = [0.9, 0.95, 0.97]
    figure = draw_folds(
        across_folds([{"validation": {"accuracy": each}, "baseline": {}} for each in values]), "accuracy"
    )
    (axes,) = figure.axes
    (line, points) = axes.lines
    assert list(line.get_ydata()) == [np.mean(values)] * 2
    assert list(points.get_ydata()) == values
    assert list(points.get_xdata()) == [1, 2, 3]
    assert png(figure).startswith(b"\x89PNG")


def test_a_fold_is_called_by_its_run_too(tmp_path: Path) -> None:
    run = folded(tmp_path)
    assert (run.title, run.fold(2).title) == (run.name, f"fold 2 of {run.name}")


@pytest.mark.parametrize(
    ("name", "values", "band"),
    [
        ("accuracy", [0.5, 1.0, 1.0], (np.mean([0.5, 1, 1]) - np.std([0.5, 1, 1], ddof=1), 1.0)),
        ("price_mae", [0.1, 0.1, 3.0], (0.0, np.mean([0.1, 0.1, 3]) + np.std([0.1, 0.1, 3], ddof=1))),
        ("r2", [-2.0, 0.9, 0.9], (np.mean([-2, 0.9, 0.9]) - np.std([-2, 0.9, 0.9], ddof=1), 1.0)),
    ],
)
def test_the_band_ends_where_the_metric_does(name: str, values: list[float], band: tuple[float, float]) -> None:
    figure = draw_folds(across_folds([{"validation": {name: each}, "baseline": {}} for each in values]), name)
    [area] = figure.axes[0].patches
    box = area.get_extents().transformed(figure.axes[0].transData.inverted())
    assert (box.y0, box.y1) == pytest.approx(band)
