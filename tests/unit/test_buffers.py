"""Memory that is used again: for one array at a time, and never for too many bytes."""

from __future__ import annotations

import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dlrun.data.buffers import LEAST, MOST, aligned, give_back

BYTES = np.dtype(np.uint8)


def memory(array: np.ndarray) -> weakref.ref[np.ndarray]:
    """What an array lies in; it is dead when that was given back."""
    assert array.base is not None
    assert isinstance(array.base.base, memoryview)
    return weakref.ref(array.base.base.obj)


def test_arrays_begin_where_tensorflow_takes_them_as_they_are() -> None:
    for count in range(1, 40):
        array = aligned((count, 5), np.dtype(np.float32))
        assert array.shape == (count, 5)
        assert array.ctypes.data % 64 == 0


def test_memory_is_used_again_once_nothing_refers_to_it() -> None:
    first = aligned((LEAST // 4,), np.dtype(np.float32))
    place, part = memory(first), first[5:].reshape(-1, 1)[::2]
    del first
    other = aligned((LEAST // 4,), np.dtype(np.float32))
    assert memory(other)() is not place()
    del part
    for size in (LEAST - 1, LEAST + 1):
        assert memory(aligned((size,), BYTES))() is not place()
    again = aligned((2, LEAST // 2), BYTES)  # of the same size
    assert memory(again)() is place()


def test_memory_is_given_back_when_it_is_asked_for() -> None:
    array = aligned((LEAST,), BYTES)
    place = memory(array)
    del array
    assert place() is not None
    give_back()
    assert place() is None


@pytest.mark.parametrize(("size", "kept"), [(LEAST - 1, 0), (MOST // 4 - 64, 4), (MOST // 2 + 1, 1), (2 * MOST, 1)])
def test_little_is_kept(size: int, kept: int) -> None:
    give_back()
    arrays = [aligned((size,), BYTES) for _ in range(6)]
    places = [memory(each) for each in arrays]
    while arrays:
        del arrays[0]
    assert [place() is not None for place in places] == [False] * (6 - kept) + [True] * kept
    give_back()


def test_threads_do_not_share_memory() -> None:
    def use(thread: int) -> bool:
        for turn in range(100):
            array = aligned((LEAST + turn % 3,), BYTES)
            array[::1024] = thread
            if (array[::1024] != thread).any():
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(use, range(8)))
