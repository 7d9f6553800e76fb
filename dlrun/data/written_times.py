"""Times that are written as texts: by a format that the spec says, or with the year first, which cannot be two days."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import TYPE_CHECKING

from dlrun.errors import DataError

if TYPE_CHECKING:
    import polars

DAY_OR_MONTH_FIRST = (
    r"^\s*\d{1,2}(?P<sign>[./-])\d{1,2}[./-](?P<year>\d{4}|\d{2})(?P<time>[ T]\d{1,2}:\d{2}(:\d{2})?)?\s*$"
)
"""Texts such as 31.12.2020, of which 01/02/2020 can be two days."""

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


def orders_of(column: polars.Series) -> list[str]:
    """The formats, with the day first or with the month first, in which all texts of a column are times."""
    first = next((text for text in column if text is not None), "")
    found = re.match(DAY_OR_MONTH_FIRST, first)
    if found is None:
        return []
    sign, year = found["sign"], "%Y" if len(found["year"]) == 4 else "%y"
    time = found["time"] or ""
    clock = "" if not time else f"{time[0]}%H:%M" + (":%S" if time.count(":") == 2 else "")
    forms = [sign.join(["%d", "%m", year]) + clock, sign.join(["%m", "%d", year]) + clock]
    return [form for form in forms if not times_of(column, form)[1]]


def _check_order(column: polars.Series) -> None:
    forms = orders_of(column)
    if not forms:
        return
    text = next(text for text in column if text is not None)
    mend = f"source: {{types: {{{column.name}: {{time: {json.dumps(forms[0])}}}}}}}"
    told = f"{column.name} does not begin with the year, as in {text!r}"
    if len(forms) == 2:
        told += ", which can be two days"
        mend += f', or "{forms[1]}" where the month stands first'
    raise DataError(f"{told}: the spec has to say how its times are written", hint=mend)
