"""95 % intervals of the metrics that are means over examples.

They say how far the number could be off because the split is a finite sample of examples that are independent of one
another. They say nothing of how another seed would have trained, and are too narrow where examples come in groups.
Metrics that are no means over examples (precision, recall, F1, ROC AUC, R², MAPE, …) have none.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from statistics import NormalDist

import numpy as np

from dlrun.evaluation.predictions import BLOCK, Array, Predictions, absolute_errors, log_losses, squared_errors

LEVEL = 0.95
Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
SMALLEST_SAMPLE = 30  # below it the mean of a skewed error is not yet close to normal
Interval = tuple[float, float]


def intervals(predictions: Predictions, metrics: Iterable[str]) -> dict[str, list[float]]:
    """The intervals of those of the metrics that have one, as `[low, high]`.

    Means of errors need 30 examples. Neighbouring windows of a forecast share steps, so theirs come from 30
    consecutive batches of windows, each at least as long as the horizon; a shorter split has none.
    """
    found: dict[str, Interval | None] = {}
    wanted = set(metrics)
    if predictions.is_classification:
        if "accuracy" in wanted:
            truth, prediction, counts = predictions.cells
            found["accuracy"] = wilson(int(counts[truth == prediction].sum()), len(predictions))
        if "log_loss" in wanted:
            found["log_loss"] = mean_interval(log_losses(predictions))
    else:
        if "mae" in wanted:
            found["mae"] = mean_interval(_samples(predictions, absolute_errors(predictions)))
        if wanted & {"mse", "rmse"}:
            squared = _samples(predictions, squared_errors(predictions))
            found |= {"mse": mean_interval(squared), "rmse": root_interval(squared)}
    return {name: list(interval) for name, interval in found.items() if interval and name in wanted}


def wilson(successes: int, trials: int) -> Interval:
    """The score interval of a proportion.

    (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n) with p = successes / trials, n = trials ≥ 1: E. B. Wilson,
    "Probable inference, the law of succession, and statistical inference", JASA 22 (1927) 209-212. Unlike p ± z s it
    stays within [0, 1] and holds for few trials and for p near 1.

    >>> [round(bound, 4) for bound in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    proportion = successes / trials
    centre = proportion + Z**2 / (2 * trials)
    half = Z * sqrt(proportion * (1 - proportion) / trials + Z**2 / (4 * trials**2))
    scale = 1 + Z**2 / trials
    low, high = (centre - half) / scale, (centre + half) / scale
    return max(0.0, min(low, proportion)), min(1.0, max(high, proportion))  # rounding goes past p at 0 and at 1


def mean_interval(values: Array) -> Interval | None:
    """m ± z s/√n, with m and s the mean and the standard deviation of n ≥ 30 values that cannot be negative."""
    if len(values) < SMALLEST_SAMPLE:
        return None
    mean, half = float(np.mean(values)), Z * _standard_error(values)
    return max(0.0, mean - half), mean + half


def root_interval(values: Array) -> Interval | None:
    """√m ± z s/(2√m √n), the interval of the root of their mean by the delta method: d√m/dm = 1/(2√m)."""
    if len(values) < SMALLEST_SAMPLE:
        return None
    root = sqrt(float(np.mean(values)))
    half = Z * _standard_error(values) / (2 * root) if root else 0.0
    return root - half, root + half


def _standard_error(values: Array) -> float:
    mean, count = np.mean(values), len(values)
    # Block by block: numpy.std would make a second array of all.
    squares = sum(float(np.square(values[at : at + BLOCK] - mean).sum()) for at in range(0, count, BLOCK))
    return sqrt(squares / (count - 1) / count)


def _samples(predictions: Predictions, errors: Array) -> Array:
    """What may be taken for independent: the errors themselves, or of a forecast the means of batches of them."""
    if predictions.task != "forecast":
        return errors
    beside = 1 if predictions.series is None else len(np.unique(predictions.series))
    in_time = np.argsort(predictions.order, kind="stable")
    return batch_means(errors[in_time], shortest=predictions.truth.shape[1] * beside)


def batch_means(errors: Array, shortest: int) -> Array:
    """The means of 30 consecutive batches of errors in order of time, or none if a batch would be too short.

    Means of long enough batches are nearly independent where single errors are not: A. M. Law, "Simulation Modeling
    and Analysis" (5th ed., 2015), section 9.5.3.

    Args:
        errors: (n,), in order of time.
        shortest: errors that a batch must have at least.
    """
    if len(errors) < SMALLEST_SAMPLE * shortest:
        return errors[:0]
    return np.array([batch.mean() for batch in np.array_split(errors, SMALLEST_SAMPLE)])
