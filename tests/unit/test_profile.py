"""The figures of a profile, against NumPy and what is counted by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars
import pytest
from rich.console import Console

from dlrun.console import profile as shown
from dlrun.data.columns import Table
from dlrun.profile.column import profile_array
from dlrun.profile.table import profile_frame, profile_table
from dlrun.profile.times import profile_times


def table(**columns: np.ndarray) -> Table:
    return Table("a", columns)


def text(*values: str | None) -> np.ndarray:
    return np.array([*values, None], object)[:-1]


def test_a_column_of_numbers() -> None:
    values = np.random.default_rng(0).normal(3, 2, 1000)
    values[[3, 4]] = np.nan
    values[5] = np.inf
    column = profile_table(table(x=values))["x"]
    finite = values[np.isfinite(values)]
    assert (column.type, column.rows, column.missing, column.distinct, column.infinite) == ("number", 1000, 2, 998, 1)
    assert (column.least, column.greatest) == (finite.min(), finite.max())
    assert column.mean == pytest.approx(finite.mean(), rel=1e-12)
    assert column.deviation == pytest.approx(finite.std(), rel=1e-12)
    assert column.quartiles == pytest.approx(np.quantile(finite, [0.25, 0.5, 0.75]), rel=1e-12)
    assert column.counts is None


def test_whole_numbers_truth_values_and_texts_are_counted() -> None:
    profile = profile_table(
        table(
            whole=np.array([2, 2, 7, 2]),
            truth=np.array([True, False, True, True]),
            words=text("to be", None, "or not to be", "to be"),
        )
    )
    assert profile["whole"].counts == {"2": 3, "7": 1}
    assert profile["truth"].counts == {"true": 3, "false": 1}
    words = profile["words"]
    assert words.counts == {"to be": 2, "or not to be": 1}
    assert (words.missing, words.distinct, words.least, words.greatest) == (1, 2, 5, 12)
    assert words.mean == pytest.approx(22 / 3)
    assert words.words == pytest.approx(8 / 3)
    assert profile_table(table(many=np.arange(51)))["many"].counts is None


def test_times_and_columns_without_a_value() -> None:
    stamps = np.array(["2020-01-01", "2020-01-03", "NaT"], "datetime64[us]")
    profile = profile_table(table(at=stamps, void=np.full(3, np.nan)))
    assert (profile["at"].type, profile["at"].missing) == ("time", 1)
    assert (profile["at"].least, profile["at"].greatest) == ("2020-01-01 00:00:00", "2020-01-03 00:00:00")
    assert (profile["void"].type, profile["void"].missing) == ("empty", 3)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_images(dtype: str) -> None:
    values = np.random.default_rng(0).integers(3, 200, (20, 5, 6, 3)).astype(dtype)
    column = profile_array("image", values)
    assert (column.type, column.rows, column.shape) == ("image", 20, (5, 6, 3))
    assert (column.least, column.greatest) == (values.min(), values.max())
    assert column.mean == pytest.approx(values.mean(dtype=np.float64))
    assert column.deviation == pytest.approx(values.std(dtype=np.float64))


def test_infinite_numbers_in_arrays() -> None:
    values = np.ones((4, 3))
    values[1, 2], values[2, 0] = np.inf, np.nan
    column = profile_array("rows", values)
    assert (column.type, column.infinite, column.missing, column.mean) == ("array", 1, 1, 1.0)


def test_the_times_of_a_series() -> None:
    hours = np.array([0, 1, 2, 5, 4, 4, 6, 9])
    stamps = np.datetime64("2020-01-01", "us") + hours * np.timedelta64(1, "h")
    profile = profile_times(np.append(stamps, np.datetime64("NaT")))
    assert profile is not None
    assert (profile.first, profile.last, profile.step) == ("2020-01-01", "2020-01-01 09:00:00", 3600.0)
    assert (profile.holes, profile.repeated, profile.unordered, profile.missing) == (2, 1, 1, 1)
    told = {count: shown.times(replace(profile, holes=count)) for count in (0, 1, 11)}
    start = "2020-01-01 to 2020-01-01 09:00:00, step 1 h"
    end = ", 1 repeated, 1 out of order, 1 missing"
    assert told == {0: f"{start}{end}", 1: f"{start}, 1 hole{end}", 11: f"{start}, 11 holes{end}"}
    assert profile_times(np.array(["NaT"], "datetime64[us]")) is None
    twice = profile_times(np.array([0, 0, 0, 1, 1, 1, 2, 2], "datetime64[h]"))
    assert twice is not None
    assert (twice.step, twice.repeated) == (3600.0, 5)


def test_the_times_of_several_series_are_looked_at_by_themselves() -> None:
    hours = np.array([0, 0, 1, 1, 2, 5, 1, 3, 4], "datetime64[h]")
    profile = profile_times(hours, np.array([0, 1, 0, 1, 0, 1, 0, 0, 0]))
    assert profile is not None
    assert (profile.step, profile.holes, profile.repeated, profile.unordered) == (3600, 1, 1, 1)
    together = profile_times(hours)
    assert together is not None
    assert (together.holes, together.repeated, together.unordered) == (0, 3, 1)


def test_a_long_column_is_estimated_where_all_of_it_would_take_long() -> None:
    """Range, mean and missing values are exact; different values and quartiles are near."""
    values = np.random.default_rng(0).permutation(1_200_000)
    column = profile_frame(polars.DataFrame({"x": values})).columns[0]
    assert (column.least, column.greatest, column.mean) == (0, 1_199_999, 599_999.5)
    assert column.distinct == pytest.approx(1_200_000, rel=0.05)
    assert column.quartiles == pytest.approx([3e5, 6e5, 9e5], rel=0.02)
    assert column.is_estimated
    others = profile_frame(polars.DataFrame({f"x{n}": values + n * 10**7 for n in range(8)})).columns
    assert max(each.distinct or 0 for each in others) == 1_200_000  # no more than there are rows
    few = polars.Series([None, "a", "b", "c"]).gather(values % 4)
    [column] = profile_frame(polars.DataFrame({"few": few})).columns
    assert (column.distinct, column.is_estimated) == (3, False)


def test_a_wide_table_has_all_its_columns() -> None:
    frame = polars.DataFrame({f"c{number}": [number, 2 * number] for number in range(450)})
    columns = profile_frame(frame).columns
    assert [column.greatest for column in columns] == [2 * number for number in range(450)]


def test_json_has_it_and_no_number_that_json_lacks() -> None:
    values = np.array([np.nan, np.inf, 1.0, 2.0])
    tree = profile_table(table(x=values, image=np.zeros((4, 2, 2, 1), np.uint8))).tree()
    assert json.loads(json.dumps(tree, allow_nan=False)) == tree
    assert tree["columns"]["x"] == {
        "type": "number", "missing": 1, "missing_share": 0.25, "distinct": 3, "infinite": 1,
        "least": 1.0, "greatest": 2.0, "mean": 1.5, "deviation": 0.5, "quartiles": [1.25, 1.5, 1.75],
    }  # fmt: skip
    assert math.isclose(tree["columns"]["image"]["greatest"], 0)


@pytest.mark.parametrize("width", [40, 60, 100])
def test_it_fits_a_narrow_terminal(width: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    profile = profile_table(
        table(size=np.arange(30.0), a_rather_long_name_of_a_column=text(*(["Rome"] * 29), "O\x1bslo"))
    )
    with (tmp_path / "a.txt").open("w+", encoding="utf-8") as file:
        monkeypatch.setattr(shown, "standard_console", lambda: Console(file=file, width=width))
        shown.print_profile(profile, {"size": "number"})
        file.seek(0)
        lines = file.read().splitlines()
    assert max(map(len, lines)) <= width
    assert "\x1b" not in "".join(lines)
    assert "number" in lines[1]
    assert "14.50" in "".join(lines)
