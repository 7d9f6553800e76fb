"""Where a training stands: with the variables of network and optimizer, all that its next step depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

Row = dict[str, float]
"""One epoch of history.csv: epoch, metrics, validation metrics, learning_rate, seconds, examples_per_second."""

NOTHING: tuple[float, ...] = ()
"""What no step adds up to."""


@dataclass
class Progress:
    """Where a training stands.

    Args:
        batch_size: examples through the network at once; smaller than the spec's after the memory did not hold them.
        epoch: the one that is being trained, from 1.
        step: how many of its steps are done.
        sums: what they add up to, (sums,); empty before the first.
        seconds: how long they took.
        learning_rate: at the first step of the epoch.
        rewinds: how often the training went back because of a loss that was not finite.
        rows: the history.
        best_epoch: the best one so far; 0 before the first.
        best_weights: those at its end by path; None before the first.
    """

    batch_size: int
    epoch: int = 1
    step: int = 0
    sums: tuple[float, ...] = NOTHING
    seconds: float = 0.0
    learning_rate: float = 0.0
    rewinds: int = 0
    rows: list[Row] = field(default_factory=list)
    best_epoch: int = 0
    best_weights: dict[str, np.ndarray] | None = None

    @property
    def skipped(self) -> int:
        """How many steps of the epoch were left out."""
        return int(self.sums[-1]) if self.sums else 0

    def end_epoch(self, row: Row) -> None:
        """The epoch is done, and its row belongs to the history."""
        self.rows.append(row)
        self.epoch, self.step, self.sums, self.seconds = self.epoch + 1, 0, NOTHING, 0.0

    def tree(self) -> dict[str, Any]:
        """As plain data, without the weights; floats keep their bits in JSON."""
        return {
            "batch_size": self.batch_size,
            "epoch": self.epoch,
            "step": self.step,
            "sums": list(self.sums),
            "seconds": self.seconds,
            "learning_rate": self.learning_rate,
            "rewinds": self.rewinds,
            "rows": self.rows,
            "best_epoch": self.best_epoch,
        }

    @classmethod
    def parse(cls, tree: Mapping[str, Any], best_weights: dict[str, np.ndarray] | None) -> Progress:
        """What `tree` gave, with the weights of the best epoch."""
        return cls(**{**tree, "sums": tuple(tree["sums"])}, best_weights=best_weights)
