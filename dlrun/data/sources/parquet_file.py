"""Tables in Parquet files."""

from __future__ import annotations

import io
import mmap
import os
import pathlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, ClassVar, Literal

from dlrun.data.columns import Batch, Table
from dlrun.data.sources.files import FETCH, ZSTANDARD, check_fits, opened, parts, plain_name, read_whole
from dlrun.data.sources.frames import Types, batch_of, conform
from dlrun.data.sources.lazy import Parts
from dlrun.data.sources.parquet_pages import unpacked
from dlrun.data.sources.tabular import KEPT, Tabular, same_columns
from dlrun.errors import DataError, MisfitError

if TYPE_CHECKING:
    import numpy as np
    import polars

MARK = b"PAR1"
"""How a file begins and ends."""

ROWS = 1 << 16
"""Rows that are read at once where memory is to stay bounded."""


FEW = 1000
"""Rows by which the size of the others is told."""

TEXT_OBJECT = 80
"""Bytes that Python needs for a text besides its letters, and for what is encoded of it, about."""


class Parquet(Tabular):
    """Parquet files."""

    endings: ClassVar[tuple[str, ...]] = (".parquet", ".pq")
    kind: Literal["parquet"]
    """Parquet files."""

    def names(self, file: pathlib.Path) -> None:
        """Nothing: names stand in what only polars reads. But the file's two ends are looked at.

        Raises:
            DataError: it is no Parquet file, or was cut off.
        """
        if file.suffix.lower() == ZSTANDARD:
            raise DataError(f"{file} is packed twice: Parquet has its own packing", hint="unpack it: unzstd FILE")
        with opened(file) as stream:
            _check_ends(stream, str(file))

    def frame(self, stream: IO[bytes], name: str, types: Types) -> polars.DataFrame:
        """All rows of a file.

        Raises:
            DataError: it is damaged.
        """
        import polars

        content = _content(stream, name)
        _check_ends(content, name)
        check_fits(sum(sum(each.values()) for each in _sizes(content, name)), name)
        with _readable(name):
            frame = polars.read_parquet(content)
        if not frame.height:
            raise DataError(f"{name} has no rows")
        return frame

    def batches(self, stream: IO[bytes], name: str, size: int) -> Iterator[Batch]:
        """Rows of a file, 65,536 at a time; with a size of -1 all at once.

        Raises:
            DataError: it is damaged.
        """
        import polars

        content = _content(stream, name)
        _check_ends(content, name)
        check_fits(max((sum(each.values()) for each in _sizes(content, name)), default=0), name)
        with _readable(name):
            rows = polars.scan_parquet(content)
            count = rows.select(polars.len()).collect().item()
        if not count:
            raise DataError(f"{name} has no rows")
        step = ROWS if size > 0 else count
        for start in range(0, count, step):
            with _readable(name):
                frame = rows.slice(start, step).collect()
            yield batch_of(conform(frame, self.types or {}), {}, name, start, self.time)

    def memory_needed(self, base: pathlib.Path) -> int:
        """About how many bytes the table takes in memory with what is encoded of it, by its types and first rows.

        Raises:
            DataError: a file is not there, or damaged.
        """
        import polars

        files = parts(base, self.path, self.endings)
        total = 0
        for file in files:
            if plain_name(file) != file.name.lower():
                return super().memory_needed(base)
            self._check_columns_fit(file)
            with _readable(str(file)):
                rows = polars.scan_parquet(file, hive_partitioning=False)
                rows = rows.select(self.select) if self.select else rows
                head = rows.head(FEW).collect()
            total += self._count(file) * sum(map(_row_bytes, head))
        return total

    def lazily(self, base: pathlib.Path) -> Table | None:
        """The table as `load` gives it, its columns read when they are asked for; None where files are packed.

        Raises:
            DataError, MisfitError: as `load`.
        """
        files = parts(base, self.path, self.endings)
        if any(plain_name(file) != file.name.lower() for file in files):
            return None
        for file in files:
            self._check_columns_fit(file)
        names = self._schema(files[0])
        for file in files[1:]:
            same_columns(files[0], names, file, self._schema(file))
        if problems := list(self._check_columns(names)):
            raise MisfitError(*problems)
        counts = [self._count(file) for file in files]
        for file, count in zip(files, counts, strict=True):
            if not count:
                raise DataError(f"{file} has no rows")
        name = self._called(files)
        found = Parts(
            files,
            counts,
            lambda column: self._column(files, column),
            self._rows,
            kept=self._mask(files, name),
            limit=self.limit,
            types=self.types or {},
            time=self.time,
        )
        return found.table(name + KEPT if self.where else name, self.select or names)

    def _check_columns_fit(self, file: pathlib.Path) -> None:
        """That each column fits in memory by itself.

        Raises:
            DataError: one does not, or the file is damaged.
        """
        with opened(file) as stream:
            _check_ends(stream, str(file))
            columns = sum(_sizes(stream, str(file)), Counter[str]())
        for name in self.select or columns:
            check_fits(columns[name], f"{file}: the column {name}")

    def _column(self, files: Sequence[pathlib.Path], column: str) -> polars.DataFrame:
        """One column of all parts."""
        import polars

        def read(file: pathlib.Path, types: Types) -> polars.DataFrame:
            with _readable(str(file)):
                frame = polars.scan_parquet(file, hive_partitioning=False).select(column).collect()
            return conform(frame, types)

        return self._joined(files, read)[0]

    def _rows(self, file: pathlib.Path, names: Sequence[str], first: int, count: int) -> polars.DataFrame:
        """Some rows of a part."""
        import polars

        with _readable(str(file)):
            return polars.scan_parquet(file, hive_partitioning=False).select(names).slice(first, count).collect()

    def _mask(self, files: Sequence[pathlib.Path], name: str) -> np.ndarray | None:
        """Which rows meet all conditions, (rows,); None where there is no condition.

        Raises:
            DataError: there is none.
        """
        kept: np.ndarray | None = None
        for index, condition in enumerate(self.where):
            try:
                mask = condition.mask(self._column(files, condition.column)).to_numpy(writable=True)
            except MisfitError as error:
                raise MisfitError(*(problem.under("where", index) for problem in error.problems)) from None
            kept = mask if kept is None else kept & mask
        if kept is not None and not kept.any():
            raise DataError(f"{name}: `where` keeps none of its rows", hint="ask less of them")
        return kept

    def _schema(self, file: pathlib.Path) -> list[str]:
        """The names of the columns of a file."""
        import polars

        with _readable(str(file)):
            return polars.scan_parquet(file, hive_partitioning=False).collect_schema().names()

    def _count(self, file: pathlib.Path) -> int:
        """How many rows a file has."""
        import polars

        with _readable(str(file)):
            return int(polars.scan_parquet(file, hive_partitioning=False).select(polars.len()).collect().item())


def _row_bytes(column: polars.Series) -> int:
    """What a row of a column takes in memory, about, as a table and twice encoded in half as many bytes."""
    import polars

    if isinstance(column.dtype, polars.List | polars.Array):
        each = column.list.len() if column.dtype == polars.List else column.arr.len()
        return 16 * int(each.sum()) // max(1, len(each))
    if column.dtype.is_numeric() or column.dtype.is_temporal() or column.dtype == polars.Boolean:
        return 16
    if column.dtype != polars.String:
        return TEXT_OBJECT
    return TEXT_OBJECT + int(column.str.len_bytes().sum()) // max(1, len(column))


def _check_ends(stream: IO[bytes], name: str) -> None:
    """That a content begins and ends as Parquet does; that of a file which was cut off does not.

    Raises:
        DataError: it does not.
    """
    begin = stream.read(len(MARK))
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - len(MARK)))
    end = stream.read(len(MARK))
    stream.seek(0)
    if not size:
        raise DataError(f"{name} is empty", hint=FETCH)
    if begin != MARK:
        raise DataError(f"{name} is no Parquet file: it does not begin with PAR1", hint="csv and json are other kinds")
    if end != MARK or size < 3 * len(MARK):
        raise DataError(f"{name} is damaged: it was cut off, since it does not end with PAR1", hint=FETCH)


def _content(stream: IO[bytes], name: str) -> IO[bytes]:
    """A content in which one can go back and forth: a file as it is; what is packed, or comes through a pipe, whole.

    Raises:
        DataError: it does not fit in memory.
    """
    return (
        stream if isinstance(stream, io.BufferedReader) and stream.seekable() else io.BytesIO(read_whole(stream, name))
    )


def _sizes(content: IO[bytes], name: str) -> list[Counter[str]]:
    """How many bytes each column takes in memory at most, for each group of rows.

    Raises:
        DataError: the file is damaged.
    """
    try:
        if isinstance(content, io.BytesIO):
            return unpacked(content.getvalue())
        with mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return unpacked(data)
    except ValueError as error:
        raise DataError(f"{name} is damaged: {error}", hint=FETCH) from None


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Within it, what polars cannot read is told as an error of the file."""
    import polars

    try:
        yield
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException) as error:
        raise DataError(f"{name} is damaged: {str(error).splitlines()[0]}", hint=FETCH) from None
