"""Memory for large arrays that come and go: what one of them has had, the next one gets.

A page of memory is looked for and cleared by the system when it is touched for the first time. For a batch of images
that takes as long as to encode them, and an array of their size is given back to the system as soon as it is freed.
"""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, Any

from dlrun.machine import give_back_freed

if TYPE_CHECKING:
    import numpy as np

ALIGNMENT = 64
"""Bytes at a multiple of which TensorFlow wants an array to begin that it takes as it is."""

LEAST = 1 << 20
"""Bytes of an array from which on its memory is kept: the C library keeps smaller ones itself."""

MOST = 64 << 20
"""Bytes that are kept in all; but the memory of the last array is, however large it was."""

_spare: dict[tuple[int, int], np.ndarray] = {}
"""What is kept, the oldest first, by its size and identity."""


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    """An array that TensorFlow can take without copying it; its values are whatever is there.

    When nothing refers to it any more, TensorFlow included, its memory is kept until an array of that size is asked
    for, or until too much is kept.
    """
    import numpy as np

    size = math.prod(shape) * dtype.itemsize
    block = _kept(size + ALIGNMENT)
    if block is None:
        block = np.empty(size + ALIGNMENT, np.uint8)
    memory = np.frombuffer(block.data, np.uint8)  # an array of its own, to which all parts of it refer
    if size >= LEAST:
        weakref.finalize(memory, _keep, block).atexit = False
    first = -memory.ctypes.data % ALIGNMENT
    return memory[first : first + size].view(dtype).reshape(shape)


def give_back() -> None:
    """Gives the system back what is kept, here and by the C library."""
    _spare.clear()
    give_back_freed()


def _kept(size: int) -> np.ndarray | None:
    """A block of so many bytes, which then is not kept any more; None where there is none."""
    for key in list(_spare):  # another thread may take it meanwhile, and add others
        if key[0] == size and (block := _spare.pop(key, None)) is not None:
            return block
    return None


def _keep(block: np.ndarray) -> None:
    _spare[block.nbytes, id(block)] = block
    kept = list(_spare)
    while len(kept) > 1 and sum(size for size, _ in kept) > MOST:
        _spare.pop(kept.pop(0), None)
