"""Series whose names the network embeds: the networks are those that are written down here by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dlrun.data.signature import Input, Output, Signature
from dlrun.models.ann import Ann
from dlrun.models.cnn import Cnn
from dlrun.models.layers import Layers
from dlrun.models.regularization import Regularization
from dlrun.models.rnn import Recurrent
from dlrun.models.transformer import Transformer

WINDOW, HORIZON, SHOPS, SIZE, SEASON = 6, 2, 9, 5, 2
SIGNATURE = Signature(
    (
        Input("series", "series", (WINDOW, 2), variables=("sold", "price")),
        Input("shop", "index", (), vocabulary_size=1 + SHOPS),
    ),
    Output("sold", "forecast", (HORIZON,)),
)
NETWORKS: dict[str, Any] = {
    "ann": (Ann, {"dense": [7]}),
    "cnn": (Cnn, {"blocks": [{"filters": 4}]}),
    "lstm": (Recurrent, {"units": [4]}),
    "gru": (Recurrent, {"units": [4], "seasonal_skip": SEASON}),
    "simple_rnn": (Recurrent, {"units": [4]}),
    "transformer": (Transformer, {"embedding_size": 8, "heads": 2, "blocks": 1}),
    "layers": (Layers, {"layers": [{"kind": "flatten"}, {"kind": "dense", "units": 3}]}),
}


def by_hand(kind: str, series: Any, vector: Any) -> Any:
    """The forecast of a network, (batch, horizon), from steps and the vector of the name, (batch, size)."""
    from keras import layers, ops

    if kind == "ann":
        x = ops.concatenate([ops.reshape(series, (-1, WINDOW * 2)), vector], axis=-1)
        return layers.Dense(HORIZON)(layers.Dense(7, "relu")(x))
    if kind == "gru":
        changes = layers.BatchNormalization()(series[:, SEASON:] - series[:, :-SEASON])
        x = ops.concatenate([changes, series[:, SEASON:, 1:], ops.stack([vector] * (WINDOW - SEASON), axis=1)], axis=-1)
        return layers.Dense(HORIZON)(layers.GRU(4)(x)) + series[:, -SEASON:, 0]
    x = ops.concatenate([series, ops.stack([vector] * WINDOW, axis=1)], axis=-1)
    match kind:
        case "cnn":
            x = layers.Flatten()(layers.Conv1D(4, 3, activation="relu")(x))
        case "lstm":
            x = layers.LSTM(4)(x)
        case "simple_rnn":
            x = layers.SimpleRNN(4)(x)
        case "layers":
            x = layers.Dense(3, "relu")(layers.Flatten()(x))
        case "transformer":
            x = layers.Dense(8)(x)
            x = x + layers.Embedding(WINDOW, 8)(ops.zeros_like(x[:, :, 0], dtype="int32") + ops.arange(WINDOW))
            y = layers.LayerNormalization()(x)
            x = x + layers.MultiHeadAttention(2, 4)(y, y)
            y = layers.Dense(128, "gelu")(layers.LayerNormalization()(x))
            x = ops.mean(layers.LayerNormalization()(x + layers.Dense(8)(y)), axis=1)
    return layers.Dense(HORIZON)(x)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_network_is_as_written_by_hand(kind: str) -> None:
    import keras

    architecture, fields = NETWORKS[kind]
    network = architecture.parse({"kind": kind, **fields})
    assert not list(network.check(SIGNATURE))
    model = network.build(SIGNATURE, HORIZON, Regularization())
    series, shop = keras.Input((WINDOW, 2), name="series"), keras.Input((), dtype="int32", name="shop")
    embedding = keras.layers.Embedding(1 + SHOPS, SIZE)  # min(50, (categories + 1) / 2), the unknown one among them
    other = keras.Model([series, shop], by_hand(kind, series, embedding(shop)))
    random = np.random.default_rng(0)
    values = [random.uniform(0.1, 0.9, each.shape) for each in model.get_weights()]
    model.set_weights(values)
    by_shape: dict[tuple[int, ...], list[np.ndarray]] = {}  # layers need not stand in the same order
    for each in values:
        by_shape.setdefault(each.shape, []).append(each)
    other.set_weights([by_shape[tuple(each.shape)].pop(0) for each in other.get_weights()])
    assert not any(by_shape.values())
    given = {"series": random.normal(size=(8, WINDOW, 2)).astype(np.float32), "shop": np.arange(8, dtype=np.int32)}
    said, expected = np.asarray(model(given, training=False)), np.asarray(other([*given.values()], training=False))
    np.testing.assert_allclose(said, expected, rtol=1e-5, atol=1e-5)
    assert not np.allclose(said, np.asarray(model({**given, "shop": given["shop"][::-1]}, training=False)))
