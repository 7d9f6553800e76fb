"""The last window of each series of new data: its rows, and what keeps it from being forecast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlrun.data.layout import Layout

if TYPE_CHECKING:
    import numpy as np

    from dlrun.data.series_windows import SeriesInput


@dataclass(frozen=True)
class EndFault:
    """Why a series cannot be forecast from its end.

    Args:
        told: a sentence that names the series.
        hint: what mends it.
    """

    told: str
    hint: str


@dataclass(frozen=True)
class SeriesEnd:
    """The last window of a series.

    Args:
        places: in the layout: those of the past steps, and of the horizon where it belongs to the window.
        fault: what is wrong with it; None where nothing is.
    """

    places: np.ndarray
    fault: EndFault | None


def series_ends(series: SeriesInput, layout: Layout, behind: np.ndarray, *, follows: bool) -> list[SeriesEnd]:
    """The end of each series, in the order of the layout.

    Args:
        behind: which places hold only what is known in advance, (places,) bool.
        follows: whether the steps of the horizon belong to a window.
    """
    import numpy as np

    ends = []
    for places in layout.parts():
        known = int(np.count_nonzero(~behind[places]))
        chosen = places[max(0, known - series.past) : known + (series.main.horizon if follows else 0)]
        of = f" of {series.by} {layout.names[layout.series[places[0]]]}" if layout.names else ""
        if follows and len(places) - known < series.main.horizon:
            fault: EndFault | None = _no_next(series, layout, places, known, of)
        else:
            fault = _no_past(series, layout, places, known, of) or _hole(series, layout, chosen, of)
        ends.append(SeriesEnd(chosen, fault))
    return ends


def _no_next(series: SeriesInput, layout: Layout, places: np.ndarray, known: int, of: str) -> EndFault:
    """That rows with what is known in advance are missing, and what to write."""
    there = len(places) - known
    found = f"there {'is 1' if there == 1 else f'are {there}'}" if there else "there is none"
    needed = "row" if series.main.horizon == 1 else f"{series.main.horizon} rows"
    *first, last = series.known
    columns = f"{', '.join(first)} and {last}" if first else last
    after = f"after row {layout.rows[places[known - 1]] + 1}" if known else "after a row with values"
    return EndFault(
        f"the forecast needs the next {needed}{of} {after}, with {columns}, but {found}",
        f"write them below, and leave {', '.join(series.unknown)} empty; "
        "or --every-window to forecast wherever the next rows are there",
    )


def _no_past(series: SeriesInput, layout: Layout, places: np.ndarray, known: int, of: str) -> EndFault | None:
    """That the series is too short."""
    if known >= series.past:
        return None
    there = "there is 1" if known == 1 else f"there are {known}" if known else "there is none"
    last = f", the last of them row {layout.rows[places[known - 1]] + 1}" if known else ""
    return EndFault(f"the forecast needs {_past(series)}{of}, but {there}{last}", "write earlier rows above them")


def _hole(series: SeriesInput, layout: Layout, chosen: np.ndarray, of: str) -> EndFault | None:
    """That rows are missing within the last window."""
    import numpy as np

    stamps = layout.stamps[chosen]
    holes = np.flatnonzero(np.diff(stamps) / np.timedelta64(1, "s") > 1.5 * series.main.step)
    if series.main.holes != "break" or not len(holes):
        return None
    before, after = (str(stamp).replace("T", " ").removesuffix(".000000") for stamp in stamps[holes[-1] :][:2])
    and_next = f" and the next {series.main.horizon}" if len(chosen) > series.past else ""
    return EndFault(
        f"the forecast needs {_past(series)}{and_next}{of}, but after {before} comes {after}",
        "write in the rows that are missing there; or --every-window to forecast wherever no hole is",
    )


def _past(series: SeriesInput) -> str:
    """The rows that the forecast begins from, in words."""
    rows = "the last row" if series.past == 1 else f"the last {series.past} rows"
    return rows if series.main.holes != "break" else f"{rows} without a hole"
