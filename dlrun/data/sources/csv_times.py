"""Columns of times among the texts of a CSV file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars

FEW = 20
"""Texts that are looked at first to tell whether a column can be one of times."""

SAME = dict.fromkeys("123456789", "0")
"""Which characters are alike in the shape of a text."""

YEAR_FIRST = r"^\s*\d{4}\D"
"""A time that cannot be two: 2020-01-31, and not 01/02/2020."""


def dated(column: polars.Series) -> polars.Series:
    """A column of texts as times, where all of them are, and the year stands first; any other as it is, times of a day
    too.

    01/02/2020 can be two days, and one such text alone could be read otherwise than among others: how such times are
    written is for the spec to say.

    What polars would find with `try_parse_dates`, which looks at each value one by one, and takes many times as long as
    all the rest: here at one value of each shape, such as 0000-00-00 for 2020-12-31.
    """
    import polars

    if column.dtype != polars.String:
        return column
    texts = column.drop_nulls()
    if not _type_of_all(texts.head(FEW)).is_temporal():
        return column
    shaped = _one_of_each_shape(texts)
    dtype = _type_of_all(shaped)
    if not dtype.is_temporal() or not shaped.str.contains(YEAR_FIRST).all():
        return column
    zone = dtype.time_zone if isinstance(dtype, polars.Datetime) else None
    plain = polars.Datetime("us") if isinstance(dtype, polars.Datetime) else dtype
    try:
        times = polars.read_csv(_content(column), schema={"text": plain, "row": polars.Int8})["text"]
    except polars.exceptions.PolarsError:  # such as the 31st of February
        return column
    times = times.alias(column.name)
    return times if zone is None else times.dt.replace_time_zone(zone)


def _one_of_each_shape(texts: polars.Series) -> polars.Series:
    """The first few texts, and one of each shape that is none of theirs."""
    import polars

    shapes = set(texts.head(FEW).str.replace_many(SAME))
    known = "|".join(re.escape(shape).replace("0", "[0-9]") for shape in sorted(shapes))
    others = polars.DataFrame({"text": texts.filter(~texts.str.contains(f"^(?:{known})$"))})
    of_others = others.group_by(polars.col("text").str.replace_many(SAME).alias("shape")).first()["text"]
    return polars.concat([texts.head(FEW), of_others])


def _type_of_all(texts: polars.Series) -> polars.DataType:
    """What polars takes texts for, with times among them; for text where they are written in ways that it cannot read
    together."""
    import polars

    try:
        frame = polars.read_csv(_content(texts), infer_schema_length=None, try_parse_dates=True, null_values=[""])
    except polars.exceptions.PolarsError:
        return polars.String()
    return frame.schema["text"]


def _content(texts: polars.Series) -> bytes:
    """CSV with the texts in it, and a second column, so that a missing one is no blank line."""
    import polars

    frame = polars.DataFrame({"text": texts}).with_columns(row=polars.lit(0, polars.Int8))
    return frame.write_csv().encode()
