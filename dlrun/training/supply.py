"""Where the batches of a training come from: from memory, or from disk a window at a time.

The order of the examples is a pure function of seed and epoch, and any step can be found in it without those before:
so where a training stands is told by its epoch and step alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from dlrun.data.buffers import ALIGNMENT
from dlrun.seeds import generator

if TYPE_CHECKING:
    import numpy as np

    from dlrun.training.order import Oversampled

SHARED = 1 << 20
"""Bytes from which an array is shared with TensorFlow."""

Tensor = Any
Tensors = tuple[dict[str, Tensor], Any, Any]
"""Arrays in TensorFlow's memory: inputs by name, target, weights; of several targets both by the target's name."""


@dataclass(frozen=True)
class Arrays:
    """The examples of one split, as the network takes them.

    Args:
        inputs: by name of the Keras input, (n, …) each.
        target: (n, …) in the shape of the network's output, (n,) class indexes, or None where the target is the one
            input; of several targets such an array for each, by its name.
        weights: (n,), how much each example counts; None where all count the same; of several targets by name, of
            those whose classes are weighed.
    """

    inputs: dict[str, np.ndarray]
    target: np.ndarray | dict[str, np.ndarray] | None
    weights: np.ndarray | dict[str, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def first(self, count: int = 1) -> Arrays:
        """The first examples alone."""
        return Arrays(*(_each(lambda values: values[:count], part) for part in self._parts))

    @property
    def _parts(self) -> tuple[Any, Any, Any]:
        return self.inputs, self.target, self.weights

    def tensors(self) -> Tensors:
        """The same in TensorFlow's memory."""
        inputs, target, weights = (_each(tensor, part) for part in self._parts)
        return inputs, target, weights


def tensor(values: np.ndarray) -> Tensor:
    """An array in TensorFlow's memory: on a CPU the array itself where it can be, since to copy a window of images may
    take as long as a step. It must not be written to from then on."""
    import tensorflow as tf

    whole = values.flags.c_contiguous and values.flags.writeable and values.ctypes.data % ALIGNMENT == 0
    if not whole or values.nbytes < SHARED or values.dtype.kind not in "fiu" or tf.config.list_logical_devices("GPU"):
        return tf.convert_to_tensor(values)
    return tf.experimental.dlpack.from_dlpack(values.__dlpack__())


def _each(function: Callable[[Any], Any], part: Any) -> Any:
    """A function of one array or tensor, of each by name, or of none."""
    if isinstance(part, dict):
        return {name: function(values) for name, values in part.items()}
    return None if part is None else function(part)


def gathered(tensors: Tensors, rows: Tensor) -> tuple[Any, ...]:
    """The batch of row numbers (batch,): (inputs, target) or (inputs, target, weights); inside a graph."""
    import tensorflow as tf

    x, y, weights = (_each(lambda values: tf.gather(values, rows), part) for part in tensors)
    y = next(iter(x.values())) if y is None else y
    return (x, y) if weights is None else (x, y, weights)


class Stretch(NamedTuple):
    """Steps that follow one another, and the examples that they need.

    Args:
        tensors: the examples.
        order: which of them are the batch of each step, (steps, batch) int32.
        first: the next step's place in `order`.
        last: the place after the last step's.
    """

    tensors: Tensors
    order: np.ndarray
    first: int
    last: int


class Supply(Protocol):
    """The examples of one split, in batches."""

    def __len__(self) -> int:
        """How many examples an epoch has."""

    def stretch(self, epoch: int, step: int, examples_per_step: int) -> Stretch:
        """What is to be trained from a step of an epoch on."""

    def in_order(self, batch_size: int) -> Iterator[Stretch]:
        """All examples, as they are."""


class InMemory:
    """Examples that are held in memory.

    Args:
        arrays: the examples.
        seed: of the spec; the order in each epoch follows from it.
        shuffle: whether the order differs in each epoch.
        oversampled: which examples an epoch has several times; None: each once.
    """

    def __init__(
        self, arrays: Arrays, seed: int = 0, *, shuffle: bool = False, oversampled: Oversampled | None = None
    ) -> None:
        self._tensors = arrays.tensors()
        self._count = len(arrays)
        self._seed, self._shuffle, self._oversampled = seed, shuffle, oversampled
        self._epoch = 0
        """That `_batches` are of."""
        self._batches: list[np.ndarray] = []

    def __len__(self) -> int:
        return self._count if self._oversampled is None else len(self._oversampled)

    def order(self, epoch: int) -> np.ndarray | range:
        """The row numbers of an epoch, each once, or as often as is asked for; with what tells copies apart."""
        rows: np.ndarray | range = range(self._count)
        if self._oversampled is not None:
            examples, copies = self._oversampled.drawn(self._seed, epoch)
            rows = examples + copies
        return generator(self._seed, "order", epoch).permutation(rows) if self._shuffle else rows

    def stretch(self, epoch: int, step: int, examples_per_step: int) -> Stretch:
        """What is to be trained from a step of an epoch on."""
        if self._epoch != epoch:
            self._batches = in_batches(self.order(epoch), examples_per_step)
            self._epoch = epoch
        whole = self._batches[0]
        if step < len(whole):
            return Stretch(self._tensors, whole, step, len(whole))
        return Stretch(self._tensors, self._batches[1], step - len(whole), 1)

    def in_order(self, batch_size: int) -> Iterator[Stretch]:
        """All examples, as they are."""
        for order in in_batches(range(self._count), batch_size):
            yield Stretch(self._tensors, order, 0, len(order))


def in_batches(rows: Sequence[int] | np.ndarray | range, batch_size: int) -> list[np.ndarray]:
    """Row numbers as whole batches, (steps, batch), and, where some are left, one smaller batch, (1, rest)."""
    import numpy as np

    rows = np.asarray(rows, dtype=np.int32)
    whole = len(rows) - len(rows) % batch_size
    parts = (rows[:whole].reshape(-1, batch_size), rows[whole:].reshape(1, -1))
    return [part for part in parts if part.size]
