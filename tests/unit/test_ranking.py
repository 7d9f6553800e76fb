"""ROC AUC and average precision, by hand and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from dlrun.evaluation import ranking
from dlrun.evaluation.predictions import Predictions

SCORES = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1)  # many of them equal


def given_to(truth: list[bool], scores: list[float]) -> Predictions:
    second = np.array(scores)
    both = np.column_stack([1 - second, second])
    return Predictions("test", "binary", "era", ("old", "new"), np.arange(len(second)), np.array(truth, int), both)


def test_both_by_hand() -> None:
    own, others = ranking.in_order(given_to([True, False, True, False], [0.9, 0.4, 0.4, 0.1]), 1)
    assert (own.tolist(), others.tolist()) == ([0.4, 0.9], [0.1, 0.4])
    assert ranking.roc_auc(own, others) == (1 + 1 + 0.5 + 1) / 4
    assert ranking.average_precision(own, others) == (1 + 2 / 3) / 2


@given(st.lists(st.tuples(st.booleans(), SCORES), min_size=2, max_size=60), st.integers(1, 7))
def test_both_are_those_of_scikit_learn(pairs: list[tuple[bool, float]], block: int) -> None:
    truth, scores = [True, False, *[each for each, _ in pairs[2:]]], [each for _, each in pairs]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "BLOCK", block)
        patch.setattr("dlrun.evaluation.predictions.BLOCK", block)
        found = ranking.in_order(given_to(truth, scores), 1)
        assert ranking.roc_auc(*found) == pytest.approx(sklearn.metrics.roc_auc_score(truth, scores))
        precision = ranking.average_precision(*found)
    assert precision == pytest.approx(sklearn.metrics.average_precision_score(truth, scores))


@given(st.lists(st.tuples(st.booleans(), SCORES), min_size=2, max_size=60))
def test_points_are_those_of_the_curves_of_scikit_learn(pairs: list[tuple[bool, float]]) -> None:
    truth, scores = [True, False, *[each for each, _ in pairs[2:]]], [each for _, each in pairs]
    own, others = ranking.in_order(given_to(truth, scores), 1)
    true, false = ranking.points(own, others)
    false_positive, true_positive, _ = sklearn.metrics.roc_curve(truth, scores, drop_intermediate=False)
    np.testing.assert_allclose(true / len(own), true_positive)
    np.testing.assert_allclose(false / len(others), false_positive)


def test_of_many_scores_the_points_are_near_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "MOST", 50)
    random = np.random.default_rng(0)
    own, others = np.sort(random.normal(1, 1, 3000)), np.sort(random.normal(0, 1, 7000))
    true, false = ranking.points(own, others)
    assert (true[0], false[0], true[-1], false[-1]) == (0, 0, 3000, 7000)
    assert len(true) <= 101
    assert np.diff(true).max() <= np.ceil(2999 / 49)
    assert np.diff(false).max() <= np.ceil(6999 / 49)


def test_decisions_of_all_classes_by_hand() -> None:
    scores = np.array([[0.7, 0.2, 0.1], [0.2, 0.3, 0.5]])
    said = Predictions("test", "multiclass", "era", ("a", "b", "c"), np.arange(2), np.array([0, 1]), scores)
    own, others = ranking.all_in_order(said)
    assert own.tolist() == [0.3, 0.7]
    assert others.tolist() == [0.1, 0.2, 0.2, 0.5]
