"""How the texts of a column are written: as numbers, as times, with which stand-ins, and in which format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlrun.data.features.values import STAND_INS, row_list
from dlrun.data.written_times import likely_formats, times_of

if TYPE_CHECKING:
    import polars

MOSTLY = 0.9
"""The share of values from which a column is one of numbers or times that are written as text."""

FIRST = 1000
"""Texts among which two different ones are looked for first, where there may be only one."""

NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
THOUSANDS = r"^\s*[+-]?\d{1,3}(,\d{3})+(\.\d+)?\s*$"
POINTS = r"^\s*[+-]?\d{1,3}(\.\d{3})+(,\d+|\.\d{3})\s*$"
DECIMAL_COMMA = r"^\s*[+-]?\d+,\d+\s*$"
AMOUNT = r"(?:\d+(?:[.,]\d*)?|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3})+(?:,\d+)?)"
UNIT = rf"^\s*([$€£¥]?)\s?[+-]?{AMOUNT}\s?([%°A-Za-zµ²³/$€£¥]{{0,6}})\s*$"
LIKE_NUMBER = r"^\s*[$€£¥]?\s?[+-]?[\d.]"
"""How what fits one of these begins."""

DAY = (
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{4}[-/](0[1-9]|1[0-2])"
    r"|(0?[1-9]|[12]\d|3[01])[-/.](0?[1-9]|[12]\d|3[01])[-/.](\d{4}|\d{2}))"
)
WORDED = r"([A-Za-z]{3,9}\.? \d{1,2},? \d{4}|\d{1,2}\.?[- ][A-Za-z]{3,9}\.?[- ](\d{4}|\d{2}))"
TIME = rf"^\s*({DAY}|{WORDED})([T ]\d{{1,2}}:\d{{2}}(:\d{{2}}(\.\d+)?)?( [AaPp][Mm])?)?Z?\s*$"

ODD_TIMES = 0.02
"""The share of texts up to which those that are no time are single mistakes, and not another way to write them."""

MOST_UNITS = 5
"""Words behind numbers are units where there are at most so many different ones."""


@dataclass(frozen=True)
class Written:
    """How the texts of a column are written.

    Args:
        present: how many there are, those that stand for no value apart.
        stand_ins: texts that stand for no value, such as N/A, and how often.
        numbers: how many read as a number.
        thousands: how many are like 1,234.
        points: how many are like 1.234,5 or 1.234.567.
        commas: how many are like 165,3.
        units: how many are like 12 kg or $5.
        times: how many are like 31.12.2020.
    """

    present: int
    stand_ins: Mapping[str, int]
    numbers: int
    thousands: int
    points: int
    commas: int
    units: int
    times: int

    @property
    def are_numbers(self) -> bool:
        """Whether nearly all of them are numbers, however they are written."""
        found = self.numbers + self.thousands + self.points + self.commas + self.units
        return self.present > 0 and found >= MOSTLY * self.present

    @property
    def are_times(self) -> bool:
        """Whether nearly all of them are times."""
        return self.present > 0 and self.times >= MOSTLY * self.present


def written(column: polars.Series) -> Written:
    """How the texts of a column are written, each counted in the first way that fits: a number, with a decimal comma,
    with commas or points between thousands, with a unit. What could be both commas counts as one between thousands."""
    import polars

    texts = column.drop_nulls()
    low = texts.str.strip_chars().str.to_lowercase()
    stand_in = low.is_in(sorted(STAND_INS))
    standing = texts.filter(stand_in).value_counts().rows()
    rest = texts.filter(~stand_in)
    some = rest.filter(rest.str.contains(LIKE_NUMBER))
    number, thousands, points = (some.str.contains(each) for each in (NUMBER, THOUSANDS, POINTS))
    comma, unit = some.str.contains(DECIMAL_COMMA) & ~thousands, some.str.contains(UNIT)
    with_unit = some.filter(unit & ~number & ~thousands & ~points & ~comma)
    units = polars.concat([with_unit.str.extract(UNIT, place) for place in (1, 2)])
    known = units.filter(units != "").n_unique() <= MOST_UNITS
    return Written(
        present=len(rest),
        stand_ins=dict(sorted(standing)),
        numbers=int(number.sum()),
        thousands=int(thousands.sum()),
        points=int(points.sum()),
        commas=int(comma.sum()),
        units=len(with_unit) if known else 0,
        times=int(rest.str.contains(TIME).sum()),
    )


def text_among_numbers(column: polars.Series) -> str | None:
    """The one text, known stand-ins apart, that stands more than once in a column of otherwise numbers, such as k.A.;
    None where there is none, or where it stands oftener than they do."""
    texts = column.drop_nulls()
    if _no_numbers(texts.head(FIRST))[0].n_unique() > 1:
        return None
    others, numbers = _no_numbers(texts)
    if len(others) < 2 or others.n_unique() > 1 or len(others) > numbers:
        return None
    return str(others[0])


def _no_numbers(texts: polars.Series) -> tuple[polars.Series, int]:
    """The texts that are neither numbers nor stand-ins, and how many are numbers."""
    numbers = texts.str.contains(NUMBER) | texts.str.contains(THOUSANDS) | texts.str.contains(DECIMAL_COMMA)
    others = texts.filter(~numbers)
    return others.filter(~others.str.strip_chars().str.to_lowercase().is_in(sorted(STAND_INS))), int(numbers.sum())


def odd_times(column: polars.Series) -> tuple[str, list[int]] | None:
    """The format in which nearly all texts of a column are times, and the positions of the few that are none in it,
    such as 31.02.2020; None where there are more than a few."""
    best: tuple[str, list[int]] | None = None
    for form in likely_formats(column):
        odd = times_of(column, form)[1]
        if len(odd) <= ODD_TIMES * len(column) and (best is None or len(odd) < len(best[1])):
            best = form, odd
    return best


def told_odd(column: polars.Series, found: tuple[str, list[int]]) -> str:
    """`row 17, '31.02.2020', which is no time as %d.%m.%Y`, of what `odd_times` gives."""
    import numpy as np

    form, odd = found
    return f"{row_list(np.array(odd))}, {column[odd[0]]!r}, which is no time written as {form}"


def mend_numbers(found: Written) -> str:
    """What makes numbers of them."""
    mends = ["take the points between thousands out of the file"] if found.points else []
    if found.stand_ins:
        mends.append(f"source: {{missing: [{', '.join(json.dumps(text) for text in found.stand_ins)}]}}")
    if found.commas + found.points > found.thousands:
        mends.append("source: {decimal_comma: true}")
    elif found.thousands:
        mends.append("take the commas between thousands out of the file")
    if found.units:
        mends.append("take the units out of the file")
    return "; ".join(mends)
