"""Tables in Parquet files."""

from __future__ import annotations

import io
import mmap
import os
import pathlib
from collections import Counter
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, ClassVar, Literal

from dlrun.data.columns import Batch, Table
from dlrun.data.sources.aside import Whole, writable
from dlrun.data.sources.converted import Converted
from dlrun.data.sources.files import BLOCK, FETCH, check_fits, is_packed, opened, parts, read_whole
from dlrun.data.sources.frames import Types, batch_of, conform
from dlrun.data.sources.parquet_pages import unpacked
from dlrun.data.sources.stored import readable, row_bytes, rows_in, scanned, schema
from dlrun.data.sources.tabular import same_columns
from dlrun.errors import DataError

if TYPE_CHECKING:
    import polars

MARK = b"PAR1"
"""How a file begins and ends."""

ROWS = 1 << 16
"""Rows that are read at once where memory is to stay bounded."""

FEW = 1000
"""Rows by which the size of the others is told."""


class Parquet(Converted):
    """Parquet files."""

    endings: ClassVar[tuple[str, ...]] = (".parquet", ".pq")
    kind: Literal["parquet"]
    """Parquet files."""

    def names(self, file: pathlib.Path) -> None:
        """Nothing: names stand in what only polars reads. But the file's two ends are looked at.

        Raises:
            DataError: it is no Parquet file, or was cut off.
        """
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
        with readable(name):
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
        with readable(name):
            rows = polars.scan_parquet(content)
            count = rows.select(polars.len()).collect().item()
        if not count:
            raise DataError(f"{name} has no rows")
        step = ROWS if size > 0 else count
        for start in range(0, count, step):
            with readable(name):
                frame = rows.slice(start, step).collect()
            yield batch_of(conform(frame, self.types or {}), {}, name, start, self.time, self.types or {})

    def memory_needed(self, base: pathlib.Path) -> int:
        """About how many bytes the table takes in memory with what is encoded of it, by its types and first rows.

        Raises:
            DataError: a file is not there, or damaged.
        """
        files = parts(base, self.path, self.endings)
        total = 0
        for file in files:
            if is_packed(file):
                return super().memory_needed(base)
            self._check_columns_fit(file, str(file))
            with readable(str(file)):
                rows = scanned(file)
                rows = rows.select(self.select) if self.select else rows
                head = rows.head(FEW).collect()
            total += rows_in(file) * sum(map(row_bytes, head))
        return total

    def lazily(self, base: pathlib.Path) -> Table:
        """The table as `load` gives it, its columns read when they are asked for; packed files are unpacked first.

        Raises:
            DataError, MisfitError: as `load`; or the disk has no room for what is unpacked.
        """
        files = parts(base, self.path, self.endings)
        for file in files:
            self.names(file)
        stored = [self.stored(file, {}) if is_packed(file) else file for file in files]
        for file, its in zip(files, stored, strict=True):
            self._check_columns_fit(its, str(file))
        names = schema(stored[0]).names()
        for file, its in zip(files[1:], stored[1:], strict=True):
            same_columns(files[0], names, file, schema(its).names())
        return self.from_parquet(files, stored)

    def _check_columns_fit(self, file: pathlib.Path, name: str) -> None:
        """That each column fits in memory by itself.

        Args:
            name: what to call the file in messages.

        Raises:
            DataError: one does not, or the file is damaged.
        """
        with file.open("rb") as stream:
            _check_ends(stream, name)
            columns = sum(_sizes(stream, name), Counter[str]())
        for each in self.select or columns:
            check_fits(columns[each], f"{name}: the column {each}")

    def put_aside(self, file: pathlib.Path, types: Types, folder: pathlib.Path) -> Whole:
        """Unpacks a file into a folder.

        Raises:
            DataError: it is damaged.
        """
        with opened(file) as stream, (folder / "unpacked.parquet").open("wb") as unpacked:
            while block := stream.read(BLOCK):
                with writable(folder):
                    unpacked.write(block)
        schema(folder / "unpacked.parquet")
        return lambda column: column


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
