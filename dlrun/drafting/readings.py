"""As which times the texts of a column are read, where the day or the month can stand first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlrun.data.written_times import time_formats, times_of
from dlrun.profile.times import iso, profile_times
from dlrun.profile.written import written

if TYPE_CHECKING:
    import numpy as np
    import polars

REGULAR = 0.9
"""The share of steps that are as long as the median one, in a series."""

DAY = 86400.0
"""Seconds."""


@dataclass(frozen=True)
class Reading:
    """A column as times.

    Args:
        form: the format in which its texts are read; None: they are times already.
        stamps: datetime64[us] (rows,).
    """

    form: str | None
    stamps: np.ndarray

    @property
    def day_first(self) -> bool | None:
        """Whether the day stands before the month; None where there is no such order."""
        form = self.form or ""
        return form.startswith("%d") if form.startswith(("%d", "%m")) else None

    @property
    def has_hours(self) -> bool:
        """Whether not all times are of one hour of the day."""
        import numpy as np

        within = self.stamps[~np.isnat(self.stamps)].astype("datetime64[h]").astype(np.int64) % 24
        return bool(within.size and within.min() < within.max())

    @property
    def span(self) -> str:
        """`2023-01-01 to 2024-02-04`."""
        import numpy as np

        present = self.stamps[~np.isnat(self.stamps)]
        return f"{iso(present.min())} to {iso(present.max())}"


@dataclass(frozen=True)
class Steps:
    """How even the times of a series are.

    Args:
        length: from one row to the next, in seconds.
        even: the share of steps that are as long.
        working_days: whether there is a row a day from Monday to Friday, and none at weekends.
    """

    length: float
    even: float
    working_days: bool = False


def readings(column: polars.Series) -> list[Reading]:
    """All ways to read a column as times that differ from one another; empty where it holds none."""
    import numpy as np
    import polars

    if column.dtype.is_temporal():
        dated = column.dtype in (polars.Date, polars.Datetime)
        return [Reading(None, column.to_numpy().astype("datetime64[us]"))] if dated else []
    if column.dtype != polars.String or not written(column).are_times:
        return []
    found: list[Reading] = []
    for form in time_formats(column):
        stamps = times_of(column, form)[0].to_numpy().astype("datetime64[us]")
        if not any(np.array_equal(stamps, other.stamps, equal_nan=True) for other in found):
            found.append(Reading(form, stamps))
    return found


def evenest(found: Sequence[Reading], series: np.ndarray | None = None) -> tuple[Reading, Steps, bool] | None:
    """The reading whose times rise in the most even steps in each series, those steps, and whether no other is as even;
    None where times rise in even steps in none.

    Args:
        series: which series each row belongs to, int64 (rows,); None: all to one.
    """
    stepped = [(each, steps) for each in found if (steps := _steps(each.stamps, series)) is not None]
    if not stepped:
        return None
    best, steps = max(stepped, key=lambda pair: pair[1].even)  # the first of equals
    alone = sum(other.even == steps.even for _, other in stepped) == 1
    return best, steps, alone


def _steps(stamps: np.ndarray, series: np.ndarray | None) -> Steps | None:
    import numpy as np

    own = np.zeros(len(stamps), np.int64) if series is None else series
    profile = profile_times(stamps, own)
    if profile is None or profile.missing or profile.repeated or profile.unordered or profile.step <= 0:
        return None
    order = np.argsort(own, kind="stable")
    same = np.diff(own[order]) == 0
    apart = (np.diff(stamps[order]) / np.timedelta64(1, "s"))[same]
    even = float((np.abs(apart / profile.step - 1) < 0.15).mean())  # months are of several lengths
    if even >= REGULAR:
        return Steps(profile.step, even)
    days = stamps[order].astype("datetime64[D]")
    if profile.step == DAY and np.is_busday(days).all():
        even = float((np.busday_count(days[:-1], days[1:])[same] == 1).mean())
        return Steps(DAY, even, working_days=True) if even >= REGULAR else None
    return None
