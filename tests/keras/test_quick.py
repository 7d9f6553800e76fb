"""Quickened layers against Keras's own: outputs, gradients, and what is saved of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from dlrun.models.quick import quicken

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(7, 11, 3)).astype(np.float32)
UNITS = 5


def network(layer: Any, time: int | None = 11) -> Any:
    x = inputs = keras.Input((time, 3))
    made = keras.Model(inputs, layer(x))
    for weight in made.trainable_weights:  # large enough that every gate is used
        weight.assign(RANDOM.normal(size=weight.shape) * 0.7)
    return made


def outputs_and_gradients(made: Any, x: np.ndarray = X, *, xla: bool = False) -> list[np.ndarray]:
    """Of a loss to which each output counts otherwise: outputs, gradients of the weights and of the input."""

    @tf.function(jit_compile=xla)  # type: ignore[untyped-decorator]
    def run(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = tf.nest.flatten(made(x, training=True))
            loss = sum(
                tf.reduce_sum(
                    tf.cast(y, "float32") * tf.cos(tf.reshape(tf.range(tf.size(y), dtype="float32"), y.shape))
                )
                for y in outputs
            )
        return outputs, tape.gradient(loss, [*(weight.value for weight in made.trainable_weights), x])

    return [tensor.numpy().astype(np.float32) for tensor in tf.nest.flatten(run(tf.constant(x)))]


RECURRENT: dict[str, Any] = {
    "lstm": lambda **options: layers.LSTM(UNITS, **options),
    "gru": lambda **options: layers.GRU(UNITS, **options),
}

FORMS: dict[str, Any] = {
    "last": lambda make: make(),
    "sequences": lambda make: make(return_sequences=True),
    "state": lambda make: make(return_state=True, return_sequences=True),
    "backwards": lambda make: make(go_backwards=True, return_sequences=True),
    "both ways": lambda make: layers.Bidirectional(make(return_sequences=True)),
    "both ways, last": lambda make: layers.Bidirectional(make()),
    "regularized": lambda make: make(kernel_regularizer=keras.regularizers.L2(0.1)),
}


def quickened(made: Any) -> Any:
    """A copy of the network with the same weights, quickened."""
    copy = keras.models.clone_model(made)
    copy.set_weights(made.get_weights())
    quicken(copy)
    return copy


def is_quick(layer: Any) -> bool:
    return "inner_loop" in vars(layer)


@pytest.mark.parametrize(("form", "xla"), [*((form, False) for form in FORMS), ("last", True), ("both ways", True)])
@pytest.mark.parametrize("kind", RECURRENT)
def test_outputs_and_gradients_are_those_of_keras(kind: str, form: str, xla: bool) -> None:
    made = network(FORMS[form](RECURRENT[kind]))
    quick = quickened(made)
    (layer,) = quick.layers[1:]
    assert is_quick(getattr(layer, "backward_layer", layer))
    for found, expected in zip(outputs_and_gradients(quick, xla=xla), outputs_and_gradients(made), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", RECURRENT)
def test_a_state_to_begin_with_and_its_gradient(kind: str) -> None:
    x = keras.Input((11, 3))
    states = [keras.Input((UNITS,)) for _ in range(2 if kind == "lstm" else 1)]
    made = keras.Model([x, *states], RECURRENT[kind](return_sequences=True, return_state=True)(x, initial_state=states))
    starts = [tf.constant(RANDOM.normal(size=(7, UNITS)).astype(np.float32)) for _ in states]

    def run(network: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch(starts)
            outputs = network([tf.constant(X), *starts])
            loss = sum(tf.reduce_sum(tf.sin(3.0 * y)) for y in outputs)
        return [*outputs, *tape.gradient(loss, starts)]

    for found, expected in zip(run(quickened(made)), run(made), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", RECURRENT)
def test_any_length_and_any_batch(kind: str) -> None:
    made = network(RECURRENT[kind](return_sequences=True), time=None)
    quick = quickened(made)
    run = tf.function(quick, input_signature=[tf.TensorSpec((None, None, 3))])
    for batch, time in ((1, 1), (4, 9), (2, 30)):
        x = RANDOM.normal(size=(batch, time, 3)).astype(np.float32)
        np.testing.assert_allclose(run(x), made(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", RECURRENT)
def test_a_mask_is_heeded(kind: str) -> None:
    x = inputs = keras.Input((None,), dtype="int32")
    made = keras.Model(inputs, RECURRENT[kind]()(layers.Embedding(9, 3, mask_zero=True)(x)))
    tokens = np.array([[1, 2, 3, 0, 0, 0], [4, 5, 6, 7, 8, 1]])
    np.testing.assert_allclose(quickened(made)(tokens), made(tokens), rtol=1e-5)
    assert np.abs(made(tokens)[0] - made(tokens[:, :3])[0]).max() < 1e-6


@pytest.mark.parametrize(
    "options", [{"recurrent_dropout": 0.5}, {"dropout": 0.5}, {"activation": "relu"}, {"use_bias": False}]
)
@pytest.mark.parametrize("kind", RECURRENT)
def test_an_unusual_layer_stays_as_it_is(kind: str, options: dict[str, Any]) -> None:
    quick = quickened(network(RECURRENT[kind](**options)))
    assert not is_quick(quick.layers[1])


@pytest.mark.parametrize("kind", RECURRENT)
def test_sixteen_bits(kind: str) -> None:
    made = network(RECURRENT[kind](return_sequences=True, dtype="mixed_bfloat16"))
    quick = quickened(made)
    assert quick(X).dtype == made(X).dtype == tf.bfloat16
    for found, expected in zip(outputs_and_gradients(quick), outputs_and_gradients(made), strict=True):
        np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in Keras's own saving
@pytest.mark.parametrize("form", ["last", "both ways"])
@pytest.mark.parametrize("kind", RECURRENT)
def test_what_is_saved_is_a_plain_keras_model(kind: str, form: str, tmp_path: Path) -> None:
    made = network(FORMS[form](RECURRENT[kind]))
    paths, before, outputs = [weight.path for weight in made.weights], made.to_json(), made(X).numpy()
    quicken(made)
    assert [weight.path for weight in made.weights] == paths
    assert made.to_json() == before
    made.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert not is_quick(getattr(loaded.layers[1], "forward_layer", loaded.layers[1]))
    np.testing.assert_allclose(loaded(X), outputs, rtol=1e-6)
    np.testing.assert_allclose(made(X), outputs, rtol=1e-4, atol=1e-5)
