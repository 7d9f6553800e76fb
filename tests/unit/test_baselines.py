"""Baselines by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dlrun.evaluation.baselines import Season, baselines, season, seasonal
from dlrun.evaluation.metrics import measure
from dlrun.evaluation.predictions import Predictions
from dlrun.evaluation.reconstruction import Noisy

HOUR, DAY = 3600, 86400


def of(task, truth, classes=()):
    truth = np.asarray(truth)
    return Predictions("test", task, "target", classes, np.arange(len(truth)), truth, np.zeros_like(truth, dtype=float))


def test_majority_class():
    found = baselines(of("multiclass", [0, 1, 2, 1], ("a", "b", "c")), np.array([1, 1, 0, 1]))
    assert list(found) == ["majority class"]
    majority = found["majority class"]
    np.testing.assert_array_equal(majority.scores, [[0.25, 0.75, 0.0]] * 4)
    np.testing.assert_array_equal(majority.prediction, [1, 1, 1, 1])
    assert measure(majority)["accuracy"] == 0.5
    assert measure(majority)["roc_auc"] == 0.5


def test_mean_and_median():
    found = baselines(of("regression", [1.0, 3.0]), np.array([0.0, 1.0, 8.0]))
    assert {name: values.scores.tolist() for name, values in found.items()} == {"mean": [3, 3], "median": [1, 1]}
    assert measure(found["mean"])["mae"] == 1


def test_mean_of_the_inputs():
    train = np.array([[[0.0, 2.0]], [[2.0, 4.0]]], np.float32)
    inputs = np.array([[[1.0, 3.0]], [[1.0, 7.0]], [[3.0, 3.0]]], np.float32)
    (found,) = baselines(of("reconstruction", np.zeros((3, 0))), train, inputs=inputs).values()
    np.testing.assert_array_equal(found.scores, [[0, 0], [8, 2], [2, 1]])  # from 1 and 3: squared and absolute
    assert measure(found)["mse"] == pytest.approx(10 / 3)


def test_the_noisy_input_itself():
    inputs = np.zeros((4000, 5), np.float32)
    noisy = Noisy(inputs, 0.5, 3, "test")
    found = baselines(of("reconstruction", np.zeros((4000, 0))), inputs, inputs=inputs, noisy=noisy)
    assert list(found) == ["mean of the inputs", "the noisy input itself"]
    assert measure(found["the noisy input itself"])["mse"] == pytest.approx(0.25, rel=0.03)
    assert measure(found["mean of the inputs"])["mse"] == 0


def test_naive_forecasts():
    history = np.arange(48.0)[None]
    found = baselines(of("forecast", [np.zeros(30)]), np.zeros(0), history=history, step_seconds=HOUR)
    np.testing.assert_array_equal(found["last value"].scores, [[47.0] * 30])
    np.testing.assert_array_equal(
        found["same hour of the day before"].scores, [[*np.arange(24.0, 48), *np.arange(24.0, 30)]]
    )


def test_a_window_shorter_than_the_season_has_the_last_value_only():
    found = baselines(of("forecast", [[1.0]]), np.zeros(0), history=np.ones((1, 23)), step_seconds=HOUR)
    assert list(found) == ["last value"]


def test_without_history_or_step():
    truth = of("forecast", [[1.0]])
    assert baselines(truth, np.zeros(0)) == {}
    assert list(baselines(truth, np.zeros(0), history=np.ones((1, 99)))) == ["last value"]


def test_seasonal_by_hand():
    forecast = seasonal(of("forecast", [np.zeros(5)]), np.array([[9.0, 1.0, 2.0]]), 2)
    np.testing.assert_array_equal(forecast.scores, [[1, 2, 1, 2, 1]])


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (HOUR, Season(24, "same hour of the day before")),
        (600, Season(144, "same time of the day before")),
        (DAY, Season(7, "same day of the week before")),
        (7 * DAY, Season(52, "same week of the year before")),
        (30.5 * DAY, Season(12, "same month of the year before")),
        (91 * DAY, Season(4, "same quarter of the year before")),
        (7 * HOUR, None),
        (2 * DAY, None),
        (365 * DAY, None),
        (0, None),
        (None, None),
    ],
)
def test_seasons(seconds, expected):
    assert season(seconds) == expected
