"""The content of CSV files in blocks of rows, of which those that are damaged are set apart."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from dlrun.data.sources.csv_checks import check_encoding, check_quotes, no_rows, width_fault
from dlrun.data.sources.csv_text import Dialect, UnreadableError, blocks_of, header_length, names_of, parse
from dlrun.errors import DataError

if TYPE_CHECKING:
    import polars


def frames_of(
    stream: IO[bytes], name: str, dialect: Dialect, size: int
) -> Iterator[tuple[polars.DataFrame, dict[int, str]]]:
    """The table in blocks of rows, as `frame_of` reads them; a row that has too few or too many values is set apart.

    Args:
        stream: the unpacked content.
        size: of a block, in bytes; -1: all at once.

    Returns:
        Frames, each with what is wrong with the rows that are not in it, by their position in the block.

    Raises:
        DataError: no rows can be made of the content.
    """
    header, width, line, empty = b"", 0, 1, True
    for block in blocks_of(stream, dialect.delimiter, size):
        check_encoding(block, name, line)
        first, line = line, line + block.count(b"\n")
        if not header:
            block = block.removeprefix(codecs.BOM_UTF8)
            if not block or block.isspace():
                break
            length = header_length(block, name, dialect)
            header, block = block[:length], block[length:]
            width = len(names_of(header, dialect))
            first += header.count(b"\n")
        if block:
            empty = False
            check_quotes(block, name, dialect.delimiter, first)
            yield _sound_frame(header, block, name, width, dialect)
    if empty:
        raise no_rows(name, returns=b"\r" in header.strip()) if header else DataError(f"{name} is empty")


def _sound_frame(
    header: bytes, block: bytes, name: str, width: int, dialect: Dialect
) -> tuple[polars.DataFrame, dict[int, str]]:
    try:
        frame = parse(header + block, dialect)
        if not frame[:, -1].null_count():
            return frame, {}
    except UnreadableError:
        pass
    kept, bad = _sort_rows(block, name, width, dialect.delimiter)
    try:
        return parse(header + kept, dialect), bad
    except UnreadableError as error:
        raise DataError(f"{name} cannot be read: {error}") from None


def _sort_rows(block: bytes, name: str, width: int, delimiter: str) -> tuple[bytes, dict[int, str]]:
    """The rows that have as many values as there are columns, and what is wrong with the others."""
    lines = list(io.StringIO(block.decode(), newline=""))
    reader = csv.reader(lines, delimiter=delimiter)
    kept: list[str] = []
    bad: dict[int, str] = {}
    before = 0
    try:
        for position, row in enumerate(reader):
            if len(row) == width or (width == 1 and not row):
                kept.extend(lines[before : reader.line_num])
            else:
                bad[position] = width_fault(row, width, lines[before : reader.line_num])
            before = reader.line_num
    except csv.Error as error:
        raise DataError(f"{name}: {error}", hint="a quote may be left open") from None
    return "".join(kept).encode(), bad
