"""Whether the rows of a draft are series that are to be forecast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlrun.drafting.material import TABLES, Material
from dlrun.drafting.target import ChosenTarget
from dlrun.profile.times import profile_times

if TYPE_CHECKING:
    import numpy as np

REGULAR = 0.9
"""The share of steps that are as long as the median one, in a series."""

FEWEST_STEPS = 60
"""Rows of a series from which on it is forecast."""

SEASONS = {3600.0: (24, "hours of a day"), 86400.0: (7, "days of a week"), 1800.0: (48, "half hours of a day"),
           900.0: (96, "quarters of an hour of a day")}  # fmt: skip
"""After how many steps of so many seconds a series repeats itself."""


@dataclass(frozen=True)
class Forecast:
    """A series that is forecast from its own past.

    Args:
        time: the column with the times.
        step: from one row to the next, in seconds.
        window, horizon: in rows.
        season: after how many rows it repeats itself, and what they are; None where that is not known.
        by: the column that tells several series apart; None where there is one.
    """

    time: str
    step: float
    window: int
    horizon: int
    season: tuple[int, str] | None
    by: str | None = None


def find_forecast(material: Material, target: ChosenTarget) -> Forecast | None:
    """Whether the rows are one series, or several that a column tells apart: one column of times, in each all different
    and rising in even steps, and a target that is a number in each row."""
    times = [column.name for column in material.profile.columns if column.type == "time"]
    if len(times) != 1 or target.kind != "number" or target.column.missing or material.source["kind"] not in TABLES:
        return None
    stamps = material.frame[times[0]].to_numpy().astype("datetime64[us]")
    steps = {by: _even_step(material, stamps, by) for by in (None, *_tellers(material, target))}
    by, step = next(((by, step) for by, step in steps.items() if step), (None, None))
    if step is None:
        return None
    rows = len(stamps) // (1 if by is None else material.frame[by].n_unique())
    season = SEASONS.get(step)
    horizon = season[0] if season and 40 * season[0] <= rows else 1
    window = min(3 * horizon, max(2, rows // 20)) if horizon > 1 else max(2, min(24, rows // 20))
    forecast = Forecast(times[0], step, window, horizon, season if horizon > 1 else None, by)
    return forecast if rows >= FEWEST_STEPS else None


def _tellers(material: Material, target: ChosenTarget) -> Iterator[str]:
    """The columns that could tell several series apart, in which each value stands often."""
    for column in material.profile.columns:
        distinct = column.distinct or 0
        named = column.type in ("text", "integer") and not column.missing and column.name != target.name
        if named and 2 <= distinct <= column.rows / FEWEST_STEPS:
            yield column.name


def _even_step(material: Material, stamps: np.ndarray, by: str | None) -> float | None:
    """The seconds from one row to the next of its series; None where times do not rise in even steps in each."""
    import numpy as np

    from dlrun.data.layout import numbered

    series = np.zeros(len(stamps), np.int64) if by is None else numbered(material.frame[by].to_numpy())[1]
    profile = profile_times(stamps, series)
    if profile is None or profile.missing or profile.repeated or profile.unordered or profile.step <= 0:
        return None
    order = np.argsort(series, kind="stable")
    apart = (np.diff(stamps[order]) / np.timedelta64(1, "s"))[np.diff(series[order]) == 0]
    even = np.abs(apart / profile.step - 1) < 0.15  # months are of several lengths
    return profile.step if even.mean() >= REGULAR else None
