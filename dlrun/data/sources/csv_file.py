"""Tables in CSV files."""

from __future__ import annotations

import csv
import gzip
import io
import pathlib
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from dlrun.data.columns import Column, Defaults, Table, near
from dlrun.data.sources.files import check_file, locate, read_bytes
from dlrun.errors import DataError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np
    import polars

UTF8 = "save the file as UTF-8"

DELIMITERS = {",": '","', ";": '";"', "\t": r'"\t"', "|": '"|"'}
"""What usually stands between two values, and how a spec writes it."""

DECIMAL = r"^\s*([+-]?\d+),(\d+)\s*$"
"""A number with a decimal comma."""


def _delimiter(character: str) -> str:
    if not character.isascii() or character in '"\r\n\0':
        raise ValueError("an ASCII character other than a quote or a line break")
    return character


class Csv(Spec):
    """A CSV file: the names of its columns in the first line, UTF-8, plain or packed (.gz)."""

    kind: Literal["csv"]
    """A CSV file: the names of its columns in the first line, UTF-8, plain or packed (.gz)."""
    path: Annotated[str, Field(min_length=1)]
    """The file; a relative path is relative to the spec file."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1), AfterValidator(_delimiter)] = ","
    """The character between two values."""
    time: str | None = None
    """The column with the time of each row, such as 2010-01-31 13:00; for series and for a split by time."""
    decimal_comma: bool = False
    """Whether numbers are written with a comma, as in 165,3; the delimiter is then another character."""
    missing: tuple[str, ...] = ()
    """Texts that stand for a missing value, such as NA; an empty cell always does."""

    def check(self, base: pathlib.Path) -> Iterator[Problem]:
        """What is wrong with the file, as far as its first line shows it."""
        unreadable = list(check_file(base, self.path))
        yield from unreadable
        if unreadable:
            return
        try:
            names = self._header(base)
            check_names(names, self.path)
        except DataError as error:
            yield Problem(("path",), error.message, hint=error.hint)
            return
        if likely := _likely_delimiter(names, self.delimiter):
            yield Problem(
                ("delimiter",),
                f"with this delimiter the file has one column, called {_shortened(names[0])}",
                received=DELIMITERS.get(self.delimiter, f'"{self.delimiter}"'),
                hint=f"delimiter: {DELIMITERS[likely]}",
            )
            return
        if self.decimal_comma and self.delimiter == ",":
            yield Problem(
                ("decimal_comma",),
                "a comma cannot stand in numbers and between values too",
                expected="another delimiter",
                received="true",
                hint='save the file with another character between values, such as delimiter: ";"',
            )
        if self.time is not None and self.time not in names:
            yield Problem(("time",), f"the file has no column {self.time}", hint=near(self.time, names))

    def known(self, base: pathlib.Path) -> dict[str, Column] | None:
        """The columns by the first line; what they hold is not known yet. None where it cannot be read, or has another
        delimiter."""
        try:
            names = self._header(base)
        except DataError:
            return None
        if _likely_delimiter(names, self.delimiter):
            return None
        return {name: Column("time" if name == self.time else "unknown") for name in names}

    def defaults(self, base: pathlib.Path) -> Defaults:
        """The roles of the columns."""
        return Defaults(time=self.time)

    def has_test(self, base: pathlib.Path) -> bool:
        """Whether there is a test part: no."""
        return False

    def resolve(self, base: pathlib.Path) -> Csv:
        """The same source with an absolute path."""
        return self.model_copy(update={"path": str(locate(base, self.path))})

    def load(self, base: pathlib.Path) -> Table:
        """Reads the file; the type of a column follows from all its rows.

        Raises:
            DataError: it cannot be read, or is damaged, with the line.
        """
        file = locate(base, self.path)
        columns = table_of(
            read_bytes(file),
            str(file),
            delimiter=self.delimiter,
            time=self.time,
            missing=self.missing,
            decimal_comma=self.decimal_comma,
        )
        return Table(file.name, columns)

    def _header(self, base: pathlib.Path) -> list[str]:
        file = locate(base, self.path)
        try:
            with gzip.open(file, "rb") if file.suffix.lower() == ".gz" else file.open("rb") as handle:
                text = io.TextIOWrapper(handle, encoding="utf-8-sig", newline="")
                return next(csv.reader(text, delimiter=self.delimiter), [])
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path} is not UTF-8: {error.reason}", hint=UTF8) from None
        except (OSError, EOFError, zlib.error, csv.Error, ValueError) as error:
            raise DataError(f"the first line of {self.path} cannot be read: {error}") from None


def _likely_delimiter(names: Sequence[str], delimiter: str) -> str | None:
    """The delimiter that stands in the one name of a first line that has been cut at another."""
    others = [other for other in DELIMITERS if other != delimiter and len(names) == 1 and other in names[0]]
    return max(others, key=names[0].count) if others else None


def _shortened(name: str) -> str:
    return repr(name if len(name) <= 40 else f"{name[:40]}…")


def check_names(names: Sequence[str], file: str) -> None:
    """That every column has a name, and no two the same.

    Raises:
        DataError: with the columns.
    """
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


def table_of(
    data: bytes,
    name: str,
    *,
    delimiter: str = ",",
    time: str | None = None,
    missing: Sequence[str] = (),
    decimal_comma: bool = False,
) -> dict[str, np.ndarray]:
    """The columns of a CSV file's content, as `Table` has them.

    Args:
        data: the unpacked content.
        name: what to call it in messages.
        delimiter: the character between two values.
        time: a column that must hold times.
        missing: texts that stand for a missing value, besides the empty one.
        decimal_comma: whether numbers are written with a comma.

    Raises:
        DataError: the content is damaged, with the line.
    """
    import polars

    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        raise DataError(f"{name} is empty")
    _check_encoding(data, name)
    rows = csv.reader(io.StringIO(data[: 1 << 20].decode(errors="ignore"), newline=""), delimiter=delimiter)
    check_names(next(rows, []), name)
    try:
        frame = polars.read_csv(
            data,
            separator=delimiter,
            infer_schema_length=None,
            try_parse_dates=True,
            null_values=["", *missing],
            decimal_comma=decimal_comma,
        )
    except polars.exceptions.PolarsError as error:
        _check_widths(data, name, delimiter)
        raise DataError(f"{name} cannot be read: {str(error).splitlines()[0]}") from None
    if frame.height == 0:
        raise DataError(f"{name} has no rows below the names of its columns")
    if frame[:, -1].null_count():  # that is how polars fills up a row that is too short
        _check_widths(data, name, delimiter)
    if decimal_comma:  # numbers beside other text: what is told of such a column are the other texts
        frame = frame.with_columns(polars.col(polars.String).str.replace(DECIMAL, "${1}.${2}"))
    if time is not None:
        frame = frame.with_columns(_times(frame[time], name))
    return {column.name: _values(column) for column in frame}


def _check_encoding(data: bytes, name: str) -> None:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{name} is not UTF-8: line {line}, byte 0x{data[error.start]:02x}", hint=UTF8) from None


def _check_widths(data: bytes, name: str, delimiter: str) -> None:
    """That every row has as many values as the first line has names."""
    reader = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), delimiter=delimiter)
    try:
        width = len(next(reader))
        before = reader.line_num
        for row in reader:
            if row and len(row) != width:
                quote = "; a quote may be left open" if reader.line_num > before + 1 else ""
                raise DataError(
                    f"{name}: line {before + 1} has {len(row)} {'value' if len(row) == 1 else 'values'}, "
                    f"but there are {width} columns{quote}",
                    hint="values that hold the delimiter or a line break have to stand in quotes",
                )
            before = reader.line_num
    except csv.Error as error:
        raise DataError(
            f"{name}: line {reader.line_num} cannot be read: {error}", hint="a quote may be left open before it"
        ) from None


def _times(column: polars.Series, name: str) -> polars.Series:
    """A column of times as it is, or read from its texts."""
    import polars

    if column.dtype != polars.String:
        return column
    try:
        times = column.str.to_datetime(time_unit="us", strict=False)
    except polars.exceptions.PolarsError:
        times = polars.Series(column.name, [None] * len(column), polars.Datetime("us"))
    bad = (times.is_null() & column.is_not_null()).arg_true()
    if len(bad):
        raise DataError(
            f"{name}: {column.name} is no time in row {bad[0] + 1}: {column[bad[0]]!r}",
            hint="write times as 2010-01-31 13:00, all in the same way",
        )
    return times


def _values(column: polars.Series) -> np.ndarray:
    """A column as NumPy has it: float64, int64, bool, datetime64[us], or an object array of str and None."""
    import numpy as np
    import polars

    match column.dtype:
        case polars.Datetime() as dtype:
            plain = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if dtype.time_zone else column
            return plain.cast(polars.Datetime("us")).to_numpy(writable=True)
        case polars.Date():
            return column.cast(polars.Datetime("us")).to_numpy(writable=True)
        case polars.Boolean() if not column.null_count():
            return column.to_numpy(writable=True)
        case polars.Int64() if not column.null_count():
            return column.to_numpy(writable=True)
        case dtype if dtype.is_numeric():
            return column.cast(polars.Float64).to_numpy(writable=True)
        case _:
            values = np.empty(len(column), object)
            values[:] = column.cast(polars.String).to_list()
            return values
