"""Folders whose sub-folders are classes: which files are of which class, and which of which part."""

from __future__ import annotations

import os
import pathlib
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dlrun.data.features.category import sort_texts
from dlrun.errors import DataError, reason_of

if TYPE_CHECKING:
    import numpy as np

PartName = Literal["train", "validation", "test"]

PARTS: tuple[PartName, ...] = ("train", "validation", "test")

NAMES: dict[str, PartName] = {
    "train": "train", "test": "test", **dict.fromkeys(("validation", "valid", "val", "dev"), "validation")
}  # fmt: skip
"""What the folder of each part is called."""
LAYOUT = (
    "one folder for each class: cats/1{0}, dogs/2{0}; "
    "or train/cats/1{0}, validation/cats/2{0} and test/cats/3{0}"
)  # fmt: skip
"""How folders of classes look, whose files end so."""


@dataclass(frozen=True)
class ClassFile:
    """A file of a class.

    Args:
        path: where it is.
        label: the name of its class: of the folder.
        part: of the data, where folders tell it; else all is `train`.
        regular: whether it is a file at all, and not a pipe or a device.
    """

    path: pathlib.Path
    label: str
    part: PartName
    regular: bool


@dataclass(frozen=True)
class ClassFolders:
    """What a folder of classes holds.

    Args:
        files: of the endings that were asked for, part after part, each by class and then by name.
        others: files in the folders of classes that end otherwise; hidden ones and those of file managers do not count.
        parts: that there are; `train` always.
    """

    files: tuple[ClassFile, ...]
    others: tuple[pathlib.Path, ...]
    parts: tuple[PartName, ...]

    @property
    def has_test(self) -> bool:
        """Whether there is a test part."""
        return "test" in self.parts

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes of the train part, in the order of their indexes."""
        return tuple(sort_texts(sorted({file.label for file in self.files if file.part == "train"})))

    @property
    def labels(self) -> np.ndarray:
        """The class of each file, (files,) of texts."""
        import numpy as np

        return np.array([file.label for file in self.files], object)

    def rows_of(self, part: PartName) -> np.ndarray | None:
        """Which files are of a part, (files,) bool; None where there is no such part."""
        import numpy as np

        return np.array([file.part == part for file in self.files]) if part in self.parts else None


def class_folders(root: pathlib.Path, endings: tuple[str, ...]) -> ClassFolders:
    """Walks the folders of classes in a folder: `class/file`, at any depth below the class; or `train/class/file`,
    `validation/class/file` and `test/class/file`; or classes, and parts with the same classes beside them.

    Args:
        endings: how the names of the files end that count, in small letters.

    Raises:
        DataError: there is no such folder or no class in it, classes are empty, or links lead in a circle.
    """
    try:
        if not root.exists():
            raise DataError(f"there is no folder {root}", hint="a relative path is relative to the spec file")
        if not root.is_dir():
            raise DataError(f"{root} is a file, where a folder of classes is needed", hint=LAYOUT.format(endings[0]))
        parts = class_parts(root)
        files: list[ClassFile] = []
        others: list[pathlib.Path] = []
        for part, labels in parts.items():
            for label in labels:
                below = list(_walk(label, ()))
                taken = [each for each in below if each[0].name.lower().endswith(endings)]
                others += [path for path, _ in below if not path.name.lower().endswith(endings)]
                if not taken:
                    raise DataError(
                        f"the class {label.name} has no file that ends in {', '.join(endings)}: {label}",
                        hint="put its files there, or take the folder away",
                    )
                files += [ClassFile(path, _name(label), part, regular) for path, regular in taken]
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        where = error.filename if isinstance(error, OSError) and error.filename else root
        raise DataError(f"{where} cannot be read: {reason_of(error)}") from None
    found = ClassFolders(tuple(files), tuple(others), tuple(parts))
    if not files:
        raise DataError(f"{root} has no folder of a class in it", hint=LAYOUT.format(endings[0]))
    for part in found.parts:
        if strange := sorted({file.label for file in files if file.part == part} - set(found.classes)):
            raise DataError(
                f"the {part} part has classes that the train part has not: {', '.join(strange)}",
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


def class_parts(root: pathlib.Path) -> dict[PartName, list[pathlib.Path]]:
    """The folders of the classes of each part that a folder has, `train` first.

    Raises:
        DataError: folders are neither parts nor classes, or two are of one part.
        OSError: a folder cannot be read.
    """
    folders = _folders(root)
    parts = _named_parts(folders)
    if "train" in parts:
        others = [each.name for each in folders if each not in parts.values()]
        if beside := [name for name in others if name != "test"]:  # of a `test` without classes nothing can be learned
            raise DataError(
                f"{root} has the folder {beside[0]} beside train",
                hint="it needs a folder for each class" if beside[0] in NAMES else "move it into train, or elsewhere",
            )
        return {part: _folders(parts[part]) for part in PARTS if part in parts}
    classes = {each.name for each in folders if each not in parts.values()}
    own = {part: _folders(folder) for part, folder in parts.items()}
    # A class may be called `valid`: it is a part where classes beside it are in it too.
    own = {part: each for part, each in own.items() if part == "test" or {cls.name for cls in each} & classes}
    train = [each for each in folders if each not in [parts[part] for part in own]]
    return {"train": train, **{part: own[part] for part in PARTS if part in own}}


def _named_parts(folders: list[pathlib.Path]) -> dict[PartName, pathlib.Path]:
    """The folders that are called as parts are and have folders in them; in capitals too where all are."""
    capitals = all(each.name.lower() in NAMES for each in folders)
    parts: dict[PartName, pathlib.Path] = {}
    for folder in folders:
        part = NAMES.get(folder.name.lower() if capitals else folder.name)
        if part is None or not _folders(folder):
            continue
        if part in parts:
            raise DataError(
                f"{folder.parent} has two folders for {part}: {parts[part].name} and {folder.name}",
                hint="join them, or move one elsewhere",
            )
        parts[part] = folder
    return parts


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
