"""Arrays in order of time: how far their steps are apart, where they break off, their changes and windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np


def usual_step(stamps: np.ndarray, ids: np.ndarray | None) -> float:
    """The median time from one row to the next of the same series, in seconds; 0 where none has two rows.

    Args:
        stamps: the time of each row, datetime64[us] (rows,).
        ids: which series each row belongs to, (rows,), those of one side by side; None: all to one.
    """
    import numpy as np

    seconds = np.diff(stamps) / np.timedelta64(1, "s")
    same = np.ones(len(seconds), bool) if ids is None else ids[1:] == ids[:-1]
    return float(np.median(seconds[same])) if same.any() else 0.0


def breaks_before(
    stamps: np.ndarray, ids: np.ndarray | None, step: float, holes: Literal["break", "ignore"]
) -> np.ndarray:
    """How many times, up to each row, another series or a hole came before it: what lies between two rows with the same
    number is whole, (rows,) int64. Arguments as of `usual_step` and of `FittedSeries`."""
    import numpy as np

    breaks = np.zeros(len(stamps) - 1, bool) if ids is None else ids[1:] != ids[:-1]
    if holes == "break":
        breaks |= np.diff(stamps) / np.timedelta64(1, "s") > 1.5 * step
    return np.concatenate([[0], np.cumsum(breaks)])


def changes(values: np.ndarray, difference: int) -> np.ndarray:
    """How much each value differs from the one `difference` before, (rows,); NaN for the first ones."""
    import numpy as np

    found = np.full(len(values), np.nan, values.dtype)
    found[difference:] = values[difference:] - values[:-difference]
    return found


def windows(values: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """The `length` values from each start on, (rows, …) to (starts, length, …)."""
    import numpy as np

    if not len(starts):
        return np.zeros((0, length, *values.shape[1:]), values.dtype)
    found: np.ndarray = np.lib.stride_tricks.sliding_window_view(values, length, axis=0)[starts]
    return np.moveaxis(found, -1, 1)
