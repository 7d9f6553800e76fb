"""Many image files as one array: what they have in common, and their pixels by row, decoded in parallel."""

from __future__ import annotations

import collections
import math
import pathlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from dlrun.data.buffers import aligned
from dlrun.data.decode import Form, Resize, decode
from dlrun.data.image_header import Channels, Header, header
from dlrun.errors import DataError
from dlrun.machine import processors

if TYPE_CHECKING:
    import numpy as np

Made = TypeVar("Made")

TASK = 16
"""Files that a thread takes at once."""

SHOWN = 5
"""How many files a message names as examples."""

MOST_NAMED = 200
"""Of what is wrong with single files: how many of them a message names."""


@dataclass(frozen=True)
class Pictures:
    """Image files of one form, decoded as they are needed: in memory there are only their names.

    Args:
        files: one a row, (rows,) of str.
        folder: what they are relative to.
        form: of the arrays that are made of them.
    """

    files: np.ndarray
    folder: pathlib.Path
    form: Form

    def __len__(self) -> int:
        return len(self.files)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """The pixels of some rows, (rows,) to uint8 (rows, height, width, channels).

        Raises:
            DataError: some cannot be decoded; names them, and says why.
        """
        return self._sound(rows, self._begin(rows))

    def try_read(self, rows: np.ndarray) -> tuple[np.ndarray, dict[int, str]]:
        """The same, and what is wrong with those that cannot be decoded, by position; their pixels are 0."""
        return self._begin(rows).wait()

    def in_blocks(self, size: int) -> Iterator[np.ndarray]:
        """The pixels of all files, so many at a time; the next ones are decoded while whoever asks works on these.

        Raises:
            DataError: as `read`, with those of one block.
        """
        import numpy as np

        waiting: deque[tuple[np.ndarray, Decoding]] = deque()
        try:
            for start in range(0, len(self), size):
                rows = np.arange(start, min(start + size, len(self)))
                pixels = aligned((len(rows), *self.form.shape), np.dtype(np.uint8))  # as many again and again
                waiting.append((rows, self._begin(rows, pixels)))
                if len(waiting) > 1:
                    yield self._sound(*waiting.popleft())
            while waiting:
                yield self._sound(*waiting.popleft())
        finally:
            for _, decoding in waiting:
                decoding.cancel()

    def _begin(self, rows: np.ndarray, pixels: np.ndarray | None = None) -> Decoding:
        """Begins to decode some rows into an array; None: one of their own."""
        import numpy as np

        pixels = np.empty((len(rows), *self.form.shape), np.uint8) if pixels is None else pixels
        files = self.files[rows].tolist()

        def make(position: int) -> str | None:
            why = "is missing"
            if files[position] is not None:
                try:
                    decode(self.folder / files[position], self.form, pixels[position])
                    return None
                except DataError as error:
                    why = error.message
            pixels[position] = 0
            return why

        return Decoding(pixels, begun(self._threads, make, len(files)))

    def _sound(self, rows: np.ndarray, decoding: Decoding) -> np.ndarray:
        pixels, bad = decoding.wait()
        if bad:
            raise unreadable({str(self.files[rows[position]]): why for position, why in bad.items()})
        return pixels

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return threads()


@dataclass(frozen=True)
class Decoding:
    """Files that threads are decoding.

    Args:
        pixels: what they are decoded into.
        tasks: each gives what is wrong with some of them, in order; None of those that are sound.
    """

    pixels: np.ndarray
    tasks: Sequence[Future[list[str | None]]]

    def wait(self) -> tuple[np.ndarray, dict[int, str]]:
        """All pixels, and what is wrong with files, by position."""
        told = (why for task in self.tasks for why in task.result())
        return self.pixels, {position: why for position, why in enumerate(told) if why is not None}

    def cancel(self) -> None:
        """What has not begun is left out."""
        for task in self.tasks:
            task.cancel()


def threads() -> ThreadPoolExecutor:
    """Threads for decoding: two for each processor of this process, since one may wait for the disk."""
    return ThreadPoolExecutor(max(1, math.ceil(2 * processors().usable)), "decode")


def begun(pool: ThreadPoolExecutor, make: Callable[[int], Made], count: int) -> list[Future[list[Made]]]:
    """`make` of 0 to count - 1, in order, some in each task."""

    def some(start: int) -> list[Made]:
        return [make(position) for position in range(start, min(start + TASK, count))]

    return [pool.submit(some, start) for start in range(0, count, TASK)]


def headers(folder: pathlib.Path, files: Sequence[str]) -> list[Header]:
    """What the beginnings of files say of their pictures.

    Raises:
        DataError: some are no images; names them, and says why.
    """

    def make(position: int) -> Header | str:
        try:
            return header(folder / files[position])
        except DataError as error:
            return error.message

    with threads() as pool:
        found = [each for task in begun(pool, make, len(files)) for each in task.result()]
    if bad := {file: why for file, why in zip(files, found, strict=True) if isinstance(why, str)}:
        raise unreadable(bad)
    return [each for each in found if isinstance(each, Header)]


def unreadable(bad: dict[str, str]) -> DataError:
    """The error that names files that cannot be read, by what is wrong with them."""
    by_reason: dict[str, list[str]] = {}
    for file, why in bad.items():
        by_reason.setdefault(why, []).append(shown(file))
    told = [
        f"{', '.join(files[:MOST_NAMED])}{', …' if len(files) > MOST_NAMED else ''} {why}"
        for why, files in by_reason.items()
    ]
    count = "1 image" if len(bad) == 1 else f"{len(bad):,} images"
    return DataError(f"{count} cannot be read: {'; '.join(told)}", hint="mend the files, or take them out")


def shown(name: str) -> str:
    """A name of a file as it can stand in a message: in quotes where it holds what is no plain sign."""
    return name if name.isprintable() else repr(name)


def common_form(
    files: Sequence[str],
    found: Sequence[Header],
    size: tuple[int, int] | None,
    channels: Channels | None,
    resize: Resize | None,
) -> tuple[Form, list[str]]:
    """The form that all pictures are brought to, and what one should know of it.

    Args:
        files: their names.
        found: their headers.
        size, channels, resize: as the spec has them; None: as the files have it.

    Raises:
        DataError: they differ in size, and the spec names none.
    """
    sizes = collections.Counter((each.height, each.width) for each in found)
    if size is None and len(sizes) > 1:
        (height, width), count = sizes.most_common(1)[0]
        other = next(
            file for file, each in zip(files, found, strict=True) if (each.height, each.width) != (height, width)
        )
        raise DataError(
            f"the images have {len(sizes):,} different sizes: {_counts(sizes)}; {shown(other)} is one that is not "
            f"{height}x{width}, as {count:,} of {len(found):,} are",
            hint=f"name the size that all are brought to: size: [{height}, {width}] in the feature",
        )
    kinds = collections.Counter(each.channels for each in found)
    notes = []
    if channels is None and len(kinds) > 1:
        told = ", ".join(f"{kinds[kind]:,} {name}" for kind, name in KINDS.items() if kind in kinds)
        notes.append(f"the images differ in their channels ({told}): all are taken as colour, channels: 3")
    if deep := sum(each.deep for each in found):
        notes.append(f"{deep:,} of {len(found):,} images have 16 bits a pixel, of which the upper 8 are used")
    height, width = size or next(iter(sizes))
    chosen: Channels = 3 if len(kinds) > 1 else next(iter(kinds))
    way = resize or ("fill" if size else None)
    return Form(height=height, width=width, channels=channels or chosen, resize=way), notes


KINDS: dict[Channels, str] = {1: "grey", 3: "in colour", 4: "with transparency"}


def _counts(sizes: collections.Counter[tuple[int, int]]) -> str:
    """`120 of 64x64, 3 of 80x64, …`, the most frequent first."""
    told = [f"{count:,} of {height}x{width}" for (height, width), count in sizes.most_common(SHOWN)]
    return ", ".join(told) + (", …" if len(sizes) > SHOWN else "")


def blocks(count: int, form: Form, most: int) -> Iterator[tuple[int, int]]:
    """First and last row of blocks whose pixels are not more than `most` bytes, or of one row."""
    step = max(1, most // math.prod(form.shape))
    for start in range(0, count, step):
        yield start, min(start + step, count)
