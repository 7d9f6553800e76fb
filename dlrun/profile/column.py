"""What one column holds: its type, its missing and different values, their range or their counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Literal

from dlrun.data.features.image import image_shape
from dlrun.data.features.values import is_missing, text_of

if TYPE_CHECKING:
    import numpy as np
    import polars

MOST_COUNTED = 50
"""Values of a column are counted one by one where there are at most so many different ones."""

EXACT = 1_000_000
"""In columns of more rows than this, the number of different values is an estimate (HyperLogLog, some per cent off)."""

SAMPLE = 100_000
"""Quantiles are those of so many rows, evenly spaced, where there are more."""

WIDE = 200
"""Columns whose figures are asked for at once."""

MOST_NUMBERS = 4_000_000
"""Mean and standard deviation of images are those of about so many numbers, where there are more."""

LARGEST = 3.4028234663852886e38
"""Of the numbers of float32, in which networks compute."""

ColumnType = Literal["text", "integer", "number", "boolean", "time", "image", "array", "empty"]


@dataclass(frozen=True)
class ColumnProfile:
    """One column in figures.

    Args:
        name: the column.
        type: what its values are; integer and number for one a row, array and image for several; empty: no value at
            all.
        rows: how many.
        missing: how many of them have no value (None, NaN, NaT).
        distinct: how many different values there are, missing ones apart; an estimate where `EXACT` is exceeded, and
            None for arrays.
        counts: how often each value stands there, the most frequent first; None where there are more than 50.
        least, greatest: the range: of numbers, of times in ISO form, of the characters of a text.
        mean: of numbers, or of the characters of a text.
        deviation: the standard deviation of numbers.
        quartiles: of numbers, at 25, 50 and 75 per cent.
        infinite: how many values are infinite; they have no part in the other figures.
        words: the mean number of words of a text, of the sample.
        shape: of one value of an image or array.
    """

    name: str
    type: ColumnType
    rows: int
    missing: int = 0
    distinct: int | None = None
    counts: Mapping[str, int] | None = None
    least: float | str | None = None
    greatest: float | str | None = None
    mean: float | None = None
    deviation: float | None = None
    quartiles: tuple[float, ...] | None = None
    infinite: int = 0
    words: float | None = None
    shape: tuple[int, ...] = ()

    @property
    def is_estimated(self) -> bool:
        """Whether `distinct` is an estimate."""
        return self.distinct is not None and self.counts is None and self.rows > EXACT

    @property
    def is_too_large(self) -> bool:
        """Whether there are numbers that 32 bits do not hold."""
        return any(isinstance(end, float) and abs(end) > LARGEST for end in (self.least, self.greatest))

    def tree(self) -> dict[str, Any]:
        """As JSON has it: what does not apply is left out."""
        figures = asdict(self) | {"shape": list(self.shape) or None, "infinite": self.infinite or None}
        figures["quartiles"] = self.quartiles and list(self.quartiles)
        figures["missing_share"] = self.missing / self.rows if self.rows else 0.0
        return {name: value for name, value in figures.items() if value is not None and name not in ("name", "rows")}


def profile_columns(frame: polars.DataFrame) -> Iterator[ColumnProfile]:
    """The columns of a frame, whatever their types."""
    step = max(1, -(-frame.height // SAMPLE))
    sample = frame.gather_every(step) if step > 1 else frame
    for start in range(0, frame.width, WIDE):
        block, part = frame[:, start : start + WIDE], sample[:, start : start + WIDE]
        whole = _figures(block, _whole)
        rough = _figures(part, _rough)
        for position, column in enumerate(block):
            yield _profile(column, whole[position] | rough[position])


def _figures(
    frame: polars.DataFrame, asked: Callable[[polars.Expr, polars.DataType, int], dict[str, polars.Expr]]
) -> list[dict[str, Any]]:
    """What is asked of each column, all at once."""
    import polars

    expressions = []
    for position, (name, dtype) in enumerate(frame.schema.items()):
        of_column = asked(polars.col(name), dtype, frame.height)
        expressions += [each.alias(f"{position}:{field}") for field, each in of_column.items()]
    found: list[dict[str, Any]] = [{} for _ in range(frame.width)]
    if expressions:
        for key, value in frame.select(expressions).row(0, named=True).items():
            place, _, field = key.partition(":")
            found[int(place)][field] = value
    return found


def _whole(column: polars.Expr, dtype: polars.DataType, rows: int) -> dict[str, polars.Expr]:
    """What all rows are asked."""
    import polars

    if dtype.is_float():
        column = column.fill_nan(None)
    if dtype.is_nested():
        return {"missing": column.null_count()}
    distinct = column.n_unique() - column.is_null().any() if rows <= EXACT else column.approx_n_unique()
    asked = {"missing": column.null_count(), "distinct": distinct}
    if dtype.is_float():
        asked["infinite"] = column.is_infinite().sum()
        column = polars.when(column.is_finite()).then(column)
    if dtype.is_numeric():
        asked["deviation"] = column.std(ddof=0)
    if dtype == polars.String:
        column = column.str.len_chars()
    if dtype.is_numeric() or dtype == polars.String:
        asked["mean"] = column.mean()
    if dtype.is_numeric() or dtype.is_temporal() or dtype == polars.String:
        asked |= {"least": column.min(), "greatest": column.max()}
    return asked


def _rough(column: polars.Expr, dtype: polars.DataType, rows: int) -> dict[str, polars.Expr]:
    """What a sample of the rows is asked."""
    import polars

    if dtype == polars.String:
        return {"words": column.str.count_matches(r"\S+").mean()}
    if not dtype.is_numeric():
        return {}
    if dtype.is_float():
        column = polars.when(column.is_finite()).then(column)
    return {f"quartile {percent}": column.quantile(percent / 100, "linear") for percent in (25, 50, 75)}


def _profile(column: polars.Series, figures: dict[str, Any]) -> ColumnProfile:
    rows, missing = len(column), figures["missing"]
    if missing == rows:
        return ColumnProfile(column.name, "empty", rows, missing, 0)
    quartiles = [figures.pop(f"quartile {percent}", None) for percent in (25, 50, 75)]
    kind = _type_of(column.dtype)
    few = kind in ("text", "integer", "boolean") and figures["distinct"] <= MOST_COUNTED
    counts = counts_of(column) if few else None
    if counts is not None:
        figures["distinct"] = len(counts)
    elif "distinct" in figures:  # an estimate can be more than there are values
        figures["distinct"] = min(figures["distinct"], rows - missing)
    plain = {name: _plain(value) for name, value in figures.items()}
    return ColumnProfile(
        column.name,
        kind,
        rows,
        counts=counts,
        quartiles=None if None in quartiles else tuple(map(float, quartiles)),
        **plain,
    )


def _type_of(dtype: polars.DataType) -> ColumnType:
    import polars

    if dtype.is_temporal():
        return "time"
    if dtype.is_integer():
        return "integer"
    if dtype.is_numeric():
        return "number"
    return "boolean" if dtype == polars.Boolean else "array" if dtype.is_nested() else "text"


def counts_of(column: polars.Series) -> dict[str, int]:
    """How often each value stands there, the most frequent first, and those that are as frequent in their order."""
    import polars

    counted = column.alias("value").to_frame().lazy().drop_nulls().group_by("value").agg(polars.len().alias("count"))
    # `Series.value_counts` needs several times the memory of the column.
    values, counts = counted.collect(engine="streaming").sort("value").get_columns()
    pairs = zip(values.to_list(), counts.to_list(), strict=True)
    return {text_of(value) or "": count for value, count in sorted(pairs, key=lambda pair: -pair[1])}


def _plain(value: Any) -> Any:
    """A figure as JSON has it: times in ISO form."""
    if isinstance(value, datetime | date):
        return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()
    return value if not isinstance(value, time | timedelta) else str(value)


MOST_ON_DISK = 1000
"""Rows of an array on disk that are looked at."""


def profile_array(name: str, values: np.ndarray) -> ColumnProfile:
    """A column with several numbers a row: images (rows, height, width[, channels]) or rows of numbers (rows, size).

    The range is over all numbers of all rows; mean and standard deviation are those of some rows, evenly spaced, where
    there are more than some millions of numbers. Of images that are on disk, all of it is of the first thousand.
    """
    import numpy as np

    rows, shape = len(values), values.shape[1:]
    if not isinstance(values, np.ndarray):
        values = values[:MOST_ON_DISK]
    kind: ColumnType = "image" if image_shape(shape) else "array"
    missing, infinite = 0, 0
    if values.dtype.kind == "f":
        missing, infinite = int(np.count_nonzero(is_missing(values))), int(np.count_nonzero(np.isinf(values)))
        if missing or infinite:
            values = values[np.isfinite(values)]
    if not values.size:
        return ColumnProfile(name, "empty", rows, missing, infinite=infinite, shape=shape)
    some = values[:: max(1, values.size // MOST_NUMBERS)]
    return ColumnProfile(
        name,
        kind,
        rows,
        missing,
        least=float(values.min()),
        greatest=float(values.max()),
        mean=float(some.mean(dtype=np.float64)),
        deviation=float(some.std(dtype=np.float64)),
        infinite=infinite,
        shape=shape,
    )
