"""`kind: layers`: a plain list of Keras layers, for the network that no preset draws."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, Literal

from pydantic import Field

from dlrun.data.signature import Signature
from dlrun.errors import MisfitError
from dlrun.models.blocks import JOIN, Trunk, Units, keras_inputs, output_layer, sides, with_name
from dlrun.models.layer import (
    ConvLayer,
    DenseLayer,
    DropoutLayer,
    EmbeddingLayer,
    Layer,
    PoolLayer,
    RecurrentLayer,
    ReshapeLayer,
)
from dlrun.models.regularization import Regularization
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem


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
        if len(signature.without_name) > 1:
            names = ", ".join(entry.name for entry in signature.inputs)
            yield Problem(
                ("kind",), "a list of layers has one input", expected="one feature", received=names, hint=JOIN
            )
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

    def build(self, signature: Signature, units: Units, regularization: Regularization) -> Any:
        """The Keras model: the one input through all layers to (batch, units).

        Raises:
            MisfitError: naming the first layer that cannot read what the one before it gives.
        """
        import keras

        try:
            inputs, x = self.trunk(signature, regularization)
        except MisfitError as error:
            raise MisfitError(*(problem.under("architecture") for problem in error.problems)) from error
        return keras.Model(inputs, output_layer(x, units), name="layers")

    def trunk(self, signature: Signature, regularization: Regularization) -> Trunk:
        """The inputs by name, and what the output layer reads, (batch, features).

        Raises:
            MisfitError: as `build`, its place seen from this section.
        """
        inputs = keras_inputs(signature)
        (entry,) = signature.without_name
        x = with_name(inputs[entry.name], inputs, signature)
        for index, layer in enumerate(self.layers):
            before = x.shape[1:]
            name = f"{layer.kind}_{index + 1}"
            try:
                if isinstance(layer, EmbeddingLayer):
                    x = layer.build(x, regularization, name, entry.vocabulary_size or 1, trainable=entry.trainable)
                else:
                    x = layer.build(x, regularization, name)
                if min(side for side in x.shape[1:] if side is not None) < 1:
                    raise ValueError("nothing is left of it")
            except ValueError as error:
                raise MisfitError(_misfit(layer, before).under("layers", index)) from error
        if len(x.shape) > 2:
            raise MisfitError(
                Problem(
                    ("layers", len(self.layers) - 1, "kind"),
                    "the output layer reads one row per example",
                    expected="a last layer that gives (size)",
                    received=f"one that gives {tuple(x.shape[1:])}",
                    hint="add `{kind: flatten}` or `{kind: global_average_pool}`",
                )
            )
        return inputs, x


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
