"""Files of JSON lines that are larger than memory: put aside in blocks of rows, with the types that all rows together
have."""

from __future__ import annotations

import codecs
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dlrun.data.sources.aside import writable, write_block
from dlrun.data.sources.csv_checks import Opened, text_blocks
from dlrun.data.sources.files import is_packed, is_pattern, opened
from dlrun.data.sources.json_text import HALF, ONE_A_LINE, blocks_of, column_of, fault_of, key_of, type_of
from dlrun.data.sources.nested import without_empty
from dlrun.errors import DataError

if TYPE_CHECKING:
    import polars

BLOCK = 1 << 23
"""Bytes of a file that are read at once."""


def put_aside(file: Path, folder: Path) -> None:
    """Writes the rows of a file as Parquet files into a folder, in the order of their names: those that `Json.frame`
    gives for all of them.

    Raises:
        DataError: as `Json.frame`.
    """
    import polars

    content, name = _plain(file, folder), str(file)

    def opened_again() -> AbstractContextManager[IO[bytes]]:
        return opened(content)

    _check(opened_again, name)
    try:
        # What polars finds by all rows: in which order columns stand that some lack follows from each of them.
        schema = polars.scan_ndjson(content, infer_schema_length=None).collect_schema()
        doubtful = _write(opened_again, schema, folder)
        failed = False
    except polars.exceptions.PolarsError:
        doubtful = failed = True
    if doubtful:
        for number, line in enumerate(_lines(opened_again), 1):
            if line.strip() and (fault := fault_of(line)):
                raise DataError(f"{name}: line {number} {fault}", hint=ONE_A_LINE)
    if failed:
        _write_mixed(opened_again, _mixed_types(opened_again), folder)


def _plain(file: Path, folder: Path) -> Path:
    """A file with the content alone, for polars to find the types in: unpacked, without a mark at its beginning, and
    with a name that is no pattern; the file itself, or a copy in the folder."""
    with opened(file) as stream:
        block = stream.read(len(codecs.BOM_UTF8))
        if not is_packed(file) and block != codecs.BOM_UTF8 and not is_pattern(str(file)):
            return file
        with (folder / "content").open("wb") as content:
            for each in chain([block.removeprefix(codecs.BOM_UTF8)], iter(lambda: stream.read(BLOCK), b"")):
                with writable(folder):
                    content.write(each)
    return folder / "content"


def _check(opened: Opened, name: str) -> None:
    """That a file is not empty, and UTF-8."""
    empty = True
    for block in text_blocks(_blocks(opened), name):
        empty = empty and block.isspace()
    if empty:
        raise DataError(f"{name} is empty")


def _blocks(opened: Opened) -> Iterator[bytes]:
    with opened() as stream:
        yield from blocks_of(stream, BLOCK)


def _lines(opened: Opened) -> Iterator[str]:
    for block in _blocks(opened):
        yield from block.decode().removesuffix("\n").split("\n")


def _write(opened: Opened, schema: polars.Schema, folder: Path) -> bool:
    """Writes the rows.

    Returns:
        Whether lines may hold what polars reads without a word, as `is_suspicious` asks it of a whole content.

    Raises:
        DataError: there are no columns.
        PolarsError: values cannot be read as these types.
    """
    import polars

    half, gaps, pairs, rows = False, False, 0, 0
    counts: Counter[str] = Counter()
    for index, block in enumerate(_blocks(opened)):
        half = half or HALF.search(block) is not None
        if block.isspace() or not schema:
            continue
        frame = polars.read_ndjson(block, schema=schema)
        write_block(without_empty(frame), folder / f"{index:08d}.parquet")
        rows += frame.height
        pairs += block.count(b'":')
        gaps = gaps or any(column.null_count() for column in frame)
        for name in schema:
            counts[name] += block.count(key_of(name))
    return half or ((gaps or pairs != rows * len(schema)) and max(counts.values(), default=0) > rows)


def _mixed_types(opened: Opened) -> dict[str, type[polars.DataType]]:
    """The types of columns in which one type is among others."""
    kinds: dict[str, set[type]] = {}
    limits: dict[str, list[int]] = {}
    for line in _lines(opened):
        for name, value in json.loads(line).items() if line.strip() else ():
            here = kinds.setdefault(name, set())
            if value is None or value != value:
                continue
            here.add(type(value))
            if type(value) is int:
                before = limits.get(name, [value])
                limits[name] = [min(value, *before), max(value, *before)]
    return {name: type_of(found, limits.get(name, [])) for name, found in kinds.items()}


def _write_mixed(opened: Opened, types: Mapping[str, type[polars.DataType]], folder: Path) -> None:
    """Writes the rows of a file whose columns hold values of several types."""
    import polars

    for file in folder.glob("*.parquet"):
        file.unlink()
    for index, block in enumerate(_blocks(opened)):
        rows = [json.loads(line) for line in block.decode().split("\n") if line.strip()]
        columns: dict[str, polars.Series] = {}
        for name, dtype in types.items():
            values = [None if value != value else value for value in (row.get(name) for row in rows)]
            columns[name] = column_of(values, dtype)
        if rows:
            write_block(polars.DataFrame(columns), folder / f"{index:08d}.parquet")
