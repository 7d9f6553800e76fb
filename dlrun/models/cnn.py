"""`kind: cnn`: convolutions over images (2-D), texts and series (1-D)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from dlrun.data.signature import Signature
from dlrun.models.blocks import (
    ConvBlock,
    Dense,
    Trunk,
    Units,
    dense_stack,
    one_input,
    output_layer,
    sequence,
    with_name,
)
from dlrun.models.regularization import Regularization
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem


class Cnn(Spec):
    """Convolutional blocks, then dense layers. 2-D on images, 1-D on texts and series."""

    kind: Literal["cnn"]
    """Convolutional blocks, then dense layers."""
    blocks: tuple[ConvBlock, ...] = Field(min_length=1)
    """The convolutional blocks, from the input on."""
    pooling: Literal["flatten", "global_average", "global_max"] = "flatten"
    """How the last block's channels become one row: all values, or the mean or maximum of each channel."""
    dense: tuple[Dense, ...] = ()
    """The hidden dense layers between the blocks and the output."""
    embedding_size: int = Field(default=128, ge=1)
    """Size of a token's embedding, for a text."""

    def check(self, signature: Signature) -> Iterator[Problem]:
        """What in the data this network cannot read, and blocks that leave nothing of the input."""
        wrong = list(one_input(signature, "cnn", ("image", "tokens", "series"), "ann for a table"))
        yield from wrong
        if not wrong:
            yield from self._check_sides(signature)

    def _check_sides(self, signature: Signature) -> Iterator[Problem]:
        (entry,) = signature.without_name
        sides = entry.shape[:1] if entry.kind == "tokens" else entry.shape[:-1]
        for index, block in enumerate(self.blocks):
            pairs = [f for f in ("kernel_size", "strides", "pool") if isinstance(getattr(block, f), tuple)]
            if len(sides) == 1 and pairs:
                yield Problem(
                    ("blocks", index, pairs[0]),
                    f"a sequence has one direction, and {pairs[0]} gives two",
                    expected="one whole number",
                    received=str(list(getattr(block, pairs[0]))),
                )
                return
            for field, side, after in block.output_sides(sides):
                if min(after) < 1:
                    left = " × ".join(str(n) for n in sides)
                    yield Problem(
                        ("blocks", index, field),
                        f"block {index + 1} of {len(self.blocks)} is left with less than one pixel"
                        if entry.kind == "image"
                        else f"block {index + 1} of {len(self.blocks)} is left with less than one step",
                        expected=f"a {field} of at most {min(sides)}",
                        received=f"{field} {side} on an input of {left}",
                        hint="take a block or a pooling out, or set `padding: same`",
                        at="value" if field in block.model_fields_set else "key",
                    )
                    return
                sides = after

    def build(self, signature: Signature, units: Units, regularization: Regularization) -> Any:
        """The Keras model: (batch, height, width, channels) or (batch, time, …) to (batch, units)."""
        import keras

        inputs, x = self.trunk(signature, regularization)
        return keras.Model(inputs, output_layer(x, units), name="cnn")

    def trunk(self, signature: Signature, regularization: Regularization) -> Trunk:
        """The inputs by name, and what the output layer reads, (batch, features)."""
        from keras import layers

        inputs, x = sequence(signature, self.embedding_size)
        x = with_name(x, inputs, signature)
        for index, block in enumerate(self.blocks, 1):
            x = block.build(x, regularization, f"conv_{index}")
        rank = len(x.shape) - 2
        match self.pooling:
            case "flatten":
                x = layers.Flatten(name="flatten")(x)
            case "global_average":
                x = getattr(layers, f"GlobalAveragePooling{rank}D")(name="global_average")(x)
            case "global_max":
                x = getattr(layers, f"GlobalMaxPooling{rank}D")(name="global_max")(x)
        return inputs, dense_stack(x, self.dense, regularization)
