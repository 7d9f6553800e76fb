"""Whether the rows of a draft are series that are to be forecast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dlrun.data.layout import numbered
from dlrun.drafting.material import TABLES, Material
from dlrun.drafting.readings import evenest, readings
from dlrun.drafting.target import ChosenTarget

FEWEST_STEPS = 60
"""Rows of a series from which on it is forecast."""

SEASONS = {3600.0: (24, "hours of a day"), 86400.0: (7, "days of a week"), 1800.0: (48, "half hours of a day"),
           900.0: (96, "quarters of an hour of a day")}  # fmt: skip
"""After how many steps of so many seconds a series repeats itself."""

WORKING_WEEK = (5, "working days of a week")


@dataclass(frozen=True)
class Forecast:
    """A series that is forecast from its own past.

    Args:
        time: the column with the times.
        form: the format of its texts; None where the source reads them as times by itself.
        other: another format in which they are times too; None where there is none.
        alone: whether the steps are less even in that one.
        working_days: whether a step is one from a working day to the next.
        window, horizon: in rows.
        season: after how many rows it repeats itself, and what they are; None where that is not known.
        by: the column that tells several series apart; None where there is one.
    """

    time: str
    form: str | None
    other: str | None
    alone: bool
    working_days: bool
    window: int
    horizon: int
    season: tuple[int, str] | None
    by: str | None = None


def find_forecast(material: Material, target: ChosenTarget) -> Forecast | None:
    """Whether the rows are one series, or several that a column tells apart: one column of times, in each all different
    and rising in even steps, and a target that is a number in each row."""
    if target.kind != "number" or target.column.missing or material.source["kind"] not in TABLES:
        return None
    times = {name: found for name in _maybe_times(material) if (found := readings(material.frame[name]))}
    if len(times) != 1:
        return None
    [(time, found)] = times.items()
    for by in (None, *_tellers(material, target)):
        series = None if by is None else numbered(material.frame[by].to_numpy())[1]
        if stepped := evenest(found, series):
            break
    else:
        return None
    reading, steps, alone = stepped
    rows = material.profile.rows // (1 if by is None else material.frame[by].n_unique())
    season = WORKING_WEEK if steps.working_days else SEASONS.get(steps.length)
    window, horizon = _lengths(rows, season[0] if season else None)
    other = next((each.form for each in found if each is not reading), None)
    season = season if horizon > 1 else None
    forecast = Forecast(time, reading.form, other, alone, steps.working_days, window, horizon, season, by)
    return forecast if rows >= FEWEST_STEPS else None


def _lengths(rows: int, season: int | None) -> tuple[int, int]:
    """Window and horizon of a series of so many rows: a season is forecast where there are 40 of them, otherwise the
    next row, from a whole season where there are ten."""
    if season is not None and 40 * season <= rows:
        return min(3 * season, rows // 20), season
    window = max(2, min(24, rows // 20))
    return (max(window, season) if season is not None and 10 * season <= rows else window), 1


def _maybe_times(material: Material) -> Iterator[str]:
    for column in material.profile.columns:
        if column.type in ("time", "text") and column.name in material.frame.columns:
            yield column.name


def _tellers(material: Material, target: ChosenTarget) -> Iterator[str]:
    """The columns that could tell several series apart, in which each value stands often."""
    for column in material.profile.columns:
        distinct = column.distinct or 0
        named = column.type in ("text", "integer") and not column.missing and column.name != target.name
        if named and 2 <= distinct <= column.rows / FEWEST_STEPS:
            yield column.name
