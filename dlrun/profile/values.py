"""Findings in single columns: constant ones, ids, missing values, numbers and times written as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlrun.data.features import Feature, Number
from dlrun.data.features.values import STAND_INS, row_list
from dlrun.profile.column import ColumnProfile
from dlrun.profile.finding import Finding, counted, examples, listed
from dlrun.profile.frame import Frame

if TYPE_CHECKING:
    import numpy as np
    import polars

FEWEST = 20
"""In fewer rows than this, values that are all different say nothing."""

MOSTLY = 0.9
"""The share of values from which a column is one of numbers or times that are written as text."""

FIRST = 1000
"""Texts among which two different ones are looked for first, where there may be only one."""

NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
THOUSANDS = r"^\s*[+-]?\d{1,3}(,\d{3})+(\.\d+)?\s*$"
DECIMAL_COMMA = r"^\s*[+-]?\d+,\d+\s*$"
UNIT = r"^\s*([$€£¥]?)\s?[+-]?\d[\d.,]*\s?([%°A-Za-zµ²³/$€£¥]{0,6})\s*$"
LIKE_NUMBER = r"^\s*[$€£¥]?\s?[+-]?[\d.]"
"""How what fits one of these begins."""
DAY = r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})"
WORDED = r"([A-Za-z]{3,9}\.? \d{1,2},? \d{4}|\d{1,2}\.? [A-Za-z]{3,9}\.? \d{4})"
TIME = rf"^\s*({DAY}|{WORDED})([T ]\d{{1,2}}:\d{{2}}(:\d{{2}}(\.\d+)?)?)?Z?\s*$"

CLOCKS = ("", " %H:%M", " %H:%M:%S")
FORMATS = tuple(
    day + clock
    for day in (
        "%Y-%m-%d",
        "%Y/%m/%d",
        "%d.%m.%Y",
        "%d/%m/%Y",
        "%m/%d/%Y",
        "%d-%m-%Y",
        "%b %d, %Y",
        "%B %d, %Y",
        "%d %B %Y",
    )
    for clock in CLOCKS
)
"""In which times are looked for, the first that fits all of them first."""

ODD_TIMES = 0.02
"""The share of texts up to which those that are no time are single mistakes, and not another way to write them."""

MOST_UNITS = 5
"""Words behind numbers are units where there are at most so many different ones."""

ID_NAME = re.compile(r"(^|.*[_\W])(?i:id|uuid|guid|index|key|nr|no)$|.*[a-z]I[Dd]$|Unnamed: 0$")
"""How the name of a column ends that numbers its rows."""


ID_TYPES = ("text", "integer")
"""Of columns that could number rows."""


@dataclass(frozen=True)
class Written:
    """How the texts of a column are written.

    Args:
        present: how many there are, those that stand for no value apart.
        stand_ins: texts that stand for no value, such as N/A, and how often.
        numbers: how many read as a number.
        thousands: how many are like 1,234.
        commas: how many are like 165,3.
        units: how many are like 12 kg or $5.
        times: how many are like 31.12.2020.
    """

    present: int
    stand_ins: Mapping[str, int]
    numbers: int
    thousands: int
    commas: int
    units: int
    times: int

    @property
    def are_numbers(self) -> bool:
        """Whether nearly all of them are numbers, however they are written."""
        found = self.numbers + self.thousands + self.commas + self.units
        return self.present > 0 and found >= MOSTLY * self.present

    @property
    def are_times(self) -> bool:
        """Whether nearly all of them are times."""
        return self.present > 0 and self.times >= MOSTLY * self.present


def written(column: polars.Series) -> Written:
    """How the texts of a column are written, each counted in the first way that fits: a number, with a decimal comma,
    with commas between thousands, with a unit. What could be both commas counts as one between thousands."""
    import polars

    texts = column.drop_nulls()
    low = texts.str.strip_chars().str.to_lowercase()
    stand_in = low.is_in(sorted(STAND_INS))
    standing = texts.filter(stand_in).value_counts().rows()
    rest = texts.filter(~stand_in)
    some = rest.filter(rest.str.contains(LIKE_NUMBER))
    number, thousands = some.str.contains(NUMBER), some.str.contains(THOUSANDS)
    comma, unit = some.str.contains(DECIMAL_COMMA) & ~thousands, some.str.contains(UNIT)
    with_unit = some.filter(unit & ~number & ~thousands & ~comma)
    units = polars.concat([with_unit.str.extract(UNIT, place) for place in (1, 2)])
    known = units.filter(units != "").n_unique() <= MOST_UNITS
    return Written(
        present=len(rest),
        stand_ins=dict(sorted(standing)),
        numbers=int(number.sum()),
        thousands=int(thousands.sum()),
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


def id_reason(column: polars.Series, profile: ColumnProfile) -> str | None:
    """Why a column does nothing but tell rows apart; None where it does more."""
    rows = profile.rows
    if profile.type not in ID_TYPES or rows < FEWEST or profile.missing or column.n_unique() < rows:
        return None
    if profile.type == "text":
        if column.str.contains(r"\s").any():
            return None
        found = written(column)
        return None if found.are_times or found.are_numbers else f"all {rows:,} texts are different"
    if isinstance(profile.least, int) and profile.greatest == profile.least + rows - 1:
        return f"it counts from {profile.least} to {profile.greatest}"
    return f"all {rows:,} numbers are different" if ID_NAME.match(column.name) else None


def look_at_values(
    frame: Frame,
    profiles: Mapping[str, ColumnProfile],
    features: Mapping[str, Feature],
    target: str | None,
    train: np.ndarray,
) -> Iterator[Finding]:
    """What is odd in single columns.

    Args:
        frame: the columns of the table with one value a row.
        profiles: of all columns.
        features: those that enter the network.
        target: what is predicted; None where the input is given again.
        train: the train rows.
    """
    yield from _constant(frame, profiles, list(features), train)
    if len(features) > 1:  # the only feature has to be taken as it is
        yield from _ids(frame, profiles, list(features))
    yield from _missing(frame, profiles, features)
    for name in features:
        if count := profiles[name].infinite:
            what = f"{name} has {counted(count, 'infinite value')}"
            yield Finding("infinite", what, "mend the file", count, columns=(name,), severity="error")
    for name in dict.fromkeys([*features, *([target] if target is not None else [])]):
        read_as_date = name in features and features[name].kind == "date"
        if name in frame.columns and profiles[name].type == "text" and not read_as_date:
            yield from _texts(frame[name])


def _constant(
    frame: Frame, profiles: Mapping[str, ColumnProfile], features: Sequence[str], train: np.ndarray
) -> Iterator[Finding]:
    empty = [name for name in features if profiles[name].type == "empty"]
    if empty:
        what = f"{listed(empty)} {'has' if len(empty) == 1 else 'have'} no value in any row"
        yield Finding("constant", what, _leave_out(empty), len(empty), columns=tuple(empty))
    constant = [
        name
        for name in features
        if name not in empty
        and (
            _is_constant(frame[name].gather(train))
            if name in frame.columns
            else profiles[name].least == profiles[name].greatest
        )
    ]
    if constant:
        verb = "has one value" if len(constant) == 1 else "have one value each"
        what = f"{listed(constant)} {verb} in all train rows: nothing can be learned from that"
        yield Finding("constant", what, _leave_out(constant), len(constant), columns=tuple(constant))


def _is_constant(column: polars.Series) -> bool:
    missing = column.null_count()
    return missing == len(column) or (not missing and column.min() == column.max())


def _leave_out(names: Sequence[str]) -> str:
    return f"leave {'it' if len(names) == 1 else 'them'} out of data.features"


def _ids(frame: Frame, profiles: Mapping[str, ColumnProfile], features: Sequence[str]) -> Iterator[Finding]:
    for name in features:
        maybe = name in frame.columns and profiles[name].type in ID_TYPES
        reason = id_reason(frame[name], profiles[name]) if maybe else None
        if reason:
            what = f"{name} looks like an id ({reason}): what is learned of it holds for no other row"
            yield Finding("id", what, _leave_out([name]), profiles[name].rows, columns=(name,))


def _missing(frame: Frame, profiles: Mapping[str, ColumnProfile], features: Mapping[str, Feature]) -> Iterator[Finding]:
    """Missing numbers for which the spec names no stand-in, and columns that are missing in most rows."""
    for name, feature in features.items():
        count, rows = profiles[name].missing, profiles[name].rows
        chosen = "missing" in feature.model_fields_set
        if name not in frame.columns or not count or profiles[name].type == "empty":
            continue
        missing = frame[name].is_null().arg_true().to_numpy()
        share = f"{100 * count / rows:.2g}% of it"
        if isinstance(feature, Number) and not chosen:
            what = (
                f"{name} is missing in {row_list(missing)}, {share}: the {feature.missing} of the train rows stands in"
            )
            mend = (
                f"features: {{{name}: {{kind: number, missing: median}}}}, or whichever of mean, median, zero is meant"
            )
        elif 2 * count > rows and not chosen:
            what = f"{name} is missing in most rows: {count:,} of {rows:,}"
            mend = _leave_out([name])
        else:
            continue
        yield Finding("missing", what, mend, count, examples(missing), (name,))


def _texts(column: polars.Series) -> Iterator[Finding]:
    """Numbers and times that are written as text, in a way that the source does not read."""
    found, name = written(column), column.name
    if found.are_times:
        first = _first(column, TIME)
        what = (
            f"{name} holds times as text in {counted(found.times, 'row')}, such as {column[first]!r} in row {first + 1}"
        )
        form = time_format(column)
        mend = "write all in one way"
        if form:
            mend = f"features: {{{name}: {{kind: date, format: {json.dumps(form)}}}}}"
        elif odd_time := odd_times(column):
            mend = f"mend {told_odd(column, odd_time)}"
        yield Finding("time_text", what, mend, found.times, (first + 1,), (name,))
        return
    odd = found.thousands + found.commas + found.units + sum(found.stand_ins.values())
    if found.are_numbers and odd:
        ways = {"with commas": found.thousands + found.commas, "with a unit": found.units}
        ways |= {f"{json.dumps(text, ensure_ascii=False)}": count for text, count in found.stand_ins.items()}
        told = ", ".join(f"{count:,} {way}" for way, count in ways.items() if count)
        first = int((~column.str.contains(NUMBER)).arg_true()[0])
        what = f"{name} holds numbers as text ({told}), such as {column[first]!r} in row {first + 1}"
        yield Finding("number_text", what, mend_numbers(found), odd, (first + 1,), (name,))
    elif 2 * found.numbers > found.present and found.numbers < found.present:
        others = column.is_not_null() & ~column.str.contains(NUMBER)
        rows = others.arg_true().to_numpy()
        what = (
            f"{name} mixes {found.numbers:,} numbers with {counted(len(rows), 'other text')}, "
            f"such as {column[int(rows[0])]!r}: {row_list(rows)}"
        )
        yield Finding(
            "mixed", what, "mend the file, or accept it if they are names", len(rows), examples(rows), (name,)
        )


def _first(column: polars.Series, pattern: str) -> int:
    return int(column.str.contains(pattern).fill_null(False).arg_true()[0])


def time_format(column: polars.Series) -> str | None:
    """The format in which all texts of a column are times, such as %d.%m.%Y; None where there is none, or two say
    something else. A day stands before or after its month by what all rows allow."""
    import polars

    texts = column.drop_nulls()
    for form in FORMATS:
        try:
            if texts.str.to_datetime(form, time_unit="us", strict=False).null_count() == 0 and len(texts):
                return form
        except polars.exceptions.PolarsError:
            continue
    return None


def odd_times(column: polars.Series) -> tuple[str, list[int]] | None:
    """The format in which nearly all texts of a column are times, and the positions of the few that are none in it,
    such as 31.02.2020; None where there are more than a few."""
    import polars

    best: tuple[str, list[int]] | None = None
    for form in FORMATS:
        try:
            read = column.str.to_datetime(form, time_unit="us", strict=False)
        except polars.exceptions.PolarsError:
            continue
        odd = (read.is_null() & column.is_not_null()).arg_true().to_list()
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
    mends = []
    if found.stand_ins:
        mends.append(f"source: {{missing: [{', '.join(json.dumps(text) for text in found.stand_ins)}]}}")
    if found.commas > found.thousands:
        mends.append("source: {decimal_comma: true}")
    elif found.thousands:
        mends.append("take the commas between thousands out of the file")
    if found.units:
        mends.append("take the units out of the file")
    return "; ".join(mends)
