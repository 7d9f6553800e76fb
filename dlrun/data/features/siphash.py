"""SipHash-2-4, as `keras.layers.Hashing` with a salt computes it: the same number for a text on every machine.

Aumasson and Bernstein 2012, "SipHash: a fast short-input PRF", https://www.aumasson.jp/siphash/siphash.pdf
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def siphash(texts: Sequence[bytes], key: tuple[int, int]) -> np.ndarray:
    """The hashes of texts, uint64 (texts,).

    Texts that have as many blocks of 8 bytes are worked on together.

    Args:
        key: its two halves, of 64 bits each.
    """
    import numpy as np

    found = np.zeros(len(texts), np.uint64)
    blocks = np.array([len(text) // 8 + 1 for text in texts], np.int64)
    for count in np.unique(blocks).tolist():
        places = np.flatnonzero(blocks == count)
        padded = [texts[at].ljust(8 * count - 1, b"\0") + bytes([len(texts[at]) % 256]) for at in places.tolist()]
        words = np.frombuffer(b"".join(padded), "<u8").reshape(len(places), count).astype(np.uint64)
        found[places] = _hashes(words, key)
    return found


def _hashes(words: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """uint64 (texts, blocks) to uint64 (texts,)."""
    import numpy as np

    low, high = np.uint64(key[0]), np.uint64(key[1])
    constants = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    state = [np.full(len(words), np.uint64(each) ^ half) for each, half in zip(constants, (low, high) * 2, strict=True)]
    for word in words.T:
        state[3] ^= word
        _rounds(state, 2)
        state[0] ^= word
    state[2] ^= np.uint64(0xFF)
    _rounds(state, 4)
    return np.asarray(state[0] ^ state[1] ^ state[2] ^ state[3])


def _rounds(state: list[np.ndarray], count: int) -> None:
    for _ in range(count):
        state[0] += state[1]
        state[2] += state[3]
        state[1] = _rotated(state[1], 13) ^ state[0]
        state[3] = _rotated(state[3], 16) ^ state[2]
        state[0] = _rotated(state[0], 32)
        state[2] += state[1]
        state[0] += state[3]
        state[1] = _rotated(state[1], 17) ^ state[2]
        state[3] = _rotated(state[3], 21) ^ state[0]
        state[2] = _rotated(state[2], 32)


def _rotated(words: np.ndarray, bits: int) -> np.ndarray:
    import numpy as np

    return (words << np.uint64(bits)) | (words >> np.uint64(64 - bits))
