"""Examples that do not fit in memory: read from disk a window at a time, the next one while this one is trained on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING

from dlrun.seeds import generator
from dlrun.training.supply import Arrays, Stretch, Tensors

if TYPE_CHECKING:
    import numpy as np

    from dlrun.training.order import Oversampled

LEAST_BYTES, MOST_BYTES = 1 << 18, 32 << 20
"""Of a window. Two of them are in memory, and for a moment three."""

WINDOWS = 8
"""Into how many windows examples are cut that would fit into fewer."""

SHARDS = 16
"""Of how many stretches of neighbours a window is made."""

Ranges = Sequence[tuple[int, int]]
"""Examples that follow one another: the first, and the one after the last."""

Read = Callable[[Ranges, int], Arrays]
"""Gives the examples of some ranges, and room for so many in all."""


class Windows:
    """How examples are cut into windows of whole batches, and in which order they are read.

    In each epoch shards of neighbours are shuffled, as many as fill a window are read together, and the examples of a
    window are shuffled. All of it follows from seed and epoch, and any window can be found without those before.

    Args:
        count: of the examples.
        row_bytes: of one example.
        batch: examples of one step.
    """

    def __init__(self, count: int, row_bytes: int, batch: int) -> None:
        wanted = min(max(count * row_bytes // WINDOWS, LEAST_BYTES), MOST_BYTES) // max(row_bytes, 1)
        self.steps = max(1, min(wanted // batch, math.ceil(count / batch)))
        """In a window."""
        self.rows = self.steps * batch
        """In a window; the last one may have fewer."""
        self.number = math.ceil(count / self.rows)
        self.count, self._batch = count, batch
        self._shard = math.ceil(self.rows / SHARDS)

    def size(self, window: int) -> int:
        """How many examples a window has."""
        return min(self.rows, self.count - window * self.rows)

    def ranges(self, window: int, random: np.random.Generator | None) -> Ranges:
        """The examples of a window.

        Args:
            random: of the epoch; None: in order.
        """
        import numpy as np

        first = window * self.rows
        last = first + self.size(window)
        if random is None:
            return [(first, last)]
        begins = random.permutation(math.ceil(self.count / self._shard)) * self._shard
        ends = np.minimum(begins + self._shard, self.count)
        reached = np.cumsum(ends - begins)
        found = []
        for index in range(int(np.searchsorted(reached, first, "right")), len(begins)):
            before = int(reached[index] - (ends[index] - begins[index]))
            if before >= last:
                break
            begin, end = int(begins[index]), int(ends[index])
            found.append((begin + max(first - before, 0), end - max(int(reached[index]) - last, 0)))
        return found

    def order(self, window: int, random: np.random.Generator | None) -> tuple[np.ndarray, np.ndarray]:
        """The places in a window of the whole batches, (steps, batch), the last of which may be empty ones where there
        are fewer, and of the smaller batch at the end, (1, rest)."""
        import numpy as np

        size = self.size(window)
        places = np.arange(size, dtype=np.int32) if random is None else random.permutation(size).astype(np.int32)
        whole = size - size % self._batch
        batches = np.zeros((self.steps, self._batch), np.int32)  # always as many: another shape is compiled anew
        batches.reshape(-1)[:whole] = places[:whole]
        return batches, places[whole:].reshape(1, -1)


class Streamed:
    """Examples that are on disk.

    Args:
        read: gives some of them.
        count: how many there are.
        row_bytes: what one of them takes.
        seed: of the spec; the order in each epoch follows from it.
        shuffle: whether the order differs in each epoch.
        oversampled: which examples an epoch has several times; None: each once.
    """

    def __init__(
        self,
        read: Read,
        count: int,
        row_bytes: int,
        seed: int = 0,
        *,
        shuffle: bool = False,
        oversampled: Oversampled | None = None,
    ) -> None:
        self._read = read
        self._count, self._row_bytes = count, row_bytes
        self._seed, self._shuffle, self._oversampled = seed, shuffle, oversampled
        self._varies = shuffle or oversampled is not None
        self._drawn = lru_cache(2)(lambda epoch: oversampled.drawn(seed, epoch) if oversampled else None)
        self._pool = ThreadPoolExecutor(1, "dlrun-supply")
        self._here: tuple[tuple[int, int, int], tuple[Tensors, np.ndarray, np.ndarray]] | None = None
        self._next: tuple[tuple[int, int, int], Future[tuple[Tensors, np.ndarray, np.ndarray]]] | None = None

    def __len__(self) -> int:
        return self._count if self._oversampled is None else len(self._oversampled)

    def stretch(self, epoch: int, step: int, examples_per_step: int) -> Stretch:
        """What is to be trained from a step of an epoch on."""
        windows = Windows(len(self), self._row_bytes, examples_per_step)
        window, step = divmod(step, windows.steps)
        return self._stretch(windows, epoch if self._varies else 0, window, step, examples_per_step)

    def in_order(self, batch_size: int) -> Iterator[Stretch]:
        """All examples, as they are."""
        if self._oversampled is not None:
            yield from Streamed(self._read, self._count, self._row_bytes).in_order(batch_size)
            return
        batch_size = min(batch_size, self._count)
        windows = Windows(self._count, self._row_bytes, batch_size)
        for window in range(windows.number):
            whole = windows.size(window) // batch_size
            if whole:
                yield self._stretch(windows, 0, window, 0, batch_size)
            if windows.size(window) % batch_size:
                yield self._stretch(windows, 0, window, whole, batch_size)

    def _stretch(self, windows: Windows, epoch: int, window: int, step: int, batch: int) -> Stretch:
        tensors, order, rest = self._window(windows, epoch, window, batch)
        whole = windows.size(window) // batch
        if step < whole:
            return Stretch(tensors, order, step, whole)
        return Stretch(tensors, rest, 0, 1)

    def _window(self, windows: Windows, epoch: int, window: int, batch: int) -> tuple[Tensors, np.ndarray, np.ndarray]:
        """A window, while the next one begins to be read."""
        key = batch, epoch, window
        if self._here is not None and self._here[0] == key:
            return self._here[1]
        self._here = None
        if self._next is not None and self._next[0] == key:
            loaded = self._next[1].result()
        else:
            loaded = self._load(windows, epoch, window)
        self._here = key, loaded
        last = window + 1 == windows.number
        after = (epoch + 1 if last and self._varies else epoch), 0 if last else window + 1
        self._next = (
            None
            if windows.number == 1 and not self._varies
            else ((batch, *after), self._pool.submit(self._load, windows, *after))
        )
        return loaded

    def _load(self, windows: Windows, epoch: int, window: int) -> tuple[Tensors, np.ndarray, np.ndarray]:
        import numpy as np

        shards = generator(self._seed, "order", epoch) if self._shuffle else None
        within = generator(self._seed, "window", epoch, window) if self._shuffle else None
        ranges, (order, rest) = windows.ranges(window, shards), windows.order(window, within)
        if (drawn := self._drawn(epoch)) is not None:
            rows, copies = drawn
            added = np.concatenate([copies[first:last] for first, last in ranges])
            ranges, places = stretches(rows, ranges)
            places = (places + added).astype(np.int32)
            order, rest = places[order], places[rest]
        return self._read(ranges, windows.rows).tensors(), order, rest


def stretches(rows: np.ndarray, ranges: Ranges) -> tuple[Ranges, np.ndarray]:
    """Where examples are of which some occur several times.

    Args:
        rows: the examples of an epoch, in rising order, of which none is left out, (n,).
        ranges: which of them, by their places in it.

    Returns:
        The examples that are to be read, each once in a range; and where among them each one is, (wanted,) int32.
    """
    import numpy as np

    found: list[tuple[int, int]] = []
    places: list[np.ndarray] = []
    before = 0
    for first, last in ranges:
        begin, end = int(rows[first]), int(rows[last - 1]) + 1
        places.append(rows[first:last] - begin + before)
        found.append((begin, end))
        before += end - begin
    return found, np.concatenate(places).astype(np.int32)
