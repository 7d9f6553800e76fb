"""Quotes in CSV files: what is read are the rows that Python's own reader finds, or it is an error."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlrun.data.sources import csv_checks
from dlrun.data.sources.csv_batches import frames_of
from dlrun.data.sources.csv_checks import stray_quote
from dlrun.data.sources.csv_text import Dialect, frame_of
from dlrun.errors import DataError

CELL = st.sampled_from(
    ["x", "1", 'h"', '"q"', '"a\nb"', '5" x', '""', '"', '"a""b"', 'a"b"c', '"k,l"', '"x"y', '"a\n""b"', "é"]
)


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=8))
@settings(max_examples=400)
def test_rows_are_those_of_pythons_reader_or_an_error(rows: list[tuple[str, str]]) -> None:
    content = "a,b\n" + "".join(f"{','.join(row)}\n" for row in rows)
    try:
        frame = frame_of(content.encode(), "a.csv", Dialect(types={"a": "text", "b": "text"}))
    except DataError:
        return
    expected = list(csv.reader(io.StringIO(content, newline="")))[1:]
    assert [[value or "" for value in row] for row in frame.rows()] == expected


@pytest.mark.parametrize(
    ("content", "position"),
    [
        ('a,b\n1,"x ""y"" z"\n', None),
        ('"a","b"\n"1","2"', None),
        ('"a\nb",c\n1,x', None),
        ('"a",b\r\n1,"x"\r\n', None),
        ('a,b\n5" x 7",1\n', None),
        ('a,b\n1,h"\n2,x\n3,y"\n', 7),
        ('a,b\n1,h"\n', 7),
        ('a,b\n"x"y,1\n', 6),
        ('a,b\n1,"left open\n', None),  # which polars tells by itself
    ],
)
@pytest.mark.parametrize("piece", [1, 5, 1 << 20])
def test_where_the_first_stray_quote_is(
    content: str, position: int | None, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_checks, "PIECE", piece)
    assert stray_quote(content.encode(), ",") == position


def test_the_line_is_told_also_in_blocks() -> None:
    rows = "".join(f"{row},x\n" for row in range(30))
    content = f'a,b\n{rows}7,h"\n8,x\n9,"y"\n{rows}1,z"\n'.encode()
    with pytest.raises(DataError, match=r"a\.csv: line 32 has a quote that neither begins nor ends a value"):
        frame_of(content, "a.csv", Dialect())
    many = 'a,b\n"",5" x\n"",5" x\n' + "1,2\n" * 20  # of which polars makes 21 rows
    with pytest.raises(DataError, match="line 2 has a quote"):
        frame_of(many.encode(), "a.csv", Dialect())
    with pytest.raises(DataError, match="line 32 has a quote"):
        list(frames_of(io.BytesIO(content), "a.csv", Dialect(), 40))
