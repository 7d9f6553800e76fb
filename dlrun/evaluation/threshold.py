"""From which probability of the second of two classes on an example counts as of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from dlrun.spec.base import Spec

if TYPE_CHECKING:
    import numpy as np


class Cost(Spec):
    """The threshold with the least cost."""

    false_positive: Annotated[float, Field(gt=0)] = 1.0
    """What an example of the first class costs that is taken for the second."""
    false_negative: Annotated[float, Field(gt=0)] = 1.0
    """What an example of the second class costs that is taken for the first."""


class ByCost(Spec):
    """Chosen by what mistakes cost."""

    cost: Cost
    """What mistakes cost, such as {false_positive: 1, false_negative: 10}."""


def _form(value: object) -> str:
    if isinstance(value, str):
        return "<rule>"
    return "<cost>" if isinstance(value, dict | Spec) else "<number>"


Threshold = Annotated[
    Annotated[Literal["f1", "youden"], Tag("<rule>")]
    | Annotated[ByCost, Tag("<cost>")]
    | Annotated[float, Field(gt=0, lt=1), Tag("<number>")],
    Discriminator(_form),
]


@dataclass(frozen=True)
class Chosen:
    """A threshold.

    Args:
        value: the least probability of the second class at which an example counts as of it.
        rule: what chose it, in words.
        label: the second class.
        split: on which examples it was chosen; None where the spec states it.
    """

    value: float
    rule: str
    label: str
    split: str | None

    def tree(self) -> dict[str, Any]:
        """As the run keeps it."""
        return {"value": self.value, "rule": self.rule, "class": self.label, "split": self.split}


def choose(
    how: Literal["f1", "youden"] | ByCost, truth: np.ndarray, scores: np.ndarray, classes: tuple[str, ...]
) -> Chosen:
    """The best threshold on the validation part.

    Args:
        how: what is best, as the spec has it.
        truth: (n,), 1 for the second class.
        scores: (n,), the probability of the second class.
        classes: both.
    """
    if isinstance(how, ByCost):
        cost = how.cost
        named = (
            f"least cost: {cost.false_positive:g} for a false {classes[1]}, {cost.false_negative:g} for a missed one"
        )
    else:
        named = {"f1": f"best F1 of {classes[1]}", "youden": "best sum of sensitivity and specificity"}[how]
    return Chosen(_best(how, truth, scores), named, classes[1], "validation")


def _best(how: Literal["f1", "youden"] | ByCost, truth: np.ndarray, scores: np.ndarray) -> float:
    """The best threshold, half way between two probabilities that occur, so that rounding changes nothing.

    F1 = 2 TP / (2 TP + FP + FN); Youden's J = TP / P - FP / N (W. J. Youden, Cancer 3 (1950) 32-35).
    """
    import numpy as np

    found, counts = np.unique(scores, return_counts=True)
    positive = np.bincount(np.searchsorted(found, scores), truth, minlength=len(found))
    above = np.cumsum(positive[::-1])[::-1]  # TP, where the threshold is just below each probability
    false_positive = np.cumsum((counts - positive)[::-1])[::-1]
    positives, negatives = max(truth.sum(), 1), max(len(truth) - truth.sum(), 1)
    missed = truth.sum() - above
    match how:
        case "f1":
            quality = 2 * above / np.maximum(2 * above + false_positive + missed, 1)
        case "youden":
            quality = above / positives - false_positive / negatives
        case _:
            quality = -(how.cost.false_positive * false_positive + how.cost.false_negative * missed)
    place = int(np.argmax(quality))
    below = found[place - 1] if place else 0.0
    return float((found[place] + below) / 2)
