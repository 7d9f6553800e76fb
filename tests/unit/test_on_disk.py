"""Rows that are read from disk, against the array that they stand in for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlrun.data import on_disk
from dlrun.data.on_disk import Made, OnDisk, Selected, aligned

COUNT, ROW = 40, (3, 2)
VALUES = np.arange(COUNT * 6, dtype=np.uint8).reshape(COUNT, *ROW)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> OnDisk:
    rows = OnDisk(tmp_path_factory.mktemp("disk"), ROW, np.dtype(np.uint8))
    for block in np.array_split(VALUES, 3):
        rows.append(block)
    return rows


def halved(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32) / 2


ranges = st.lists(st.tuples(st.integers(0, COUNT), st.integers(0, 9)), max_size=5)


@given(ranges, st.integers(0, 3), st.integers(1, 5), st.data())
def test_rows_are_those_of_the_array(
    stored: OnDisk, ranges: list[tuple[int, int]], more: int, at_once: int, data: st.DataObject
) -> None:
    chosen = np.array(sorted(data.draw(st.sets(st.integers(0, COUNT - 1)))), np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(on_disk, "AT_ONCE", at_once * 24)  # bytes: so many rows of float32
        for rows, expected in (
            (stored, VALUES),
            (stored[chosen], VALUES[chosen]),
            (Selected(stored, chosen, halved), halved(VALUES[chosen])),
            (Made(COUNT, lambda part: halved(VALUES[part])), halved(VALUES)),
        ):
            assert (rows.shape, rows.dtype) == (expected.shape, expected.dtype)
            within = [(min(first, len(rows)), min(first + count, len(rows))) for first, count in ranges]
            wanted = [expected[first:last] for first, last in within]
            padding = np.zeros((more, *ROW), expected.dtype)
            taken = rows.taken(within, sum(map(len, wanted)) + more)
            np.testing.assert_array_equal(taken, np.concatenate([*wanted, padding]))
            for first, last in within:
                np.testing.assert_array_equal(rows[first:last], expected[first:last])
            np.testing.assert_array_equal(np.asarray(rows), expected)


def test_arrays_begin_where_tensorflow_takes_them_as_they_are() -> None:
    for count in range(1, 40):
        array = aligned((count, 5), np.dtype(np.float32))
        assert array.shape == (count, 5)
        assert array.ctypes.data % 64 == 0
