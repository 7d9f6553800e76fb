"""Dates and times of day: their parts as numbers, on a circle where they come again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from dlrun.data.columns import Column
from dlrun.data.features.number import usable
from dlrun.data.features.times import LABELS, NOT_A_TIME, Part, as_times, parts_of
from dlrun.data.features.values import Fault, as_text, missing_fault
from dlrun.data.signature import Input
from dlrun.data.written_times import or_month_first, time_formats
from dlrun.models.encoders import Encoder
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np
    from keras import KerasTensor


class Date(Spec):
    """A date or a time, as the parts that it consists of."""

    kind: Literal["date"]
    """A date or a time."""
    parts: Annotated[tuple[Part, ...], Field(min_length=1)] = ("year", "month", "day", "weekday")
    """Which parts enter the network: year, month, day (of the month), day_of_year, weekday, hour, minute."""
    cyclic: Literal["sine_cosine", "one_hot"] = "sine_cosine"
    """How all of them but the year do so: sine_cosine, as the point on a circle, so that December is next to January;
    one_hot, with a 1 at the value's place. The year is a number, with mean 0 and standard deviation 1 on the train
    rows."""
    format: Annotated[str, Field(min_length=1)] | None = None
    """How texts are written, such as %d.%m.%Y or %m/%d/%Y %H:%M (Python's strptime), and numbers, such as
    %Y%m%d. Left out: 2010-01-31, 2010-01-31 13:00 and the like (ISO 8601)."""
    missing: Literal["error", "zero"] = "zero"
    """What a missing time is: refused, or a zero for each of its numbers, which no time has on the circle."""
    missing_indicator: bool = False
    """Whether one more number, 0 or 1, tells the network that the time was missing."""
    encoder: Encoder | None = None
    """What reads this input in a combined architecture: an ann. Left out: it shares one input with all numbers and
    one-hot categories."""

    def takes(self, column: Column) -> bool:
        """Whether a column of that kind can be read so."""
        kinds = ("time", "text", "category", "unknown") + (("number",) if self.format else ())
        return column.kind in kinds and column.shape == ()

    def check(self) -> Iterator[Problem]:
        """Fields that contradict one another."""
        for index, part in enumerate(self.parts):
            if part in self.parts[:index]:
                yield Problem(("parts", index), f"{part} is named twice", hint="take one out")
        if self.missing_indicator and self.missing == "error":
            yield Problem(
                ("missing_indicator",),
                "no time is ever missing where a missing one is refused",
                expected="false, or missing: zero",
                received="true",
                hint="take it out, or write `missing: zero`",
            )

    def input(self, name: str, column: Column) -> Input | None:
        """The network's input."""
        return FittedDate(kind="date", spec=self, offset=0.0, scale=1.0).input(name)

    def faults(self, values: np.ndarray) -> list[Fault]:
        """What keeps the values from being read so."""
        if values.ndim != 1 or values.dtype.kind not in ("OMiuf" if self.format else "OM"):
            return [Fault("no time, and no text either", mend="format: '%Y%m%d' in the feature reads such numbers")]
        times, bad = as_times(values, self.format)
        if len(bad):
            return [Fault("no time", bad, repr(values[bad[0]]), self._mend(values, len(bad)))]
        if self.missing == "zero":
            return []
        what = "missing (missing: zero in the feature would take it)"
        return [Fault(what, fault.positions) for fault in missing_fault(times)]

    def _mend(self, values: np.ndarray, bad: int) -> str:
        """In which formats the values are times, where there is one that fits all of them, or what else to do.

        Args:
            bad: how many are no times as the spec has it.
        """
        import polars

        forms = time_formats(polars.Series(as_text(values), dtype=polars.String))
        if forms:
            return f'format: "{forms[0]}" in the feature{or_month_first(forms)}'
        return "mend the file" if 2 * bad < len(values) else "all have to be written in one way, which format says"

    def fit(self, values: np.ndarray, column: Column) -> FittedDate:
        """Learns from the times of the train rows, (rows,), which have no faults."""
        import numpy as np

        times = as_times(values, self.format)[0]
        years = times[~np.isnat(times)].astype("datetime64[Y]").astype(np.int64) + 1970
        offset, scale = (float(years.mean()), float(years.std())) if len(years) else (0.0, 1.0)
        return FittedDate(kind="date", spec=self, offset=offset, scale=usable(scale, offset))


class FittedDate(Spec):
    """The state of a `Date` after it has seen the train rows."""

    kind: Literal["date"]
    """Which feature this is the state of."""
    spec: Date
    """Which parts there are, and how they enter the network."""
    offset: float
    """What is subtracted from a year."""
    scale: float
    """What it is then divided by."""

    def input(self, name: str) -> Input:
        return Input(name, "vector", (len(self.names(name)),))

    def names(self, name: str) -> tuple[str, ...]:
        """What each number of the encoded vector is called."""
        names: list[str] = []
        for part in self.spec.parts:
            if part == "year":
                names.append(f"{name} year")
            elif self.spec.cyclic == "sine_cosine":
                names += [f"{name} {part} sine", f"{name} {part} cosine"]
            else:
                names += [f"{name} {part}={label}" for label in LABELS[part]]
        return tuple(names) + ((f"{name} is missing",) if self.spec.missing_indicator else ())

    def faults(self, values: np.ndarray) -> list[Fault]:
        """What keeps the values from being encoded."""
        return self.spec.faults(values)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """(rows,) to float32 (rows, numbers)."""
        import numpy as np

        microseconds = self.raw(values)
        missing = microseconds == NOT_A_TIME
        parts = parts_of(np.where(missing, 0, microseconds), np.floor_divide)
        years = (parts["year"].astype(np.float32) - np.float32(self.offset)) / np.float32(self.scale)
        encoded = [years if part == "year" else self._table(part)[parts[part][:, 0]] for part in self.spec.parts]
        numbers = np.where(missing, np.float32(0), np.concatenate(encoded, axis=1))
        return np.concatenate([numbers, missing], axis=1, dtype=np.float32) if self.spec.missing_indicator else numbers

    def raw(self, values: np.ndarray) -> np.ndarray:
        """(rows,) to what `raw_input` takes: int64 (rows, 1), microseconds since 1970-01-01 00:00, a missing one as
        NumPy writes it."""
        import numpy as np

        return as_times(values, self.spec.format)[0].astype(np.int64)[:, None]

    def _table(self, part: Part) -> np.ndarray:
        """What each value of a part becomes, float32 (values, numbers)."""
        import numpy as np

        count = len(LABELS[part])
        if self.spec.cyclic == "one_hot":
            return np.eye(count, dtype=np.float32)
        angles = np.arange(count) * (2 * np.pi / count)
        return np.stack([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)

    def raw_input(self, name: str) -> KerasTensor:
        import keras

        return keras.Input((1,), name=name, dtype="int64")

    def preprocess(self, raw: KerasTensor) -> KerasTensor:
        import numpy as np
        from keras import ops

        missing = ops.equal(raw, np.array([NOT_A_TIME]))
        parts = parts_of(ops.where(missing, ops.zeros_like(raw), raw), ops.floor_divide)
        years = ops.subtract(ops.cast(parts["year"], "float32"), self.offset)
        years = ops.divide(years, self.scale)
        encoded = [
            years if part == "year" else ops.take(self._table(part), parts[part][:, 0], axis=0)
            for part in self.spec.parts
        ]
        numbers = ops.where(missing, np.zeros(1, np.float32), ops.concatenate(encoded, axis=-1))
        if not self.spec.missing_indicator:
            return numbers
        return ops.concatenate([numbers, ops.cast(missing, "float32")], axis=-1)
