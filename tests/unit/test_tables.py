"""Sources of tables: their parts, formats, types, columns and rows; and what is told of damaged files."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlrun.data.columns import Column
from dlrun.data.new_data import load_file
from dlrun.data.section import Data
from dlrun.data.sources import Csv, Json, Parquet
from dlrun.data.sources.parquet_file import MARK
from dlrun.data.sources.tabular import Tabular
from dlrun.errors import DataError, MisfitError

FRAME = pl.DataFrame(
    {
        "zip": ["007", "10", None, "x"],
        "year": [2001, 2002, 2003, 2004],
        "size": [1.5, None, 3.0, -2.0],
        "sold": [True, False, True, False],
    }
)
COLUMNS = {
    "zip": ["007", "10", None, "x"],
    "year": [2001, 2002, 2003, 2004],
    "size": [1.5, np.nan, 3.0, -2.0],
    "sold": [True, False, True, False],
}


def source(kind: str, **fields: Any) -> Tabular:
    return {"csv": Csv, "parquet": Parquet, "json": Json}[kind].parse({"kind": kind, **fields})


def put(frame: pl.DataFrame, file: pathlib.Path) -> None:
    writers: dict[str, Callable[[Any], Any]] = {
        ".csv": frame.write_csv,
        ".parquet": frame.write_parquet,
        ".jsonl": frame.write_ndjson,
    }
    writers[file.suffix](file)


KINDS = {"csv": ".csv", "parquet": ".parquet", "json": ".jsonl"}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_holds_the_same_table(kind: str, tmp_path: pathlib.Path) -> None:
    file = tmp_path / f"with space, ümlaut and [glob*]{KINDS[kind]}"
    put(FRAME, file)
    (tmp_path / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    for name in (file.name, f"{file.name}.gz"):
        found = source(kind, path=name)
        assert list(found.check(tmp_path)) == []
        table = found.load(tmp_path)
        assert list(table.columns) == list(COLUMNS)
        for column, values in COLUMNS.items():
            np.testing.assert_array_equal(table.columns[column], np.array(values, None if column != "zip" else object))
        assert [table.columns[name].dtype.kind for name in COLUMNS] == ["O", "i", "f", "b"]


@pytest.mark.parametrize("kind", KINDS)
def test_folders_and_patterns_of_parts(kind: str, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for name, part in (("b", FRAME[2:]), ("a", FRAME[:2].select("sold", "size", "zip", "year"))):
        put(part, folder / f"{name}{KINDS[kind]}")
    (folder / "README.md").write_text("not a part")
    (folder / f".hidden{KINDS[kind]}").write_text("not a part")
    for path in ("parts", f"parts/*{KINDS[kind]}", f"p*s/[ab]{KINDS[kind]}"):
        found = source(kind, path=path)
        assert list(found.check(tmp_path)) == []
        table = found.load(tmp_path)
        assert "2 parts" in table.name
        for column, values in COLUMNS.items():
            np.testing.assert_array_equal(table.columns[column], np.array(values, None if column != "zip" else object))
    put(FRAME.drop("year").with_columns(more=1), folder / f"c{KINDS[kind]}")
    with pytest.raises(DataError, match=rf"c{KINDS[kind]} has other columns than a.*lacks year and has more besides"):
        source(kind, path="parts").load(tmp_path)
    with pytest.raises(DataError, match="no file fits"):
        source(kind, path="parts/*.nothing").load(tmp_path)


def test_a_column_has_one_type_over_all_parts(tmp_path: pathlib.Path) -> None:
    (tmp_path / "1.csv").write_text("zip,size,none\n007,1,\n12,2,\n")
    (tmp_path / "2.csv").write_text("zip,size,none\nabc,2.5,\n,,3\n")
    columns = Csv(kind="csv", path="*.csv").load(tmp_path).columns
    assert columns["zip"].tolist() == ["007", "12", "abc", None], "the first part alone would make 7 of 007"
    np.testing.assert_array_equal(columns["size"], [1, 2, 2.5, np.nan])
    np.testing.assert_array_equal(columns["none"], [np.nan, np.nan, np.nan, 3])


@pytest.mark.parametrize("kind", KINDS)
def test_columns_and_rows_that_are_kept(kind: str, tmp_path: pathlib.Path) -> None:
    name = f"t{KINDS[kind]}"
    put(FRAME, tmp_path / name)

    def years(**fields: Any) -> list[int]:
        years: list[int] = source(kind, path=name, **fields).load(tmp_path).columns["year"].tolist()
        return years

    assert years(limit=2) == [2001, 2002]
    assert years(where=[{"column": "year", "min": 2002, "max": 2003.5}]) == [2002, 2003]
    assert years(where=[{"column": "size", "max": 2}]) == [2001, 2004], "a missing value is left out"
    assert years(where=[{"column": "zip", "equals": "007"}]) == [2001]
    assert years(where=[{"column": "zip", "any_of": [10, "x"]}]) == [2002, 2004]
    assert years(where=[{"column": "zip", "none_of": ["x"]}]) == [2001, 2002]
    assert years(where=[{"column": "sold", "equals": True}, {"column": "year", "min": 2002}]) == [2003]
    assert years(where=[{"column": "sold", "equals": True}], limit=1, select=["year"]) == [2001]
    found = source(kind, path=name, select=["size", "year"], where=[{"column": "sold", "equals": False}])
    assert list(found.load(tmp_path).columns) == ["size", "year"]
    with pytest.raises(DataError, match="`where` keeps none of its rows"):
        years(where=[{"column": "year", "min": 3000}])


def test_rows_by_time(tmp_path: pathlib.Path) -> None:
    (tmp_path / "t.csv").write_text("day,x\n2020-01-01,1\n2020-01-02,2\n2020-01-03,3\n")
    where = [{"column": "day", "min": "2020-01-02", "max": "2020-01-02 23:00"}]
    assert source("csv", path="t.csv", where=where).load(tmp_path).columns["x"].tolist() == [2]


@pytest.mark.parametrize(
    ("condition", "path", "message", "expected"),
    [
        ({"column": "year", "min": "soon"}, ("where", 0, "min"), "the column year holds numbers", "a number"),
        ({"column": "year", "any_of": [1, True]}, ("where", 0, "any_of", 1), "year holds numbers", "a number"),
        ({"column": "sold", "equals": "yes"}, ("where", 0, "equals"), "sold holds truth values", "true or false"),
        ({"column": "zip", "max": 3}, ("where", 0, "max"), "zip holds texts", "equals, any_of or none_of"),
        ({"column": "yeer", "max": 3}, ("where", 0, "column"), "the file has no column yeer", None),
    ],
)
def test_conditions_that_do_not_fit_are_told_in_their_place(
    condition: dict[str, Any], path: tuple[str | int, ...], message: str, expected: str | None, tmp_path: pathlib.Path
) -> None:
    put(FRAME, tmp_path / "t.parquet")
    data = {"source": {"kind": "parquet", "path": "t.parquet", "where": [condition]}, "target": "sold"}
    with pytest.raises(MisfitError) as caught:
        Data.parse(data).load(tmp_path, seed=0)
    [problem] = caught.value.problems
    assert problem.path == ("data", "source", *path)
    assert message in problem.message
    assert problem.expected == expected


def test_types_are_found_once(tmp_path: pathlib.Path) -> None:
    """What resolved.yaml holds reads other rows as those of the training, whatever they would look like alone."""
    rows = [
        f"{index:03}{'x' if index == 9 else ''},{index},{index / 2},{index % 2 == 0},2020-01-01" for index in range(40)
    ]
    (tmp_path / "t.csv").write_text("zip,whole,half,flag,day\n" + "\n".join([*rows, "1,2,3,,"]) + "\n")
    features = {"zip": {"kind": "category"}, "whole": {"kind": "number"}}
    data = {"source": {"kind": "csv", "path": "t.csv"}, "target": "half", "features": features}
    dataset = Data.parse(data).load(tmp_path, seed=0)
    resolved = dataset.resolved.source
    assert isinstance(resolved, Csv)
    types = {"zip": "text", "whole": "integer", "half": "number", "flag": "boolean", "day": "time"}
    assert resolved.types == types
    again = Data.parse(json.loads(json.dumps(dataset.resolved.tree()))).load(pathlib.Path(), seed=0)
    assert again.summary() == dataset.summary()
    (tmp_path / "new.csv").write_text("zip,flag,half\n007,True,3\n")
    table = load_file(resolved, tmp_path / "new.csv")
    assert table.columns["zip"].tolist() == ["007"]
    assert table.columns["half"].dtype == np.float64
    (tmp_path / "new.jsonl").write_text('{"zip": "007", "half": 3, "whole": 2}\n')
    table = load_file(resolved, tmp_path / "new.jsonl")
    assert (table.columns["zip"].tolist(), table.columns["half"].dtype) == (["007"], np.float64)


def test_new_data_is_not_cut_as_that_of_the_training(tmp_path: pathlib.Path) -> None:
    (tmp_path / "new.csv").write_text("year\n2020\n2030\n")
    trained = source("csv", path="t.csv", select=["size"], where=[{"column": "year", "max": 2010}], limit=1)
    assert load_file(trained, tmp_path / "new.csv").columns["year"].tolist() == [2020, 2030]  # type: ignore[arg-type]


def test_rows_of_numbers_and_what_is_not_read(tmp_path: pathlib.Path) -> None:
    pl.DataFrame({"row": [[1, 2], [3, 4]], "bytes": [b"\xff", b"x"]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match="the column bytes holds values of the type Binary") as caught:
        source("parquet", path="t.parquet").load(tmp_path)
    assert "select" in (caught.value.hint or "")
    table = source("parquet", path="t.parquet", select=["row"]).load(tmp_path)
    assert table.columns["row"].tolist() == [[1.0, 2.0], [3.0, 4.0]]


def whole_parquet() -> bytes:
    stream = io.BytesIO()
    pl.DataFrame({"a": np.random.default_rng(0).normal(size=1000)}).write_parquet(stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message", "light"),
    [
        (b"", "is empty", True),
        (b"a,b\n1,2\n", "is no Parquet file", True),
        (b"PAR1", "cut off", True),
        (whole_parquet()[:3000], "cut off", True),
        (MARK + b"\xff" * 2000 + whole_parquet()[2004:], "damaged", False),
        (whole_parquet()[:-8] + b"\xff\xff\x00\x00PAR1", "damaged", False),
    ],
)
def test_damaged_parquet(content: bytes, message: str, light: bool, tmp_path: pathlib.Path) -> None:
    (tmp_path / "t.parquet").write_bytes(content)
    found = source("parquet", path="t.parquet")
    assert [problem.path for problem in found.check(tmp_path)] == ([("path",)] if light else [])
    with pytest.raises(DataError, match=message):
        found.load(tmp_path)
    with pytest.raises(DataError, match=message):
        list(found.batches(io.BytesIO(content), "t", 1))


@pytest.mark.parametrize(
    ("content", "message", "light"),
    [
        (b"", "is empty", True),
        (b"\xef\xbb\xbf\n \n", "is empty", True),
        (b'[{"a": 1}, {"a": 2}]', "holds an array of all rows", True),
        (b'[\n{"a": 1},\n{"a": 2}\n]', "begins an array of all rows", True),
        (b"a,b\n1,2\n", "is no JSON", True),
        (b'{"a": 1}\n{"a": 2\n', r"line 2 is no JSON: .* at column 8", False),
        (b'{"a": 1}\n\n[1]\n', "line 3 holds a list, not an object", False),
        (b'{"a": 1}\nnull\n', "line 2 holds null, not an object", False),
        (b'{"a": 1} {"a": 2}\n', "is no JSON: Extra data", True),
        (b'{"a": 1}\n{"a": "\xe4"}\n', "not UTF-8: line 2, byte 0xe4", False),
        (b"{}\n{}\n", "has no columns", False),
    ],
)
def test_damaged_json(content: bytes, message: str, light: bool, tmp_path: pathlib.Path) -> None:
    (tmp_path / "t.jsonl").write_bytes(content)
    found = source("json", path="t.jsonl")
    assert [problem.path for problem in found.check(tmp_path)] == ([("path",)] if light else [])
    with pytest.raises(DataError, match=message):
        found.load(tmp_path)


def test_json_of_mixed_types(tmp_path: pathlib.Path) -> None:
    lines = [
        '\ufeff{"a": 1, "b": true, "n": NaN}', "", '{"a": true, "c": {"x": 1}, "b": null}', '{"c": [1], "n": 2}',
        f'{{"n": {10**45}}}', f'{{"n": {-(10**400)}}}',
    ]  # fmt: skip
    (tmp_path / "t.json").write_text("\r\n".join(lines), encoding="utf-8")
    columns = source("json", path="t.json").load(tmp_path).columns
    assert columns["a"].tolist() == ["1", "true", None, None, None]
    assert columns["b"].tolist() == ["true", None, None, None, None]
    assert columns["c"].tolist() == [None, '{"x": 1}', "[1]", None, None]
    np.testing.assert_array_equal(columns["n"], [np.nan, np.nan, 2, 1e45, -np.inf])


@pytest.mark.parametrize("size", [1, 20, -1])
def test_lines_that_are_no_objects_are_set_apart(size: int, tmp_path: pathlib.Path) -> None:
    content = b'{"a": 1}\n{"a": \n{"a": 2, "b": "x"}\n7\n\n{"b": "y"}'
    (tmp_path / "t.jsonl").write_bytes(content)
    found = source("json", path="t.jsonl", types={"a": "integer", "b": "text"})
    with (tmp_path / "t.jsonl").open("rb") as stream:
        batches = list(found.batches(stream, "t", size))
    assert [row for batch in batches for row in batch.rows.tolist()] == [0, 2, 4]
    bad = {row: why for batch in batches for row, why in batch.unreadable.items()}
    assert bad == {1: "is no JSON: Expecting value at column 7", 3: "holds a number, not an object"}
    values = [value for batch in batches for value in batch.table.columns["a"].tolist()]
    np.testing.assert_array_equal(values, [1, 2, np.nan])


def test_parquet_in_batches(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlrun.data.sources.parquet_file.ROWS", 3)
    put(pl.DataFrame({"a": range(8)}), tmp_path / "t.parquet")
    found = source("parquet", path="t.parquet")
    with (tmp_path / "t.parquet").open("rb") as stream:
        batches = list(found.batches(stream, "t", 1))
    assert [batch.rows.tolist() for batch in batches] == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert [batch.table.columns["a"].tolist() for batch in batches] == [[0, 1, 2], [3, 4, 5], [6, 7]]


@settings(max_examples=150)
@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,a1 \n\x00é', max_size=60).map(str.encode))
def test_no_content_makes_a_traceback(data: bytes) -> None:
    for found in (source("json", path="t"), source("parquet", path="t")):
        for size in (7, -1):
            with contextlib.suppress(DataError):
                for batch in found.batches(io.BytesIO(data), "t", size):
                    assert len(batch.rows) == len(batch.table)
        with contextlib.suppress(DataError):
            found.frame(io.BytesIO(data), "t", {})


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the permissions of a file mean nothing here")
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_may_not_be_read(kind: str, tmp_path: pathlib.Path) -> None:
    file = tmp_path / f"t{KINDS[kind]}"
    put(FRAME, file)
    file.chmod(0)
    [problem] = source(kind, path=file.name).check(tmp_path)
    assert "cannot be read: Permission denied" in problem.message


def test_a_column_that_is_selected_twice_and_one_of_objects(tmp_path: pathlib.Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"a": {"x": 1}}\n{"a": null}\n{"a": {"x": 2}}\n')
    assert source("json", path="t.jsonl").load(tmp_path).columns["a"].tolist() == ['{"x":1}', None, '{"x":2}']
    with pytest.raises(MisfitError, match="a is named twice"):
        source("json", path="t.jsonl", select=["a", "a"]).load(tmp_path)


def test_what_is_known_before_reading(tmp_path: pathlib.Path) -> None:
    for kind, ending in KINDS.items():
        put(FRAME, tmp_path / f"t{ending}")
        known = source(kind, path=f"t{ending}", select=["year"], time="year").known(tmp_path)
        assert known == ({"year": Column("time")} if kind == "csv" else None)
