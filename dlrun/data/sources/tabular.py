"""What the sources of tables share: files in parts, types that are found once, and which columns and rows are kept."""

from __future__ import annotations

import pathlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import Field

from dlrun.data.columns import Batch, Column, Defaults, Table, near
from dlrun.data.sources.conditions import Condition
from dlrun.data.sources.files import locate, opened, parts, unpacked_size
from dlrun.data.sources.frames import (
    ColumnType,
    TimeFormat,
    Types,
    check_formats,
    columns_of,
    conform,
    frozen_types,
    together,
    with_times,
)
from dlrun.data.sources.nested import alike
from dlrun.errors import DataError, MisfitError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Path, Problem

if TYPE_CHECKING:
    import polars

FILE = "\0file"
"""The column that says, while rows are sorted out, which part each is from; no file can have one of that name."""

KEPT = " (of the rows that `where` keeps)"

TEXT_BYTES = 4
"""Bytes of memory for one of a file of text, once as a table and once encoded: a number of six characters becomes 8 and
twice 4."""


class Tabular(Spec, ABC):
    """A source of tables. What is its own: how the names of the columns and the rows are read from one file."""

    endings: ClassVar[tuple[str, ...]]
    """How the names of its files end, those that are packed apart."""
    kind: str
    """Which source."""
    path: Annotated[str, Field(min_length=1)]
    """A file, plain or packed (.gz, .bz2, .xz, .zst); or a folder of parts, or a pattern such as parts/*.csv, sorted by
    name. A relative path is relative to the spec file."""
    time: str | None = None
    """The column with the time of each row, such as 2010-01-31 13:00; for series and for a split by time."""
    types: dict[str, ColumnType | TimeFormat] | None = None
    """What columns are read as, such as {zip: text}, or {when: {time: "%d.%m.%Y"}} for times that do not begin with the
    year (Python's strptime); those left out: as what all their values are."""
    select: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """The columns that are read. Left out: all."""
    where: tuple[Condition, ...] = ()
    """Which rows are kept: those that meet every one of these conditions, such as {column: year, min: 2010}."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """How many rows are kept at most: the first. Left out: all."""

    @abstractmethod
    def names(self, file: pathlib.Path) -> list[str] | None:
        """The columns of a file, from its beginning and without polars; None where that does not show them.

        Raises:
            DataError: the file is not of this kind, or damaged.
        """

    @abstractmethod
    def frame(self, stream: IO[bytes], name: str, types: Types) -> polars.DataFrame:
        """All rows of a file.

        Args:
            name: what to call it in messages.
            types: what columns are read as.

        Raises:
            DataError: it is damaged; where that can be told, with the line.
        """

    @abstractmethod
    def batches(self, stream: IO[bytes], name: str, size: int) -> Iterator[Batch]:
        """Rows of a file in blocks of about `size` bytes, -1: all at once; rows that cannot be read are set apart.

        Raises:
            DataError: no rows can be made of it.
        """

    def check(self, base: pathlib.Path) -> Iterator[Problem]:
        """What is wrong with the files, as far as their beginnings show it, and with what is asked of their columns."""
        try:
            columns = self._names(parts(base, self.path, self.endings))
        except DataError as error:
            yield Problem(("path",), error.message, received=self.path, hint=error.hint)
            return
        for index, condition in enumerate(self.where):
            yield from (problem.under("where", index) for problem in condition.check())
        if columns is not None:
            yield from self._check_columns(columns)

    def _names(self, files: Sequence[pathlib.Path]) -> list[str] | None:
        """The columns of the first part, which all others have too.

        Raises:
            DataError: a part cannot be read, or has other columns, which are named.
        """
        first, *others = files
        names = self.names(first)
        for file in others:
            found = self.names(file)
            if names is not None and found is not None:
                same_columns(first, names, file, found)
        return names

    def _check_columns(self, names: Sequence[str]) -> Iterator[Problem]:
        """That the columns are there that the fields name."""
        wanted: list[tuple[Path, str]] = [(("time",), self.time)] if self.time is not None else []
        wanted += [(("types", name), name) for name in self.types or ()]
        wanted += [(("select", index), name) for index, name in enumerate(self.select or ())]
        wanted += [(("where", index, "column"), each.column) for index, each in enumerate(self.where)]
        for path, name in wanted:
            if name not in names:
                problem = Problem(path, f"the file has no column {name}", hint=near(name, names))
                yield replace(problem, at="key") if path[0] == "types" else problem
        for index, name in enumerate(self.select or ()):
            if name in (self.select or ())[:index]:
                yield Problem(("select", index), f"{name} is named twice", hint="take one out")
        if self.time in names and self.select is not None and self.time not in self.select:
            yield Problem(("select",), f"the column of the times is not among them: {self.time}", hint="add it")

    def known(self, base: pathlib.Path) -> dict[str, Column] | None:
        """The columns; what they hold is not known yet. None where the beginning of the files does not show them."""
        try:
            names = self._names(parts(base, self.path, self.endings))
        except DataError:
            return None
        if names is None:
            return None
        return {name: Column("time" if name == self.time else "unknown") for name in self.select or names}

    def defaults(self, base: pathlib.Path) -> Defaults:
        """The roles of the columns."""
        return Defaults(time=self.time)

    def has_test(self, base: pathlib.Path) -> bool:
        """Whether there is a test part: no."""
        return False

    def resolve(self, base: pathlib.Path) -> Self:
        """The same source with an absolute path."""
        return self.model_copy(update={"path": str(locate(base, self.path))})

    def frozen(self, table: Table) -> Self:
        """The same source with the types that were found, so that no other rows can change them."""
        return self.model_copy(update={"types": frozen_types(table, self.types)})

    def load(self, base: pathlib.Path, *, new: bool = False) -> Table:
        """Reads the files; the type of a column follows from all its rows.

        Args:
            new: whether the files are not those that the fields were written for, and may lack columns that they name.

        Raises:
            DataError: a file cannot be read, or is damaged, or parts differ in their columns.
            MisfitError: a field names a column that is not there, or takes it for what it is not; paths are relative
                to this section.
        """
        files = parts(base, self.path, self.endings)
        frame, rows_of = self._joined(files)
        if not new and (problems := list(self._check_columns(frame.columns))):
            raise MisfitError(*problems)
        frame = frame.with_columns(numbered(rows_of))
        name = self._called(files)
        if self.where:
            frame = self._kept(frame, name)
            name += KEPT
        if self.limit is not None:
            frame = frame.head(self.limit)
        if self.select is not None:
            frame = frame.select(*self.select, FILE)
        if self.time is not None and self.time in frame.columns:
            frame = with_times(frame, self.time, name)
        file_of, frame = frame[FILE].to_numpy(), frame.drop(FILE)
        columns = columns_of(frame, name)
        return Table(name, columns, folder=files[0].parent, files=tuple(map(str, files)), file_of=file_of)

    def whole(self, base: pathlib.Path) -> polars.DataFrame:
        """All rows of all columns as the files have them; `where`, `limit`, `select` and `time` play no part.

        Raises:
            DataError: a file cannot be read, or is damaged, or parts differ in their columns.
        """
        return self._joined(parts(base, self.path, self.endings))[0]

    def memory_needed(self, base: pathlib.Path) -> int:
        """About how many bytes the table takes in memory with what is encoded of it, by the size of its files.

        Raises:
            DataError: a file is not there.
        """
        files = parts(base, self.path, self.endings)
        return TEXT_BYTES * sum(map(unpacked_size, files))

    @abstractmethod
    def lazily(self, base: pathlib.Path) -> Table:
        """The table as `load` gives it, its columns read when they are asked for.

        Raises:
            DataError, MisfitError: as `load`; or the disk has no room for what has to be converted.
        """

    def _called(self, files: Sequence[pathlib.Path]) -> str:
        """What to call the table in messages."""
        return files[0].name if len(files) == 1 else f"{pathlib.Path(self.path).name} ({len(files)} parts)"

    def _joined(
        self, files: Sequence[pathlib.Path], read: Callable[[pathlib.Path, Types], polars.DataFrame] | None = None
    ) -> tuple[polars.DataFrame, list[int]]:
        """All rows of all parts, each column of one type; and how many each part has.

        Args:
            read: gives those of one part; None: all its columns.
        """
        read = read or self._read
        types, rows = dict(self.types or {}), 0
        frames: list[polars.DataFrame] = []
        for file in files:
            frames.append(read(file, types))
            same_columns(files[0], frames[0].columns, file, frames[-1].columns)
            rows += frames[-1].height
            if self.limit is not None and not self.where and rows >= self.limit:
                break
        if len(frames) == 1:
            return frames[0], [rows]
        if mixed := together(frames):
            types |= mixed
            frames = [read(file, types) for file, _ in zip(files, frames, strict=False)]
        import polars

        whole = polars.concat([frame.select(frames[0].columns) for frame in alike(frames)], how="vertical_relaxed")
        return whole, [frame.height for frame in frames]

    def _read(self, file: pathlib.Path, types: Types) -> polars.DataFrame:
        with opened(file) as stream:
            frame = conform(self.frame(stream, str(file), types), types)
        check_formats(frame, types, str(file))
        return frame

    def _kept(self, frame: polars.DataFrame, name: str) -> polars.DataFrame:
        """The rows that meet all conditions.

        Raises:
            DataError: there is none.
        """
        for index, condition in enumerate(self.where):
            try:
                frame = frame.filter(condition.mask(frame))
            except MisfitError as error:
                raise MisfitError(*(problem.under("where", index) for problem in error.problems)) from None
        if not frame.height:
            raise DataError(f"{name}: `where` keeps none of its rows", hint="ask less of them")
        return frame


def numbered(rows_of: Sequence[int]) -> polars.Series:
    """Which part each row is from, by how many rows each part has, as the column `FILE`."""
    import numpy as np
    import polars

    return polars.Series(FILE, np.repeat(np.arange(len(rows_of), dtype=np.int32), rows_of))


def same_columns(first: pathlib.Path, names: Sequence[str], file: pathlib.Path, found: Sequence[str]) -> None:
    """That a part has the columns of the first, in any order.

    Raises:
        DataError: with the part and the columns.
    """
    here, there = set(names), set(found)
    missing = [name for name in names if name not in there]
    strange = [name for name in found if name not in here]
    if missing or strange:
        words = [f"lacks {', '.join(missing)}"] if missing else []
        words += [f"has {', '.join(strange)} besides"] if strange else []
        part = file.name if file.parent == first.parent else str(file)
        raise DataError(
            f"{part} has other columns than {first.name}: it {' and '.join(words)}",
            hint="parts of one table have the same columns",
        )
