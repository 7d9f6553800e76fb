"""What is followed while training: the loss, and the one metric that says most of a task."""

from __future__ import annotations

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


def followed_columns(output: Output, *, validation: bool) -> list[str]:
    """The columns of history.csv that can be monitored."""
    columns = ["loss", FOLLOWED[output.task]]
    return columns + [f"validation_{column}" for column in columns] if validation else columns


def all_followed_columns(*, validation: bool) -> list[str]:
    """The columns that can be monitored in one task or another."""
    columns = ["loss", *dict.fromkeys(FOLLOWED.values())]
    return columns + [f"validation_{column}" for column in columns] if validation else columns


def followed_metric(output: Output, scale: float) -> Any:
    """The Keras metric, of targets and outputs as the loss takes them.

    Args:
        output: what is predicted.
        scale: one unit of the network's output in units of the data, so that the mean absolute error of a normalised
            target reads in degrees or pounds.
    """
    from keras import metrics, ops

    name = FOLLOWED[output.task]
    if output.task == "reconstruction":
        return metrics.MeanSquaredError(name=name)
    if not output.is_classification:

        def absolute_error(y: Any, prediction: Any) -> Any:
            return scale * ops.mean(ops.abs(ops.cast(y, "float32") - prediction), axis=-1)

        return metrics.MeanMetricWrapper(absolute_error, name=name)

    def is_right(y: Any, logits: Any) -> Any:
        if logits.shape[-1] == 1:
            chosen = ops.cast(ops.squeeze(logits, -1) > 0, "int32")
        else:
            chosen = ops.cast(ops.argmax(logits, axis=-1), "int32")
        return ops.cast(ops.equal(chosen, ops.cast(ops.reshape(y, (-1,)), "int32")), "float32")

    return metrics.MeanMetricWrapper(is_right, name=name)
