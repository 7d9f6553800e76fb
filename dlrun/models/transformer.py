"""`kind: transformer`: an encoder of self-attention over texts and series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from dlrun.data.signature import Signature
from dlrun.models.blocks import (
    Activation,
    Dense,
    Tensor,
    Trunk,
    Units,
    dense_stack,
    dropout,
    keras_inputs,
    one_input,
    output_layer,
    with_name,
)
from dlrun.models.regularization import Regularization
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem


class Transformer(Spec):
    """An encoder with learned positions, normalised before each sub-layer (Xiong et al. 2020, arXiv:2002.04745)."""

    kind: Literal["transformer"]
    """An encoder of self-attention."""
    embedding_size: int = Field(default=64, ge=1)
    """Size of a token's or a time step's vector throughout the network."""
    blocks: int = Field(default=2, ge=1)
    """How many times attention and the dense pair after it follow each other."""
    heads: int = Field(default=4, ge=1)
    """How many attentions work side by side; divides the embedding size."""
    feed_forward: int = Field(default=128, ge=1)
    """Hidden units of the dense pair in each block."""
    activation: Activation = "gelu"
    """Activation between the dense pair."""
    pooling: Literal["average", "max"] = "average"
    """What is kept of the sequence: the mean or the maximum over time, padding left out."""
    dense: tuple[Dense, ...] = ()
    """The hidden dense layers between the encoder and the output."""

    def check(self, signature: Signature) -> Iterator[Problem]:
        """What in the data this network cannot read."""
        yield from one_input(signature, "transformer", ("tokens", "series"), "cnn for an image, ann for a table")

    def check_alone(self) -> Iterator[Problem]:
        """What is wrong whatever the data is."""
        if self.embedding_size % self.heads:
            yield Problem(
                ("heads",),
                "the heads share the embedding evenly",
                expected=f"a divisor of the embedding_size {self.embedding_size}",
                received=str(self.heads),
                hint=f"write one of {', '.join(str(n) for n in divisors(self.embedding_size))}",
                at="value" if "heads" in self.model_fields_set else "key",
            )

    def build(self, signature: Signature, units: Units, regularization: Regularization) -> Any:
        """The Keras model: tokens (batch, time) or series (batch, time, variables) to (batch, units)."""
        import keras

        inputs, x = self.trunk(signature, regularization)
        return keras.Model(inputs, output_layer(x, units), name="transformer")

    def trunk(self, signature: Signature, regularization: Regularization) -> Trunk:
        """The inputs by name, and what the output layer reads, (batch, features)."""
        import keras
        from keras import layers

        inputs = keras_inputs(signature)
        (entry,) = signature.without_name
        raw = inputs[entry.name]
        if entry.kind == "tokens":
            x = layers.Embedding(
                entry.vocabulary_size, self.embedding_size, trainable=entry.trainable, name="embedding"
            )(raw)
            present = keras.ops.not_equal(raw, 0)  # (batch, time)
        else:
            x = layers.Dense(self.embedding_size, name="embedding")(with_name(raw, inputs, signature))
            present = None
        x = x + self._positions(x, entry.shape[0])
        x = dropout(x, None, regularization, "embedding")
        for index in range(1, self.blocks + 1):
            x = self.block(x, present, regularization, f"block_{index}")
        x = layers.LayerNormalization(name="norm")(x)
        return inputs, dense_stack(self._pool(x, present), self.dense, regularization)

    def _positions(self, x: Tensor, time: int) -> Tensor:
        """A learned vector for each position, (batch, time, embedding_size).

        The numbers 0 … time - 1 are counted off the input, so that the embedding is a layer of the saved model.
        """
        from keras import layers, ops

        numbers = ops.cumsum(ops.ones_like(x[:, :, 0], dtype="int32"), axis=1) - 1
        return layers.Embedding(time, self.embedding_size, name="positions")(numbers)

    def block(self, x: Tensor, present: Tensor | None, regularization: Regularization, name: str) -> Tensor:
        """Puts attention and the dense pair, each beside what it adds to, behind `x`, (batch, time, embedding_size).

        Args:
            present: (batch, time), which steps are no padding; None for all.
        """
        from keras import layers, ops

        y = layers.LayerNormalization(name=f"{name}_attention_norm")(x)
        attention = layers.MultiHeadAttention(
            self.heads,
            self.embedding_size // self.heads,
            kernel_regularizer=regularization.kernel(),
            name=f"{name}_attention",
        )
        mask = None if present is None else ops.expand_dims(present, 1)  # (batch, 1, time): nobody looks at padding
        y = attention(y, y, attention_mask=mask)
        x = x + dropout(y, None, regularization, f"{name}_attention")
        y = layers.LayerNormalization(name=f"{name}_dense_norm")(x)
        y = layers.Dense(
            self.feed_forward, self.activation, kernel_regularizer=regularization.kernel(), name=f"{name}_dense_1"
        )(y)
        y = layers.Dense(self.embedding_size, kernel_regularizer=regularization.kernel(), name=f"{name}_dense_2")(y)
        return x + dropout(y, None, regularization, f"{name}_dense")

    def _pool(self, x: Tensor, present: Tensor | None) -> Tensor:
        """The mean or maximum over time of the steps that are no padding: (batch, time, size) to (batch, size)."""
        from keras import ops

        if present is None:
            return ops.mean(x, axis=1) if self.pooling == "average" else ops.max(x, axis=1)
        weight = ops.expand_dims(ops.cast(present, x.dtype), -1)
        if self.pooling == "average":
            return ops.sum(x * weight, axis=1) / ops.maximum(ops.sum(weight, axis=1), 1.0)
        return ops.max(x - (1.0 - weight) * 1e4, axis=1)


def divisors(number: int, most: int = 8) -> list[int]:
    """The numbers that divide a number, the smallest ones."""
    return [n for n in range(1, number + 1) if number % n == 0][:most]
