"""Files of text, and packed ones, that are larger than memory: converted once into Parquet files in the cache folder.

What is there is found again by the file's path, its state (size, times, number of the inode) and how it is read. It is
never used for a file that has changed since.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import time
from abc import abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dlrun.data.columns import Table
from dlrun.data.sources.aside import Whole, joined, tables_folder, workplace
from dlrun.data.sources.files import parts, unpacked_size
from dlrun.data.sources.frames import Types, together, values_of
from dlrun.data.sources.stored import Stored, readable, rows_in, scanned, schema
from dlrun.data.sources.tabular import same_columns
from dlrun.errors import DataError

if TYPE_CHECKING:
    import polars

VERSION = 1
"""Of what is converted: raised when the same file is read otherwise than before."""

UNUSED_DAYS = 30
"""After so many days without use a table in the cache folder is removed when another one is added."""


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
            with workplace(unpacked_size(file), f"{file.name}, converted,") as folder:
                place.tidy()
                made = joined(folder, self.put_aside(file, types, folder))
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
        self._folder = tables_folder()
        self._path, self._state = _digest(str(file.resolve())), _digest(state)
        self.file = (
            self._folder / f"{self._path}-{self._state}-{_digest([VERSION, polars.__version__, reading])}.parquet"
        )

    def tidy(self) -> None:
        """Removes what was made of the file before it changed, and what has not been used for long."""
        for each in self._folder.glob("*.parquet"):
            stale = each.name.startswith(f"{self._path}-") and not each.name.startswith(f"{self._path}-{self._state}-")
            with suppress(FileNotFoundError):  # another process has removed it
                if stale or time.time() - each.stat().st_mtime > UNUSED_DAYS * 24 * 3600:
                    each.unlink()


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:20]


def _values(file: pathlib.Path) -> polars.DataFrame:
    with readable(str(file)):
        return values_of(scanned(file))
