"""The training loop: compiled chunks of Keras's own train step, in an order that follows from seed and epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from dlrun.errors import NotFiniteError
from dlrun.seeds import generator
from dlrun.training.settings import Training

if TYPE_CHECKING:
    import numpy as np

Row = dict[str, float]
"""One epoch of history.csv: epoch, metrics, validation metrics, learning_rate, seconds, examples_per_second."""

SECONDS_PER_CHUNK = 0.25
"""How long the compiled loop runs before Python looks at the clock, the keyboard and the display again."""


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


class Reporter(Protocol):
    """Whoever wants to know how the training goes."""

    def on_chunk(self, epoch: int, step: int, metrics: dict[str, float], examples_per_second: float) -> None:
        """`step` steps of the epoch are done; `metrics` are the means since its beginning."""

    def on_epoch(self, row: Row) -> None:
        """An epoch is done, validation included."""


class Loop:
    """Trains a compiled Keras model on examples held in memory.

    The state of a training is in the model (weights, optimizer, seeds of dropout) and in the callbacks; the loop adds
    the epoch's number alone, since the order of the examples follows from it.

    Args:
        model: built and compiled; created under the current distribution strategy.
        train: the examples to learn from.
        validation: the examples to measure after each epoch, or None.
        settings: the section `training`.
        seed: of the spec.
        xla: whether a chunk is compiled by XLA, or runs as a plain graph.
    """

    def __init__(
        self, model: Any, train: Arrays, validation: Arrays | None, settings: Training, seed: int, *, xla: bool
    ) -> None:
        import tensorflow as tf

        self.model = model
        self.settings = settings
        self.seed = seed
        self.examples = len(train)
        self.batch_size = min(settings.batch_size, self.examples)
        self.steps_per_epoch = math.ceil(self.examples / self.batch_size)
        self._strategy = tf.distribute.get_strategy()
        self._run_steps = self._compiled(model.train_step, train, xla)
        self._run_validation = self._compiled(model.test_step, validation, xla) if validation else None
        self._validation_order = _batches(range(len(validation)), self.batch_size) if validation else []
        build_state(model, train)
        self._chunk = 1
        """Steps in the next call; one at first, then as many as fill `SECONDS_PER_CHUNK`."""

    def run(self, reporter: Reporter, callbacks: Sequence[Any], stopped: Callable[[], bool]) -> Iterator[Row]:
        """Trains epoch after epoch, and yields the history's row of each.

        Args:
            reporter: is told of each chunk and epoch.
            callbacks: Keras callbacks; they may set `model.stop_training`.
            stopped: asked after each chunk; when it says True, the training ends there, within the epoch.

        Raises:
            NotFiniteError: when a loss becomes NaN or infinite, with epoch, step and advice.
        """
        import keras

        together = keras.callbacks.CallbackList(
            list(callbacks), model=self.model, epochs=self.settings.epochs, steps=self.steps_per_epoch
        )
        self.model.stop_training = False
        together.on_train_begin()
        for epoch in range(1, self.settings.epochs + 1):
            together.on_epoch_begin(epoch - 1)
            row = self._run_epoch(epoch, reporter, together, stopped)
            if row is None:
                break
            together.on_epoch_end(epoch - 1, row)
            reporter.on_epoch(row)
            yield row
            if self.model.stop_training or stopped():
                break
        together.on_train_end()

    def _run_epoch(self, epoch: int, reporter: Reporter, callbacks: Any, stopped: Callable[[], bool]) -> Row | None:
        """One epoch and its validation; None where it was stopped on the way."""
        started = time.perf_counter()
        learning_rate = float(self.model.optimizer.learning_rate)
        self.model.reset_metrics()
        done = 0
        for order in _batches(self._order(epoch), self.batch_size):
            for first, last in self._chunks(len(order)):
                callbacks.on_train_batch_begin(done)
                bad = int(self._run_steps(order, first, last))
                metrics = self._metrics()
                if bad >= 0:
                    raise _not_finite(epoch, done + bad - first + 1, learning_rate)
                done += last - first
                callbacks.on_train_batch_end(done - 1, metrics)
                rate = min(done * self.batch_size, self.examples) / (time.perf_counter() - started)
                reporter.on_chunk(epoch, done, metrics, rate)
                if stopped():
                    return None
        seconds = time.perf_counter() - started
        row: Row = {"epoch": epoch, **metrics, **self._validate(epoch, callbacks)}
        row |= {"learning_rate": learning_rate, "seconds": seconds, "examples_per_second": self.examples / seconds}
        return row

    def _chunks(self, steps: int) -> Iterator[tuple[int, int]]:
        """Cuts a number of steps into calls that take about `SECONDS_PER_CHUNK` each, as measured on the way."""
        first = 0
        while first < steps:
            last = min(first + self._chunk, steps)
            started = time.perf_counter()
            yield first, last
            per_step = (time.perf_counter() - started) / (last - first)
            wanted = max(1, int(SECONDS_PER_CHUNK / per_step))
            self._chunk = min(wanted, self._chunk * 8)  # the first calls include compilation
            first = last

    def _validate(self, epoch: int, callbacks: Any) -> Row:
        if self._run_validation is None:
            return {}
        callbacks.on_test_begin()
        self.model.reset_metrics()
        for order in self._validation_order:
            if int(self._run_validation(order, 0, len(order))) >= 0:
                raise NotFiniteError(
                    f"the validation loss is not finite after epoch {epoch}",
                    hint="lower optimizer.learning_rate, and look for extreme values in the validation data",
                )
        metrics = {f"validation_{name}": value for name, value in self._metrics().items()}
        callbacks.on_test_end(metrics)
        return metrics

    def _order(self, epoch: int) -> np.ndarray | range:
        if not self.settings.shuffle:
            return range(self.examples)
        return generator(self.seed, "order", epoch).permutation(self.examples)

    def _metrics(self) -> dict[str, float]:
        return {name: float(value) for name, value in self.model.get_metrics_result().items()}

    def _compiled(self, step: Callable[[Any], Any], arrays: Arrays, xla: bool) -> Callable[[Any, int, int], Any]:
        """`run(order, first, last)`: the steps of the rows `order[first:last]`, (steps, batch), in one call.

        It returns the first of these steps whose mean loss is not finite, or -1.
        """
        import tensorflow as tf

        take = gathering(arrays)

        @tf.function(jit_compile=xla, autograph=False)  # type: ignore[untyped-decorator]
        def run(order: Any, first: Any, last: Any) -> Any:
            def body(index: Any, bad: Any) -> tuple[Any, Any]:
                logs = self._strategy.run(step, args=(take(order[index]),))
                finite = tf.math.is_finite(tf.cast(logs["loss"], tf.float32))
                return index + 1, tf.where((bad < 0) & ~finite, index, bad)

            return tf.while_loop(lambda index, _: index < last, body, (first, tf.constant(-1)))[1]

        return lambda order, first, last: run(tf.constant(order), tf.constant(first), tf.constant(last))


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


def build_state(model: Any, train: Arrays) -> None:
    """Makes the optimizer's and the metrics' variables, which must exist before the steps are compiled."""
    import numpy as np

    model.optimizer.build(model.trainable_variables)
    model.test_step(gathering(train.first())(np.zeros(1, dtype=np.int32)))
    model.reset_metrics()


def _batches(rows: Sequence[int] | np.ndarray | range, batch_size: int) -> list[np.ndarray]:
    """Row numbers as whole batches, (steps, batch), and, where some are left, one smaller batch, (1, rest)."""
    import numpy as np

    rows = np.asarray(rows, dtype=np.int32)
    whole = len(rows) - len(rows) % batch_size
    parts = (rows[:whole].reshape(-1, batch_size), rows[whole:].reshape(1, -1))
    return [part for part in parts if part.size]


def _not_finite(epoch: int, step: int, learning_rate: float) -> NotFiniteError:
    return NotFiniteError(
        f"the loss is no longer finite since epoch {epoch}, step {step}",
        hint=f"lower optimizer.learning_rate (now {learning_rate:g}), for example to {learning_rate / 10:g}; or set "
        "optimizer.clip_global_norm to 1.0; and look for extreme values in the data",
    )
