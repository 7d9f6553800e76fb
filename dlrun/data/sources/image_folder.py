"""Image files in folders, one folder for each class."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from dlrun.data.columns import Column, Defaults, Table
from dlrun.data.decode import ENDINGS
from dlrun.data.pictures import SHOWN, shown
from dlrun.data.sources.files import RELATIVE, locate, near_folder
from dlrun.errors import DataError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

TRAIN, TEST = "train", "test"
PARTS = (TRAIN, TEST)
"""Folders that are no classes, but have such in them."""

IMAGE, LABEL = "image", "label"
"""The columns."""


class ImageFolder(Spec):
    """Image files in folders: the name of the folder is the class.

    Images of a class may be in folders of its folder too. Where there is a folder `train`, the classes are in it, and
    in `test` beside it, which is then the source's own test part. A folder with images and no folders has no classes.
    """

    kind: Literal["image_folder"]
    """Image files (PNG, JPEG, GIF, BMP, WebP) in folders: the name of the folder is the class. The columns are image
    and label."""
    path: Annotated[str, Field(min_length=1)]
    """The folder with the folders of the classes, or with train and test that have them; a relative path is relative to
    the spec file."""

    def check(self, base: pathlib.Path) -> Iterator[Problem]:
        """That the folder is there and has folders or images in it."""
        try:
            self._classes(base)
        except DataError as error:
            yield Problem(("path",), error.message, received=self.path, hint=error.hint)

    def known(self, base: pathlib.Path) -> dict[str, Column] | None:
        """The columns, and the classes by the names of the folders; None where they cannot be read."""
        try:
            classes = self._classes(base)
        except DataError:
            return None
        image = {IMAGE: Column("image")}
        return {**image, LABEL: Column("category", classes=tuple(classes))} if classes else image

    def defaults(self, base: pathlib.Path) -> Defaults:
        """The roles of the columns."""
        return Defaults(target=LABEL, inputs=(IMAGE,))

    def has_test(self, base: pathlib.Path) -> bool | None:
        """Whether there is a test part; None where the folder cannot be read."""
        try:
            return TEST in self._parts(locate(base, self.path))
        except DataError:
            return None

    def resolve(self, base: pathlib.Path) -> ImageFolder:
        """The same source with an absolute path."""
        return self.model_copy(update={"path": str(locate(base, self.path))})

    def load(self, base: pathlib.Path) -> Table:
        """The names of the images, relative to the folder, and their classes, sorted by part, class and name.

        Raises:
            DataError: the folder cannot be read, a class has no image, images are beside the classes, or links lead in
                a circle.
        """
        import numpy as np

        place = locate(base, self.path)
        classes = self._classes(base)
        found: list[tuple[str, str | None, bool]] = []
        strangers: list[str] = []
        for part in self._parts(place) or ("",):
            for label in _folders(place / part) if classes else [""]:
                images = walk(place / part / label, strangers)
                if not images:
                    raise DataError(f"{place / part / label} has no image in it", hint=NO_IMAGE)
                found += [
                    (str(pathlib.PurePosixPath(part, label, each)), label or None, part == TEST) for each in images
                ]
        columns = {IMAGE: np.array([name for name, _, _ in found], object)}
        if classes:
            columns[LABEL] = np.array([label for _, label, _ in found], object)
        tests = np.array([test for _, _, test in found], bool)
        notes = (_left_out(strangers),) if strangers else ()
        return Table(place.name, columns, tests if tests.any() else None, self.known(base) or {}, place, notes)

    def _classes(self, base: pathlib.Path) -> list[str]:
        """The names of the classes, sorted; empty where images are in the folder itself.

        Raises:
            DataError: there is no such folder, or it has neither folders nor images, or both.
        """
        place = locate(base, self.path)
        classes: set[str] = set()
        for part in self._parts(place) or ("",):
            folders, loose = _folders(place / part), _images(place / part)
            if folders and loose:
                raise DataError(
                    f"{place / part} has folders, which are classes, and images beside them: {_some(loose)}",
                    hint="put these into the folder of their class, or elsewhere",
                )
            if not folders and not loose:
                raise DataError(f"{place / part} has neither folders nor images in it", hint=NO_IMAGE)
            classes.update(folders)
        return sorted(classes)

    def _parts(self, place: pathlib.Path) -> tuple[str, ...]:
        """`train`, and `test` where it is there; empty where the folders are the classes.

        Raises:
            DataError: there is no such folder, or other folders are beside `train`.
        """
        folders = _folders(place)
        if TRAIN not in folders:
            return ()
        if others := [name for name in folders if name not in PARTS]:
            raise DataError(
                f"{place} has the folder train, with classes in it, and beside it others than test: {_some(others)}",
                hint="the folders of the classes are in train and test, or, without these, all side by side",
            )
        return tuple(part for part in PARTS if part in folders)


NO_IMAGE = f"images are files whose names end in {', '.join(ENDINGS)}; a class without any has to be taken out"


def is_image(name: str) -> bool:
    """Whether the name of a file says that it is an image."""
    return name.lower().endswith(ENDINGS)


def walk(folder: pathlib.Path, strangers: list[str]) -> list[str]:
    """The images in a folder and all folders in it, relative to it, sorted; hidden ones are left out.

    Args:
        strangers: gets the files that are no images by their names.

    Raises:
        DataError: a folder cannot be read, or is a link to one that it is in.
    """
    found: list[str] = []
    left: list[tuple[pathlib.Path, frozenset[tuple[int, int]]]] = [(folder, frozenset())]
    while left:
        place, within = left.pop()
        entries = _entries(place)
        state = place.stat()
        here = (state.st_dev, state.st_ino)
        if here in within:
            raise DataError(f"{place} is a link to a folder that it is in: its images would have no end")
        for entry in entries:
            if _is_folder(entry):
                left.append((place / entry.name, within | {here}))
            elif is_image(entry.name):
                found.append((place / entry.name).relative_to(folder).as_posix())
            else:
                strangers.append(str(place / entry.name))
    return sorted(found)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is one, or a link to one; a link that leads nowhere is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _entries(place: pathlib.Path) -> list[os.DirEntry[str]]:
    """What is in a folder, but for what is hidden, sorted by name.

    Raises:
        DataError: it cannot be read, is no folder, or has a name in it that is no text.
    """
    try:
        with os.scandir(place) as listing:
            entries = sorted((each for each in listing if not each.name.startswith(".")), key=lambda each: each.name)
    except FileNotFoundError:
        raise DataError(f"there is no folder {place}", hint=near_folder(place) or RELATIVE) from None
    except NotADirectoryError:
        raise DataError(
            f"{place} is a file, not a folder", hint="path is the folder that has the images in it"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(f"the folder {place} cannot be read: {reason}") from None
    for entry in entries:
        if not entry.name.isascii() and "\ufffd" in os.fsencode(entry.name).decode("utf-8", "replace"):
            raise DataError(f"{place}: the name {entry.name!a} is no UTF-8", hint="rename it")
    return entries


def _folders(place: pathlib.Path) -> list[str]:
    return [entry.name for entry in _entries(place) if _is_folder(entry)]


def _images(place: pathlib.Path) -> list[str]:
    return [entry.name for entry in _entries(place) if is_image(entry.name) and not _is_folder(entry)]


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(shown, names[:SHOWN])) + (f", … ({len(names):,} in all)" if len(names) > SHOWN else "")


def _left_out(strangers: Sequence[str]) -> str:
    count = "1 file" if len(strangers) == 1 else f"{len(strangers):,} files"
    return f"{count} left out, being no image by its name: {_some(strangers)}"
