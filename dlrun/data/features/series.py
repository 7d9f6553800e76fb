"""Series: windows of the past, from which the next steps are predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from dlrun.data.columns import Column
from dlrun.data.features.number import usable
from dlrun.data.features.scales import raw_scales, scales
from dlrun.data.features.steps import breaks_before, changes, usual_step, windows
from dlrun.data.features.values import Fault, as_numbers, one_number_faults
from dlrun.data.signature import Input
from dlrun.errors import DataError
from dlrun.models.encoders import Encoder
from dlrun.spec.base import Spec

if TYPE_CHECKING:
    import numpy as np
    from keras import KerasTensor


class FittedSeries(Spec):
    """The state of a `Series` after it has seen the train rows: `(value - offset) / scale`, in float32; with
    `difference`, of the change since that many rows before."""

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
    known: bool = False
    """Whether its values are known for the steps that are predicted."""
    difference: int | None = None
    """How many rows before is what a value is compared with; none where the value itself enters the network."""
    each: dict[str, tuple[float, float]] | None = None
    """Offset and scale of each series; none where all share one. Offset 0 and scale 1 then stand above."""

    @property
    def past(self) -> int:
        """How many rows, up to the last known one, an example needs."""
        return self.window + (self.difference or 0)

    def input(self, name: str) -> Input:
        return Input(name, "series", (self.window, 1 + self.known), variables=self.names(name))

    def names(self, name: str) -> tuple[str, ...]:
        """What each number of a step is called."""
        return variables(name, self.horizon, self.known)

    def faults(self, values: np.ndarray) -> list[Fault]:
        """What keeps the values from being encoded."""
        return one_number_faults(values)

    def origins(
        self, stamps: np.ndarray, ahead: int, *, past: int | None = None, series: np.ndarray | None = None
    ) -> np.ndarray:
        """Where windows end: the positions of their last past step, (windows,) int64.

        Args:
            stamps: the time of each row, datetime64[us] (rows,), which `check_stamps` has let pass.
            ahead: how many rows behind the window belong to the example, `horizon` or 0.
            past: how many rows up to the last past step belong to it; None: the window.
            series: which series each row belongs to, (rows,), those of one side by side; None: all to one.
        """
        import numpy as np

        first = (self.window if past is None else past) - 1
        last = len(stamps) - ahead
        positions: np.ndarray = np.arange(first, max(first, last), dtype=np.int64)
        if not len(positions):
            return positions
        before = breaks_before(stamps, series, self.step, self.holes)
        whole: np.ndarray = positions[before[positions - first] == before[positions + ahead]]
        return whole

    def encode(self, values: np.ndarray, ids: np.ndarray | None = None) -> np.ndarray:
        """(rows,) to float32 (rows, 1), of which `windows` are made.

        Args:
            ids: the name of the series of each row, (rows,), where each is scaled by itself.
        """
        import numpy as np

        scaled = as_numbers(values)[0].astype(np.float32)
        if self.difference is not None:
            scaled = changes(scaled, self.difference)
        offset, scale = scales(self, ids)
        scaled -= np.asarray(offset, np.float32)
        scaled /= np.asarray(scale, np.float32)
        return scaled[:, None]

    def windows(self, encoded: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """(rows, 1) to (windows, window, 1); known ones to (windows, window, 2): each step's value, and that `horizon`
        steps after it, so that the last of the window is the last of the horizon.

        Args:
            encoded: as `encode` gives it.
            origins: the positions of the last past steps, (windows,).
        """
        import numpy as np

        first = origins - self.window + 1
        found = windows(encoded, first, self.window)
        if not self.known:
            return found
        return np.concatenate([found, windows(encoded, first + self.horizon, self.window)], axis=2)

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

        steps = self.past + (self.horizon if self.known else 0)
        return keras.Input((steps, 1), name=name, dtype="float32")

    def preprocess(self, raw: KerasTensor, series: KerasTensor | None = None) -> KerasTensor:
        """The same as `encode`, built of Keras layers.

        Args:
            raw: (batch, past, 1), or, of a known one, (batch, past + horizon, 1).
            series: the name of the series, (batch, 1), where each is scaled by itself.
        """
        from keras import ops

        if self.difference is not None:
            raw = ops.subtract(raw[:, self.difference :], raw[:, : -self.difference])
        offset, scale = raw_scales(self, series)
        scaled = ops.divide(ops.subtract(raw, offset), scale)
        if not self.known:
            return scaled
        return ops.concatenate([scaled[:, : self.window], scaled[:, self.horizon :]], axis=-1)


class Series(Spec):
    """Numbers in order of time."""

    kind: Literal["series"]
    """Numbers in order of time."""
    window: Annotated[int, Field(ge=1)] | None = None
    """How many past steps (rows) enter the network. Said by one series; others may leave it out."""
    horizon: Annotated[int, Field(ge=1)] | None = None
    """How many next steps of the target are predicted at once. Left out: as another series says, or else 1."""
    known: bool = False
    """Whether the values are known in advance for the steps that are predicted: prices, holidays, plans. They enter
    the network too: each step has its own value and that `horizon` steps after it."""
    difference: Annotated[int, Field(ge=1)] | None = None
    """The network sees, and of the target says, how much a value differs from the one this many rows before: 1, or a
    season such as 24. Forecasts are summed up again. Left out: the values themselves."""
    normalise: Literal["standard", "min_max", "none"] = "standard"
    """standard: to mean 0 and standard deviation 1 on the train rows; min_max: to 0 … 1 on the train rows; none."""
    normalise_each: bool = False
    """Whether each series of `series_by` is normalised by its own train rows. For stores of different sizes; a series
    that the train rows do not have can then not be forecast."""
    holes: Literal["break", "ignore"] | None = None
    """break: no window reaches across a hole, which is a time between two rows of more than one and a half steps;
    ignore: rows follow one another whatever their times (trading days). Left out: as another series says, or else
    break."""
    encoder: Encoder | None = None
    """What reads this input in a combined architecture: an architecture, its last dense layers
    included. Left out: an lstm."""

    def takes(self, column: Column) -> bool:
        """Whether a column of that kind can be read so."""
        return column.kind in ("number", "unknown") and column.shape == ()

    def input(self, name: str, column: Column) -> Input | None:
        """The network's input, were it the only feature; None where another one says the window."""
        return None if self.window is None else Input(name, "series", (self.window, 1), variables=(name,))

    def faults(self, values: np.ndarray) -> list[Fault]:
        """What keeps the values from being read so."""
        return one_number_faults(values)

    def fit(
        self, values: np.ndarray, column: Column, stamps: np.ndarray, ids: np.ndarray | None = None
    ) -> FittedSeries:
        """Learns from the values and times of the train rows, (rows,) each.

        Args:
            ids: the name of the series of each row, those of one side by side; None where there is one.

        Raises:
            DataError: there are fewer than two rows, or changes.
        """
        import numpy as np

        if self.window is None:
            raise ValueError("the data section is not resolved")
        if len(values) < 2:
            raise DataError(f"a series needs at least 2 train rows, but there is {len(values)}")
        numbers, holes, step = as_numbers(values)[0], self.holes or "break", usual_step(stamps, ids)
        if self.difference is not None:
            before = breaks_before(stamps, ids, step, holes)
            whole = np.zeros(len(values), bool)
            whole[self.difference :] = before[self.difference :] == before[: -self.difference]
            numbers, ids = changes(numbers, self.difference)[whole], None if ids is None else ids[whole]
            if len(numbers) < 2:
                raise DataError(f"a difference of {self.difference} needs more train rows than {len(values)}")
        each = self._scales(numbers, ids) if self.normalise_each and ids is not None else None
        offset, scale = self._scale(numbers) if each is None else (0.0, 1.0)
        return FittedSeries(
            kind="series",
            window=self.window,
            horizon=self.horizon or 1,
            step=step,
            holes=holes,
            offset=offset,
            scale=scale,
            known=self.known,
            difference=self.difference,
            each=each,
        )

    def _scales(self, numbers: np.ndarray, ids: np.ndarray) -> dict[str, tuple[float, float]]:
        """Offset and scale of each series, by its name."""
        import numpy as np

        first = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
        parts = np.split(numbers, first[1:])
        return {str(ids[at]): self._scale(part) for at, part in zip(first, parts, strict=True)}

    def _scale(self, numbers: np.ndarray) -> tuple[float, float]:
        """Offset and scale of some numbers."""
        match self.normalise:
            case "standard":
                offset, scale = numbers.mean(), numbers.std()
            case "min_max":
                offset, scale = numbers.min(), numbers.max() - numbers.min()
            case "none":
                offset, scale = 0.0, 1.0
        return float(offset), usable(scale, offset)


def variables(name: str, horizon: int, known: bool) -> tuple[str, ...]:
    """What each number is called that a series adds to a step."""
    return (name, f"{name} +{horizon}") if known else (name,)
