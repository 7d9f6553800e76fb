"""Offset and scale, of all series alike or of each by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from keras import KerasTensor


class Scaled(Protocol):
    """What is scaled, all series alike or each by itself."""

    @property
    def offset(self) -> float: ...
    @property
    def scale(self) -> float: ...
    @property
    def each(self) -> dict[str, tuple[float, float]] | None: ...


def scales(of: Scaled, ids: np.ndarray | None) -> tuple[Any, Any]:
    """Offset and scale: a number each, or, where each series has its own, float64 (rows,) each."""
    import numpy as np

    if of.each is None:
        return of.offset, of.scale
    if ids is None:
        raise ValueError("each series has a scale of its own, and their names are not given")
    pairs = np.array([of.each[name] for name in ids.tolist()], np.float64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def raw_scales(of: Scaled, series: KerasTensor | None) -> tuple[Any, Any]:
    """The same built of Keras layers, (batch, 1, 1) each; NaN for a series that has none."""
    import keras
    import numpy as np

    if of.each is None or series is None:
        return of.offset, of.scale
    lookup = keras.layers.StringLookup(vocabulary=list(of.each), num_oov_indices=1)
    index = keras.ops.cast(lookup(series), "int32")  # (batch, 1), 0: unknown
    columns = np.array([(np.nan, np.nan), *of.each.values()], np.float32).T
    offset, scale = (keras.ops.expand_dims(keras.ops.take(column, index), -1) for column in columns)
    return offset, scale
