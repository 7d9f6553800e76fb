"""Random numbers as plain 32-bit arithmetic, which XLA fuses into what uses them.

On a CPU the generators behind `tf.random` take XLA some sixty times as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

Tensor = Any
"""A tensor of TensorFlow, which is not imported to say so."""

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def threefry(key: tuple[Tensor, Tensor], counter: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Threefry-2x32 of 20 rounds (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").

    Args:
        key: two words, uint32; another key gives an independent stream.
        counter: two words of any shape, uint32; each pair gives two random words.
    """
    import tensorflow as tf

    words = (*key, key[0] ^ key[1] ^ tf.constant(0x1BD11BDA, tf.uint32))
    a, b = counter[0] + words[0], counter[1] + words[1]
    for group in range(1, 6):
        for distance in ROTATIONS[(group - 1) % 2]:
            a = a + b
            up, down = (tf.constant(by, tf.uint32) for by in (distance, 32 - distance))
            b = tf.bitwise.left_shift(b, up) | tf.bitwise.right_shift(b, down)
            b = b ^ a
        a = a + words[group % 3]
        b = b + words[(group + 1) % 3] + tf.constant(group, tf.uint32)
    return a, b


def random_words(seed: Tensor, shape: Sequence[int | Tensor]) -> Tensor:
    """Random words of a shape, uint32, every value as likely as another.

    Args:
        seed: two whole numbers, as `keras.random.SeedGenerator.next` gives them.
        shape: of the result.
    """
    import tensorflow as tf

    size = tf.reduce_prod(shape) if any(tf.is_tensor(side) for side in shape) else prod(shape)
    pairs = tf.cast(tf.range((size + 1) // 2), tf.uint32)
    seed = tf.cast(seed, tf.uint32)
    words = threefry((seed[0], seed[1]), (pairs, tf.zeros_like(pairs)))
    return tf.reshape(tf.concat(words, 0)[:size], shape)


def random_normal(seed: Tensor, shape: Sequence[int | Tensor]) -> Tensor:
    """Numbers of the standard normal distribution, float32."""
    return normal(random_words(seed, shape))


def uniform(words: Tensor) -> Tensor:
    """Random words as numbers in [0, 1), float32."""
    return _parts(words) * 2.0**-24


def normal(words: Tensor) -> Tensor:
    """Random words as numbers of the standard normal distribution, float32: its inverse function at the middle of 2^24
    equal parts."""
    import tensorflow as tf

    return 2**0.5 * tf.math.erfinv((_parts(words) + 0.5) * 2.0**-23 - 1)


def _parts(words: Tensor) -> Tensor:
    """The upper 24 bits of random words, which float32 holds exactly."""
    import tensorflow as tf

    return tf.cast(tf.cast(tf.bitwise.right_shift(words, tf.constant(8, tf.uint32)), tf.int32), tf.float32)
