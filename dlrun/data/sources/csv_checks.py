"""What is wrong with the content of a CSV file: its encoding, its first line, rows that are too long or too short."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import IO, TYPE_CHECKING

from dlrun.errors import DataError

if TYPE_CHECKING:
    from _csv import Reader

Opened = Callable[[], AbstractContextManager[IO[bytes]]]
"""Opens a content, from its beginning."""

UTF8 = "save the file as UTF-8"


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
            _check_width(csv.reader(text, delimiter=delimiter, strict=strict), name)


def _check_width(reader: Reader, name: str) -> None:
    """As `check_widths`, by one reader."""
    before = 0
    try:
        width = len(next(reader))
        before = reader.line_num
        for row in reader:
            if row and len(row) != width:
                fault = width_fault(row, width, quoted=reader.line_num > before + 1)
                raise DataError(
                    f"{name}: line {before + 1} {fault}",
                    hint="values that hold the delimiter or a line break have to stand in quotes",
                )
            before = reader.line_num
    except csv.Error as error:
        raise DataError(
            f"{name}: the row in line {before + 1} cannot be read: {error}", hint="a quote may be left open in it"
        ) from None


def width_fault(row: list[str], width: int, *, quoted: bool) -> str:
    if not row:
        return "is empty"
    quote = "; a quote may be left open" if quoted else ""
    return f"has {len(row)} {'value' if len(row) == 1 else 'values'}, but there are {width} columns{quote}"
