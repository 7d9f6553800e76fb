"""Files that data comes from: found or not, whole or not."""

from __future__ import annotations

import gzip
import hashlib
import pathlib
import zlib
from collections.abc import Iterator

from dlrun.errors import DataError
from dlrun.spec.near import nearest
from dlrun.spec.problem import Problem


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
        with file.open("rb") as handle:
            handle.read(1)
    except FileNotFoundError:
        yield Problem(("path",), f"there is no file {file}", received=path, hint=_near_file(file))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        yield Problem(("path",), f"the file cannot be read: {reason}", received=path)


def locate(base: pathlib.Path, path: str) -> pathlib.Path:
    """The absolute path of a file that the spec names."""
    return (base / pathlib.Path(path).expanduser()).absolute()


def _near_file(file: pathlib.Path) -> str:
    if not file.parent.is_dir():
        return f"the folder {file.parent} is missing too; a relative path is relative to the spec file"
    match = nearest(file.name, sorted(each.name for each in file.parent.iterdir() if each.is_file()))
    return f"did you mean {match}?" if match else "a relative path is relative to the spec file"


def read_bytes(file: pathlib.Path) -> bytes:
    """The content of a file, unpacked where its name ends in .gz.

    Raises:
        DataError: it cannot be read, or is damaged.
    """
    try:
        data = file.read_bytes()
        return gzip.decompress(data) if file.suffix.lower() == ".gz" else data
    except FileNotFoundError:
        raise DataError(f"there is no file {file}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{file} is damaged: {error}", hint="fetch the file again") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read: {error}") from None


def matches(file: pathlib.Path, digest: str) -> bool:
    """Whether a file has this SHA-256, or MD5 where the digest is that short."""
    name = "sha256" if len(digest) == 64 else "md5"
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest() == digest
