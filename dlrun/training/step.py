"""One step of a training: forward, loss, gradient, update; on one replica or on its share of a larger batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlrun.training.followed import Followed

Tensor = Any
Batch = tuple[Tensor, ...]
"""(inputs by name, target) or (inputs by name, target, weights)."""

SUMS = 4
"""How many numbers a step adds up: loss times examples, metric times examples, examples, steps that were skipped."""

SKIPPED = (0.0, 0.0, 0.0, 1.0)
"""What a step adds up that leaves the weights as they are."""


@dataclass(frozen=True)
class Learner:
    """A network with all that makes it learn.

    Args:
        model: the Keras model, its inputs by name.
        optimizer: a Keras optimizer, built for the model's trainable variables.
        loss: the Keras loss of targets and outputs.
        metric: what is followed beside the loss.
    """

    model: Any
    optimizer: Any
    loss: Any
    metric: Followed

    @property
    def names(self) -> tuple[str, str]:
        """Of the two numbers that are followed: the loss, penalties included, and the metric."""
        return "loss", self.metric.name

    def forward(self, batch: Batch, *, training: bool) -> tuple[Tensor, Tensor, Tensor]:
        """The loss of a batch, the penalties of the network's weights and layers, and the metric: scalars each."""
        import tensorflow as tf

        x, y, *weights = batch
        outputs = self.model(x, training=training)
        loss = tf.cast(self.loss(y, outputs, sample_weight=weights[0] if weights else None), tf.float32)
        penalties = self.model.losses
        penalty = tf.add_n([tf.cast(each, tf.float32) for each in penalties]) if penalties else tf.constant(0.0)
        return loss, penalty, tf.reduce_mean(tf.cast(self.metric.values(y, outputs), tf.float32))

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
    """The steps of a learner, to be called in a graph.

    Args:
        learner: what learns.
        take: gives the batch of row numbers (batch,).
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
        """Moves the weights once by the examples of the rows, (n,); what it adds up, (SUMS,) float64."""
        import tensorflow as tf

        if not self._skips:
            gradients, sums = self._gradients(rows)
            self._learner.apply(gradients)
            return sums
        statistics = self._learner.model.non_trainable_weights  # which batch normalization moves in the forward pass
        before = [tf.identity(variable.value) for variable in statistics]
        gradients, sums = self._gradients(rows)
        finite = tf.math.is_finite(sums[0]) & self._learner.are_finite(gradients)
        for variable, value in zip(statistics, before, strict=True):
            variable.assign(tf.where(finite, variable.value, value))
        tf.cond(finite, lambda: self._learner.apply(gradients), lambda: None)
        return tf.where(finite, sums, tf.constant(SKIPPED, tf.float64))

    def validate(self, rows: Tensor) -> Tensor:
        """What the examples of the rows, (n,), add up to in evaluation mode, (SUMS,) float64."""
        return _sums(*self._learner.forward(self._take(rows), training=False), rows)

    def _gradients(self, rows: Tensor) -> tuple[list[Tensor], Tensor]:
        """The gradient of the mean loss over all rows, and what they add up to."""
        import tensorflow as tf

        whole, rest = divmod(rows.shape[0], self._batch_size)
        if whole + bool(rest) == 1:
            return self._of_part(rows, 1.0)

        def add(index: Tensor, gradients: list[Tensor], sums: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
            first = index * self._batch_size
            return index + 1, *plus(tf.slice(rows, [first], [self._batch_size]), gradients, sums)

        def plus(part: Tensor, gradients: list[Tensor], sums: Tensor) -> tuple[list[Tensor], Tensor]:
            more, what = self._of_part(part, part.shape[0] / rows.shape[0])
            return [a if b is None else a + b for a, b in zip(gradients, more, strict=True)], sums + what

        # A loop rather than one part after the other in the graph, which would run them side by side, and so need the
        # memory of all of them.
        zeros = [tf.zeros(each.shape, each.dtype) for each in self._learner.model.trainable_variables]
        start = (tf.constant(0), zeros, tf.zeros(SUMS, tf.float64))
        _, gradients, sums = tf.while_loop(lambda index, *_: index < whole, add, start, parallel_iterations=1)
        return plus(rows[whole * self._batch_size :], gradients, sums) if rest else (gradients, sums)

    def _of_part(self, rows: Tensor, share: float) -> tuple[list[Tensor], Tensor]:
        """The gradient of `share` of the mean loss of the rows, and what they add up to."""
        import tensorflow as tf

        learner = self._learner
        with tf.GradientTape() as tape:
            loss, penalty, metric = learner.forward(self._take(rows), training=True)
            scaled = learner.optimizer.scale_loss((loss + penalty) * share)
        gradients = tape.gradient(scaled, learner.model.trainable_variables)
        return list(map(_whole, gradients)), _sums(loss, penalty, metric, rows)


def _whole(gradient: Tensor | None) -> Tensor | None:
    """A gradient of an embedding, which comes as a row for each token, as one array, each of its rows summed up.

    Keras's optimizers take the rows as they are, and so would square each instead of the sum of those of one token.
    """
    import tensorflow as tf

    return tf.convert_to_tensor(gradient) if isinstance(gradient, tf.IndexedSlices) else gradient


def _sums(loss: Tensor, penalty: Tensor, metric: Tensor, rows: Tensor) -> Tensor:
    import tensorflow as tf

    count = float(rows.shape[0])
    return tf.cast(tf.stack([loss + penalty, metric, 1.0, 0.0]), tf.float64) * count
