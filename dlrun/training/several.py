"""Several targets: the losses of the outputs, their weighted sum, and what is followed of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlrun.training.followed import Followed

Tensor = Any
ByTarget = Mapping[str, Tensor]
"""Of each target, by its name."""

Outputs = Sequence[Tensor]
"""Of a network, one for each target in their order."""


@dataclass(frozen=True)
class WeightedLosses:
    """sum of weight · loss over the targets.

    Args:
        losses: the Keras loss of each target.
        weights: how much it counts.
    """

    losses: Mapping[str, Any]
    weights: Mapping[str, float]

    def __call__(self, y: ByTarget, outputs: Outputs, sample_weight: ByTarget | None = None) -> Tensor:
        """Of targets and outputs as each loss takes them; a scalar, float32."""
        import tensorflow as tf

        losses = self.each(y, outputs, sample_weight)
        return tf.add_n([self.weights[name] * loss for name, loss in losses.items()])

    def each(self, y: ByTarget, outputs: Outputs, sample_weight: ByTarget | None) -> dict[str, Tensor]:
        """The loss of each target, not weighted; scalars, float32."""
        import tensorflow as tf

        given = sample_weight or {}
        return {
            name: tf.cast(loss(y[name], said, sample_weight=given.get(name)), tf.float32)
            for (name, loss), said in zip(self.losses.items(), outputs, strict=True)
        }


@dataclass(frozen=True)
class FollowedSeveral:
    """What is followed of several targets: the loss of each, and its metric.

    Args:
        losses: of the targets.
        metrics: by target, in the same order.
    """

    losses: WeightedLosses
    metrics: Mapping[str, Followed]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns in history.csv: `price_loss`, `price_mae`, …"""
        return tuple(f"{name}_{what}" for name, metric in self.metrics.items() for what in ("loss", metric.name))

    def means(
        self, y: ByTarget, outputs: Outputs, weight: ByTarget | None, share: Tensor | None, replicas: int
    ) -> list[Tensor]:
        """The losses and metrics of a batch, in the order of `names`, scalars each.

        Args:
            share: of the metrics of each example, (batch,), that is added up; None: all of them.
            replicas: by how many Keras divides a loss.
        """
        losses = self.losses.each(y, outputs, weight)
        return [
            number
            for (name, metric), said in zip(self.metrics.items(), outputs, strict=True)
            for number in (losses[name] * replicas, *metric.means(y[name], said, None, share, replicas))
        ]
