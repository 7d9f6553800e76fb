"""NumPy arrays in one .npz file."""

from __future__ import annotations

import pathlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from dlrun.data.columns import Column, Defaults, Table, near
from dlrun.data.features.image import image_shape
from dlrun.data.sources.files import check_file, locate
from dlrun.errors import DataError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np


class Arrays(Spec):
    """Arrays in a .npz file (numpy.savez), the first axis of each counting the rows.

    The names of the arrays are the columns. Where they end in `_train` and `_test` (x_train, y_train, x_test, y_test),
    the columns are what stands before (x, y), and the second of each pair is the source's own test part. A column `y`
    is the target where the spec names none.
    """

    kind: Literal["arrays"]
    """Arrays in a .npz file (numpy.savez), the first axis of each counting the rows; x_train, y_train, x_test, y_test
    make columns x and y with a test part."""
    path: Annotated[str, Field(min_length=1)]
    """The file; a relative path is relative to the spec file."""
    time: str | None = None
    """The array with the time of each row (datetime64); for series and for a split by time."""

    def check(self, base: pathlib.Path) -> Iterator[Problem]:
        """What is wrong with the file, as far as the headers of its arrays show it."""
        unreadable = list(check_file(base, self.path))
        yield from unreadable
        if unreadable:
            return
        try:
            headers = self._headers(base)
            names = _paired(headers) or list(headers)
        except DataError as error:
            yield Problem(("path",), error.message, hint=error.hint)
            return
        if self.time is not None and self.time not in names:
            yield Problem(("time",), f"the file has no array {self.time}", hint=near(self.time, names))

    def known(self, base: pathlib.Path) -> dict[str, Column] | None:
        """The columns by the headers of the arrays, none of which is read. None where they cannot be."""
        try:
            headers = self._headers(base)
            names = {name: f"{name}_train" for name in _paired(headers)} or {name: name for name in headers}
        except DataError:
            return None
        return {name: _column(*headers[array]) for name, array in names.items()}

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
        """The same source with an absolute path."""
        return self.model_copy(update={"path": str(locate(base, self.path))})

    def load(self, base: pathlib.Path) -> Table:
        """Reads the file.

        Raises:
            DataError: it cannot be read, holds pickled objects, or its arrays differ in their rows.
        """
        import numpy as np

        file = locate(base, self.path)
        self._headers(base)
        try:
            with np.load(file, allow_pickle=False) as archive:
                arrays = {name: _values(archive[name], name, file.name) for name in archive.files}
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"{file} cannot be read: {error}", hint="numpy.savez writes such a file") from None
        pairs = _paired(arrays)
        if not pairs:
            _check_rows({name: len(values) for name, values in arrays.items()}, file.name)
            return Table(file.name, arrays)
        train = {name: arrays[f"{name}_train"] for name in pairs}
        test = {name: arrays[f"{name}_test"] for name in pairs}
        rows = _check_rows({f"{name}_train": len(values) for name, values in train.items()}, file.name)
        tests = _check_rows({f"{name}_test": len(values) for name, values in test.items()}, file.name)
        for name in pairs:
            if train[name].shape[1:] != test[name].shape[1:]:
                shapes = f"{train[name].shape} and {test[name].shape}"
                raise DataError(f"{file.name}: {name}_train and {name}_test have the shapes {shapes}")
        columns = {name: np.concatenate([train[name], test[name]]) for name in pairs}
        return Table(file.name, columns, np.arange(rows + tests) >= rows)

    def _headers(self, base: pathlib.Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """Shape and type of each array, from the first bytes of each."""
        from numpy.lib import format as npy

        file = locate(base, self.path)
        readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        headers = {}
        try:
            with zipfile.ZipFile(file) as archive:
                for member in archive.namelist():
                    with archive.open(member) as handle:
                        version = npy.read_magic(handle)
                        if version not in readers:
                            raise DataError(f"{self.path}: {member} has the unknown format {version}")
                        shape, _, dtype = readers[version](handle)
                        name = member.removesuffix(".npy")
                        if dtype.hasobject:
                            raise DataError(
                                f"{self.path}: {name} holds Python objects, which are not read from files",
                                hint=f"save texts with dtype=str: numpy.array({name}, dtype=str)",
                            )
                        headers[name] = (shape, dtype)
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"{self.path} is no .npz file: {error}", hint="numpy.savez writes such a file") from None
        if not headers:
            raise DataError(f"{self.path} holds no arrays")
        return headers


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
        raise DataError(
            f"arrays that end in _train need one that ends in _test, and no other besides; without its other: {odd[0]}",
            hint="x_train, y_train, x_test, y_test; or x and y",
        )
    return stems


def _check_rows(rows: dict[str, int], file: str) -> int:
    if len(set(rows.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in rows.items())
        raise DataError(f"{file}: the arrays differ in their rows: {told}")
    return next(iter(rows.values()))


def _column(shape: tuple[int, ...], dtype: np.dtype) -> Column:
    """What the header of an array says of its column."""
    rest = shape[1:]
    match dtype.kind:
        case "M":
            return Column("time")
        case "U":
            return Column("unknown")
        case "b" if not rest:
            return Column("category", classes=("false", "true"))
        case "f" if not rest:
            return Column("number")
        case "i" | "u" if not rest:
            return Column("unknown")
        case _ if image_shape(rest):
            return Column("image", rest)
        case _:
            return Column("number" if len(rest) == 1 else "unknown", rest)


def _values(values: np.ndarray, name: str, file: str) -> np.ndarray:
    """An array as `Table` has its columns."""
    import numpy as np

    if values.ndim == 0:
        raise DataError(f"{file}: {name} is a single value, not an array of rows")
    match values.dtype.kind:
        case "b":
            return values
        case "M":
            return values.astype("datetime64[us]")
        case "U":
            return values.astype(object)
        case "i" | "u" if values.ndim <= 2:
            return values.astype(np.int64)
        case "f" if values.ndim <= 2:
            return values.astype(np.float64)
        case "u" if values.dtype == np.uint8:
            return values
        case "i" | "u" | "f":
            return values.astype(np.float32)
        case _:
            raise DataError(f"{file}: {name} has the type {values.dtype}", hint="numbers, truth values, times or text")
