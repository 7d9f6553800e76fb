"""Intervals against values by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from dlrun.evaluation.intervals import Z, batch_means, intervals, mean_interval, root_interval, wilson
from dlrun.evaluation.predictions import Predictions, log_losses


def of(task, truth, scores):
    classes = ("no", "yes") if task == "binary" else ()
    return Predictions("test", task, "target", classes, np.arange(len(truth)), truth, scores)


def test_wilson_by_hand():
    # n = 10, p = 0.8, z = 1.959964: centre (0.8 + 0.192073) / 1.384146, half sqrt(0.016 + 0.009604) z / 1.384146
    assert wilson(8, 10) == pytest.approx((0.490162, 0.943318), abs=1e-6)
    right = of("binary", np.repeat([0, 1], [6, 4]), np.eye(2)[np.repeat([0, 1, 0], [6, 2, 2])])
    assert intervals(right, ["accuracy"])["accuracy"] == pytest.approx((0.490162, 0.943318), abs=1e-6)
    # p = 0: the upper bound is z² / (n + z²)
    assert wilson(0, 10) == pytest.approx((0.0, 3.841459 / 13.841459), abs=1e-6)
    assert wilson(10, 10) == pytest.approx((10 / 13.841459, 1.0), abs=1e-6)


@given(st.integers(1, 10_000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_wilson_holds_the_proportion(counts):
    successes, trials = counts
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1


def test_mean_and_root_by_hand():
    values = np.array([1.0, 3.0] * 50)  # mean 2, variance 100/99
    error = np.sqrt(100 / 99) / 10
    assert mean_interval(values) == pytest.approx((2 - Z * error, 2 + Z * error))
    half = Z * error / (2 * np.sqrt(2))
    assert root_interval(values) == pytest.approx((np.sqrt(2) - half, np.sqrt(2) + half))
    assert root_interval(np.zeros(30)) == (0, 0)


def test_the_blocks_of_a_standard_error_leave_nothing_out(monkeypatch):
    monkeypatch.setattr("dlrun.evaluation.intervals.BLOCK", 7)
    values = np.arange(50.0) ** 2
    half = Z * np.std(values, ddof=1) / np.sqrt(50)
    assert mean_interval(values) == pytest.approx((np.mean(values) - half, np.mean(values) + half))


def test_too_few_examples_have_none():
    assert mean_interval(np.ones(29)) is None
    assert root_interval(np.ones(29)) is None
    assert intervals(of("regression", np.ones(29), np.zeros(29)), ["mae", "rmse"]) == {}


def test_nothing_below_zero():
    values = np.array([100.0] + [0.0] * 40)
    assert mean_interval(values)[0] == 0
    assert root_interval(values)[0] > 0


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says():
    samples = np.random.default_rng(0).gamma(4.0, size=(2000, 200))
    bounds = np.array([mean_interval(sample) for sample in samples])
    assert np.mean((bounds[:, 0] <= 4) & (bounds[:, 1] >= 4)) == pytest.approx(0.95, abs=0.015)


def test_only_what_is_asked_for_and_has_one():
    numbers = of("regression", np.arange(40.0), np.arange(40.0) + 1)
    assert intervals(numbers, ["mae", "rmse", "r2"]) == {"mae": [1, 1], "rmse": [1, 1]}


def test_log_losses_agree_with_scikit_learn():
    chance = np.random.default_rng(0).random(50).round(1)  # with probabilities of 0 and 1 among them
    scores, truth = np.column_stack([1 - chance, chance]), np.arange(50) % 2
    assert log_losses(of("binary", truth, scores)).mean() == pytest.approx(log_loss(truth, scores))


def test_a_forecast_is_taken_in_batches():
    generator = np.random.default_rng(0)
    series = np.cumsum(generator.normal(size=700))
    truth = np.lib.stride_tricks.sliding_window_view(series, 12)
    forecast = of("forecast", truth, np.zeros_like(truth))
    low, high = intervals(forecast, ["mae"])["mae"]
    errors = np.abs(truth).mean(axis=1)
    naive_low, naive_high = mean_interval(errors)
    assert high - low > 3 * (naive_high - naive_low)  # neighbours share 11 of 12 steps
    assert low < errors.mean() < high
    assert intervals(of("forecast", truth[:300], np.zeros((300, 12))), ["mae"]) == {}


def test_batches_are_consecutive():
    np.testing.assert_array_equal(batch_means(np.repeat(np.arange(30.0), 4), shortest=4), np.arange(30.0))
    assert len(batch_means(np.zeros(119), shortest=4)) == 0
