"""The times of a series: from when to when, in which step, and where some are missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dlrun.data.features import Series
from dlrun.data.features.values import SHOWN
from dlrun.data.layout import Layout
from dlrun.profile.finding import Finding, counted

if TYPE_CHECKING:
    import numpy as np

LONGER = 1.5
"""A time between two rows that is longer than so many steps is a hole, as for the windows of a series."""


@dataclass(frozen=True)
class TimeProfile:
    """A column of times in figures.

    Args:
        first, last: in ISO form.
        step: the median time from one row to the next, rows sorted by time and those of one time as one, in seconds.
        holes: how often the next row is more than one and a half steps away.
        repeated: rows whose time another row has too, the first of each apart.
        unordered: rows that come before, in time, the row that stands before them.
        missing: rows without a time.
    """

    first: str
    last: str
    step: float
    holes: int
    repeated: int
    unordered: int
    missing: int

    def tree(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def profile_times(stamps: np.ndarray, series: np.ndarray | None = None) -> TimeProfile | None:
    """The profile of times, datetime64 (rows,); None where there is none.

    Args:
        series: which series each row belongs to, int64 (rows,), each of which is looked at by itself; None: all to one.
    """
    import numpy as np

    given = ~np.isnat(stamps)
    if not given.any():
        return None
    present = stamps[given]
    own = np.zeros(len(present), np.int64) if series is None else series[given]

    def steps(order: np.ndarray) -> np.ndarray:
        """From one row to the next of the same series, in seconds."""
        same = np.diff(own[order]) == 0
        return np.asarray((np.diff(present[order]) / np.timedelta64(1, "s"))[same])

    apart = steps(np.lexsort((present, own)))
    step = float(np.median(apart[apart > 0])) if (apart > 0).any() else 0.0
    return TimeProfile(
        first=iso(present.min()),
        last=iso(present.max()),
        step=step,
        holes=int(np.count_nonzero(apart > LONGER * step)) if step else 0,
        repeated=int(np.count_nonzero(apart == 0)),
        unordered=int(np.count_nonzero(steps(np.argsort(own, kind="stable")) < 0)),
        missing=len(stamps) - len(present),
    )


def iso(stamp: np.datetime64) -> str:
    """2010-01-31 13:00:00, without a fraction of a second that is zero, and a whole day without its midnight."""
    return str(stamp.astype("datetime64[us]")).replace("T", " ").removesuffix(".000000").removesuffix(" 00:00:00")


def look_at_times(name: str, layout: Layout, series: Series) -> Iterator[Finding]:
    """Holes in the times of a series, across which no window reaches.

    Args:
        name: of the column of times.
        layout: the rows, series by series, each rising in time.
    """
    import numpy as np

    apart = np.diff(layout.stamps) / np.timedelta64(1, "s")
    same = np.diff(layout.series) == 0
    step = float(np.median(apart[same])) if same.any() else 0.0
    holes = np.flatnonzero(same & (apart > LONGER * step))
    if series.holes == "ignore" or not len(holes):
        return
    shown = ", ".join(f"after row {layout.rows[at] + 1}, {iso(layout.stamps[at])}" for at in holes[:3])
    lost = len(holes) * ((series.window or 1) + (series.horizon or 1) - 1)
    what = (
        f"{counted(len(holes), 'hole')} in {name} ({shown}{', …' if len(holes) > 3 else ''}): no window reaches across "
        f"one, which costs up to {lost:,} of them"
    )
    mend = "fill the rows in, or, where rows follow one another whatever their times (trading days), holes: ignore"
    yield Finding("holes", what, mend, len(holes), tuple((layout.rows[holes[:SHOWN]] + 1).tolist()), (name,))
