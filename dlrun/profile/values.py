"""Findings in single columns: constant ones, ids, missing values, numbers and times written as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from dlrun.data.features import Feature, Number
from dlrun.data.features.values import row_list
from dlrun.data.written_times import or_month_first, time_formats
from dlrun.profile.column import ColumnProfile
from dlrun.profile.finding import Finding, counted, examples, listed
from dlrun.profile.frame import Frame
from dlrun.profile.written import NUMBER, TIME, mend_numbers, odd_times, told_odd, written

if TYPE_CHECKING:
    import numpy as np
    import polars

FEWEST = 20
"""In fewer rows than this, values that are all different say nothing."""

ID_NAME = re.compile(r"(^|.*[_\W])(?i:id|uuid|guid|index|key|nr|no)$|.*[a-z]I[Dd]$|Unnamed: 0$")
"""How the name of a column ends that numbers its rows."""

ID_TYPES = ("text", "integer")
"""Of columns that could number rows."""


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
    targets: Sequence[str],
    train: np.ndarray,
) -> Iterator[Finding]:
    """What is odd in single columns.

    Args:
        frame: the columns of the table with one value a row.
        profiles: of all columns.
        features: those that enter the network.
        targets: what is predicted; none where the input is given again.
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
    for name in dict.fromkeys([*features, *targets]):
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
        forms = time_formats(column)
        mend = "write all in one way"
        if forms:
            mend = f"features: {{{name}: {{kind: date, format: {json.dumps(forms[0])}}}}}{or_month_first(forms)}"
        elif odd_time := odd_times(column):
            mend = f"mend {told_odd(column, odd_time)}"
        yield Finding("time_text", what, mend, found.times, (first + 1,), (name,))
        return
    odd = found.thousands + found.points + found.commas + found.units + sum(found.stand_ins.values())
    if found.are_numbers and odd:
        ways = {"with commas": found.thousands + found.points + found.commas, "with a unit": found.units}
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
