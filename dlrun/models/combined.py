"""`kind: combined`: several inputs, each through an encoder of its own, joined to one network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from dlrun.data.signature import Input, Signature
from dlrun.errors import MisfitError
from dlrun.models.blocks import Dense, Tensor, Units, dense_stack, keras_inputs, output_layer
from dlrun.models.encoders import Encoder
from dlrun.models.regularization import Regularization
from dlrun.models.transformer import Transformer, divisors
from dlrun.spec.base import Spec
from dlrun.spec.near import nearest
from dlrun.spec.problem import Problem


class Concat(Spec):
    """All encoded inputs side by side."""

    kind: Literal["concat"]
    """Side by side."""

    def check_alone(self) -> Iterator[Problem]:
        """What is wrong whatever the data is: nothing can be."""
        yield from ()

    def build(self, encoded: Mapping[str, Tensor], regularization: Regularization) -> Tensor:
        """From (batch, n) each to (batch, sum of them)."""
        from keras import layers

        rows = list(encoded.values())
        return rows[0] if len(rows) == 1 else layers.Concatenate(name="joined")(rows)


class Attention(Spec):
    """Each encoded input is a token; they look at one another (as in Gorishniy et al. 2021, arXiv:2106.11959)."""

    kind: Literal["attention"]
    """Self-attention over the inputs."""
    size: int = Field(default=64, ge=1)
    """To how many numbers each input is brought."""
    heads: int = Field(default=4, ge=1)
    """How many attentions work side by side; divides the size."""
    blocks: int = Field(default=1, ge=1)
    """How many times attention and the dense pair after it follow each other."""

    def check_alone(self) -> Iterator[Problem]:
        """What is wrong whatever the data is."""
        if self.size % self.heads:
            yield Problem(
                ("heads",),
                "the heads share the size evenly",
                expected=f"a divisor of the size {self.size}",
                received=str(self.heads),
                hint=f"write one of {', '.join(str(n) for n in divisors(self.size))}",
                at="value" if "heads" in self.model_fields_set else "key",
            )

    def build(self, encoded: Mapping[str, Tensor], regularization: Regularization) -> Tensor:
        """From (batch, n) each to the mean of the tokens, (batch, size). No order: each has a projection of its own."""
        from keras import layers, ops

        tokens = [
            layers.Dense(self.size, kernel_regularizer=regularization.kernel(), name=f"{name}_token")(x)
            for name, x in encoded.items()
        ]
        x = ops.stack(tokens, axis=1)  # (batch, inputs, size)
        transformer = Transformer(
            kind="transformer", embedding_size=self.size, heads=self.heads, feed_forward=2 * self.size
        )
        for index in range(1, self.blocks + 1):
            x = transformer.block(x, None, regularization, f"joined_{index}")
        x = layers.LayerNormalization(name="joined_norm")(x)
        return layers.GlobalAveragePooling1D(name="joined")(x)


WAYS = ("concat", "attention")


def _by_name(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value not in WAYS:
        near = nearest(value, WAYS)
        raise ValueError(f"inputs are joined by {' or '.join(WAYS)}" + (f": write `{near}`" if near else ""))
    return {"kind": value}


Combine = Annotated[
    Annotated[Concat | Attention, Field(discriminator="kind")],
    BeforeValidator(_by_name, json_schema_input_type=Literal["concat", "attention"] | Concat | Attention),
]
"""`concat`, `attention`, or `{kind: attention, size: 64, heads: 4}`."""


class Combined(Spec):
    """An encoder for each input, then all of them joined, then dense layers. An encoder stands with its feature."""

    kind: Literal["combined"]
    """Several inputs, each with an encoder of its own, joined."""
    combine: Combine = Field(default_factory=lambda: Concat(kind="concat"))
    """How the encoded inputs are joined: concat, side by side; attention, each of them a token that looks at the
    others, {kind: attention, size: 64, heads: 4, blocks: 1}."""
    table: tuple[Dense, ...] = ()
    """The dense layers that read all numbers and one-hot categories without an encoder, which share one input. Left
    out: they are joined as they are."""
    dense: tuple[Dense, ...] = Field(default=(64,), validate_default=True)
    """The hidden dense layers between the joined inputs and the output."""

    def check_alone(self) -> Iterator[Problem]:
        """What is wrong whatever the data is."""
        yield from (problem.under("combine") for problem in self.combine.check_alone())

    def check(self, signature: Signature) -> Iterator[Problem]:
        """What in the data this network cannot read: nothing; what an encoder cannot read, `check_encoder` tells."""
        yield from ()

    def build(
        self,
        signature: Signature,
        units: Units,
        regularization: Regularization,
        encoders: Mapping[str, Encoder],
    ) -> Any:
        """The Keras model: each input through its encoder, a model in the model called `<input>_encoder`.

        Args:
            encoders: by the name of the input; one that has none goes through the layers of `table`.

        Raises:
            MisfitError: layers of an encoder do not fit one another; its place is seen from the encoder, under the
                name of the input.
        """
        import keras

        inputs = keras_inputs(signature)
        encoded: dict[str, Tensor] = {}
        for entry in signature.inputs:
            x = inputs[entry.name]
            if entry.name in encoders:
                x = _encoder(encoders[entry.name], entry, signature, regularization)(x)
            else:
                for index, block in enumerate(self.table, 1):
                    x = block.build(x, regularization, f"table_{index}")
            encoded[entry.name] = x
        x = dense_stack(self.combine.build(encoded, regularization), self.dense, regularization)
        return keras.Model(inputs, output_layer(x, units), name="combined")


def _encoder(encoder: Encoder, entry: Input, signature: Signature, regularization: Regularization) -> Any:
    """The Keras model of one input, to (batch, n). Its weights are called by the input too: two may be alike."""
    import keras

    name = f"{entry.name}_encoder"
    with keras.name_scope(name):
        try:
            inputs, x = encoder.trunk(Signature((entry,), signature.output), regularization)
        except MisfitError as error:
            raise MisfitError(*(problem.under(entry.name) for problem in error.problems)) from error
    return keras.Model(inputs[entry.name], x, name=name)
