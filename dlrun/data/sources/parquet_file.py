"""Tables in Parquet files."""

from __future__ import annotations

import io
import os
import pathlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, ClassVar, Literal

from dlrun.data.columns import Batch
from dlrun.data.sources.files import FETCH, ZSTANDARD, opened
from dlrun.data.sources.frames import Types, batch_of, conform
from dlrun.data.sources.tabular import Tabular
from dlrun.errors import DataError

if TYPE_CHECKING:
    import polars

MARK = b"PAR1"
"""How a file begins and ends."""

ROWS = 1 << 16
"""Rows that are read at once where memory is to stay bounded."""


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

        _check_ends(stream, name)
        with _readable(name):
            frame = polars.read_parquet(stream)
        if not frame.height:
            raise DataError(f"{name} has no rows")
        return frame

    def batches(self, stream: IO[bytes], name: str, size: int) -> Iterator[Batch]:
        """Rows of a file, 65,536 at a time; with a size of -1 all at once.

        Raises:
            DataError: it is damaged.
        """
        import polars

        content = stream if stream.seekable() else io.BytesIO(stream.read())
        _check_ends(content, name)
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


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Within it, what polars cannot read is told as an error of the file."""
    import polars

    try:
        yield
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException) as error:
        raise DataError(f"{name} is damaged: {str(error).splitlines()[0]}", hint=FETCH) from None
