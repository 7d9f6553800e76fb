"""What several architectures are made of: activations, dense and convolutional blocks, the way of tokens in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from dlrun.data.signature import PACKED, Input, Signature
from dlrun.models.regularization import Regularization
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

Tensor = Any
"""A symbolic tensor of Keras (`keras.KerasTensor`); Keras is not imported to say so."""

Units = int | Mapping[str, int]
"""How many outputs a network has: of its one target, or of each of several by its name."""

Trunk = tuple[dict[str, Tensor], Tensor]
"""The inputs of a network by name, and what its output layer reads, (batch, features)."""

Activation = Literal["relu", "elu", "gelu", "leaky_relu", "linear", "selu", "sigmoid", "silu", "softplus", "tanh"]

JOIN = "join them: `architecture: {kind: combined}`, and an encoder for each of data.features"
"""What to do with several inputs."""

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Penalty = Annotated[float, Field(ge=0)]


def _one_or_pair(value: object) -> str:
    return "<pair>" if isinstance(value, (list, tuple)) else "<one>"


Size = Annotated[
    Annotated[Positive, Tag("<one>")] | Annotated[tuple[Positive, Positive], Tag("<pair>")],
    Discriminator(_one_or_pair),
]
"""One number for every direction, or `[height, width]`."""


class DenseBlock(Spec):
    """A hidden dense layer; a bare number is its units."""

    units: Positive
    """Size of the output."""
    activation: Activation = "relu"
    """What follows the layer."""
    use_bias: bool = True
    """Whether a bias is added; with batch normalization there is none in any case."""
    batch_norm: bool | None = None
    """Batch normalization before the activation. Left out: as the regularization section says."""
    dropout: Share | None = None
    """Dropout after the activation. Left out: as the regularization section says."""
    l1: Penalty | None = None
    """Weight of the sum of this kernel's absolute values in the loss. Left out: as the regularization section says."""
    l2: Penalty | None = None
    """Weight of the sum of this kernel's squares in the loss. Left out: as the regularization section says."""

    def build(self, x: Tensor, regularization: Regularization, name: str) -> Tensor:
        """Puts the layer, its normalization, activation and dropout behind `x`, (batch, …, features)."""
        from keras import layers

        normalise = self.batch_norm if self.batch_norm is not None else regularization.batch_norm
        x = layers.Dense(
            self.units,
            activation=None if normalise else self.activation,
            use_bias=self.use_bias and not normalise,
            kernel_regularizer=regularization.kernel(self.l1, self.l2),
            name=name,
        )(x)
        if normalise:
            x = layers.BatchNormalization(name=f"{name}_norm")(x)
            x = layers.Activation(self.activation, name=f"{name}_activation")(x)
        return dropout(x, self.dropout, regularization, name)


def _units_alone(value: object) -> object:
    return {"units": value} if isinstance(value, int) and not isinstance(value, bool) else value


Dense = Annotated[DenseBlock, BeforeValidator(_units_alone, json_schema_input_type=int | DenseBlock)]


class ConvBlock(Spec):
    """One or more convolutions of one width, then pooling."""

    filters: Positive
    """Channels of the output."""
    kernel_size: Size = 3
    """Side of the window that slides over the input."""
    strides: Size = 1
    """How far the window moves at each step."""
    padding: Literal["valid", "same"] = "valid"
    """valid: the window stays inside, so the output is smaller; same: the border is filled with zeros."""
    convolutions: Positive = 1
    """How many such layers follow each other before the pooling."""
    activation: Activation = "relu"
    """What follows each convolution."""
    batch_norm: bool | None = None
    """Batch normalization before each activation. Left out: as the regularization section says."""
    pool: Size | None = None
    """Side of the pooling window, which is also its stride. Left out: no pooling."""
    pool_kind: Literal["max", "average"] = "max"
    """What the pooling keeps of its window."""
    dropout: Share = 0.0
    """Dropout of whole channels after the pooling."""
    l1: Penalty | None = None
    """Weight of the sum of this kernel's absolute values in the loss. Left out: as the regularization section says."""
    l2: Penalty | None = None
    """Weight of the sum of this kernel's squares in the loss. Left out: as the regularization section says."""

    def build(self, x: Tensor, regularization: Regularization, name: str) -> Tensor:
        """Puts the block behind `x`, (batch, time, channels) or (batch, height, width, channels)."""
        from keras import layers

        rank = len(x.shape) - 2
        normalise = self.batch_norm if self.batch_norm is not None else regularization.batch_norm
        for index in range(self.convolutions):
            layer = name if self.convolutions == 1 else f"{name}_{index + 1}"
            x = getattr(layers, f"Conv{rank}D")(
                self.filters,
                sides(self.kernel_size, rank),
                strides=sides(self.strides, rank),
                padding=self.padding,
                activation=None if normalise else self.activation,
                use_bias=not normalise,
                kernel_regularizer=regularization.kernel(self.l1, self.l2),
                name=layer,
            )(x)
            if normalise:
                x = layers.BatchNormalization(name=f"{layer}_norm")(x)
                x = layers.Activation(self.activation, name=f"{layer}_activation")(x)
        if self.pool is not None:
            pooling = {"max": f"MaxPooling{rank}D", "average": f"AveragePooling{rank}D"}[self.pool_kind]
            x = getattr(layers, pooling)(sides(self.pool, rank), name=f"{name}_pool")(x)
        if self.dropout:
            x = getattr(layers, f"SpatialDropout{rank}D")(self.dropout, name=f"{name}_dropout")(x)
        return x

    def output_sides(self, before: tuple[int, ...]) -> Iterator[tuple[str, int, tuple[int, ...]]]:
        """What each step of the block makes of the input's sides: (field, its largest side, sides after it).

        A side below 1 means that the step does not fit.
        """
        rank = len(before)
        kernel, strides = sides(self.kernel_size, rank), sides(self.strides, rank)
        now = before
        for _ in range(self.convolutions):
            if self.padding == "same":
                now = tuple(-(-side // stride) for side, stride in zip(now, strides, strict=True))
            else:
                now = tuple((n - k) // s + 1 if n >= k else 0 for n, k, s in zip(now, kernel, strides, strict=True))
            yield "kernel_size", max(kernel), now
        if self.pool is not None:
            pool = sides(self.pool, rank)
            yield "pool", max(pool), tuple(n // p for n, p in zip(now, pool, strict=True))


def sides(size: int | tuple[int, int], rank: int) -> tuple[int, ...]:
    """A size for each of `rank` directions."""
    return (size,) * rank if isinstance(size, int) else tuple(size)[:rank]


def dropout(x: Tensor, share: float | None, regularization: Regularization, name: str) -> Tensor:
    """Dropout of a block's own share, or of the regularization section's where it states none."""
    from keras import layers

    share = regularization.dropout if share is None else share
    return layers.Dropout(share, name=f"{name}_dropout")(x) if share else x


def dense_stack(x: Tensor, blocks: Sequence[DenseBlock], regularization: Regularization) -> Tensor:
    """The dense layers before the output."""
    for index, block in enumerate(blocks, 1):
        x = block.build(x, regularization, f"dense_{index}")
    return x


def keras_inputs(signature: Signature) -> dict[str, Tensor]:
    """One Keras input for each of the signature's, by name."""
    import keras

    return {entry.name: keras.Input(entry.shape, dtype=entry.dtype, name=entry.name) for entry in signature.inputs}


def sequence(
    signature: Signature, embedding_size: int, *, mask_padding: bool = False
) -> tuple[dict[str, Tensor], Tensor]:
    """The inputs and the one sequence among them as (batch, time, features): tokens are embedded, series stay, the name
    of a series is left to `with_name`."""
    from keras import layers

    inputs = keras_inputs(signature)
    (entry,) = signature.without_name
    x = inputs[entry.name]
    if entry.kind == "tokens":
        x = layers.Embedding(
            entry.vocabulary_size, embedding_size, mask_zero=mask_padding, trainable=entry.trainable, name="embedding"
        )(x)
    return inputs, x


def embedded(entry: Input, x: Tensor, size: int | None = None) -> Tensor:
    """A learned vector for each category, (batch,) to (batch, size).

    Args:
        size: as the architecture says it, where the feature says none; None: min(50, (categories + 1) / 2).
    """
    from keras import layers

    categories = entry.vocabulary_size or 1
    size = entry.embedding_size or size or min(50, (categories + 1) // 2)
    return layers.Embedding(categories, size, name=f"{entry.name}_embedding")(x)


def with_name(x: Tensor, inputs: Mapping[str, Tensor], signature: Signature) -> Tensor:
    """Steps of a series, (batch, time, variables), and behind the numbers of each, where the network embeds it, the
    name of the series: the same vector at all of them (as in Salinas et al. 2020, arXiv:1704.04110)."""
    from keras import layers

    name = signature.series_name
    if name is None:
        return x
    vector = embedded(name, inputs[name.name])
    repeated = layers.RepeatVector(x.shape[1], name=f"{name.name}_at_each_step")(vector)
    return layers.Concatenate(name="steps_with_name")([x, repeated])


def output_layer(x: Tensor, units: Units) -> Tensor | list[Tensor]:
    """The last layer, or one for each target in their order: logits or plain numbers, in float32 whatever the rest."""
    from keras import layers

    if not isinstance(units, int):
        return [
            layers.Dense(size, dtype="float32", name=f"output_{name}".replace("/", "_"))(x)
            for name, size in units.items()
        ]
    return layers.Dense(units, dtype="float32", name="output")(x)


def one_input(signature: Signature, kind: str, allowed: Sequence[str], instead: str) -> Iterator[Problem]:
    """Checks that there is exactly one input and that it is of an allowed kind.

    Args:
        kind: the architecture's.
        allowed: input kinds that it can read.
        instead: what to use for the others; part of the sentence "… : use {instead}".
    """
    inputs = signature.without_name
    received = ", ".join(describe(entry) for entry in inputs)
    *others, last = (INPUT_WORDS[word] for word in allowed)
    wanted = f"{', '.join(others)} or {last}" if others else last
    if len(inputs) > 1:
        yield Problem(
            ("kind",),
            f"{kind} reads one feature, not {len(inputs)}",
            expected=f"one feature: {wanted}",
            received=received,
            hint="keep one of them in data.features" if kind == "autoencoder" else JOIN,
        )
    elif inputs[0].kind not in allowed:
        yield Problem(
            ("kind",), f"{kind} cannot read these features", expected=wanted, received=received, hint=f"use {instead}"
        )


INPUT_WORDS = {
    "vector": "a table's columns",
    "image": "an image",
    "tokens": "a text",
    "series": "a time series",
    "index": "an embedded category",
}


def describe_inputs(signature: Signature) -> str:
    """All inputs in words."""
    return "; ".join(describe(entry) for entry in signature.inputs)


def describe(entry: Input) -> str:
    """An input in words, for an error: `image, an image of 28 × 28 × 1`, `30 numbers of a table`."""
    if entry.kind == "vector":
        count = entry.shape[0]
        numbers = f"{count} {'number' if count == 1 else 'numbers'} of a table"
        return numbers if entry.name == PACKED else f"{entry.name}, {numbers}"
    size = " × ".join(str(side) for side in entry.shape)
    return f"{entry.name}, {INPUT_WORDS[entry.kind]}" + (f" of {size}" if size else "")
