"""Rows of SQLite files, through Python's own module."""

from __future__ import annotations

import pathlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from dlrun.data.columns import near
from dlrun.data.sources.files import FETCH
from dlrun.data.sources.frames import Types
from dlrun.data.written_times import times_of
from dlrun.errors import DataError, MisfitError
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import polars

ROWS = 1 << 17
"""Rows that are Python objects at once …"""

CELLS = 1 << 22
"""… and values."""

TIME = r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?$"
"""How SQLite, which has no type for times, writes them (https://sqlite.org/lang_datefunc.html)."""


def sqlite_names(file: pathlib.Path, query: str, at: str) -> list[str]:
    """The columns that a query gives; no row is read.

    Args:
        at: the field that holds the query.

    Raises:
        DataError: the file is no database, or damaged.
        MisfitError: the query is wrong.
    """
    with _reading(file, at) as connection:
        found = connection.execute(f"SELECT * FROM (\n{query}\n) LIMIT 0").description
    return [name for name, *_ in found]


def sqlite_blocks(file: pathlib.Path, query: str, at: str) -> Iterator[polars.DataFrame]:
    """The rows that a query gives, in its order, in blocks whose columns need not be of the same types.

    Args:
        at: the field that holds the query.

    Raises:
        DataError: the file is no database, or damaged.
        MisfitError: the query is wrong.
    """
    import polars

    rows = max(1, min(ROWS, CELLS // len(sqlite_names(file, query, at))))
    with _reading(file, at) as connection:
        try:
            yield from polars.read_database(
                query, connection, iter_batches=True, batch_size=rows, infer_schema_length=None
            )
        except polars.exceptions.PolarsError as error:
            raise DataError(f"{file.name}: the rows make no table: {str(error).splitlines()[0]}") from None


def with_dates(frame: polars.DataFrame, types: Types) -> polars.DataFrame:
    """Whole columns of texts that are all times as SQLite writes them, as times.

    Args:
        types: what columns are read as; these stay as they are.
    """
    import polars

    for column in frame.select(polars.col(polars.String).exclude(list(types))):
        if column.count() and column.drop_nulls().str.contains(TIME).all():
            times, bad = times_of(column)
            frame = frame if bad else frame.with_columns(times)
    return frame


@contextmanager
def _reading(file: pathlib.Path, at: str) -> Iterator[sqlite3.Connection]:
    """A connection that only reads; errors are told as those of the file or of the query."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as connection:
            try:
                yield connection
            except (sqlite3.OperationalError, sqlite3.ProgrammingError) as error:
                raise _told(str(error), connection, file, at) from None
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise DataError(f"{file} cannot be read: {error}", hint=FETCH) from None


def _told(message: str, connection: sqlite3.Connection, file: pathlib.Path, at: str) -> DataError | MisfitError:
    """What SQLite says, for a person."""
    if table := re.fullmatch("no such table: (.+)", message):
        names = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
        tables = [name for (name,) in names]
        hint = near(table[1], tables)
        hint = hint.replace("the columns are", "the tables are") if hint else None
        return MisfitError(Problem((at,), f"{file.name} has no table {table[1]}", hint=hint))
    if column := re.fullmatch("no such column: (.+)", message):
        return MisfitError(Problem((at,), f"there is no column {column[1]}"))
    if "readonly database" in message or "only execute one statement" in message:
        return MisfitError(Problem((at,), "the query is not one that only reads", expected="one SELECT"))
    if "Could not decode to UTF-8" in message:
        return DataError(f"{file.name}: {message}", hint="texts in a database have to be UTF-8; blobs are not read")
    if "locked" in message:
        return DataError(f"{file.name} is locked: another program writes to it", hint="wait until it is done")
    return MisfitError(Problem((at,), f"the query cannot be answered: {message}"))
