"""One step of a training: forward, loss, gradient, update; on one replica or on its share of a larger batch."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

from dlrun.training.team import Team

if TYPE_CHECKING:
    from dlrun.training.followed import Followed
    from dlrun.training.several import FollowedSeveral

Tensor = Any
Batch = tuple[Any, ...]
"""(inputs by name, target) or (inputs by name, target, weights); of mixed examples (inputs by name, truth, truth)."""


class Truth(NamedTuple):
    """What outputs are compared with.

    Args:
        y: the target; of several by name.
        weights: how much each example counts in the loss, (batch,); of several targets by name.
        share: how much it counts in the metrics, (batch,); None: 1.
    """

    y: Any
    weights: Any = None
    share: Tensor | None = None


@dataclass(frozen=True)
class Learner:
    """A network with all that makes it learn.

    Args:
        model: the Keras model, its inputs by name.
        optimizer: a Keras optimizer, built for the model's trainable variables.
        loss: the Keras loss of targets and outputs; of several targets a `WeightedLosses`.
        metric: what is followed beside the loss.
        team: the replicas that learn it together.
    """

    model: Any
    optimizer: Any
    loss: Any
    metric: Followed | FollowedSeveral
    team: Team = field(default_factory=Team.alone)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the numbers that are followed: the loss, penalties included, and the metrics."""
        return "loss", *self.metric.names

    @property
    def sums(self) -> int:
        """How many numbers a step adds up: the loss and each metric times examples, examples, steps that were
        skipped."""
        return len(self.names) + 2

    def forward(self, batch: Batch, *, training: bool) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The loss of a batch, this replica's part of the penalties of the weights, and the metrics: scalars each."""
        import tensorflow as tf

        x, *rest = batch
        truths = rest if isinstance(rest[0], Truth) else [Truth(*rest)]
        outputs, replicas = self.model(x, training=training), self.team.replicas
        loss = added(tf.cast(self.loss(y, outputs, sample_weight=weight), tf.float32) for y, weight, _ in truths)
        loss *= replicas  # by which Keras divides it
        metrics = [self.metric.means(y, outputs, weight, share, replicas) for y, weight, share in truths]
        penalties = self.model.losses
        penalty = tf.add_n([tf.cast(each, tf.float32) for each in penalties]) if penalties else tf.constant(0.0)
        return loss, penalty / replicas, [added(each) for each in zip(*metrics, strict=True)]

    def apply(self, gradients: Sequence[Tensor]) -> None:
        """Moves the weights."""
        self.optimizer.apply(gradients, self.model.trainable_variables)

    def are_finite(self, gradients: Sequence[Tensor]) -> Tensor:
        """Whether all gradients are; under loss scaling always, since its optimizer skips those that are not."""
        import keras
        import tensorflow as tf

        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            return tf.constant(True)
        return tf.reduce_all([tf.reduce_all(tf.math.is_finite(each)) for each in gradients if each is not None])


class Step:
    """The steps of a learner, to be called in a graph, on each replica with the same row numbers.

    Args:
        learner: what learns.
        take: gives the batch of row numbers (batch,), or of what else tells an example, (batch, …).
        batch_size: how many examples go through the network at once; a longer row of numbers is cut into parts, and
            their gradients are summed up before the weights move.
        skip_not_finite: whether a step whose loss or gradient is not finite leaves the weights as they are.
    """

    def __init__(
        self, learner: Learner, take: Callable[[Tensor], Batch], batch_size: int, *, skip_not_finite: bool = False
    ) -> None:
        self._learner = learner
        self._take = take
        self._batch_size = batch_size
        self._skips = skip_not_finite

    def train(self, rows: Tensor) -> Tensor:
        """Moves the weights once by the examples of the rows, (n,) or (n, …); what it adds up, (sums,) float64."""
        import tensorflow as tf

        if not self._skips:
            gradients, sums = self._total(*self._gradients(rows), rows)
            self._learner.apply(gradients)
            return sums
        statistics = self._learner.model.non_trainable_weights  # which batch normalization moves in the forward pass
        before = [tf.identity(variable.value) for variable in statistics]
        gradients, sums = self._total(*self._gradients(rows), rows)
        finite = tf.math.is_finite(sums[0]) & self._learner.are_finite(gradients)
        for variable, value in zip(statistics, before, strict=True):
            variable.assign(tf.where(finite, variable.value, value))
        self._learner.team.run_if(finite, self._learner.apply, gradients)
        skipped = tf.one_hot(self._learner.sums - 1, self._learner.sums, dtype=tf.float64)
        return tf.where(finite, sums, skipped)

    def validate(self, rows: Tensor) -> Tensor:
        """What the examples of the rows, (n,), add up to in evaluation mode, (sums,) float64."""
        mine, weight = self._learner.team.share(rows)
        loss, penalty, metrics = self._learner.forward(self._take(mine), training=False)
        return self._total([], _sums(loss * weight, penalty, [each * weight for each in metrics], rows), rows)[1]

    def _total(self, gradients: list[Tensor], sums: Tensor, rows: Tensor) -> tuple[list[Tensor], Tensor]:
        """What the gradients and the sums of all replicas add up to."""
        import tensorflow as tf

        team = self._learner.team
        if team.replicas == 1:
            return gradients, sums
        # In the gradients' type the sums travel with them.
        *gradients, total = team.total([*gradients, tf.cast(sums, tf.float32)])
        return gradients, tf.concat([tf.cast(total[:-2], tf.float64), [float(rows.shape[0]), 0.0]], 0)

    def _gradients(self, rows: Tensor) -> tuple[list[Tensor], Tensor]:
        """The gradient of the mean loss over all rows, and what they add up to."""
        import tensorflow as tf

        whole, rest = divmod(rows.shape[0], self._batch_size)
        if whole + bool(rest) == 1:
            return self._of_part(rows, 1.0)

        def add(index: Tensor, gradients: list[Tensor], sums: Tensor) -> tuple[list[Tensor], Tensor]:
            first = [index * self._batch_size, *[0] * (len(rows.shape) - 1)]
            part = tf.slice(rows, first, [self._batch_size, *rows.shape[1:]])
            return plus(part, gradients, sums)

        def plus(part: Tensor, gradients: list[Tensor], sums: Tensor) -> tuple[list[Tensor], Tensor]:
            more, what = self._of_part(part, part.shape[0] / rows.shape[0])
            return [a if b is None else a + b for a, b in zip(gradients, more, strict=True)], sums + what

        zeros = [tf.zeros(each.shape, each.dtype) for each in self._learner.model.trainable_variables]
        gradients, sums = self._learner.team.repeat(whole, add, (zeros, tf.zeros(self._learner.sums, tf.float64)))
        return plus(rows[whole * self._batch_size :], gradients, sums) if rest else (gradients, sums)

    def _of_part(self, rows: Tensor, share: float) -> tuple[list[Tensor], Tensor]:
        """The gradient of `share` of the mean loss of the rows, and what they add up to."""
        import tensorflow as tf

        learner = self._learner
        mine, weight = learner.team.share(rows)
        with tf.GradientTape() as tape:
            loss, penalty, metrics = learner.forward(self._take(mine), training=True)
            loss *= weight
            scaled = learner.optimizer.scale_loss((loss + penalty) * share)
        gradients = tape.gradient(scaled, learner.model.trainable_variables)
        return list(map(_whole, gradients)), _sums(loss, penalty, [each * weight for each in metrics], rows)


def added(numbers: Iterable[Tensor]) -> Tensor:
    """The sum of one tensor or more."""
    return reduce(operator.add, numbers)


def _whole(gradient: Tensor | None) -> Tensor | None:
    """A gradient of an embedding, which comes as a row for each token, as one array, each of its rows summed up.

    Keras's optimizers take the rows as they are, and so would square each instead of the sum of those of one token.
    """
    import tensorflow as tf

    return tf.convert_to_tensor(gradient) if isinstance(gradient, tf.IndexedSlices) else gradient


def _sums(loss: Tensor, penalty: Tensor, metrics: Sequence[Tensor], rows: Tensor) -> Tensor:
    import tensorflow as tf

    count = float(rows.shape[0])
    return tf.cast(tf.stack([loss + penalty, *metrics, 1.0, 0.0]), tf.float64) * count
