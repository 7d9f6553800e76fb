"""Data that is larger than memory: whether it is, and its encoded rows put aside on disk in one pass."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from dlrun.data.columns import Table
from dlrun.data.examples import Examples
from dlrun.data.features.image import FittedImage
from dlrun.data.features.target_encoding import OutOfFold
from dlrun.data.image_files import DECODED
from dlrun.data.on_disk import InFile, Mapped, OnDisk, Range, Rows, Selected, check_room, total_row_bytes
from dlrun.data.preparation import Preparation
from dlrun.data.signature import input_name
from dlrun.data.sources import Source
from dlrun.data.sources.lazy import LazyColumns, rows_of_table
from dlrun.data.sources.tabular import Tabular
from dlrun.data.splits import Parts
from dlrun.errors import DataError
from dlrun.machine import available_memory, bytes_of, cache_folder

if TYPE_CHECKING:
    import numpy as np

SHARE = 4
"""Data may take a quarter of the memory that is free, where the spec does not say."""


def is_streamed(source: Source | Tabular, base: pathlib.Path, memory: str) -> bool:
    """Whether the table of a source is to be read by columns and blocks.

    Args:
        base: what relative paths are relative to.
        memory: as `runtime.memory`.
    """
    allowed = allowed_bytes(memory)
    return isinstance(source, Tabular) and allowed is not None and source.memory_needed(base) > allowed


def allowed_bytes(memory: str) -> int | None:
    """How many bytes of memory data may take; None: any number."""
    if memory in ("in_memory", "streamed"):
        return None if memory == "in_memory" else 0
    allowed, free = bytes_of(memory), available_memory()
    return allowed if allowed is not None or free is None else free // SHARE


def left_on_disk(table: Table, memory: str) -> Table:
    """The table, whose pixels in files that are mapped into memory stay there where they are too large for it.

    Args:
        memory: as `runtime.memory`.
    """
    import numpy as np

    allowed = available_memory() if memory == "auto" else allowed_bytes(memory)
    if allowed is None or isinstance(table.columns, LazyColumns):
        return table
    columns = {
        name: cast("np.ndarray", Mapped(values))  # it is sliced as arrays are
        if isinstance(values, np.memmap) and values.dtype == np.uint8 and DECODED * values.size > allowed
        else values
        for name, values in table.columns.items()
    }
    return replace(table, columns=columns)


def encoded_parts(
    table: Table, parts: Parts, preparation: Preparation, memory: str, out_of_fold: OutOfFold | None = None
) -> dict[str, Examples]:
    """The encoded rows of each part, where the table is: in memory or on disk.

    Args:
        memory: as `runtime.memory`.
        out_of_fold: what the train rows are shown of columns whose encoding has learned from the target.

    Raises:
        DataError: as `encoded_on_disk`.
    """
    if is_on_disk(table) or _are_too_large(preparation, parts, memory) or memory == "streamed":
        if preparation.series_input is None:
            found = encoded_on_disk(table, parts, preparation, out_of_fold)
        else:
            found = _windows_on_disk(table, parts, preparation)
        if isinstance(table.columns, LazyColumns):
            table.columns.forget()  # the column that was read last
        return found
    return {
        part: preparation.encode(table, rows, out_of_fold=out_of_fold if part == "train" else None)
        for part, rows in parts.items()
    }


def encoded_on_disk(
    table: Table, parts: Parts, preparation: Preparation, out_of_fold: OutOfFold | None = None
) -> dict[str, Examples]:
    """The encoded rows of each part, as `Preparation.encode` gives them, but on disk.

    The table is read once, in blocks; each block is encoded as if it were a table of its own.

    Raises:
        DataError: values cannot be read; or the disk has no room.
    """
    here: Mapping[str, object] = {} if isinstance(table.columns, LazyColumns) else table.columns
    whole = {name: values for name, values in here.items() if isinstance(values, InFile)}
    pixels = {
        name: each for name, each in preparation.features.items() if name in whole and isinstance(each, FittedImage)
    }
    rest = {name: each for name, each in preparation.features.items() if name not in pixels}
    found = _encoded_in_blocks(table, parts, preparation.model_copy(update={"features": rest}), out_of_fold)
    for part, examples in found.items():
        for name, feature in pixels.items():
            encoded = Selected(whole[name], examples.rows, feature.encode)
            examples.inputs[input_name(name)] = cast("np.ndarray", encoded)
        if preparation.target is None:
            given = examples.inputs[preparation.signature.output.name]
            found[part] = replace(examples, target=given, truth=given)
    return found


def _encoded_in_blocks(
    table: Table, parts: Parts, preparation: Preparation, out_of_fold: OutOfFold | None
) -> dict[str, Examples]:
    """The encoded rows of each part but for images that are on disk already."""
    import numpy as np

    names = list(preparation.features)
    names += [each.column for each in preparation.targets if each.column not in names]
    if not names:
        nothing = np.zeros((len(table), 0))
        return {part: Examples(rows, {}, nothing[rows], nothing[rows]) for part, rows in parts.items()}
    found: dict[str, Examples] = {}
    start = 0
    for block in rows_of_table(table, names):
        for part, rows in parts.items():
            first, last = np.searchsorted(rows, (start, start + len(block)))
            shown = out_of_fold.part(first, last) if out_of_fold and part == "train" else None
            try:
                examples = preparation.encode(block, rows[first:last] - start, out_of_fold=shown)
            except DataError as error:
                hint = f"rows are counted from row {start + 1:,} of the table"
                raise DataError(error.message, hint=hint if start else error.hint) from None
            if not found:
                check_room(cache_folder() / "streamed", _bytes_of_row(examples) * len(table), "the encoded data")
            if part not in found:
                found[part] = _empty(examples, rows)
            _append(found[part], examples)
        start += len(block)
    return found


def _are_too_large(preparation: Preparation, parts: Parts, memory: str) -> bool:
    """Whether the encoded rows of a table in memory would take more than they may: each is there twice, in float32.

    Windows of series count as other data does, since a step stands in as many as they are long. Of what else is in
    memory already, the rows are put aside where the spec says how much they may take, or there is no room for them.
    """
    allowed = allowed_bytes(memory)
    if preparation.series_input is None and memory == "auto":
        allowed = available_memory()
    numbers = _count(parts) * sum(math.prod(each.shape) for each in preparation.inputs)
    return allowed is not None and 8 * numbers > allowed


def _windows_on_disk(table: Table, parts: Parts, preparation: Preparation) -> dict[str, Examples]:
    """The windows of each part, as `Preparation.encode` gives them, but made when they are read, of steps on disk.

    One column after the other is read whole, encoded and put there.

    Raises:
        DataError: values cannot be read, or there is no window; or the disk has no room.
    """
    folder = cache_folder() / "streamed"
    check_room(folder, 4 * _count(parts) * preparation.inputs[0].shape[-1], "the encoded data")

    def keep(steps: np.ndarray) -> np.ndarray:
        stored = OnDisk(folder, steps.shape[1:], steps.dtype)
        stored.append(steps)
        return stored.mapped()

    return {part: preparation.windows(table, rows, keep=keep) for part, rows in parts.items()}


def _count(parts: Parts) -> int:
    """How many rows the parts have."""
    return sum(len(rows) for _, rows in parts.items())


def is_on_disk(table: Table) -> bool:
    """Whether a table is not in memory, or its images are not."""
    return isinstance(table.columns, LazyColumns) or any(isinstance(each, InFile) for each in table.columns.values())


def _distinct(examples: Examples) -> dict[int, np.ndarray]:
    """Inputs, targets and truths by their identity: the input may be the target, and a target its own truth."""
    arrays = [*examples.inputs.values(), *(array for part in examples.each for array in (part.target, part.truth))]
    return {id(array): array for array in arrays}


def _bytes_of_row(examples: Examples) -> int:
    return sum(math.prod(array.shape[1:]) * array.dtype.itemsize for array in _distinct(examples).values())


def _empty(like: Examples, rows: np.ndarray) -> Examples:
    """Examples on disk, none yet.

    Args:
        rows: of the table, that will be in it.
    """
    # They stand in for arrays: they are sliced as those are.
    empty = {
        key: cast("np.ndarray", OnDisk(cache_folder() / "streamed", array.shape[1:], array.dtype))
        for key, array in _distinct(like).items()
    }
    (target, truth), *further = ((empty[id(part.target)], empty[id(part.truth)]) for part in like.each)
    inputs = {name: empty[id(array)] for name, array in like.inputs.items()}
    return Examples(rows, inputs, target, truth, further=tuple(further))


def _append(stored: Examples, more: Examples) -> None:
    for array, values in zip(_distinct(stored).values(), _distinct(more).values(), strict=True):
        cast("OnDisk", array).append(values)


def on_disk(examples: Examples) -> bool:
    """Whether examples are on disk."""
    return isinstance(next(iter(examples.inputs.values())), Rows)


def row_bytes(examples: Examples) -> int:
    """What an example on disk takes, its truth apart."""
    arrays = cast("Sequence[Rows]", [*examples.inputs.values(), *(part.target for part in examples.each)])
    return total_row_bytes(arrays)


def window(examples: Examples, ranges: Sequence[Range], room: int) -> Examples:
    """The examples of some ranges in memory, one after the other, and zeros up to `room` of them."""
    import numpy as np

    read: dict[int, np.ndarray] = {}

    def taken(array: np.ndarray) -> np.ndarray:
        if id(array) not in read:
            read[id(array)] = cast("Rows", array).taken(ranges, room)
        return read[id(array)]

    target, *others = (taken(part.target) for part in examples.each)
    inputs = {name: taken(each) for name, each in examples.inputs.items()}
    rows = np.zeros(room, np.int64)
    numbers = np.concatenate([examples.rows[first:last] for first, last in ranges])
    rows[: len(numbers)] = numbers
    return Examples(rows, inputs, target, target, further=tuple((each, each) for each in others))
