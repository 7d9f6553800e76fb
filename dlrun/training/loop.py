"""The compiled part of a training: chunks of steps, in an order of examples that follows from seed and epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlrun.errors import NotFiniteError
from dlrun.models.quick import quick_layers
from dlrun.seeds import generator
from dlrun.training.optimizers import learning_rate
from dlrun.training.progress import Progress, Row
from dlrun.training.settings import Training
from dlrun.training.step import SUMS, Learner, Step

if TYPE_CHECKING:
    import numpy as np


SECONDS_PER_CHUNK = 0.25
"""How long the compiled loop runs before Python looks at the clock, the keyboard and the display again."""


Chunk = Callable[["np.ndarray", int, int, Sequence[float]], tuple[tuple[float, ...], int]]
"""Runs steps in one call, see `compiled`."""


@dataclass(frozen=True)
class Arrays:
    """The examples of one split, as the network takes them.

    Args:
        inputs: by name of the Keras input, (n, …) each.
        target: (n, …) in the shape of the network's output, (n,) class indexes, or None where the target is the one
            input.
        weights: (n,), how much each example counts; None where all count the same.
    """

    inputs: dict[str, np.ndarray]
    target: np.ndarray | None
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def first(self, count: int = 1) -> Arrays:
        """The first examples alone."""
        return Arrays(
            {name: values[:count] for name, values in self.inputs.items()},
            None if self.target is None else self.target[:count],
            None if self.weights is None else self.weights[:count],
        )


class Loop:
    """Runs the steps of a training on examples held in memory.

    It has no state that a result depends on: that is in the learner's variables and in the `Progress`. The result is
    the same to the bit wherever the steps are cut into chunks.

    Args:
        learner: what learns; created under the current distribution strategy.
        train: the examples to learn from.
        validation: the examples to measure after each epoch, or None.
        settings: the section `training`.
        seed: of the spec.
        xla: whether a chunk is compiled by XLA, or runs as a plain graph.
    """

    def __init__(
        self, learner: Learner, train: Arrays, validation: Arrays | None, settings: Training, seed: int, *, xla: bool
    ) -> None:
        self.learner = learner
        self.settings = settings
        self.examples = len(train)
        self.examples_per_step = min(settings.examples_per_step, self.examples)
        self.steps_per_epoch = math.ceil(self.examples / self.examples_per_step)
        self.xla = xla
        """Of what `compile` makes next."""
        self._seed = seed
        self._take = gathering(train)
        self._take_validation = gathering(validation) if validation else None
        self._validation_examples = len(validation) if validation else 0
        self._epoch = 0
        """That `_batches` are of."""
        self._batches: list[np.ndarray] = []
        self._ways: dict[tuple[int, bool], tuple[Chunk, Chunk | None]] = {}
        """What was compiled, by the batch size and whether by XLA."""
        self._chunk = 1
        """Steps in the next call; one at first, then as many as fill `SECONDS_PER_CHUNK`."""
        self.compile(settings.batch_size)

    def compile(self, batch_size: int) -> None:
        """Goes on with so many examples through the network at once; the steps stay the same."""
        way = batch_size, self.xla
        if way not in self._ways:
            self._ways[way] = self._compiled(*way)
        self._train, self._validate = self._ways[way]
        self._validation_batches = in_batches(range(self._validation_examples), batch_size)

    def _compiled(self, batch_size: int, xla: bool) -> tuple[Chunk, Chunk | None]:
        """What runs the steps of the training, and what those of the validation."""
        skips, learner = self.settings.on_not_finite == "skip", self.learner
        train = compiled(Step(learner, self._take, batch_size, skip_not_finite=skips).train, learner, xla=xla)
        if self._take_validation is None:
            return train, None
        return train, compiled(Step(learner, self._take_validation, batch_size).validate, learner, xla=xla)

    def advance(self, progress: Progress) -> None:
        """Trains the next chunk of the epoch.

        Raises:
            NotFiniteError: the loss became NaN or infinite, with epoch, step and advice.
        """
        if progress.step == 0:
            progress.learning_rate = learning_rate(self.learner.optimizer)
        started = time.perf_counter()
        order, first = self._next(progress)
        last = min(first + self._chunk, len(order), self._until(progress) - progress.step + first)
        sums, bad = self._train(order, first, last, progress.sums)
        seconds = self.learner.team.agree(time.perf_counter() - started)
        if bad >= 0:
            raise not_finite(progress.epoch, progress.step + bad - first + 1, progress.learning_rate)
        progress.sums = sums
        progress.step += last - first
        progress.seconds += seconds
        wanted = max(1, int(SECONDS_PER_CHUNK / seconds * (last - first)))
        self._chunk = min(wanted, (last - first) * 8)  # the first calls include compilation

    def trial(self) -> Callable[[int], int]:
        """A function that runs so many of the first steps again, but no more than there are, and says how many."""
        order = in_batches(self._order(1), self.examples_per_step)[0]

        def run(steps: int) -> int:
            last = min(steps, len(order))
            self._train(order, 0, last, (0.0,) * SUMS)
            return last

        return run

    def end_epoch(self, progress: Progress) -> Row:
        """Measures the validation examples, and gives the epoch's row of the history; the next epoch begins.

        Raises:
            NotFiniteError: the validation loss is not finite, or no step of the epoch was.
        """
        metrics = self.means(progress)
        if not metrics:
            raise not_finite(progress.epoch, self.steps_per_epoch, progress.learning_rate)
        row: Row = {"epoch": progress.epoch, **metrics, **self._validation_metrics(progress.epoch)}
        row |= {
            "learning_rate": progress.learning_rate,
            "seconds": progress.seconds,
            "examples_per_second": self.examples / progress.seconds,
        }
        progress.end_epoch(row)
        return row

    def means(self, progress: Progress) -> dict[str, float]:
        """The loss and the metric since the beginning of the epoch; empty where every step of it was skipped."""
        return _means(self.learner.names, progress.sums)

    def _validation_metrics(self, epoch: int) -> Row:
        if self._validate is None:
            return {}
        sums: Sequence[float] = (0.0,) * SUMS
        for order in self._validation_batches:
            sums, bad = self._validate(order, 0, len(order), sums)
            if bad >= 0:
                raise NotFiniteError(
                    f"the validation loss is not finite after epoch {epoch}",
                    hint="lower optimizer.learning_rate, and look for extreme values in the validation data",
                )
        return {f"validation_{name}": value for name, value in _means(self.learner.names, sums).items()}

    def _next(self, progress: Progress) -> tuple[np.ndarray, int]:
        """The batches that the next step is among, (steps, batch), and its place in them."""
        if self._epoch != progress.epoch:
            self._batches = in_batches(self._order(progress.epoch), self.examples_per_step)
            self._epoch = progress.epoch
        whole = self._batches[0]
        return (whole, progress.step) if progress.step < len(whole) else (self._batches[1], progress.step - len(whole))

    def _until(self, progress: Progress) -> int:
        """The step of the epoch at which the chunk ends at the latest: where a checkpoint is due."""
        every = self.settings.checkpoint.steps
        return self.steps_per_epoch if every is None else progress.step - progress.step % every + every

    def _order(self, epoch: int) -> np.ndarray | range:
        if not self.settings.shuffle:
            return range(self.examples)
        return generator(self._seed, "order", epoch).permutation(self.examples)


def compiled(step: Callable[[Any], Any], learner: Learner, *, xla: bool) -> Chunk:
    """`run(order, first, last, sums)`: the steps of the rows `order[first:last]`, (steps, batch), in one call.

    It returns the sums and what the steps add to them, and the first of the steps whose loss is not finite, after
    which there is none, or -1.
    """
    import tensorflow as tf

    @tf.function(jit_compile=xla, autograph=False)  # type: ignore[untyped-decorator]
    def run(order: Any, first: Any, last: Any, sums: Any) -> Any:
        def body(index: Any, sums: Any, bad: Any) -> tuple[Any, Any, Any]:
            with quick_layers(learner.model, xla=xla):
                more = learner.team.run(step, order[index])
            return index + 1, sums + more, tf.where(tf.math.is_finite(more[0]), bad, index)

        def goes_on(index: Any, sums: Any, bad: Any) -> Any:
            return (index < last) & (bad < 0)

        return tf.while_loop(goes_on, body, (first, sums, tf.constant(-1)))[1:]

    def call(order: np.ndarray, first: int, last: int, sums: Sequence[float]) -> tuple[tuple[float, ...], int]:
        total, bad = run(tf.constant(order), tf.constant(first), tf.constant(last), tf.constant(sums, tf.float64))
        return tuple(total.numpy().tolist()), int(bad)

    return call


def gathering(arrays: Arrays) -> Callable[[Any], tuple[Any, ...]]:
    """A function of row numbers (batch,) that gives (inputs, target) or (inputs, target, weights), inside a graph."""
    import tensorflow as tf

    inputs = {name: tf.convert_to_tensor(values) for name, values in arrays.inputs.items()}
    target = None if arrays.target is None else tf.convert_to_tensor(arrays.target)
    weights = None if arrays.weights is None else tf.convert_to_tensor(arrays.weights)

    def take(rows: Any) -> tuple[Any, ...]:
        x = {name: tf.gather(values, rows) for name, values in inputs.items()}
        y = next(iter(x.values())) if target is None else tf.gather(target, rows)
        return (x, y) if weights is None else (x, y, tf.gather(weights, rows))

    return take


def in_batches(rows: Sequence[int] | np.ndarray | range, batch_size: int) -> list[np.ndarray]:
    """Row numbers as whole batches, (steps, batch), and, where some are left, one smaller batch, (1, rest)."""
    import numpy as np

    rows = np.asarray(rows, dtype=np.int32)
    whole = len(rows) - len(rows) % batch_size
    parts = (rows[:whole].reshape(-1, batch_size), rows[whole:].reshape(1, -1))
    return [part for part in parts if part.size]


def _means(names: tuple[str, str], sums: Sequence[float]) -> dict[str, float]:
    loss, metric, count, _ = sums
    return dict(zip(names, (loss / count, metric / count), strict=True)) if count else {}


def not_finite(epoch: int, step: int, learning_rate: float) -> NotFiniteError:
    """The error of a loss that became NaN or infinite, with what to try."""
    return NotFiniteError(
        f"the loss is no longer finite since epoch {epoch}, step {step}",
        hint=f"lower optimizer.learning_rate (now {learning_rate:g}), for example to {learning_rate / 10:g}; or set "
        "optimizer.clip_global_norm to 1.0; and look for extreme values in the data",
    )
