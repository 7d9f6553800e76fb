"""Files of text that are larger than memory: converted in blocks, they are the table that is read in memory, or the
same errors with the same rows."""

from __future__ import annotations

import gzip
import os
import pathlib
import re
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlrun.data.columns import Table
from dlrun.data.section import Data
from dlrun.data.sources import Csv, Json, Parquet, csv_blocks, json_blocks, lazy
from dlrun.data.sources.aside import Whole
from dlrun.data.sources.files import PACKED
from dlrun.data.sources.frames import Types
from dlrun.data.sources.tabular import Tabular
from dlrun.errors import DataError, DlrunError

QUOTED = 'id,note\n1,"a\nb"\n2,"say ""yes"", then\n\ngo"\n3,c\n'


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A folder, whose files are read in blocks of a few bytes; nothing half done is left in the cache folder."""
    monkeypatch.setattr(csv_blocks, "BLOCK", 7)
    monkeypatch.setattr(json_blocks, "BLOCK", 7)
    monkeypatch.setattr(lazy, "BLOCK", 2)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield tmp_path
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.name.startswith(".")]


def outcome(read: Any) -> Table | tuple[type, str, str | None]:
    """A table, or what is told instead."""
    try:
        table: Table = read()
        columns = dict(table.columns)
    except DlrunError as error:
        message = re.sub(r"(cannot be read: CSV malformed): .*", r"\1", str(error))  # where, in bytes of a block
        return type(error), message, error.hint
    if isinstance(table.columns, lazy.LazyColumns):
        blocks = list(lazy.rows_of_table(table, list(columns)))
        for name, values in columns.items():
            found = np.concatenate([block.columns[name] for block in blocks])
            np.testing.assert_array_equal(found, values, strict=True)
    return Table(table.name, columns, files=table.files, file_of=table.file_of)


def assert_same(source: Tabular, base: pathlib.Path) -> Table | None:
    """That a source gives the same both ways; returns the table where there is one."""
    whole, converted = outcome(lambda: source.load(base)), outcome(lambda: source.lazily(base))
    if not isinstance(whole, Table) or not isinstance(converted, Table):
        assert converted == whole
        return None
    assert (converted.name, list(converted.columns)) == (whole.name, list(whole.columns))
    assert converted.files == whole.files
    assert whole.file_of is not None
    assert converted.file_of is not None
    np.testing.assert_array_equal(converted.file_of, whole.file_of)
    for name, values in whole.columns.items():
        np.testing.assert_array_equal(converted.columns[name], values, strict=True)
    return whole


CSVS: dict[str, tuple[str | bytes, dict[str, Any]]] = {
    "plain": ("a,b\n1,x\n2,y\n3,z\n", {}),
    "no line end": ("a,b\n1,x\n2,y", {}),
    "carriage returns": ("a,b\r\n1,x\r\n2,y\r\n3,z\r\n", {}),
    "a mark at its beginning": ("\ufeffa,b\n1,x\n2,y\n", {}),
    "whole numbers, and then one that is none": ("a\n1\n2\n3\n4\n5\n6.5\n7\n", {}),
    "numbers, and then a text": ("a\n1\n2\n3\n4.5\n5\n6\nnone\n", {}),
    "truth values and numbers": ("a,b\ntrue,true\nfalse,false\n1,true\n", {}),
    "a column without values": ("a,b,c\n1,,x\n2,,y\n3,,\n", {}),
    "values after many that are missing": ("a,b\n,1\n,2\n,3\n,4\n5,5\n", {}),
    "truth values of which some are missing": ("a,b\ntrue,1\n,2\nfalse,3\n,4\n", {}),
    "a huge whole number": ("a\n1\n2\n99999999999999999999999\n", {}),
    "a huge whole number and others": ("a\n1.5\n2\n99999999999999999999999\n", {}),
    "no finite numbers": ("a,b\nNaN,1\ninf,2\n1.5,3\n", {}),
    "spaces": ("a,b\n 1,x\n2, y\n3,z \n", {}),
    "leading zeros": ("a\n007\n008\n012\n", {}),
    "dates": ("a,b\n2020-01-01,1\n2020-01-02,2\n,3\n2020-12-31,4\n", {}),
    "dates with and without a time": ("a,b\n2020-01-01,1\n2020-01-02 13:00,2\n", {}),
    "dates, and then a text": ("a\n2020-01-01\n2020-01-02\n2020-01-03\nsoon\n", {}),
    "dates with the day first": ("a\n31/01/2020\n01/02/2020\n", {}),
    "the 31st of February": ("a\n2020-01-01\n2020-02-31\n", {}),
    "times with a zone": ("a\n2020-01-01T00:00:00+02:00\n2020-01-02T00:00:00+02:00\n", {}),
    "line breaks in quotes": (QUOTED, {}),
    "quoted names": ('"a\nb","c,d"\n1,2\n3,4\n', {}),
    "quoted numbers": ('a,b\n"1","2"\n3,"x"\n', {}),
    "quoted nothing": ('a,b\n"",1\nx,""\n', {}),
    "a quote amid a value": ('a,b\n5" x,1\n6 x,2\n7 x,3\n', {}),
    "blank lines": ("a,b\n\n1,2\n\n\n3,4\n\n", {}),
    "blank lines of one column": ("a\n\n1\n\n\n3\n\n", {}),
    "a row too short": ("a,b,c\n1,2,3\n4,5\n6,7,8\n", {}),
    "a row too long": ("a,b\n1,2\n3,4,5\n6,7\n", {}),
    "a row too long, and a later one that is too short": ("a,b\n1,2\n3,4,5\n6\n", {}),
    "quotes amid values of several rows": ('a,b\n1,h"\n2,x\n3,"q"\n4,y"\n5,z\n', {}),
    "quotes amid values that make one of two rows": ('a,b\n"",5" x\n"",5" x\n' + "1,2\n" * 20, {}),
    "quotes amid values that make one of three rows": ('a,b\n1,h"\n2,x\n3,y"\n', {}),
    "they below a name of two lines": ('"a\nb",c\n0,x\n1,h"\n2,x\n3,y"\n', {}),
    "a quote left open": ('a,b\n1,2\n3,"x\n4,y\n5,z\n', {}),
    "a quote left open at the end, of a number": ('a,b\n"1","2"\n"3","', {"types": {"b": "integer"}}),
    "text after a quote": ('a,b\n1,2\n3,"x"y\n4,z\n', {}),
    "text after a quote, and a row too short": ('a,b\n3,"x"y\n4,z\n4\n', {}),
    "missing at the end of rows": ("a,b\n1,\n2,3\n4,\n", {}),
    "no rows": ("a,b\n", {}),
    "no rows and no line end": ("a,b", {}),
    "nothing": ("", {}),
    "blank": ("\n\n  \n\n", {}),
    "a mark alone": ("\ufeff", {}),
    "two columns of one name": ("a,a\n1,2\n", {}),
    "a column without a name": ("a,,b\n1,2,3\n", {}),
    "old line ends": ("a,b\r1,2\r3,4\r", {}),
    "no UTF-8": (b"a,b\n1,2\n3,4\n5,caf\xe9\n6,7\n", {}),
    "no UTF-8 after a NUL byte": (b"a,b\n1,\0\n3,4\n5,caf\xe9\n6,7\n", {}),
    "a NUL byte": (b"a,b\n1,2\n3,4\n5,\0\n6,7\n", {}),
    "several NUL bytes": (b"a,b\n1,2\n3,\0\n5,\0\n6,\0\n", {}),
    "no name, and a NUL byte": (b"a,\n1,2\n3,\0\n", {}),
    "no UTF-8 below a name that is missing": (b"a,,b\n1,2,3\n3,4,\xe9\n", {}),
    "other texts for what is missing": ("a,b\nNA,x\n1,NA\n2,-\nNA,y\n", {"missing": ["NA", "-"]}),
    "another delimiter": ("a;b\n1;x,y\n2;z\n", {"delimiter": ";"}),
    "decimal commas": ("a;b;c\n1,5;x;1\n2;y;2,5\n3,25;1,5;3\n", {"delimiter": ";", "decimal_comma": True}),
    "types": ("a,b,c\n007,1,yes\n008,2,no\n", {"types": {"a": "text", "b": "number", "c": "text"}}),
    "types that do not fit": ("a,b\n1,1\nx,2\n3,2.5\n", {"types": {"a": "integer", "b": "integer"}}),
    "types that do not fit, and dates": ("a,b,c\n1,2020-01-01, 1\nx,2020-01-02,2\n", {"types": {"a": "number"}}),
    "truth values in capitals": ("a\nTrue\nFALSE\n", {"types": {"a": "boolean"}}),
    "times that are text": ("a,b\n2020-01-01,1\n2020-01-02,2\n", {"types": {"a": "text"}}),
    "times by the spec": ("a,b\n2020-01-01,1\nsoon,2\n", {"types": {"a": "time"}}),
    "no value of a type": ("a,b\n,1\n,2\n", {"types": {"a": "number"}}),
    "a time": ("a,b\n2020-01-01,1\n2020-01-02,2\n", {"time": "a"}),
    "no time": ("a,b\n2020-01-01,1\n2020-01-02,2\nsoon,3\nlater,4\n", {"time": "a"}),
    "some columns": ("a,b,c\n1,x,2\n3,y,4\n", {"select": ["c", "a"]}),
    "columns that are not there": ("a,b,c\n1,x,2\n3,y,4\n", {"select": ["d"], "where": [{"column": "e", "min": 1}]}),
    "conditions": (
        "a,b\n1,x\n2,y\n3,x\n,x\n5,x\n", {"where": [{"column": "b", "equals": "x"}, {"column": "a", "max": 3}]}
    ),
    "a condition that does not fit": ("a,b\n1,x\n2,y\n", {"where": [{"column": "b", "min": 3}]}),
    "no row left": ("a,b\n1,x\n2,y\n", {"where": [{"column": "a", "min": 3}]}),
    "a limit": ("a,b\n1,x\n2,y\n3,z\n4.5,z\n", {"limit": 3}),
    "a limit and conditions": ("a,b\n1,x\n2,y\n3,x\n4,x\n", {"limit": 2, "where": [{"column": "b", "equals": "x"}]}),
}  # fmt: skip


CELL = st.sampled_from(
    ["1", "2", "-3", "4.5", "", "", " 6", "true", "false", "x", "é", '"q"', '"a\nb"', '"d,e"', '"f""g"', '""', "NaN",
     "2020-01-01", "2020-01-02 10:00", "99999999999999999999", "1e3", "007", 'h"', "NA"]
)  # fmt: skip
TYPE = st.sampled_from(["text", "integer", "number", "boolean", "time"])


@given(
    st.integers(1, 3).flatmap(lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), max_size=8)),
    st.sampled_from(["", "1,2,3,4\n", "5\n", "\n"]),
    st.lists(st.dictionaries(st.sampled_from("abc"), TYPE, max_size=2), min_size=1, max_size=2),
    st.integers(1, 30),
)
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_converted_csv_is_that_in_memory(
    tmp_path: pathlib.Path, rows: list[list[str]], odd: str, asked: list[dict[str, str]], size: int
) -> None:
    """Also where what was converted is found that was asked for with other types, or those that are frozen."""
    names = "abc"[: len(rows[0]) if rows else 2]
    lines = [f"{','.join(row)}\n" for row in (list(names), *rows)]
    lines.insert(len(lines) // 2 + 1, odd)
    (tmp_path / "a.csv").write_text("".join(lines), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "BLOCK", size)
        patch.setattr(lazy, "BLOCK", 2)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        for each in asked:
            types = {name: kind for name, kind in each.items() if name in names}
            source = Csv.parse({"kind": "csv", "path": "a.csv", "types": types or None})
            if table := assert_same(source, tmp_path):
                assert_same(source.frozen(table), tmp_path)


JSONS: dict[str, tuple[str | bytes, dict[str, Any]]] = {
    "plain": ('{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n{"a": 3, "b": "z"}', {}),
    "a mark at its beginning": ('\ufeff{"a": 1}\n{"a": 2}\n', {}),
    "blank lines": ('\n\n{"a": 1}\n\n\n   \n{"a": 2}\n\n\n', {}),
    "keys that come later": ('{"a": 1}\n{"b": 2, "a": 2}\n{}\n{"c": "x"}\n', {}),
    "keys in another order": ('{"a": 1}\n{"a": 1}\n{"b": {"b": 1}}\n{"a": 1}\n{"c": 1, "b": null, "a": 2}\n', {}),
    "whole numbers, and then one that is none": ('{"a": 1}\n{"a": 2}\n{"a": 2.5}\n', {}),
    "numbers and text": ('{"a": 1}\n{"a": 2.5}\n{"a": "x"}\n{"a": null}\n', {}),
    "numbers and truth values": ('{"a": 1, "b": true}\n{"a": true, "b": null}\n{"a": 2.50, "b": false}\n', {}),
    "truth values and no number": ('{"a": true, "b": 1}\n{"a": false, "b": 2.5}\n{"a": 1, "b": NaN}\n', {}),
    "nothing but null": ('{"a": null, "b": 1}\n{"a": null, "b": 2}\n', {}),
    "a huge whole number": ('{"a": 1}\n{"a": 99999999999999999999999}\n{"a": 2}\n', {}),
    "a huge whole number amid truth values": ('{"a": 1, "b": 99999999999999999999999}\n{"a": true, "b": 1}\n', {}),
    "whole numbers of more than 64 and 128 bits": (
        f'{{"a": {2**127}, "b": true, "c": 1, "d": 1}}\n{{"a": 2, "b": 1, "c": {2**63}, "d": {-(2**127) - 1}}}\n', {}
    ),
    "they and others": (f'{{"a": 2.5}}\n{{"a": {-(10**45)}}}\n{{"a": {10**400}}}\n{{"a": 2}}\n', {}),
    "infinite numbers amid whole ones": ('{"a": 1, "b": 1e400}\n{"a": Infinity, "b": -3}\n', {}),
    "lists": ('{"a": [1, 2]}\n{"a": [1.5, 2]}\n{"a": [3, 4]}\n', {}),
    "lists of several lengths": ('{"a": [1, 2]}\n{"a": []}\n{"a": [3]}\n', {}),
    "lists and text": ('{"a": [1, 2]}\n{"a": "x"}\n', {}),
    "lists and numbers": ('{"a": [1, 2]}\n{"a": 1}\n{"a": "x"}\n', {}),
    "objects": ('{"a": {"b": 1}}\n{"a": {"c": "x"}}\n{"a": null}\n', {}),
    "objects without keys in others": ('{"a": {"b": {}}, "c": [{}]}\n{"a": {"b": null}}\n{"a": null}\n', {}),
    "objects and numbers": ('{"a": {"b": 1}}\n{"a": 1}\n', {}),
    "NaN, as Python writes it": ('{"a": 1}\n{"a": NaN}\n{"a": 2}\n', {}),
    "a key twice": ('{"a": 1}\n{"a": 2, "a": 3}\n{"a": 4}\n', {}),
    "a key as a value": ('{"a": "a", "b": 1}\n{"a": "b"}\n', {}),
    "half a character": ('{"a": "x"}\n{"a": "\\ud800"}\n', {}),
    "a character in two halves": ('{"a": "x"}\n{"a": "\\ud83d\\ude00"}\n', {}),
    "no JSON": ('{"a": 1}\n{"a": 2}\n{"a": 3\n{"a": 4}\n', {}),
    "an array": ('[{"a": 1},\n{"a": 2}]\n', {}),
    "a number amid objects": ('{"a": 1}\n5\n{"a": 2}\n', {}),
    "no columns": ("{}\n{}\n", {}),
    "nothing": ("", {}),
    "blank": ("\n\n \n", {}),
    "no UTF-8": (b'{"a": 1}\n{"a": "caf\xe9"}\n', {}),
    "a NUL byte, and no UTF-8": (b'{"a": "\0"}\n{"a": "caf\xe9"}\n', {}),
    "a NUL byte": (b'{"a": 1}\n{"a": "\0"}\n', {}),
    "types": ('{"a": 1, "b": "2"}\n{"a": 2.5, "b": "3"}\n', {"types": {"a": "text", "b": "number"}}),
    "times": ('{"t": "2020-01-01", "b": "2"}\n{"t": "2020-01-02", "b": "3"}\n', {"time": "t"}),
    "conditions": ('{"a": 1}\n{"a": 2}\n{"a": 3}\n', {"where": [{"column": "a", "min": 2}], "limit": 1}),
    "columns that are not there": ('{"a": 1}\n', {"select": ["b"]}),
}  # fmt: skip


CONVERTED = {"csv": (Csv, csv_blocks, (1, 7, 1 << 20), CSVS), "json": (Json, json_blocks, (4, 9, 1 << 20), JSONS)}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, (*_, cases) in CONVERTED.items() for name in cases])
def test_a_converted_file_is_that_in_memory(
    kind: str, name: str, here: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, blocks, sizes, cases = CONVERTED[kind]
    content, fields = cases[name]
    file = here / f"a.{kind}"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    for size in sizes:
        monkeypatch.setattr(blocks, "BLOCK", size)
        monkeypatch.setenv("XDG_CACHE_HOME", str(here / "cache" / str(size)))
        table = assert_same(source.parse({"kind": kind, "path": file.name, **fields}), here)
    if table is not None:
        made = sorted((here / "cache").rglob("*.parquet"))
        assert_same(source.parse({"kind": kind, "path": file.name, **fields}).frozen(table), here)
        assert sorted((here / "cache").rglob("*.parquet")) == made, "what a run has frozen finds it"


VALUE = st.sampled_from(
    ["1", "2", "-3", "4.5", "null", "null", "true", "false", '"x"', '"1"', '"é"', '"a"', "99999999999999999999999",
     "[1, 2]", "[]", "[1.5]", '["x"]', '{"b": 1}', '{"c": "x"}', "{}", "NaN"]
)  # fmt: skip


@given(st.lists(st.dictionaries(st.sampled_from("abc"), VALUE, max_size=3), min_size=1, max_size=6), st.integers(4, 40))
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_converted_json_lines_are_those_in_memory(
    tmp_path: pathlib.Path, rows: list[dict[str, str]], size: int
) -> None:
    lines = ["{" + ", ".join(f'"{name}": {value}' for name, value in row.items()) + "}\n" for row in rows]
    (tmp_path / "a.jsonl").write_text("".join(lines), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_blocks, "BLOCK", size)
        patch.setattr(lazy, "BLOCK", 2)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        if table := assert_same(Json(kind="json", path="a.jsonl"), tmp_path):
            assert_same(Json(kind="json", path="a.jsonl").frozen(table), tmp_path)


NESTED: dict[str, tuple[list[str], Any]] = {
    "objects and numbers": (['{"b": 1}', "1"], ['{"b": 1}', "1"]),
    "objects with other keys": (['{"b": 1}', '{"c": "x"}', "null"], ['{"b":1,"c":null}', '{"b":null,"c":"x"}', None]),
    "objects, of which some have no keys": (["{}", '{"b": 1}'], ["{}", '{"b": 1}']),
    "lists and texts": (["[1, 2]", '"x"'], ["[1, 2]", "x"]),
    "lists and objects": (["[1, 2]", '{"é": [1]}', "null"], ["[1, 2]", '{"é": [1]}', None]),
    "lists of lists and of objects": (["[[1.5]]", '[{"b": true}]'], ["[[1.5]]", '[{"b": true}]']),
    "lists of numbers": (["[1, 2]", "[2.5, 3]"], [[1, 2], [2.5, 3]]),
    "lists, and nothing": (["[1, 2]", "null"], None),  # the same error
}


@pytest.mark.parametrize("types", [None, {"a": "text"}])
@pytest.mark.parametrize("case", NESTED)
def test_lists_and_objects_in_parts(case: str, types: Any, here: pathlib.Path) -> None:
    values, expected = NESTED[case]
    for index, value in enumerate(values):
        (here / f"{index}.jsonl").write_text(f'{{"a": {value}, "b": 1}}\n' * 3, encoding="utf-8")
    table = assert_same(Json.parse({"kind": "json", "path": "*.jsonl", "types": types}), here)
    assert (table and table.columns["a"][::3].tolist()) == expected


def test_parts_have_one_type_together(here: pathlib.Path) -> None:
    (here / "parts").mkdir()
    (here / "parts" / "a.csv").write_text("a,b,c,d\n1,1.50,,2020-01-01\n2,2.50,,2020-01-02\n")
    (here / "parts" / "b.csv.gz").write_bytes(gzip.compress(b"d,c,b,a\n2020-01-03 10:00,1,x,3.5\n"))
    (here / "parts" / "c.csv").write_text("a,b,c,d\n1,z,2,\n")
    table = assert_same(Csv(kind="csv", path="parts"), here)
    assert table is not None
    assert table.columns["b"].tolist() == ["1.50", "2.50", "x", "z"]
    assert_same(Csv(kind="csv", path="parts", limit=2), here)  # the other parts play no part
    rows = assert_same(
        Csv.parse({"kind": "csv", "path": "parts", "limit": 2, "where": [{"column": "c", "max": 2}]}), here
    )
    assert rows is not None
    assert rows.columns["a"].tolist() == [3.5, 1]
    (here / "parts" / "d.csv").write_text("a,b,c\n1,z,2\n")
    assert_same(Csv(kind="csv", path="parts"), here)


@pytest.mark.parametrize("ending", PACKED)
def test_packed_files(ending: str, here: pathlib.Path) -> None:
    table, lines = here / f"a.csv{ending}", here / f"a[1].jsonl{ending}"
    for file, content in ((table, "\ufeffa,b\n1,x\n2,é\n3,\n"), (lines, '{"a": 1}\n{"b": 2}\n')):
        with PACKED[ending](file, "wb") as stream:
            stream.write(content.encode())
    assert assert_same(Csv(kind="csv", path=table.name), here) is not None
    assert assert_same(Json(kind="json", path=lines.name), here) is not None
    table.write_bytes(table.read_bytes()[:-6])
    assert assert_same(Csv(kind="csv", path=table.name), here) is None


def test_what_is_converted_is_found_again_and_never_for_another_content(here: pathlib.Path) -> None:
    file, tables = here / "a.csv", here / "cache" / "dlrun" / "tables"
    file.write_text("a,b\n1,x\n2,y\n")
    source = Csv(kind="csv", path="a.csv")
    source.lazily(here)
    (made,) = tables.iterdir()
    before = made.stat().st_ino
    source.model_copy(update={"limit": 1, "select": ("a",)}).lazily(here)
    assert [each.stat().st_ino for each in tables.iterdir()] == [before]
    source.model_copy(update={"types": {"a": "number", "b": "text"}}).lazily(here)
    assert [each.stat().st_ino for each in tables.iterdir()] == [before], "that is what they are"
    Csv(kind="csv", path="a.csv", types={"a": "text"}).lazily(here)
    Csv(kind="csv", path="a.csv", missing=("x",)).lazily(here)
    assert len(list(tables.iterdir())) == 3
    made.write_bytes(made.read_bytes()[:-9])
    assert source.lazily(here).columns["a"].tolist() == [1, 2], "what is damaged is made again"
    assert len(list(tables.iterdir())) == 3

    was = file.stat()
    file.write_text("a,b\n1,x\n3,y\n")
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))  # as large and as old as before
    table = source.lazily(here)
    assert table.columns["a"].tolist() == [1, 3]
    assert made not in list(tables.iterdir())
    assert len(list(tables.iterdir())) == 1  # what was made of the other content is gone


def test_what_was_converted_as_one_thing_is_not_found_as_another(here: pathlib.Path) -> None:
    """Neither times that were asked for by their format, nor numbers with spaces around them, which are text unless
    another column makes polars read all as text, and dlrun find the types."""
    (here / "a.csv").write_text("a,b\n01.02.2020, 1\n02.02.2020, 2\n")
    for types in ({"a": {"time": "%d.%m.%Y"}}, {"a": "time", "b": "text"}, {"a": "integer"}, {"a": "text"}):
        source = Csv.parse({"kind": "csv", "path": "a.csv", "types": types})
        assert_same(source, here)
        assert_same(source.model_copy(update={"time": "a"}), here)
    (here / "b.csv").write_text(f"a,b\n1, 1\n{'9' * 45}, 2\n")
    untyped, typed = Csv(kind="csv", path="b.csv"), Csv(kind="csv", path="b.csv", types={"a": "number"})
    kinds = [table.columns["b"].dtype.kind for source in (untyped, typed) if (table := assert_same(source, here))]
    assert kinds == ["i", "O"]


def test_a_file_that_grows_while_it_is_converted(here: pathlib.Path) -> None:
    class Growing(Csv):
        def put_aside(self, file: pathlib.Path, types: Types, folder: pathlib.Path) -> Whole:
            made = super().put_aside(file, types, folder)
            file.write_text("a\n1\n2\n")
            return made

    (here / "a.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match=r"a\.csv was changed while it was read"):
        Growing(kind="csv", path="a.csv").lazily(here)
    assert not list((here / "cache" / "dlrun" / "tables").iterdir())


def test_packed_parquet_is_unpacked(here: pathlib.Path) -> None:
    frame = pl.DataFrame({"a": [1, 2, 3], "b": ["x", None, "y"]})
    frame.write_parquet(here / "a.parquet")
    content = (here / "a.parquet").read_bytes()
    (here / "a.parquet.gz").write_bytes(gzip.compress(content))
    assert assert_same(Parquet(kind="parquet", path="*.parquet*"), here) is not None
    (here / "a.parquet.gz").write_bytes(gzip.compress(content)[:-9])
    assert assert_same(Parquet(kind="parquet", path="a.parquet.gz"), here) is None


def test_what_is_fitted_and_encoded_is_that_of_the_table_in_memory(here: pathlib.Path) -> None:
    random = np.random.default_rng(0)
    pl.DataFrame(
        {
            "number": [
                None if index % 9 == 0 else value for index, value in enumerate(random.normal(size=200).tolist())
            ],
            "colour": random.choice(["red", "green", "blue"], 200),
            "note": random.choice(['say "yes"', "no,\nnever", "perhaps"], 200),
            "when": pl.date_range(pl.date(2020, 1, 1), pl.date(2021, 1, 1), eager=True)[:200],
            "label": random.choice(["yes", "no"], 200),
        }
    ).write_csv(here / "a.csv")
    tree = {
        "source": {"kind": "csv", "path": "a.csv"},
        "target": "label",
        "features": {
            "number": {"kind": "number", "missing": "mean"},
            "colour": {"kind": "category"},
            "note": {"kind": "text", "sequence_length": 3},
            "when": {"kind": "date"},
        },
    }
    whole, streamed = (Data.parse(tree).load(here, 5, memory=memory) for memory in ("in_memory", "streamed"))
    assert (whole.streamed, streamed.streamed) == (False, True)
    assert streamed.summary() == whole.summary()
    assert streamed.resolved == whole.resolved
    made = list((here / "cache" / "dlrun" / "tables").iterdir())
    assert streamed.resolved.load(here, 5, memory="streamed").summary() == whole.summary()
    assert list((here / "cache" / "dlrun" / "tables").iterdir()) == made, "as resume and eval load it"
    for part, expected in whole.splits.items():
        found = streamed.splits[part]
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_array_equal(np.asarray(found.target), expected.target, strict=True)
        for name, values in expected.inputs.items():
            np.testing.assert_array_equal(np.asarray(found.inputs[name]), values, strict=True)


def test_what_a_killed_process_left_and_what_is_not_used_any_more_is_removed(here: pathlib.Path) -> None:
    (here / "a.csv").write_text("a\n1\n")
    (here / "b.csv").write_text("a\n2\n")
    Csv(kind="csv", path="a.csv").lazily(here)
    tables = here / "cache" / "dlrun" / "tables"
    (made,) = tables.iterdir()
    (tables / ".killed").mkdir()
    (tables / ".killed" / "0.parquet").write_bytes(b"")
    (tables / ".at-work").mkdir()
    days = 24 * 3600
    os.utime(tables / ".killed", (time.time() - 2 * days,) * 2)
    os.utime(made, (time.time() - 29 * days,) * 2)
    Csv(kind="csv", path="b.csv").lazily(here)
    assert {each.name for each in tables.glob(".*")} == {".at-work"}
    assert made.exists()
    Csv(kind="csv", path="a.csv").lazily(here)
    assert time.time() - made.stat().st_mtime < days, "it is used again"
    os.utime(made, (time.time() - 31 * days,) * 2)
    Csv(kind="csv", path="b.csv", types={"a": "text"}).lazily(here)
    assert not made.exists()
    (tables / ".at-work").rmdir()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize(("name", "size"), [("a.csv", 1 << 20), ("a.csv", 1 << 11), ("a.parquet.gz", 1)])
def test_what_cannot_be_written_is_told_and_leaves_nothing(
    name: str, size: int, here: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a block, nor the whole table that small blocks make, nor what is unpacked."""
    import resource

    monkeypatch.setattr(csv_blocks, "BLOCK", size)
    frame = pl.DataFrame({"a": np.arange(2000) / 7})
    frame.write_csv(here / "a.csv")
    frame.write_parquet(here / "a.parquet", compression="uncompressed")
    (here / "a.parquet.gz").write_bytes(gzip.compress((here / "a.parquet").read_bytes()))
    source = Csv(kind="csv", path=name) if name == "a.csv" else Parquet(kind="parquet", path=name)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        with pytest.raises(DataError, match="a table cannot be written to") as told:
            source.lazily(here)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert told.value.hint is not None
    assert "make room there" in told.value.hint
    assert not list((here / "cache" / "dlrun" / "tables").iterdir())
