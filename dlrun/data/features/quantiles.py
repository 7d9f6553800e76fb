"""A number by its rank among the train rows: a piecewise linear map that is the same in NumPy and in Keras."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

from dlrun.spec.base import Spec

if TYPE_CHECKING:
    import numpy as np
    from keras import KerasTensor

MOST = 200
"""How many quantiles are kept at most."""


class Quantiles(Spec):
    """Quantiles of the train rows and what each becomes; between two of them values are interpolated, beyond the
    outermost they stay at its score."""

    values: tuple[float, ...]
    """The quantiles, rising, no two the same in float32."""
    scores: tuple[float, ...]
    """What each becomes."""

    @classmethod
    def fit(cls, numbers: np.ndarray, kind: Literal["quantile", "quantile_normal"]) -> Quantiles:
        """Learns from the numbers of the train rows, (rows,), at least one and none missing.

        Quantiles that are one and the same value become the mean of their ranks. For a normal distribution ranks stand
        for the middles of equal shares (Hazen 1914), so that the outermost are finite.
        """
        import numpy as np

        count = min(MOST, max(2, len(numbers)))
        knots = np.quantile(numbers, np.linspace(0, 1, count)).astype(np.float32)
        if kind == "quantile":
            scores = np.linspace(0, 1, count)
        else:
            scores = np.array([NormalDist().inv_cdf((index + 0.5) / count) for index in range(count)])
        values, places = np.unique(knots, return_inverse=True)
        means = np.bincount(places, scores) / np.bincount(places)
        if len(values) == 1:
            means = np.zeros(1)
        return cls(values=tuple(values.tolist()), scores=tuple(means.tolist()))

    def encode(self, numbers: np.ndarray) -> np.ndarray:
        """float32 (rows,) to float32 (rows,)."""
        import numpy as np

        return np.asarray(np.interp(numbers, self.values, self.scores), np.float32)

    def preprocess(self, numbers: KerasTensor) -> KerasTensor:
        """The same of Keras's operations, (rows,) to (rows,)."""
        import numpy as np
        from keras import ops

        values, scores = np.array(self.values, np.float32), np.array(self.scores, np.float32)
        if len(values) == 1:
            return ops.zeros_like(numbers)
        inside = ops.clip(numbers, self.values[0], self.values[-1])
        upper = ops.clip(ops.searchsorted(values, inside, side="right"), 1, len(values) - 1)
        lower = ops.subtract(upper, 1)
        left, start = ops.take(values, lower), ops.take(scores, lower)
        share = ops.divide(ops.subtract(inside, left), ops.subtract(ops.take(values, upper), left))
        return ops.add(start, ops.multiply(share, ops.subtract(ops.take(scores, upper), start)))
