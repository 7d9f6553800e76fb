"""Files of JSON lines that are larger than memory: put aside in blocks of rows, with the types that all rows together
have."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.data.sources.csv_text import Opened, check_nul, check_utf8
from dlrun.data.sources.json_text import HALF, ONE_A_LINE, as_text, blocks_of, fault_of, key_of, plain_kinds
from dlrun.data.sources.stored import write_block
from dlrun.errors import DataError

if TYPE_CHECKING:
    import polars

BLOCK = 1 << 23
"""Bytes of a file that are read at once."""


def put_aside(opened: Opened, name: str, folder: Path) -> None:
    """Writes the rows of a file as Parquet files into a folder, in the order of their names: those that `Json.frame`
    gives for all of them.

    Args:
        opened: opens the unpacked content.
        name: what to call it in messages.

    Raises:
        DataError: as `Json.frame`.
    """
    import polars

    _check(opened, name)
    try:
        doubtful = _write(opened, _schema(opened), folder)
        failed = False
    except polars.exceptions.PolarsError:
        doubtful = failed = True
    if doubtful:
        for number, line in enumerate(_lines(opened), 1):
            if line.strip() and (fault := fault_of(line)):
                raise DataError(f"{name}: line {number} {fault}", hint=ONE_A_LINE)
    if failed:
        _write_mixed(opened, _mixed_types(opened), folder)


def _check(opened: Opened, name: str) -> None:
    """That a file is not empty, and UTF-8."""
    fault: DataError | None = None
    line, empty = 1, True
    for block in _blocks(opened):
        check_utf8(block, name, line)
        try:
            check_nul(block, name, line)
        except DataError as error:  # all of it has to be UTF-8 first
            fault = fault or error
        line += block.count(b"\n")
        empty = empty and block.isspace()
    if empty:
        raise DataError(f"{name} is empty")
    if fault is not None:
        raise fault


def _blocks(opened: Opened) -> Iterator[bytes]:
    with opened() as stream:
        yield from blocks_of(stream, BLOCK)


def _lines(opened: Opened) -> Iterator[str]:
    for block in _blocks(opened):
        yield from block.decode().removesuffix("\n").split("\n")


def _schema(opened: Opened) -> polars.Schema:
    """The types of the columns, those that polars finds in a value of each type that it finds in blocks.

    Raises:
        PolarsError: there is none that all rows can have.
    """
    import polars

    found: dict[str, None] = {}
    for block in _blocks(opened):
        if not block.isspace():
            schema = polars.scan_ndjson(block, infer_schema_length=None).collect_schema()
            found[json.dumps({name: _example(dtype) for name, dtype in schema.items()}, ensure_ascii=False)] = None
    return polars.scan_ndjson("\n".join(found).encode(), infer_schema_length=None).collect_schema()


def _example(dtype: polars.DataType) -> Any:
    """A value of a type."""
    import polars

    if isinstance(dtype, polars.List):
        return [] if dtype.inner == polars.Null else [_example(dtype.inner)]  # type: ignore[arg-type]
    if isinstance(dtype, polars.Struct):
        return {field.name: _example(field.dtype) for field in dtype.fields}  # type: ignore[arg-type]
    if dtype == polars.Int128:
        return 10**24
    examples: Mapping[Any, Any] = {polars.Null: None, polars.Boolean: True, polars.Int64: 1, polars.Float64: 1.5}
    return next((example for kind, example in examples.items() if dtype == kind), "x")


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
        without_keys = [column for column in frame if column.dtype == polars.Struct({})]  # Parquet has no such objects
        frame = frame.with_columns(column.struct.json_encode() for column in without_keys)
        write_block(frame, folder / f"{index:08d}.parquet")
        rows += frame.height
        pairs += block.count(b'":')
        gaps = gaps or any(column.null_count() for column in frame)
        for name in schema:
            counts[name] += block.count(key_of(name))
    return half or ((gaps or pairs != rows * len(schema)) and max(counts.values(), default=0) > rows)


def _mixed_types(opened: Opened) -> dict[str, polars.DataType | None]:
    """The types of columns in which one type is among others: of numbers or truth values; None: text."""
    import polars

    kinds: dict[str, set[type]] = {}
    limits: dict[str, list[Any]] = {}
    for line in _lines(opened):
        for name, value in json.loads(line).items() if line.strip() else ():
            here = kinds.setdefault(name, set())
            if value is None or value != value:
                continue
            here.add(type(value))
            if type(value) in (int, float, bool):
                before = limits.setdefault(name, [])
                limits[name] = _extremes([*before, value])
    return {
        name: polars.Series(limits.get(name, [None]), strict=False).dtype if plain_kinds(found) else None
        for name, found in kinds.items()
    }


def _extremes(values: list[Any]) -> list[Any]:
    """The least and the greatest whole number among values, and a value of each other type."""
    whole = [value for value in values if type(value) is int]
    others = {type(value): value for value in values if type(value) is not int and math.isfinite(value)}
    return [*dict.fromkeys([min(whole), max(whole)] if whole else []), *others.values()]


def _write_mixed(opened: Opened, types: Mapping[str, polars.DataType | None], folder: Path) -> None:
    """Writes the rows of a file whose columns hold values of several types."""
    import polars

    for file in folder.iterdir():
        file.unlink()
    for index, block in enumerate(_blocks(opened)):
        rows = [json.loads(line) for line in block.decode().split("\n") if line.strip()]
        columns: dict[str, polars.Series] = {}
        for name, dtype in types.items():
            values = [None if value != value else value for value in (row.get(name) for row in rows)]
            columns[name] = (
                polars.Series(values=[as_text(value) for value in values], dtype=polars.String)
                if dtype is None
                else polars.Series(values=values, dtype=dtype, strict=False)
            )
        if rows:
            write_block(polars.DataFrame(columns), folder / f"{index:08d}.parquet")
