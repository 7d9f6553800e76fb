"""All randomness is a pure function of (seed, purpose, position): nothing is drawn from a stream that others share."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def generator(seed: int, purpose: str, *position: int) -> np.random.Generator:
    """A fresh NumPy generator for one purpose ("order", "split", "noise") at one position (epoch, index).

    Two calls with the same arguments give the same numbers, whatever was drawn in between; two purposes or positions
    give independent ones (NumPy's SeedSequence, https://numpy.org/doc/stable/reference/random/parallel.html).
    """
    import numpy as np

    sequence = np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), *position])
    return np.random.Generator(np.random.Philox(sequence))


@contextmanager
def keras_seeds(seed: int, purpose: str) -> Iterator[None]:
    """Within it, the seeds that Keras gives its initializers and dropout layers follow from (seed, purpose).

    Keras takes those from Python's global `random`; what others had drawn from it is put back afterwards.
    """
    state = random.getstate()
    random.seed(zlib.crc32(purpose.encode()) << 32 | seed)
    try:
        yield
    finally:
        random.setstate(state)
