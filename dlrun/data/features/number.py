"""Numbers: missing ones filled, extremes clipped, transformed, brought to one scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING, Literal

from dlrun.data.columns import Column
from dlrun.data.features.quantiles import Quantiles
from dlrun.data.features.transforms import DOMAINS, ClipField, Transform, transformed, transformed_tensor
from dlrun.data.features.values import Fault, as_numbers, missing_fault
from dlrun.data.signature import Input
from dlrun.errors import DataError
from dlrun.models.encoders import Encoder
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np
    from keras import KerasTensor


class FittedNumber(Spec):
    """The state of a `Number` after it has seen the train rows. A value is filled in where it is missing, clipped,
    transformed, and becomes `(value - offset) / scale`, or what its quantiles say; all in float32."""

    kind: Literal["number"]
    """Which feature this is the state of."""
    offset: tuple[float, ...]
    """What is subtracted: the mean, the least value, or 0; one for each number in a row of them."""
    scale: tuple[float, ...]
    """What it is divided by: the standard deviation, the range, or 1."""
    fill: tuple[float, ...] | None
    """What stands in for a missing value; none where a missing value is an error."""
    low: tuple[float, ...] | None = None
    """The least value that is kept; a lesser one becomes it."""
    high: tuple[float, ...] | None = None
    """The greatest value that is kept; a greater one becomes it."""
    transform: Transform = "none"
    """What a value then becomes."""
    quantiles: tuple[Quantiles, ...] | None = None
    """The map to ranks, instead of offset and scale."""
    missing_indicator: bool = False
    """Whether a second number, 0 or 1, says that the value was missing."""

    def input(self, name: str) -> Input:
        return Input(name, "vector", (len(self.offset) * (1 + self.missing_indicator),))

    def names(self, name: str) -> tuple[str, ...]:
        """What each number of the encoded vector is called."""
        size = len(self.offset)
        names = (name,) if size == 1 else tuple(f"{name}[{index}]" for index in range(size))
        return names + tuple(f"{each} is missing" for each in names if self.missing_indicator)

    def faults(self, values: np.ndarray) -> list[Fault]:
        """What keeps the values from being encoded."""
        size = prod(values.shape[1:])
        if size != len(self.offset):
            return [Fault(f"{size} numbers in a row, where the model takes {len(self.offset)}")]
        return _faults(values, self.transform, self.low, missing_too=self.fill is None)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """(rows,) or (rows, size) to float32 (rows, size), or (rows, 2 size) with what was missing."""
        import numpy as np

        numbers = columns_of(as_numbers(values)[0].astype(np.float32))
        missing = np.isnan(numbers)
        if self.fill is not None:
            numbers = np.where(missing, np.array(self.fill, np.float32), numbers)
        if self.low is not None:
            numbers = np.maximum(numbers, np.array(self.low, np.float32))
        if self.high is not None:
            numbers = np.minimum(numbers, np.array(self.high, np.float32))
        numbers = transformed(numbers, self.transform)
        if self.quantiles is None:
            numbers = (numbers - np.array(self.offset, np.float32)) / np.array(self.scale, np.float32)
        else:
            ranks = [each.encode(column) for each, column in zip(self.quantiles, numbers.T, strict=True)]
            numbers = np.stack(ranks, axis=1)
        return np.concatenate([numbers, missing.astype(np.float32)], axis=1) if self.missing_indicator else numbers

    def raw_input(self, name: str) -> KerasTensor:
        import keras

        return keras.Input((len(self.offset),), name=name, dtype="float32")

    def preprocess(self, raw: KerasTensor) -> KerasTensor:
        import numpy as np
        from keras import ops

        numbers = raw if self.fill is None else ops.where(ops.isnan(raw), np.array(self.fill, np.float32), raw)
        if self.low is not None:
            numbers = ops.maximum(numbers, np.array(self.low, np.float32))
        if self.high is not None:
            numbers = ops.minimum(numbers, np.array(self.high, np.float32))
        numbers = transformed_tensor(numbers, self.transform)
        if self.quantiles is None:
            numbers = ops.subtract(numbers, np.array(self.offset, np.float32))
            numbers = ops.divide(numbers, np.array(self.scale, np.float32))
        else:
            ranks = [each.preprocess(numbers[:, index]) for index, each in enumerate(self.quantiles)]
            numbers = ops.stack(ranks, axis=-1)
        if not self.missing_indicator:
            return numbers
        return ops.concatenate([numbers, ops.cast(ops.isnan(raw), "float32")], axis=-1)


class Number(Spec):
    """A number, or a row of numbers."""

    kind: Literal["number"]
    """A number."""
    normalise: Literal["standard", "min_max", "quantile", "quantile_normal", "none"] = "standard"
    """standard: to mean 0 and standard deviation 1 on the train rows; min_max: to 0 … 1 on the train rows; quantile: to
    the rank among the train rows, 0 … 1; quantile_normal: to that of a normal distribution; none. A column that is
    constant there becomes 0."""
    transform: Transform = "none"
    """What comes before that, for numbers that reach over orders of magnitude: log (natural, of numbers above 0), log1p
    (of 1 + value, for numbers above -1), sqrt (for numbers from 0 on); none."""
    clip: ClipField | None = None
    """The range that values are kept in before all else: [low, high], either of them null, or {quantiles: [0.01, 0.99]}
    of the train rows. Left out: they stay as they are."""
    missing: Literal["error", "mean", "median", "zero"] = "mean"
    """What stands in for a missing value: mean or median of the train rows, zero; error: it is refused."""
    missing_indicator: bool = False
    """Whether a second number, 0 or 1, tells the network that the value was missing."""
    encoder: Encoder | None = None
    """What reads this input in a combined architecture: an ann. Left out: it shares one input with all
    other numbers and one-hot categories."""

    def takes(self, column: Column) -> bool:
        """Whether a column of that kind can be read so."""
        return column.kind in ("number", "unknown") or column.classes == ("false", "true")

    def check(self) -> Iterator[Problem]:
        """Fields that contradict one another."""
        if self.missing_indicator and self.missing == "error":
            yield Problem(
                ("missing_indicator",),
                "no value is ever missing where a missing one is refused",
                expected="false, or missing: mean, median or zero",
                received="true",
                hint="take it out, or say what stands in for a missing value",
            )
        clipped = self.clip is not None and (self.clip.quantiles is not None or (self.clip.low or 0) > 0)
        if self.missing == "zero" and self.transform == "log" and not clipped:
            yield Problem(
                ("missing",),
                "zero has no logarithm",
                expected="mean, median or error",
                received="zero",
                hint="write `missing: median`, or `transform: log1p`",
            )

    def input(self, name: str, column: Column) -> Input | None:
        """The network's input."""
        return Input(name, "vector", (prod(column.shape) * (1 + self.missing_indicator),))

    def faults(self, values: np.ndarray) -> list[Fault]:
        """What keeps the values from being read so."""
        by_quantile = self.clip is not None and self.clip.quantiles is not None
        low = None if self.clip is None or self.clip.low is None else (self.clip.low,)
        return _faults(values, "none" if by_quantile else self.transform, low, missing_too=self.missing == "error")

    def fit(self, values: np.ndarray, column: Column) -> FittedNumber:
        """Learns from the values of the train rows, (rows,) or (rows, size), which have no faults.

        Raises:
            DataError: the range that the quantiles clip to has values in it that cannot be transformed.
        """
        import numpy as np

        numbers = columns_of(as_numbers(values)[0])
        present = [each[~np.isnan(each)] for each in numbers.T]
        present = [each if len(each) else np.ones(1) * (self.transform == "log") for each in present]
        low, high = self._bounds(present)
        for index, each in enumerate(present):
            present[index] = np.clip(each, None if low is None else low[index], None if high is None else high[index])
        self._check_bounds(low)
        fill = self._fill(present)
        present = [transformed(each, self.transform) for each in present]
        offset, scale = self._scaling(present)
        ranks = self.normalise if self.normalise in ("quantile", "quantile_normal") else None
        return FittedNumber(
            kind="number",
            offset=tuple(map(float, offset)),
            scale=tuple(map(usable, scale, offset)),
            fill=fill,
            low=low,
            high=high,
            transform=self.transform,
            quantiles=None if ranks is None else tuple(Quantiles.fit(each, ranks) for each in present),
            missing_indicator=self.missing_indicator,
        )

    def _bounds(self, present: list[np.ndarray]) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
        import numpy as np

        if self.clip is None:
            return None, None
        if self.clip.quantiles is not None:
            low, high = (tuple(float(np.quantile(each, share)) for each in present) for share in self.clip.quantiles)
            return low, high
        return (
            None if self.clip.low is None else (self.clip.low,) * len(present),
            None if self.clip.high is None else (self.clip.high,) * len(present),
        )

    def _check_bounds(self, low: tuple[float, ...] | None) -> None:
        import numpy as np

        if low is None:
            return
        bad = ~np.isfinite(transformed(np.array(low, np.float32), self.transform))
        if bad.any():
            raise DataError(
                f"the least value that `clip` leaves is {low[int(bad.argmax())]:g}, and {self.transform} takes numbers "
                f"{DOMAINS[self.transform]}",
                hint="clip: [0.01, null], with a least value of yours, or another transform",
            )

    def _scaling(self, present: list[np.ndarray]) -> tuple[list[float], list[float]]:
        match self.normalise:
            case "standard":
                return [each.mean() for each in present], [each.std() for each in present]
            case "min_max":
                return [each.min() for each in present], [each.max() - each.min() for each in present]
            case _:
                return [0.0] * len(present), [1.0] * len(present)

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


def _faults(
    values: np.ndarray, transform: Transform = "none", low: Sequence[float] | None = None, *, missing_too: bool
) -> list[Fault]:
    import numpy as np

    if values.ndim > 2:
        return [Fault(f"an array of shape {values.shape[1:]} a row, where a number or a row of them is needed")]
    numbers, faults = as_numbers(values)
    if faults:
        return faults
    if missing_too and (missing := missing_fault(numbers)):
        return [Fault("missing (missing: mean in the feature would fill it)", missing[0].positions)]
    if transform == "none":
        return []
    kept = columns_of(numbers.astype(np.float32))
    if low is not None:
        kept = np.maximum(kept, np.array(low, np.float32))
    wrong = ~np.isfinite(transformed(kept, transform)) & ~np.isnan(kept)
    bad = np.flatnonzero(wrong.any(axis=1))
    if not len(bad):
        return []
    example = f"{columns_of(numbers)[wrong][0]:g}"
    return [
        Fault(f"not {DOMAINS[transform]}, as {transform} needs it", bad, example, "clip in the feature would raise it")
    ]


def usable(scale: float, offset: float = 0.0) -> float:
    """A scale that can be divided by: that of a constant column is 1. Rounding may leave it a little above 0."""
    return float(scale) if scale > 1e-12 * abs(offset) else 1.0


def columns_of(numbers: np.ndarray) -> np.ndarray:
    """(rows,) or (rows, size) to (rows, size)."""
    return numbers[:, None] if numbers.ndim == 1 else numbers
