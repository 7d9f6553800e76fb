"""Tables in files with a JSON object in each line."""

from __future__ import annotations

import io
import json
import pathlib
import re
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, ClassVar, Literal

from dlrun.data.columns import Batch
from dlrun.data.features.values import text_of
from dlrun.data.sources.csv_text import BYTE_ORDER_MARK, check_encoding
from dlrun.data.sources.files import ZSTANDARD, opened, read_whole
from dlrun.data.sources.frames import Types, batch_of, conform
from dlrun.data.sources.tabular import Tabular
from dlrun.errors import DataError

if TYPE_CHECKING:
    import polars

ONE_A_LINE = 'write an object in each line, such as {"age": 31, "city": "Rome"}; jq -c ".[]" makes lines of an array'

ARRAY = "an array of all rows, where each line needs an object"

HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""How a character begins that is written in two halves."""

WORDS = {type(None): "null", bool: "a truth value", int: "a number", float: "a number", str: "a text"}


class Json(Tabular):
    """JSON lines: an object in each line, whose keys are the columns; a key that is left out, or null, is a missing
    value."""

    endings: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson", ".json")
    kind: Literal["json"]
    """JSON lines: an object in each line, whose keys are the columns; a key that is left out is a missing value."""

    def names(self, file: pathlib.Path) -> None:
        """Nothing: a later line may have other keys than the first. But that one is looked at.

        Raises:
            DataError: the file is not of this kind.
        """
        if file.suffix.lower() == ZSTANDARD:
            return
        with opened(file) as stream:
            first = next((line for line in stream if line.strip(BYTE_ORDER_MARK + b" \t\r\n")), b"")
        check_encoding(first, str(file))
        if not first:
            raise DataError(f"{file} is empty")
        if fault := _fault(first.removeprefix(BYTE_ORDER_MARK).decode()):
            raise DataError(f"the first line of {file} {fault}", hint=ONE_A_LINE)

    def frame(self, stream: IO[bytes], name: str, types: Types) -> polars.DataFrame:
        """All rows of a file.

        Raises:
            DataError: it is damaged, with the line.
        """
        data = read_whole(stream, name).removeprefix(BYTE_ORDER_MARK)
        if not data.strip():
            raise DataError(f"{name} is empty")
        check_encoding(data, name)
        frame = _parse(data)
        if frame is None or _is_suspicious(data, frame):
            lines = data.decode().split("\n")
            for number, line in enumerate(lines, 1):
                if line.strip() and (fault := _fault(line)):
                    raise DataError(f"{name}: line {number} {fault}", hint=ONE_A_LINE)
            frame = frame if frame is not None else _mixed([json.loads(line) for line in lines if line.strip()])
        if not frame.width:
            raise DataError(f"{name} has no columns: its objects are empty")
        return frame

    def batches(self, stream: IO[bytes], name: str, size: int) -> Iterator[Batch]:
        """Rows of a file in blocks of about `size` bytes, -1: all at once; lines that are no objects are set apart.

        Raises:
            DataError: it is empty, or not UTF-8.
        """
        start, number, columns = 0, 1, dict[str, None]()
        for block in _blocks(stream, size):
            check_encoding(block, name, number)
            number += block.count(b"\n")
            frame, bad = _sound(block.decode())
            columns |= dict.fromkeys(frame.columns)
            if not columns:
                told = next(
                    (f"line {1 + position} {fault}" for position, fault in bad.items()), "its objects are empty"
                )
                raise DataError(f"{name} has no columns: {told}", hint=ONE_A_LINE)
            frame = _with_columns(frame, list(columns))
            yield batch_of(conform(frame, self.types or {}), bad, name, start, self.time, self.types or {})
            start += frame.height + len(bad)
        if not start:
            raise DataError(f"{name} is empty")


def _parse(data: bytes) -> polars.DataFrame | None:
    """The table, where polars finds one type for each column."""
    import polars

    try:
        return polars.read_ndjson(data, infer_schema_length=None)
    except polars.exceptions.PolarsError:
        return None


def _is_suspicious(data: bytes, frame: polars.DataFrame) -> bool:
    """Whether lines may hold what polars reads without a word: a key twice, of which it takes one, or half a
    character."""
    if HALF.search(data):
        return True
    if data.count(b'":') == frame.height * frame.width and not any(column.null_count() for column in frame):
        return False  # as many keys as values: the usual case, and quickly seen
    keys = (json.dumps(name, ensure_ascii=False).encode() for name in frame.columns)
    return any(data.count(key) > frame.height for key in keys)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are all different."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)} stands there twice")
    return found


def _fault(line: str) -> str | None:
    """What is wrong with a line, to stand after its number."""
    try:
        value = json.loads(line.rstrip("\r\n"), object_pairs_hook=_once)
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        if line.strip() == "[" or line.lstrip().startswith("[{"):
            return f"begins {ARRAY}"
        return f"is no JSON: {error.msg} at column {error.colno}"
    except UnicodeEncodeError:
        return "holds half a character, such as \\ud800"
    except RecursionError:
        return "is nested too deeply"
    except ValueError as error:
        return f"is no JSON: {error}"
    if isinstance(value, dict):
        return None
    if isinstance(value, list):
        return f"holds {ARRAY}" if any(isinstance(each, dict) for each in value) else "holds a list, not an object"
    return f"holds {WORDS[type(value)]}, not an object"


def _mixed(rows: list[dict[str, Any]]) -> polars.DataFrame:
    """A table of objects whose values are of several types in one column: numbers, truth values, or else text."""
    import polars

    columns = dict.fromkeys(name for row in rows for name in row)
    return polars.DataFrame({name: _column([row.get(name) for row in rows]) for name in columns})


def _column(values: list[Any]) -> polars.Series:
    import polars

    values = [None if value != value else value for value in values]  # JSON has no NaN, but Python writes it
    kinds = {type(value) for value in values} - {type(None)}
    if kinds <= {int, float} or kinds == {bool}:
        return polars.Series(values, dtype=polars.Boolean if kinds == {bool} else None, strict=False)
    texts = [
        json.dumps(each, ensure_ascii=False) if isinstance(each, dict | list) else text_of(each) for each in values
    ]
    return polars.Series(texts, dtype=polars.String)


def _blocks(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """The content in pieces of whole lines."""
    first, rest = True, b""
    while chunk := stream.read(size):
        rest += chunk
        if first:
            rest, first = rest.removeprefix(BYTE_ORDER_MARK), False
        if size > 0 and (end := rest.rfind(b"\n") + 1):
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest


def _sound(block: str) -> tuple[polars.DataFrame, dict[int, str]]:
    """The rows of a block, and what is wrong with the lines that are none, by their position; empty lines count not."""
    frame = _parse(block.encode())
    if frame is not None and not _is_suspicious(block.encode(), frame):
        return frame, {}
    lines = [line for line in io.StringIO(block, newline="\n") if line.strip()]
    bad = {position: fault for position, line in enumerate(lines) if (fault := _fault(line))}
    return _mixed([json.loads(line) for position, line in enumerate(lines) if position not in bad]), bad


def _with_columns(frame: polars.DataFrame, names: list[str]) -> polars.DataFrame:
    """With columns of missing values for those that only other blocks have."""
    import polars

    missing = [polars.Series(name, [None] * frame.height, polars.String) for name in names if name not in frame.columns]
    return frame.with_columns(missing)
