"""The framing of TFRecord files, and the tf.train.Example in each record: read without TensorFlow.

A record is its length (uint64), a masked CRC-32C of the length, the data, and a masked CRC-32C of the data
(https://www.tensorflow.org/tutorials/load_data/tfrecord). The data is a protocol buffer
(https://protobuf.dev/programming-guides/encoding): Example {1: Features {1: map<string, Feature>}}, Feature {1: bytes,
2: floats, 3: int64s}.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Sequence
from typing import IO

from dlrun.data.sources.files import FETCH, check_fits
from dlrun.errors import DataError

POLYNOMIAL = 0x82F63B78
"""Of CRC-32C, bits reversed."""

MASK = 0xA282EAD8

LARGEST = 1 << 30
"""Bytes of a record that are read at most."""

AT_ONCE = 1 << 25
"""Bytes of records that are in memory at once."""

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
"""Types of a field on the wire."""

Values = list[bytes] | list[float] | list[int]


class _DamagedError(Exception):
    """A record is no tf.train.Example."""


def records(stream: IO[bytes], name: str) -> Iterator[tuple[bytes, int]]:
    """The data of each record, and the checksum that it should have.

    Args:
        stream: the unpacked content.
        name: what to call it in messages.

    Raises:
        DataError: it is damaged, with the number of the record.
    """
    number = 0
    while begin := stream.read(12):
        number += 1
        if len(begin) < 12:
            raise _damaged(name, number, "it was cut off")
        length, check = struct.unpack("<QI", begin)
        if crc32c(begin[:8]) != check:
            if number == 1:
                raise DataError(
                    f"{name} is no TFRecord file: the checksum of its first record is wrong",
                    hint="is it packed, and its name does not end in .gz?",
                )
            raise _damaged(name, number, "the checksum of its length is wrong")
        if length > LARGEST:
            raise _damaged(name, number, f"it announces {length:,} bytes")
        if length > AT_ONCE:
            check_fits(length, f"record {number} of {name}")
        data, end = stream.read(length), stream.read(4)
        if len(data) < length or len(end) < 4:
            raise _damaged(name, number, "it was cut off")
        yield data, struct.unpack("<I", end)[0]


def verified(stream: IO[bytes], name: str) -> Iterator[bytes]:
    """The data of each record, whose checksums are right.

    Args:
        stream: the unpacked content.
        name: what to call it in messages.

    Raises:
        DataError: it is damaged, with the number of the record.
    """
    start, found = 1, records(stream, name)
    while block := list(_some(found)):
        sums = checksums([data for data, _ in block])
        for number, ((data, check), right) in enumerate(zip(block, sums, strict=True), start):
            if check != right:
                raise _damaged(name, number, "the checksum of its data is wrong")
            yield data
        start += len(block)


def _some(found: Iterator[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
    """The next records, of `AT_ONCE` bytes together."""
    count = 0
    for each in found:
        yield each
        count += len(each[0])
        if count > AT_ONCE:
            return


def _damaged(name: str, number: int, why: str) -> DataError:
    return DataError(f"{name}: record {number} is damaged: {why}", hint=FETCH)


@functools.cache
def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (POLYNOMIAL if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


def crc32c(data: bytes) -> int:
    """The masked CRC-32C (Castagnoli) of some bytes, as TFRecord files have it."""
    table, crc = _table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + MASK) & 0xFFFFFFFF


def checksums(blocks: Sequence[bytes]) -> list[int]:
    """The same of several at once: byte by byte, but of all blocks of about one length in each step."""
    import numpy as np

    table = np.array(_table(), np.uint32)
    order = sorted(range(len(blocks)), key=lambda index: -len(blocks[index]))
    found = [0] * len(blocks)
    while order:
        longest = max(1, len(blocks[order[0]]))
        group = [index for index in order[: max(1, 2 * AT_ONCE // longest)] if 2 * len(blocks[index]) >= longest]
        group = group or order[:1]
        order = order[len(group) :]
        lengths = np.array([len(blocks[index]) for index in group])
        padded = np.stack([np.frombuffer(blocks[index].ljust(longest, b"\0"), np.uint8) for index in group], axis=1)
        crc = np.full(len(group), 0xFFFFFFFF, np.uint32)
        active = np.searchsorted(-lengths, -np.arange(longest), side="left")  # how many are longer than that
        for row, count in zip(padded, active.tolist(), strict=True):
            crc[:count] = table[(crc[:count] ^ row[:count]) & 0xFF] ^ crc[:count] >> 8
        plain = (crc ^ np.uint32(0xFFFFFFFF)).astype(np.uint64)
        masked = ((plain >> 15 | plain << 17) + MASK) & 0xFFFFFFFF
        for index, value in zip(group, masked.tolist(), strict=True):
            found[index] = value
    return found


def example(data: bytes, name: str, number: int) -> dict[str, Values]:
    """The features of a tf.train.Example by name, each a list of bytes, of floats or of whole numbers.

    Args:
        data: of a record.
        name: of the file, for messages.
        number: of the record, counted from 1.

    Raises:
        DataError: it is none.
    """
    found: dict[str, Values] = {}
    try:
        for features in _fields(data, 1):
            for entry in _fields(features, 1):
                key = b"".join(_fields(entry, 1)).decode()
                found[key] = _values(b"".join(_fields(entry, 2)))
    except (_DamagedError, UnicodeDecodeError, struct.error):
        raise DataError(
            f"{name}: record {number} is no tf.train.Example", hint="other messages in TFRecord files are not read"
        ) from None
    return found


def _fields(data: bytes, wanted: int) -> Iterator[bytes]:
    """The contents of the fields of a message that have this number and are of the delimited type."""
    for number, kind, value in _message(data):
        if number == wanted and kind == DELIMITED and isinstance(value, bytes):
            yield value


def _message(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Number, type on the wire and value of each field of a message."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, position = _varint(data, position)
            yield number, kind, value
            continue
        if kind == DELIMITED:
            size, position = _varint(data, position)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise _DamagedError
        end = position + size
        if end > len(data) or not number:
            raise _DamagedError
        yield number, kind, data[position:end]
        position = end


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
    raise _DamagedError


def _values(feature: bytes) -> Values:
    """The values of a Feature; numbers stand packed or one by one."""
    for number, kind, content in _message(feature):
        if kind != DELIMITED or not isinstance(content, bytes):
            raise _DamagedError
        if number == 1:
            return list(_fields(content, 1))
        if number == 2:
            return [each for part in _packed(content) for each in _floats(part)]
        if number == 3:
            return [_signed(each) for part in _packed(content) for each in _whole(part)]
    return []


def _packed(content: bytes) -> Iterator[int | bytes]:
    for number, _, value in _message(content):
        if number == 1:
            yield value


def _floats(part: int | bytes) -> tuple[float, ...]:
    if not isinstance(part, bytes) or len(part) % 4:
        raise _DamagedError
    return struct.unpack(f"<{len(part) // 4}f", part)


def _whole(part: int | bytes) -> Iterator[int]:
    if isinstance(part, int):
        yield part
        return
    position = 0
    while position < len(part):
        value, position = _varint(part, position)
        yield value


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value
