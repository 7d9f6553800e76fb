"""What needs no model: the predictions that a model must beat to be worth anything.

Each baseline is `Predictions` for the same examples as the model's, measured by the same code, and knows the train
split only (and, for a forecast, the history that the model sees too).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dlrun.evaluation.predictions import Array, Predictions
from dlrun.evaluation.reconstruction import Noisy, errors, mean_input

MAJORITY, MEAN, MEDIAN, LAST_VALUE = "majority class", "mean", "median", "last value"
MEAN_INPUT, NOISY_INPUT = "mean of the inputs", "the noisy input itself"

HOUR, DAY = 3600.0, 86400.0


class Season(NamedTuple):
    """After how many steps a series is expected to repeat itself, and what the forecast by it is called."""

    steps: int
    name: str


def baselines(
    predictions: Predictions,
    train: Array,
    *,
    history: Array | None = None,
    step_seconds: float | None = None,
    inputs: Array | None = None,
    noisy: Noisy | None = None,
) -> dict[str, Predictions]:
    """The trivial predictions for the examples of a model's predictions, by the name of the baseline.

    Args:
        predictions: the model's; only their truth, rows and classes are used.
        train: the truth of the train split: (n,) index of the class; (n,) numbers; (n, …) the inputs, for a
            reconstruction, in memory or on disk; not used for a forecast.
        history: forecast: (n, window) the values before each example's first step, oldest first, in the units of the
            data.
        step_seconds: forecast: the time step of the series, where it has one.
        inputs: reconstruction: (n, …) what is to be given again.
        noisy: then also what the model was given, where that has noise.
    """
    match predictions.task:
        case "binary" | "multiclass":
            return {MAJORITY: majority(predictions, train)}
        case "regression":
            return {MEAN: constant(predictions, np.mean(train)), MEDIAN: constant(predictions, np.median(train))}
        case "reconstruction":
            return {} if inputs is None else trivial_reconstructions(predictions, inputs, train, noisy)
        case "forecast":
            return {} if history is None else naive_forecasts(predictions, history, season(step_seconds))


def majority(predictions: Predictions, train: Array) -> Predictions:
    """The most frequent class of the train split; as probabilities, how frequent each class is there."""
    counts = np.bincount(train, minlength=len(predictions.classes))
    return constant(predictions, counts / counts.sum())


def constant(predictions: Predictions, value: Array | np.floating) -> Predictions:
    """The same prediction for every example."""
    return replace(predictions, scores=np.broadcast_to(value, (len(predictions), *np.shape(value))))


def trivial_reconstructions(
    predictions: Predictions, inputs: Array, train: Array, noisy: Noisy | None
) -> dict[str, Predictions]:
    """The mean of the train split's inputs for every input, and each input with its noise."""
    made: dict[str, Array | Noisy] = {MEAN_INPUT: np.broadcast_to(mean_input(train), inputs.shape)}
    if noisy is not None:
        made[NOISY_INPUT] = noisy
    return {name: replace(predictions, scores=errors(inputs, each.__getitem__)) for name, each in made.items()}


def naive_forecasts(predictions: Predictions, history: Array, season: Season | None) -> dict[str, Predictions]:
    """The last value, and the value one season earlier; the latter only where the window reaches back that far."""
    found = {LAST_VALUE: seasonal(predictions, history, 1)}
    if season and history.shape[1] >= season.steps:
        found[season.name] = seasonal(predictions, history, season.steps)
    return found


def seasonal(predictions: Predictions, history: Array, steps: int) -> Predictions:
    """The last `steps` values, over and over: step h (from 1) is history[(h - 1) mod steps - steps].

    With one step this is the last value (R. J. Hyndman, G. Athanasopoulos, "Forecasting: Principles and Practice",
    3rd ed., section 5.2, naive and seasonal naive method).
    """
    horizon = predictions.truth.shape[1]
    return replace(predictions, scores=history[:, np.arange(horizon) % steps - steps])


def season(step_seconds: float | None) -> Season | None:
    """The season of a series whose values are `step_seconds` apart; None where none goes without saying.

    Steps of up to half a day repeat by the day, daily ones by the week, weekly, monthly and quarterly ones by the
    year.
    """
    if step_seconds is None or step_seconds <= 0:
        return None
    if step_seconds <= DAY / 2:
        steps = round(DAY / step_seconds)
        what = "hour" if step_seconds == HOUR else "time"
        return Season(steps, f"same {what} of the day before") if steps * step_seconds == DAY else None
    for shortest, longest, steps, name in (
        (1, 1, 7, "same day of the week before"),
        (7, 7, 52, "same week of the year before"),
        (28, 31, 12, "same month of the year before"),
        (90, 92, 4, "same quarter of the year before"),
    ):
        if shortest * DAY <= step_seconds <= longest * DAY:
            return Season(steps, name)
    return None
