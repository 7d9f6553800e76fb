"""Data that is larger than memory: whether it is, and its encoded rows put aside on disk in one pass."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from dlrun.data.columns import Table
from dlrun.data.on_disk import OnDisk, Range, check_room, total_row_bytes
from dlrun.data.preparation import Examples, Preparation
from dlrun.data.sources import Source
from dlrun.data.sources.lazy import rows_of_table
from dlrun.data.sources.tabular import Tabular
from dlrun.data.splits import Parts
from dlrun.errors import DataError
from dlrun.machine import available_memory, bytes_of, cache_folder, size

if TYPE_CHECKING:
    import numpy as np

SHARE = 4
"""Data may take a quarter of the memory that is free, where the spec does not say."""


def is_streamed(source: Source, base: pathlib.Path, memory: str) -> bool:
    """Whether the data of a source is to be read from disk while the training runs.

    Args:
        base: what relative paths are relative to.
        memory: as `runtime.memory`.

    Raises:
        DataError: it is to be, and that source cannot.
    """
    if memory == "in_memory":
        return False
    if not isinstance(source, Tabular):
        if memory == "streamed":
            raise DataError(
                f"runtime.memory is streamed, and a source of the kind {source.kind} is read whole",
                hint="tables in parquet, csv or json are streamed; or write `memory: in_memory`",
            )
        return False
    if memory == "streamed":
        return True
    allowed = bytes_of(memory)
    if allowed is None:
        free = available_memory()
        if free is None:
            return False
        allowed = free // SHARE
    return source.memory_needed(base) > allowed


def check_fits(source: Source, base: pathlib.Path, what: str) -> None:
    """That data fits in memory that can be nowhere else.

    Args:
        what: it is for.

    Raises:
        DataError: it does not.
    """
    if not isinstance(source, Tabular):
        return
    needed, free = source.memory_needed(base), available_memory()
    if free is not None and needed > free:
        raise DataError(
            f"{what} needs all of its data in memory: about {size(needed)}, and {size(free)} are free",
            hint="take fewer rows or columns (source: {limit: …}, or select), or a machine with more memory",
        )


def encoded_on_disk(table: Table, parts: Parts, preparation: Preparation) -> dict[str, Examples]:
    """The encoded rows of each part, as `Preparation.encode` gives them, but on disk.

    The table is read once, in blocks; each block is encoded as if it were a table of its own.

    Raises:
        DataError: values cannot be read; or the disk has no room.
    """
    import numpy as np

    names = list(preparation.features)
    if preparation.target is not None and preparation.target.column not in names:
        names.append(preparation.target.column)
    found: dict[str, Examples] = {}
    start = 0
    for block in rows_of_table(table, names):
        for part, rows in parts.items():
            first, last = np.searchsorted(rows, (start, start + len(block)))
            try:
                examples = preparation.encode(block, rows[first:last] - start)
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


def _bytes_of_row(examples: Examples) -> int:
    arrays = (*examples.inputs.values(), examples.target, examples.truth)
    return sum(math.prod(array.shape[1:]) * array.dtype.itemsize for array in arrays)


def _empty(like: Examples, rows: np.ndarray) -> Examples:
    """Examples on disk, none yet.

    Args:
        rows: of the table, that will be in it.
    """

    def empty(array: np.ndarray) -> OnDisk:
        return OnDisk(cache_folder() / "streamed", array.shape[1:], array.dtype)

    target = empty(like.target)
    truth = target if like.truth is like.target else empty(like.truth)
    # They stand in for arrays: they are sliced as those are.
    return Examples(
        rows,
        cast("dict[str, np.ndarray]", {name: empty(array) for name, array in like.inputs.items()}),
        cast("np.ndarray", target),
        cast("np.ndarray", truth),
    )


def _append(stored: Examples, more: Examples) -> None:
    pairs = [(stored.inputs[name], more.inputs[name]) for name in more.inputs]
    pairs += [(stored.target, more.target)]
    if stored.truth is not stored.target:
        pairs += [(stored.truth, more.truth)]
    for array, values in pairs:
        cast("OnDisk", array).append(values)


def on_disk(examples: Examples) -> bool:
    """Whether examples are on disk."""
    return isinstance(next(iter(examples.inputs.values())), OnDisk)


def row_bytes(examples: Examples) -> int:
    """What an example on disk takes, its truth apart."""
    arrays = cast("Sequence[OnDisk]", [*examples.inputs.values(), examples.target])
    return total_row_bytes(arrays)


def window(examples: Examples, ranges: Sequence[Range], room: int) -> Examples:
    """The examples of some ranges in memory, one after the other, and zeros up to `room` of them."""

    def taken(array: np.ndarray) -> np.ndarray:
        return cast("OnDisk", array).taken(ranges, room)

    target = taken(examples.target)
    return Examples(examples.rows[:room], {name: taken(each) for name, each in examples.inputs.items()}, target, target)
