"""One process at a time on a run folder: a lock of the system's, which ends with the process that holds it."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dlrun.errors import RunError

NAME = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within it, no other process can lock the folder, on this machine or where the file system's locks reach.

    Raises:
        RunError: another process has it, with that process's id.
    """
    path = folder / NAME
    with _opened(path) as file:
        if not _take(file) or not _is_at(file, path):
            file.seek(1)
            holder = file.read().strip() or "another process"
            raise RunError(f"{folder} is being trained by {holder}", hint="wait for it, or end it first")
        file.truncate(0)
        file.write(f"\nprocess {os.getpid()} on {platform.node()}\n")
        file.flush()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # Windows keeps a file that is open; it is empty and does no harm
                path.unlink()


def _opened(path: Path) -> IO[str]:
    try:
        return path.open("a+", encoding="utf-8")
    except OSError as error:
        raise RunError(f"{path.parent} cannot be written to: {error.strerror}") from error


def _is_at(file: IO[str], path: Path) -> bool:
    """Whether a file is still the one of its name: who held the lock before may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _take(file: IO[str]) -> bool:
    """Locks the first byte of a file, without waiting; whether that went well."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
