"""The content of CSV files: how it is written, and the table in it."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from dlrun.data.sources.csv_checks import check_encoding, check_names, check_quotes, check_widths, no_rows
from dlrun.data.sources.csv_times import dated
from dlrun.data.sources.csv_types import found_types
from dlrun.data.sources.frames import ColumnType, Types, conform, dtypes, soften
from dlrun.errors import DataError

if TYPE_CHECKING:
    import polars

Schema = Mapping[str, "polars.DataType | type[polars.DataType]"]
"""The types of columns, as polars has them."""

DECIMAL = r"^\s*([+-]?\d+),(\d+)\s*$"
"""A number with a decimal comma."""

HEADER = 1 << 20
"""In so many bytes the first line ends."""


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written.

    Args:
        delimiter: the character between two values.
        missing: texts that stand for a missing value, besides the empty one.
        decimal_comma: whether numbers are written with a comma.
        types: what columns are read as; the others by what they hold.
    """

    delimiter: str = ","
    missing: Sequence[str] = ()
    decimal_comma: bool = False
    types: Types = field(default_factory=dict)

    def among(self, names: Sequence[str]) -> Types:
        """The types that are given of some columns."""
        return {name: kind for name, kind in self.types.items() if name in names}

    @property
    def options(self) -> dict[str, Any]:
        """What polars is told of it."""
        return {
            "separator": self.delimiter,
            "null_values": ["", *self.missing],
            "decimal_comma": self.decimal_comma,
        }


def frame_of(data: bytes, name: str, dialect: Dialect) -> polars.DataFrame:
    """The table in the content of a CSV file.

    A column whose type is given and that has other values too is text.

    Args:
        data: the unpacked content.
        name: what to call it in messages.

    Raises:
        DataError: the content is damaged, with the line.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    if not data or data.isspace():
        raise DataError(f"{name} is empty")
    check_encoding(data, name)
    header_length(data, name, dialect)
    try:
        frame = parse(data, dialect)
    except UnreadableError as error:
        check_widths(lambda: io.BytesIO(data), name, dialect.delimiter)
        check_quotes(data, name, dialect.delimiter)
        raise DataError(f"{name} cannot be read: {error}") from None
    if frame.height == 0:
        raise no_rows(name, returns=b"\r" in data.strip())
    if frame[:, -1].null_count():  # that is how polars fills up a row that is too short
        check_widths(lambda: io.BytesIO(data), name, dialect.delimiter)
    check_quotes(data, name, dialect.delimiter)
    return frame


class UnreadableError(Exception):
    """polars cannot read a content; the message says why."""

    @classmethod
    def of(cls, error: polars.exceptions.PolarsError) -> UnreadableError:
        """With the first line of polars's message."""
        return cls(shortened(str(error).splitlines()[0]))


def parse(data: bytes, dialect: Dialect) -> polars.DataFrame:
    """The rows of a content that begins with the names.

    Raises:
        UnreadableError: polars cannot read it.
    """
    import polars

    loosely = False
    try:
        frame = _found(data, dialect, dtypes(dialect.among(names_of(data, dialect))))
    except polars.exceptions.PolarsError:
        loosely = True
        try:
            frame = read_frame(data, dialect, {})
        except polars.exceptions.PolarsError as error:
            raise UnreadableError.of(error) from None
    return settled(frame, dialect, loosely=loosely)


def read_frame(data: bytes, dialect: Dialect, types: Schema, columns: Sequence[str] | None = None) -> polars.DataFrame:
    """The rows with the types of some columns given; the others are texts.

    Args:
        columns: which are read; None: all.

    Raises:
        PolarsError: values are of other types, or no rows can be made of the content.
    """
    return _read_csv(data, columns=columns, infer_schema=False, schema_overrides=types, **dialect.options)


def _read_csv(data: bytes, **options: Any) -> polars.DataFrame:
    """As polars does it, which panics where a quote opens a number at the very end."""
    import polars

    if data.endswith(b'"') and data.count(b'"') % 2:
        raise polars.exceptions.ComputeError("a quote is left open at its end")
    return polars.read_csv(data, **options)


def settled(frame: polars.DataFrame, dialect: Dialect, *, loosely: bool = False) -> polars.DataFrame:
    """Whole columns as polars reads them, with the types that it does not find: times, numbers with a decimal comma,
    and those that are given.

    Args:
        loosely: whether all columns were read as text, since polars takes them for what not all their values are.
    """
    import polars

    types = dialect.among(frame.columns)
    if loosely:
        frame = _typed(frame, dialect)
    else:
        frame = frame.with_columns(dated(column) for column in frame if column.name not in dtypes(types))
    if dialect.decimal_comma:  # numbers beside other text: what is told of such a column are the other texts
        frame = frame.with_columns(polars.col(polars.String).str.replace(DECIMAL, "${1}.${2}"))
    return soften(frame, types)


def _found(data: bytes, dialect: Dialect, given: dict[str, type[polars.DataType]]) -> polars.DataFrame:
    """The rows with some types given, the others found.

    Raises:
        PolarsError: values are of other types, or too large for them; or no rows can be made of the content.
    """
    import polars

    with suppress(polars.exceptions.PolarsError):  # ragged rows, or whole numbers of more than 64 bits
        found = found_types(data, given, dialect.options)
        if found is not None:
            return read_frame(data, dialect, {**found, **given})
    return _read_csv(data, infer_schema_length=None, schema_overrides=given, **dialect.options)


def _typed(frame: polars.DataFrame, dialect: Dialect) -> polars.DataFrame:
    """Columns of text as what all their values are: whole numbers, numbers, truth values or times; those with other
    values stay text. That is for tables whose columns seem to be one thing by some rows and another by others."""
    import polars

    for column in frame:
        if column.name in dialect.types or not column.count():
            continue
        if dialect.decimal_comma:
            column = column.str.replace(DECIMAL, "${1}.${2}")
        kinds: tuple[ColumnType, ...] = ("integer", "boolean")
        ways = (conform(column.to_frame(), {column.name: kind})[column.name] for kind in kinds)
        found = next((way for way in ways if way.dtype != polars.String), None)
        frame = frame.with_columns(dated(column) if found is None else found)
    return frame


def shortened(text: str) -> str:
    """A text for a message."""
    return text if len(text) <= 200 else f"{text[:150]} … {text[-50:]}"


def names_of(data: bytes, dialect: Dialect) -> list[str]:
    """The names that a content begins with, which `header_length` has found sound."""
    lines = io.StringIO(data[:HEADER].decode(errors="ignore"), newline="")
    return next(csv.reader(lines, delimiter=dialect.delimiter))


def header_length(data: bytes, name: str, dialect: Dialect) -> int:
    """How many bytes the line with the names of the columns has, or the lines where there are breaks in names.

    Raises:
        DataError: the names cannot be those of columns.
    """
    lines = io.StringIO(data[:HEADER].decode(errors="ignore"), newline="")
    reader = csv.reader(lines, delimiter=dialect.delimiter)
    try:
        check_names(next(reader, []), name)
    except csv.Error as error:
        raise DataError(f"the first line of {name} cannot be read: {error}") from None
    lines.seek(0)
    return len("".join(next(lines) for _ in range(reader.line_num)).encode())


def blocks_of(stream: IO[bytes], delimiter: str, size: int) -> Iterator[bytes]:
    """The content in pieces that end where a row ends."""
    rest = b""
    while chunk := stream.read(size):
        rest += chunk
        if size > 0 and (end := _whole_rows(rest, delimiter)):
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest


def _whole_rows(data: bytes, delimiter: str) -> int:
    """How many bytes are whole rows for certain: a line break within quotes ends none."""
    end = data.rfind(b"\n") + 1
    if b'"' not in data[:end]:
        return end
    lines = data[:end].decode(errors="replace").split("\n")[:-1]
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter)
    before = last = 0
    try:
        for _ in reader:
            before, last = last, reader.line_num
    except csv.Error:
        return 0  # what is wrong is told when all of it is there
    position = 0
    for _ in range(before):
        position = data.index(b"\n", position) + 1
    return position
