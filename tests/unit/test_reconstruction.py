"""Reconstructions are compared with the inputs block by block, and nothing depends on where a block ends."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlrun.data.on_disk import OnDisk
from dlrun.evaluation import reconstruction
from dlrun.evaluation.reconstruction import Noisy, blocks, errors, mean_input
from dlrun.seeds import generator

RANDOM = np.random.default_rng(7)
SHAPES = [(5,), (3, 2, 1)]


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    """Of a few examples."""
    before, reconstruction.BLOCK_BYTES = reconstruction.BLOCK_BYTES, 150
    yield
    reconstruction.BLOCK_BYTES = before


def values(count: int, shape: tuple[int, ...]) -> np.ndarray:
    return RANDOM.normal(size=(count, *shape)).astype(np.float32)


@given(st.integers(0, 200), st.integers(1, 40), st.sampled_from(SHAPES))
def test_blocks_are_of_whole_batches(count: int, batch: int, shape: tuple[int, ...]) -> None:
    found = list(blocks(values(1, shape), count, batch))
    assert [row for part in found for row in range(count)[part]] == list(range(count))
    sizes = [part.stop - part.start for part in found]
    assert all(size % batch == 0 for size in sizes[:-1])
    assert all(size == batch or size * 4 * math.prod(shape) <= 150 for size in sizes[:-1])


@given(st.integers(1, 60), st.sampled_from(SHAPES), st.data())
def test_noise_is_that_of_all_at_once_wherever_it_is_sliced(
    count: int, shape: tuple[int, ...], data: st.DataObject
) -> None:
    inputs = values(count, shape)
    drawn = generator(9, "noise validation").standard_normal(inputs.shape, dtype=np.float32)
    expected = inputs + np.float32(0.3) * drawn
    noisy = Noisy(inputs, 0.3, 9, "validation")
    ends = sorted(data.draw(st.lists(st.integers(0, count), max_size=6)))
    parts = [slice(*each) for each in zip([0, *ends], [*ends, count], strict=True)]
    np.testing.assert_array_equal(np.concatenate([noisy[part] for part in parts]), expected, strict=True)
    for _ in range(3):  # from the front to the back or not
        part = slice(*sorted(data.draw(st.tuples(st.integers(0, count), st.integers(0, count)))))
        np.testing.assert_array_equal(noisy[part], expected[part], strict=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_errors_and_mean_are_those_of_the_whole(shape: tuple[int, ...], tmp_path: Path) -> None:
    inputs, made = values(61, shape), values(61, shape)
    stored = OnDisk(tmp_path, shape, inputs.dtype)
    stored.append(inputs)
    difference = made.astype(np.float64).reshape(61, -1) - inputs.reshape(61, -1)
    expected = np.stack([(difference**2).mean(1), np.abs(difference).mean(1)], 1)
    for each in (inputs, cast("np.ndarray", stored)):
        np.testing.assert_allclose(errors(each, made.__getitem__, 3), expected, rtol=1e-12)
        np.testing.assert_allclose(mean_input(each), inputs.astype(np.float64).mean(0), rtol=0, atol=1e-12)
