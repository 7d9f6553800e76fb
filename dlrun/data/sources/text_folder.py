"""Texts in folders: a file for each, a folder for each class."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from dlrun.data.columns import Column, Defaults, Table
from dlrun.data.sources.class_folders import ClassFolders, class_folders
from dlrun.data.sources.csv_text import check_encoding
from dlrun.data.sources.files import check_file, locate
from dlrun.errors import DataError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np

ENDINGS = (".txt",)

TEXT, LABEL = "text", "label"

LARGEST = 1 << 26
"""Bytes of a text that are read at most."""


class TextFolder(Spec):
    """Texts in .txt files, UTF-8; the name of the folder that a file is in is its class.

    The columns are `text` and `label`. A folder `test` beside the classes, or beside `train`, with the same classes in
    it, is the source's own test part.
    """

    kind: Literal["text_folder"]
    """Texts in .txt files (UTF-8), a folder for each class; columns text and label. A folder `test` with the same
    classes in it, beside them or beside `train`, is the test part."""
    path: Annotated[str, Field(min_length=1)]
    """The folder; a relative path is relative to the spec file."""

    def check(self, base: pathlib.Path) -> Iterator[Problem]:
        """What is wrong with the folder, as far as names show it."""
        try:
            self._found(base)
        except DataError as error:
            yield Problem(("path",), error.message, received=self.path, hint=error.hint)

    def known(self, base: pathlib.Path) -> dict[str, Column] | None:
        """The columns and, by the names of the folders, the classes; None where they cannot be read."""
        try:
            return {TEXT: Column("text"), LABEL: Column("category", classes=self._found(base).classes)}
        except DataError:
            return None

    def defaults(self, base: pathlib.Path) -> Defaults:
        """The roles of the columns."""
        return Defaults(target=LABEL, inputs=(TEXT,))

    def has_test(self, base: pathlib.Path) -> bool | None:
        """Whether there is a test part; None where that cannot be read."""
        try:
            return self._found(base).has_test
        except DataError:
            return None

    def resolve(self, base: pathlib.Path) -> TextFolder:
        """The same source with an absolute path."""
        return self.model_copy(update={"path": str(locate(base, self.path))})

    def load(self, base: pathlib.Path) -> Table:
        """Reads the files.

        Raises:
            DataError: one cannot be read, is empty, or is not UTF-8.
        """
        import numpy as np

        found = self._found(base)
        table = text_table([file.path for file in found.files], locate(base, self.path).name)
        labels = np.array([file.label for file in found.files], object)
        tests = np.array([file.test for file in found.files]) if found.has_test else None
        known = {TEXT: Column("text"), LABEL: Column("category", classes=found.classes)}
        return Table(table.name, {**table.columns, LABEL: labels}, tests, known)

    def _found(self, base: pathlib.Path) -> ClassFolders:
        found = class_folders(locate(base, self.path), ENDINGS)
        if found.others:
            count = len(found.others)
            raise DataError(
                f"{count} {'file' if count == 1 else 'files'} in the folders of classes do not end in .txt, such as "
                f"{found.others[0]}",
                hint="rename them if they are texts, or move them elsewhere",
            )
        return found


class TextFile(Spec):
    """One text in a file, as new data for a model of a `TextFolder`."""

    path: str
    """The file."""

    def check(self, base: pathlib.Path) -> Iterator[Problem]:
        """That the file is there."""
        yield from check_file(base, self.path)

    def load(self, base: pathlib.Path) -> Table:
        """A table of one row.

        Raises:
            DataError: the file cannot be read, is empty, or is not UTF-8.
        """
        return text_table([locate(base, self.path)], pathlib.Path(self.path).name)


def text_table(files: Sequence[pathlib.Path], name: str) -> Table:
    """The texts of files, a row for each.

    Raises:
        DataError: one cannot be read, is empty, or is not UTF-8.
    """
    import numpy as np

    texts: np.ndarray = np.empty(len(files), object)
    for position, file in enumerate(files):
        texts[position] = read_text(file)
    return Table(name, {TEXT: texts})


def read_text(file: pathlib.Path) -> str:
    """The text of a file.

    Raises:
        DataError: it cannot be read, is empty, or is not UTF-8.
    """
    for problem in check_file(pathlib.Path(), str(file)):
        raise DataError(f"{file}: {problem.message}", hint=problem.hint)
    try:
        with file.open("rb") as handle:
            data = handle.read(LARGEST + 1)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from None
    return text_from(data, str(file))


def text_from(data: bytes, name: str) -> str:
    """A text from its bytes.

    Raises:
        DataError: it is empty, too large, or not UTF-8.
    """
    if len(data) > LARGEST:
        raise DataError(
            f"{name} is larger than {LARGEST >> 20} MiB, too much for one text", hint="part it into several"
        )
    check_encoding(data, name)
    text = data.decode("utf-8-sig")
    if not text.strip():
        raise DataError(f"{name} is empty", hint="take it away, or put a text into it")
    return text
