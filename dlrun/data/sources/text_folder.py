"""Texts in folders: a file for each, a folder for each class."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from dlrun.data.columns import Table
from dlrun.data.sources.class_folders import ClassFolders, class_folders
from dlrun.data.sources.csv_checks import check_encoding
from dlrun.data.sources.files import check_file, locate
from dlrun.data.sources.folder_source import FolderSource
from dlrun.errors import DataError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np

ENDINGS = (".txt",)

TEXT: Literal["text"] = "text"
"""The column of the texts."""

LARGEST = 1 << 26
"""Bytes of a text that are read at most."""


class TextFolder(FolderSource):
    """Texts in .txt files, UTF-8; the name of the folder that a file is in is its class.

    The columns are `text` and `label`. Folders `validation` and `test` beside the classes, or beside `train`, with the
    same classes in them, are the source's own parts.
    """

    content = TEXT
    endings = ENDINGS

    kind: Literal["text_folder"]
    """Texts in .txt files (UTF-8), a folder for each class; columns text and label. Folders `validation` and
    `test` with the same classes in them, beside these or beside `train`, are the parts of that name."""

    def load(self, base: pathlib.Path) -> Table:
        """Reads the files.

        Raises:
            DataError: one cannot be read, is empty, or is not UTF-8.
        """
        found = self.found(base)
        place = locate(base, self.path)
        return self.table(place, dict(text_table([file.path for file in found.files], place.name).columns), found)

    def found(self, base: pathlib.Path) -> ClassFolders:
        """The files by class.

        Raises:
            DataError: there is no such folder, or it holds what is no text.
        """
        found = class_folders(locate(base, self.path), ENDINGS)
        if found.others:
            count = len(found.others)
            raise DataError(
                f"{count} {'file' if count == 1 else 'files'} in the folders of classes "
                f"{'does' if count == 1 else 'do'} not end in .txt, such as "
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
