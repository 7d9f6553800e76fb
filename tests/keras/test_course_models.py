"""The four models of a Keras beginner's course, written in the spec, are the hand-written ones.

One difference is meant: dlrun's networks say logits, and the last activation (sigmoid, softmax) is part of the loss,
where it can be computed without rounding to 0 or 1. So the hand-written model's last activation is applied to dlrun's
output before the two are compared.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from dlrun.data.signature import Input, Output, Signature
from dlrun.experiment import Experiment
from dlrun.training.model import Forward
from dlrun.training.outputs import scores

DIGITS = tuple("0123456789")


def diabetes() -> Any:
    return keras.Sequential(
        [keras.Input((10,)), layers.Dense(8, activation="relu"), layers.Dense(1, activation="sigmoid")]
    )


def mnist() -> Any:
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def imdb() -> Any:
    return keras.Sequential(
        [keras.Input((100,), dtype="int32"), layers.Embedding(5000, 128), layers.LSTM(64), layers.Dense(1, "sigmoid")]
    )


def autoencoder() -> Any:
    return keras.Sequential([keras.Input((784,)), layers.Dense(64, "relu"), layers.Dense(784, "sigmoid")])


def generated(shape: tuple[int, ...], below: int | None = None) -> np.ndarray:
    random = np.random.default_rng(3)
    if below is not None:
        return random.integers(0, below, shape, dtype=np.int32)
    return random.random(shape, dtype=np.float32)


COURSE = {
    "diabetes": (
        {"kind": "ann", "dense": [8]},
        "binary_crossentropy",
        Signature((Input("features", "vector", (10,)),), Output("outcome", "binary", (1,), ("no", "yes"))),
        diabetes,
        generated((7, 10)),
        97,
    ),
    "mnist": (
        {"kind": "cnn", "blocks": [{"filters": 32, "kernel_size": 3, "pool": 2}], "dense": [128]},
        "categorical_crossentropy",
        Signature((Input("image", "image", (28, 28, 1)),), Output("label", "multiclass", (10,), DIGITS)),
        mnist,
        generated((7, 28, 28, 1)),
        693_962,
    ),
    "imdb": (
        {"kind": "lstm", "embedding_size": 128, "units": [64]},
        "binary_crossentropy",
        Signature((Input("text", "tokens", (100,), 5000),), Output("label", "binary", (1,), ("bad", "good"))),
        imdb,
        generated((7, 100), below=5000),
        689_473,
    ),
    "autoencoder": (
        {"kind": "autoencoder", "latent": 64, "latent_activation": "relu"},
        "binary_crossentropy",
        Signature((Input("features", "vector", (784,)),), Output("features", "reconstruction", (784,))),
        autoencoder,
        generated((7, 784)),
        101_200,
    ),
    "autoencoder_mse": (
        {"kind": "autoencoder", "latent": 64, "latent_activation": "relu", "output_activation": "sigmoid"},
        "mse",
        Signature((Input("features", "vector", (784,)),), Output("features", "reconstruction", (784,))),
        autoencoder,
        generated((7, 784)),
        101_200,
    ),
}
PARAMETERS = ["architecture", "loss", "signature", "by_hand", "inputs", "parameters"]


def description(layer: Any) -> tuple[str, list[tuple[int, ...]]]:
    return type(layer).__name__, [tuple(weight.shape) for weight in layer.weights]


def activations(model: Any) -> list[str]:
    return [layer.activation.__name__ for layer in model.layers if hasattr(layer, "activation")]


@pytest.mark.parametrize(PARAMETERS, COURSE.values(), ids=COURSE)
def test_layer_by_layer(
    architecture: dict[str, Any], loss: str, signature: Signature, by_hand: Any, inputs: np.ndarray, parameters: int
) -> None:
    data = {"source": {"kind": "bundled", "name": "iris"}}  # only the signature is used
    experiment = Experiment.parse({"data": data, "architecture": architecture, "loss": {"kind": loss}})
    model, expected = experiment.build(signature), by_hand()
    built = [layer for layer in model.layers if type(layer).__name__ != "InputLayer"]
    assert [description(layer) for layer in built] == [description(layer) for layer in expected.layers]
    assert model.count_params() == expected.count_params() == parameters
    *hidden, last = activations(model)
    *expected_hidden, expected_last = activations(expected)
    assert hidden == expected_hidden
    in_the_loss = loss != "mse"
    assert last == ("linear" if in_the_loss else expected_last)

    model.set_weights(expected.get_weights())
    outputs = Forward(model)({signature.inputs[0].name: inputs})
    said = np.asarray(scores(outputs, signature.output, experiment.objective))
    if signature.output.task == "binary":
        said = said[:, 1:]
    np.testing.assert_allclose(said, expected.predict(inputs, verbose=0), atol=1e-6)
