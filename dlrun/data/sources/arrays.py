"""NumPy arrays: in one .npz file, or in .npy files that are mapped into memory."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from dlrun.data.columns import Column, Defaults, Table, near
from dlrun.data.sources.files import RELATIVE, check_file, locate, near_file
from dlrun.data.sources.npy import Header, archive_arrays, archive_headers, column_of, file_array, file_header
from dlrun.errors import DataError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np

Named = Annotated[str, Field(min_length=1)]

ENDING = ".npy"


class Arrays(Spec):
    """Arrays in a .npz file (numpy.savez) or in .npy files (numpy.save), the first axis of each counting the rows.

    The names of the arrays are the columns; that of a .npy file is the name of the file, where `files` gives no other.
    Where they end in `_train` and `_test` (x_train, y_train, x_test, y_test), the columns are what stands before
    (x, y), and the second of each pair is the source's own test part. A column `y` is the target where the spec names
    none.
    """

    kind: Literal["arrays"]
    """Arrays in a .npz file (numpy.savez) or in .npy files, the first axis of each counting the rows; x_train,
    y_train, x_test, y_test make columns x and y with a test part."""
    path: Named | None = None
    """A .npz file, a .npy file or a folder of .npy files; a relative path is relative to the spec file."""
    files: Annotated[dict[str, Named], Field(min_length=1)] | None = None
    """Instead of path: a .npy file for each array, such as {image: pixels.npy, y: labels.npy}."""
    time: str | None = None
    """The array with the time of each row (datetime64); for series and for a split by time."""

    def check(self, base: pathlib.Path) -> Iterator[Problem]:
        """What is wrong with the files, as far as the headers of their arrays show it."""
        if (self.path is None) == (self.files is None):
            beside = "both path and files" if self.path else "neither path nor files"
            yield Problem((), f"arrays have {beside}", expected="one of the two", hint="path: data.npz")
            return
        if self.path is not None and not locate(base, self.path).is_dir():
            unreadable = list(check_file(base, self.path))
            yield from unreadable
            if unreadable:
                return
        for name, file in (self.files or {}).items():
            try:
                file_header(locate(base, file), name)
            except DataError as error:
                hint = error.hint or near_file(locate(base, file)) or RELATIVE
                yield Problem(("files", name), error.message, received=file, hint=hint)
                return
        try:
            headers = self._headers(base)
            names = _paired(headers) or list(headers)
        except DataError as error:
            yield Problem(("path" if self.path else "files",), error.message, hint=error.hint)
            return
        if self.time is not None and self.time not in names:
            yield Problem(("time",), f"there is no array {self.time}", hint=near(self.time, names))

    def known(self, base: pathlib.Path) -> dict[str, Column] | None:
        """The columns by the headers of the arrays, none of which is read. None where they cannot be."""
        try:
            headers = self._headers(base)
            names = {name: f"{name}_train" for name in _paired(headers)} or {name: name for name in headers}
        except DataError:
            return None
        return {name: column_of(headers[array]) for name, array in names.items()}

    def defaults(self, base: pathlib.Path) -> Defaults:
        """The roles of the columns."""
        return Defaults(target="y", time=self.time)

    def has_test(self, base: pathlib.Path) -> bool | None:
        """Whether the names make a test part; None where they cannot be read."""
        try:
            return bool(_paired(self._headers(base)))
        except DataError:
            return None

    def resolve(self, base: pathlib.Path) -> Arrays:
        """The same source with absolute paths."""
        files = self.files and {name: str(locate(base, file)) for name, file in self.files.items()}
        return self.model_copy(update={"path": self.path and str(locate(base, self.path)), "files": files})

    def load(self, base: pathlib.Path) -> Table:
        """Reads the .npz file, or maps the .npy files into memory.

        Raises:
            DataError: one cannot be read, holds pickled objects, or the arrays differ in their rows.
        """
        import numpy as np

        if (files := self._files(base)) is None:
            arrays = archive_arrays(locate(base, self.path or ""))
        else:
            arrays = {name: file_array(file, name) for name, file in files.items()}
        called = self._called(base)
        pairs = _paired(arrays)
        if not pairs:
            _check_rows({name: len(values) for name, values in arrays.items()}, called)
            return Table(called, arrays)
        train = {name: arrays[f"{name}_train"] for name in pairs}
        test = {name: arrays[f"{name}_test"] for name in pairs}
        rows = _check_rows({f"{name}_train": len(values) for name, values in train.items()}, called)
        tests = _check_rows({f"{name}_test": len(values) for name, values in test.items()}, called)
        for name in pairs:
            _check_alike(name, train[name], test[name], called)
        columns = {name: np.concatenate([train[name], test[name]]) for name in pairs}
        return Table(called, columns, np.arange(rows + tests) >= rows)

    def _called(self, base: pathlib.Path) -> str:
        """What to call the data in messages."""
        first = self.path or next(iter((self.files or {}).values()), "arrays")
        return locate(base, first).name if self.path else f"{pathlib.Path(first).name} and others"

    def _files(self, base: pathlib.Path) -> dict[str, pathlib.Path] | None:
        """The .npy files by the names of their arrays; None for a .npz file.

        Raises:
            DataError: there is none in the folder.
        """
        if self.files is not None:
            return {name: locate(base, file) for name, file in self.files.items()}
        place = locate(base, self.path or "")
        if not place.is_dir():
            return {place.stem: place} if place.suffix.lower() == ENDING else None
        try:
            found = sorted(each for each in place.iterdir() if each.suffix.lower() == ENDING)
        except OSError as error:
            raise DataError(f"{place} cannot be read: {error.strerror}") from None
        if not found:
            raise DataError(f"no file in {place} ends in {ENDING}", hint="numpy.save writes such files")
        return {each.stem: each for each in found}

    def _headers(self, base: pathlib.Path) -> dict[str, Header]:
        """What the files say of their arrays before the values."""
        if (files := self._files(base)) is None:
            return archive_headers(locate(base, self.path or ""))
        return {name: file_header(file, name) for name, file in files.items()}


def _paired(names: Mapping[str, object]) -> list[str]:
    """What stands before `_train` and `_test`; empty where no name ends so.

    Raises:
        DataError: some names end so, but not all, or not in pairs.
    """
    stems = [name.removesuffix("_train") for name in names if name.endswith("_train")]
    if not stems:
        return []
    paired = {f"{stem}{end}" for stem in stems for end in ("_train", "_test")}
    if odd := sorted(paired ^ set(names)):
        told = f"{odd[0]} is missing" if odd[0] in paired else f"{odd[0]} stands beside them"
        raise DataError(
            f"arrays whose names end in _train and _test make pairs, and {told}",
            hint="x_train, y_train, x_test, y_test; or x and y",
        )
    return stems


def _check_rows(rows: dict[str, int], file: str) -> int:
    if len(set(rows.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in rows.items())
        raise DataError(f"{file}: the arrays differ in their rows: {told}")
    return next(iter(rows.values()))


def _check_alike(name: str, train: np.ndarray, test: np.ndarray, file: str) -> None:
    if train.shape[1:] != test.shape[1:]:
        raise DataError(f"{file}: {name}_train and {name}_test have the shapes {train.shape} and {test.shape}")
    if train.dtype != test.dtype:
        raise DataError(f"{file}: {name}_train and {name}_test have the types {train.dtype} and {test.dtype}")
