"""Tables in CSV files."""

from __future__ import annotations

import csv
import gzip
import io
import pathlib
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, Annotated, Literal

from pydantic import AfterValidator, Field

from dlrun.data.columns import Batch, Column, Defaults, Table, near
from dlrun.data.sources.csv_text import UTF8, Dialect, check_names, frame_of, frames_of
from dlrun.data.sources.files import check_file, locate, read_bytes
from dlrun.data.sources.frames import ColumnType, batch_of, columns_of, with_times
from dlrun.errors import DataError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

DELIMITERS = {",": '","', ";": '";"', "\t": r'"\t"', "|": '"|"'}
"""What usually stands between two values, and how a spec writes it."""


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
    types: dict[str, ColumnType] | None = None
    """What columns are read as, such as {zip: text}; those left out: as what their values are."""

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
        frame = frame_of(read_bytes(file), str(file), self.dialect)
        if self.time is not None:
            frame = with_times(frame, self.time, str(file))
        return Table(file.name, columns_of(frame))

    def batches(self, stream: IO[bytes], name: str, size: int) -> Iterator[Batch]:
        """Reads the content of such a file in blocks of `size` bytes, -1: all at once.

        Raises:
            DataError: no rows can be made of it.
        """
        start = 0
        for frame, bad in frames_of(stream, name, self.dialect, size):
            yield batch_of(frame, bad, name, start, self.time)
            start += frame.height + len(bad)

    @property
    def dialect(self) -> Dialect:
        """How the file is written."""
        return Dialect(self.delimiter, self.missing, self.decimal_comma, self.types or {})

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
