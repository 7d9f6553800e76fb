"""Metrics: plain functions of predictions, most of them from scikit-learn.

A metric that the examples at hand do not define (ROC AUC where only one class occurs, R² of a constant, MAPE with a
true value of 0) is left out of the result; nothing warns and nothing is made up. Of a split without examples nothing
is defined.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from dlrun.evaluation.intervals import intervals
from dlrun.evaluation.names import METRICS
from dlrun.evaluation.predictions import Array, Predictions, absolute_errors, log_losses, squared_errors
from dlrun.evaluation.ranking import average_precision, in_order, roc_auc

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1.0}


def measure(predictions: Predictions, metrics: Sequence[str] | None = None) -> dict[str, Any]:
    """What is written of a split into metrics.json.

    Args:
        predictions: of one split.
        metrics: names from `METRICS[task]`; None for all of them.

    Returns:
        The metrics that are defined, by name, and under `interval` their 95 % intervals `[low, high]` where they have
        one. Classification adds `per_class` {class: {precision, recall, f1, support}}, a forecast `per_step`
        [{"step": 1, …}, …] with the same metrics for each step of the horizon, one of several series also `per_series`
        {name: {mae, …, windows}}, a reconstruction `error_quantiles` of
        the mean squared error of an example: an example above p99 is stranger than 99 % of the split.
    """
    if not len(predictions):
        return {}
    wanted = tuple(METRICS[predictions.task] if metrics is None else metrics)
    result: dict[str, Any] = _scalars(predictions, wanted)
    if bounds := intervals(predictions, result):
        result["interval"] = bounds
    if predictions.is_classification:
        result["per_class"] = per_class(predictions)
    elif predictions.task == "forecast":
        result["per_step"] = per_step(predictions, wanted)
        if predictions.series is not None:
            result["per_series"] = per_series(predictions, wanted)
    elif predictions.task == "reconstruction":
        result["error_quantiles"] = error_quantiles(predictions)
    return result


def measure_several(predictions: Predictions, metrics: Sequence[str] | None = None) -> dict[str, Any]:
    """The same of several targets: a metric of one is called `<target>_<metric>`, `per_class` is by target.

    Args:
        predictions: of one target or several of a split.
        metrics: those that are wanted; each target has the ones that fit it.
    """
    result: dict[str, Any] = {}
    bounds: dict[str, Any] = {}
    classes: dict[str, Any] = {}
    for each in predictions.each:
        fitting = METRICS[each.task]
        measured = measure(each, None if metrics is None else [name for name in metrics if name in fitting])
        bounds |= {f"{each.target}_{name}": pair for name, pair in measured.pop("interval", {}).items()}
        if "per_class" in measured:
            classes[each.target] = measured.pop("per_class")
        result |= {f"{each.target}_{name}": value for name, value in measured.items()}
    return result | ({"interval": bounds} if bounds else {}) | ({"per_class": classes} if classes else {})


def per_class(predictions: Predictions) -> dict[str, dict[str, float | int | None]]:
    """Precision, recall, F1 and support (true examples) of each class.

    None where undefined: the precision of a class that was never predicted, the recall of one that does not occur,
    the F1 of one of which both hold.
    """
    from sklearn.metrics import precision_recall_fscore_support

    truth, prediction, counts = predictions.cells
    with _quiet():
        columns = precision_recall_fscore_support(
            truth,
            prediction,
            sample_weight=counts,
            labels=np.arange(len(predictions.classes)),
            zero_division=np.nan,
        )
    return {
        name: {"precision": _defined(p), "recall": _defined(r), "f1": _defined(f), "support": int(support)}
        for name, p, r, f, support in zip(predictions.classes, *columns, strict=True)
    }


def per_step(predictions: Predictions, metrics: Sequence[str]) -> list[dict[str, float]]:
    """The metrics of each step of a forecast's horizon, counted from 1."""
    steps = predictions.truth.shape[1]
    return [
        {"step": step + 1}
        | _scalars(replace(predictions, truth=predictions.truth[:, step], scores=predictions.scores[:, step]), metrics)
        for step in range(steps)
    ]


def per_series(predictions: Predictions, metrics: Sequence[str]) -> dict[str, dict[str, float]]:
    """The metrics of each series, by its name, and of how many windows they are."""
    names, numbers = np.unique(np.array(predictions.series, str), return_inverse=True)
    order, counts = np.argsort(numbers, kind="stable"), np.bincount(numbers)
    found: dict[str, dict[str, float]] = {}
    for name, own in zip(names.tolist(), np.split(order, np.cumsum(counts)[:-1]), strict=True):
        part = replace(predictions, truth=predictions.truth[own], scores=predictions.scores[own])
        found[name] = _scalars(part, metrics) | {"windows": len(own)}
    return found


def error_quantiles(predictions: Predictions) -> dict[str, float]:
    """How the mean squared errors of the examples of a reconstruction are distributed."""
    values = np.quantile(squared_errors(predictions), list(QUANTILES.values()))
    return dict(zip(QUANTILES, values.tolist(), strict=True))


def _scalars(predictions: Predictions, wanted: Sequence[str]) -> dict[str, float]:
    functions = (
        CLASSIFICATION
        if predictions.is_classification
        else RECONSTRUCTION
        if predictions.task == "reconstruction"
        else NUMBERS
    )
    with _quiet():
        values = {name: functions[name](predictions) for name in wanted}
    return {name: float(value) for name, value in values.items() if value is not None}


def _averaged(function: str, average: str, predictions: Predictions) -> float:
    """The mean over the classes that occur in the truth or among the predictions, as scikit-learn has it."""
    import sklearn.metrics

    score = getattr(sklearn.metrics, function)
    truth, prediction, counts = predictions.cells
    return float(score(truth, prediction, sample_weight=counts, average=average, zero_division=0))


def _accuracy(predictions: Predictions) -> float:
    from sklearn.metrics import accuracy_score

    truth, prediction, counts = predictions.cells
    return float(accuracy_score(truth, prediction, sample_weight=counts))


def _balanced_accuracy(predictions: Predictions) -> float:
    """The mean recall of the classes that occur."""
    from sklearn.metrics import recall_score

    truth, prediction, counts = predictions.cells
    return float(recall_score(truth, prediction, sample_weight=counts, labels=np.unique(truth), average="macro"))


def _ranked(area: Callable[[Array, Array], float], predictions: Predictions) -> float | None:
    """Of two classes that of the second; of more the mean over the classes that occur, each against the rest."""
    occurring = np.unique(predictions.cells[0])
    if len(occurring) < 2:
        return None
    chosen = [1] if len(predictions.classes) == 2 else occurring.tolist()
    return float(np.mean([area(*in_order(predictions, index)) for index in chosen]))


def _log_loss(predictions: Predictions) -> float | None:
    return None if len(predictions.classes) < 2 else float(log_losses(predictions).mean())


def _error(function: str, predictions: Predictions) -> float:
    """The mean over all values: of a forecast, over all steps of all windows; one stretch after the other, as
    scikit-learn makes several arrays of what it is given."""
    import sklearn.metrics

    parts = list(predictions.blocks())
    errors = [getattr(sklearn.metrics, function)(part.truth.ravel(), part.scores.ravel()) for part in parts]
    return float(np.dot(errors, [len(part) / len(predictions) for part in parts]))


def _r2(predictions: Predictions) -> float | None:
    """1 - squared errors / squared differences of the truth from its mean."""
    if np.ptp(predictions.truth) == 0:
        return None
    parts = list(predictions.blocks())
    if len(parts) == 1:
        return _error("r2_score", predictions)
    mean = predictions.truth.mean()
    spread = sum(float(np.square(part.truth - mean).sum()) for part in parts)
    return 1 - _error("mean_squared_error", predictions) * predictions.truth.size / spread


def _mape(predictions: Predictions) -> float | None:
    """A fraction: 0.1 is 10 %."""
    return None if np.any(predictions.truth == 0) else _error("mean_absolute_percentage_error", predictions)


Measure = Callable[[Predictions], float | None]

CLASSIFICATION: dict[str, Measure] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "precision": partial(_averaged, "precision_score", "macro"),
    "recall": partial(_averaged, "recall_score", "macro"),
    "f1": partial(_averaged, "f1_score", "macro"),
    "precision_weighted": partial(_averaged, "precision_score", "weighted"),
    "recall_weighted": partial(_averaged, "recall_score", "weighted"),
    "f1_weighted": partial(_averaged, "f1_score", "weighted"),
    "roc_auc": partial(_ranked, roc_auc),
    "average_precision": partial(_ranked, average_precision),
    "log_loss": _log_loss,
}
NUMBERS: dict[str, Measure] = {
    "mae": partial(_error, "mean_absolute_error"),
    "rmse": lambda predictions: float(np.sqrt(_error("mean_squared_error", predictions))),
    "mse": partial(_error, "mean_squared_error"),
    "r2": _r2,
    "mape": _mape,
}
RECONSTRUCTION: dict[str, Measure] = {
    # Not through scikit-learn: it would copy all images of a split to float64 at once.
    "mse": lambda predictions: float(squared_errors(predictions).mean()),
    "mae": lambda predictions: float(absolute_errors(predictions).mean()),
}


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


@contextmanager
def _quiet() -> Iterator[None]:
    """Within it scikit-learn does not suspect that many classes among few examples might be a regression."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        yield
