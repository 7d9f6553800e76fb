"""Image files in folders, one folder for each class."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from dlrun.data.columns import Table
from dlrun.data.image_header import ENDINGS
from dlrun.data.pictures import SHOWN, shown
from dlrun.data.sources.class_folders import ClassFolders, class_folders, files_below
from dlrun.data.sources.files import locate, near_folder
from dlrun.data.sources.folder_source import FolderSource
from dlrun.errors import DataError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np

IMAGE: Literal["image"] = "image"
"""The column of the images."""


class ImageFolder(FolderSource):
    """Image files in folders: the name of the folder is the class.

    The columns are `image`, the name of the file, and `label`. Folders `validation` and `test` beside the classes, or
    beside `train`, with the same classes in them, are the source's own parts. Of a folder with images and no folders in
    it, the column is `image` alone.
    """

    content = IMAGE
    endings = ENDINGS

    kind: Literal["image_folder"]
    """Image files (PNG, JPEG, GIF, BMP, WebP), a folder for each class; columns image and label. Folders
    `validation` and `test` with the same classes in them, beside these or beside `train`, are parts of that name."""

    def load(self, base: pathlib.Path) -> Table:
        """The names of the images, relative to the folder, and their classes: part after part, each sorted by class
        and by name.

        Raises:
            DataError: the folder cannot be read, a class has no image, images are beside the classes, or links lead in
                a circle.
        """
        import numpy as np

        place = locate(base, self.path)
        found = self.found(base)
        if found is None:
            column = image_column(place, files_below(place, ENDINGS))
            names = tuple(column[IMAGE].tolist())
            return Table(
                place.name, column, None, self.columns(None), place, files=names, file_of=np.arange(len(names))
            )
        notes = (_left_out(found.others),) if found.others else ()
        table = self.table(place, image_column(place, [file.path for file in found.files]), found)
        return replace(table, folder=place, notes=notes)

    def found(self, base: pathlib.Path) -> ClassFolders | None:
        """The images by class; None where there are images and no folders.

        Raises:
            DataError: there is no such folder or no image in it, or images are beside the classes.
        """
        place = locate(base, self.path)
        loose: list[pathlib.Path] = []
        try:
            if not place.exists() and (hint := near_folder(place)):
                raise DataError(f"there is no folder {place}", hint=hint)
            if place.is_dir():
                entries = [each for each in place.iterdir() if not each.name.startswith(".")]
                loose = sorted(each for each in entries if each.name.lower().endswith(ENDINGS) and not each.is_dir())
                if loose and not any(each.is_dir() for each in entries):
                    return None
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            raise DataError(f"{place} cannot be read: {error}") from None
        if loose:
            raise DataError(
                f"{place} has folders, which are classes, and images beside them: {_some(loose)}",
                hint="put these into the folder of their class, or elsewhere",
            )
        return class_folders(place, ENDINGS)


def image_column(place: pathlib.Path, files: Sequence[pathlib.Path]) -> dict[str, np.ndarray]:
    """The column of the names of image files, relative to a folder.

    Raises:
        DataError: a name is no text.
    """
    import numpy as np

    names = [file.relative_to(place).as_posix() for file in files]
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DataError(f"the name of a file is not UTF-8: {name!a} in {place}", hint="rename it") from None
    return {IMAGE: np.array(names, object)}


def _some(files: Sequence[pathlib.Path]) -> str:
    told = ", ".join(shown(file.name) for file in files[:SHOWN])
    return f"{told}, … ({len(files):,} in all)" if len(files) > SHOWN else told


def _left_out(others: Sequence[pathlib.Path]) -> str:
    count = "1 file" if len(others) == 1 else f"{len(others):,} files"
    return f"left out: {count} whose names do not end as those of images do: {_some(others)}"


class ImageFiles(Spec):
    """An image file, or the images in a folder at any depth, as new data for a model of images."""

    path: str
    """The file or the folder."""

    def check(self, base: pathlib.Path) -> Iterator[Problem]:
        """Nothing: what is wrong with an image is told as with a row of a table."""
        return iter(())

    def load(self, base: pathlib.Path) -> Table:
        """A table of their names, a row for each, sorted.

        Raises:
            DataError: there is none.
        """
        place = locate(base, self.path)
        files = files_below(place, ENDINGS) if place.is_dir() else [place]
        if not files:
            raise DataError(f"{place} has no image in it", hint=f"names of images end in {', '.join(ENDINGS)}")
        folder = place if place.is_dir() else place.parent
        return Table(place.name, image_column(folder, files), folder=folder)
