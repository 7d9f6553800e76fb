"""CSV files that are larger than memory: put aside in blocks of rows, with the types that all rows together have."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dlrun.data.sources.aside import write_block
from dlrun.data.sources.csv_checks import Opened, check_quotes, check_widths, no_rows, text_blocks
from dlrun.data.sources.csv_text import (
    Dialect,
    UnreadableError,
    blocks_of,
    header_length,
    names_of,
    read_frame,
)
from dlrun.data.sources.frames import dtypes
from dlrun.errors import DataError

if TYPE_CHECKING:
    import polars

BLOCK = 1 << 23
"""Bytes of a file that are read at once."""

EXAMPLES = {"Int64": "1", "Float64": "1.5", "Boolean": "true", "Int128": "9" * 24}
"""A value of each type that polars finds in texts; any other one is text."""


@dataclass
class Survey:
    """What a first reading shows.

    Args:
        header: the line with the names.
        names: of the columns.
        lengths: of the blocks of whole rows, in bytes.
        found: the types of each column that blocks of it are taken for.
        returns: whether there are carriage returns.
        quotes: whether there are quotes.
    """

    header: bytes
    names: Sequence[str]
    lengths: list[int]
    found: dict[str, set[str]]
    returns: bool = False
    quotes: bool = False


def put_aside(opened: Opened, name: str, dialect: Dialect, folder: Path) -> bool:
    """Writes the rows of a CSV file as Parquet files into a folder, in the order of their names. They are what
    `csv_text.frame_of` gives for all of them, once `csv_text.settled` is asked for each whole column.

    Args:
        opened: opens the unpacked content.
        name: what to call it in messages.

    Returns:
        Whether the types of columns are not those that polars finds: what `settled` asks.

    Raises:
        DataError: as `frame_of`.
    """
    import polars

    survey = _survey(opened, name, dialect)
    loosely = False
    try:
        rows, gaps = _write(opened, survey, dialect, _types(survey, dialect), folder)
    except polars.exceptions.PolarsError:
        loosely = True
        try:
            rows, gaps = _write(opened, survey, dialect, {}, folder)
        except polars.exceptions.PolarsError as error:
            check_widths(opened, name, dialect.delimiter)
            _check_quotes(opened, survey, name, dialect)
            raise DataError(f"{name} cannot be read: {UnreadableError.of(error)}") from None
    if not rows:
        raise no_rows(name, returns=survey.returns)
    if gaps:
        check_widths(opened, name, dialect.delimiter)
    _check_quotes(opened, survey, name, dialect)
    return loosely


def _survey(opened: Opened, name: str, dialect: Dialect) -> Survey:
    """Reads the file once, for its encoding and the types of its columns.

    Raises:
        DataError: it is empty, not UTF-8, or its first line does not name columns.
    """
    survey: Survey | None = None
    fault: DataError | None = None
    empty, quoted = True, False
    with opened() as stream:
        for block in text_blocks(blocks_of(stream, dialect.delimiter, BLOCK), name):
            empty = empty and not block.removeprefix(codecs.BOM_UTF8).strip()
            quoted = quoted or b'"' in block
            if fault is not None:
                continue  # told when all of it is known to be UTF-8
            if survey is None:
                try:
                    survey, rows = _begun(block, name, dialect)
                except DataError as error:
                    fault = error
                    continue
            else:
                survey.lengths.append(len(block))
                rows = block
            _look(survey, rows, dialect)
    if survey is None or empty:
        raise DataError(f"{name} is empty") if empty or fault is None else fault
    survey.quotes = quoted
    return survey


def _begun(block: bytes, name: str, dialect: Dialect) -> tuple[Survey, bytes]:
    """What the first block shows, and its rows."""
    content = block.removeprefix(codecs.BOM_UTF8)
    length = header_length(content, name, dialect)
    header = content[:length]
    names = names_of(header, dialect)
    returns = b"\r" in block.strip()
    return Survey(header, names, [len(block)], {each: set() for each in names}, returns), content[length:]


def _look(survey: Survey, block: bytes, dialect: Dialect) -> None:
    """Notes the types that the columns of a block are taken for, other than those that are given."""
    import polars

    content, given = survey.header + block, dtypes(dialect.among(survey.names))
    try:
        schema = polars.scan_csv(
            content, infer_schema_length=None, schema_overrides=given, **dialect.options
        ).collect_schema()
        open_ = [
            name
            for name, dtype in schema.items()
            if dtype == polars.String and "String" not in survey.found.get(name, ()) and name not in given
        ]
        if open_:  # a column without values is taken for one of text
            texts = read_frame(content, dialect, {}, open_)
            open_ = [name for name in open_ if texts[name].null_count() == len(texts)]
    except polars.exceptions.PolarsError:
        return  # told when the rows are read
    for name, dtype in schema.items():
        if name not in open_:
            survey.found.setdefault(name, set()).add(str(dtype))


def _types(survey: Survey, dialect: Dialect) -> dict[str, polars.DataType]:
    """The types of the columns, those that are given and those that polars finds in values of each that it found."""
    import polars

    found: dict[str, polars.DataType] = {}
    for name in survey.names:
        kinds = survey.found[name]
        content = "\n".join(["a", *(EXAMPLES.get(kind, "x") for kind in sorted(kinds))]).encode()
        found[name] = (
            polars.scan_csv(content, infer_schema_length=None).collect_schema()["a"] if kinds else polars.String()
        )
    return {**found, **{name: dtype() for name, dtype in dtypes(dialect.among(survey.names)).items()}}


def _write(
    opened: Opened, survey: Survey, dialect: Dialect, types: Mapping[str, polars.DataType], folder: Path
) -> tuple[int, bool]:
    """Writes the rows.

    Returns:
        How many there are; and whether the last column lacks values, as it does where a row is too short.

    Raises:
        PolarsError: values cannot be read as these types, or rows are of another length.
    """
    rows, gaps = 0, False
    for index, block in enumerate(_again(opened, survey)):
        frame = read_frame(survey.header + block, dialect, types)
        write_block(frame, folder / f"{index:08d}.parquet")
        rows += frame.height
        gaps = gaps or frame[:, -1].null_count() > 0
    return rows, gaps


def _check_quotes(opened: Opened, survey: Survey, name: str, dialect: Dialect) -> None:
    """As `check_quotes`, of all blocks."""
    if survey.quotes:
        line = 1 + survey.header.count(b"\n")
        for block in _again(opened, survey):
            check_quotes(block, name, dialect.delimiter, line)
            line += block.count(b"\n")


def _again(opened: Opened, survey: Survey) -> Iterator[bytes]:
    """The same blocks once more, without the first line."""
    with opened() as stream:
        for index, length in enumerate(survey.lengths):
            block = stream.read(length)
            yield block if index else block.removeprefix(codecs.BOM_UTF8)[len(survey.header) :]
