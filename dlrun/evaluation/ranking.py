"""How well scores rank: whether examples of a class have higher ones than the others.

scikit-learn has both, but holds half a dozen arrays of all examples for them; here it is one sorted copy, so that the
numbers of a split of millions fit beside its predictions.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dlrun.evaluation.predictions import BLOCK, Array, Predictions

MOST = 30_000
"""Of the scores of a class, and of those of the others, how many a curve is drawn through."""


def in_order(predictions: Predictions, index: int) -> tuple[Array, Array]:
    """The scores that a class was given: by the examples of it and by the others, both in rising order."""
    count = int(np.count_nonzero(predictions.truth == index))
    scores = np.empty(len(predictions), predictions.scores[:0].dtype)
    own, others = scores[:count], scores[count:]
    first, second = 0, 0
    for part in predictions.blocks():
        of_class, given = part.truth == index, part.scores[:, index]
        here = int(np.count_nonzero(of_class))
        own[first : first + here] = given[of_class]
        others[second : second + len(part) - here] = given[~of_class]
        first, second = first + here, second + len(part) - here
    own.sort()
    others.sort()
    return own, others


def all_in_order(predictions: Predictions) -> tuple[Array, Array]:
    """The scores of all decisions "is this example of that class?": of those where it is, and of the others, both in
    rising order."""
    truth, scores = predictions.truth, np.array(predictions.scores)
    rows = np.arange(len(truth))
    own = scores[rows, truth]
    others = np.delete(scores.reshape(-1), rows * scores.shape[1] + truth)
    own.sort()
    others.sort()
    return own, others


def points(own: Array, others: Array) -> tuple[Array, Array]:
    """How many of both have at least a score, for falling scores: first none, at last all.

    It is so for each score that occurs, or where there are very many for so many that from one to the next hardly more
    than a 30,000th of either comes in.

    Args:
        own, others: in rising order.
    """
    some = [each[np.linspace(0, len(each) - 1, min(len(each), MOST)).astype(int)] for each in (own, others)]
    scores = np.unique(np.concatenate(some))[::-1]
    both = (len(each) - np.searchsorted(each, scores, "left") for each in (own, others))
    true, false = (np.concatenate([[0], counts]) for counts in both)
    return true, false


def roc_auc(own: Array, others: Array) -> float:
    """The share of pairs, one example of the class and one other, of which the former has the higher score; equal
    ones count half.

    It is the area under the ROC curve (J. A. Hanley, B. J. McNeil, "The meaning and use of the area under a receiver
    operating characteristic (ROC) curve", Radiology 143 (1982) 29-36).

    Args:
        own: finite scores of the examples of the class, in rising order, at least one.
        others: those of the others.
    """
    halves = 0
    for part in _blocks(own):
        halves += int(np.searchsorted(others, part, "left").sum() + np.searchsorted(others, part, "right").sum())
    return halves / (2 * len(own) * len(others))


def average_precision(own: Array, others: Array) -> float:
    """The mean over the examples of the class of the precision at their score: of those with at least that score,
    the share that is of the class.

    It is scikit-learn's sum over thresholds (R_n - R_{n-1}) P_n, in which each example of the class adds the same to
    the recall.

    Args:
        own, others: as of `roc_auc`.
    """
    total = 0.0
    for part in _blocks(own):
        true = len(own) - np.searchsorted(own, part, "left")
        false = len(others) - np.searchsorted(others, part, "left")
        total += float((true / (true + false)).sum())
    return total / len(own)


def _blocks(values: Array) -> Iterator[Array]:
    return (values[start : start + BLOCK] for start in range(0, len(values), BLOCK))
