"""What is predicted, as far as names and values tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dlrun.data.columns import near
from dlrun.data.inference import MOST_LABELS, ROWS_A_CATEGORY
from dlrun.drafting.material import Material
from dlrun.errors import DataError, UsageError
from dlrun.profile.column import ColumnProfile, counts_of
from dlrun.profile.values import id_reason

CLASS_NAMES = ("label", "class", "labels", "classes", "category")
"""How columns of classes are called, in small letters, also where the classes are numbers."""

NAMES = (
    *("target", "label", "class", "y", "outcome", "result", "labels", "classes", "category", "response"),
    *("survived", "churn", "species", "sentiment", "diagnosis"),
)
"""How columns that are predicted are called, in small letters, the surest first."""

FEW_NUMBERS = 10
"""Whole numbers are taken for classes up to so many different ones."""


@dataclass(frozen=True)
class ChosenTarget:
    """The target of a draft.

    Args:
        column: its profile.
        kind: category or number.
        reason: why this column.
        classes: how many rows each class has; empty for a number.
    """

    column: ColumnProfile
    kind: Literal["category", "number"]
    reason: str
    classes: Mapping[str, int]

    @property
    def name(self) -> str:
        return self.column.name


def choose_target(material: Material, wanted: str | None) -> ChosenTarget:
    """The column that is predicted.

    Args:
        wanted: as the user says; None: the source's own, or one whose name says so, or the last that can be predicted.

    Raises:
        UsageError: there is no such column, or it cannot be predicted.
        DataError: no column can be predicted, or all rows are of one class.
    """
    columns = {column.name: column for column in material.profile.columns}
    if wanted is not None:
        if wanted not in columns:
            raise UsageError(f"{material.name} has no column {wanted}", hint=near(wanted, columns))
        if fault := _fault(columns[wanted], material):
            raise UsageError(f"{wanted} cannot be predicted: {fault}", hint="--target names another column")
        return _chosen(material, columns[wanted], "as --target says")
    if material.target is not None:
        if columns[material.target].distinct == 1:
            raise DataError(f"{material.name} has one class only: there is nothing to tell apart")
        return _chosen(material, columns[material.target], "the source's own")
    fitting = [column for column in columns.values() if _fault(column, material) is None]
    if not fitting:
        told = "; ".join(f"{name}: {_fault(column, material)}" for name, column in list(columns.items())[:5])
        raise DataError(f"{material.name} has no column that can be predicted ({told})", hint="--target names one")
    for name in NAMES:
        for column in fitting:
            if column.name.strip().lower() == name:
                return _chosen(material, column, "by its name")
    last = fitting[-1]
    reason = "the last column" if last.name == material.profile.columns[-1].name else "the last that can be predicted"
    return _chosen(material, last, f"{reason}; --target names another")


def _chosen(material: Material, column: ColumnProfile, reason: str) -> ChosenTarget:
    kind = _kind(column)
    counts = column.counts if column.counts is not None else counts_of(material.frame[column.name])
    return ChosenTarget(column, kind, reason, counts if kind == "category" else {})


def _kind(column: ColumnProfile) -> Literal["category", "number"]:
    if column.type in ("text", "boolean"):
        return "category"
    if column.type != "integer" or not _often(column):
        return "number"
    few = column.counts is not None and len(column.counts) <= FEW_NUMBERS
    labels = column.counts is not None and len(column.counts) <= MOST_LABELS and column.least in (0, 1)
    return "category" if few or labels or column.name.strip().lower() in CLASS_NAMES else "number"


def _often(column: ColumnProfile) -> bool:
    """Whether the values of a column stand there often enough to be classes."""
    return column.distinct is not None and ROWS_A_CATEGORY * column.distinct <= column.rows - column.missing


def _fault(column: ColumnProfile, material: Material) -> str | None:
    """Why a column cannot be predicted."""
    if column.type in ("image", "array", "time", "empty"):
        return {"empty": "it has no values", "time": "it is a time"}.get(column.type, "it has several values a row")
    if column.distinct is not None and column.distinct < 2:
        return "it has one value"
    if column.infinite:
        return "it has infinite values"
    if column.is_too_large:
        return "it has values that are too large for 32 bits"
    if column.type == "text" and not _often(column):
        return f"it has {column.distinct:,} different texts in {column.rows:,} rows"
    if reason := id_reason(material.frame[column.name], column):
        return f"it looks like an id: {reason}" if column.name.strip().lower() not in NAMES else None
    return None
