"""Columns of lists and of objects: as texts, and of one type where a table has several parts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars


def object_texts(column: polars.Series) -> polars.Series:
    """Objects as JSON; a missing one stays missing, and is not the text null."""
    return column.struct.json_encode().set(column.is_null(), None)


def json_texts(column: polars.Series) -> polars.Series:
    """Lists or objects as JSON, as it is written of a column that holds other values too."""
    import polars

    texts = [
        None if value is None else json.dumps(value, ensure_ascii=False, default=str) for value in column.to_list()
    ]
    return polars.Series(column.name, texts, polars.String)


def without_empty(frame: polars.DataFrame) -> polars.DataFrame:
    """The columns, as texts where objects in them never have a key: they stand in no Parquet file."""
    import polars

    empty = [column for column in frame if _has_empty(column.dtype)]
    return frame.with_columns(
        object_texts(column) if column.dtype == polars.Struct else json_texts(column) for column in empty
    )


def _has_empty(dtype: polars.DataType | polars.datatypes.DataTypeClass) -> bool:
    import polars

    if isinstance(dtype, polars.Struct):
        return not dtype.fields or any(_has_empty(field.dtype) for field in dtype.fields)
    return isinstance(dtype, polars.List | polars.Array) and _has_empty(dtype.inner)


def alike(frames: Sequence[polars.DataFrame]) -> list[polars.DataFrame]:
    """The parts of a table, whose lists and objects are of types that can be joined: as JSON texts, where other parts
    hold what is neither."""
    found = list(frames)
    for name in frames[0].columns:
        if any(frame[name].dtype.is_nested() for frame in frames):
            dtype = _common([_open(frame.select(name)) for frame in frames])
            found = [frame.with_columns(as_type(frame.select(name), dtype).to_series()) for frame in found]
    return found


def _common(columns: Sequence[polars.DataFrame]) -> polars.DataType:
    """The type that lists or objects of several parts have together; text where there is none."""
    import polars

    try:
        dtype = polars.concat([column.clear() for column in columns], how="vertical_relaxed").dtypes[0]
    except polars.exceptions.PolarsError:
        return polars.String()
    return dtype if dtype.is_nested() else polars.String()


def as_type(column: polars.DataFrame, dtype: polars.DataType) -> polars.DataFrame:
    """Rows of a column with the type that it has as a whole, where that is one of lists or objects, or else they are.

    Args:
        column: a frame with nothing else.
    """
    import polars

    if dtype.is_nested():
        whole = polars.DataFrame(schema={column.columns[0]: dtype})
        return polars.concat([whole, _open(column)], how="vertical_relaxed")
    return column.select(json_texts(column.to_series())) if column.dtypes[0].is_nested() else column


def _open(column: polars.DataFrame) -> polars.DataFrame:
    """The column, of no type where it has no value."""
    import polars

    values = column.to_series()
    if values.null_count() < len(values):
        return column
    return polars.DataFrame({values.name: polars.Series([None] * len(values), dtype=polars.Null)})
