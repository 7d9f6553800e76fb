"""Tables from databases: the same as from a CSV file; nothing is written, and no password is told."""

from __future__ import annotations

import pathlib
import re
import sqlite3
from collections.abc import Iterator

import numpy as np
import pytest
from postgresql import PASSWORD, Server, programs, server

from dlrun.data.columns import Column
from dlrun.data.new_data import load_file
from dlrun.data.sources import Sql
from dlrun.data.sources.lazy import LazyColumns
from dlrun.errors import DataError, DlrunError, MisfitError, MissingExtraError
from dlrun.spec.problem import Problem

ROWS = "SELECT * FROM sales ORDER BY id"


def write(file: pathlib.Path, rows: int = 300) -> pathlib.Path:
    with sqlite3.connect(file) as database:
        database.execute(
            "CREATE TABLE sales (id INTEGER PRIMARY KEY, day DATE, price REAL, name, mixed, late, 'a \"b' TEXT)"
        )
        database.executemany(
            "INSERT INTO sales VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (n, f"2020-01-{n % 28 + 1:02}", n / 2, f"n{n}" if n % 7 else None, n if n < 200 else "x", None, "007")
                for n in range(rows)
            ],
        )
        database.execute("UPDATE sales SET late = 1.5 WHERE id = (SELECT max(id) FROM sales)")
    database.close()
    return file


def sql(**fields: object) -> Sql:
    return Sql.parse({"kind": "sql", "url": "sqlite:///shop.db", **fields})


def test_a_query_is_a_table(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlrun.data.sources.sqlite.ROWS", 64)  # types are found over all blocks
    write(tmp_path / "shop.db")
    source = sql(query=f"{ROWS};\n", time="day")
    assert list(source.check(tmp_path)) == []
    known = source.known(tmp_path)
    assert known is not None
    assert known["day"] == Column("time")
    table = source.resolve(tmp_path).load(pathlib.Path("/nowhere"))
    assert list(table.columns) == ["id", "day", "price", "name", "mixed", "late", 'a "b'] == list(known)
    assert table.columns["id"].tolist() == list(range(300))
    assert str(table.columns["day"][1]) == "2020-01-02T00:00:00.000000"
    assert table.columns["price"].dtype == np.float64
    assert table.columns["name"][:2].tolist() == [None, "n1"]
    assert table.columns["mixed"][[0, 199, 200]].tolist() == ["0", "199", "x"]
    assert np.isnan(table.columns["late"]).sum() == 299
    assert table.columns['a "b'][0] == "007"
    frozen = source.frozen(table)
    assert frozen.types == {
        **{"id": "integer", "day": "time", "price": "number", "name": "text", "mixed": "text", "late": "number"},
        'a "b': "text",
    }
    assert [values.dtype for values in frozen.load(tmp_path).columns.values()] == [
        values.dtype for values in table.columns.values()
    ]


def test_a_table_is_sorted_and_cut(tmp_path: pathlib.Path) -> None:
    write(tmp_path / "shop.db")
    source = sql(table="sales", order_by=["price", 'a "b'], limit=3, types={"id": "text"})
    assert source.asked == 'SELECT * FROM "sales" ORDER BY "price", "a ""b" LIMIT 3'
    assert source.load(tmp_path).columns["id"].tolist() == ["0", "1", "2"]


def test_new_data_of_a_trained_query_has_its_types(tmp_path: pathlib.Path) -> None:
    (tmp_path / "new.csv").write_text("zip\n007\n", encoding="utf-8")
    trained = sql(table="sales", types={"zip": "text"})
    assert load_file(trained, tmp_path / "new.csv").columns["zip"].tolist() == ["007"]


@pytest.mark.parametrize(
    ("fields", "path", "words"),
    [
        ({}, (), "neither query nor table"),
        ({"query": ROWS, "table": "sales"}, (), "both query and table"),
        ({"query": ROWS, "limit": 3}, ("limit",), "belongs to table.*write LIMIT into the query"),
        ({"table": "sale"}, ("table",), "shop.db has no table sale.*did you mean sales"),
        ({"query": "SELECT nope FROM sales"}, ("query",), "there is no column nope"),
        ({"query": "SELECT id id FROM sales, sales"}, ("query",), "ambiguous column name"),
        ({"query": "selec"}, ("query",), "no query that gives rows"),
        ({"query": "SELECT id, FROM sales"}, ("query",), "cannot be answered: near .*syntax error"),
        ({"query": "DROP TABLE sales"}, ("query",), "no query that gives rows"),
        ({"query": "SELECT 1; DROP TABLE sales"}, ("query",), "syntax error"),
        ({"query": "SELECT id, id FROM sales"}, None, ""),
        ({"table": "sales", "time": "dya"}, ("time",), "no column dya.*did you mean day"),
        ({"table": "sales", "types": {"ID": "text"}}, ("types", "ID"), "no column ID"),
        ({"table": "sales", "password_env": "X"}, ("password_env",), "an SQLite file has no password"),
        ({"table": "sales", "url": "sqlite:///gone.db"}, ("url",), "there is no file .*gone.db"),
        ({"table": "sales", "url": "sqlite:///bad.db"}, ("url",), "bad.db is no SQLite database"),
        ({"table": "sales", "url": "sqlite:///empty.db"}, ("url",), "is no SQLite database: it is empty"),
        ({"table": "sales", "url": "sqlite:///"}, ("url",), "names no file"),
        ({"table": "sales", "url": "shop.db"}, ("url",), "no URL.*sqlite:///shop.db"),
        ({"table": "sales", "url": "mysql://me@host/shop"}, ("url",), "of the kind mysql are not read"),
        ({"table": "sales", "url": "postgresql://me@host:port/shop"}, ("url",), "this is no URL"),
        ({"table": "sales", "url": "postgresql://me@host/shop"}, ("table",), "rows in any order.*order_by: "),
        ({"query": "SELECT 1", "url": "postgresql://me@host/shop"}, ("query",), "any order.*SELECT 1 ORDER BY id"),
    ],
)
def test_mistakes(fields: dict[str, object], path: tuple[str, ...] | None, words: str, tmp_path: pathlib.Path) -> None:
    write(tmp_path / "shop.db")
    (tmp_path / "bad.db").write_text("no database", encoding="utf-8")
    (tmp_path / "empty.db").touch()
    before = (tmp_path / "shop.db").read_bytes()
    problems = list(sql(**fields).check(tmp_path))
    assert (tmp_path / "shop.db").read_bytes() == before
    if path is None:
        assert not problems, "SQLite itself gives the second another name"
        return
    (problem,) = problems
    assert problem.path == path
    assert re.search(words, f"{problem.message} {problem.expected} {problem.hint}"), problem


@pytest.mark.parametrize(
    "url",
    ["postgresql://me:hush@host/shop", "postgres://me@host/shop?password=hush", "postgresql://:hush@host:99/shop"],
)
def test_a_password_in_a_url_is_refused_and_not_repeated(url: str, tmp_path: pathlib.Path) -> None:
    (problem,) = sql(url=url, table="sales", order_by=["id"]).check(tmp_path)
    assert "must not stand in a spec" in problem.message
    assert "hush" not in f"{problem.message} {problem.expected} {problem.received} {problem.hint}"
    assert "PGPASSWORD" in str(problem.hint)


def told(source: Sql, folder: pathlib.Path) -> str:
    with pytest.raises(DlrunError) as raised:
        source.load(folder)
    assert isinstance(raised.value, DataError | MisfitError)
    return f"{raised.value.message} {raised.value.hint}"


def test_damaged_databases(tmp_path: pathlib.Path) -> None:
    data = write(tmp_path / "shop.db", 3000).read_bytes()
    assert "the query gives no rows" in told(sql(query="SELECT * FROM sales WHERE 0"), tmp_path)
    for name, value, words in (("latin", "CAST(x'ff' AS TEXT)", "UTF-8"), ("blob", "x'ff'", "of the type Binary")):
        with sqlite3.connect(write(tmp_path / f"{name}.db")) as database:
            database.execute(f"UPDATE sales SET name = {value}")
        database.close()
        assert words in told(sql(url=f"sqlite:///{name}.db", table="sales"), tmp_path)
    assert "there is no file" in told(sql(url="sqlite:///shp.db", table="sales"), tmp_path)
    for content in (data[: len(data) // 2], data[:5000] + b"\xff" * 8000 + data[13_000:]):
        (tmp_path / "cut.db").write_bytes(content)
        assert "malformed" in told(sql(url="sqlite:///cut.db", table="sales"), tmp_path)


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    if (found := programs()) is None:
        pytest.skip("PostgreSQL is not installed")
    pytest.importorskip("adbc_driver_postgresql")
    with server(found) as started:
        started.run(
            "CREATE TABLE sales (id int primary key, price numeric(10, 2), day date, at timestamptz, sold boolean, "
            "name text, size real, pixels float8[], tree json, span interval); "
            "INSERT INTO sales SELECT n, n / 4.0, date '2020-01-01' + n, timestamptz '2020-01-01 12:00+02', n % 2 = 0, "
            "nullif('n' || n, 'n3'), n / 2.0, array[n, 2.5], '{\"a\": 1}', '1 day' FROM generate_series(1, 100) n"
        )
        yield started


def test_postgresql(running: Server, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = "id, price, day, at, sold, name, size, pixels"
    query = f"SELECT {columns} FROM sales ORDER BY id DESC"
    fields: dict[str, object] = {"url": running.url, "query": query, "password_env": "SHOP_PASSWORD", "time": "day"}
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    source = sql(**fields)
    assert list(source.check(tmp_path)) == []
    assert source.known(tmp_path) is None
    table = source.load(tmp_path)
    assert table.columns["id"][:2].tolist() == [100, 99]
    assert table.columns["price"][:2].tolist() == [25.0, 24.75]
    assert str(table.columns["day"][-1]) == "2020-01-02T00:00:00.000000"
    assert str(table.columns["at"][0]) == "2020-01-01T10:00:00.000000"
    assert table.columns["sold"][:2].tolist() == [True, False]
    assert table.columns["name"][-3:].tolist() == [None, "n2", "n1"]
    assert table.columns["pixels"][0].tolist() == [100, 2.5]
    assert source.frozen(table).load(tmp_path).columns["price"][0] == 25
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    many = "SELECT id * 1000 + n id, price, day, at, sold, name || n || repeat('x', 999) long, size, pixels, tree"
    many += " FROM sales, generate_series(1, 200) n ORDER BY 1"  # more than the driver hands out at once, some 16 MB
    ways = [sql(**{**fields, "query": many}).load(tmp_path, allowed) for allowed in (None, 0)]
    assert isinstance(ways[1].columns, LazyColumns)
    for name, values in ways[0].columns.items():
        np.testing.assert_array_equal(ways[1].columns[name], values, strict=True)
    assert ways[0].columns["tree"][0] == '{"a": 1}'
    assert not list((tmp_path / "cache" / "dlrun" / "tables").iterdir()), "what has no name cannot tell a password"
    for allowed in (None, 0):
        with pytest.raises(MisfitError, match="the server says: division by zero"):
            sql(**{**fields, "query": "SELECT 1 / (id - 90) x FROM sales ORDER BY id", "time": None}).load(
                tmp_path, allowed
            )

    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    plain = {"url": running.url}
    assert len(sql(**plain, table="public.sales", order_by=["id"], limit=5, types={}).asked) > 20
    assert "wants another password" in told(sql(**{**fields, "password_env": "HOME"}), tmp_path)
    assert "no variable SHOP_PASWORD" in (text := told(sql(**{**fields, "password_env": "SHOP_PASWORD"}), tmp_path))
    assert "did you mean SHOP_PASSWORD" in text
    assert "sale" in told(sql(**plain, query="SELECT * FROM sale ORDER BY 1"), tmp_path)
    assert '"nmae" does not exist' in told(sql(**plain, query="SELECT nmae FROM sales ORDER BY 1"), tmp_path)
    assert "syntax error" in told(sql(**plain, query="SELECT 1, ORDER BY 1"), tmp_path)
    assert "two columns" in told(sql(**plain, query="SELECT id, id FROM sales ORDER BY 1"), tmp_path)
    assert "the table has no rows" not in told(sql(**plain, query="SELECT 1 a WHERE false ORDER BY 1"), tmp_path)
    writing = "WITH gone AS (DELETE FROM sales RETURNING id) SELECT id FROM gone ORDER BY id"
    assert "the query is not one that only reads" in told(sql(**plain, query=writing), tmp_path)
    assert '"nowhere" does not exist' in told(
        sql(url=running.url.replace("/postgres", "/nowhere"), query=query), tmp_path
    )
    assert "a type that is not read" in told(sql(**plain, query="SELECT span FROM sales ORDER BY id"), tmp_path)
    assert len(source.load(tmp_path)) == 100


def test_a_server_that_is_not_there(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = sql(url="postgresql://me@127.0.0.1:1/shop", table="sales", order_by=["id"], password_env="SECRET")
    with pytest.raises(DataError, match="no variable SECRET"):
        source.load(tmp_path)
    monkeypatch.setenv("SECRET", PASSWORD)
    text = told(source, tmp_path)
    assert "no PostgreSQL server answers at 127.0.0.1:1" in text
    assert PASSWORD not in text
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as raised:
        source.load(tmp_path)
    assert raised.value.hint == "pip install 'dlrun[sql]'"


def test_the_problem_of_a_query_has_its_place(tmp_path: pathlib.Path) -> None:
    write(tmp_path / "shop.db")
    with pytest.raises(MisfitError) as raised:
        sql(table="nope").load(tmp_path)
    assert raised.value.problems == (Problem(("table",), "shop.db has no table nope", hint="the tables are: sales"),)
