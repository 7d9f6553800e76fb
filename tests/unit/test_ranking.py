"""ROC AUC and average precision, by hand and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from dlrun.evaluation import ranking

SCORES = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1)  # many of them equal


def test_both_by_hand() -> None:
    truth, scores = np.array([True, False, True, False]), np.array([0.9, 0.4, 0.4, 0.1])
    assert ranking.roc_auc(truth, scores) == (1 + 1 + 0.5 + 1) / 4
    assert ranking.average_precision(truth, scores) == (1 + 2 / 3) / 2


@given(st.lists(st.tuples(st.booleans(), SCORES), min_size=2, max_size=60), st.integers(1, 7))
def test_both_are_those_of_scikit_learn(pairs: list[tuple[bool, float]], block: int) -> None:
    truth, scores = np.array([each for each, _ in pairs]), np.array([each for _, each in pairs])
    truth[:2] = True, False
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "BLOCK", block)
        assert ranking.roc_auc(truth, scores) == pytest.approx(sklearn.metrics.roc_auc_score(truth, scores))
        precision = ranking.average_precision(truth, scores)
    assert precision == pytest.approx(sklearn.metrics.average_precision_score(truth, scores))
