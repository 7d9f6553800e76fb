"""The names of all metrics: which task has which, what they are called, which way is better.

Light on purpose: the spec's checks and `compare` read it without scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal, get_args

from dlrun.data.signature import Output, Task

TASKS: tuple[Task, ...] = get_args(Task)

Unit = Literal["fraction", "nats", "target", "target squared", "none"]


@dataclass(frozen=True)
class Metric:
    """What is known of a metric without computing it.

    Args:
        name: as in the spec and in metrics.json.
        label: as in tables and plots.
        higher_is_better: which of two values wins.
        unit: fraction (of one; also MAPE), nats, that of the target, its square, or none.
    """

    name: str
    label: str
    higher_is_better: bool
    unit: Unit


_CLASSIFICATION = (
    Metric("accuracy", "Accuracy", True, "fraction"),
    Metric("balanced_accuracy", "Balanced accuracy", True, "fraction"),
    Metric("precision", "Precision (macro)", True, "fraction"),
    Metric("recall", "Recall (macro)", True, "fraction"),
    Metric("f1", "F1 (macro)", True, "fraction"),
    Metric("precision_weighted", "Precision (weighted)", True, "fraction"),
    Metric("recall_weighted", "Recall (weighted)", True, "fraction"),
    Metric("f1_weighted", "F1 (weighted)", True, "fraction"),
    Metric("roc_auc", "ROC AUC", True, "fraction"),
    Metric("average_precision", "Average precision", True, "fraction"),
    Metric("log_loss", "Log loss", False, "nats"),
)
_MAE = Metric("mae", "MAE", False, "target")
_MSE = Metric("mse", "MSE", False, "target squared")
_NUMBERS = (
    _MAE,
    Metric("rmse", "RMSE", False, "target"),
    _MSE,
    Metric("r2", "R²", True, "none"),
    Metric("mape", "MAPE", False, "fraction"),
)


def _by_name(metrics: tuple[Metric, ...]) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


METRICS: dict[Task, dict[str, Metric]] = {
    "binary": _by_name(_CLASSIFICATION),
    "multiclass": _by_name(_CLASSIFICATION),
    "regression": _by_name(_NUMBERS),
    "forecast": _by_name(_NUMBERS),
    "reconstruction": _by_name((_MSE, _MAE)),
}
"""The metrics of each task, by name, in the order in which they are shown."""

MAIN_METRIC: dict[Task, str] = {
    "binary": "accuracy",
    "multiclass": "accuracy",
    "regression": "mae",
    "forecast": "mae",
    "reconstruction": "mse",
}
"""The one metric by which a run of the task is judged where nothing else is said; defined wherever there is data."""

ALL_METRICS: dict[str, Metric] = {name: metric for task in TASKS for name, metric in METRICS[task].items()}
"""Every metric of any task, by name."""


def main_metric(outputs: Sequence[Output]) -> str:
    """The one metric by which a run is judged; of several targets that of the first."""
    name = MAIN_METRIC[outputs[0].task]
    return name if len(outputs) == 1 else f"{outputs[0].name}_{name}"


def of_target(column: str) -> tuple[str, Metric] | None:
    """The target and the metric of `price_mae`, a metric of one of several targets; None where it is none."""
    found = [name for name in ALL_METRICS if column.endswith(f"_{name}")]
    if not found:
        return None
    name = max(found, key=len)
    return column.removesuffix(f"_{name}"), ALL_METRICS[name]


def label(column: str) -> str:
    """What a metric or a column of the history is called in front of people: `validation_mae` → `Validation MAE`,
    `price_mae` → `price: MAE`."""
    if column.startswith("validation_"):
        rest = label(column.removeprefix("validation_"))
        return f"Validation {rest if rest[:2].isupper() else rest[:1].lower() + rest[1:]}"
    if column in ALL_METRICS:
        return ALL_METRICS[column].label
    if found := of_target(column):
        return f"{found[0]}: {found[1].label}"
    if column.endswith("_loss"):
        return f"{column.removesuffix('_loss')}: loss"
    return column.replace("_", " ").capitalize()


def bounds(column: str) -> tuple[float, float]:
    """The least and the greatest value that a metric can have; infinite where it has none, or is not known."""
    found = of_target(column)
    metric = ALL_METRICS.get(column) or (found[1] if found else None)
    if metric is None:
        return -inf, inf
    return (-inf if metric.unit == "none" else 0.0), (1.0 if metric.higher_is_better else inf)


def higher_is_better(column: str) -> bool:
    """Which way a metric or a column of the history gets better; what is not known is taken for a loss."""
    column = column.removeprefix("validation_")
    found = of_target(column)
    metric = ALL_METRICS.get(column) or (found[1] if found else None)
    return metric is not None and metric.higher_is_better
