"""Files of text, and packed ones, that are larger than memory: converted once into Parquet files in the cache folder.

What is there is found again by the file's path, its state (size, times, number of the inode) and how it is read; with
the types that a run has frozen too, where these are what was found. It is never used for a file that has changed since.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import time
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dlrun.data.columns import Table
from dlrun.data.sources.aside import Whole, joined, tables_folder, workplace
from dlrun.data.sources.files import parts, unpacked_size
from dlrun.data.sources.frames import Types, kind_of, together, values_of
from dlrun.data.sources.stored import Stored, readable, rows_in, scanned, schema
from dlrun.data.sources.tabular import same_columns
from dlrun.errors import DataError

if TYPE_CHECKING:
    import polars

VERSION = 2
"""Of what is converted: raised when the same file is read otherwise than before."""

ASKED = "types"
"""Under this name such a file itself says which types were asked for when it was made."""

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
        """The Parquet file with the rows of a file, which is made where it is not there.

        Args:
            types: what columns are read as. Those that a run has frozen find what was converted when they were found.
        """
        place = _Place(file, self.reading)
        found = next((each for each in place.made() if _serves(each, types, self.select, self.time)), None)
        if found is None:
            found = place.file(types)
            with workplace(unpacked_size(file), f"{file.name}, converted,") as folder:
                place.tidy()
                made = joined(folder, self.put_aside(file, types, folder), {ASKED: json.dumps(dict(types))})
                if found != _Place(file, self.reading).file(types):
                    raise DataError(f"{file} was changed while it was read", hint="wait until nothing writes to it")
                made.replace(found)
        os.utime(found)
        return found

    @property
    def reading(self) -> dict[str, Any]:
        """What the rows of a file depend on besides its content and the types of its columns."""
        apart = {"path", "time", "types", "select", "where", "limit"}
        return {name: value for name, value in self.tree().items() if name not in apart}


class _Place:
    """Where the rows of a file are, or are to be.

    Args:
        reading: what they depend on besides its content and types.
    """

    def __init__(self, file: pathlib.Path, reading: dict[str, Any]) -> None:
        import polars

        found = file.stat()
        state = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
        self._folder = tables_folder()
        self._path, self._state = _digest(str(file.resolve())), _digest(state)
        self._reading = _digest([VERSION, polars.__version__, reading])

    def file(self, types: Types) -> pathlib.Path:
        """With these types of its columns."""
        return self._folder / f"{self._path}-{self._state}-{self._reading}-{_digest(dict(types))}.parquet"

    def made(self) -> list[pathlib.Path]:
        """Those that are there, with whatever types."""
        return sorted(self._folder.glob(f"{self._path}-{self._state}-{self._reading}-*.parquet"))

    def tidy(self) -> None:
        """Removes what was made of the file before it changed, and what has not been used for long."""
        for each in self._folder.glob("*.parquet"):
            stale = each.name.startswith(f"{self._path}-") and not each.name.startswith(f"{self._path}-{self._state}-")
            with suppress(FileNotFoundError):  # another process has removed it
                if stale or time.time() - each.stat().st_mtime > UNUSED_DAYS * 24 * 3600:
                    each.unlink()


def _serves(file: pathlib.Path, types: Types, read: Sequence[str] | None, time: str | None) -> bool:
    """Whether what was converted with some types is what others make of it.

    It is where they are the same. A run freezes the types that its training found, so it also is where columns alone
    have other ones for which none was asked then, and which were found to be of the type that is asked for now.

    Args:
        read: the columns that are read; None: all.
        time: the column with the times, which may be texts until they are used.
    """
    import polars

    try:
        asked = json.loads(polars.read_parquet_metadata(file)[ASKED])
        columns = scanned(file).collect_schema()
    except (polars.exceptions.PolarsError, OSError):  # damaged, or another process has removed it
        return False

    def fits(name: str, dtype: polars.DataType) -> bool:
        if name in asked or (read is not None and name not in read):
            return bool(asked.get(name) == types.get(name))
        return types.get(name) in [*_kinds(dtype), *(["time"] if name == time else [])]

    return asked == types or all(fits(name, dtype) for name, dtype in columns.items())


def _kinds(dtype: polars.DataType) -> list[str]:
    """The types that may be frozen of a column that was found to be of one: whole numbers of which some are missing, or
    that are too large, are numbers in a table."""
    import polars

    kind = kind_of(dtype)
    if kind != "integer":
        return [kind]
    return ["integer", "number"] if dtype == polars.Int64 else ["number"]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:20]


def _values(file: pathlib.Path) -> polars.DataFrame:
    with readable(str(file)):
        return values_of(scanned(file))
