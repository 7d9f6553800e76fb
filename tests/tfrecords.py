"""TFRecord files without TensorFlow: records of a tf.train.Example each, written byte by byte."""

from __future__ import annotations

import struct

from dlrun.data.sources.tfrecord_file import crc32c


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    data = b""
    while value > 127:
        data += bytes([value & 127 | 128])
        value >>= 7
    return data + bytes([value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def feature(value: bytes | float | int) -> bytes:
    if isinstance(value, bytes):
        return field(1, field(1, value))
    if isinstance(value, float):
        return field(2, field(1, struct.pack("<f", value)))
    return field(3, b"\x08" + varint(value))  # one by one, not packed


def made(**values: bytes | float | int) -> bytes:
    entries = (field(1, field(1, name.encode()) + field(2, feature(value))) for name, value in values.items())
    return field(1, b"".join(entries))


def framed(*data: bytes) -> bytes:
    return b"".join(
        struct.pack("<QI", len(each), crc32c(struct.pack("<Q", len(each)))) + each + struct.pack("<I", crc32c(each))
        for each in data
    )
