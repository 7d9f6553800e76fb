"""Files that data comes from: found or not, whole or not."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import pathlib
import stat
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, AnyStr

from dlrun.errors import DataError, reason_of
from dlrun.machine import available_memory, size
from dlrun.spec.near import nearest
from dlrun.spec.problem import Problem

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACKED: Mapping[str, Callable[..., Any]] = {
    ".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".zst": zstd.open,
}  # fmt: skip
"""What opens a packed file, by the end of its name."""

PACKING = 5
"""How many times larger a packed file is unpacked, about."""

RELATIVE = "a relative path is relative to the spec file"

BLOCK = 1 << 24
"""Bytes that are unpacked at once."""

LONGEST_LINE = 1 << 24
"""Characters, or bytes, that the first line of a file may have: a small packed one may hold a very long one."""

FETCH = "fetch the file again"

ONCE = "what comes through a pipe can be read only once: write it to a file first"


def check_file(base: pathlib.Path, path: str) -> Iterator[Problem]:
    """That a file is there and can be read.

    Args:
        base: what a relative path is relative to.
        path: as the spec has it.
    """
    file = locate(base, path)
    try:
        if file.is_dir():
            yield Problem(("path",), "this is a folder", expected="a file", received=path)
            return
        if not is_regular(file):
            yield Problem(("path",), f"{file} is no file but a pipe or a device", received=path, hint=ONCE)
            return
        with file.open("rb") as handle:
            handle.read(1)
    except FileNotFoundError:
        yield Problem(("path",), f"there is no file {file}", received=path, hint=near_file(file) or RELATIVE)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        yield Problem(("path",), f"the file cannot be read: {reason_of(error)}", received=path)


def is_regular(file: pathlib.Path) -> bool:
    """Whether a path leads to a file, and not to a pipe or a device, which may have no end.

    Raises:
        OSError: there is nothing.
    """
    return stat.S_ISREG(file.stat().st_mode)


def parts(base: pathlib.Path, path: str, endings: tuple[str, ...]) -> list[pathlib.Path]:
    """The files that a path stands for: itself, those in the folder that it is, or those that fit it as a pattern,
    sorted by name.

    Args:
        base: what a relative path is relative to.
        path: as the spec has it.
        endings: of the files of a folder that count; packed ones count too.

    Raises:
        DataError: there is none, or one cannot be read.
    """
    place = locate(base, path)
    try:
        if place.is_dir():
            files = [each for each in place.iterdir() if _is_part(each, endings)]
        elif is_pattern(path) and not place.exists():
            anchor = pathlib.Path(place.anchor)
            files = [each for each in anchor.glob(str(place.relative_to(anchor))) if _is_part(each, ("",))]
        else:
            files = [place]
    except (OSError, ValueError) as error:
        raise DataError(f"{path if len(path) < 200 else path[:200] + '…'} cannot be read: {reason_of(error)}") from None
    if not files:
        where = f"no file in {place} ends in {', '.join(endings)}" if place.is_dir() else f"no file fits {place}"
        raise DataError(where, hint="name the files with a pattern, such as parts/*.csv" if place.is_dir() else None)
    for problem in (problem for file in files for problem in check_file(base, str(file))):
        raise DataError(problem.message, hint=problem.hint)
    return sorted(files, key=str)


def is_pattern(path: str) -> bool:
    """Whether a path stands for the files that fit it."""
    return any(sign in path for sign in "*?[")


def _is_part(file: pathlib.Path, endings: tuple[str, ...]) -> bool:
    return file.is_file() and not file.name.startswith((".", "_")) and plain_name(file).endswith(endings)


def locate(base: pathlib.Path, path: str) -> pathlib.Path:
    """The absolute path of a file that the spec names."""
    return (base / pathlib.Path(path).expanduser()).absolute()


def near_file(file: pathlib.Path) -> str | None:
    """A hint at the file that was probably meant, or at the folder that is missing too."""
    if not file.parent.is_dir():
        return f"the folder {file.parent} is missing too"
    match = nearest(file.name, sorted(each.name for each in file.parent.iterdir() if each.is_file()))
    return f"did you mean {match}?" if match else None


def near_folder(folder: pathlib.Path) -> str | None:
    """A hint at the folder that was probably meant, or at the one above that is missing too."""
    if not folder.parent.is_dir():
        return f"the folder {folder.parent} is missing too"
    match = nearest(folder.name, sorted(each.name for each in folder.parent.iterdir() if each.is_dir()))
    return f"did you mean {match}?" if match else None


@contextmanager
def opened(file: pathlib.Path) -> Iterator[IO[bytes]]:
    """The content of a file, unpacked where its name says that it is packed. An error while it is read, within this
    context, is told as one of the file.

    Raises:
        DataError: it cannot be read, or is damaged.
    """
    try:
        with PACKED.get(file.suffix.lower(), open)(file, "rb") as stream:
            yield stream
    except FileNotFoundError:
        hint = near_file(file) or "put it there, or a link to where it is"
        raise DataError(f"there is no file {file}", hint=hint) from None
    except zlib.error:
        raise DataError(f"{file} is damaged: its content cannot be unpacked", hint=FETCH) from None
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zstd.ZstdError) as error:
        raise DataError(f"{file} is damaged: {error}", hint=FETCH) from None
    except OSError as error:
        if error.errno is None:  # bz2 has no error of its own
            raise DataError(f"{file} is damaged: {error}", hint=FETCH) from None
        raise DataError(f"{file} cannot be read: {error.strerror}") from None


def lines_of(stream: IO[AnyStr], name: str, hint: str) -> Iterator[AnyStr]:
    """The lines of a content, of which few are read.

    Args:
        hint: what is to be done about one that is too long.

    Raises:
        DataError: one is too long.
    """
    while line := stream.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise DataError(f"the first line of {name} has more than {LONGEST_LINE:,} characters", hint=hint)
        yield line


def read_whole(stream: IO[bytes], name: str) -> bytes:
    """All of a content, if it fits into the memory that is free: a small packed file may hold a very large one.

    Raises:
        DataError: it does not.
    """
    free = available_memory()
    whole = io.BytesIO()
    while block := stream.read(BLOCK):
        whole.write(block)
        check_fits(whole.tell(), name, free)
    return whole.getvalue()


def fits(count: int, free: int | None = None) -> bool:
    """Whether there is memory for so many bytes twice: parts are joined, and tables made of them.

    Args:
        free: bytes of memory; None: what is free now.
    """
    free = available_memory() if free is None else free
    return free is None or count <= free // 2


def check_fits(
    count: int, name: str, free: int | None = None, hint: str = "see whether it is what it should be"
) -> None:
    """The same.

    Raises:
        DataError: there is not.
    """
    free = available_memory() if free is None else free
    if free is not None and not fits(count, free):
        raise DataError(
            f"{name} unpacks to more than {size(free // 2)}, and {size(free)} of memory are free", hint=hint
        )


def read_bytes(file: pathlib.Path) -> bytes:
    """The content of a file, unpacked where its name says that it is packed.

    Raises:
        DataError: it cannot be read, or is damaged.
    """
    with opened(file) as stream:
        return read_whole(stream, str(file))


def plain_name(file: pathlib.Path) -> str:
    """The name of a file in small letters, without the ending that says how it is packed."""
    name = file.name.lower()
    return name.removesuffix(file.suffix.lower()) if is_packed(file) else name


def is_packed(file: pathlib.Path) -> bool:
    """Whether the name of a file says that it is packed."""
    return file.suffix.lower() in PACKED


def unpacked_size(file: pathlib.Path) -> int:
    """How many bytes a file has unpacked, about.

    Raises:
        OSError: it is not there.
    """
    return file.stat().st_size * (PACKING if is_packed(file) else 1)


def matches(file: pathlib.Path, digest: str) -> bool:
    """Whether a file has this SHA-256, or MD5 where the digest is that short."""
    name = "sha256" if len(digest) == 64 else "md5"
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest() == digest
