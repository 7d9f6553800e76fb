"""Tables that are put aside on disk: written in blocks of rows, which then become one Parquet file."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dlrun.data.on_disk import ROOM, check_room
from dlrun.data.sources.lazy import BLOCK
from dlrun.errors import DataError
from dlrun.machine import cache_folder

if TYPE_CHECKING:
    import polars

KILLED_DAYS = 1
"""After so many days what is half done belongs to a process that was killed."""

Whole = Callable[["polars.DataFrame"], "polars.DataFrame"]
"""Makes of a column, as the blocks have it, what it is as a whole."""


def tables_folder() -> Path:
    """Where tables are put aside: a folder of the cache folder, which need not be there yet."""
    return cache_folder() / "tables"


@contextmanager
def workplace(needed: int, what: str) -> Iterator[Path]:
    """A folder for what is half done, which is removed at the end, with what processes left that were killed.

    Args:
        needed: bytes, as far as that is known.
        what: is put there.

    Raises:
        DataError: the disk has no room.
    """
    tables = tables_folder()
    check_room(tables, needed, what)
    for each in tables.iterdir():
        with suppress(FileNotFoundError):  # another process has removed it
            if each.is_dir() and time.time() - each.stat().st_mtime > KILLED_DAYS * 24 * 3600:
                shutil.rmtree(each)
    # Windows keeps a file that is open.
    with tempfile.TemporaryDirectory(prefix=".", dir=tables, ignore_cleanup_errors=True) as name:
        yield Path(name)


def write_block(frame: polars.DataFrame, file: Path) -> None:
    """Writes rows as a Parquet file that is soon read again.

    Raises:
        DataError: the disk has no room.
    """
    with writable(file.parent):
        frame.write_parquet(file, compression="lz4", row_group_size=BLOCK)


def joined(folder: Path, whole: Whole, said: dict[str, str] | None = None) -> Path:
    """One Parquet file with the rows of those in a folder, in the order of their names, its columns made whole one at
    a time.

    Args:
        said: what the file itself is to say of how it was made, by name.

    Raises:
        DataError: the disk has no room.
    """
    import polars

    blocks = polars.scan_parquet(sorted(folder.glob("*.parquet")), hive_partitioning=False, glob=False)
    columns: list[polars.LazyFrame] = []
    names = blocks.collect_schema().names()
    for index, name in enumerate(names):
        before = blocks.select(name).collect()
        after = whole(before)
        if not after.equals(before) or after.schema != before.schema:
            file = folder / f"column-{index}"
            write_block(after, file)
            columns.append(polars.scan_parquet(file, hive_partitioning=False, glob=False))
            blocks = blocks.drop(name)
    if columns:
        blocks = polars.concat([blocks, *columns], how="horizontal").select(names)
    made = folder / "whole"
    with writable(folder):
        blocks.sink_parquet(made, compression="lz4", row_group_size=BLOCK, maintain_order=True, metadata=said)
    with made.open("rb+") as handle:
        os.fsync(handle.fileno())
    return made


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Within it, what polars cannot write into a folder is told as an error of its disk."""
    import polars

    try:
        yield
    except (polars.exceptions.PolarsError, OSError) as error:
        raise DataError(f"a table cannot be written to {folder}: {str(error).splitlines()[0]}", hint=ROOM) from None
