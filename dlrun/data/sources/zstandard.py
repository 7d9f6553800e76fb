"""How much a Zstandard file unpacks to at most, by the headers of its blocks: the size that a frame may state can be
missing, or a lie.

The format: RFC 8878, section 3.1.
"""

from __future__ import annotations

MAGIC = b"\x28\xb5\x2f\xfd"
"""How a frame begins."""

SKIPPED = b"\x2a\x4d\x18"
"""How, behind a first byte of 0x50 to 0x5f, a frame begins that holds something else."""

LARGEST = 1 << 17
"""Bytes that a compressed block unpacks to at most."""

REPEATED, COMPRESSED = 1, 2
"""Types of blocks; the other one, 0, holds its bytes as they are."""


def most_of_zstandard(data: bytes) -> int:
    """Bytes that the frames of a content unpack to at most, as far as they are whole."""
    total = position = 0
    while position < len(data):
        start = data[position : position + 4]
        if start[1:] == SKIPPED and start[0] >> 4 == 5:
            position += 8 + int.from_bytes(data[position + 4 : position + 8], "little")
        elif start == MAGIC:
            unpacked, position = _frame(data, position + 4)
            total += unpacked
        else:
            break
    return total


def _frame(data: bytes, position: int) -> tuple[int, int]:
    """What the blocks of a frame unpack to at most, and where it ends.

    Args:
        position: of its descriptor.
    """
    about = int.from_bytes(data[position : position + 1], "little")
    single, checksum = about >> 5 & 1, about >> 2 & 1
    length = (single, 2, 4, 8)[about >> 6]
    position += 1 + (not single) + (0, 1, 2, 4)[about & 3]
    stated = int.from_bytes(data[position : position + length], "little") + (256 if length == 2 else 0)
    largest = min(stated, LARGEST) if single else LARGEST
    position += length
    total = last = 0
    while not last and position + 3 <= len(data):
        block = int.from_bytes(data[position : position + 3], "little")
        last, kind, size = block & 1, block >> 1 & 3, block >> 3
        total += largest if kind == COMPRESSED else size
        position += 3 + (1 if kind == REPEATED else size)
    return max(total, stated), position + 4 * checksum
