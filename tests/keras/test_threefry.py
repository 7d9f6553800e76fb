"""The generator against the known answers of its authors."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from dlrun.models.threefry import random_words, threefry

# Random123 1.14, tests/kat_vectors: threefry 2x32 20, (counter, key, result)
KNOWN = [
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_known_answers(counter: tuple[int, int], key: tuple[int, int], result: tuple[int, int]) -> None:
    words = [tuple(tf.constant(word, tf.uint32) for word in pair) for pair in (key, counter)]
    assert tuple(int(word) for word in threefry(*words)) == result


@pytest.mark.parametrize("xla", [False, True])
def test_any_shape(xla: bool) -> None:
    run = tf.function(lambda seed: random_words(seed, (3, 5)), jit_compile=xla)
    found = run(tf.constant([7, 2**40 + 1], tf.int64)).numpy()  # one word more than the pairs have
    assert len(np.unique(found)) == 15
    np.testing.assert_array_equal(found, random_words(tf.constant([7, 1]), (3, 5)))
    assert random_words(tf.constant([7, 1]), [tf.constant(2), 4]).shape == (2, 4)
