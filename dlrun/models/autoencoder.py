"""`kind: autoencoder`: learns to give its input back through a narrow middle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from dlrun.data.signature import Signature
from dlrun.models.blocks import Activation, Dense, Positive, Size, Tensor, Units, keras_inputs, one_input, sides
from dlrun.models.regularization import Regularization
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem


class ConvEncoderBlock(Spec):
    """A convolution that makes the image smaller; the decoder mirrors it with a transposed one."""

    filters: Positive
    """Channels of the output."""
    kernel_size: Size = 3
    """Side of the window that slides over the input."""
    strides: Size = 2
    """By how much each side shrinks here and grows again in the decoder."""
    activation: Activation = "relu"
    """What follows the convolution."""


class Autoencoder(Spec):
    """Encoder, latent layer and decoder. The target is the input itself; the error also scores anomalies."""

    kind: Literal["autoencoder"]
    """Encoder, latent layer and decoder."""
    blocks: tuple[ConvEncoderBlock, ...] = ()
    """Convolutions before the dense layers, for images."""
    encoder: tuple[Dense, ...] = ()
    """The dense layers between the input and the latent layer."""
    latent: int = Field(ge=1)
    """Size of the latent layer, the narrow middle."""
    latent_activation: Activation = "linear"
    """Activation of the latent layer."""
    decoder: tuple[Dense, ...] | None = None
    """The dense layers between the latent layer and the output. Left out: the encoder's in reverse order."""
    output_activation: Literal["linear", "sigmoid"] = "linear"
    """linear for any numbers, sigmoid for inputs within [0, 1]."""
    noise: float = Field(default=0.0, ge=0, le=1)
    """Standard deviation of the normal noise added to the input while training, in the units of the encoded input:
    a denoising autoencoder."""

    def check(self, signature: Signature) -> Iterator[Problem]:
        """What in the data this network cannot read."""
        allowed = ("image",) if self.blocks else ("vector", "image", "series")
        yield from one_input(signature, "autoencoder", allowed, "an autoencoder on one image, series or table")

    def build(self, signature: Signature, units: Units, regularization: Regularization) -> Any:
        """The Keras model: the input, (batch, …), to its reconstruction of the same shape."""
        import keras
        from keras import layers

        inputs = keras_inputs(signature)
        (entry,) = signature.inputs
        x = inputs[entry.name]
        if self.noise:
            x = layers.GaussianNoise(self.noise, name="noise")(x)
        shapes = [entry.shape]
        for index, block in enumerate(self.blocks, 1):
            x = layers.Conv2D(
                block.filters,
                sides(block.kernel_size, 2),
                strides=sides(block.strides, 2),
                padding="same",
                activation=block.activation,
                kernel_regularizer=regularization.kernel(),
                name=f"encoder_conv_{index}",
            )(x)
            shapes.append(tuple(x.shape[1:]))
        if len(shapes[-1]) > 1:
            x = layers.Flatten(name="flatten")(x)
        for index, dense in enumerate(self.encoder, 1):
            x = dense.build(x, regularization, f"encoder_{index}")
        x = layers.Dense(
            self.latent, self.latent_activation, kernel_regularizer=regularization.kernel(), name="latent"
        )(x)
        decoder = self.encoder[::-1] if self.decoder is None else self.decoder
        for index, dense in enumerate(decoder, 1):
            x = dense.build(x, regularization, f"decoder_{index}")
        return keras.Model(inputs, self._reconstruct(x, shapes, regularization), name="autoencoder")

    def _reconstruct(self, x: Tensor, shapes: list[tuple[int, ...]], regularization: Regularization) -> Tensor:
        """From the last dense layer back to the input's shape, through `shapes` (input first) in reverse order."""
        from math import prod

        from keras import layers

        if not self.blocks:
            name = "output_flat" if len(shapes[0]) > 1 else "output"
            x = layers.Dense(prod(shapes[0]), self.output_activation, dtype="float32", name=name)(x)
            return layers.Reshape(shapes[0], name="output")(x) if len(shapes[0]) > 1 else x
        x = layers.Dense(prod(shapes[-1]), "relu", kernel_regularizer=regularization.kernel(), name="unflatten")(x)
        x = layers.Reshape(shapes[-1], name="unflatten_shape")(x)
        for index in range(len(self.blocks), 0, -1):
            block, (height, width, channels) = self.blocks[index - 1], shapes[index - 1]
            last = index == 1
            x = layers.Conv2DTranspose(
                channels,
                sides(block.kernel_size, 2),
                strides=sides(block.strides, 2),
                padding="same",
                activation=self.output_activation if last else self.blocks[index - 2].activation,
                kernel_regularizer=None if last else regularization.kernel(),
                dtype="float32" if last else None,
                name=f"decoder_conv_{index}",
            )(x)
            crop = (x.shape[1] - height, x.shape[2] - width)  # a side that the stride does not divide
            if any(crop):
                x = layers.Cropping2D(((0, crop[0]), (0, crop[1])), name=f"decoder_crop_{index}")(x)
        return x
