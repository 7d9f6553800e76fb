"""`kind: ann`: dense layers one after the other (a multi-layer perceptron)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from dlrun.data.signature import Input, Signature
from dlrun.models.blocks import JOIN, Dense, Trunk, Units, dense_stack, embedded, keras_inputs, output_layer
from dlrun.models.regularization import Regularization
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem


class Ann(Spec):
    """Dense layers. Reads tables, and images or series as one long row."""

    kind: Literal["ann"]
    """Dense layers one after the other."""
    dense: tuple[Dense, ...] = Field(default=(64,), validate_default=True)
    """The hidden layers, from the input to the output; `[]` leaves a linear model."""
    embedding_size: int | None = Field(default=None, ge=1)
    """Size of the embedding of each category with `encoding: embedding` whose feature does not say it. Left out:
    min(50, (categories + 1) / 2)."""

    def check(self, signature: Signature) -> Iterator[Problem]:
        """What in the data this network cannot read."""
        texts = [entry.name for entry in signature.inputs if entry.kind == "tokens"]
        if texts:
            yield Problem(
                ("kind",),
                "ann cannot read a text, since the order of its words would be lost",
                expected="a table's columns, an image or a time series",
                received=f"the text {texts[0]}",
                hint="use lstm, gru, cnn or transformer" if len(signature.inputs) == 1 else JOIN,
            )

    def build(self, signature: Signature, units: Units, regularization: Regularization) -> Any:
        """The Keras model: every input as one row, (batch, features), to (batch, units)."""
        import keras

        inputs, x = self.trunk(signature, regularization)
        return keras.Model(inputs, output_layer(x, units), name="ann")

    def trunk(self, signature: Signature, regularization: Regularization) -> Trunk:
        """The inputs by name, and what the output layer reads, (batch, features)."""
        from keras import layers

        inputs = keras_inputs(signature)
        rows = [self._row(entry, inputs[entry.name]) for entry in signature.inputs]
        x = rows[0] if len(rows) == 1 else layers.Concatenate(name="features_together")(rows)
        return inputs, dense_stack(x, self.dense, regularization)

    def _row(self, entry: Input, x: Any) -> Any:
        from keras import layers

        if entry.kind == "index":
            return embedded(entry, x, self.embedding_size)
        return layers.Flatten(name=f"{entry.name}_flat")(x) if len(entry.shape) > 1 else x
