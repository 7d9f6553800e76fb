"""From the columns of a polars frame to those of a table, and the types that both have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from dlrun.data.columns import Batch, Table
from dlrun.data.features.values import objects, text_of
from dlrun.data.sources.files import check_fits
from dlrun.data.sources.nested import object_texts
from dlrun.data.written_times import times_of, valid_format
from dlrun.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import polars

ColumnType = Literal["text", "integer", "number", "boolean", "time"]
"""What the values of a column are read as."""

Format = Annotated[str, AfterValidator(valid_format)]

TimeFormat = Annotated[dict[Literal["time"], Format], Field(min_length=1)]
"""Times, and how they are written."""

Types = Mapping[str, ColumnType | dict[Literal["time"], str]]


def dtypes(types: Types) -> dict[str, type[polars.DataType]]:
    """What polars is to read columns as. Times of which no format is said are left to it."""
    import polars

    found = {"text": polars.String, "integer": polars.Int64, "number": polars.Float64, "boolean": polars.Boolean}
    return {name: found["text" if isinstance(kind, dict) else kind] for name, kind in types.items() if kind != "time"}


def formats_of(types: Types) -> Types:
    """Those types that are times and say how they are written."""
    return {name: kind for name, kind in types.items() if isinstance(kind, dict)}


def format_of(types: Types, name: str | None) -> str | None:
    """How the times of a column are written, by its type; None where that does not say it."""
    kind = types.get(name) if name is not None else None
    return kind["time"] if isinstance(kind, dict) else None


def check_formats(frame: polars.DataFrame, types: Types, name: str) -> None:
    """That the columns whose format is said are times.

    Raises:
        DataError: one is not, with the row.
    """
    for column in (frame[each] for each in formats_of(types) if each in frame.columns):
        form = format_of(types, column.name)
        if bad := times_of(column, form)[1]:
            raise DataError(
                f"{name}: {column.name} is no time written as {form} in row {bad[0] + 1}: {column[bad[0]]!r}",
                hint="mend the format in `types`, or the row",
            )


def frozen_types(table: Table, said: Types | None) -> dict[str, ColumnType | TimeFormat]:
    """The types with which the columns of a table are read again as they are.

    Args:
        said: those that the spec says.
    """
    found = {name: _frozen_type(values) for name, values in table.columns.items() if values.ndim == 1}
    return {**found, **(said or {})}


def _frozen_type(values: np.ndarray) -> ColumnType:
    found: dict[str, ColumnType] = {"M": "time", "b": "boolean", "i": "integer", "u": "integer", "f": "number"}
    if values.dtype == object:  # truth values of which some are missing are texts in a table
        texts = set(objects(values)) - {None}
        return "boolean" if texts and texts <= {"true", "false"} else "text"
    return found.get(values.dtype.kind, "text")


def _type_of(column: polars.Series) -> ColumnType | None:
    """The type of a column of a frame; None where it has no value."""
    return None if column.null_count() == len(column) else kind_of(column.dtype)


def kind_of(dtype: polars.DataType) -> ColumnType:
    """The type of a column that polars has so."""
    import polars

    if dtype == polars.Boolean:
        return "boolean"
    if dtype in (polars.Date, polars.Datetime):
        return "time"
    return "integer" if dtype.is_integer() else "number" if dtype.is_numeric() else "text"


def values_of(rows: polars.LazyFrame) -> polars.DataFrame:
    """A value of each column, by which `together` tells its type; a missing one where there is none."""
    import polars

    return rows.select(polars.all().drop_nulls().first()).collect()


def together(frames: Sequence[polars.DataFrame]) -> dict[str, ColumnType]:
    """The types of the columns that not all parts of a table have of one type: number where all are numbers, text
    otherwise."""
    found: dict[str, ColumnType] = {}
    for name in frames[0].columns:
        kinds = {kind for frame in frames if (kind := _type_of(frame[name])) is not None}
        if len({frame[name].dtype for frame in frames}) > 1 and kinds:
            number: ColumnType = "integer" if kinds == {"integer"} else "number"
            found[name] = next(iter(kinds)) if len(kinds) == 1 else number if kinds <= {"integer", "number"} else "text"
    return found


def conform(frame: polars.DataFrame, types: Types) -> polars.DataFrame:
    """The columns as their types say, where the frame has them otherwise and all values allow it."""
    import polars

    frame = soften(frame, types)
    for name, kind in types.items():
        if name not in frame.columns:
            continue
        column = frame[name]
        held = _type_of(column)
        is_time, form = kind == "time" or isinstance(kind, dict), format_of(types, name)
        if held is None and is_time:
            frame = frame.with_columns(column.cast(polars.Datetime("us"), strict=False))
        elif held is None:
            frame = frame.with_columns(column.cast(dtypes(types)[name], strict=False))
        elif kind == "text" and held != "text":
            texts = [text_of(value) for value in column.to_list()]
            frame = frame.with_columns(polars.Series(name, texts, polars.String))
        elif kind == "number" and held == "integer":
            frame = frame.with_columns(column.cast(polars.Float64))
        elif is_time and held in ("text", "integer" if form else "text"):
            times, bad = times_of(column, form)
            frame = frame.with_columns(column if bad else times)
    return frame


def soften(frame: polars.DataFrame, types: Types) -> polars.DataFrame:
    """Columns of text as their types have them, where all values can be read so; whole numbers as numbers, where some
    are none. The others stay text: what is wrong with their values is told by whatever reads them."""
    import polars

    for name, kind in types.items():
        if name not in frame.columns or frame[name].dtype != polars.String:
            continue
        for dtype in _targets(kind):
            try:
                frame = frame.with_columns(_read(frame[name], dtype))
                break
            except polars.exceptions.PolarsError:
                continue
    return frame


def _targets(kind: object) -> Iterator[type[polars.DataType]]:
    import polars

    if kind == "integer":
        yield polars.Int64
    if kind in ("integer", "number"):
        yield polars.Float64
    if kind == "boolean":
        yield polars.Boolean


def _read(column: polars.Series, dtype: type[polars.DataType]) -> polars.Series:
    import polars

    if dtype == polars.Boolean:
        return column.str.to_lowercase().replace_strict({"true": True, "false": False}, return_dtype=polars.Boolean)
    return column.str.strip_chars(" ").cast(dtype)


def with_times(frame: polars.DataFrame, time: str, name: str) -> polars.DataFrame:
    """The frame with its column of times read as such.

    Args:
        name: what to call it in messages.

    Raises:
        DataError: a value is no time, with its row.
    """
    column = frame[time]
    times, bad = times_of(column)
    if bad:
        raise DataError(
            f"{name}: {time} is no time in row {bad[0] + 1}: {column[bad[0]]!r}",
            hint="write times as 2010-01-31 13:00, all in the same way",
        )
    return frame.with_columns(times)


def columns_of(frame: polars.DataFrame, name: str) -> dict[str, np.ndarray]:
    """The columns as `Table` has them.

    Raises:
        DataError: a column holds what cannot be read, such as bytes.
    """
    import polars

    columns: dict[str, np.ndarray] = {}
    for column in frame:
        try:
            columns[column.name] = _values(column, name)
        except (polars.exceptions.PolarsError, ValueError):
            raise DataError(
                f"{name}: the column {column.name} holds values of the type {column.dtype}, which are not read",
                hint="leave it out: select names the columns that are read",
            ) from None
    return columns


def batch_of(
    frame: polars.DataFrame, bad: Mapping[int, str], name: str, start: int, time: str | None, types: Types
) -> Batch:
    """Rows of a file as a batch.

    Args:
        frame: those that could be read.
        bad: what is wrong with the others, by their position in the block.
        name: of the file.
        start: how many rows stand before the block.
        time: the column of times, where they are needed; rows that have none are set apart too.
        types: of the columns; rows whose times are not written as these say are set apart too.

    Raises:
        DataError: lines end in ways that leave open which row is which.
    """
    import numpy as np

    count = frame.height + len(bad)
    if max(bad, default=-1) >= count:
        raise DataError(
            f"{name}: its rows cannot be told apart", hint="save it again with plain line ends, without blank lines"
        )
    rows = start + np.delete(np.arange(count, dtype=np.int64), list(bad))
    unreadable = {start + position: fault for position, fault in bad.items()}
    for column in [each for each in frame.columns if each == time or each in formats_of(types)]:
        texts = frame[column]
        times, wrong = times_of(texts, format_of(types, column))
        unreadable |= {int(rows[each]): f"{column} is no time: {texts[each]!r}" for each in wrong}
        kept = np.delete(np.arange(frame.height), wrong)
        frame, rows = frame.with_columns(times)[kept], rows[kept]
    return Batch(Table(name, columns_of(frame, name)), rows, dict(sorted(unreadable.items())))


def _values(column: polars.Series, name: str) -> np.ndarray:
    """A column as NumPy has it: float64, int64, bool, datetime64[us], or an object array of str and None."""
    import numpy as np
    import polars

    match column.dtype:
        case polars.Datetime() as dtype:
            plain = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if dtype.time_zone else column
            return plain.cast(polars.Datetime("us")).to_numpy(writable=True)
        case polars.List() | polars.Array() if _is_row(column):
            wide = column.list.to_array(len(column[0])) if column.dtype == polars.List else column
            return wide.cast(polars.Array(polars.Float64, len(column[0]))).to_numpy(writable=True)
        case polars.Date():
            return column.cast(polars.Datetime("us")).to_numpy(writable=True)
        case polars.Boolean() if not column.null_count():
            return column.to_numpy(writable=True)
        case polars.Int64() if not column.null_count():
            return column.to_numpy(writable=True)
        case dtype if dtype.is_numeric():
            return column.cast(polars.Float64).to_numpy(writable=True)
        case dtype:
            texts = object_texts(column) if dtype == polars.Struct else column.cast(polars.String)
            check_fits(text_bytes(texts), f"{name}: the column {column.name}")
            values = np.empty(len(column), object)
            values[:] = texts.to_list()
            return values


def text_bytes(column: polars.Series) -> int:
    """How many bytes the texts of a column have, each counted as often as it stands there: in a frame, and in a file,
    many rows may share one."""
    import polars

    return int(column.str.len_bytes().cast(polars.UInt64).sum())


def values_as(frame: polars.DataFrame, form: np.ndarray, name: str) -> np.ndarray:
    """Rows of one column in the type that the column has as a whole.

    Args:
        frame: the rows; in one column.
        form: the column without rows.
        name: of the table.
    """
    import polars

    column = frame.to_series()
    dtypes: dict[str, type[polars.DataType]] = {"i": polars.Int64, "b": polars.Boolean}
    if form.dtype == object and column.dtype != polars.Struct:
        column = column.cast(polars.String)
    elif form.ndim == 1 and form.dtype.kind in "ib":
        column = column.cast(dtypes[form.dtype.kind])
    elif form.ndim == 1 and form.dtype.kind == "f":
        return column.cast(polars.Float64).to_numpy(writable=True)
    return columns_of(column.to_frame(), name)[column.name]


def _is_row(column: polars.Series) -> bool:
    """Whether each value is a row of as many numbers."""
    import polars

    if not isinstance(column.dtype, polars.List | polars.Array) or not column.dtype.inner.is_numeric():
        return False
    lengths = column.list.len() if column.dtype == polars.List else column.arr.len()
    return column.null_count() == 0 and lengths.n_unique() == 1 and lengths[0] > 0
