"""Times in CSV files: found as polars finds them when it looks at each value, and far faster; but no days first."""

from __future__ import annotations

import polars
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dlrun.data.sources import csv_times
from dlrun.data.sources.csv_text import Dialect, frame_of
from dlrun.data.sources.csv_times import dated

TEXTS = [
    "2020-01-31", "2020/01/31", "31.12.2020", "31-12-2020", "31/12/2020", "1/2/2020", "2020-02-30", "2020-13-45",
    "2020-01-31 10:00", "2020-01-31T10:00:00", "2020-01-31 10:00:00.123", "2020-01-31T10:00:00Z",
    "2020-01-31T10:00:00+02:00", "10:00", "11:30:15", "20200131", "1", "2.5", "true", "hello", " 2020-01-31", None,
]  # fmt: skip


def slowly(values: list[str | None]) -> polars.DataFrame:
    text = "a,b\n" + "".join(f"{value or ''},1\n" for value in values)
    return polars.read_csv(text.encode(), infer_schema_length=None, try_parse_dates=True, null_values=[""])


@settings(max_examples=200)
@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=6), st.sampled_from([1, 20]))
@example(["2020-01-31T10:00:00Z", "2020-01-31T10:00:00+02:00"], 20)
@example(["2020-01-31 10:00", "2020-01-31"], 20)
@example([None, "2020-01-31"], 20)
@example(["2020-01-31", "2020-02-30"], 20)
@example(["31.12.2020", "01.02.2020"], 20)
@example(["2020-01-31 10:00", "2020-02-29"], 1)
def test_they_are_found_as_polars_finds_them(values: list[str | None], few: int) -> None:
    text = "a,b\n" + "".join(f"{value or ''},1\n" for value in values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_times, "FEW", few)
        found = frame_of(text.encode(), "a.csv", Dialect())["a"]
    try:
        expected = slowly(values)["a"]
    except polars.exceptions.PolarsError:  # days before months in one row, years first in another
        expected = polars.Series(values, dtype=polars.String)
    years_first = all(value.strip()[:4].isdigit() for value in values if value)
    if expected.dtype.is_temporal() and not years_first:  # 10:00 stays that, and is not written 10:00:00 again
        expected = polars.Series(values, dtype=polars.String)
    assert found.dtype == expected.dtype
    assert found.to_list() == expected.to_list()


@pytest.mark.parametrize("odd", ["later", "2020-01-01 10:00", "2020-02-31"])
def test_one_value_that_is_none_makes_text_of_the_column_wherever_it_stands(odd: str) -> None:
    column = polars.Series("a", ["2020-01-01"] * 500 + [odd] + [None])
    assert dated(column).equals(column)
    assert dated(column.filter(column.is_null() | (column != odd))).dtype == polars.Date
