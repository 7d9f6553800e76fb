"""Numbers: missing ones filled, brought to one scale."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Literal

from dlrun.data.columns import Column
from dlrun.data.features.values import Fault, as_numbers, missing_fault
from dlrun.data.signature import Input
from dlrun.models.encoders import Encoder
from dlrun.spec.base import Spec

if TYPE_CHECKING:
    import numpy as np
    from keras import KerasTensor


class FittedNumber(Spec):
    """The state of a `Number` after it has seen the train rows: `(value - offset) / scale`, in float32."""

    kind: Literal["number"]
    """Which feature this is the state of."""
    offset: tuple[float, ...]
    """What is subtracted: the mean, the least value, or 0; one for each number in a row of them."""
    scale: tuple[float, ...]
    """What it is divided by: the standard deviation, the range, or 1."""
    fill: tuple[float, ...] | None
    """What stands in for a missing value; none where a missing value is an error."""

    def input(self, name: str) -> Input:
        return Input(name, "vector", (len(self.offset),))

    def names(self, name: str) -> tuple[str, ...]:
        """What each number of the encoded vector is called."""
        return (name,) if len(self.offset) == 1 else tuple(f"{name}[{index}]" for index in range(len(self.offset)))

    def faults(self, values: np.ndarray) -> list[Fault]:
        """What keeps the values from being encoded."""
        size = prod(values.shape[1:])
        if size != len(self.offset):
            return [Fault(f"{size} numbers in a row, where the model takes {len(self.offset)}")]
        return _faults(values, missing_too=self.fill is None)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """(rows,) or (rows, size) to float32 (rows, size)."""
        import numpy as np

        numbers = _columns(as_numbers(values)[0].astype(np.float32))
        if self.fill is not None:
            numbers = np.where(np.isnan(numbers), np.array(self.fill, np.float32), numbers)
        numbers -= np.array(self.offset, np.float32)
        numbers /= np.array(self.scale, np.float32)
        return numbers

    def raw_input(self, name: str) -> KerasTensor:
        import keras

        return keras.Input((len(self.offset),), name=name, dtype="float32")

    def preprocess(self, raw: KerasTensor) -> KerasTensor:
        import numpy as np
        from keras import ops

        filled = raw if self.fill is None else ops.where(ops.isnan(raw), np.array(self.fill, np.float32), raw)
        centred = ops.subtract(filled, np.array(self.offset, np.float32))
        return ops.divide(centred, np.array(self.scale, np.float32))


class Number(Spec):
    """A number, or a row of numbers."""

    kind: Literal["number"]
    """A number."""
    normalise: Literal["standard", "min_max", "none"] = "standard"
    """standard: to mean 0 and standard deviation 1 on the train rows; min_max: to 0 … 1 on the train rows; none.
    A column that is constant there becomes 0."""
    missing: Literal["error", "mean", "median", "zero"] = "mean"
    """What stands in for a missing value: mean or median of the train rows, zero; error: it is refused."""
    encoder: Encoder | None = None
    """What reads this input in a combined architecture: an ann. Left out: it shares one input with all
    other numbers and one-hot categories."""

    def takes(self, column: Column) -> bool:
        """Whether a column of that kind can be read so."""
        return column.kind in ("number", "unknown") or column.classes == ("false", "true")

    def input(self, name: str, column: Column) -> Input | None:
        """The network's input."""
        return Input(name, "vector", (prod(column.shape),))

    def faults(self, values: np.ndarray) -> list[Fault]:
        """What keeps the values from being read so."""
        return _faults(values, missing_too=self.missing == "error")

    def fit(self, values: np.ndarray, column: Column) -> FittedNumber:
        """Learns from the values of the train rows, (rows,) or (rows, size), which have no faults."""
        import numpy as np

        numbers = _columns(as_numbers(values)[0])
        present = [each[~np.isnan(each)] for each in numbers.T]
        present = [each if len(each) else np.zeros(1) for each in present]
        match self.normalise:
            case "standard":
                offset, scale = [each.mean() for each in present], [each.std() for each in present]
            case "min_max":
                offset, scale = [each.min() for each in present], [each.max() - each.min() for each in present]
            case "none":
                offset, scale = [0.0] * len(present), [1.0] * len(present)
        return FittedNumber(
            kind="number",
            offset=tuple(map(float, offset)),
            scale=tuple(map(usable, scale, offset)),
            fill=self._fill(present),
        )

    def _fill(self, present: list[np.ndarray]) -> tuple[float, ...] | None:
        import numpy as np

        match self.missing:
            case "error":
                return None
            case "mean":
                return tuple(float(each.mean()) for each in present)
            case "median":
                return tuple(float(np.median(each)) for each in present)
            case "zero":
                return (0.0,) * len(present)


def _faults(values: np.ndarray, *, missing_too: bool) -> list[Fault]:
    if values.ndim > 2:
        return [Fault(f"an array of shape {values.shape[1:]} a row, where a number or a row of them is needed")]
    numbers, faults = as_numbers(values)
    if faults or not missing_too:
        return faults
    return [
        Fault("missing (missing: mean in the feature would fill it)", fault.positions)
        for fault in missing_fault(numbers)
    ]


def usable(scale: float, offset: float = 0.0) -> float:
    """A scale that can be divided by: that of a constant column is 1. Rounding may leave it a little above 0."""
    return float(scale) if scale > 1e-12 * abs(offset) else 1.0


def _columns(numbers: np.ndarray) -> np.ndarray:
    """(rows,) or (rows, size) to (rows, size)."""
    return numbers[:, None] if numbers.ndim == 1 else numbers
