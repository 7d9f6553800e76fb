"""Image files in folders, one folder for each class."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from dlrun.data.columns import Column, Defaults, Table
from dlrun.data.decode import ENDINGS
from dlrun.data.pictures import SHOWN, shown
from dlrun.data.sources.class_folders import ClassFolders, class_folders, files_below
from dlrun.data.sources.files import locate, near_folder
from dlrun.errors import DataError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np

IMAGE, LABEL = "image", "label"
"""The columns."""


class ImageFolder(Spec):
    """Image files in folders: the name of the folder is the class.

    The columns are `image`, the name of the file, and `label`. A folder `test` beside the classes, or beside `train`,
    with the same classes in it, is the source's own test part. Of a folder with images and no folders in it, the
    column is `image` alone.
    """

    kind: Literal["image_folder"]
    """Image files (PNG, JPEG, GIF, BMP, WebP), a folder for each class; columns image and label. A folder `test` with
    the same classes in it, beside them or beside `train`, is the test part."""
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
            found = self._found(base)
        except DataError:
            return None
        image = {IMAGE: Column("image")}
        return image if found is None else {**image, LABEL: Column("category", classes=found.classes)}

    def defaults(self, base: pathlib.Path) -> Defaults:
        """The roles of the columns."""
        return Defaults(target=LABEL, inputs=(IMAGE,))

    def has_test(self, base: pathlib.Path) -> bool | None:
        """Whether there is a test part; None where that cannot be read."""
        try:
            found = self._found(base)
        except DataError:
            return None
        return found is not None and found.has_test

    def resolve(self, base: pathlib.Path) -> ImageFolder:
        """The same source with an absolute path."""
        return self.model_copy(update={"path": str(locate(base, self.path))})

    def load(self, base: pathlib.Path) -> Table:
        """The names of the images, relative to the folder, and their classes; the test part comes last, each part is
        sorted by class and by name.

        Raises:
            DataError: the folder cannot be read, a class has no image, images are beside the classes, or links lead in
                a circle.
        """
        import numpy as np

        place = locate(base, self.path)
        found = self._found(base)
        if found is None:
            return Table(
                place.name, image_column(place, files_below(place, ENDINGS)), None, self.known(base) or {}, place
            )
        columns = image_column(place, [file.path for file in found.files])
        columns[LABEL] = np.array([file.label for file in found.files], object)
        tests = np.array([file.test for file in found.files]) if found.has_test else None
        known = {IMAGE: Column("image"), LABEL: Column("category", classes=found.classes)}
        notes = (_left_out(found.others),) if found.others else ()
        return Table(place.name, columns, tests, known, place, notes)

    def _found(self, base: pathlib.Path) -> ClassFolders | None:
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
