"""The rows of a table as series: one behind the other, each in order of time, and where windows end in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dlrun.data.columns import Table
from dlrun.data.features.series import FittedSeries
from dlrun.data.features.steps import windows
from dlrun.data.features.values import as_numbers, as_text
from dlrun.errors import DataError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Layout:
    """The rows of a table, series by series, each in order of time.

    Args:
        rows: which row stands at each place, int64 (places,); -1 for a step behind the last row of a series.
        stamps: their times, datetime64[us] (places,).
        series: which series each belongs to, counted from 0, int64 (places,).
        names: of the series, as text; None where the table is one series.
    """

    rows: np.ndarray
    stamps: np.ndarray
    series: np.ndarray
    names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def ids(self) -> np.ndarray | None:
        """The name of the series of each place, (places,) object; None where there is one."""
        import numpy as np

        return None if self.names is None else np.array(self.names, object)[self.series]

    def kept(self, places: np.ndarray) -> Layout:
        """Some of the places, (kept,) positions or true where kept."""
        return replace(self, rows=self.rows[places], stamps=self.stamps[places], series=self.series[places])

    def take(self, values: np.ndarray) -> np.ndarray:
        """The numbers of a column, float64 (places,); NaN where there is no row."""
        import numpy as np

        numbers: np.ndarray = as_numbers(values)[0][self.rows]
        numbers[self.rows < 0] = np.nan
        return numbers

    def parts(self) -> list[np.ndarray]:
        """The places of each series."""
        import numpy as np

        return np.split(np.arange(len(self)), np.flatnonzero(np.diff(self.series)) + 1) if len(self) else []

    def extended(self, series: FittedSeries) -> Layout:
        """With the steps of one horizon behind the last row of each series."""
        import numpy as np

        rows, stamps, numbers = [], [], []
        for places in self.parts():
            times = self.stamps[places]
            next_times = series.next_times(times, np.array([len(times) - 1]))[0]
            rows += [self.rows[places], np.full(series.horizon, -1)]
            stamps += [times, next_times]
            numbers.append(np.full(len(times) + series.horizon, self.series[places[0]]))
        return Layout(np.concatenate(rows), np.concatenate(stamps), np.concatenate(numbers), self.names)


def lay_out(table: Table, time: str, by: str | None, rows: np.ndarray | None = None) -> Layout:
    """The rows of a table, series by series.

    Args:
        time: the column with the time of each row.
        by: the column that tells the series apart.
        rows: which rows, (n,), sorted; None: all.

    Raises:
        DataError: the times of a series do not rise, or are none.
    """
    try:
        return _lay_out(table, time, by, rows)
    except DataError as error:
        raise DataError(f"{table.name}: {error.message}", hint=error.hint) from None


def _lay_out(table: Table, time: str, by: str | None, rows: np.ndarray | None) -> Layout:
    import numpy as np

    rows = np.arange(len(table), dtype=np.int64) if rows is None else rows
    stamps = table.columns[time][rows]
    if stamps.dtype.kind != "M":
        raise DataError(f"the column {time} does not hold times")
    if by is None:
        check_stamps(stamps, time, rows)
        return Layout(rows, stamps, np.zeros(len(rows), np.int64))
    names, series = numbered(table.columns[by][rows])
    order = np.argsort(series, kind="stable")
    layout = Layout(rows[order], stamps[order], series[order], names)
    for places in layout.parts():
        name = names[layout.series[places[0]]]
        check_stamps(layout.stamps[places], time, layout.rows[places], of=f"{by} {name}")
    return layout


def numbered(ids: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """The different names, sorted, and which of them each row has, int64 (rows,)."""
    import numpy as np

    names, numbers = np.unique(np.array([text or "" for text in as_text(ids)], str), return_inverse=True)
    return tuple(names.tolist()), numbers.astype(np.int64)


@dataclass(frozen=True)
class Past:
    """Where the forecasts of a series begin, and what came before.

    Args:
        layout: the rows, series by series.
        origins: the places of the last past steps, (windows,).
        values: of the target, in the units of the data, float64 (places,); None where it was not given.
    """

    layout: Layout
    origins: np.ndarray
    values: np.ndarray | None = None

    @property
    def rows(self) -> np.ndarray:
        """The rows of the last past steps, (windows,)."""
        rows: np.ndarray = self.layout.rows[self.origins]
        return rows

    @property
    def ids(self) -> np.ndarray | None:
        """The name of the series of each window, (windows,) object; None where there is one."""
        import numpy as np

        names = self.layout.names
        return None if names is None else np.array(names, object)[self.layout.series[self.origins]]

    def part(self, windows: slice | np.ndarray) -> Past:
        """Some of the windows."""
        return replace(self, origins=self.origins[windows])

    @property
    def time_index(self) -> np.ndarray:
        """Which of all the times of the rows, counted from 0, is that of the last past step, (windows,)."""
        import numpy as np

        index: np.ndarray = np.unique(self.layout.stamps, return_inverse=True)[1][self.origins]
        return index

    def last(self, steps: int) -> np.ndarray:
        """The last values of the target that are known, (windows, steps), oldest first."""
        if self.values is None:
            raise ValueError("the target's past is not known")
        return windows(self.values, self.origins - steps + 1, steps)

    def next_times(self, series: FittedSeries, *, given: bool) -> np.ndarray:
        """The times of the steps that are forecast, datetime64[us] (windows, horizon).

        Args:
            given: whether their rows are there.
        """
        import numpy as np

        if given:
            return windows(self.layout.stamps, self.origins + 1, series.horizon)
        found = np.empty((len(self.origins), series.horizon), "datetime64[us]")
        order = np.argsort(self.origins, kind="stable")
        for places in self.layout.parts():
            first, last = np.searchsorted(self.origins[order], [places[0], places[-1] + 1])
            own = order[first:last]
            found[own] = series.next_times(self.layout.stamps[places], self.origins[own] - places[0])
        return found


def check_stamps(stamps: np.ndarray, name: str, rows: np.ndarray | None = None, of: str = "") -> None:
    """That the times of a series are there, all different, and rise.

    Args:
        rows: the row of each time, (rows,); None: they are numbered through.
        of: which series it is, such as `store a`; empty where there is one.

    Raises:
        DataError: with the first row where they are not.
    """
    import numpy as np

    rows = np.arange(len(stamps)) if rows is None else rows
    missing = np.flatnonzero(np.isnat(stamps))
    if len(missing):
        raise DataError(
            f"row {rows[missing[0]] + 1} has no time in the column {name}", hint="remove the row, or write it in"
        )
    steps = np.diff(stamps) / np.timedelta64(1, "us")
    wrong = np.flatnonzero(steps <= 0)
    if not len(wrong):
        return
    row = int(wrong[0]) + 1
    before, here = (str(stamp).replace("T", " ").removesuffix(".000000") for stamp in (stamps[row - 1], stamps[row]))
    what = "the same time as" if steps[row - 1] == 0 else f"an earlier time, {here}, than"
    raise DataError(
        f"the times of a series must rise, but in the column {name} row {rows[row] + 1} has {what} the row before"
        + (f" of {of}" if of else "")
        + f", {before}"
        + (f"; {len(wrong)} rows are like that" if len(wrong) > 1 else ""),
        hint="sort the rows by time and keep one for each"
        + ("" if of else "; if the table holds several series, data: {series_by: <column>} tells them apart"),
    )
