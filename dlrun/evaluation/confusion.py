"""Which class was taken for which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dlrun.evaluation.predictions import Predictions


@dataclass(frozen=True)
class ConfusedPair:
    """A kind of mistake.

    Args:
        truth: the class that the examples are of.
        prediction: the class that they were taken for.
        count: how many they are.
        share: of all examples of class `truth`.
    """

    truth: str
    prediction: str
    count: int
    share: float


def confusion(predictions: Predictions) -> dict[str, Any]:
    """The confusion matrix, as in confusion_matrix.json.

    Returns:
        `labels`, the classes in order, and `counts`, a row for each true class, a column for each predicted one.
    """
    truth, prediction, found = predictions.cells
    counts = np.zeros((len(predictions.classes),) * 2, np.int64)
    counts[truth, prediction] = found
    return {"labels": list(predictions.classes), "counts": counts.tolist()}


def most_confused(matrix: dict[str, Any], limit: int = 10) -> list[ConfusedPair]:
    """The most frequent mistakes, most frequent first."""
    labels, counts = matrix["labels"], np.array(matrix["counts"])
    totals = counts.sum(axis=1)
    mistakes = counts - np.diag(np.diag(counts))
    order = np.argsort(-mistakes, axis=None, kind="stable")[:limit]
    places = ((int(place) // len(labels), int(place) % len(labels)) for place in order)
    return [
        ConfusedPair(labels[row], labels[column], int(counts[row, column]), float(counts[row, column] / totals[row]))
        for row, column in places
        if mistakes[row, column]
    ]
