"""Tables that are larger than memory: one column at a time, or blocks of rows of some columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dlrun.data.columns import Table
from dlrun.data.sources.files import check_fits
from dlrun.data.sources.frames import Types, columns_of, conform, text_bytes, values_as, with_times
from dlrun.data.sources.nested import as_type

if TYPE_CHECKING:
    import numpy as np
    import polars

BLOCK = 1 << 16
"""Rows that are read at once."""

VALUES = 1 << 23
"""Values of a table in memory that are taken at once."""

Place = str | Path | IO[bytes]
"""Where a Parquet file is; or the file itself, open, where it has no name."""


class LazyColumns(Mapping[str, "np.ndarray"]):
    """Columns that are read when they are asked for; the last one alone is kept.

    Args:
        names: of the columns.
        rows: how many rows each has.
        read: gives a column, (rows,).
        blocks: gives rows of some columns, from the first row to the last, in blocks; the columns as `read` gives
            them.
        as_read: gives a column as polars has it.
    """

    def __init__(
        self,
        names: Sequence[str],
        rows: int,
        read: Callable[[str], np.ndarray],
        blocks: Callable[[Sequence[str]], Iterator[dict[str, np.ndarray]]],
        as_read: Callable[[str], polars.Series],
    ) -> None:
        self._names, self.rows = tuple(names), rows
        self._read, self.blocks, self.as_read = read, blocks, as_read
        self._last: tuple[str, np.ndarray] | None = None

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(name)
        if self._last is None or self._last[0] != name:
            self._last = None  # before the next is read
            self._last = name, self._read(name)
        return self._last[1]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def forget(self) -> None:
        """Does not keep the last column either."""
        self._last = None


class Parts:
    """The files of one table.

    Args:
        files: the parts, as they are told to people.
        stored: the Parquet file with the rows of each; of the first parts alone, where the others are not needed.
        counts: how many rows each of those has.
        column: gives one column of all parts, each of one type.
        rows: gives some rows of columns of one part, as its Parquet file has them.
        kept: which of all rows count, (rows,); None: all.
        limit: how many count at most.
        types: what columns are read as, by the spec.
        time: the column with the times.
    """

    def __init__(
        self,
        files: Sequence[Path],
        stored: Sequence[Place],
        counts: Sequence[int],
        column: Callable[[str], polars.DataFrame],
        rows: Callable[[Place, Sequence[str], int, int], polars.DataFrame],
        *,
        kept: np.ndarray | None,
        limit: int | None,
        types: Types,
        time: str | None,
    ) -> None:
        self._files, self._stored, self._counts = files, stored, counts
        self._column, self._rows = column, rows
        self._kept, self._types, self._time = kept, types, time
        count = sum(counts) if kept is None else int(kept.sum())
        self.rows = count if limit is None else min(count, limit)
        self._forms: dict[str, np.ndarray] = {}
        """A column of no rows, for each that was read."""
        self._dtypes: dict[str, polars.DataType] = {}
        """The type in polars of each that was read."""

    def table(self, name: str, names: Sequence[str]) -> Table:
        """The table.

        Args:
            name: what to call it in messages.
            names: of its columns.
        """

        def read(column: str) -> np.ndarray:
            values = self._read(column, name)
            self._forms[column] = values[:0].copy()  # a view would keep the column
            return values

        columns = LazyColumns(names, self.rows, read, lambda names: self._blocks(names, name), self._as_read)
        files = tuple(map(str, self._files))
        return Table(name, columns, folder=self._files[0].parent, files=files, file_of=self._file_of())

    def _file_of(self) -> np.ndarray:
        """Which part each row is from, (rows,)."""
        import numpy as np

        if len(self._files) == 1:
            return np.broadcast_to(np.int32(0), self.rows)
        small = np.int16 if len(self._files) < 1 << 15 else np.int32
        numbers = np.repeat(np.arange(len(self._counts), dtype=small), self._counts)
        return (numbers if self._kept is None else numbers[self._kept])[: self.rows]

    def _as_read(self, column: str) -> polars.Series:
        frame = self._column(column)
        if self._kept is not None:
            frame = frame.filter(self._kept)
        return frame.head(self.rows)[column]

    def _read(self, column: str, name: str) -> np.ndarray:
        frame = self._as_read(column).to_frame()
        self._dtypes[column] = frame.dtypes[0]
        if column == self._time:
            frame = with_times(frame, column, name)
        texts = shared_texts(frame[column], name)
        return columns_of(frame, name)[column] if texts is None else texts

    def _blocks(self, names: Sequence[str], name: str) -> Iterator[dict[str, np.ndarray]]:
        left, start = self.rows, 0
        for file, count in zip(self._stored, self._counts, strict=True):
            for first in range(0, count, BLOCK):
                size = min(BLOCK, count - first)
                frame = self._rows(file, names, first, size)
                if self._kept is not None:
                    frame = frame.filter(self._kept[start : start + size])
                frame = frame.head(left)
                start, left = start + size, left - frame.height
                if frame.height:
                    yield {column: self._as_whole(frame, column, name) for column in names}
                if not left:
                    return

    def _as_whole(self, frame: polars.DataFrame, column: str, name: str) -> np.ndarray:
        """Some rows of a column in the type that it has as a whole."""
        form = self._forms[column]
        frame = as_type(frame.select(column), self._dtypes[column])
        if form.dtype == object:
            frame = conform(frame, {column: "text"})
        elif column in self._types:
            frame = conform(frame, {column: self._types[column]})
        if column == self._time:
            frame = with_times(frame, column, name)
        return values_as(frame, form, name)


def shared_texts(column: polars.Series, name: str) -> np.ndarray | None:
    """A column of texts, of which few differ, as an object array of as few texts; None of another column."""
    import numpy as np
    import polars

    if column.dtype != polars.String:
        return None
    different = column.drop_nulls().unique(maintain_order=True)
    if len(different) * 4 > len(column):
        return None
    longest = int(different.str.len_bytes().to_numpy().max(initial=0))
    check_fits(text_bytes(different) + longest * min(BLOCK, len(column)), f"{name}: the column {column.name}")
    texts = np.array([*different.to_list(), None], object)
    codes = column.cast(polars.Enum(different)).to_physical().fill_null(len(different))
    return np.asarray(texts[codes.to_numpy()])


def rows_of_table(table: Table, names: Sequence[str]) -> Iterator[Table]:
    """All rows of some columns of a table, in blocks."""
    columns = table.columns
    if isinstance(columns, LazyColumns):
        for block in columns.blocks(names):
            yield Table(table.name, block)
        return
    row = sum(math.prod(columns[name].shape[1:]) for name in names)
    step = max(1, min(BLOCK, VALUES // max(1, row)))
    for first in range(0, len(table), step):
        yield Table(table.name, {name: columns[name][first : first + step] for name in names})
