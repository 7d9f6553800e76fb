"""What sources of files in folders share, whatever the files hold."""

from __future__ import annotations

import pathlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field

from dlrun.data.columns import Column, Defaults, Table
from dlrun.data.sources.class_folders import ClassFolders, PartName, class_parts, files_below
from dlrun.data.sources.files import locate
from dlrun.errors import DataError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np

LABEL = "label"
"""The column of the classes."""

Walks = dict[tuple[str, str], "ClassFolders | DataError | None"]
"""What was found, or what was wrong, by the kind of the source and the folder."""

_WALKS: ContextVar[Walks | None] = ContextVar("walks", default=None)


@contextmanager
def walked_once() -> Iterator[None]:
    """Within it, whoever asks what a folder holds is told what was found first: a folder of a million files is walked
    once."""
    token = _WALKS.set({})
    try:
        yield
    finally:
        _WALKS.reset(token)


class FolderSource(Spec, ABC):
    """A source of files in folders, whose names are classes: the columns are what the files hold, and `label`."""

    content: ClassVar[Literal["image", "text"]]
    """What a file holds; the name of its column."""
    endings: ClassVar[tuple[str, ...]]
    """How the names of the files end, in small letters."""

    kind: str
    path: Annotated[str, Field(min_length=1)]
    """The folder; a relative path is relative to the spec file."""

    @abstractmethod
    def found(self, base: pathlib.Path) -> ClassFolders | None:
        """The files by class; None where there are files and no folders.

        Raises:
            DataError: there is no such folder, or it does not hold what it should.
        """

    def walked(self, base: pathlib.Path) -> ClassFolders | None:
        """What `found` gives, within `walked_once` what it gave first.

        Raises:
            DataError: as `found`.
        """
        walks, key = _WALKS.get(), (self.kind, str(locate(base, self.path)))
        if walks is None:
            return self.found(base)
        if key not in walks:
            try:
                walks[key] = self.found(base)
            except DataError as error:
                walks[key] = error
        walk = walks[key]
        if isinstance(walk, DataError):
            raise walk
        return walk

    def check(self, base: pathlib.Path) -> Iterator[Problem]:
        """What is wrong with the folder, as far as names show it."""
        try:
            self.walked(base)
        except DataError as error:
            yield Problem(("path",), error.message, received=self.path, hint=error.hint)

    def known(self, base: pathlib.Path) -> dict[str, Column] | None:
        """The columns and, by the names of the folders, the classes; None where they cannot be read."""
        try:
            return self.columns(self.walked(base))
        except DataError:
            return None

    def columns(self, found: ClassFolders | None) -> dict[str, Column]:
        """The columns of what was found."""
        content: dict[str, Column] = {self.content: Column(self.content)}
        return content if found is None else {**content, LABEL: Column("category", classes=found.classes)}

    def defaults(self, base: pathlib.Path) -> Defaults:
        """The roles of the columns."""
        return Defaults(target=LABEL, inputs=(self.content,))

    def has_test(self, base: pathlib.Path) -> bool | None:
        """Whether there is a test part; None where that cannot be read."""
        try:
            found = self.walked(base)
        except DataError:
            return None
        return found is not None and found.has_test

    def own_parts(self, base: pathlib.Path) -> tuple[PartName, ...]:
        """The parts that the folders tell; `train` alone where they tell none or cannot be read."""
        try:
            return tuple(class_parts(locate(base, self.path)))
        except (DataError, OSError, ValueError):  # which `check` tells
            return ("train",)

    def files(self, base: pathlib.Path) -> list[str]:
        """The names of the files that folders put into no part but `train`, relative to the source's folder.

        Raises:
            DataError: as `found`.
        """
        place, found = locate(base, self.path), self.walked(base)
        paths = files_below(place, self.endings) if found is None else [
            file.path for file in found.files if file.part == "train"
        ]  # fmt: skip
        return [path.relative_to(place).as_posix() for path in paths]

    def table(self, place: pathlib.Path, columns: dict[str, np.ndarray], found: ClassFolders) -> Table:
        """What was found as a table, a row for each file.

        Args:
            columns: what the files hold.
        """
        import numpy as np

        return Table(
            place.name, {**columns, LABEL: found.labels}, found.rows_of("test"), self.columns(found),
            files=tuple(file.path.relative_to(place).as_posix() for file in found.files),
            file_of=np.arange(len(found.files)), validation_rows=found.rows_of("validation"),
        )  # fmt: skip

    def resolve(self, base: pathlib.Path) -> Self:
        """The same source with an absolute path."""
        return self.model_copy(update={"path": str(locate(base, self.path))})
