"""Mixup: each train example is mixed with another one of its step (Zhang et al. 2018, arXiv:1710.09412).

x = share · x_one + (1 - share) · x_other, with a share of its own for each example from Beta(alpha, alpha). Numbers
that are predicted are mixed likewise. For classes the loss is share · loss(y_one) + (1 - share) · loss(y_other), which
for a cross-entropy is that of mixed labels; so each class keeps its own weight.

The share follows from the seed, the epoch and the row of the example, and who is mixed with whom from the seed, the
epoch and the places in the step: neither depends on how a step is divided among workers and batches.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlrun.models.threefry import threefry, uniform
from dlrun.seeds import generator
from dlrun.training.step import Batch, Truth

if TYPE_CHECKING:
    import numpy as np

Tensor = Any

QUANTILE_BITS = 12
QUANTILES = 2**QUANTILE_BITS
"""How many shares there are to be drawn from; so what is drawn is that near to the distribution."""


@dataclass(frozen=True)
class Mixup:
    """What mixes the examples of a step.

    Args:
        alpha: of the Beta distribution.
        classes: whether a class is predicted; of several targets by name.
        seed: of the spec.
    """

    alpha: float
    classes: bool | Mapping[str, bool]
    seed: int

    def partners(self, epoch: Tensor, count: int) -> Tensor:
        """With whom each example of a step is mixed, by its place in it, (count,) int32: all as far away, counted in
        a circle, so that none is mixed with itself."""
        import tensorflow as tf

        zero = tf.zeros((), tf.uint32)
        word = threefry(self._key("partners", epoch), (zero, zero))[0]
        distance = 1 + tf.cast(uniform(word) * (count - 1), tf.int32)
        return tf.math.floormod(tf.range(count) + distance, count)

    def shares(self, epoch: Tensor, rows: Tensor) -> Tensor:
        """How much of each example is left, (batch,) float32; of their rows' numbers, (batch,) uint32."""
        import tensorflow as tf

        word = threefry(self._key("shares", epoch), (rows, tf.zeros_like(rows)))[0]
        which = tf.cast(tf.bitwise.right_shift(word, tf.constant(32 - QUANTILE_BITS, tf.uint32)), tf.int32)
        return tf.gather(tf.constant(quantiles(self.alpha)), which)

    def _key(self, what: str, epoch: Tensor) -> tuple[Tensor, Tensor]:
        import tensorflow as tf

        first, second = generator(self.seed, f"mixup {what}").integers(0, 2**32, 2, dtype="uint32").tolist()
        return tf.constant(first, tf.uint32), tf.constant(second, tf.uint32) ^ tf.cast(epoch, tf.uint32)

    def mix(self, one: Batch, other: Batch, share: Tensor, images: Collection[str]) -> Batch:
        """A batch of mixed examples.

        Args:
            one, other: what is mixed, (inputs, target) or (inputs, target, weights).
            share: of the first, (batch,).
            images: the inputs that are mixed: all of them.
        """
        import tensorflow as tf

        (x, y, *weights), (other_x, other_y, *other_weights) = one, other

        def target(which: int) -> Any:
            def of_one(is_class: bool, a: Tensor, b: Tensor) -> Tensor:
                return (a, b)[which] if is_class else mixed(a, b, share)

            return tf.nest.map_structure(of_one, self.classes, y, other_y)

        x = {name: mixed(x[name], other_x[name], share) for name in images}
        first, second = target(0), target(1)
        if not any(tf.nest.flatten(self.classes)):
            return x, first
        rest = 1 - share
        return (
            x,
            Truth(first, weighed(first, share, *weights), share),
            Truth(second, weighed(second, rest, *other_weights), rest),
        )


def mixed(one: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """share · one + (1 - share) · other, of (batch, …) each, with a share for each example, (batch,)."""
    import tensorflow as tf

    share = tf.reshape(share, (-1, *([1] * (len(one.shape) - 1))))
    return share * one + (1 - share) * other


def weighed(target: Any, share: Tensor, weights: Any = None) -> Any:
    """How much each example counts: its share times its weight; of several targets for each by name."""
    if isinstance(target, Mapping):
        return {name: share * weights[name] if weights and name in weights else share for name in target}
    return share if weights is None else share * weights


def quantiles(alpha: float) -> np.ndarray:
    """The distribution Beta(alpha, alpha) as so many numbers that each are as likely: its inverse function at the
    middle of `QUANTILES` equal parts, (QUANTILES,) float32."""
    import numpy as np
    from scipy.special import betaincinv

    middles = (np.arange(QUANTILES) + 0.5) / QUANTILES
    return np.asarray(betaincinv(alpha, alpha, middles), np.float32)
