"""The compiled part of a training: chunks of steps, in an order of examples that follows from seed and epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dlrun.errors import NotFiniteError
from dlrun.models.quick import quick_layers
from dlrun.training.augmentation import Augmentation
from dlrun.training.optimizers import learning_rate
from dlrun.training.progress import Progress, Row
from dlrun.training.settings import Training
from dlrun.training.step import Learner, Step
from dlrun.training.supply import Stretch, Supply, Tensors, gathered

if TYPE_CHECKING:
    import numpy as np


SECONDS_PER_CHUNK = 0.25
"""How long the compiled loop runs before Python looks at the clock, the keyboard and the display again."""


Chunk = Callable[[Tensors, "np.ndarray", int, int, Sequence[float]], tuple[tuple[float, ...], int]]
"""Runs steps in one call, see `compiled`."""

Take = Callable[[Any], tuple[Any, ...]]
"""Gives the batch of row numbers (batch,), inside a graph."""


class Loop:
    """Runs the steps of a training.

    It has no state that a result depends on: that is in the learner's variables and in the `Progress`. The result is
    the same to the bit wherever the steps are cut into chunks.

    Args:
        learner: what learns; created under the current distribution strategy.
        train: the examples to learn from.
        validation: the examples to measure after each epoch, or None.
        settings: the section `training`.
        xla: whether a chunk is compiled by XLA, or runs as a plain graph.
        augmentation: what is done to each batch of the train examples, or None.
    """

    def __init__(
        self,
        learner: Learner,
        train: Supply,
        validation: Supply | None,
        settings: Training,
        *,
        xla: bool,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.learner = learner
        self.settings = settings
        self.examples = len(train)
        self.examples_per_step = min(settings.examples_per_step, self.examples)
        self.steps_per_epoch = math.ceil(self.examples / self.examples_per_step)
        self.xla = xla
        """Of what `compile` makes next."""
        self.augmentation = augmentation
        self._train_supply = train
        self._validation_supply = validation if validation else None
        self._ways: dict[tuple[int, bool], tuple[Chunk, Chunk | None]] = {}
        """What was compiled, by the batch size and whether by XLA."""
        self._chunk = 1
        """Steps in the next call; one at first, then as many as fill `SECONDS_PER_CHUNK`."""
        self._nothing = (0.0,) * learner.sums
        """What no step adds up to."""
        self.compile(settings.batch_size)

    def compile(self, batch_size: int) -> None:
        """Goes on with so many examples through the network at once; the steps stay the same."""
        way = batch_size, self.xla
        if way not in self._ways:
            self._ways[way] = self._compiled(*way)
        self._train, self._validate = self._ways[way]
        self._batch_size = batch_size

    def _compiled(self, batch_size: int, xla: bool) -> tuple[Chunk, Chunk | None]:
        """What runs the steps of the training, and what those of the validation."""
        skips, learner = self.settings.on_not_finite == "skip", self.learner

        def step(take: Take) -> Callable[[Any], Any]:
            augment = self.augmentation
            if augment is None:
                return Step(learner, take, batch_size, skip_not_finite=skips).train
            steps = Step(learner, lambda told: augment.of(take, told), batch_size, skip_not_finite=skips)
            return lambda rows: steps.train(augment.told(rows))

        train = compiled(step, learner, xla=xla)
        if self._validation_supply is None:
            return train, None
        return train, compiled(lambda take: Step(learner, take, batch_size).validate, learner, xla=xla)

    def advance(self, progress: Progress) -> None:
        """Trains the next chunk of the epoch.

        Raises:
            NotFiniteError: the loss became NaN or infinite, with epoch, step and advice.
        """
        if progress.step == 0:
            progress.learning_rate = learning_rate(self.learner.optimizer)
        if self.augmentation is not None:
            self.augmentation.begin(progress.epoch)
        started = time.perf_counter()
        tensors, order, first, end = self._stretch(progress.epoch, progress.step)
        last = min(first + self._chunk, end, self._until(progress) - progress.step + first)
        sums, bad = self._train(tensors, order, first, last, progress.sums or self._nothing)
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
        tensors, order, _, end = self._stretch(1, 0)

        def run(steps: int) -> int:
            last = min(steps, end)
            self._train(tensors, order, 0, last, self._nothing)
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
        """The loss and the metrics since the beginning of the epoch; empty where every step of it was skipped."""
        return _means(self.learner.names, progress.sums)

    def _validation_metrics(self, epoch: int) -> Row:
        if self._validate is None or self._validation_supply is None:
            return {}
        sums: Sequence[float] = self._nothing
        for tensors, order, first, last in self._validation_supply.in_order(self._batch_size):
            sums, bad = self._validate(tensors, order, first, last, sums)
            if bad >= 0:
                raise NotFiniteError(
                    f"the validation loss is not finite after epoch {epoch}",
                    hint="lower optimizer.learning_rate, and look for extreme values in the validation data",
                )
        return {f"validation_{name}": value for name, value in _means(self.learner.names, sums).items()}

    def _stretch(self, epoch: int, step: int) -> Stretch:
        return self._train_supply.stretch(epoch, step, self.examples_per_step)

    def _until(self, progress: Progress) -> int:
        """The step of the epoch at which the chunk ends at the latest: where a checkpoint is due."""
        every = self.settings.checkpoint.steps
        return self.steps_per_epoch if every is None else progress.step - progress.step % every + every


def compiled(step: Callable[[Take], Callable[[Any], Any]], learner: Learner, *, xla: bool) -> Chunk:
    """`run(tensors, order, first, last, sums)`: the steps of the rows `order[first:last]`, (steps, batch), in one call.

    It returns the sums and what the steps add to them, and the first of the steps whose loss is not finite, after
    which there is none, or -1.

    Args:
        step: of what gives the batch of row numbers, what runs a step on row numbers.
        learner: what learns.
        xla: whether it is compiled by XLA.
    """
    import tensorflow as tf

    @tf.function(jit_compile=xla, autograph=False)  # type: ignore[untyped-decorator]
    def run(tensors: Any, order: Any, first: Any, last: Any, sums: Any) -> Any:
        of_rows = step(lambda rows: gathered(tensors, rows))

        def body(index: Any, sums: Any, bad: Any) -> tuple[Any, Any, Any]:
            with quick_layers(learner.model, xla=xla):
                more = learner.team.run(of_rows, order[index])
            return index + 1, sums + more, tf.where(tf.math.is_finite(more[0]), bad, index)

        def goes_on(index: Any, sums: Any, bad: Any) -> Any:
            return (index < last) & (bad < 0)

        return tf.while_loop(goes_on, body, (first, sums, tf.constant(-1)))[1:]

    def call(
        tensors: Tensors, order: np.ndarray, first: int, last: int, sums: Sequence[float]
    ) -> tuple[tuple[float, ...], int]:
        total, bad = run(
            tensors, tf.constant(order), tf.constant(first), tf.constant(last), tf.constant(sums, tf.float64)
        )
        return tuple(total.numpy().tolist()), int(bad)

    return call


def _means(names: Sequence[str], sums: Sequence[float]) -> dict[str, float]:
    if not sums or not sums[-2]:
        return {}
    *totals, count, _ = sums
    return {name: total / count for name, total in zip(names, totals, strict=True)}


def not_finite(epoch: int, step: int, learning_rate: float) -> NotFiniteError:
    """The error of a loss that became NaN or infinite, with what to try."""
    return NotFiniteError(
        f"the loss is no longer finite since epoch {epoch}, step {step}",
        hint=f"lower optimizer.learning_rate (now {learning_rate:g}), for example to {learning_rate / 10:g}; or set "
        "optimizer.clip_global_norm to 1.0; and look for extreme values in the data",
    )
