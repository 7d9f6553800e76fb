"""Images that look alike, in two parts: the same picture saved again, made a little lighter, or scaled.

Each image gets a difference hash (Krawetz, "Kind of like that", 2013) of 64 bits: is a pixel of the image, shrunk to
9 × 8 grey ones, lighter than its left neighbour? Hashes that differ in three bits at most share one of their four
quarters, so that only images with an equal quarter are compared, and not every one with every other. Those are then
alike if what they show, shrunk to 16 × 16 grey pixels, is the same but for light and contrast.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlrun.data.columns import Table
from dlrun.data.splits import Parts
from dlrun.profile.finding import Finding, counted

if TYPE_CHECKING:
    import numpy as np

SMALLEST = 32
"""Images of fewer pixels a side are alike by chance: there are only so many ways to write a 1."""

FARTHEST = 3
"""Bits in which the hashes of images that look alike differ, at most."""

ALIKE = 0.995
"""The correlation of the pixels of two shrunken images that look alike."""

SIDE = 16
"""Pixels a side of a shrunken image."""

BLOCK = 1024
"""Images that are shrunk at once."""

MOST_COMPARED = 2000
"""An image is compared with so many neighbours that share a quarter of its hash, at most."""


def look_at_pictures(name: str, table: Table, parts: Parts, equal: np.ndarray) -> Iterator[Finding]:
    """Images of two parts that look alike without being equal.

    Args:
        name: of the column.
        table: with that column, (rows, height, width[, channels]).
        equal: a hash of each row, (rows,): those that have the same are equal, which is told apart.
    """
    import numpy as np

    images = table.columns[name]
    if min(images.shape[1:3]) < SMALLEST:
        return
    part_of = np.zeros(len(images), np.int8)
    for number, (_, rows) in enumerate(parts.items()):
        part_of[rows] = number
    first = np.unique(equal, return_index=True)[1]
    pairs = similar(images[first]) if len(first) < len(images) else similar(images)
    pairs = first[pairs] if len(first) < len(images) else pairs
    pairs = pairs[part_of[pairs[:, 0]] != part_of[pairs[:, 1]]]
    if not len(pairs):
        return
    later = np.unique(np.where(part_of[pairs[:, 0]] > part_of[pairs[:, 1]], pairs[:, 0], pairs[:, 1]))
    shown = ", ".join(f"{table.call(int(one))} and {table.call(int(other))}" for one, other in pairs[:5])
    what = (
        f"{counted(len(later), 'image')} of {name} in validation or test {'looks' if len(later) == 1 else 'look'} like "
        f"one of another part ({shown}{', …' if len(pairs) > 5 else ''}): what is measured there is better than on "
        "new images"
    )
    yield Finding("near_duplicates", what, "take one of each pair out", len(later), tuple((later[:5] + 1).tolist()))


def similar(images: np.ndarray) -> np.ndarray:
    """Pairs of images that look alike, the smaller row first, sorted: int64 (pairs, 2)."""
    import numpy as np

    found, pixels = looks(images)
    pairs = [near for quarter in range(4) for near in _near(found, quarter)]
    candidates = np.unique(np.concatenate([np.zeros((0, 2), np.int64), *pairs]), axis=0)
    alike = [
        np.einsum("ij,ij->i", pixels[block[:, 0]], pixels[block[:, 1]]) > ALIKE
        for block in (candidates[start : start + 65536] for start in range(0, len(candidates), 65536))
    ]
    return np.asarray(candidates[np.concatenate([np.zeros(0, bool), *alike])])


def looks(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The difference hash of each image, uint64 (rows,), and its shrunken pixels with mean 0 and length 1, float32
    (rows, 256); those of an image of one colour are 0, and like those of no other."""
    import numpy as np

    found, pixels = np.zeros(len(images), np.uint64), np.zeros((len(images), SIDE * SIDE), np.float32)
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK].astype(np.float32)
        grey = block.mean(axis=3) if block.ndim == 4 else block
        small = shrink(grey, 8, 9)
        bits = (small[:, :, 1:] > small[:, :, :-1]).reshape(len(block), 64)
        found[start : start + BLOCK] = np.packbits(bits, axis=1).view(">u8")[:, 0]
        flat = shrink(grey, SIDE, SIDE).reshape(len(block), -1)
        flat -= flat.mean(axis=1, keepdims=True)
        length = np.linalg.norm(flat, axis=1, keepdims=True)
        pixels[start : start + BLOCK] = np.divide(flat, length, out=np.zeros_like(flat), where=length > 1e-3)
    return found, pixels


def shrink(grey: np.ndarray, height: int, width: int) -> np.ndarray:
    """(rows, h, w) to the mean of each of height × width rectangles that cover it, (rows, height, width)."""
    import numpy as np

    for axis, size in ((1, height), (2, width)):
        edges = np.linspace(0, grey.shape[axis], size + 1).round().astype(int)
        sums = np.add.reduceat(grey, edges[:-1], axis=axis)
        counts = np.diff(edges).astype(np.float32)
        grey = sums / (counts[:, None] if axis == 1 else counts)
    return grey


def _near(found: np.ndarray, quarter: int) -> Iterator[np.ndarray]:
    """Pairs whose hashes share a quarter and differ in three bits at most, (pairs, 2), sorted within.

    Rows are sorted by that quarter, and each is compared with the next, the one after it, and so on, all at once, as
    long as there are any that share it.
    """
    import numpy as np

    key = (found >> np.uint64(16 * quarter)) & np.uint64(0xFFFF)
    order = np.argsort(key, kind="stable")
    left = np.arange(len(order))
    for step in range(1, MOST_COMPARED + 1):
        left = left[left + step < len(order)]
        left = left[key[order[left]] == key[order[left + step]]]
        if not len(left):
            return
        one, other = order[left], order[left + step]
        apart = np.unpackbits((found[one] ^ found[other]).view(np.uint8)).reshape(-1, 64).sum(axis=1)
        near = apart <= FARTHEST
        yield np.sort(np.stack([one[near], other[near]], axis=1), axis=1)
