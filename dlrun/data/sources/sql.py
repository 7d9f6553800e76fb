"""Tables from a database: SQLite files, and PostgreSQL servers."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field

from dlrun.data.columns import Column, Defaults, Table, near
from dlrun.data.sources.fetched import alike, fetch, lazily, put_aside
from dlrun.data.sources.files import check_file, locate
from dlrun.data.sources.frames import (
    ColumnType,
    TimeFormat,
    check_formats,
    columns_of,
    conform,
    frozen_types,
    with_times,
)
from dlrun.errors import DataError, MisfitError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import polars

SQLITE = "sqlite:///"

SERVERS = ("postgresql", "postgres")

URLS = "sqlite:///shop.db, or postgresql://user@host/database"

SECRETS = ("password", "sslpassword")
"""Parameters of a URL that are secret."""

ORDER = re.compile(r"\border\s+by\b", re.IGNORECASE)

READS = re.compile(r"(\s|--[^\n]*\n|/\*.*?\*/|\()*(select|with|values)\b", re.IGNORECASE | re.DOTALL)
"""How a query begins that gives rows."""

Names = Annotated[tuple[str, ...], Field(min_length=1)]


DATABASES = (".db", ".sqlite", ".sqlite3")
"""How files of SQLite are called."""


class Sql(Spec):
    """The rows that a query gives, in its order. Nothing is ever written to the database."""

    kind: Literal["sql"]
    """The rows that a query of a database gives, in its order."""
    url: Annotated[str, Field(min_length=1)]
    """The database: sqlite:///shop.db (relative to the spec file; sqlite:////data/shop.db is not) or
    postgresql://user@host:port/database, without a password. PostgreSQL needs the extra dlrun[sql]."""
    query: Annotated[str, Field(min_length=1)] | None = None
    """What is asked: one SELECT. For a server it needs an ORDER BY, since rows otherwise come in any order."""
    table: Annotated[str, Field(min_length=1)] | None = None
    """Instead of query: all columns of a table, such as sales or public.sales."""
    order_by: Names | None = None
    """The columns by which the rows of a table are sorted; for a server it has to be said."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """How many rows of a table are read at most. Left out: all. A query has its own LIMIT."""
    password_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """The environment variable that holds the password. Left out: PGPASSWORD or ~/.pgpass, as everywhere in
    PostgreSQL. The password itself is never written anywhere."""
    time: str | None = None
    """The column with the time of each row; for series and for a split by time."""
    types: dict[str, ColumnType | TimeFormat] | None = None
    """What columns are read as, such as {zip: text}, or {when: {time: "%d.%m.%Y"}} for texts that are times (Python's
    strptime); those left out: as the database has them."""

    @property
    def is_file(self) -> bool:
        """Whether the database is an SQLite file."""
        return self.url.startswith(SQLITE)

    def check(self, base: pathlib.Path) -> Iterator[Problem]:
        """What is wrong with the fields and, of an SQLite file, with what is asked of it. No server is asked."""
        problems = list(self._check_url())
        problems += self._check_asked(is_server=not self.is_file and not problems)
        yield from problems
        if problems or not self.is_file:
            return
        file = self._file(base)
        if unreadable := [Problem(("url",), each.message, received=self.url, hint=each.hint) for each in _check(file)]:
            yield from unreadable
            return
        try:
            names = self._names(base)
        except MisfitError as error:
            yield from error.problems
        except DataError as error:
            yield Problem(("url",), error.message, received=self.url, hint=error.hint)
        else:
            yield from self._check_columns(names)

    def _check_url(self) -> Iterator[Problem]:
        if self.is_file:
            if not self.url.removeprefix(SQLITE) or self.url == f"{SQLITE}:memory:":
                yield Problem(("url",), "the URL names no file", received=self.url, expected="sqlite:///shop.db")
            if self.password_env is not None:
                yield Problem(("password_env",), "an SQLite file has no password", hint="take it out", at="key")
            return
        try:
            parts = urlsplit(self.url)
            secret = parts.password is not None or any(name in SECRETS for name, _ in parse_qsl(parts.query))
            _ = parts.port
        except ValueError as error:
            yield Problem(("url",), f"this is no URL: {error}", expected=URLS)
            return
        if secret:
            yield Problem(
                ("url",),
                "a password must not stand in a spec: it would be copied into every run",
                expected=_without_password(self.url),
                hint="take it out and set the environment variable PGPASSWORD, or name another one: "
                "password_env: DB_PASSWORD",
                at="key",
            )
        elif parts.scheme not in SERVERS:
            told = f"databases of the kind {parts.scheme} are not read" if parts.scheme else "this is no URL"
            hint = f"{SQLITE}{self.url}" if not parts.scheme else None
            yield Problem(("url",), told, expected=URLS, received=self.url, hint=hint)

    def _check_asked(self, *, is_server: bool) -> Iterator[Problem]:
        if (self.query is None) == (self.table is None):
            told = "neither query nor table" if self.query is None else "both query and table"
            yield Problem((), f"the source has {told}", expected="one of the two", hint="table: sales")
            return
        if self.query is not None:
            for field, word in (("order_by", "ORDER BY"), ("limit", "LIMIT")):
                if getattr(self, field) is not None:
                    yield Problem((field,), f"{field} belongs to table", hint=f"write {word} into the query", at="key")
        if self.query is not None and not READS.match(self.query):
            hint = "SELECT id, size, price FROM sales ORDER BY id"
            yield Problem(("query",), "this is no query that gives rows", expected="one SELECT", hint=hint)
            return
        if not is_server:
            return
        if self.query is not None and not ORDER.search(self.query):
            yield Problem(
                ("query",),
                "a server gives rows in any order unless it is told one, and a run could not be repeated",
                expected="ORDER BY and columns that tell the rows apart",
                hint=f"{_one_line(self.query)} ORDER BY id",
            )
        if self.table is not None and self.order_by is None:
            yield Problem(
                ("table",),
                "a server gives rows in any order unless it is told one, and a run could not be repeated",
                expected="order_by beside it, with columns that tell the rows apart",
                hint="order_by: [id]",
            )

    def _check_columns(self, names: list[str]) -> Iterator[Problem]:
        wanted = [(("time",), self.time)] if self.time is not None else []
        for path, name in [*wanted, *((("types", name), name) for name in self.types or ())]:
            if name not in names:
                at: Literal["key", "value"] = "key" if path[0] == "types" else "value"
                yield Problem(path, f"the rows have no column {name}", hint=near(name, names), at=at)
        if twice := sorted({name for name in names if names.count(name) > 1}):
            yield Problem(("query",), f"the rows have two columns {twice[0]}", hint=f"{twice[0]} AS another_name")

    def known(self, base: pathlib.Path) -> dict[str, Column] | None:
        """The columns of an SQLite file; None of a server, which is not asked before the data is read."""
        if not self.is_file or list(self.check(base)):
            return None
        return {name: Column("time" if name == self.time else "unknown") for name in self._names(base)}

    def defaults(self, base: pathlib.Path) -> Defaults:
        """The roles of the columns."""
        return Defaults(time=self.time)

    def has_test(self, base: pathlib.Path) -> bool:
        """Whether there is a test part: no."""
        return False

    def resolve(self, base: pathlib.Path) -> Sql:
        """The same source with an absolute path of an SQLite file."""
        return self.model_copy(update={"url": f"{SQLITE}{self._file(base)}"}) if self.is_file else self

    def frozen(self, table: Table) -> Sql:
        """The same source with the types that were found, so that no other rows can change them."""
        return self.model_copy(update={"types": frozen_types(table, self.types)})

    def load(self, base: pathlib.Path, allowed: int | None = None) -> Table:
        """Asks the database.

        Args:
            allowed: how many bytes of memory the rows may take with what is encoded of them; more are put into a file
                of the cache folder, and their columns read when they are asked for. None: as many as are free.

        Raises:
            DataError: it is not there, or refuses, or gives no rows, or more than there is room for.
            MissingExtraError: what reads from PostgreSQL is not installed.
            MisfitError: the query is wrong, or a field names a column that is not there; paths are relative to this
                section.
        """
        blocks, name, types = self._blocks(base), self._called(), self.types or {}
        first = next(blocks, None)
        if first is None:
            raise DataError(f"{name}: the query gives no rows" if self.query else f"{name}: the table has no rows")
        if problems := list(self._check_columns(first.columns)):
            raise MisfitError(*problems)
        frames, more = fetch(chain([first], blocks), allowed, name)
        if more:
            return lazily(put_aside(chain(frames, blocks), self._whole), name, types, self.time)
        frame = self._whole(alike(frames))
        check_formats(frame, types, name)
        if self.time is not None:
            frame = with_times(frame, self.time, name)
        return Table(name, columns_of(frame, name))

    def _blocks(self, base: pathlib.Path) -> Iterator[polars.DataFrame]:
        """The rows as the database gives them, in blocks that have some."""
        if self.is_file:
            from dlrun.data.sources.sqlite import sqlite_blocks

            blocks = sqlite_blocks(self._file(base), self.asked, self._at())
        else:
            from dlrun.data.sources.postgresql import server_blocks

            blocks = server_blocks(self.url, self.asked, self._at(), self.password_env)
        return (block for block in blocks if block.height)

    def _whole(self, frame: polars.DataFrame) -> polars.DataFrame:
        """Whole columns with the types that the spec says, and times where the database has none."""
        if self.is_file:
            from dlrun.data.sources.sqlite import with_dates

            frame = with_dates(frame, self.types or {})
        return conform(frame, self.types or {})

    def _names(self, base: pathlib.Path) -> list[str]:
        from dlrun.data.sources.sqlite import sqlite_names

        return sqlite_names(self._file(base), self.asked, self._at())

    @property
    def asked(self) -> str:
        """The query, also where a table is named."""
        if self.query is not None:
            return self.query.strip().rstrip(";").rstrip()
        query = f"SELECT * FROM {'.'.join(map(quoted, (self.table or '').split('.')))}"
        if self.order_by is not None:
            query += f" ORDER BY {', '.join(map(quoted, self.order_by))}"
        return query if self.limit is None else f"{query} LIMIT {self.limit}"

    def _at(self) -> str:
        """The field with which something is wrong where the query is."""
        return "table" if self.query is None else "query"

    def _file(self, base: pathlib.Path) -> pathlib.Path:
        return locate(base, self.url.removeprefix(SQLITE))

    def _called(self) -> str:
        """What to call the rows in messages."""
        database = pathlib.PurePath(urlsplit(self.url).path or self.url).name
        return f"{database}: {self.table}" if self.table else database


def quoted(name: str) -> str:
    """A name as SQL takes any name."""
    return '"' + name.replace('"', '""') + '"'


def _check(file: pathlib.Path) -> Iterator[Problem]:
    """That there is an SQLite file."""
    unreadable = list(check_file(file.parent, str(file)))
    yield from unreadable
    if unreadable:
        return
    with file.open("rb") as handle:
        begin = handle.read(16)
    if begin != b"SQLite format 3\0":
        yield Problem(("url",), f"{file} is no SQLite database" + ("" if begin else ": it is empty"))


def _without_password(url: str) -> str:
    """A URL without its secrets."""
    parts = urlsplit(url)
    user = f"{parts.username}@" if parts.username else ""
    return f"{parts.scheme}://{user}{parts.netloc.rpartition('@')[2]}{parts.path}"


def _one_line(query: str) -> str:
    return " ".join(query.split()).rstrip(";").rstrip()
