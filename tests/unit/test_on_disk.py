"""Rows that are read from disk, against the array that they stand in for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlrun.data import on_disk
from dlrun.data.on_disk import Made, OnDisk, Selected

COUNT, ROW = 40, (3, 2)
VALUES = np.arange(COUNT * 6, dtype=np.uint8).reshape(COUNT, *ROW)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> OnDisk:
    rows = OnDisk(tmp_path_factory.mktemp("disk"), ROW, np.dtype(np.uint8))
    for block in np.array_split(VALUES, 3):
        rows.append(block)
    return rows


def halved(values: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    return np.divide(values, 2, out, dtype=np.float32)


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
