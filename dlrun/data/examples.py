"""Encoded rows: what a model trains on or is judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlrun.data.layout import Past

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Examples:
    """What a model trains on or is judged by.

    Args:
        rows: of the table, counted from 0; for a series the row of the last past step. int64 or int32 (n,).
        inputs: by the name of the network's input, float32 or int32 (n, …).
        target: as the loss takes it: classes int32 (n,); numbers float32 (n, 1); steps of a series float32
            (n, horizon), both normalised; for a reconstruction the input itself. (n, 0) where it was not asked for.
        truth: the target in the units of the data: classes int32 (n,); numbers float64 (n,) or (n, horizon);
            for a reconstruction the input itself.
        past: of a series: what came before each example.
        further: of several targets those but the main one: target and truth of each.
    """

    rows: np.ndarray
    inputs: dict[str, np.ndarray]
    target: np.ndarray
    truth: np.ndarray
    past: Past | None = None
    further: tuple[tuple[np.ndarray, np.ndarray], ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def in_memory(self) -> Examples:
        """The same examples of series, in memory where they are made when they are read."""
        import numpy as np

        inputs = {name: np.asarray(values) for name, values in self.inputs.items()}
        return Examples(self.rows, inputs, np.asarray(self.target), np.asarray(self.truth), self.past)

    def first(self, count: int) -> Examples:
        """The first examples alone, in memory."""
        inputs = {name: values[:count] for name, values in self.inputs.items()}
        further = tuple((target[:count], truth[:count]) for target, truth in self.further)
        return Examples(self.rows[:count], inputs, self.target[:count], self.truth[:count], further=further)

    @property
    def each(self) -> tuple[Examples, ...]:
        """The same examples for each target alone, the main one first."""
        if not self.further:
            return (self,)
        both = ((self.target, self.truth), *self.further)
        return tuple(Examples(self.rows, self.inputs, target, truth) for target, truth in both)
