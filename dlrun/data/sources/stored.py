"""Tables whose rows stand in Parquet files, read by columns and by blocks of rows."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dlrun.data.columns import Table
from dlrun.data.sources.files import FETCH
from dlrun.data.sources.frames import Types, check_formats, conform, text_bytes
from dlrun.data.sources.lazy import Parts, Place
from dlrun.data.sources.tabular import KEPT, Tabular
from dlrun.errors import DataError, MisfitError

if TYPE_CHECKING:
    import numpy as np
    import polars

TEXT_OBJECT = 80
"""Bytes that Python needs for a text besides its letters, and for what is encoded of it, about."""


class Stored(Tabular):
    """A source whose rows can be had from Parquet files."""

    def from_parquet(self, files: Sequence[pathlib.Path], stored: Sequence[pathlib.Path]) -> Table:
        """The table as `load` gives it, its columns read when they are asked for.

        Args:
            files: the parts, as they are told to people.
            stored: the Parquet file with the rows of each, whose columns are the same; of the first parts alone, where
                the others are not needed.

        Raises:
            DataError, MisfitError: as `load`.
        """
        names = schema(stored[0]).names()
        if problems := list(self._check_columns(names)):
            raise MisfitError(*problems)
        counts = [rows_in(file) for file in stored]
        for file, count in zip(files, counts, strict=False):
            if not count:
                raise DataError(f"{file} has no rows")
        name, places = self._called(files), dict(zip(files, stored, strict=False))
        found = Parts(
            files,
            stored,
            counts,
            lambda column: self._column(places, column),
            rows_of,
            kept=self._mask(places, name),
            limit=self.limit,
            types=self.types or {},
            time=self.time,
        )
        return found.table(name + KEPT if self.where else name, self.select or names)

    def _column(self, places: Mapping[pathlib.Path, pathlib.Path], column: str) -> polars.DataFrame:
        """One column of all parts.

        Args:
            places: the parts, each with the Parquet file that has its rows.
        """

        def read(file: pathlib.Path, types: Types) -> polars.DataFrame:
            return column_of(places[file], column, types, str(file))

        return self._joined(list(places), read)[0]

    def _mask(self, places: Mapping[pathlib.Path, pathlib.Path], name: str) -> np.ndarray | None:
        """Which rows meet all conditions, (rows,); None where there is no condition.

        Raises:
            DataError: there is none.
        """
        kept: np.ndarray | None = None
        for index, condition in enumerate(self.where):
            try:
                mask = condition.mask(self._column(places, condition.column)).to_numpy(writable=True)
            except MisfitError as error:
                raise MisfitError(*(problem.under("where", index) for problem in error.problems)) from None
            kept = mask if kept is None else kept & mask
        if kept is not None and not kept.any():
            raise DataError(f"{name}: `where` keeps none of its rows", hint="ask less of them")
        return kept


def scanned(file: Place) -> polars.LazyFrame:
    """The rows of one Parquet file, whose name and folders are nothing but that."""
    import polars

    return polars.scan_parquet(file, hive_partitioning=False, glob=False)


def schema(file: Place) -> polars.Schema:
    """The columns of a Parquet file.

    Raises:
        DataError: it is damaged.
    """
    with readable(str(file)):
        return scanned(file).collect_schema()


def column_of(file: Place, column: str, types: Types, name: str) -> polars.DataFrame:
    """One column of a Parquet file.

    Args:
        types: what columns are read as.
        name: what to call the table in messages.

    Raises:
        DataError: the file is damaged, or texts are no times as their type says.
    """
    with readable(str(file)):
        frame = scanned(file).select(column).collect()
    frame = conform(frame, types)
    check_formats(frame, types, name)
    return frame


def rows_of(file: Place, names: Sequence[str], first: int, count: int) -> polars.DataFrame:
    """Some rows of columns of a Parquet file.

    Raises:
        DataError: it is damaged.
    """
    with readable(str(file)):
        return scanned(file).select(names).slice(first, count).collect()


def rows_in(file: Place) -> int:
    """How many rows a Parquet file has.

    Raises:
        DataError: it is damaged.
    """
    import polars

    with readable(str(file)):
        return int(scanned(file).select(polars.len()).collect().item())


def row_bytes(column: polars.Series) -> int:
    """What a row of a column takes in memory, about, as a table and twice encoded in half as many bytes."""
    import polars

    if isinstance(column.dtype, polars.List | polars.Array):
        each = column.list.len() if column.dtype == polars.List else column.arr.len()
        return 16 * int(each.sum()) // max(1, len(each))
    if column.dtype.is_numeric() or column.dtype.is_temporal() or column.dtype == polars.Boolean:
        return 16
    if column.dtype != polars.String:
        return TEXT_OBJECT
    return TEXT_OBJECT + text_bytes(column) // max(1, len(column))


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Within it, what polars cannot read is told as an error of the file."""
    import polars

    try:
        yield
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException) as error:
        told = str(error).splitlines()[0] if str(error) else ""
        if isinstance(error, polars.exceptions.PanicException) or " { " in told:  # structures of Rust
            told = "its content is not as the format has it"
        raise DataError(f"{name} is damaged: {told}", hint=FETCH) from None
