"""Folders whose sub-folders are classes: which files are of which class, and which of them are the test part."""

from __future__ import annotations

import os
import pathlib
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlrun.data.features.category import sort_texts
from dlrun.errors import DataError

if TYPE_CHECKING:
    import numpy as np

TRAIN, TEST = "train", "test"

PARTS = "validation", "valid", "val", "dev"
"""How others call a part for validation, which dlrun deals out itself."""

LAYOUT = "one folder for each class: cats/1.txt, dogs/2.txt; or train/cats/1.txt and test/cats/2.txt"


@dataclass(frozen=True)
class ClassFile:
    """A file of a class.

    Args:
        path: where it is.
        label: the name of its class: of the folder.
        test: whether it belongs to the test part.
        regular: whether it is a file at all, and not a pipe or a device.
    """

    path: pathlib.Path
    label: str
    test: bool
    regular: bool


@dataclass(frozen=True)
class ClassFolders:
    """What a folder of classes holds.

    Args:
        files: of the endings that were asked for, those of the test part last, each part by class and then by name.
        others: files in the folders of classes that end otherwise; hidden ones and those of file managers do not count.
        has_test: whether there is a test part.
    """

    files: tuple[ClassFile, ...]
    others: tuple[pathlib.Path, ...]
    has_test: bool

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes of the train part, in the order of their indexes."""
        return tuple(sort_texts(sorted({file.label for file in self.files if not file.test})))

    @property
    def labels(self) -> np.ndarray:
        """The class of each file, (files,) of texts."""
        import numpy as np

        return np.array([file.label for file in self.files], object)

    @property
    def test_rows(self) -> np.ndarray | None:
        """Which files are of the test part, (files,) bool; None where there is none."""
        import numpy as np

        return np.array([file.test for file in self.files]) if self.has_test else None


def class_folders(root: pathlib.Path, endings: tuple[str, ...]) -> ClassFolders:
    """Walks the folders of classes in a folder: `class/file`, at any depth below the class; or `train/class/file` and
    `test/class/file`; or classes and a `test` with the same classes beside them.

    Args:
        endings: how the names of the files end that count, in small letters.

    Raises:
        DataError: there is no such folder or no class in it, classes are empty, or links lead in a circle.
    """
    try:
        if not root.exists():
            raise DataError(f"there is no folder {root}", hint="a relative path is relative to the spec file")
        if not root.is_dir():
            raise DataError(f"{root} is a file, where a folder of classes is needed", hint=LAYOUT)
        parts = _parts(root)
        files: list[ClassFile] = []
        others: list[pathlib.Path] = []
        for labels, is_test in parts:
            for label in labels:
                below = list(_walk(label, ()))
                taken = [each for each in below if each[0].name.lower().endswith(endings)]
                others += [path for path, _ in below if not path.name.lower().endswith(endings)]
                if not taken:
                    raise DataError(
                        f"the class {label.name} has no file that ends in {', '.join(endings)}: {label}",
                        hint="put its files there, or take the folder away",
                    )
                files += [ClassFile(path, _name(label), is_test, regular) for path, regular in taken]
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        where = error.filename if isinstance(error, OSError) and error.filename else root
        raise DataError(f"{where} cannot be read: {reason}") from None
    found = ClassFolders(tuple(files), tuple(others), len(parts) == 2)
    if not files:
        raise DataError(f"{root} has no folder of a class in it", hint=LAYOUT)
    if strange := sorted({file.label for file in files if file.test} - set(found.classes)):
        raise DataError(
            f"the test part has classes that the train part has not: {', '.join(strange)}",
            hint="their folders have to be called alike in both",
        )
    return found


def files_below(folder: pathlib.Path, endings: tuple[str, ...]) -> list[pathlib.Path]:
    """The files of a folder at any depth whose names end so, sorted by their paths.

    Raises:
        DataError: links lead in a circle, or a folder cannot be read.
    """
    try:
        return [path for path, _ in _walk(folder, ()) if path.name.lower().endswith(endings)]
    except OSError as error:
        raise DataError(f"{error.filename or folder} cannot be read: {error.strerror}") from None


def _parts(root: pathlib.Path) -> list[tuple[list[pathlib.Path], bool]]:
    """The folders of the classes of the train part, and of the test part where there is one."""
    folders = {folder.name: folder for folder in _folders(root)}
    train, test = (_folders(folders[name]) if name in folders else [] for name in (TRAIN, TEST))
    if train:
        if beside := sorted(folders.keys() - {TRAIN, TEST}):
            mend = "its rows are dealt out by `split: {validation: …}`: move its files into train, or elsewhere"
            raise DataError(
                f"{root} has the folder {beside[0]} beside train",
                hint=mend if beside[0].lower() in PARTS else "move it into train, or elsewhere",
            )
    else:
        train = [folder for name, folder in folders.items() if name != TEST or not test]
    return [(train, False), (test, True)] if test else [(train, False)]


def _folders(folder: pathlib.Path) -> list[pathlib.Path]:
    """The folders in a folder, hidden ones left out, sorted by name."""
    return sorted(each for each in folder.iterdir() if not _is_hidden(each.name) and each.is_dir())


def _name(folder: pathlib.Path) -> str:
    try:
        folder.name.encode()
    except UnicodeEncodeError:
        raise DataError(f"the name of a folder is not UTF-8: {str(folder)!a}", hint="rename it") from None
    return folder.name


def _walk(folder: pathlib.Path, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[pathlib.Path, bool]]:
    """All files below a folder, by name, each with whether it is a regular file; links are followed.

    Args:
        above: device and number of the folders that lead there.
    """
    about = folder.stat()
    here = (about.st_dev, about.st_ino)
    if here in above:
        raise DataError(f"a link leads back to a folder that it is in: {folder}", hint="take the link away")
    with os.scandir(folder) as entries:
        found = sorted((each for each in entries if not _is_hidden(each.name)), key=lambda each: each.name)
    for entry in found:
        path = pathlib.Path(entry.path)
        if entry.is_dir():
            yield from _walk(path, (*above, here))
        elif entry.is_symlink() and not path.exists():
            raise DataError(f"the link {path} leads nowhere", hint="take it away, or put back what it leads to")
        else:
            yield path, stat.S_ISREG(entry.stat().st_mode)


def _is_hidden(name: str) -> bool:
    """Whether a name is of what file managers and archivers leave behind."""
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini", "lost+found")
