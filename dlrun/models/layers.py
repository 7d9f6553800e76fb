"""`kind: layers`: a plain list of Keras layers, for the network that no preset draws."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Annotated, Any, Literal

from pydantic import Field

from dlrun.data.signature import Signature
from dlrun.errors import MisfitError
from dlrun.models.blocks import Activation, Positive, Share, Size, Tensor, keras_inputs, output_layer, sides
from dlrun.models.regularization import Regularization
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem


class DenseLayer(Spec):
    """keras.layers.Dense: (batch, …, features) to (batch, …, units)."""

    kind: Literal["dense"]
    """A dense layer."""
    units: Positive
    """Size of the output."""
    activation: Activation = "linear"
    """What follows."""
    use_bias: bool = True
    """Whether a bias is added."""

    def build(self, x: Tensor, regularization: Regularization, name: str) -> Tensor:
        """Puts the layer behind `x`."""
        from keras import layers

        kernel = regularization.kernel()
        return layers.Dense(self.units, self.activation, self.use_bias, kernel_regularizer=kernel, name=name)(x)


class ConvLayer(Spec):
    """keras.layers.Conv1D or Conv2D: (batch, …, channels) to (batch, …, filters)."""

    kind: Literal["conv1d", "conv2d"]
    """A convolution over one direction or two."""
    filters: Positive
    """Channels of the output."""
    kernel_size: Size
    """Side of the window."""
    strides: Size = 1
    """How far the window moves at each step."""
    padding: Literal["valid", "same"] = "valid"
    """valid: the window stays inside; same: the border is filled with zeros."""
    dilation: Positive = 1
    """Distance of the window's points."""
    activation: Activation = "linear"
    """What follows."""
    use_bias: bool = True
    """Whether a bias is added."""

    def build(self, x: Tensor, regularization: Regularization, name: str) -> Tensor:
        """Puts the layer behind `x`."""
        from keras import layers

        layer, rank = (layers.Conv1D, 1) if self.kind == "conv1d" else (layers.Conv2D, 2)
        return layer(
            self.filters,
            sides(self.kernel_size, rank),
            sides(self.strides, rank),
            self.padding,
            dilation_rate=self.dilation,
            activation=self.activation,
            use_bias=self.use_bias,
            kernel_regularizer=regularization.kernel(),
            name=name,
        )(x)


class PoolLayer(Spec):
    """keras.layers.MaxPooling or AveragePooling."""

    kind: Literal["max_pool1d", "max_pool2d", "average_pool1d", "average_pool2d"]
    """The maximum or the mean of each window."""
    pool_size: Size = 2
    """Side of the window."""
    strides: Size | None = None
    """How far the window moves. Left out: its own side."""
    padding: Literal["valid", "same"] = "valid"
    """valid: the window stays inside; same: the border is filled."""

    def build(self, x: Tensor, regularization: Regularization, name: str) -> Tensor:
        """Puts the layer behind `x`."""
        from keras import layers

        rank = 1 if self.kind.endswith("1d") else 2
        layer = getattr(layers, f"{'Max' if self.kind.startswith('max') else 'Average'}Pooling{rank}D")
        strides = None if self.strides is None else sides(self.strides, rank)
        return layer(sides(self.pool_size, rank), strides, self.padding, name=name)(x)


class GlobalPoolLayer(Spec):
    """The mean or maximum of each channel: (batch, …, channels) to (batch, channels)."""

    kind: Literal["global_average_pool", "global_max_pool"]
    """The mean or the maximum over all positions."""

    def build(self, x: Tensor, regularization: Regularization, name: str) -> Tensor:
        """Puts the layer behind `x`."""
        from keras import layers

        pooling = "Average" if self.kind == "global_average_pool" else "Max"
        return getattr(layers, f"Global{pooling}Pooling{len(x.shape) - 2}D", layers.Identity)(name=name)(x)


class RecurrentLayer(Spec):
    """keras.layers.LSTM, GRU or SimpleRNN: (batch, time, features) to (batch, units) or (batch, time, units)."""

    kind: Literal["lstm", "gru", "simple_rnn"]
    """A recurrent layer."""
    units: Positive
    """Size of the state."""
    return_sequences: bool = False
    """Whether the state of each time step is kept, or the last alone."""
    bidirectional: bool = False
    """Whether it also reads backwards, and both outputs are joined."""
    recurrent_dropout: Share = 0.0
    """Share of the state that is set to zero at each time step while training."""

    def build(self, x: Tensor, regularization: Regularization, name: str) -> Tensor:
        """Puts the layer behind `x`."""
        from keras import layers

        layer = {"lstm": layers.LSTM, "gru": layers.GRU, "simple_rnn": layers.SimpleRNN}[self.kind](
            self.units,
            return_sequences=self.return_sequences,
            recurrent_dropout=self.recurrent_dropout,
            kernel_regularizer=regularization.kernel(),
            name=name,
        )
        return (layers.Bidirectional(layer, name=f"{name}_both_ways") if self.bidirectional else layer)(x)


class EmbeddingLayer(Spec):
    """keras.layers.Embedding: tokens (batch, time) to (batch, time, size)."""

    kind: Literal["embedding"]
    """A vector for each token; the vocabulary's size comes from the data."""
    size: Positive
    """Size of a token's vector."""
    mask_padding: bool = False
    """Whether the layers behind skip padding."""

    def build(self, x: Tensor, regularization: Regularization, name: str, vocabulary_size: int = 0) -> Tensor:
        """Puts the layer behind `x`."""
        from keras import layers

        return layers.Embedding(vocabulary_size, self.size, mask_zero=self.mask_padding, name=name)(x)


class DropoutLayer(Spec):
    """keras.layers.Dropout, SpatialDropout (whole channels) or GaussianNoise."""

    kind: Literal["dropout", "spatial_dropout", "gaussian_noise"]
    """What happens to the values while training."""
    rate: float = Field(ge=0)
    """Share that is set to zero, below 1; for gaussian_noise its standard deviation, up to 1."""

    def check(self) -> Iterator[Problem]:
        """What is wrong whatever the data is."""
        received = f"{self.rate:g}"
        if self.kind == "gaussian_noise" and self.rate > 1:
            yield Problem(("rate",), "too large", expected="a standard deviation from 0 to 1", received=received)
        elif self.kind != "gaussian_noise" and self.rate >= 1:
            yield Problem(("rate",), "nothing would be left", expected="a number from 0 to below 1", received=received)

    def build(self, x: Tensor, regularization: Regularization, name: str) -> Tensor:
        """Puts the layer behind `x`."""
        from keras import layers

        match self.kind:
            case "dropout":
                return layers.Dropout(self.rate, name=name)(x)
            case "gaussian_noise":
                return layers.GaussianNoise(self.rate, name=name)(x)
            case "spatial_dropout":
                return getattr(layers, f"SpatialDropout{len(x.shape) - 2}D", layers.Dropout)(self.rate, name=name)(x)


class NormLayer(Spec):
    """keras.layers.BatchNormalization or LayerNormalization."""

    kind: Literal["batch_norm", "layer_norm"]
    """Normalised over the batch or over the features of each example."""

    def build(self, x: Tensor, regularization: Regularization, name: str) -> Tensor:
        """Puts the layer behind `x`."""
        from keras import layers

        layer = layers.BatchNormalization if self.kind == "batch_norm" else layers.LayerNormalization
        return layer(name=name)(x)


class ActivationLayer(Spec):
    """keras.layers.Activation."""

    kind: Literal["activation"]
    """An activation on its own, for example behind a normalization."""
    activation: Activation
    """Which one."""

    def build(self, x: Tensor, regularization: Regularization, name: str) -> Tensor:
        """Puts the layer behind `x`."""
        from keras import layers

        return layers.Activation(self.activation, name=name)(x)


class FlattenLayer(Spec):
    """keras.layers.Flatten: (batch, …) to (batch, size)."""

    kind: Literal["flatten"]
    """All values of an example in one row."""

    def build(self, x: Tensor, regularization: Regularization, name: str) -> Tensor:
        """Puts the layer behind `x`."""
        from keras import layers

        return layers.Flatten(name=name)(x)


class ReshapeLayer(Spec):
    """keras.layers.Reshape."""

    kind: Literal["reshape"]
    """The same values in another shape."""
    shape: tuple[Positive, ...] = Field(min_length=1)
    """The new shape of one example, without the batch."""

    def build(self, x: Tensor, regularization: Regularization, name: str) -> Tensor:
        """Puts the layer behind `x`."""
        from keras import layers

        return layers.Reshape(self.shape, name=name)(x)


Layer = Annotated[
    DenseLayer
    | ConvLayer
    | PoolLayer
    | GlobalPoolLayer
    | RecurrentLayer
    | EmbeddingLayer
    | DropoutLayer
    | NormLayer
    | ActivationLayer
    | FlattenLayer
    | ReshapeLayer,
    Field(discriminator="kind"),
]


class Layers(Spec):
    """A plain list of layers. The output layer is added behind them, as for every architecture."""

    kind: Literal["layers"]
    """The free form: a list of layers."""
    layers: tuple[Layer, ...] = Field(min_length=1)
    """The layers, from the input on, without the output layer."""

    def check_alone(self) -> Iterator[Problem]:
        """What is wrong whatever the data is."""
        for index, layer in enumerate(self.layers):
            if isinstance(layer, DropoutLayer):
                yield from (problem.under("layers", index) for problem in layer.check())

    def check(self, signature: Signature) -> Iterator[Problem]:
        """What in the data this network cannot read, and an output layer written by hand."""
        if len(signature.inputs) > 1:
            names = ", ".join(entry.name for entry in signature.inputs)
            yield Problem(("kind",), "a list of layers has one input", expected="one feature", received=names)
        tokens = signature.inputs[0].kind == "tokens"
        for index, layer in enumerate(self.layers):
            if isinstance(layer, EmbeddingLayer) != (tokens and index == 0):
                yield Problem(
                    ("layers", index, "kind"),
                    "an embedding stands first, and reads a text" if tokens else "an embedding reads a text",
                    expected="an embedding" if tokens and index == 0 else "another layer",
                    received=layer.kind,
                )
        last, output = self.layers[-1], signature.output
        if isinstance(last, DenseLayer) and last.units == output.size and last.activation == "sigmoid":
            yield Problem(
                ("layers", len(self.layers) - 1, "kind"),
                "the output layer is added by itself, in logits",
                expected="the last hidden layer",
                received=f"a dense layer of {last.units} with {last.activation}, as if it were the output",
                hint="take it out",
            )

    def build(self, signature: Signature, units: int, regularization: Regularization) -> Any:
        """The Keras model: the one input through all layers to (batch, units).

        Raises:
            MisfitError: naming the first layer that cannot read what the one before it gives.
        """
        import keras

        inputs = keras_inputs(signature)
        (entry,) = signature.inputs
        x = inputs[entry.name]
        for index, layer in enumerate(self.layers):
            before = x.shape[1:]
            name = f"{layer.kind}_{index + 1}"
            try:
                if isinstance(layer, EmbeddingLayer):
                    x = layer.build(x, regularization, name, entry.vocabulary_size or 1)
                else:
                    x = layer.build(x, regularization, name)
                if min(side for side in x.shape[1:] if side is not None) < 1:
                    raise ValueError("nothing is left of it")
            except ValueError as error:
                raise MisfitError(_misfit(layer, before).under("architecture", "layers", index)) from error
        if len(x.shape) > 2:
            raise MisfitError(
                Problem(
                    ("architecture", "layers", len(self.layers) - 1, "kind"),
                    "the output layer reads one row per example",
                    expected="a last layer that gives (size)",
                    received=f"one that gives {tuple(x.shape[1:])}",
                    hint="add `{kind: flatten}` or `{kind: global_average_pool}`",
                )
            )
        return keras.Model(inputs, output_layer(x, units), name="layers")


def _misfit(layer: Layer, before: tuple[int, ...]) -> Problem:
    """Why a layer cannot read values of a shape, as far as its kind tells, and what to put before it."""
    expected = hint = None
    axes = _axes(layer)
    if axes and len(before) != len(axes):
        expected = f"values of the shape ({', '.join(axes)})"
        hint = _reshaping(before, axes)
    elif isinstance(layer, ConvLayer) and layer.dilation > 1 and max(sides(layer.strides, 2)) > 1:
        return Problem(
            ("dilation",),
            "a window that moves by more than one place cannot be dilated",
            expected="1, or strides: 1",
            received=str(layer.dilation),
        )
    elif isinstance(layer, ConvLayer | PoolLayer):
        size = layer.kernel_size if isinstance(layer, ConvLayer) else layer.pool_size
        reach = layer.dilation if isinstance(layer, ConvLayer) else 1
        window = (1 + reach * (side - 1) for side in sides(size, len(axes) - 1))
        expected = f"values at least as large as its window, {' × '.join(map(str, window))}"
        name = "kernel_size" if isinstance(layer, ConvLayer) else "pool_size"
        hint = f"a smaller {name}, `padding: same`, or fewer layers that make the values smaller"
    elif isinstance(layer, ReshapeLayer):
        expected = f"the same number of values, {prod(layer.shape)}"
        hint = f"write a shape whose numbers multiply to {prod(before)}"
    elif not before:
        hint = "encoding: one_hot in the feature makes a vector of a category"
    return Problem(
        ("kind",),
        f"{layer.kind} cannot read what the layer before it gives",
        expected=expected,
        received=f"values of the shape {tuple(before)}",
        hint=hint,
    )


def _axes(layer: Layer) -> tuple[str, ...]:
    """What the axes of the values are that a layer reads; empty where it reads any number of them."""
    if isinstance(layer, RecurrentLayer):
        return ("time", "features")
    if isinstance(layer, ConvLayer | PoolLayer):
        return ("time", "features") if layer.kind.endswith("1d") else ("height", "width", "channels")
    return ()


def _reshaping(before: tuple[int, ...], axes: tuple[str, ...]) -> str:
    """The layer that gives values the number of axes that is needed."""
    match len(before), len(axes):
        case 1, 2:
            shape = f"{before[0]}, 1"
        case 2, 3:
            shape = f"{before[0]}, {before[1]}, 1"
        case 3, 2:
            shape = f"{before[0]}, {before[1] * before[2]}"
        case _:
            shape = ", ".join(axes)
    return f"add `{{kind: reshape, shape: [{shape}]}}` before it"
