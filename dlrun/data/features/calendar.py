"""The calendar: hour, weekday, month and day of the year of each step, known in advance by nature."""

from __future__ import annotations

from math import tau
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from dlrun.data.columns import Column
from dlrun.data.features.values import Fault, missing_fault
from dlrun.data.signature import Input
from dlrun.spec.base import Spec

if TYPE_CHECKING:
    import numpy as np
    from keras import KerasTensor

Part = Literal["hour", "weekday", "month", "day_of_year"]

DAY = 86400

PERIODS: dict[Part, float] = {"hour": DAY, "weekday": 7, "month": 12, "day_of_year": 365.25}
"""After how much each part repeats itself: seconds, days, months, days."""


class FittedCalendar(Spec):
    """A `Calendar` with the window and the horizon of its series."""

    kind: Literal["calendar"]
    """Which feature this is."""
    parts: tuple[Part, ...]
    """What of the time enters the network."""
    window: int
    """How many past steps enter the network."""
    horizon: int
    """How many steps after each of them is the time that it stands for."""

    def input(self, name: str) -> Input:
        return Input(name, "series", (self.window, 2 * len(self.parts)), variables=self.names(name))

    def names(self, name: str) -> tuple[str, ...]:
        """What each number of a step is called."""
        return calendar_names(self.parts, self.horizon)

    def faults(self, values: np.ndarray) -> list[Fault]:
        """What keeps the times from being encoded."""
        return _faults(values)

    def encode(self, stamps: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """datetime64[us] (rows,) to float32 (windows, window, 2 parts): of the time `horizon` steps after each step.

        Args:
            origins: the positions of the last past steps, (windows,); `horizon` rows follow on each.
        """
        import numpy as np

        seconds = seconds_of(stamps)
        encoded = np.empty((len(stamps), 2 * len(self.parts)), np.float32)
        for index, part in enumerate(self.parts):
            angle = phase(seconds, part).astype(np.float32) * np.float32(tau / PERIODS[part])
            encoded[:, 2 * index], encoded[:, 2 * index + 1] = np.sin(angle), np.cos(angle)
        first = origins[:, None] + self.horizon - self.window + 1
        return np.asarray(encoded[first + np.arange(self.window)])

    def raw_input(self, name: str) -> KerasTensor:
        import keras

        return keras.Input((self.window + self.horizon, 1), name=name, dtype="int64")

    def preprocess(self, raw: KerasTensor) -> KerasTensor:
        """The same as `encode`, built of Keras layers: raw are seconds since 1970, (batch, window + horizon, 1)."""
        from keras import ops

        later = raw[:, self.horizon :]
        angles = [ops.multiply(ops.cast(phase(later, part), "float32"), tau / PERIODS[part]) for part in self.parts]
        return ops.concatenate([of(angle) for angle in angles for of in (ops.sin, ops.cos)], axis=-1)


class Calendar(Spec):
    """What the time column of series says of the steps that are predicted."""

    kind: Literal["calendar"]
    """Hour, weekday, month or day of the year of the steps that are predicted; for the time column of series."""
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]
    """What of the time enters the network, each as sine and cosine: hour (the time of day, to the second), weekday,
    month, day_of_year."""

    def takes(self, column: Column) -> bool:
        """Whether a column of that kind can be read so."""
        return column.kind in ("time", "unknown")

    def fitted(self, window: int, horizon: int) -> FittedCalendar:
        """The same for a window and a horizon; it learns nothing from the data."""
        return FittedCalendar(kind="calendar", parts=self.parts, window=window, horizon=horizon)

    def input(self, name: str, column: Column) -> Input | None:
        """None: it has no input of its own, but enters with its series."""
        return None

    def faults(self, values: np.ndarray) -> list[Fault]:
        """What keeps the times from being read so."""
        return _faults(values)


def calendar_names(parts: tuple[Part, ...], horizon: int) -> tuple[str, ...]:
    """What each number is called that a calendar adds to a step."""
    return tuple(f"{of}({part} +{horizon})" for part in parts for of in ("sin", "cos"))


def seconds_of(stamps: np.ndarray) -> np.ndarray:
    """Times as whole seconds since 1970, int64 of the same shape."""
    import numpy as np

    return np.floor_divide(stamps.astype("datetime64[us]").astype(np.int64), 1_000_000)


def phase(seconds: Any, part: Part) -> Any:
    """How far a time is within its day (seconds), week, year (months; days), from 0: whole numbers.

    Args:
        seconds: since 1970, int64; a NumPy array or a tensor of Keras, of which the same is made.

    The date is counted from 1 March, as in H. Hinnant, "chrono-compatible low-level date algorithms" (2021),
    `civil_from_days`.
    """
    days = seconds // DAY
    match part:
        case "hour":
            return seconds - DAY * days
        case "weekday":
            return (days + 3) % 7  # 1970 began on a Thursday; 0 is Monday
    since = days + 719_468  # 1 March of the year 0
    era = since // 146_097  # of 400 years
    day = since - 146_097 * era
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    from_march = day - (365 * year + year // 4 - year // 100)
    month = (5 * from_march + 2) // 153  # 0 is March
    early = month // 10  # 1 in January and February, which belong to the next year
    if part == "month":
        return month + 2 - 12 * early
    leap = _divides(4, year) - _divides(100, year) + _divides(400, year)
    return (1 - early) * (from_march + 59 + leap) + early * (from_march - 306)


def _divides(divisor: int, number: Any) -> Any:
    """1 where it does, else 0."""
    return 1 - (number % divisor + divisor - 1) // divisor


def _faults(values: np.ndarray) -> list[Fault]:
    return missing_fault(values) if values.dtype.kind == "M" else [Fault("no time")]
