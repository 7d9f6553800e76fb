"""The `regularization` section: what keeps a network from learning its examples by heart."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from dlrun.spec.base import Spec


class Regularization(Spec):
    """Holds for the whole network; a block of the architecture may say otherwise for itself."""

    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the outputs that is set to zero while training, after each hidden dense, recurrent and attention
    layer. Convolutional blocks take it only where they say so themselves."""
    l1: float = Field(default=0.0, ge=0)
    """Weight of the sum of the kernels' absolute values, added to the loss."""
    l2: float = Field(default=0.0, ge=0)
    """Weight of the sum of the kernels' squares, added to the loss."""
    batch_norm: bool = False
    """Batch normalization between each hidden dense or convolutional layer and its activation."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of each label that is spread over all classes."""
    weight_decay: float | None = Field(default=None, ge=0)
    """Share of each weight (times the learning rate) that every step takes away, outside of the loss. Left out: 0.004
    for adamw, 0 for the other optimizers."""

    def kernel(self, l1: float | None = None, l2: float | None = None) -> Any | None:
        """The Keras regularizer of a kernel, a new one each time; None where there is nothing to add.

        Args:
            l1, l2: a block's own weights; None for those of this section.
        """
        import keras

        l1, l2 = (self.l1 if l1 is None else l1), (self.l2 if l2 is None else l2)
        return keras.regularizers.L1L2(l1=l1, l2=l2) if l1 or l2 else None
