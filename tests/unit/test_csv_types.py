"""The types of the columns of CSV files: those that polars finds when it looks at each value, and faster."""

from __future__ import annotations

import polars
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from dlrun.data.sources.csv_text import Dialect, frame_of
from dlrun.data.sources.csv_types import FIRST, found_types
from dlrun.errors import DataError

TEXTS = [
    "", "", "1", "-1", "007", "+1", " 1", "1 ", "1_000", "1.", "1.5", ".5", "+.5", "-.5", "1e5", "1E+5", "1.5e-3",
    ".5e3", "5.e3", "1e400", "inf", "-inf", "+inf", "NaN", "-NaN", "nan", "Infinity", "INF", "true", "True", "fAlse",
    "t", "NA", "1,5", ",5", "+1,5e3", "1,", ",", "--1", "-", ".", "e5", "1e", '"1"', '"1.5"', '"true"', '" 1"',
    '"1""2"', '"1\n2"', "9223372036854775807", "9223372036854775808", "0x10", "12:30 h", "word",
]  # fmt: skip
LIKE = st.sampled_from(["", "1", "1.5", "1,5", "true", "word"])


@settings(max_examples=150, deadline=None)
@given(LIKE, st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4), st.booleans(), st.booleans())
@example("", ["1"], False, False)
@example("", ["true", ""], True, False)
@example("1", ["1.5"], False, False)
@example("1", ["+1"], True, False)
@example("1", ["9223372036854775808"], False, False)
@example("1.5", ["nan"], False, False)
@example("", ["1", "1.", "9223372036854775808"], False, False)
@example("1.5", ["9223372036854775807"], False, False)
@example("1.5", ["9223372036854775808"], True, False)
@example("1", ["NA"], False, False)
@example("1,5", ["1.5"], False, True)
@example("1,5", ["1", ",5"], False, True)
def test_they_are_those_of_all_values_wherever_these_stand(
    like: str, others: list[str], before: bool, comma: bool
) -> None:
    column = [*others, *[like] * FIRST] if before else [*[like] * FIRST, *others]
    data = "a;b;text\n" + "".join(f"{value};{row};x{row}\n" for row, value in enumerate(column))
    options = {"separator": ";", "null_values": ["", "NA"], "decimal_comma": comma}
    try:
        expected = polars.read_csv(data.encode(), infer_schema_length=None, **options)
    except polars.exceptions.PolarsError:
        assume(False)
    if comma and expected["a"].dtype == polars.String:  # numbers among other texts are written with a point
        expected = expected.with_columns(polars.col("a").str.replace(r"^\s*([+-]?\d+),(\d+)\s*$", "${1}.${2}"))
    found = frame_of(data.encode(), "a.csv", Dialect(";", ["NA"], decimal_comma=comma))
    assert found.schema == expected.schema
    assert found.equals(expected) or found.to_numpy().tolist() == expected.to_numpy().tolist()
    types = found_types(data.encode(), (), options)
    long = any(len(value.strip("-")) >= 19 for value in others)
    assert types is not None or long
    if types is not None and expected["a"].dtype != polars.Int128:  # which are left to polars
        assert types == dict(expected.schema)


def test_what_is_given_is_not_asked_for() -> None:
    data = ("a,b\n" + "1,2\n" * FIRST + "x,2.5\n").encode()
    options = {"separator": ",", "null_values": [""], "decimal_comma": False}
    assert found_types(data, ("a",), options) == {"b": polars.Float64}
    assert found_types(data, ("a", "b"), options) == {}


@pytest.mark.parametrize("row", ["1,2,3", "1"])
def test_a_ragged_row_far_down_is_told_with_its_line(row: str) -> None:
    data = ("a,b\n" + "1,2\n" * (2 * FIRST) + row + "\n").encode()
    with pytest.raises(DataError, match=f"line {2 * FIRST + 2} has"):
        frame_of(data, "a.csv", Dialect())
