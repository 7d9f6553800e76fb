"""Arrays that stay on disk: written once from the front to the back, and read in stretches of rows."""

from __future__ import annotations

import errno
import math
import shutil
import tempfile
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, overload

from dlrun.data.buffers import aligned
from dlrun.errors import DataError
from dlrun.machine import size

if TYPE_CHECKING:
    import numpy as np

AT_ONCE = 4 << 20
"""Bytes of rows that are made at once."""

Change = Callable[..., "np.ndarray"]
"""Makes other rows of some, (n, …) to (n, …), in an array that is given beside them, or in one of their own."""

Range = tuple[int, int]
"""Rows that follow one another: the first, and the one after the last."""


class Rows(ABC):
    """Rows of one shape and type that are read from disk. Sliced like an array, which then is in memory;
    `numpy.asarray` reads them whole.

    Args:
        shape: of one row.
        dtype: of its values.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._row, self.dtype = shape, dtype

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, rows: slice) -> np.ndarray: ...

    @abstractmethod
    def read_into(self, out: np.ndarray, first: int) -> None:
        """The rows from `first` on, as many as `out` has."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows first."""
        return len(self), *self._row

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return 1 + len(self._row)

    @property
    def row_bytes(self) -> int:
        """What one row takes."""
        return math.prod(self._row) * self.dtype.itemsize

    def taken(self, ranges: Iterable[Range], room: int) -> np.ndarray:
        """The rows of the ranges one after the other, and zeros up to `room` rows."""
        found = aligned((room, *self._row), self.dtype)
        filled = 0
        for first, last in ranges:
            self.read_into(found[filled : filled + last - first], first)
            filled += last - first
        found[filled:] = 0
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        import numpy as np

        whole = np.empty(self.shape, self.dtype)  # which may be large, and is not asked for again
        self.read_into(whole, 0)
        return whole if dtype is None else whole.astype(dtype, copy=False)


class InFile(Rows):
    """All rows of one file. Some of them, by their numbers, are taken without being read."""

    @overload
    def __getitem__(self, rows: slice) -> np.ndarray: ...
    @overload
    def __getitem__(self, rows: np.ndarray) -> Selected: ...
    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray | Selected:
        if not isinstance(rows, slice):
            return Selected(self, rows)
        first, last, _ = rows.indices(len(self))
        return self.taken([(first, max(first, last))], max(0, last - first))


class OnDisk(InFile):
    """An array of rows of one shape and type, in a file.

    The file has no name, so the system takes it back when the process ends, however that comes about.

    Args:
        folder: on the disk that it is to be on.
        shape: of one row.
        dtype: of its values.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        super().__init__(shape, dtype)
        self._folder = folder
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - open as long as the array lives
        weakref.finalize(self, self._file.close)
        self._lock = threading.Lock()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, values: np.ndarray) -> None:
        """Rows after those that are there, (n, …).

        Raises:
            DataError: the disk is full.
        """
        import numpy as np

        view = np.ascontiguousarray(values, self.dtype).reshape(-1).view(np.uint8).data
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise DataError(f"the disk of {self._folder} is full", hint=ROOM) from None
        self._count += len(values)

    def read_into(self, out: np.ndarray, first: int) -> None:
        """The rows from `first` on, as many as `out` has."""
        import numpy as np

        view = out.reshape(-1).view(np.uint8).data
        with self._lock:  # another thread reads other rows of it
            self._file.seek(first * self.row_bytes)
            while view:
                count = self._file.readinto(view)
                if not count:
                    raise DataError("rows that were put aside on disk are gone", hint="train again")
                view = view[count:]

    def mapped(self) -> np.ndarray:
        """All rows, as an array whose parts the system reads when they are looked at, and may forget again."""
        import numpy as np

        return np.asarray(np.memmap(self._file, self.dtype, "r", shape=self.shape)) if self._count else self[:]


class Mapped(InFile):
    """An array of rows that stands in a file of the user's, mapped into memory.

    Args:
        array: of `numpy.memmap`, (rows, …).
    """

    def __init__(self, array: np.ndarray) -> None:
        super().__init__(array.shape[1:], array.dtype)
        self._array = array

    def __len__(self) -> int:
        return len(self._array)

    def read_into(self, out: np.ndarray, first: int) -> None:
        """The rows from `first` on, as many as `out` has."""
        out[:] = self._array[first : first + len(out)]


class Made(Rows):
    """Rows that are made when they are read.

    Args:
        count: how many there are.
        make: gives some of them, (n, …).
    """

    def __init__(self, count: int, make: Callable[[slice | np.ndarray], np.ndarray]) -> None:
        self._count, self._make = count, make
        form = make(slice(0, 0))
        super().__init__(form.shape[1:], form.dtype)

    def __len__(self) -> int:
        return self._count

    def read_into(self, out: np.ndarray, first: int) -> None:
        """The rows from `first` on, as many as `out` has; little more than those is in memory at any time."""
        step = max(1, AT_ONCE // max(1, self.row_bytes))
        for start in range(0, len(out), step):
            part = out[start : start + step]
            part[:] = self._make(slice(first + start, first + start + len(part)))

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        if not isinstance(rows, slice):
            return self._make(rows)
        first, last, _ = rows.indices(self._count)
        return self.taken([(first, max(first, last))], max(0, last - first))


class Selected(Made):
    """Some rows of an array on disk, each perhaps made into another one when it is read.

    Args:
        whole: the array.
        rows: which of its rows, (n,).
        change: what is made of them; None: they stay as they are.
    """

    def __init__(self, whole: InFile, rows: np.ndarray, change: Change | None = None) -> None:
        self._whole, self._rows, self._change = whole, rows, change or _copied
        super().__init__(len(rows), lambda part: self._change(self._read(rows[part])))

    def read_into(self, out: np.ndarray, first: int) -> None:
        """The rows from `first` on, as many as `out` has; little more than those is in memory at any time."""
        step = max(1, AT_ONCE // max(1, self._whole.row_bytes))
        for start in range(0, len(out), step):
            part = out[start : start + step]
            self._change(self._read(self._rows[first + start : first + start + len(part)]), part)

    def _read(self, rows: np.ndarray) -> np.ndarray:
        import numpy as np

        breaks = np.flatnonzero(np.diff(rows) != 1) + 1
        starts, ends = [0, *breaks.tolist()], [*breaks.tolist(), len(rows)]
        runs = [(int(rows[start]), int(rows[end - 1]) + 1) for start, end in zip(starts, ends, strict=True) if end]
        return self._whole.taken(runs, len(rows))


def _copied(values: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Rows that stay as they are."""
    if out is None:
        return values
    out[:] = values
    return out


class Sliced(Protocol):
    """What gives some of its rows in memory: an array, or what stands in for one."""

    def __getitem__(self, rows: slice, /) -> np.ndarray: ...


def picked(values: Sliced, rows: np.ndarray) -> np.ndarray:
    """A few rows, in memory.

    Args:
        rows: which, (n,), from the front to the back.
    """
    import numpy as np

    return np.concatenate([values[row : row + 1] for row in rows.tolist()])


ROOM = "make room there; or set the environment variable XDG_CACHE_HOME to a folder on another disk"

WRITABLE = "set the environment variable XDG_CACHE_HOME to a folder that can be written to"


def check_room(folder: Path, needed: int, what: str) -> None:
    """That a disk has room.

    Args:
        folder: on it; it is made where it is not there.
        needed: bytes.
        what: is to be put there.

    Raises:
        DataError: it has not, or the folder cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # permissions do not tell it all: a disk may be read-only
            pass
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise DataError(f"{folder} cannot be used to put {what} aside: {error.strerror}", hint=WRITABLE) from None
    if needed > free:
        raise DataError(f"{what} would take {size(needed)} of disk in {folder}, and {size(free)} are free", hint=ROOM)


def total_row_bytes(arrays: Sequence[Rows]) -> int:
    """What one row takes in all of them, each counted once."""
    return sum({id(each): each.row_bytes for each in arrays}.values())
