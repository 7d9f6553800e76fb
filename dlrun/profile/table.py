"""What a table holds, and its parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dlrun.data.columns import Table
from dlrun.data.dataset import Dataset, class_counts
from dlrun.data.layout import numbered
from dlrun.data.sources.lazy import BLOCK, LazyColumns
from dlrun.profile.column import ColumnProfile, profile_array, profile_columns
from dlrun.profile.frame import Frame, OneByOne
from dlrun.profile.times import TimeProfile, profile_times

if TYPE_CHECKING:
    import numpy as np
    import polars


@dataclass(frozen=True)
class Profile:
    """A table in figures.

    Args:
        rows: how many.
        columns: in the table's order.
        parts: how many rows the train, validation and test part have; empty where there are none yet.
        classes: how many rows of each part have each class of the target, by part.
        time: of the column of times, where the source names one.
    """

    rows: int
    columns: tuple[ColumnProfile, ...]
    parts: Mapping[str, int] = field(default_factory=dict)
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    time: TimeProfile | None = None

    def __getitem__(self, name: str) -> ColumnProfile:
        return next(column for column in self.columns if column.name == name)

    def tree(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "rows": self.rows,
            "parts": dict(self.parts),
            "classes": {part: dict(counts) for part, counts in self.classes.items()},
            "columns": {column.name: column.tree() for column in self.columns},
            "time": self.time and self.time.tree(),
        }


def profile_frame(frame: Frame) -> Profile:
    """The profile of a frame that has not been split."""
    import polars

    groups = [frame] if isinstance(frame, polars.DataFrame) else (frame[name].to_frame() for name in frame.columns)
    columns = tuple(column for group in groups for column in profile_columns(group))
    return Profile(columns[0].rows, columns)


def profile_table(table: Table, time: str | None = None, series_by: str | None = None) -> Profile:
    """The profile of a table that has not been split.

    Args:
        time: the column with the time of each row.
        series_by: the column that tells several series apart.
    """
    flat = {column.name: column for group in _groups(table) for column in profile_columns(frame_of(group))}
    columns = tuple(
        flat[name] if name in flat else profile_array(name, values) for name, values in table.columns.items()
    )
    stamps = table.columns.get(time) if time is not None else None
    series = None if series_by is None else numbered(table.columns[series_by])[1]
    timed = profile_times(stamps, series) if stamps is not None and stamps.dtype.kind == "M" else None
    return Profile(len(table), columns, time=timed)


def _groups(table: Table) -> Iterator[Table]:
    """The columns together; those of a table that is not in memory one by one."""
    if not isinstance(table.columns, LazyColumns):
        yield table
        return
    for name in table.columns:
        yield replace(table, columns={name: table.columns[name]})


def profile_dataset(dataset: Dataset) -> Profile:
    """The profile of what has been loaded for a training."""
    plain = profile_table(dataset.table, dataset.preparation.time, dataset.preparation.series_by)
    parts = {part: len(rows) for part, rows in dataset.parts.items()}
    output = dataset.preparation.signature.output
    counts = {part: class_counts(output, examples) for part, examples in dataset.splits.items() if output.classes}
    return Profile(plain.rows, plain.columns, parts, counts, plain.time)


def frame_of(table: Table, rows: np.ndarray | None = None) -> polars.DataFrame:
    """The columns of a table that have one value a row, NaN as a missing value.

    Args:
        rows: which, (n,); None: all.
    """
    import polars

    columns = []
    for name, values in table.columns.items():
        if values.ndim == 1:
            kept = values if rows is None else values[rows]
            columns.append(texts(name, kept) if kept.dtype == object else polars.Series(name, kept, nan_to_null=True))
    return polars.DataFrame(columns)


def flat(table: Table, profile: Profile) -> Frame:
    """The columns of a table that have one value a row; those of a table that is not in memory one by one.

    Args:
        profile: of the table.
    """
    if not isinstance(table.columns, LazyColumns):
        return frame_of(table)
    names = [column.name for column in profile.columns if not column.shape]
    return OneByOne(names, lambda name: frame_of(replace(table, columns={name: table.columns[name]}))[name])


def texts(name: str, values: np.ndarray) -> polars.Series:
    """A column of texts, (rows,) str and None."""
    import polars

    starts = range(0, max(len(values), 1), BLOCK)
    return polars.concat([polars.Series(name, values[each : each + BLOCK].tolist(), polars.String) for each in starts])
