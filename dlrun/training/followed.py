"""What is followed while training: the loss, and the one metric that says most of a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlrun.data.signature import Output, Task

FOLLOWED: dict[Task, str] = {
    "binary": "accuracy",
    "multiclass": "accuracy",
    "regression": "mae",
    "forecast": "mae",
    "reconstruction": "mse",
}
"""The metric beside the loss in history.csv."""


def followed_columns(outputs: Sequence[Output], *, validation: bool) -> list[str]:
    """The columns of history.csv that can be monitored; of several targets also the loss and metric of each."""
    if len(outputs) == 1:
        columns = ["loss", FOLLOWED[outputs[0].task]]
    else:
        columns = ["loss", *(f"{each.name}_{what}" for each in outputs for what in ("loss", FOLLOWED[each.task]))]
    return columns + [f"validation_{column}" for column in columns] if validation else columns


def all_followed_columns(kinds: Mapping[str, str | None], *, validation: bool) -> list[str]:
    """The columns that can be monitored in one task or another.

    Args:
        kinds: category, number or None where that is not known, of each target by its name.
    """
    if len(kinds) > 1:
        possible = {"category": ("loss", "accuracy"), "number": ("loss", "mae"), None: ("loss", "accuracy", "mae")}
        columns = ["loss", *(f"{name}_{what}" for name, kind in kinds.items() for what in possible[kind])]
    else:
        columns = ["loss", *dict.fromkeys(FOLLOWED.values())]
    return columns + [f"validation_{column}" for column in columns] if validation else columns


@dataclass(frozen=True)
class Followed:
    """The metric beside the loss in history.csv.

    Args:
        name: of its column.
        values: of targets and outputs as the loss takes them, (batch, …) each, one value or more for each example,
            (batch, …); the metric is their mean.
    """

    name: str
    values: Callable[[Any, Any], Any]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns: one."""
        return (self.name,)

    def means(self, y: Any, outputs: Any, weight: Any, share: Any, replicas: int) -> list[Any]:
        """The metric of a batch, a scalar; examples count the same whatever their weight in the loss.

        Args:
            share: of the metric of each example, (batch,), that is added up; None: all of it.
        """
        import tensorflow as tf

        values = tf.cast(self.values(y, outputs), tf.float32)
        if share is not None:
            values = share * tf.reduce_mean(tf.reshape(values, (share.shape[0], -1)), -1)
        return [tf.reduce_mean(values)]


def followed_metric(output: Output, scale: float) -> Followed:
    """The metric that is followed for a task.

    Args:
        output: what is predicted.
        scale: one unit of the network's output in units of the data, so that the mean absolute error of a normalised
            target reads in degrees or pounds.
    """
    from keras import ops

    def squared_error(y: Any, prediction: Any) -> Any:
        return ops.square(ops.cast(y, "float32") - prediction)

    def absolute_error(y: Any, prediction: Any) -> Any:
        return scale * ops.abs(ops.cast(y, "float32") - prediction)

    def is_right(y: Any, logits: Any) -> Any:
        if logits.shape[-1] == 1:
            chosen = ops.cast(ops.squeeze(logits, -1) > 0, "int32")
        else:
            chosen = ops.cast(ops.argmax(logits, axis=-1), "int32")
        return ops.equal(chosen, ops.cast(ops.reshape(y, (-1,)), "int32"))

    name = FOLLOWED[output.task]
    if output.is_classification:
        return Followed(name, is_right)
    return Followed(name, squared_error if output.task == "reconstruction" else absolute_error)
