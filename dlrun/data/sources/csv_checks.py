"""What is wrong with the content of a CSV file: its encoding, its first line, rows that are too long or too short."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import IO

from dlrun.errors import DataError

Opened = Callable[[], AbstractContextManager[IO[bytes]]]
"""Opens a content, from its beginning."""

UTF8 = "save the file as UTF-8"

QUOTE = ord('"')

PIECE = 1 << 24
"""So many bytes are looked through for quotes at once."""


def check_names(names: Sequence[str], file: str) -> None:
    """That every column has a name, and no two the same.

    Raises:
        DataError: with the columns.
    """
    if not names:
        raise DataError(f"{file} is empty, or begins with an empty line", hint="its first line holds the names")
    if not any(name.strip() for name in names):
        raise DataError(f"{file} has no names of columns in its first line", hint="write them, comma-separated")
    nameless = [position for position, name in enumerate(names, 1) if not name.strip()]
    if nameless:
        raise DataError(
            f"{file}: column {nameless[0]} has no name in the first line",
            hint="name it; pandas writes such a column unless told to_csv(index=False)",
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{file} has two columns of the same name: {', '.join(twice)}", hint="rename one of them")


def no_rows(name: str, *, returns: bool) -> DataError:
    """What is told of a file without rows.

    Args:
        returns: whether there are carriage returns within it.
    """
    if returns:
        return DataError(f"{name}: its lines end in carriage returns alone", hint="save it again with plain line ends")
    return DataError(f"{name} has no rows below the names of its columns")


def check_encoding(data: bytes, name: str, line: int = 1) -> None:
    """That a content is UTF-8, and text.

    Args:
        line: the number of its first line.

    Raises:
        DataError: with the line.
    """
    check_utf8(data, name, line)
    check_nul(data, name, line)


def check_utf8(data: bytes, name: str, line: int = 1) -> None:
    """That a content is UTF-8; as `check_encoding`."""
    try:
        if not data.isascii():
            data.decode("utf-8")
    except UnicodeDecodeError as error:
        line += data.count(b"\n", 0, error.start)
        raise DataError(f"{name} is not UTF-8: line {line}, byte 0x{data[error.start]:02x}", hint=UTF8) from None


def check_nul(data: bytes, name: str, line: int = 1) -> None:
    """That a content has no NUL byte; as `check_encoding`."""
    if (nul := data.find(b"\0")) >= 0:
        line += data.count(b"\n", 0, nul)
        raise DataError(f"{name} is not UTF-8 text: line {line} holds a NUL byte, as UTF-16 does", hint=UTF8)


def text_blocks(blocks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """The blocks of a content that is UTF-8, and text, up to the first with a NUL byte: as of a whole content, that is
    told only when all of it is known to be UTF-8.

    Raises:
        DataError: as `check_encoding`.
    """
    line = 1
    fault: DataError | None = None
    for block in blocks:
        check_utf8(block, name, line)
        try:
            check_nul(block, name, line)
        except DataError as error:
            fault = fault or error
        line += block.count(b"\n")
        if fault is None:
            yield block
    if fault is not None:
        raise fault


def check_widths(opened: Opened, name: str, delimiter: str) -> None:
    """That every row has as many values as the first line has names, and that no quote is left open.

    Args:
        opened: opens the content, which is UTF-8.

    Raises:
        DataError: with the line.
    """
    for strict in (False, True):
        with opened() as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
            _check_width(text, name, delimiter, strict=strict)


def _check_width(text: Iterable[str], name: str, delimiter: str, *, strict: bool) -> None:
    """As `check_widths`, by one reader."""
    lines: list[str] = []

    def kept() -> Iterator[str]:
        for line in text:
            lines.append(line)
            yield line

    reader = csv.reader(kept(), delimiter=delimiter, strict=strict)
    before = 0
    try:
        width = len(next(reader))
        before = reader.line_num
        lines.clear()
        for row in reader:
            if row and len(row) != width:
                fault = width_fault(row, width, lines)
                raise DataError(
                    f"{name}: line {before + 1} {fault}",
                    hint="values that hold the delimiter or a line break have to stand in quotes",
                )
            before = reader.line_num
            lines.clear()
    except csv.Error as error:
        raise DataError(
            f"{name}: the row in line {before + 1} cannot be read: {error}", hint="a quote may be left open in it"
        ) from None


def check_quotes(data: bytes, name: str, delimiter: str, line: int = 1) -> None:
    """That no quote stands where polars takes what follows it for a part of the same value, several rows perhaps.

    Args:
        data: whole rows.
        line: the number of the first line.

    Raises:
        DataError: with the line.
    """
    position = stray_quote(data, delimiter) if b'"' in data else None
    if position is not None:
        line += data.count(b"\n", 0, position)
        raise DataError(
            f"{name}: line {line} has a quote that neither begins nor ends a value",
            hint='write it twice, and the whole value in quotes: "a 5"" disk"',
        )


def stray_quote(data: bytes, delimiter: str) -> int | None:
    """Where the first quote is that begins within a value and ends in another line, or ends before its value does.

    Quotes belong together two by two. One that opens follows a delimiter, a line break or, written twice, a quote; one
    that closes is followed by such. Both within a value that does not begin with a quote are its characters.
    """
    import numpy as np

    text = np.frombuffer(data, np.uint8)
    edge = np.zeros(256, bool)
    edge[[ord(delimiter), *b"\r\n", QUOTE]] = True
    left = np.zeros(0, np.int64)
    for start in range(0, len(text), PIECE):
        quotes = np.concatenate([left, start + np.flatnonzero(text[start : start + PIECE] == QUOTE)])
        whole = len(quotes) // 2 * 2
        opening, closing, left = quotes[:whole:2], quotes[1:whole:2], quotes[whole:]
        begins = edge[text[opening - 1]] | (opening == 0)
        ends = edge[text[np.minimum(closing + 1, len(text) - 1)]]  # behind the last one it is itself
        wrong = begins & ~ends
        for index in np.flatnonzero(~begins).tolist():
            wrong[index] = data.find(b"\n", opening[index], closing[index]) >= 0
        if wrong.any():
            first = int(wrong.argmax())
            return int(closing[first] if begins[first] else opening[first])
    last = int(left[0]) if len(left) else 0
    return last if last and not edge[text[last - 1]] else None


def width_fault(row: list[str], width: int, lines: Sequence[str]) -> str:
    """What is wrong with a row that has too few or too many values, as a clause.

    Args:
        width: how many values it should have.
        lines: that it stands in.
    """
    if not row:
        return "is empty"
    quote = "; a quote may be left open" if len(lines) > 1 or "".join(lines).count('"') % 2 else ""
    return f"has {len(row)} {'value' if len(row) == 1 else 'values'}, but there are {width} columns{quote}"
