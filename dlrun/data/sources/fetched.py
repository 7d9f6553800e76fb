"""Rows as a database gives them, block by block: a table in memory, or one that is larger than that."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dlrun.data.columns import Table
from dlrun.data.sources.aside import Whole, joined, workplace, write_block
from dlrun.data.sources.frames import Types, conform, together, values_of
from dlrun.data.sources.lazy import Parts
from dlrun.data.sources.stored import column_of, row_bytes, rows_in, rows_of, schema
from dlrun.errors import DataError
from dlrun.machine import available_memory, size

if TYPE_CHECKING:
    import polars


def fetch(blocks: Iterator[polars.DataFrame], allowed: int | None, name: str) -> tuple[list[polars.DataFrame], bool]:
    """Takes blocks until there are no more, or they take more memory than is allowed.

    Args:
        allowed: bytes for the rows and what is encoded of them; None: any number that is free.
        name: what to call the rows in messages.

    Returns:
        The blocks; and whether these are all that are allowed, and others may be left.

    Raises:
        DataError: any number is allowed, and there is not enough for the rows and the table that is made of them.
    """
    frames, needed, held, free = list["polars.DataFrame"](), 0, 0, available_memory()
    for block in blocks:
        frames.append(block)
        needed += block.height * sum(map(row_bytes, block))
        held += int(block.estimated_size())
        if allowed is not None and needed > allowed:
            return frames, True
        if allowed is None and free is not None and held > free // 2:
            raise DataError(
                f"{name}: its rows take more than {size(free // 2)}, and {size(free)} of memory are free",
                hint="ask for fewer rows or columns, or have them streamed: runtime: {memory: streamed}",
            )
    return frames, False


def alike(frames: Sequence[polars.DataFrame]) -> polars.DataFrame:
    """The rows of all blocks, each column of one type."""
    import polars

    types = together(frames)
    return polars.concat([conform(frame, types) for frame in frames], how="vertical_relaxed")


def put_aside(blocks: Iterable[polars.DataFrame], whole: Whole) -> IO[bytes]:
    """A Parquet file with the rows of all blocks, as `alike` gives them and their columns are made whole.

    It has no name, so the system takes it back when the process ends, however that comes about: another training asks
    the database anew, whose rows may be others then.

    Raises:
        DataError: the disk has no room.
    """
    with workplace(0, "the rows") as folder:
        values: list[polars.DataFrame] = []
        for index, block in enumerate(blocks):
            write_block(block, folder / f"{index:08d}.parquet")
            values.append(values_of(block.lazy()))
        types, form = together(values), alike(values).schema
        for file in sorted(folder.iterdir()):
            if schema(file) != form:
                _write_again(file, types, form)
        return joined(folder, whole).open("rb")


def _write_again(file: Path, types: Types, form: polars.Schema) -> None:
    """Writes a block with the types that all have together."""
    import polars

    other = file.with_suffix(".typed")
    write_block(conform(polars.read_parquet(file, hive_partitioning=False), types).cast(form), other)
    other.replace(file)


def lazily(file: IO[bytes], name: str, types: Types, time: str | None) -> Table:
    """The table in an unnamed Parquet file, its columns read when they are asked for.

    Args:
        name: what to call it in messages.
        types: what columns are read as.
        time: the column with the times.
    """
    found = Parts(
        [Path(name)],
        [file],
        [rows_in(file)],
        lambda column: column_of(file, column, types, name),
        rows_of,
        kept=None,
        limit=None,
        types=types,
        time=time,
    )
    table = found.table(name, schema(file).names())
    weakref.finalize(table.columns, file.close)
    return replace(table, folder=None, files=(), file_of=None)
