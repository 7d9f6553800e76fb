"""The content of files with a JSON object in each line: read whole, or in blocks whose damaged lines are set apart."""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterator, Sequence, Set
from typing import IO, TYPE_CHECKING, Any

from dlrun.data.features.values import text_of

if TYPE_CHECKING:
    import polars

ONE_A_LINE = 'write an object in each line, such as {"age": 31, "city": "Rome"}; jq -c ".[]" makes lines of an array'

ARRAY = "an array of all rows, where each line needs an object"

HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""How a character begins that is written in two halves."""

WORDS = {type(None): "null", bool: "a truth value", int: "a number", float: "a number", str: "a text"}


def parse(data: bytes) -> polars.DataFrame | None:
    """The table, where polars finds one type for each column."""
    import polars

    try:
        return polars.read_ndjson(data, infer_schema_length=None)
    except polars.exceptions.PolarsError:
        return None


def is_suspicious(data: bytes, frame: polars.DataFrame) -> bool:
    """Whether lines may hold what polars reads without a word: a key twice, of which it takes one, or half a
    character."""
    if HALF.search(data):
        return True
    if data.count(b'":') == frame.height * frame.width and not any(column.null_count() for column in frame):
        return False  # as many keys as values: the usual case, and quickly seen
    return any(data.count(key_of(name)) > frame.height for name in frame.columns)


def key_of(name: str) -> bytes:
    """How a column's name stands in a file."""
    return json.dumps(name, ensure_ascii=False).encode()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are all different."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)} stands there twice")
    return found


def fault_of(line: str) -> str | None:
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


def mixed(rows: list[dict[str, Any]]) -> polars.DataFrame:
    """A table of objects whose values are of several types in one column: numbers, truth values, or else text."""
    import polars

    columns = dict.fromkeys(name for row in rows for name in row)
    return polars.DataFrame({name: _column([row.get(name) for row in rows]) for name in columns})


def _column(values: list[Any]) -> polars.Series:
    values = [None if value != value else value for value in values]  # JSON has no NaN, but Python writes it
    kinds = {type(value) for value in values} - {type(None)}
    return column_of(values, type_of(kinds, [value for value in values if type(value) is int]))


def type_of(kinds: Set[type], whole: Sequence[int]) -> type[polars.DataType]:
    """What the values of a column are read as: numbers, truth values, or else text.

    Args:
        kinds: their types in Python.
        whole: those that are whole numbers, or the least and the greatest one.
    """
    import polars

    if kinds == {bool}:
        return polars.Boolean
    if not kinds <= {int, float}:
        return polars.String
    if not kinds:
        return polars.Null
    bits = max((value.bit_length() for value in whole), default=0)
    return polars.Float64 if float in kinds or bits > 127 else polars.Int128 if bits > 63 else polars.Int64


def column_of(values: list[Any], dtype: type[polars.DataType]) -> polars.Series:
    """Values as a column of the type that `type_of` gives."""
    import polars

    if dtype == polars.String:
        values = [as_text(value) for value in values]
    elif dtype == polars.Float64:  # by its digits, the largest whole number is infinite, as 1e400 is
        values = [None if value is None else float(str(value)) for value in values]
    return polars.Series(values=values, dtype=dtype)


def as_text(value: Any) -> str | None:
    """A value of a column that holds several types."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else text_of(value)


def blocks_of(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """The content in pieces of whole lines."""
    first, rest = True, b""
    while chunk := stream.read(size):
        rest += chunk
        if first:
            rest, first = rest.removeprefix(codecs.BOM_UTF8), False
        if size > 0 and (end := rest.rfind(b"\n") + 1):
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest


def sound(block: str) -> tuple[polars.DataFrame, dict[int, str]]:
    """The rows of a block, and what is wrong with the lines that are none, by their position; empty lines count not."""
    frame = parse(block.encode())
    if frame is not None and not is_suspicious(block.encode(), frame):
        return frame, {}
    lines = [line for line in io.StringIO(block, newline="\n") if line.strip()]
    bad = {position: fault for position, line in enumerate(lines) if (fault := fault_of(line))}
    return mixed([json.loads(line) for position, line in enumerate(lines) if position not in bad]), bad


def with_all(frame: polars.DataFrame, names: list[str]) -> polars.DataFrame:
    """With columns of missing values for those that only other blocks have."""
    import polars

    missing = [polars.Series(name, [None] * frame.height, polars.String) for name in names if name not in frame.columns]
    return frame.with_columns(missing)
