"""Series: windows of the past, from which the next steps are predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from dlrun.data.columns import Column
from dlrun.data.features.number import usable
from dlrun.data.features.values import Fault, as_numbers, missing_fault
from dlrun.data.signature import Input
from dlrun.errors import DataError
from dlrun.models.encoders import Encoder
from dlrun.spec.base import Spec

if TYPE_CHECKING:
    import numpy as np
    from keras import KerasTensor


class FittedSeries(Spec):
    """The state of a `Series` after it has seen the train rows: `(value - offset) / scale`, in float32."""

    kind: Literal["series"]
    """Which feature this is the state of."""
    window: int
    """How many past steps enter the network."""
    horizon: int
    """How many next steps are predicted."""
    step: float
    """The time from one row to the next, in seconds: the median of the train rows."""
    holes: Literal["break", "ignore"]
    """Whether a window may reach across a hole in the time stamps."""
    offset: float
    """What is subtracted from a value."""
    scale: float
    """What it is then divided by."""

    def input(self, name: str) -> Input:
        return Input(name, "series", (self.window, 1))

    def faults(self, values: np.ndarray) -> list[Fault]:
        """What keeps the values from being encoded."""
        return one_number_faults(values)

    def origins(self, stamps: np.ndarray, ahead: int) -> np.ndarray:
        """Where windows end: the positions of their last past step, (windows,) int64.

        Args:
            stamps: the time of each row, datetime64[us] (rows,), which `check_stamps` has let pass.
            ahead: how many rows behind the window belong to the example, `horizon` or 0.
        """
        import numpy as np

        first, last = self.window - 1, len(stamps) - ahead
        positions: np.ndarray = np.arange(first, max(first, last), dtype=np.int64)
        if self.holes == "ignore" or not len(positions):
            return positions
        seconds = np.diff(stamps) / np.timedelta64(1, "s")
        holes = np.concatenate([[0], np.cumsum(seconds > 1.5 * self.step)])  # how many lie before each row
        whole: np.ndarray = positions[holes[positions - first] == holes[positions + ahead]]
        return whole

    def encode(self, values: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """(rows,) to float32 (windows, window, 1)."""
        import numpy as np

        scaled = as_numbers(values)[0].astype(np.float32)
        scaled -= np.float32(self.offset)
        scaled /= np.float32(self.scale)
        return windows(scaled, origins - self.window + 1, self.window)[:, :, None]

    def next_times(self, stamps: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """The times of the steps that are predicted, datetime64[us] (windows, horizon).

        Rows that stand on one day of the month each follow one another by months, others by `step`. Where rows follow
        one another whatever their times, the next times are not known: NaT.

        Args:
            stamps: the time of each row, datetime64[us] (rows,).
            origins: the positions of the last past steps, (windows,).
        """
        import numpy as np

        ahead, last = np.arange(1, self.horizon + 1), stamps[origins][:, None]
        if self.holes == "ignore":
            return np.full((len(origins), self.horizon), np.datetime64("NaT", "us"))
        months = stamps.astype("datetime64[M]")
        apart, within = np.unique(np.diff(months).astype(np.int64)), np.unique(stamps - months)
        if len(apart) == 1 and apart[0] > 0 and len(within) == 1:
            return np.asarray((last.astype("datetime64[M]") + ahead * apart[0]).astype("datetime64[us]") + within[0])
        return np.asarray(last + ahead * np.timedelta64(round(self.step * 1e6), "us"))

    def raw_input(self, name: str) -> KerasTensor:
        import keras

        return keras.Input((self.window, 1), name=name, dtype="float32")

    def preprocess(self, raw: KerasTensor) -> KerasTensor:
        from keras import ops

        return ops.divide(ops.subtract(raw, self.offset), self.scale)


class Series(Spec):
    """Numbers in order of time."""

    kind: Literal["series"]
    """Numbers in order of time."""
    window: Annotated[int, Field(ge=1)]
    """How many past steps (rows) enter the network."""
    horizon: Annotated[int, Field(ge=1)] = 1
    """How many next steps of the target are predicted at once."""
    normalise: Literal["standard", "min_max", "none"] = "standard"
    """standard: to mean 0 and standard deviation 1 on the train rows; min_max: to 0 … 1 on the train rows; none."""
    holes: Literal["break", "ignore"] = "break"
    """break: no window reaches across a hole, which is a time between two rows of more than one and a half steps;
    ignore: rows follow one another whatever their times (trading days)."""
    encoder: Encoder | None = None
    """What reads this input in a combined architecture: an architecture, its last dense layers
    included. Left out: an lstm."""

    def takes(self, column: Column) -> bool:
        """Whether a column of that kind can be read so."""
        return column.kind in ("number", "unknown") and column.shape == ()

    def input(self, name: str, column: Column) -> Input | None:
        """The network's input."""
        return Input(name, "series", (self.window, 1))

    def faults(self, values: np.ndarray) -> list[Fault]:
        """What keeps the values from being read so."""
        return one_number_faults(values)

    def fit(self, values: np.ndarray, column: Column, stamps: np.ndarray) -> FittedSeries:
        """Learns from the values and times of the train rows, (rows,) each.

        Raises:
            DataError: there are fewer than two rows.
        """
        import numpy as np

        if len(values) < 2:
            raise DataError(f"a series needs at least 2 train rows, but there is {len(values)}")
        numbers = as_numbers(values)[0]
        match self.normalise:
            case "standard":
                offset, scale = numbers.mean(), numbers.std()
            case "min_max":
                offset, scale = numbers.min(), numbers.max() - numbers.min()
            case "none":
                offset, scale = 0.0, 1.0
        return FittedSeries(
            kind="series",
            window=self.window,
            horizon=self.horizon,
            step=float(np.median(np.diff(stamps) / np.timedelta64(1, "s"))),
            holes=self.holes,
            offset=float(offset),
            scale=usable(scale, offset),
        )


def one_number_faults(values: np.ndarray) -> list[Fault]:
    """What keeps values from being one number a row, none missing."""
    if values.ndim != 1:
        return [Fault("not one number a row")]
    numbers, faults = as_numbers(values)
    return faults or missing_fault(numbers)


def windows(values: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """The `length` values from each start on, (starts, length)."""
    import numpy as np

    if not len(starts):
        return np.zeros((0, length), values.dtype)
    found: np.ndarray = np.lib.stride_tricks.sliding_window_view(values, length)[starts]
    return found


def check_stamps(stamps: np.ndarray, name: str) -> None:
    """That the times of a series are there, all different, and rise.

    Raises:
        DataError: with the first row where they are not.
    """
    import numpy as np

    missing = np.flatnonzero(np.isnat(stamps))
    if len(missing):
        raise DataError(f"row {missing[0] + 1} has no time in the column {name}", hint="remove the row, or write it in")
    steps = np.diff(stamps) / np.timedelta64(1, "us")
    wrong = np.flatnonzero(steps <= 0)
    if not len(wrong):
        return
    row = int(wrong[0]) + 1
    before, here = (str(stamp).replace("T", " ").removesuffix(".000000") for stamp in (stamps[row - 1], stamps[row]))
    what = "the same time as" if steps[row - 1] == 0 else f"an earlier time, {here}, than"
    raise DataError(
        f"the times of a series must rise, but in the column {name} row {row + 1} has {what} the row before, {before}"
        + (f"; {len(wrong)} rows are like that" if len(wrong) > 1 else ""),
        hint="sort the rows by time and keep one for each",
    )
