"""What is decided at the end of an epoch, against a plain reading of Keras's two callbacks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlrun.training.patience import Watch
from dlrun.training.settings import Training

VALUES = st.lists(st.integers(0, 6).map(lambda n: n / 4), min_size=1, max_size=30)
"""Few different values, so that ties and plateaus are common."""


def rows_of(values: list[float], monitor: str) -> list[dict[str, float]]:
    return [{"epoch": epoch, monitor: value} for epoch, value in enumerate(values, 1)]


def early_stopping(values: list[float], patience: int, min_delta: float, sign: int) -> tuple[int, int]:
    """keras.callbacks.EarlyStopping, written down again: the best epoch and that at which it stops (0: it does not)."""
    best, best_epoch, wait = None, 0, 0
    for epoch, value in enumerate(values):
        wait += 1
        if best is None or sign * value - min_delta > sign * best:
            best, best_epoch, wait = value, epoch, 0
        elif wait >= patience and epoch > 0:
            return best_epoch + 1, epoch + 1
    return best_epoch + 1, 0


@given(VALUES, st.integers(1, 4), st.sampled_from([0.0, 0.25, 0.6]), st.sampled_from(["validation_loss", "accuracy"]))
def test_early_stopping_is_that_of_keras(values: list[float], patience: int, min_delta: float, monitor: str) -> None:
    settings = Training.parse(
        {"early_stopping": {"monitor": monitor, "patience": patience, "min_delta": min_delta}, "epochs": 99}
    )
    watch, stopped = Watch.replay(settings, monitor, []), 0
    for row in rows_of(values, monitor):
        watch.see(row)
        if watch.stops:
            stopped = int(row["epoch"])
            break
    expected = early_stopping(values, patience, min_delta, 1 if monitor == "accuracy" else -1)
    assert (watch.best_epoch, stopped) == expected


@given(VALUES, st.integers(1, 4), st.integers(0, 30))
def test_a_replayed_watch_goes_on_as_the_first(values: list[float], patience: int, cut: int) -> None:
    settings = Training.parse(
        {
            "early_stopping": {"patience": patience + 1},
            "reduce_on_plateau": {"patience": patience},
        }
    )
    rows = rows_of(values, "validation_loss")
    whole = Watch.replay(settings, "validation_loss", [])
    told: list[Any] = []
    for row in rows:
        whole.see(row)
        told.append((whole.is_best, whole.reduces, whole.stops, whole.best_epoch))
    again = Watch.replay(settings, "validation_loss", rows[:cut])
    for row, expected in zip(rows[cut:], told[cut:], strict=True):
        again.see(row)
        assert (again.is_best, again.reduces, again.stops, again.best_epoch) == expected


@pytest.mark.parametrize(
    ("values", "reduced_after"),
    [([3, 2, 1, 1, 1, 1, 1], [5, 7]), ([1, 1, 1, 0, 1, 1, 1], [3, 6]), ([3, 2, 1], [])],
)
def test_a_plateau_lowers_the_rate_each_time_patience_is_over(values: list[float], reduced_after: list[int]) -> None:
    settings = Training.parse({"reduce_on_plateau": {"patience": 2, "factor": 0.1, "minimum": 0.05}})
    watch, rate, found = Watch.replay(settings, "validation_loss", []), 1.0, []
    for row in rows_of(values, "validation_loss"):
        watch.see(row)
        if watch.reduces:
            found.append(row["epoch"])
            rate = watch.reduced(rate)
    assert found == reduced_after
    assert rate == pytest.approx([1.0, 0.1, 0.05][len(found)])


def test_the_rate_is_never_raised_to_the_minimum() -> None:
    settings = Training.parse({"reduce_on_plateau": {"minimum": 0.5}})
    assert Watch.replay(settings, "validation_loss", []).reduced(0.1) == 0.1
