"""Writing files so that nobody ever sees half of one, and reading them so that a broken one is named."""

from __future__ import annotations

import errno
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedRandom, BufferedReader
from pathlib import Path
from typing import IO, Any

from dlrun.errors import RunError

RENAME_ATTEMPTS = 50
RENAME_PAUSE = 0.02


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A binary file to write to, which takes the place of `path` once all of it is on the disk.

    A reader, or a crash, sees the old file or the new one and never a part. If the block raises, the old one stays.

    Raises:
        RunError: if it cannot be written.
    """
    with _unfinished(path) as (file, finish):
        yield file
        finish(path)


def write_as(path: Path, write: Callable[[BufferedRandom], Path]) -> Path:
    """As `replacing`, for a file that gets its name only when it is written.

    Args:
        path: a name in the same folder.
        write: writes to a binary file that can be read too, and gives the name that it is to have.
    """
    with _unfinished(path) as (file, finish):
        named = write(file)
        finish(named)
    return named


@contextmanager
def _unfinished(path: Path) -> Iterator[tuple[BufferedRandom, Callable[[Path], None]]]:
    """A file under a temporary name, and what puts it on the disk and gives it its own."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")

    def finish(final: Path) -> None:
        file.flush()
        os.fsync(file.fileno())
        file.close()
        _rename(temporary, final)
        _sync_folder(final.parent)

    try:
        with temporary.open("w+b") as file:
            yield file, finish
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Makes a new name in a folder outlast a power cut; Windows has no way to ask for it."""
    if os.name != "nt":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _rename(temporary: Path, path: Path) -> None:
    # Windows refuses while another process reads the old file, which takes it a moment.
    for _ in range(RENAME_ATTEMPTS if os.name == "nt" else 0):
        try:
            temporary.replace(path)
        except PermissionError:
            time.sleep(RENAME_PAUSE)
        else:
            return
    temporary.replace(path)


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all."""
    with replacing(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8, line ends as they are. Half a surrogate pair, as in odd file names, becomes its escape."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """Writes JSON for programs and people: keys in the given order, a list of plain values on one line.

    Floats are written so that reading gives the same bits. NumPy numbers and arrays are taken as they are. JSON has
    no NaN and no infinity: both become null, "there is no such number".
    """
    write_text(path, _json_text(plain(value)) + "\n")


def plain(value: Any) -> Any:
    """The value with NumPy numbers and arrays as Python's, tuples as lists, and numbers that are not finite as None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _json_text(value: Any, indent: str = "") -> str:
    inner = indent + "  "
    match value:
        case dict() if value:
            lines = [f"{inner}{_json_text(key)}: {_json_text(item, inner)}" for key, item in value.items()]
            return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
        case list() if any(isinstance(item, dict | list) for item in value):
            lines = [f"{inner}{_json_text(item, inner)}" for item in value]
            return "[\n" + ",\n".join(lines) + f"\n{indent}]"
        case _:
            return json.dumps(value, allow_nan=False, ensure_ascii=False)


@contextmanager
def reading(path: Path) -> Iterator[BufferedReader]:
    """A binary file to read from.

    Raises:
        RunError: if it is missing or cannot be read.
    """
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise missing(path) from None
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error


def read_bytes(path: Path) -> bytes:
    """The file's content.

    Raises:
        RunError: if it is missing or cannot be read.
    """
    with reading(path) as file:
        return file.read()


def read_text(path: Path) -> str:
    """The file's content, decoded from UTF-8; line ends as they are.

    Raises:
        RunError: if it is missing, cannot be read or is not UTF-8.
    """
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise broken(path, f"byte {error.start} is not UTF-8") from error


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file.

    Raises:
        RunError: if it is missing, broken, or holds something else than a mapping.
    """
    text = read_text(path)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise broken(path, f"{error.msg} at line {error.lineno}, column {error.colno}") from error
    except ValueError as error:
        raise broken(path, str(error)) from error
    except RecursionError:
        raise broken(path, "it is nested too deeply") from None
    if not isinstance(value, dict):
        raise broken(path, f"it holds a {type(value).__name__} where a mapping was expected")
    return value


def broken(path: Path, why: str) -> RunError:
    """The error for a file that is there and is not what it should be."""
    return RunError(
        f"{path} is broken: {why}", hint="it was cut off or changed after it was written; copy the run again"
    )


def unwritable(path: Path, error: OSError) -> RunError:
    """The error for a file that cannot be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return RunError(
        f"{path} cannot be written: {error.strerror or error}", hint="make room on the disk" if full else None
    )


def missing(path: Path) -> RunError:
    """The error for a file that is not there."""
    return RunError(f"{path} is missing", hint="the run may have ended before this file was written")
