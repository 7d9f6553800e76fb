"""How much a Parquet file unpacks to, by the headers of its pages: some kilobytes may hold many gigabytes; and whether
pages are as they were written, where they have checksums.

The format: https://github.com/apache/parquet-format (README.md, parquet.thrift); numbers and structures are written in
Thrift's compact protocol (thrift-compact-protocol.md in apache/thrift).
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

TAIL = 8
"""Bytes at the end of a file: the length of its footer, and PAR1."""

DEEPEST = 32
"""Levels of structures within one another; the format needs about ten."""

BOOLEAN, BYTE_ARRAY, FIXED = 0, 6, 7
"""Types of columns by their number; those of the others are numbers."""

REPEATED = 2
"""Of a column that has any number of values in a row."""

NUMBER, VIEW = 8, 16
"""Bytes that a number takes in memory, and a text besides its letters."""

Fields = dict[int, Any]
"""A structure, by the numbers of its fields. Those that are looked at are below, by the names of structures and fields
in parquet.thrift."""


class FileMetaData:
    SCHEMA, NUM_ROWS, ROW_GROUPS = 2, 3, 4


class SchemaElement:
    TYPE_LENGTH, REPETITION_TYPE, NUM_CHILDREN = 2, 3, 5


class RowGroup:
    COLUMNS, NUM_ROWS = 1, 3


class ColumnChunk:
    META_DATA = 3


class ColumnMetaData:
    TYPE, PATH_IN_SCHEMA, TOTAL_COMPRESSED_SIZE, DATA_PAGE_OFFSET, DICTIONARY_PAGE_OFFSET = 1, 3, 7, 9, 11


class PageHeader:
    UNCOMPRESSED_PAGE_SIZE, COMPRESSED_PAGE_SIZE, DATA_PAGE_HEADER, DATA_PAGE_HEADER_V2 = 2, 3, 5, 8


class DataPageHeader:
    NUM_VALUES = 1


def unpacked(data: bytes | mmap.mmap) -> list[Counter[str]]:
    """How many bytes each column takes in memory at most, for each group of rows.

    Texts of which each is written as what differs from the one before (DELTA_BYTE_ARRAY) may take more.

    Raises:
        ValueError: the content is no Parquet.
    """
    try:
        return list(_groups(data))
    except (IndexError, KeyError, TypeError, AttributeError, struct.error, OverflowError) as error:
        raise ValueError("the headers of its pages cannot be read") from error


def _groups(data: bytes | mmap.mmap) -> Iterator[Counter[str]]:
    length = int.from_bytes(data[-TAIL : -TAIL + 4], "little")
    footer = Compact(data, len(data) - TAIL - length).structure()
    leaves = [element for element in footer[FileMetaData.SCHEMA] if not element.get(SchemaElement.NUM_CHILDREN)]
    groups = footer[FileMetaData.ROW_GROUPS]
    for group in groups:
        sizes: Counter[str] = Counter()
        rows = group[RowGroup.NUM_ROWS]
        for leaf, chunk in zip(leaves, group[RowGroup.COLUMNS], strict=True):
            column = chunk[ColumnChunk.META_DATA]
            path = column[ColumnMetaData.PATH_IN_SCHEMA]
            name = path[0].decode()
            pages = list(_pages(data, column))
            values = sum(map(_values_of, pages))
            if len(path) == 1 and leaf[SchemaElement.REPETITION_TYPE] != REPEATED and values != rows:
                raise ValueError(f"the column {name} has {values} values in {rows} rows")
            size = sum(page[PageHeader.UNCOMPRESSED_PAGE_SIZE] for page in pages)
            sizes[name] += _column_bytes(
                column[ColumnMetaData.TYPE], leaf.get(SchemaElement.TYPE_LENGTH, 0), values, size
            )
        yield sizes
    if sum(group[RowGroup.NUM_ROWS] for group in groups) != footer[FileMetaData.NUM_ROWS]:
        raise ValueError("it says that it has more or fewer rows than there are")


def _column_bytes(kind: int, width: int, values: int, unpacked: int) -> int:
    """What a column of one group takes.

    Args:
        kind: its type.
        width: bytes of a value, where all have as many.
        values: how many there are.
        unpacked: bytes of its pages.
    """
    if kind == BYTE_ARRAY:
        return unpacked + VIEW * values
    return values * {BOOLEAN: 1, FIXED: max(width, VIEW)}.get(kind, NUMBER)


def _pages(data: bytes | mmap.mmap, column: Fields) -> Iterator[Fields]:
    """The headers of the pages of a column, of which each has its content behind it, as its checksum says.

    Args:
        column: what the footer says of it.
    """
    places = column[ColumnMetaData.DATA_PAGE_OFFSET], column.get(ColumnMetaData.DICTIONARY_PAGE_OFFSET)
    position = min(filter(None, places), default=0)  # there may be no page
    end = position + column[ColumnMetaData.TOTAL_COMPRESSED_SIZE]
    while position < end:
        reader = Compact(data, position)
        page = reader.structure()
        size = page[PageHeader.COMPRESSED_PAGE_SIZE]
        if page[PageHeader.UNCOMPRESSED_PAGE_SIZE] < 0 or size < 0:
            raise ValueError("a page of less than no bytes")
        position = reader.position + size
        if position > len(data) - TAIL:
            raise ValueError("a page goes beyond the end")
        if 4 in page and zlib.crc32(data[reader.position : position]) != page[4] & 0xFFFFFFFF:
            raise ValueError("a page is not as its checksum says")
        yield page


def _values_of(page: Fields) -> int:
    """How many values a page has; none in that of a dictionary."""
    header = page.get(PageHeader.DATA_PAGE_HEADER) or page.get(PageHeader.DATA_PAGE_HEADER_V2)
    return header[DataPageHeader.NUM_VALUES] if header else 0


class Compact:
    """Reads structures of Thrift's compact protocol.

    Args:
        data: what they stand in.
        position: of the first.
    """

    def __init__(self, data: bytes | mmap.mmap, position: int) -> None:
        if position < 0:
            raise ValueError("there is nothing before a file")
        self._data, self.position = data, position

    def structure(self, depth: int = 0) -> Fields:
        """The next one."""
        found: Fields = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            kind = head & 15
            found[number] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if depth > DEEPEST:
            raise ValueError("structures without end")
        match kind:
            case 1 | 2 | 3:  # in lists, a truth value is a byte
                return self._byte()
            case 4 | 5 | 6:
                return self._signed()
            case 7:
                return struct.unpack("<d", self._bytes(8))[0]
            case 8:
                return self._bytes(self._varint())
            case 9 | 10:
                head = self._byte()
                count = head >> 4 if head >> 4 < 15 else self._varint()
                return [self._value(head & 15, depth + 1) for _ in range(count)]
            case 12:
                return self.structure(depth + 1)
        raise ValueError(f"there is no type {kind}")

    def _byte(self) -> int:
        self.position += 1
        return self._data[self.position - 1]

    def _bytes(self, count: int) -> bytes:
        self.position += count
        if self.position > len(self._data):
            raise ValueError("a text that goes beyond the end")
        return self._data[self.position - count : self.position]

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 128:
            value |= (byte & 127) << shift
            shift += 7
            if shift > 63:
                raise ValueError("a number without end")
        return value | byte << shift

    def _signed(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
