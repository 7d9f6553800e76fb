"""The `training` section: how long, in what batches, and when to stop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field

from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem


class EarlyStopping(Spec):
    """Ends the training when a metric no longer gets better."""

    monitor: str = "validation_loss"
    """The column of history.csv that is watched."""
    patience: int = Field(default=5, ge=1)
    """How many epochs may pass without getting better."""
    min_delta: float = Field(default=0.0, ge=0)
    """What counts as better: at least by this much."""
    restore_best: bool = True
    """Whether the weights of the best epoch are kept, or the last ones."""


class ReduceOnPlateau(Spec):
    """Lowers the learning rate when a metric no longer gets better."""

    monitor: str = "validation_loss"
    """The column of history.csv that is watched."""
    factor: float = Field(default=0.5, gt=0, lt=1)
    """What the learning rate is multiplied with."""
    patience: int = Field(default=3, ge=1)
    """How many epochs may pass without getting better."""
    minimum: float = Field(default=0.0, ge=0)
    """The learning rate goes no lower."""


class Training(Spec):
    """How the weights are learned."""

    epochs: int = Field(default=10, ge=1)
    """How often every example of the train split is seen, at the most."""
    batch_size: int = Field(default=64, ge=1)
    """How many examples make one step."""
    shuffle: bool = True
    """Whether the order of the examples differs in each epoch; it follows from seed and epoch."""
    early_stopping: EarlyStopping | None = None
    """When to stop before the last epoch. Left out: never."""
    reduce_on_plateau: ReduceOnPlateau | None = None
    """When to lower the learning rate. Left out: never."""

    def check(self, columns: Sequence[str]) -> Iterator[Problem]:
        """Whether what is monitored will be measured.

        Args:
            columns: the metrics that history.csv will have.
        """
        from difflib import get_close_matches

        for field in ("early_stopping", "reduce_on_plateau"):
            section = getattr(self, field)
            if section is None or section.monitor in columns:
                continue
            validation = any(column.startswith("validation_") for column in columns)
            near = get_close_matches(section.monitor.replace("val_", "validation_"), columns, n=1)
            if near:
                hint = f"write `monitor: {near[0]}`"
            elif section.monitor.startswith("val") and not validation:
                hint = "set data.split.validation above 0, or `monitor: loss`"
            else:
                hint = None
            yield Problem(
                (field, "monitor") if "monitor" in section.model_fields_set else (field,),
                f"{section.monitor} is not measured in this training",
                expected=f"one of {', '.join(columns)}",
                received=section.monitor,
                hint=hint,
            )

    def steps_per_epoch(self, examples: int) -> int:
        """How many batches the examples make, a smaller last one included."""
        return -(-examples // self.batch_size)

    def monitored(self, columns: Iterable[str]) -> str:
        """The column of the history that tells the best epoch: that of early stopping, or the (validation) loss."""
        default = "validation_loss" if "validation_loss" in columns else "loss"
        return self.early_stopping.monitor if self.early_stopping else default

    def best_epoch(self, rows: Sequence[Mapping[str, float]], monitor: str) -> int:
        """The first epoch with the best value of a column."""
        sign = -1 if direction(monitor) == "max" else 1
        return int(min(rows, key=lambda row: sign * row[monitor])["epoch"])

    def callbacks(self) -> list[Any]:
        """The Keras callbacks of the sections that are given."""
        import keras

        found: list[Any] = []
        if (plateau := self.reduce_on_plateau) is not None:
            found.append(
                keras.callbacks.ReduceLROnPlateau(
                    monitor=plateau.monitor,
                    factor=plateau.factor,
                    patience=plateau.patience,
                    min_lr=plateau.minimum,
                    min_delta=0.0,
                    mode=direction(plateau.monitor),
                )
            )
        if (stopping := self.early_stopping) is not None:
            found.append(
                keras.callbacks.EarlyStopping(
                    monitor=stopping.monitor,
                    patience=stopping.patience,
                    min_delta=stopping.min_delta,
                    mode=direction(stopping.monitor),
                    restore_best_weights=stopping.restore_best,
                )
            )
        return found


def direction(metric: str) -> str:
    """Which way a training metric gets better: `max` for accuracy, `min` for losses and errors."""
    return "max" if metric.removeprefix("validation_") == "accuracy" else "min"
