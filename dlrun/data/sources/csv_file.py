"""Tables in CSV files."""

from __future__ import annotations

import csv
import io
import pathlib
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from dlrun.data.columns import Batch, Column
from dlrun.data.sources import csv_blocks
from dlrun.data.sources.aside import Whole
from dlrun.data.sources.converted import Converted
from dlrun.data.sources.csv_batches import frames_of
from dlrun.data.sources.csv_checks import UTF8, check_encoding, check_names
from dlrun.data.sources.csv_text import HEADER, Dialect, frame_of, settled
from dlrun.data.sources.files import lines_of, opened, read_whole
from dlrun.data.sources.frames import Types, batch_of, conform, formats_of
from dlrun.errors import DataError
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import polars

DELIMITERS = {",": '","', ";": '";"', "\t": r'"\t"', "|": '"|"'}
"""What usually stands between two values, and how a spec writes it."""

A_TABLE = "see whether it is a table: the names of the columns in one line, and then a line for each row"


def _delimiter(character: str) -> str:
    if not character.isascii() or character in '"\r\n\0':
        raise ValueError("an ASCII character other than a quote or a line break")
    return character


class Csv(Converted):
    """CSV: the names of the columns in the first line, UTF-8."""

    endings: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".txt")
    kind: Literal["csv"]
    """CSV: the names of the columns in the first line, UTF-8."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1), AfterValidator(_delimiter)] = ","
    """The character between two values."""
    decimal_comma: bool = False
    """Whether numbers are written with a comma, as in 165,3; the delimiter is then another character."""
    missing: tuple[str, ...] = ()
    """Texts that stand for a missing value, such as NA; an empty cell always does."""

    def names(self, file: pathlib.Path) -> list[str] | None:
        """The names in the first line; None for .zst, which cannot be unpacked without polars.

        Raises:
            DataError: they cannot be read, or cannot be those of columns.
        """
        try:
            with opened(file) as stream:
                text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
                lines = lines_of(text, str(file), hint=A_TABLE)
                names = next(csv.reader(lines, delimiter=self.delimiter, strict=True), [])
        except UnicodeDecodeError as error:
            with opened(file) as stream:
                check_encoding(stream.read(HEADER), str(file))
            raise DataError(f"{file} is not UTF-8: {error.reason}", hint=UTF8) from None
        except csv.Error as error:
            raise DataError(
                f"the first line of {file} cannot be read: {error}", hint="a quote may be left open in it"
            ) from None
        if any("\0" in name for name in names):
            raise DataError(f"{file} is not UTF-8 text: its first line holds NUL bytes, as UTF-16 does", hint=UTF8)
        check_names(names, str(file))
        return names

    def _check_columns(self, names: Sequence[str]) -> Iterator[Problem]:
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
        yield from super()._check_columns(names)

    def known(self, base: pathlib.Path) -> dict[str, Column] | None:
        """The columns by the first line; None where it has another delimiter."""
        columns = super().known(base)
        return None if columns is not None and _likely_delimiter(list(columns), self.delimiter) else columns

    def frame(self, stream: IO[bytes], name: str, types: Types) -> polars.DataFrame:
        """All rows of a file.

        Raises:
            DataError: it is damaged, with the line.
        """
        return frame_of(read_whole(stream, name), name, self.dialect(types))

    def batches(self, stream: IO[bytes], name: str, size: int) -> Iterator[Batch]:
        """Rows of a file in blocks of about `size` bytes, -1: all at once; ragged rows are set apart.

        Raises:
            DataError: no rows can be made of it.
        """
        start, formats = 0, formats_of(self.types or {})
        for frame, bad in frames_of(stream, name, self.dialect(self.types or {}), size):
            yield batch_of(conform(frame, formats), bad, name, start, self.time, formats)
            start += frame.height + len(bad)

    def put_aside(self, file: pathlib.Path, types: Types, folder: pathlib.Path) -> Whole:
        """Writes the rows of a file in blocks as Parquet files into a folder.

        Raises:
            DataError: as `frame`.
        """
        dialect = self.dialect(types)
        loosely = csv_blocks.put_aside(lambda: opened(file), str(file), dialect, folder)
        return lambda column: conform(settled(column, dialect, loosely=loosely), types)

    def dialect(self, types: Types) -> Dialect:
        """How the file is written."""
        return Dialect(self.delimiter, self.missing, self.decimal_comma, types)


def _likely_delimiter(names: Sequence[str], delimiter: str) -> str | None:
    """The delimiter that stands in the one name of a first line that has been cut at another."""
    others = [other for other in DELIMITERS if other != delimiter and len(names) == 1 and other in names[0]]
    return max(others, key=names[0].count) if others else None


def _shortened(name: str) -> str:
    return repr(name if len(name) <= 40 else f"{name[:40]}…")
