"""What follows from the history of a training: the best epoch, when to stop, when to lower the learning rate.

Each is a fold over the rows of history.csv, so it has no state of its own to keep: a training that is resumed replays
the rows, and stands where it stood.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dlrun.training.settings import EarlyStopping, ReduceOnPlateau, Training


@dataclass
class Patience:
    """Watches one column, and counts the epochs since it last got better; the rule of Keras's `EarlyStopping`.

    Args:
        monitor: the column.
        min_delta: by how much more than this a value must be better to count.
    """

    monitor: str
    min_delta: float = 0.0
    best: float | None = None
    best_epoch: int = 0
    waited: int = 0

    def see(self, row: Mapping[str, float]) -> bool:
        """Takes the row of the next epoch; whether it is the best so far."""
        value = row[self.monitor]
        sign = 1 if direction(self.monitor) == "max" else -1
        if self.best is None or sign * (value - self.best) > self.min_delta:
            self.best, self.best_epoch, self.waited = value, int(row["epoch"]), 0
            return True
        self.waited += 1
        return False


class Watch:
    """All that is decided at the end of an epoch.

    Args:
        early_stopping, reduce_on_plateau: the sections of the spec.
        monitor: the column that tells the best epoch.
    """

    def __init__(
        self, early_stopping: EarlyStopping | None, reduce_on_plateau: ReduceOnPlateau | None, monitor: str
    ) -> None:
        self._stopping, self._reducing = early_stopping, reduce_on_plateau
        self._quality = Patience(monitor, early_stopping.min_delta if early_stopping else 0.0)
        self._plateau = Patience(reduce_on_plateau.monitor) if reduce_on_plateau else None
        self.is_best = False
        """Whether the last epoch is the best so far."""
        self.reduces = False
        """Whether the learning rate is lowered after the last epoch."""

    @classmethod
    def replay(cls, settings: Training, monitor: str, rows: Iterable[Mapping[str, float]]) -> Watch:
        """As it stands after the rows of a history."""
        watch = cls(settings.early_stopping, settings.reduce_on_plateau, monitor)
        for row in rows:
            watch.see(row)
        return watch

    def see(self, row: Mapping[str, float]) -> None:
        """Takes the row of the next epoch."""
        self.is_best = self._quality.see(row)
        self.reduces = False
        if self._plateau is not None and self._reducing is not None:
            self._plateau.see(row)
            if self._plateau.waited >= self._reducing.patience:
                self._plateau.waited = 0
                self.reduces = True

    @property
    def best_epoch(self) -> int:
        """The epoch with the best value so far; 0 before the first."""
        return self._quality.best_epoch

    @property
    def stops(self) -> bool:
        """Whether early stopping ends the training after the last epoch."""
        return self._stopping is not None and self._quality.waited >= self._stopping.patience

    def reduced(self, learning_rate: float) -> float:
        """The learning rate after a plateau."""
        if self._reducing is None or learning_rate <= self._reducing.minimum:
            return learning_rate
        return max(learning_rate * self._reducing.factor, self._reducing.minimum)


def direction(metric: str) -> str:
    """Which way a training metric gets better: `max` for accuracy, `min` for losses and errors."""
    return "max" if metric == "accuracy" or metric.endswith("_accuracy") else "min"
