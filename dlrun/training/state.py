"""The variables that a training changes, as plain arrays: out of the learner, and into one that was built again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlrun.training.model import put
from dlrun.training.optimizers import rate_factor
from dlrun.training.step import Learner

if TYPE_CHECKING:
    import numpy as np


def variables(learner: Learner) -> dict[str, Any]:
    """All Keras variables that the next step depends on: weights, moving statistics, the seeds of dropout, the
    optimizer's; by a name that is the same each time the learner is built."""
    factor = rate_factor(learner.optimizer)
    owners = {
        "model": learner.model.variables,
        "optimizer": learner.optimizer.variables,
        "schedule": [] if factor is None else [factor],
    }
    return {
        f"{owner}/{index:04d}_{variable.name}": variable
        for owner, found in owners.items()
        for index, variable in enumerate(found)
    }


def capture(learner: Learner) -> dict[str, np.ndarray]:
    """The values of `variables`."""
    return {name: variable.value.numpy() for name, variable in variables(learner).items()}


def restore(learner: Learner, saved: dict[str, np.ndarray]) -> None:
    """Puts back what `capture` gave, on every replica.

    Raises:
        RunError: if a name, a shape or a dtype differs; the first that does is named.
    """
    put(saved, variables(learner))
    learner.team.spread_seeds(learner.model)
