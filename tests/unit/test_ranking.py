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
