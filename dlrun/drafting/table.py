"""A table as a draft reads it: how the file is written, and its columns as training gets them."""

from __future__ import annotations

import csv
import pathlib
from typing import TYPE_CHECKING, Any

from dlrun.data.sources.csv_file import DELIMITERS, Csv
from dlrun.data.sources.files import opened
from dlrun.data.sources.frames import columns_of
from dlrun.data.sources.lazy import LazyColumns
from dlrun.data.streaming import is_streamed
from dlrun.errors import DataError
from dlrun.profile.frame import Frame, OneByOne
from dlrun.profile.written import text_among_numbers, written

if TYPE_CHECKING:
    import polars

    from dlrun.data.sources.tabular import Tabular

HEAD = 1 << 16
"""Bytes of a CSV file from which its delimiter is told."""

LINES = 50
"""Lines of it that are looked at."""


def read_table(
    source: type[Tabular], path: pathlib.Path, fields: dict[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...], Frame, dict[str, str]]:
    """A table; of a CSV file, with the delimiter, the decimal comma and the stand-ins that it is written with.

    Args:
        fields: of the source, as far as they are known.

    Returns:
        The fields of the source; why they are so, in a few words; the columns that a training reads; and why it does
        not read the others, by their names.

    Raises:
        DataError: the file cannot be read.
    """
    import polars

    reasons: list[str] = []
    if source is Csv:
        delimiter = _delimiter(path)
        if delimiter != ",":
            fields["delimiter"] = delimiter
    place = {"path": str(path.absolute())}
    frame = _frame(source.parse(fields | place))
    if source is Csv and (more := _dialect(frame, fields.get("delimiter", ","))):
        fields |= more
        frame = _frame(source.parse(fields | place))
        if "missing" in more:
            reasons.append(f"{', '.join(more['missing'])}: no value, where others are numbers")
    if not isinstance(frame, polars.DataFrame):
        return fields, tuple(reasons), frame, {}
    unread = _unread(frame)
    if unread:
        fields["select"] = [name for name in frame.columns if name not in unread]
        reasons.append("without the columns that no training reads")
    return fields, tuple(reasons), _plain(frame.drop(list(unread))), unread


def _unread(frame: polars.DataFrame) -> dict[str, str]:
    """Why columns are not read, by their names."""
    import polars

    found: dict[str, str] = {}
    for column in frame:
        some = column if isinstance(column.dtype, polars.List | polars.Array) else column.head(LINES)
        try:
            columns_of(some.to_frame(), "")
        except DataError:
            inner = getattr(column.dtype, "inner", None)
            ragged = inner is not None and inner.is_numeric()
            found[column.name] = (
                "it has not as many numbers in each row" if ragged else f"its values are of the type {column.dtype}"
            )
    return found


def _plain(frame: polars.DataFrame) -> polars.DataFrame:
    """With texts where a column has categories, times of a day or durations, and numbers where it has decimals: as a
    training gets them."""
    import polars
    import polars.selectors as of

    return frame.with_columns(
        polars.col(polars.Categorical, polars.Enum, polars.Time, polars.Duration).cast(polars.String),
        of.decimal().cast(polars.Float64),
        of.datetime(time_zone="*").dt.convert_time_zone("UTC").dt.replace_time_zone(None),
    )


def _frame(source: Tabular, memory: str = "auto") -> Frame:
    """All rows of a table; one column at a time where they would be too large.

    Args:
        memory: as `runtime.memory`.
    """
    base = pathlib.Path()
    table = source.lazily(base) if is_streamed(source, base, memory) else None
    if table is not None and isinstance(table.columns, LazyColumns):
        return OneByOne(list(table.columns), table.columns.as_read)
    return source.whole(base)


def _delimiter(path: pathlib.Path) -> str:
    """What stands between the values of a CSV file: what parts its first lines into most values, as many in each."""
    file = path if not path.is_dir() else next(iter(sorted(path.glob("*.[ct]s[v]*"))), path)
    if file.is_dir():
        return ","
    with opened(file) as stream:
        text = stream.read(HEAD).decode("utf-8-sig", errors="replace")
    lines = text.splitlines(keepends=True)
    lines = lines[:LINES] if len(lines) <= LINES or len(text) < HEAD else lines[: min(LINES, len(lines) - 1)]
    best, most = ",", 1
    for delimiter in DELIMITERS:
        try:
            widths = {len(row) for row in csv.reader(lines, delimiter=delimiter) if row}
        except csv.Error:
            continue
        if len(widths) == 1 and (width := widths.pop()) > most:
            best, most = delimiter, width
    return best


def _dialect(frame: Frame, delimiter: str) -> dict[str, Any]:
    """Texts that are numbers with a decimal comma, and those that stand for no value among numbers."""
    import polars

    stand_ins: set[str] = set()
    commas = points = 0
    for name in frame.columns:
        column = frame[name]
        points += column.dtype.is_float()
        if column.dtype != polars.String:
            continue
        found, alone = written(column), text_among_numbers(column)
        if alone is not None:
            stand_ins |= {alone, *found.stand_ins}
            found = written(column.filter(column != alone))
        if found.are_numbers and found.units == 0:
            commas += delimiter != "," and found.thousands + found.points + found.commas > 0
        if found.are_numbers:
            stand_ins |= set(found.stand_ins)
    more: dict[str, Any] = {"decimal_comma": True} if commas > points else {}
    return more | ({"missing": sorted(stand_ins)} if stand_ins else {})
