"""New data: read in blocks as it is read whole, bad rows set apart by their numbers, and written in batches."""

from __future__ import annotations

import io
import pathlib
from contextlib import AbstractContextManager
from typing import get_args

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dlrun.data.bad_rows import BadRows, numbered, sort_out
from dlrun.data.columns import Batch, Table
from dlrun.data.features import FittedNumber, FittedSeries, FittedText, Text
from dlrun.data.new_data import NewData
from dlrun.data.preparation import Preparation
from dlrun.data.sources.csv_batches import frames_of
from dlrun.data.sources.csv_file import Csv
from dlrun.data.sources.csv_text import Dialect, frame_of
from dlrun.data.sources.files import PACKED, opened, plain_name, read_bytes
from dlrun.errors import DataError, UsageError
from dlrun.writing import Format, Write, format_of, to_file, to_stream

DATA = 'a,b\n1,x\n2,"two\nlines"\n3,"a ""quote"""\n4,ü\n5,z\n'.encode()
PLAIN = {"a": [1, 2, 3, 4, 5], "b": ["x", "two\nlines", 'a "quote"', "ü", "z"]}


@pytest.mark.parametrize("size", [14, 20, 33, 1000, -1])
def test_blocks_of_any_size_hold_the_same_rows(size: int) -> None:
    frames = [frame for frame, bad in frames_of(io.BytesIO(DATA), "t", Dialect(), size) if not bad]
    assert pl.concat(frames).to_dict(as_series=False) == PLAIN
    assert size < 0 or size > 100 or len(frames) > 1


cells = st.text(alphabet='a1,"\n é;', max_size=6)


@settings(max_examples=150)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=12), st.integers(5, 60))
def test_blocks_hold_what_the_whole_holds(rows: list[tuple[str, str]], size: int) -> None:
    text = io.StringIO(newline="")
    text.write("a,b\n")
    text.writelines(",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n" for row in rows)
    data, dialect = text.getvalue().encode(), Dialect(types={"a": "text", "b": "text"})
    found = list(frames_of(io.BytesIO(data), "t", dialect, size))
    assert not any(bad for _, bad in found)
    assert pl.concat([frame for frame, _ in found]).equals(frame_of(data, "t", dialect))
    assert pl.concat([frame for frame, _ in found]).rows() == [tuple(cell or None for cell in row) for row in rows]


@pytest.mark.parametrize("size", [8, 16, -1])
def test_ragged_rows_are_set_apart_by_their_numbers(size: int) -> None:
    data = b"\xef\xbb\xbfa,b\n1,2\n3\n4,5\n6,7,8\n\n9,10\n"
    batches = list(Csv(kind="csv", path="t").batches(io.BytesIO(data), "t", size))
    assert np.concatenate([batch.table.columns["a"] for batch in batches]).tolist() == [1, 4, 9]
    assert np.concatenate([batch.rows for batch in batches]).tolist() == [0, 2, 5]
    found: dict[int, str] = {}
    for batch in batches:
        found |= batch.unreadable
    assert found == {
        1: "has 1 value, but there are 2 columns",
        3: "has 3 values, but there are 2 columns",
        4: "is empty",
    }


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "t is empty"),
        (b" \n\n", "t is empty"),
        (b"a,b\n", "no rows below"),
        (b"a,a\n1,2\n", "two columns of the same name"),
        (b"a,b\n1,2\n3,4\n5,\xe4\n", "not UTF-8: line 4, byte 0xe4"),
    ],
)
def test_what_no_rows_can_be_made_of(data: bytes, message: str) -> None:
    for size in (12, -1):
        with pytest.raises(DataError, match=message):
            list(frames_of(io.BytesIO(data), "t", Dialect(), size))


@settings(max_examples=200)
@example(data=b'\x00\r""\n,', size=1)
@given(st.binary(max_size=80) | st.text(alphabet='a1,"\n\r;\x00 é', max_size=80).map(str.encode), st.integers(1, 30))
def test_no_content_makes_a_traceback(data: bytes, size: int) -> None:
    try:
        batches = list(Csv(kind="csv", path="t").batches(io.BytesIO(data), "t", size))
    except DataError:
        return
    rows = [row for batch in batches for row in (*batch.rows.tolist(), *batch.unreadable)]
    assert sorted(rows) == list(range(len(rows)))


def test_types_that_are_given(tmp_path: pathlib.Path) -> None:
    data = b"zip,whole,number,flag\n007,1,1,true\n12,2.5,x,no\n"
    types = {"zip": "text", "whole": "integer", "number": "number", "flag": "boolean"}
    (tmp_path / "t.csv").write_bytes(data)
    table = Csv.parse({"kind": "csv", "path": "t.csv", "types": types}).load(tmp_path)
    assert table.columns["zip"].tolist() == ["007", "12"]
    assert table.columns["whole"].tolist() == [1, 2.5]
    assert table.columns["number"].tolist() == ["1", "x"], "what is wrong with it is told by whatever reads it"
    assert table.columns["flag"].tolist() == ["true", "no"]
    (tmp_path / "t.csv").write_bytes(data.replace(b"2.5", b"2").replace(b"x", b"3").replace(b"no", b"false"))
    table = Csv.parse({"kind": "csv", "path": "t.csv", "types": types}).load(tmp_path)
    assert [table.columns[name].dtype.kind for name in ("whole", "number", "flag")] == ["i", "f", "b"]


@pytest.mark.parametrize("ending", PACKED)
def test_packed_files(ending: str, tmp_path: pathlib.Path) -> None:
    file = tmp_path / f"data.CSV{ending}"
    parts = (DATA, DATA * 199, b"a\n\0\n\1\1,\r\n")  # one after the other in one file, as `cat` puts them
    for part in parts:
        with file.open("ab") as stream, PACKED[ending](stream, "wb") as packer:
            packer.write(part)
    assert read_bytes(file) == b"".join(parts)
    assert plain_name(file) == "data.csv"
    packed = file.read_bytes()
    for damaged in (packed[: len(packed) // 2], packed[:-5], b"not packed at all"):
        file.write_bytes(damaged)
        with pytest.raises(DataError, match="is damaged") as caught, opened(file) as stream:
            stream.read()
        assert caught.value.hint == "fetch the file again"


def test_zstandard_as_polars_writes_it(tmp_path: pathlib.Path) -> None:
    pl.DataFrame(PLAIN).lazy().sink_csv(tmp_path / "a.csv.zst", compression="zstd")
    assert Csv(kind="csv", path="a.csv.zst").load(tmp_path).columns["b"].tolist() == PLAIN["b"]


def number(name: str, fill: tuple[float, ...] | None) -> Preparation:
    return Preparation(features={name: FittedNumber(kind="number", offset=(0,), scale=(1,), fill=fill)})


def batch(**columns: list[object]) -> Batch:
    arrays = {
        name: np.array(values, object if isinstance(values[0], str) else None) for name, values in columns.items()
    }
    rows = 10 + np.arange(len(next(iter(arrays.values()))))
    return Batch(Table("t", arrays), rows, {3: "is empty"})


def test_every_fault_of_a_column_is_found() -> None:
    """A column tells one kind of fault at a time."""
    bad = BadRows()
    values = batch(x=["1", None, "x", "inf", "2", "y"])
    good = sort_out(number("x", None), values, "new.csv", bad)
    assert good.tolist() == [0, 4]
    assert len(bad) == 5
    assert list(bad.reasons()) == [
        "new.csv: row 4: is empty",
        "new.csv: rows 13, 16: x is not a number, such as 'x'",
        "new.csv: row 14: x is infinite, or too large for 32 bits",
        "new.csv: row 12: x is missing (missing: mean in the feature would fill it)",
    ]


def test_a_column_of_another_form_or_missing_is_fatal() -> None:
    text = Preparation(features={"x": FittedText(kind="text", spec=Text(kind="text"), vocabulary=("a",))})
    with pytest.raises(DataError, match=r"new\.csv: x is no text"):
        sort_out(text, batch(x=[1, 2]), "new.csv", BadRows())
    with pytest.raises(DataError, match=r"new\.csv: the column x is missing; the columns are: y"):
        sort_out(text, batch(y=[1, 2]), "new.csv", BadRows())


def test_another_delimiter_is_to_be_mended_in_the_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "new.csv").write_text("x;y\n1;2\n")
    source = Csv(kind="csv", path="old.csv")
    with pytest.raises(DataError, match=r"the file has one column, called 'x;y'") as caught:
        list(NewData.at(source, tmp_path / "new.csv", number("x", None)))
    assert caught.value.hint == 'save the file with "," between values'


def test_numbers_of_rows() -> None:
    assert numbered([4]) == "row 5"
    assert numbered([8, 0, 2, 1, 8]) == "rows 1-3, 9"
    assert numbered(range(0, 2000, 2)).endswith(", 999 and 500 more")


def series(holes: str) -> FittedSeries:
    return FittedSeries.parse(
        {"kind": "series", "window": 2, "horizon": 3, "step": 3600.0, "holes": holes, "offset": 0, "scale": 1}
    )


def test_the_times_of_the_next_steps() -> None:
    hours = np.array(["2020-01-01T22:00", "2020-01-01T23:00"], "datetime64[us]")
    next_times = series("break").next_times(hours, np.array([0, 1]))
    assert next_times.dtype == "datetime64[us]"
    assert [str(time)[:13] for time in next_times[1]] == ["2020-01-02T00", "2020-01-02T01", "2020-01-02T02"]
    assert np.isnat(series("ignore").next_times(hours, np.array([0]))).all()
    months = np.array(["2020-11-01", "2020-12-01"], "datetime64[us]")
    assert [str(time)[:10] for time in series("break").next_times(months, np.array([1]))[0]] == [
        *("2021-01-01", "2021-02-01", "2021-03-01"),
    ]
    quarters = np.array(["2020-07-15", "2020-10-15"], "datetime64[us]")
    assert [str(time)[:10] for time in series("break").next_times(quarters, np.array([1]))[0]] == [
        *("2021-01-15", "2021-04-15", "2021-07-15"),
    ]


FRAME = pl.DataFrame({"row": [1, 2], "prediction": ["=A1", "b,c"], "p": [-0.1, 1e-300]})


@pytest.mark.parametrize("form", get_args(Format))
def test_batches_come_back_as_one_table(form: Format, tmp_path: pathlib.Path) -> None:
    out = tmp_path / "out"
    with to_file(out, form) as write:
        for start in range(0, 20, 2):
            write(FRAME.with_columns(pl.col("row") + start))
        assert not out.exists()
    readers = {"csv": pl.read_csv, "parquet": pl.read_parquet, "jsonl": pl.read_ndjson}
    frame = readers[form](out)
    assert frame["row"].to_list() == list(range(1, 21))
    assert frame["p"].to_list() == FRAME["p"].to_list() * 10
    assert frame["prediction"][0] == ("'=A1" if form == "csv" else "=A1")
    with pytest.raises(UsageError, match="exists already"), to_file(out, form):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def write_half(output: AbstractContextManager[Write]) -> None:
    with output as write:
        write(FRAME)
        raise DataError("bad")


def test_nothing_is_written_when_something_goes_wrong(tmp_path: pathlib.Path) -> None:
    stream = io.BytesIO()
    outputs = [to_file(tmp_path / "out", form) for form in get_args(Format)]
    for output in (*outputs, to_stream(stream, "csv", at_once=True)):
        with pytest.raises(DataError):
            write_half(output)
    assert stream.getvalue() == b""
    assert not list(tmp_path.iterdir())
    with to_stream(stream, "csv", at_once=False) as write:
        write(FRAME)
        assert stream.getvalue() == b'row,prediction,p\n1,\'=A1,-0.1\n2,"b,c",1e-300\n'


def test_what_is_written() -> None:
    path = pathlib.Path
    assert [format_of(path(f"a.{end}"), None) for end in ("CSV", "parquet", "ndjson")] == ["csv", "parquet", "jsonl"]
    assert format_of(None, None) == "csv"
    assert format_of(path("a.txt"), "jsonl") == "jsonl"
    for out, form in ((path("a.txt"), None), (None, "parquet")):
        with pytest.raises(UsageError):
            format_of(out, form)  # type: ignore[arg-type]
