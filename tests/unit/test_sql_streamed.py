"""Queries whose rows are more than memory is to hold: fetched in blocks, they are the table that is read in memory, or
the same errors."""

from __future__ import annotations

import datetime as dt
import pathlib
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlrun.data.columns import Table
from dlrun.data.section import Data
from dlrun.data.sources import Sql, lazy, sqlite
from dlrun.data.sources.lazy import LazyColumns
from dlrun.errors import DataError, DlrunError

SHOP = "SELECT a, b FROM t ORDER BY rowid"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A folder, whose databases are read in blocks of a few rows; nothing is ever left in the cache folder."""
    monkeypatch.setattr(sqlite, "ROWS", 3)
    monkeypatch.setattr(lazy, "BLOCK", 2)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield tmp_path
    assert left(tmp_path) == []


def left(folder: pathlib.Path) -> list[pathlib.Path]:
    return list((folder / "cache" / "dlrun" / "tables").glob("*"))


def database(file: pathlib.Path, rows: Sequence[tuple[Any, ...]]) -> None:
    file.unlink(missing_ok=True)
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE t (a, b)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
    connection.close()


def source(**fields: Any) -> Sql:
    return Sql.parse({"kind": "sql", "url": "sqlite:///shop.db", "query": SHOP, **fields})


def outcome(found: Sql, base: pathlib.Path, allowed: int | None) -> Table | tuple[type, str, str | None]:
    """A table, or what is told instead."""
    try:
        table = found.load(base, allowed)
        columns = dict(table.columns)
    except DlrunError as error:
        return type(error), str(error), error.hint
    assert isinstance(table.columns, LazyColumns) == (allowed == 0)
    for block in lazy.rows_of_table(table, list(columns)) if allowed == 0 else ():
        for name, values in block.columns.items():
            assert values.dtype == columns[name].dtype
    assert len(table) == len(columns["a"])
    return Table(table.name, columns, folder=table.folder, files=table.files, file_of=table.file_of)


def assert_same(found: Sql, base: pathlib.Path) -> Table | None:
    """That a source gives the same both ways; returns the table where there is one."""
    whole, streamed = outcome(found, base, None), outcome(found, base, 0)
    if not isinstance(whole, Table) or not isinstance(streamed, Table):
        assert streamed == whole
        return None
    assert (streamed.name, list(streamed.columns)) == (whole.name, list(whole.columns))
    assert (streamed.folder, streamed.files, streamed.file_of) == (whole.folder, whole.files, whole.file_of)
    for name, values in whole.columns.items():
        np.testing.assert_array_equal(streamed.columns[name], values, strict=True)
    return whole


TABLES: dict[str, tuple[list[tuple[Any, ...]], dict[str, Any]]] = {
    "plain": ([(1, "x"), (2, "y"), (3, None), (4, "z")], {}),
    "whole numbers, and then one that is none": ([(n, n) for n in range(7)] + [(7.5, None)], {}),
    "numbers, and then a text": ([(n / 2, n) for n in range(7)] + [("x", 1e-7), (2.0, "y")], {}),
    "values after many that are missing": ([(None, n) for n in range(8)] + [(1, 1), (None, 2)], {}),
    "nothing but missing values": ([(None, n) for n in range(8)], {}),
    "the largest whole numbers": ([(2**63 - 1, 1), (-(2**63), 2), (3, 2.5), (4, 1), (5, 1)], {}),
    "dates": ([(f"2020-01-{n:02}", n) for n in range(1, 9)] + [(None, 1)], {}),
    "dates, and then a text": ([(f"2020-01-{n:02}", n) for n in range(1, 9)] + [("soon", 1)], {}),
    "dates with and without a time": ([("2020-01-01", 1)] * 4 + [("2020-01-02 13:00", 2)] * 4, {}),
    "dates that are text": ([(f"2020-01-{n:02}", n) for n in range(1, 9)], {"types": {"a": "text"}}),
    "a time": ([(f"2020-01-{n:02} 13:00", n) for n in range(1, 9)], {"time": "a"}),
    "no time": ([("2020-01-01", 1)] * 4 + [("soon", 2)], {"time": "a"}),
    "times by their format": ([(f"{n:02}.01.2020", n) for n in range(1, 9)], {"types": {"a": {"time": "%d.%m.%Y"}}}),
    "times of another format": ([("01.01.2020", 1)] * 4 + [("1/1/20", 2)], {"types": {"a": {"time": "%d.%m.%Y"}}}),
    "types": ([("007", n) for n in range(8)], {"types": {"a": "number", "b": "text"}}),
    "types that do not fit": ([("007", n) for n in range(8)] + [("x", 1)], {"types": {"a": "number"}}),
    "columns that are not there": ([(1, 2)] * 5, {"types": {"c": "text"}, "time": "d"}),
    "no rows": ([], {}),
    "blobs": ([(1, 2)] * 5 + [(2, b"x")], {}),
    "blobs and texts": ([("x", 2)] * 5 + [(b"x", 2)] + [("y", 2)] * 5, {}),
    "blobs among numbers": ([(1, 2), (b"x", 2), (3, 3)], {}),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_a_streamed_query_is_that_in_memory(name: str, here: pathlib.Path) -> None:
    rows, fields = TABLES[name]
    database(here / "shop.db", rows)
    table = assert_same(source(**fields), here)
    if table is not None:
        assert_same(source(types=source(**fields).frozen(table).types), here)


def test_what_cannot_be_read_is_told_however_late_it_comes(here: pathlib.Path) -> None:
    database(here / "shop.db", [(1, "x")] * 20)
    with sqlite3.connect(here / "shop.db") as connection:
        connection.execute("UPDATE t SET b = CAST(x'ff' AS TEXT) WHERE rowid = 19")
    connection.close()
    assert assert_same(source(), here) is None
    too_large = source(query="SELECT a, abs(-9223372036854775807 - (rowid = 9)) b FROM t")
    assert assert_same(too_large, here) is None
    assert "integer overflow" in str(outcome(too_large, here, 0))


CELL = st.sampled_from([None, 1, -3, 4.5, 1e300, 2**62, "x", "é", "1", "2020-01-01", "2020-01-02 10:00", b"x"])


@given(st.lists(st.tuples(CELL, CELL), max_size=9), st.integers(1, 5))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_streamed_query_is_that_in_memory(tmp_path: pathlib.Path, rows: list[tuple[Any, ...]], size: int) -> None:
    database(tmp_path / "shop.db", rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite, "ROWS", size)
        patch.setattr(lazy, "BLOCK", 2)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        assert_same(source(), tmp_path)


def test_what_is_allowed_is_held_in_memory_and_what_is_more_is_not(here: pathlib.Path) -> None:
    database(here / "shop.db", [(n, n / 2) for n in range(100)])
    for allowed, streamed in ((3200, False), (3199, True)):  # 16 bytes for each number
        table = source().load(here, allowed)
        assert isinstance(table.columns, LazyColumns) is streamed
        assert table.columns["b"].tolist() == [n / 2 for n in range(100)]
        assert left(here) == [], "the file has no name"


def test_wide_rows_are_fetched_a_few_at_a_time(here: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "CELLS", 5)
    database(here / "shop.db", [(n, n) for n in range(5)])
    assert [block.height for block in sqlite.sqlite_blocks(here / "shop.db", SHOP, "query")] == [2, 2, 1]


def test_the_next_training_has_the_rows_of_its_time(here: pathlib.Path) -> None:
    database(here / "shop.db", [(n, n) for n in range(8)])
    before = source().load(here, 0)
    database(here / "shop.db", [(n, n + 1) for n in range(9)])
    after = source().load(here, 0)
    assert before.columns["b"].tolist() == list(range(8))
    assert after.columns["b"].tolist() == list(range(1, 10))


def test_the_spec_says_how_much_memory_rows_may_take(here: pathlib.Path) -> None:
    database(here / "shop.db", [(n, "yes" if n % 3 else "no") for n in range(60)])
    tree = {"source": source().tree(), "target": "b", "features": {"a": {"kind": "number"}}}
    budgets = {"in_memory": False, "1 MB": False, "1 KB": True, "streamed": True}
    whole = Data.parse(tree).load(here, 5)
    for memory, streamed in budgets.items():
        found = Data.parse(tree).load(here, 5, memory=memory)
        assert found.streamed is streamed
        assert found.summary() == whole.summary()
        assert found.resolved == whole.resolved
        for part, expected in whole.splits.items():
            np.testing.assert_array_equal(np.asarray(found.splits[part].target), expected.target, strict=True)
            for name, values in expected.inputs.items():
                np.testing.assert_array_equal(np.asarray(found.splits[part].inputs[name]), values, strict=True)
    autoencoder = Data.parse({"source": source().tree(), "features": {"a": {"kind": "number"}}})
    streamed, held = (autoencoder.load(here, 5, reconstructs=True, memory=each) for each in ("1 KB", "in_memory"))
    assert (streamed.streamed, held.streamed) == (True, False)
    assert streamed.summary() == held.summary()


def test_a_series_of_a_query_is_streamed_too(here: pathlib.Path) -> None:
    database(here / "shop.db", [(n, str(dt.date(2020, 1, 1) + dt.timedelta(n))) for n in range(60)])
    features = {"a": {"kind": "series", "window": 2}}
    data = Data.parse({"source": source(time="b").tree(), "target": "a", "features": features})
    whole, streamed = (data.load(here, 5, memory=memory) for memory in ("in_memory", "streamed"))
    assert streamed.streamed
    assert streamed.summary() == whole.summary()


def test_rows_for_which_there_is_no_memory_are_refused(here: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database(here / "shop.db", [(n, n / 2) for n in range(100)])
    monkeypatch.setattr("dlrun.data.sources.fetched.available_memory", lambda: 2 * 1600)  # as a frame, and as a table
    assert len(source().load(here)) == 100
    monkeypatch.setattr("dlrun.data.sources.fetched.available_memory", lambda: 2 * 1599)
    with pytest.raises(DataError, match=r"its rows take more than 1\.56 KiB, and 3\.12 KiB of memory are free"):
        source().load(here)
    assert len(source().load(here, 0)) == 100


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_full_disk_is_told_and_nothing_is_left(here: pathlib.Path) -> None:
    import resource

    database(here / "shop.db", [(n / 7, n / 11) for n in range(2000)])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        with pytest.raises(DataError, match="a table cannot be written to") as told:
            source().load(here, 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "make room there" in str(told.value.hint)
