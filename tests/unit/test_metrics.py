"""Metrics and predictions: values by hand and by scikit-learn, and every edge that must not crash."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import sklearn.metrics
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from dlrun.evaluation.confusion import ConfusedPair, confusion, most_confused
from dlrun.evaluation.metrics import CLASSIFICATION, NUMBERS, RECONSTRUCTION, measure
from dlrun.evaluation.names import ALL_METRICS, MAIN_METRIC, METRICS, TASKS, higher_is_better, label
from dlrun.evaluation.predictions import Predictions, mean_errors
from dlrun.evaluation.settings import Evaluation


def predictions(task, truth, scores, classes=(), rows=None):
    truth, scores = np.asarray(truth), np.asarray(scores)
    rows = np.arange(len(truth)) if rows is None else np.asarray(rows)
    return Predictions("test", task, "target", classes, rows, truth, scores)


def said(task, truth, predicted, classes):
    """Classification predictions that give 0.9 to the predicted class."""
    scores = np.full((len(truth), len(classes)), 0.1 / (len(classes) - 1))
    scores[np.arange(len(truth)), predicted] = 0.9
    return predictions(task, truth, scores, classes)


BINARY = predictions("binary", [0, 0, 1, 1], [[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]], ("no", "yes"))


def test_binary_by_hand():
    result = measure(BINARY)
    assert result["accuracy"] == 0.75
    assert result["balanced_accuracy"] == 0.75
    assert result["precision"] == pytest.approx((2 / 3 + 1) / 2)  # macro, of two classes too
    assert result["recall"] == pytest.approx((1 + 1 / 2) / 2)
    assert result["f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert result["roc_auc"] == 0.75  # 3 of the 4 pairs of a no and a yes are in order
    assert result["log_loss"] == pytest.approx(-np.mean(np.log([0.9, 0.6, 0.35, 0.8])))
    assert result["average_precision"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert result["per_class"]["yes"] == {"precision": 1, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}


def test_multiclass_against_scikit_learn():
    generator = np.random.default_rng(0)
    scores = generator.dirichlet(np.ones(4), 300).astype(np.float32)
    truth = np.where(generator.random(300) < 0.5, scores.argmax(axis=1), generator.integers(0, 4, 300))
    result = measure(predictions("multiclass", truth, scores, ("a", "b", "c", "d")))
    chosen = scores.argmax(axis=1)
    for average, suffix in (("macro", ""), ("weighted", "_weighted")):
        expected = sklearn.metrics.precision_recall_fscore_support(truth, chosen, average=average)
        assert [result[name + suffix] for name in ("precision", "recall", "f1")] == pytest.approx(expected[:3])
    exact = scores.astype(float) / scores.astype(float).sum(axis=1, keepdims=True)
    assert result["roc_auc"] == pytest.approx(sklearn.metrics.roc_auc_score(truth, exact, multi_class="ovr"))
    assert result["log_loss"] == pytest.approx(sklearn.metrics.log_loss(truth, exact))
    assert result["balanced_accuracy"] == pytest.approx(sklearn.metrics.balanced_accuracy_score(truth, chosen))
    assert tuple(name for name in result if name in ALL_METRICS) == tuple(METRICS["multiclass"])


def test_a_class_absent_from_the_split():
    result = measure(said("multiclass", [0, 0, 1, 1], [0, 0, 1, 0], ("a", "b", "c")))
    assert result["per_class"]["c"] == {"precision": None, "recall": None, "f1": None, "support": 0}
    assert result["recall"] == 0.75
    assert 0 <= result["roc_auc"] <= 1


def test_a_class_that_is_predicted_but_does_not_occur():
    result = measure(said("multiclass", [0, 1], [0, 2], ("a", "b", "c")))
    assert result["per_class"]["c"] == {"precision": 0, "recall": None, "f1": 0, "support": 0}
    assert result["per_class"]["b"]["precision"] is None
    assert result["balanced_accuracy"] == 0.5


@pytest.mark.parametrize("truth", [[1], [1, 1, 1]])
def test_one_class_in_the_split_leaves_out_what_needs_two(truth):
    result = measure(said("binary", truth, truth, ("no", "yes")))
    assert result["accuracy"] == 1
    assert "roc_auc" not in result
    assert "average_precision" not in result


def test_one_class_in_all():
    result = measure(predictions("multiclass", [0, 0], [[1.0], [1.0]], ("only",)))
    assert result["accuracy"] == 1
    assert "log_loss" not in result


def test_regression_by_hand():
    result = measure(predictions("regression", [1.0, 2.0, 4.0], [2.0, 2.0, 2.0]))
    assert result["mae"] == 1
    assert result["mse"] == pytest.approx(5 / 3)
    assert result["rmse"] == pytest.approx(np.sqrt(5 / 3))
    assert result["r2"] == pytest.approx(1 - 5 / (16 / 9 + 1 / 9 + 25 / 9))
    assert result["mape"] == pytest.approx((1 + 0 + 0.5) / 3)
    assert "interval" not in result  # three examples are too few


def test_regression_leaves_out_what_is_not_defined():
    assert "mape" not in measure(predictions("regression", [0.0, 1.0], [0.5, 0.5]))
    assert "r2" not in measure(predictions("regression", [1.0, 1.0], [0.5, 0.5]))
    assert measure(predictions("regression", [3.0], [2.0]))["mae"] == 1


def test_forecast_by_step():
    result = measure(predictions("forecast", [[1.0, 2.0], [2.0, 3.0]], [[1.0, 4.0], [2.0, 2.0]]), ["mae", "mse"])
    assert result["mae"] == 0.75
    assert result["per_step"] == [{"step": 1, "mae": 0.0, "mse": 0.0}, {"step": 2, "mae": 1.5, "mse": 2.5}]


def test_each_series_is_measured_by_itself():
    forecast = replace(
        predictions("forecast", [[1.0, 2], [10, 20], [3, 4]], [[1.0, 4], [10, 10], [4, 5]]),
        series=np.array(["a", "b", "a"], object),
        times=np.array([0, 0, 1]),
    )
    result = measure(forecast, ["mae"])
    assert result["per_series"] == {"a": {"mae": 1.0, "windows": 2}, "b": {"mae": 5.0, "windows": 1}}
    assert result["mae"] == pytest.approx(14 / 6)
    again = Predictions.from_frame(forecast.to_frame(), "test", "forecast", "target")
    assert (again.series.tolist(), again.order.tolist()) == (["a", "b", "a"], [0, 0, 1])


def test_windows_of_several_series_at_one_time_are_no_independent_samples():
    """The batches of the interval go by time, each as long as the horizon in each of the series."""
    rng = np.random.default_rng(0)
    errors = np.repeat(rng.normal(size=120), 2)  # both series are off by the same at one time
    one = predictions("forecast", np.zeros((120, 2)), np.repeat(errors[::2, None], 2, axis=1))
    both = replace(
        predictions("forecast", np.zeros((240, 2)), np.repeat(errors[:, None], 2, axis=1)),
        series=np.array(["a", "b"] * 120, object),
        times=np.repeat(np.arange(120), 2),
    )
    assert measure(both)["interval"]["mae"] == pytest.approx(measure(one)["interval"]["mae"])
    assert "interval" not in measure(replace(both, series=np.array(list("abcdefgh") * 30, object)))


def test_reconstruction_and_its_distribution():
    truth = np.zeros((2000, 2, 2), np.float32)
    said = np.broadcast_to(np.arange(2000.0)[:, None, None], truth.shape)
    result = measure(predictions("reconstruction", np.zeros((2000, 0)), mean_errors(truth, said)))
    assert result["mae"] == pytest.approx(999.5)
    assert result["mse"] == pytest.approx(np.mean(np.arange(2000.0) ** 2))
    assert result["error_quantiles"]["max"] == 1999**2
    assert result["error_quantiles"]["p90"] == pytest.approx(np.quantile(np.arange(2000.0) ** 2, 0.9))


def test_only_what_is_asked_for():
    assert set(measure(BINARY, ["f1"])) == {"f1", "per_class"}


def test_a_split_without_examples():
    assert measure(predictions("regression", [], [])) == {}


def test_many_classes_and_few_examples_do_not_warn():
    classes = tuple(map(str, range(100)))
    assert measure(said("multiclass", np.arange(60), np.arange(60), classes))["accuracy"] == 1


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the first example imports scikit-learn
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_classification_never_warns_and_stays_within_bounds(pairs):
    truth, predicted = np.array(pairs).T
    result = measure(said("multiclass", truth, predicted, ("a", "b", "c", "d")))
    assert all(0 <= result[name] <= 1 for name in METRICS["multiclass"] if name in result and name != "log_loss")
    low, high = result["interval"]["accuracy"]
    assert 0 <= low <= result["accuracy"] <= high <= 1


def test_every_name_has_its_function():
    assert tuple(CLASSIFICATION) == tuple(METRICS["binary"])
    assert tuple(NUMBERS) == tuple(METRICS["regression"])
    assert tuple(RECONSTRUCTION) == tuple(METRICS["reconstruction"])
    assert all(MAIN_METRIC[task] in METRICS[task] for task in TASKS)


def test_labels_and_directions():
    assert label("validation_mae") == "Validation MAE"
    assert label("validation_loss") == "Validation loss"
    assert label("accuracy") == "Accuracy"
    assert higher_is_better("validation_accuracy")
    assert not higher_is_better("validation_loss")


@pytest.mark.parametrize("classes", [2, 5, 40])
def test_counts_of_pairs_of_classes_are_those_of_the_examples(classes, monkeypatch):
    monkeypatch.setattr("dlrun.evaluation.predictions.BLOCK", 7)
    random, names = np.random.default_rng(classes), tuple(f"c{index}" for index in range(classes))
    truth = random.integers(0, max(2, classes - 1), 100, np.int8)
    given = predictions("multiclass", truth, random.dirichlet(np.ones(classes), 100), names)
    result, predicted = measure(given), given.prediction
    assert result["accuracy"] == sklearn.metrics.accuracy_score(truth, predicted)
    for name in ("precision", "recall", "f1"):
        for average, suffix in (("macro", ""), ("weighted", "_weighted")):
            score = getattr(sklearn.metrics, f"{name}_score")
            assert result[name + suffix] == score(truth, predicted, average=average, zero_division=0)
    columns = sklearn.metrics.precision_recall_fscore_support(
        truth, predicted, labels=np.arange(classes), zero_division=np.nan
    )
    for each, *expected in zip(result["per_class"].values(), *columns, strict=True):
        assert [np.nan if value is None else value for value in each.values()] == pytest.approx(
            expected, rel=0, abs=0, nan_ok=True
        )
    matrix = sklearn.metrics.confusion_matrix(truth, predicted, labels=np.arange(classes))
    assert confusion(given)["counts"] == matrix.tolist()


@pytest.mark.parametrize("shape", [(50,), (50, 3)])
@pytest.mark.parametrize("block", [7, 50])
def test_errors_of_stretches_are_those_of_the_whole(shape, block, monkeypatch):
    monkeypatch.setattr("dlrun.evaluation.predictions.BLOCK", block)
    random = np.random.default_rng(5)
    truth = random.normal(100, 9, shape)
    given = predictions("regression" if len(shape) == 1 else "forecast", truth, truth + random.normal(0, 3, shape))
    result, pair = measure(given), (truth.ravel(), given.scores.ravel())
    for name, function in {
        "mae": "mean_absolute_error",
        "mse": "mean_squared_error",
        "rmse": "root_mean_squared_error",
        "r2": "r2_score",
        "mape": "mean_absolute_percentage_error",
    }.items():
        expected = getattr(sklearn.metrics, function)(*pair)
        assert result[name] == (expected if block == 50 else pytest.approx(expected, rel=1e-13))


def test_blocks_are_the_examples_one_after_the_other(monkeypatch):
    monkeypatch.setattr("dlrun.evaluation.predictions.BLOCK", 3)
    several = replace(BINARY, further=(replace(BINARY, target="other"),))
    forecast = predictions("forecast", np.arange(10.0).reshape(5, 2), np.ones((5, 2)))
    forecast = replace(forecast, series=np.array(list("aabbb"), object), times=np.arange(5))
    for whole in (BINARY, several, forecast):
        blocks = list(whole.blocks())
        assert [len(each) for each in blocks] == [3, len(whole) - 3]
        assert_frame_equal(pl.concat([each.to_frame() for each in blocks]), whole.to_frame())


def test_confusion_by_hand():
    matrix = confusion(said("multiclass", [0, 0, 0, 1, 2], [0, 1, 1, 1, 0], ("a", "b", "c")))
    assert matrix == {"labels": ["a", "b", "c"], "counts": [[1, 2, 0], [0, 1, 0], [1, 0, 0]]}
    assert most_confused(matrix) == [ConfusedPair("a", "b", 2, 2 / 3), ConfusedPair("c", "a", 1, 1.0)]


@pytest.mark.parametrize(
    "original",
    [
        BINARY,
        replace(BINARY, scores=BINARY.scores.astype(np.float32)),
        predictions("regression", [1.0, 2.0], [1.5, 2.5], rows=[7, 9]),
        predictions("forecast", [[1.0, 2.0], [2.0, 3.0]], [[1.0, 4.0], [2.0, 2.0]]),
    ],
)
def test_the_frame_holds_all(original, tmp_path):
    frame = pl.concat([original.to_frame(), replace(original, split="train").to_frame()])
    frame.write_parquet(tmp_path / "predictions.parquet")
    again = Predictions.from_frame(
        pl.read_parquet(tmp_path / "predictions.parquet"), "test", original.task, original.target
    )
    assert measure(again) == measure(original)
    np.testing.assert_array_equal(again.rows, original.rows)
    assert again.scores.dtype == original.scores.dtype
    assert_frame_equal(again.to_frame(), original.to_frame())


def test_the_frame_names_classes():
    frame = BINARY.to_frame()
    assert frame.columns == ["row", "split", "truth", "prediction", "score_no", "score_yes"]
    assert frame["prediction"].to_list() == ["no", "no", "no", "yes"]


def test_the_frame_of_a_reconstruction_has_errors_only():
    original = predictions("reconstruction", np.zeros((2, 0)), mean_errors(np.zeros((2, 3)), np.full((2, 3), 2.0)))
    assert original.to_frame().columns == ["row", "split", "error"]
    assert original.to_frame()["error"].to_list() == [4.0, 4.0]
    with pytest.raises(ValueError, match="errors"):
        Predictions.from_frame(original.to_frame(), "test", "reconstruction", "image")


def test_the_spec_tells_what_does_not_fit():
    problems = list(Evaluation.parse({"metrics": ["accuracy", "acuracy", "mae", "accuracy"]}).check("multiclass"))
    assert [problem.path for problem in problems] == [("metrics", 1), ("metrics", 2), ("metrics", 3)]
    assert problems[0].hint == "write `accuracy`"
    assert "a metric for regression and forecast and reconstruction" in (problems[1].received or "")
    assert not list(Evaluation().check("binary"))
    assert not list(Evaluation.parse({"metrics": ["mse"]}).check("reconstruction"))


@pytest.mark.parametrize(
    ("typed", "meant"), [("auc", "roc_auc"), ("F1", "f1"), ("log-loss", "log_loss"), ("zzz", None)]
)
def test_near_names(typed, meant):
    (problem,) = Evaluation.parse({"metrics": [typed]}).check("binary")
    assert problem.hint == (f"write `{meant}`" if meant else None)


def test_the_schema_lists_all_names():
    assert list(ALL_METRICS) == Evaluation.model_json_schema()["properties"]["metrics"]["anyOf"][0]["items"]["enum"]


def test_the_spec_side_is_light():
    code = (
        "import sys, dlrun.evaluation.names, dlrun.evaluation.settings;"
        "print([name for name in ('sklearn', 'matplotlib', 'numpy', 'polars', 'tensorflow') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
