"""Files of text, and packed ones, that are larger than memory: converted once into Parquet files in the cache folder.

What is there is found again by the file's path, its state (size, times, number of the inode) and how it is read. It is
never used for a file that has changed since.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import time
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dlrun.data.columns import Table
from dlrun.data.on_disk import check_room
from dlrun.data.sources.files import parts, unpacked_size
from dlrun.data.sources.frames import Types, together
from dlrun.data.sources.lazy import BLOCK
from dlrun.data.sources.stored import Stored, readable, rows_in, scanned, schema, writable, write_block
from dlrun.data.sources.tabular import same_columns
from dlrun.errors import DataError
from dlrun.machine import cache_folder

if TYPE_CHECKING:
    import polars

VERSION = 1
"""Of what is converted: raised when the same file is read otherwise than before."""

UNUSED_DAYS = 30
"""After so many days without use a table in the cache folder is removed when another one is added."""

Whole = Callable[["polars.DataFrame"], "polars.DataFrame"]
"""Makes of a column, as the blocks have it, what it is as a whole."""


class Converted(Stored):
    """A source whose files have to be read from their beginning to their end."""

    @abstractmethod
    def put_aside(self, file: pathlib.Path, types: Types, folder: pathlib.Path) -> Whole:
        """Writes the rows of a file in blocks as Parquet files with the same columns into a folder, in the order of
        their names.

        Args:
            types: what columns are read as.

        Returns:
            What makes of each of their columns that which `load` gives.

        Raises:
            DataError: as `frame`.
        """

    def lazily(self, base: pathlib.Path) -> Table:
        """The table as `load` gives it, its columns read when they are asked for, from what is converted first.

        Raises:
            DataError, MisfitError: as `load`; or the disk has no room.
        """
        files = parts(base, self.path, self.endings)
        types, stored, rows = dict(self.types or {}), list[pathlib.Path](), 0
        for file in files:
            stored.append(self.stored(file, types))
            same_columns(files[0], schema(stored[0]).names(), file, schema(stored[-1]).names())
            rows += rows_in(stored[-1])
            if self.limit is not None and not self.where and rows >= self.limit:
                break
        if len(stored) > 1 and (mixed := together([_values(file) for file in stored])):
            types |= mixed
            stored = [self.stored(file, types) for file, _ in zip(files, stored, strict=False)]
        return self.model_copy(update={"types": types}).from_parquet(files, stored)

    def stored(self, file: pathlib.Path, types: Types) -> pathlib.Path:
        """The Parquet file with the rows of a file, which is made where it is not there."""
        place = _Place(file, self.reading(types))
        if not place.file.exists():
            check_room(place.folder, unpacked_size(file), f"{file.name}, converted,")
            place.tidy()
            with tempfile.TemporaryDirectory(prefix=".", dir=place.folder) as name:
                folder = pathlib.Path(name)
                made = _joined(folder, self.put_aside(file, types, folder))
                if place.file != _Place(file, self.reading(types)).file:
                    raise DataError(f"{file} was changed while it was read", hint="wait until nothing writes to it")
                made.replace(place.file)
        os.utime(place.file)
        return place.file

    def reading(self, types: Types) -> dict[str, Any]:
        """What the rows of a file depend on besides its content.

        Args:
            types: what columns are read as.
        """
        apart = {"path", "time", "types", "select", "where", "limit"}
        return {**{name: value for name, value in self.tree().items() if name not in apart}, "types": dict(types)}


class _Place:
    """Where the rows of a file are, or are to be.

    Args:
        reading: what they depend on besides its content.
    """

    def __init__(self, file: pathlib.Path, reading: dict[str, Any]) -> None:
        import polars

        found = file.stat()
        state = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
        self.folder = cache_folder() / "tables"
        self._path, self._state = _digest(str(file.resolve())), _digest(state)
        self.file = (
            self.folder / f"{self._path}-{self._state}-{_digest([VERSION, polars.__version__, reading])}.parquet"
        )

    def tidy(self) -> None:
        """Removes what was made of the file before it changed, what has not been used for long, and what a process
        left that was killed."""
        for each in self.folder.iterdir():
            stale = each.name.startswith(f"{self._path}-") and not each.name.startswith(f"{self._path}-{self._state}-")
            with suppress(FileNotFoundError):  # another process has removed it
                days = (time.time() - each.stat().st_mtime) / (24 * 3600)
                if each.is_dir() and days > 1:
                    shutil.rmtree(each)
                elif not each.is_dir() and (stale or days > UNUSED_DAYS):
                    each.unlink()


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:20]


def _joined(folder: pathlib.Path, whole: Whole) -> pathlib.Path:
    """One Parquet file with the rows of those in a folder, its columns made whole one at a time."""
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
        blocks.sink_parquet(made, compression="lz4", row_group_size=BLOCK, maintain_order=True)
    with made.open("rb+") as handle:
        os.fsync(handle.fileno())
    return made


def _values(file: pathlib.Path) -> polars.DataFrame:
    """A value of each column of a Parquet file; a missing one where there is none."""
    import polars

    with readable(str(file)):
        return scanned(file).select(polars.all().drop_nulls().first()).collect()
