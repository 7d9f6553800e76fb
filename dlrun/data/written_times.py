"""Times that are written as texts: by a format that the spec says, or with the year first, which cannot be two days;
and the formats in which texts are times."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dlrun.errors import DataError

if TYPE_CHECKING:
    import polars

DAY_OR_MONTH_FIRST = (
    r"^\s*\d{1,2}(?P<sign>[./-])\d{1,2}[./-](?P<year>\d{4}|\d{2})(?P<time>[ T]\d{1,2}:\d{2}(:\d{2})?)?\s*$"
)
"""Texts such as 31.12.2020, of which 01/02/2020 can be two days."""

CLOCKS = ("", " %H:%M", " %H:%M:%S", "T%H:%M", "T%H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
DAYS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d"),
    *("%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%y", "%d/%m/%y", "%d-%m-%y"),
    *("%m.%d.%Y", "%m/%d/%Y", "%m-%d-%Y", "%m.%d.%y", "%m/%d/%y", "%m-%d-%y"),
    *("%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y"),
)
FORMATS = (*(day + clock for day in DAYS for clock in CLOCKS), "%Y-%m", "%Y/%m")
"""In which times are looked for: of those that differ in the order of day and month alone, the day first."""

FEW = 20
"""Texts that are looked at first to tell in which formats a column can be."""

FIRST_YEAR = 1000
"""A year of fewer digits is none that was meant: polars takes 20 for the year 20 where four digits are asked for."""


def valid_format(form: str) -> str:
    """A format as it is, if it is one.

    Raises:
        ValueError: it is none.
    """
    try:
        if "%" not in form:
            raise ValueError("what it reads is always the same")
        dt.datetime.strptime(dt.datetime(2010, 1, 31, 13).strftime(form), form)
    except (ValueError, re.error):
        raise ValueError("a format of Python's strptime, such as %d.%m.%Y or %m/%d/%Y %H:%M") from None
    return form


def times_of(column: polars.Series, form: str | None = None) -> tuple[polars.Series, list[int]]:
    """A column of times as it is, or read from its texts, and the positions of those that are none.

    Args:
        form: how they are written; None: with the year first.

    Raises:
        DataError: the day or the month stands first, and no format says which.
    """
    import polars

    if form is not None and column.dtype.is_integer():  # such as 20201231
        column = column.cast(polars.String)
    if column.dtype != polars.String:
        return column, []
    texts = column
    if form is None:
        unsaid = column.str.contains(DAY_OR_MONTH_FIRST).fill_null(False)
        if unsaid.any():
            _check_order(column)
            texts = column.set(unsaid, None)
    try:
        times = (texts.str.strip_chars() if form else texts).str.to_datetime(form, time_unit="us", strict=False)
        times = times.set((times.dt.year() < FIRST_YEAR).fill_null(False), None) if form else times
    except polars.exceptions.PolarsError:
        times = polars.Series(column.name, [None] * len(column), polars.Datetime("us"))
    return times, (times.is_null() & column.is_not_null()).arg_true().to_list()


def time_formats(column: polars.Series) -> list[str]:
    """The formats in which all texts of a column are times, such as %d.%m.%Y: two where a day stands before or after
    its month, and no row says which."""
    texts = column.drop_nulls()
    return [form for form in likely_formats(texts) if not times_of(texts, form)[1]]


def likely_formats(texts: polars.Series) -> list[str]:
    """The formats in which most of the first texts are times."""
    some = texts.drop_nulls().head(FEW)
    return [form for form in FORMATS if 2 * len(times_of(some, form)[1]) < len(some)]


def orders_of(column: polars.Series) -> list[str]:
    """The formats, with the day first or with the month first, in which all texts of a column are times."""
    return [form for form in time_formats(column) if form.startswith(("%d", "%m"))]


def or_month_first(forms: Sequence[str]) -> str:
    """`, or "%m/%d/%Y" where the month stands first`, of formats that all fit; empty where that cannot be."""
    other = next((form for form in forms if form.startswith("%m")), None)
    return f', or "{other}" where the month stands first' if other not in (None, forms[0]) else ""


def _check_order(column: polars.Series) -> None:
    forms = orders_of(column)
    if not forms:
        return
    text = next(text for text in column if text is not None)
    mend = f"source: {{types: {{{column.name}: {{time: {json.dumps(forms[0])}}}}}}}"
    told = f"{column.name} does not begin with the year, as in {text!r}"
    if other := or_month_first(forms):
        told += ", which can be two days"
        mend += other
    raise DataError(f"{told}: the spec has to say how its times are written", hint=mend)
