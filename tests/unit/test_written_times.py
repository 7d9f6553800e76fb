"""Times that do not begin with the year: read as the spec says, and else not at all."""

from __future__ import annotations

import datetime as dt
import json
import pathlib
import sqlite3
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from dlrun.data.columns import Table
from dlrun.data.sources import Source
from dlrun.data.sources.csv_file import Csv
from dlrun.data.written_times import or_month_first, orders_of, time_formats, times_of
from dlrun.errors import DataError

DAYS = [dt.datetime(2020, 1, 1 + n, n) for n in range(12)]
"""Up to the twelfth: as 01/02/2020, each can be two days."""


def source(kind: str, place: pathlib.Path, texts: list[Any], **fields: Any) -> Any:
    """A source of a column `when` and a column `x`."""
    frame = pl.DataFrame({"when": texts, "x": range(len(texts))})
    match kind:
        case "csv":
            frame.write_csv(place / "t.csv")
        case "json":
            frame.write_ndjson(place / "t.json")
        case "parquet":
            frame.write_parquet(place / "t.parquet")
        case _:
            with sqlite3.connect(place / "t.db") as database:
                database.execute('CREATE TABLE t ("when" TEXT, x INTEGER)')
                database.executemany("INSERT INTO t VALUES (?, ?)", frame.rows())
            database.close()
            fields |= {"url": f"sqlite:///{place}/t.db", "table": "t"}
    if kind != "sql":
        fields["path"] = f"t.{kind}"
    adapter: TypeAdapter[Any] = TypeAdapter(Source)
    return adapter.validate_json(json.dumps({"kind": kind, **fields}))


@pytest.fixture(autouse=True)
def cache(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


KINDS = ["csv", "json", "parquet", "sql"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fields", [{"time": "when"}, {"types": {"when": "time"}}])
def test_what_can_be_two_days_is_not_guessed(kind: str, fields: dict[str, Any], tmp_path: pathlib.Path) -> None:
    texts = [f"{day:%d/%m/%Y}" for day in DAYS]
    with pytest.raises(DataError, match="'01/01/2020', which can be two days: the spec has to say") as raised:
        source(kind, tmp_path, texts, **fields).load(tmp_path)
    assert raised.value.hint == (
        'source: {types: {when: {time: "%d/%m/%Y"}}}, or "%m/%d/%Y" where the month stands first'
    )


def test_a_day_above_twelve_shows_the_format_but_is_not_taken_for_it(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DataError, match=r"when does not begin with the year, as in '01\.02\.20 7:05': the") as raised:
        source("csv", tmp_path, ["01.02.20 7:05", "31.01.20 7:05"], time="when").load(tmp_path)
    assert raised.value.hint == 'source: {types: {when: {time: "%d.%m.%y %H:%M"}}}'


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d.%m.%y %H:%M:%S", "%H:%M %d. %B %Y"])
@pytest.mark.parametrize("roles", [{}, {"time": "when"}])
def test_times_are_read_as_the_spec_says(kind: str, form: str, roles: Any, tmp_path: pathlib.Path) -> None:
    """Python's own strftime writes them."""
    texts: list[Any] = [day.strftime(form) for day in DAYS]
    if not roles:
        texts[3] = None
    found = source(kind, tmp_path, texts, types={"when": {"time": form}}, **roles)
    table = found.load(tmp_path)
    expected = np.array(
        [None if text is None else day for text, day in zip(texts, DAYS, strict=True)], "datetime64[us]"
    )
    np.testing.assert_array_equal(table.columns["when"], expected)
    assert found.frozen(table).types == {"when": {"time": form}, "x": "integer"}
    if kind != "sql":
        lazy: Table = found.lazily(tmp_path)
        np.testing.assert_array_equal(lazy.columns["when"], expected)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_times_where_the_spec_says_so(kind: str, tmp_path: pathlib.Path) -> None:
    found = source(kind, tmp_path, [20200131, 20200201], types={"when": {"time": "%Y%m%d"}}).load(tmp_path)
    assert found.columns["when"].astype(str).tolist() == ["2020-01-31T00:00:00.000000", "2020-02-01T00:00:00.000000"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", ["31/31/2020", "31/01/20", "2020-01-31", "soon"])
def test_a_text_of_another_form_is_told_with_its_row(kind: str, wrong: str, tmp_path: pathlib.Path) -> None:
    texts = [f"{day:%d/%m/%Y}" for day in DAYS]
    texts[7] = wrong
    found = source(kind, tmp_path, texts, types={"when": {"time": "%d/%m/%Y"}})
    name = "t.db: t" if kind == "sql" else f"t.{kind}"
    expected = f"{name}: when is no time written as %d/%m/%Y in row 8: '{wrong}'"
    with pytest.raises(DataError, match=expected):
        found.load(tmp_path)
    if kind != "sql":
        with pytest.raises(DataError, match=expected):
            found.lazily(tmp_path).columns["when"]


@pytest.mark.parametrize("roles", [{}, {"time": "when"}])
@pytest.mark.parametrize(("kind", "size"), [("csv", 1), ("csv", 1 << 20), ("json", 1), ("parquet", 1)])
def test_new_rows_are_read_in_the_same_form(kind: str, size: int, roles: Any, tmp_path: pathlib.Path) -> None:
    """One that is of another is set apart."""
    texts = ["01/02/2020", "2020-02-03", "04/02/2020"]
    found = source(kind, tmp_path, texts, types={"when": {"time": "%d/%m/%Y"}}, **roles)
    with (tmp_path / f"t.{kind}").open("rb") as stream:
        batches = list(found.batches(stream, "t", size))
    days = [
        day for batch in batches for day in batch.table.columns["when"].astype("datetime64[D]").astype(str).tolist()
    ]
    assert days == ["2020-02-01", "2020-02-04"]
    assert [row for batch in batches for row in batch.rows.tolist()] == [0, 2]
    told = {row: why for batch in batches for row, why in batch.unreadable.items()}
    assert told == {1: "when is no time: '2020-02-03'"}


def test_years_first_need_no_format(tmp_path: pathlib.Path) -> None:
    for form in ("%Y-%m-%d", "%Y/%m/%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"):
        texts = [day.strftime(form) for day in DAYS]
        found = source("csv", tmp_path, texts, time="when").load(tmp_path).columns["when"]
        assert [f"{day:{form}}" for day in found.tolist()] == texts


def test_a_column_of_several_types_is_not_guessed_either(tmp_path: pathlib.Path) -> None:
    """Ragged types send a table another way through the reader."""
    content = "a,when\n" + "1,01/02/2020\n" * 300 + f"{'9' * 30},01/02/2020\n"
    (tmp_path / "t.csv").write_text(content, encoding="utf-8")
    found = Csv(kind="csv", path="t.csv").load(tmp_path).columns["when"]
    assert found.tolist() == ["01/02/2020"] * 301


@pytest.mark.parametrize("form", ["", "%Q", "%"])
def test_a_format_that_is_none(form: str) -> None:
    with pytest.raises(ValidationError):
        Csv.parse({"kind": "csv", "path": "t.csv", "types": {"when": {"time": form}}})


@settings(max_examples=30)
@given(
    st.lists(st.dates(dt.date(1970, 1, 1), dt.date(2068, 12, 31)), min_size=1, max_size=20),
    st.sampled_from(["%d.%m.%Y", "%m-%d-%y"]),
)
def test_what_is_written_is_read(days: list[dt.date], form: str) -> None:
    texts = pl.Series("when", [f"{day:{form}}" for day in days])
    times, bad = times_of(texts, form)
    assert not bad
    assert times.dt.date().to_list() == days
    assert form in orders_of(texts)
    assert len(orders_of(texts)) == 1 + all(day.day <= 12 for day in days)


def test_the_first_text_does_not_say_how_the_others_are_read() -> None:
    assert times_of(pl.Series("t", ["01/02/2020", "2020-02-03"]))[1] == [0]
    assert times_of(pl.Series("t", [" 31/01/2020 "]), "%d/%m/%Y")[1] == []


def test_empty_columns() -> None:
    assert times_of(pl.Series("t", [None, None], pl.String))[1] == []
    assert orders_of(pl.Series("t", [], pl.String)) == []


@pytest.mark.parametrize(
    ("texts", "forms"),
    [
        (["31.12.2020", "01.02.2020"], ["%d.%m.%Y"]),
        (["12/31/20", None], ["%m/%d/%y"]),
        (["1/2/2020 1:05 PM"], ["%d/%m/%Y %I:%M %p", "%m/%d/%Y %I:%M %p"]),
        (["2020-01", "2020-12"], ["%Y-%m"]),
        (["1 Jan 2020", "31 Dec 2020"], ["%d %b %Y", "%d %B %Y"]),
        (["31/12/2020", "12/31/2020"], []),
        (["soon"], []),
    ],
)
def test_formats(texts: list[str | None], forms: list[str]) -> None:
    assert time_formats(pl.Series("t", texts)) == forms


def test_the_other_order_is_named_where_it_can_be() -> None:
    assert or_month_first(["%d/%m/%y", "%m/%d/%y"]) == ', or "%m/%d/%y" where the month stands first'
    assert or_month_first(["%m/%d/%y"]) == or_month_first(["%d %b %Y", "%d %B %Y"]) == ""
