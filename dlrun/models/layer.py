"""The entries of `kind: layers`: each a typed Keras layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from dlrun.models.blocks import Activation, Positive, Share, Size, Tensor, sides
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

    def build(
        self, x: Tensor, regularization: Regularization, name: str, vocabulary_size: int = 0, *, trainable: bool = True
    ) -> Tensor:
        """Puts the layer behind `x`."""
        from keras import layers

        embedding = layers.Embedding(
            vocabulary_size, self.size, mask_zero=self.mask_padding, trainable=trainable, name=name
        )
        return embedding(x)


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
