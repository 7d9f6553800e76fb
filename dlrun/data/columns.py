"""What a source yields, a table of named columns, and what is known of a column before its data is read."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from dlrun.data.decode import Form
from dlrun.spec.near import nearest

if TYPE_CHECKING:
    import numpy as np

ColumnKind = Literal["image", "text", "number", "category", "time", "unknown"]


@dataclass(frozen=True)
class Column:
    """What is known of a column.

    Args:
        kind: image, text, number (a whole number or not; also several of them in a row), category (text, truth values
            or whole numbers of which there are few), time, unknown (its data has to be read first).
        shape: of one value: an image (height, width, channels), one number (), a row of numbers (size,).
        classes: of a category: its values as text, sorted, or how many there are; None where not known. Of whole
            numbers that could be labels (exactly 0 … k-1 or 1 … k, k at most 20): those.
        limits: of an image: the least and the greatest value that a pixel can have; None where not known.
        form: what image files were brought to; None where the column is none of such.
    """

    kind: ColumnKind
    shape: tuple[int, ...] = ()
    classes: tuple[str, ...] | int | None = None
    limits: tuple[float, float] | None = None
    form: Form | None = None


@dataclass(frozen=True)
class Defaults:
    """What a source says of the roles of its columns, where the spec leaves them out.

    Args:
        target: the column that is predicted.
        inputs: the columns that enter the network; None: all but target, time and group.
        time: the column with the time of each row.
        group: the column whose rows must stay together in a split.
    """

    target: str | None = None
    inputs: tuple[str, ...] | None = None
    time: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Table:
    """Named columns with one value a row.

    Args:
        name: what to call it in a message, such as the file's name.
        columns: by name, each with the same number of rows along its first axis; in memory, or read when they are
            asked for (`LazyColumns`). Numbers are float64 (NaN where missing), int64 or bool, (rows,) or (rows, size);
            text is an object array of str and None; times are datetime64[us] (NaT where missing); images are
            (rows, height, width, channels), uint8 or float32, or, until they are decoded, an object array of the
            names of their files.
        test_rows: true where the row belongs to the source's own test part, (rows,); None where there is none.
        known: what the source knows of its columns beyond what their values show.
        folder: what the names of image files in its columns are relative to; None where no folder is the table's.
        notes: what one should know of how it was read.
        files: the paths of the files that the rows are from, of a folder of classes relative to it; empty where that is
            not known.
        file_of: which of them each row is from, (rows,) int; None where that is not known.
        called: what each row is called by people, (rows,) texts: its image file; None where that is its number.
        validation_rows: as `test_rows`, of the source's own validation part.
    """

    name: str
    columns: Mapping[str, np.ndarray]
    test_rows: np.ndarray | None = None
    known: Mapping[str, Column] = field(default_factory=dict)
    folder: pathlib.Path | None = None
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    file_of: np.ndarray | None = None
    called: np.ndarray | None = None
    validation_rows: np.ndarray | None = None

    def __len__(self) -> int:
        rows: int | None = getattr(self.columns, "rows", None)  # of columns that are not in memory
        return len(next(iter(self.columns.values()))) if rows is None else rows

    def call(self, row: int) -> str:
        """What to call a row in a message: `row 3`, counted from 1, or the name of its image file."""
        return f"row {row + 1}" if self.called is None else str(self.called[row])


@dataclass(frozen=True)
class Batch:
    """Some rows of a file, as new data is read.

    Args:
        table: those that could be read.
        rows: which rows of the file they are, counted from 0, (rows,) int64.
        unreadable: what is wrong with each row between them that could not be, by its number.
        names: what each row of the file is called, where each is a file of its own.
    """

    table: Table
    rows: np.ndarray
    unreadable: Mapping[int, str] = field(default_factory=dict)
    names: Sequence[str] = ()


def near(name: str, names: Iterable[str]) -> str | None:
    """A hint that names the nearest of `names`, or all of them where they are few and none is near."""
    names = list(names)
    if match := nearest(name, names):
        return f"did you mean {match}?"
    return f"the columns are: {', '.join(names)}" if 0 < len(names) <= 20 else None
