"""Arrays in NumPy's own files: what their headers say, and their values, read or mapped into memory."""

from __future__ import annotations

import pathlib
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import IO, TYPE_CHECKING

from dlrun.data.columns import Column
from dlrun.data.features.image import image_shape
from dlrun.data.sources.files import FETCH, check_file
from dlrun.errors import DataError
from dlrun.machine import available_memory, size

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Header:
    """What stands before the values of an array.

    Args:
        shape: of the array.
        dtype: of its values.
        size: of the header itself, in bytes.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    size: int

    @property
    def bytes(self) -> int:
        """How many bytes the values take."""
        return prod(self.shape) * self.dtype.itemsize


def read_header(stream: IO[bytes], name: str, file: str) -> Header:
    """The header of an array, from the beginning of its file.

    Args:
        name: of the array.
        file: what to call the file in messages.

    Raises:
        DataError: it holds Python objects, or has a format that is not known.
        ValueError: it is damaged.
    """
    from numpy.lib import format as npy

    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    version = npy.read_magic(stream)
    if version not in readers:
        raise DataError(f"{file}: {name} has the unknown format {version}")
    try:
        shape, _, dtype = readers[version](stream)
    except (SyntaxError, TypeError, tokenize.TokenError) as error:  # a damaged header is no literal of Python
        raise ValueError(f"its header cannot be read: {error}") from None
    if dtype.hasobject:
        raise DataError(
            f"{file}: {name} holds Python objects, which are not read from files",
            hint=f"save texts with dtype=str: numpy.array({name}, dtype=str)",
        )
    return Header(shape, dtype, stream.tell())


def archive_headers(file: pathlib.Path) -> dict[str, Header]:
    """The headers of the arrays in a .npz file, by name.

    Raises:
        DataError: it is none, is damaged, or unpacks to more than there is memory.
    """
    headers = {}
    with readable(file), zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            with archive.open(member) as handle:
                headers[name] = read_header(handle, name, file.name)
            _check_size(headers[name], member.file_size, f"{file.name}: {name}")
    if not headers:
        raise DataError(f"{file.name} holds no arrays")
    check_memory(sum(header.bytes for header in headers.values()), str(file))
    return headers


def file_header(file: pathlib.Path, name: str) -> Header:
    """The header of the array in a .npy file.

    Raises:
        DataError: it is none, or damaged.
    """
    for problem in check_file(pathlib.Path(), str(file)):
        raise DataError(problem.message if str(file) in problem.message else f"{file}: {problem.message}")
    with readable(file), file.open("rb") as handle:
        header = read_header(handle, name, file.name)
    _check_size(header, file.stat().st_size, str(file))
    return header


def archive_arrays(file: pathlib.Path) -> dict[str, np.ndarray]:
    """The arrays in a .npz file, read into memory.

    Raises:
        DataError: it cannot be read.
    """
    import numpy as np

    archive_headers(file)
    with readable(file), np.load(file, allow_pickle=False) as archive:
        return {name: values_of(archive[name], name, file.name) for name in archive.files}


def file_array(file: pathlib.Path, name: str) -> np.ndarray:
    """The array in a .npy file, mapped into memory: what is not looked at is not read.

    Raises:
        DataError: it cannot be read.
    """
    import numpy as np

    header = file_header(file, name)
    with readable(file):
        mapped = np.load(file, mmap_mode="r" if header.bytes else None, allow_pickle=False)
    return values_of(mapped, name, file.name)


UNREADABLE = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, RuntimeError)
"""What NumPy and `zipfile` raise of damaged files; RuntimeError is of an archive with a password, and its child
NotImplementedError of one that is packed in a way that is not known."""


@contextmanager
def readable(file: pathlib.Path) -> Iterator[None]:
    """Within it, what NumPy cannot read is told as an error of the file."""
    try:
        yield
    except UNREADABLE as error:
        written = "savez" if file.suffix == ".npz" else "save"
        told = "no .npz file" if file.suffix == ".npz" else "no .npy file"
        raise DataError(f"{file} is {told}, or damaged: {error}", hint=f"numpy.{written} writes such a file") from None


def check_memory(needed: int, name: str) -> None:
    """That what a file unpacks to fits into the memory that is free.

    Raises:
        DataError: it does not.
    """
    free = available_memory()
    if free is not None and needed > free:
        raise DataError(
            f"{name} unpacks to {size(needed)}, and {size(free)} of memory are free",
            hint="see whether it is what it should be; larger arrays belong into .npy files, which are not read whole",
        )


def _check_size(header: Header, found: int, name: str) -> None:
    """That there are as many values as the header says."""
    expected = header.size + header.bytes
    if found != expected:
        raise DataError(
            f"{name} is damaged: its header announces {expected:,} bytes, and there are {found:,}", hint=FETCH
        )


def column_of(header: Header) -> Column:
    """What the header of an array says of its column."""
    rest = header.shape[1:]
    match header.dtype.kind:
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


def values_of(values: np.ndarray, name: str, file: str) -> np.ndarray:
    """An array as `Table` has its columns; one of pixels that are whole or float32 is left where it is.

    Raises:
        DataError: it is none of rows, or of a type that is not read.
    """
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
            _check_whole(values, name, file)
            return values.astype(np.int64)
        case "f" if values.ndim <= 2:
            return values.astype(np.float64)
        case "u" if values.dtype == np.uint8:
            return values
        case "i" | "u" | "f":
            return values.astype(np.float32, copy=False)
        case _:
            raise DataError(f"{file}: {name} has the type {values.dtype}", hint="numbers, truth values, times or text")


def _check_whole(values: np.ndarray, name: str, file: str) -> None:
    """That whole numbers fit into 64 bits with a sign; greater ones would come out as others."""
    import numpy as np

    if values.dtype == np.uint64 and values.size and values.max() > np.iinfo(np.int64).max:
        raise DataError(
            f"{file}: {name} has whole numbers that are too large for 64 bits, such as {values.max()}",
            hint="save them as float64, or as text if they are names",
        )
