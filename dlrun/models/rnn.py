"""`kind: lstm`, `gru`, `simple_rnn`: recurrent layers over texts and series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from dlrun.data.signature import Signature
from dlrun.models.blocks import (
    Dense,
    Positive,
    Share,
    Trunk,
    Units,
    dense_stack,
    dropout,
    one_input,
    output_layer,
    sequence,
    with_name,
)
from dlrun.models.regularization import Regularization
from dlrun.models.seasonal import SeasonalSkip, check_season, seasonal_changes, seasonal_forecast
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem


class Recurrent(Spec):
    """Recurrent layers, then dense layers. Reads texts and time series."""

    kind: Literal["lstm", "gru", "simple_rnn"]
    """Which recurrent layer: LSTM, GRU or the plain one."""
    embedding_size: int = Field(default=128, ge=1)
    """Size of a token's embedding, for a text."""
    units: tuple[Positive, ...] = Field(default=(64,), min_length=1)
    """Size of the state of each layer, from the input on."""
    bidirectional: bool = False
    """Whether each layer also reads backwards, and both outputs are joined."""
    recurrent_dropout: Share = 0.0
    """Share of the state that is set to zero at each time step while training; slow on a GPU."""
    pooling: Literal["last", "average", "max"] = "last"
    """What is kept of the last layer: its last state, or the mean or maximum over time."""
    mask_padding: bool = False
    """Whether padding is skipped. Not needed with `padding: pre`, where the text stands at the end."""
    dense: tuple[Dense, ...] = ()
    """The hidden dense layers between the recurrent ones and the output."""
    seasonal_skip: SeasonalSkip = None
    """For forecasts: after how many steps the series repeats itself, 24 for hours of a day. The network then sees, and
    says, how far each step is from the one a season before."""

    def check(self, signature: Signature) -> Iterator[Problem]:
        """What in the data this network cannot read."""
        wrong = list(one_input(signature, self.kind, ("tokens", "series"), "cnn for an image, ann for a table"))
        yield from wrong or check_season(self.seasonal_skip, signature)

    def build(self, signature: Signature, units: Units, regularization: Regularization) -> Any:
        """The Keras model: tokens (batch, time) or series (batch, time, variables) to (batch, units)."""
        import keras

        inputs, x = self.trunk(signature, regularization)
        x = output_layer(x, units)
        if self.seasonal_skip is not None:
            x = seasonal_forecast(x, next(iter(inputs.values())), self.seasonal_skip)
        return keras.Model(inputs, x, name=self.kind)

    def trunk(self, signature: Signature, regularization: Regularization) -> Trunk:
        """The inputs by name, and what the output layer reads, (batch, features)."""
        from keras import layers

        layer = {"lstm": layers.LSTM, "gru": layers.GRU, "simple_rnn": layers.SimpleRNN}[self.kind]
        inputs, x = sequence(signature, self.embedding_size, mask_padding=self.mask_padding)
        if self.seasonal_skip is not None:
            x = seasonal_changes(x, self.seasonal_skip)
        x = with_name(x, inputs, signature)
        for index, size in enumerate(self.units, 1):
            name = f"{self.kind}_{index}"
            recurrent = layer(
                size,
                return_sequences=index < len(self.units) or self.pooling != "last",
                recurrent_dropout=self.recurrent_dropout,
                kernel_regularizer=regularization.kernel(),
                name=name,
            )
            x = layers.Bidirectional(recurrent, name=f"{name}_both_ways")(x) if self.bidirectional else recurrent(x)
            x = dropout(x, None, regularization, name)
        if self.pooling == "average":
            x = layers.GlobalAveragePooling1D(name="average")(x)
        elif self.pooling == "max":
            x = layers.GlobalMaxPooling1D(name="max")(x)
        return inputs, dense_stack(x, self.dense, regularization)
