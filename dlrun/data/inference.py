"""What a column is, by its values, and how it then enters the network where the spec does not say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from dlrun.data.columns import Column, Defaults
from dlrun.data.features import Category, Feature, Image, Number, Series, Text
from dlrun.data.features.category import sort_texts
from dlrun.data.features.image import image_shape
from dlrun.data.features.values import as_numbers, has_decimal_commas, objects

if TYPE_CHECKING:
    import numpy as np

MOST_CATEGORIES = 50
"""A text column with more different values than this is text."""

ROWS_A_CATEGORY = 5
"""In how many rows, on average, a value stands in a text column that is taken for a category."""

MOST_LABELS = 20
"""Whole numbers with more different values than this are no labels."""


def describe(values: np.ndarray) -> Column:
    """What a column is by its values.

    Truth values are categories. Text is a category where it has at most 50 different values that stand in 5 rows or
    more on average; numbers with faults in them where most of it reads as numbers; and text otherwise. Numbers may be
    the labels of a target (`classes`) where they are exactly 0 … k-1 or 1 … k with k at most 20. Arrays of numbers
    with two or three axes a row are images.
    """
    shape = values.shape[1:]
    match values.dtype.kind:
        case "M":
            return Column("time")
        case "b" if not shape:
            return Column("category", classes=("false", "true"))
        case "O" if not shape:
            texts = {text for text in objects(values) if text is not None}
            if len(texts) <= MOST_CATEGORIES and ROWS_A_CATEGORY * len(texts) <= len(values):
                return Column("category", classes=tuple(sort_texts(list(texts))))
            return Column("number" if _mostly_numbers(values) else "text")
        case "i" | "u" | "f" if not shape:
            return Column("number", classes=_labels(values))
        case "i" | "u" | "f":
            return Column("image" if image_shape(shape) else "number" if len(shape) <= 1 else "unknown", shape)
        case _:
            return Column("unknown", shape)


def _mostly_numbers(values: np.ndarray) -> bool:
    """Whether most of the texts read as numbers, with a decimal comma or without, by the first thousand."""
    import numpy as np

    present = [text for text in values[:1000].tolist() if text is not None]
    numbers = as_numbers(np.array(present, object))[0]
    return bool(2 * np.count_nonzero(~np.isnan(numbers)) > len(present)) or has_decimal_commas(present)


def _labels(values: np.ndarray) -> tuple[str, ...] | None:
    """The numbers as text, where they could be labels."""
    import numpy as np

    if not len(values) or not (values.min() in (0, 1) and values.max() <= MOST_LABELS):
        return None
    present = np.unique(values)
    count = len(present)
    if not 2 <= count <= MOST_LABELS:
        return None
    if not np.array_equal(present, np.arange(count) + present[0]):
        return None
    return tuple(str(int(label)) for label in present)


def infer(
    columns: Mapping[str, Column], target: str | None, defaults: Defaults, apart: Collection[str] = ()
) -> dict[str, Feature] | None:
    """The features where the spec names none: every column but target, time, group and those `apart`, by which rows are
    split, each by its kind.

    Where no column is left and the source has times, the target's own past is the feature: two days and one day of
    hours, window 48 and horizon 24.

    Returns:
        None where the kind of a column is not known yet; empty where there is no column to use.
    """
    roles = (target, defaults.time, defaults.group, *apart)
    names = defaults.inputs or [name for name in columns if name not in roles]
    names = [name for name in names if name in columns and columns[name].kind != "time" and name not in apart]
    if not names and target is not None and target in columns and defaults.time is not None:
        return {target: Series(kind="series", window=48, horizon=24)}
    if any(columns[name].kind == "unknown" for name in names):
        return None
    return {name: _feature(columns[name]) for name in names}


def _feature(column: Column) -> Feature:
    match column.kind:
        case "image":
            return Image(kind="image")
        case "text":
            return Text(kind="text")
        case "category":
            return Category(kind="category")
        case _:
            return Number(kind="number")
