"""Oversampling: which examples an epoch is made of follows from seed and epoch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlrun.experiment import Experiment
from dlrun.training.order import Oversampled

CLASSES = ("a", "b", "c")


@given(labels=st.lists(st.integers(0, 2), min_size=3, max_size=80), seed=st.integers(0, 99), epoch=st.integers(1, 9))
def test_balanced_classes_are_seen_equally_often_and_no_example_is_missing(
    labels: list[int], seed: int, epoch: int
) -> None:
    index = np.array(labels)
    oversampled = Oversampled.of("balanced", index, CLASSES)
    rows = oversampled.rows(seed, epoch)
    assert len(rows) == len(oversampled)
    assert set(rows.tolist()) == set(range(len(labels)))
    counts = np.bincount(index)
    assert set(np.bincount(index[rows])[counts > 0].tolist()) == {counts.max()}
    times = np.bincount(rows)
    for cls in np.unique(index):
        assert np.ptp(times[index == cls]) <= 1
    assert np.array_equal(rows, oversampled.rows(seed, epoch))


def test_factors_multiply_classes_and_what_is_left_over_is_drawn_anew() -> None:
    index = np.repeat([0, 1], [40, 10])
    oversampled = Oversampled.of({"b": 2.5}, index, ("a", "b"))
    assert len(oversampled) == 40 + 25
    first, second = (np.bincount(oversampled.rows(0, epoch)) for epoch in (1, 2))
    assert first[:40].tolist() == [1] * 40
    assert sorted(first[40:].tolist()) == sorted(second[40:].tolist()) == [2] * 5 + [3] * 5
    assert first.tolist() != second.tolist()
    assert first.tolist() != np.bincount(oversampled.rows(1, 1)).tolist(), "another seed draws others"


@pytest.mark.parametrize(
    ("data", "training", "loss", "path"),
    [
        ({"name": "iris"}, {"oversample": "balanced"}, None, None),
        ({"name": "iris"}, {"oversample": {"setosa": 2}}, None, None),
        ({"name": "iris"}, {"oversample": {"setosaa": 2}}, None, ("training", "oversample", "setosaa")),
        ({"name": "diabetes"}, {"oversample": "balanced"}, None, ("training", "oversample")),
        (
            {"name": "iris"},
            {"oversample": "balanced"},
            {"kind": "categorical_crossentropy", "class_weights": "balanced"},
            ("training", "oversample"),
        ),
    ],
)
def test_mistakes_are_found(
    data: dict[str, str], training: dict[str, object], loss: object, path: tuple[str, ...] | None
) -> None:
    tree = {"data": {"source": {"kind": "bundled", **data}}, "architecture": {"kind": "ann"}, "training": training}
    problems = Experiment.parse(tree | ({"loss": loss} if loss else {})).check(Path())
    assert [problem.path for problem in problems] == ([path] if path else [])
