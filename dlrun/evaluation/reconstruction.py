"""What is made of the inputs of an autoencoder, compared with them block by block: of a split that is larger than
memory there is a block at a time, and of each example only its errors are kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from dlrun.evaluation.predictions import Array, mean_errors
from dlrun.seeds import generator

BLOCK_BYTES = 32 << 20
"""Of inputs, and of what is made of them, that are in memory at once."""


class Noisy:
    """Inputs with normal noise, float32. They are sliced like an array, best from the front to the back: the noise of
    all of them is drawn in this order, and begun again for a slice before the last one.

    Args:
        values: the inputs, (n, …), in memory or on disk.
        deviation: standard deviation of the noise.
        seed: of the spec.
        split: whose inputs they are.
    """

    def __init__(self, values: Array, deviation: float, seed: int, split: str) -> None:
        self._values, self._deviation = values, np.float32(deviation)
        self._purpose = seed, f"noise {split}"
        self._random, self._drawn = generator(*self._purpose), 0

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, rows: slice) -> Array:
        first, last, _ = rows.indices(len(self))
        if first < self._drawn:
            self._random, self._drawn = generator(*self._purpose), 0
        for part in blocks(self._values, first - self._drawn):
            self._draw(part.stop - part.start)
        noisy: Array = self._values[first:last] + self._deviation * self._draw(last - first)
        return noisy

    def _draw(self, count: int) -> Array:
        self._drawn += count
        return self._random.standard_normal((count, *self._values.shape[1:]), dtype=np.float32)


def blocks(values: Array, count: int, batch: int = 1) -> Iterator[slice]:
    """Which of the first examples are in memory at once, one block after the other.

    Args:
        values: of the examples, (n, …), in memory or on disk.
        count: of the first ones.
        batch: each block but the last is of so many, or of a multiple.
    """
    size = max(1, math.prod(values.shape[1:]) * values.dtype.itemsize)
    rows = batch * max(1, BLOCK_BYTES // (size * batch))
    for start in range(0, count, rows):
        yield slice(start, min(start + rows, count))


def errors(inputs: Array, made: Callable[[slice], Array], batch: int = 1) -> Array:
    """The mean squared and the mean absolute error of each example, (n, 2).

    Args:
        inputs: (n, …), in memory or on disk.
        made: gives what is made of some of them, shaped as those.
        batch: how many of them it takes at once.
    """
    found = np.empty((len(inputs), 2))
    for part in blocks(inputs, len(inputs), batch):
        found[part] = mean_errors(inputs[part], made(part))
    return found


def mean_input(inputs: Array) -> Array:
    """The mean of the examples, (…) float64.

    Args:
        inputs: (n, …), in memory or on disk.
    """
    total = np.zeros(inputs.shape[1:])
    for part in blocks(inputs, len(inputs)):
        total += inputs[part].sum(axis=0, dtype=np.float64)
    return total / len(inputs)
