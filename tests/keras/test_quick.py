"""Quickened layers against Keras's own: outputs, gradients, and what is saved of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from dlrun.models.quick import quick_layers

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(7, 11, 3)).astype(np.float32)
UNITS = 5


def network(layer: Any, time: int | None = 11) -> Any:
    x = inputs = keras.Input((time, 3))
    made = keras.Model(inputs, layer(x))
    for weight in made.trainable_weights:  # large enough that every gate is used
        weight.assign(RANDOM.normal(size=weight.shape) * 0.7)
    return made


def outputs_and_gradients(made: Any, *, quick: bool = False, xla: bool = False) -> list[np.ndarray]:
    """Of a loss to which each output counts otherwise: outputs, gradients of the weights and of the input."""
    call = quickly(made) if quick else made

    @tf.function(jit_compile=xla)  # type: ignore[untyped-decorator]
    def run(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = tf.nest.flatten(call(x, training=True))
            loss = sum(
                tf.reduce_sum(
                    tf.cast(y, "float32") * tf.cos(tf.reshape(tf.range(tf.size(y), dtype="float32"), y.shape))
                )
                for y in outputs
            )
        return outputs, tape.gradient(loss, [*(weight.value for weight in made.trainable_weights), x])

    return [tensor.numpy().astype(np.float32) for tensor in tf.nest.flatten(run(tf.constant(X)))]


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


def quickly(made: Any, *, xla: bool = True) -> Any:
    """The network as a function whose layers are the quick ones for XLA, or for the graph."""

    def run(*args: Any, **options: Any) -> Any:
        with quick_layers(made, xla=xla):
            return made(*args, **options)

    return run


def is_quick(layer: Any) -> bool:
    return bool({"inner_loop", "call"} & vars(layer).keys())


@pytest.mark.parametrize(("form", "xla"), [*((form, False) for form in FORMS), ("last", True), ("both ways", True)])
@pytest.mark.parametrize("kind", RECURRENT)
def test_outputs_and_gradients_are_those_of_keras(kind: str, form: str, xla: bool) -> None:
    made = network(FORMS[form](RECURRENT[kind]))
    (layer,) = made.layers[1:]
    for one in [layer.forward_layer, layer.backward_layer] if "both" in form else [layer]:
        with quick_layers(made, xla=True):
            assert is_quick(one)
        assert not is_quick(one)
    quick = outputs_and_gradients(made, quick=True, xla=xla)
    for found, expected in zip(quick, outputs_and_gradients(made), strict=True):
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

    for found, expected in zip(run(quickly(made)), run(made), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", RECURRENT)
def test_any_length_and_any_batch(kind: str) -> None:
    made = network(RECURRENT[kind](return_sequences=True), time=None)
    run = tf.function(quickly(made), input_signature=[tf.TensorSpec((None, None, 3))])
    for batch, time in ((1, 1), (4, 9), (2, 30)):
        x = RANDOM.normal(size=(batch, time, 3)).astype(np.float32)
        np.testing.assert_allclose(run(x), made(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", RECURRENT)
def test_a_mask_is_heeded(kind: str) -> None:
    x = inputs = keras.Input((None,), dtype="int32")
    made = keras.Model(inputs, RECURRENT[kind]()(layers.Embedding(9, 3, mask_zero=True)(x)))
    tokens = np.array([[1, 2, 3, 0, 0, 0], [4, 5, 6, 7, 8, 1]])
    np.testing.assert_allclose(quickly(made)(tokens), made(tokens), rtol=1e-5)
    assert np.abs(made(tokens)[0] - made(tokens[:, :3])[0]).max() < 1e-6


@pytest.mark.parametrize(
    "options", [{"recurrent_dropout": 0.5}, {"dropout": 0.5}, {"activation": "relu"}, {"use_bias": False}]
)
@pytest.mark.parametrize("kind", RECURRENT)
def test_an_unusual_layer_stays_as_it_is(kind: str, options: dict[str, Any]) -> None:
    made = network(RECURRENT[kind](**options))
    with quick_layers(made, xla=True):
        assert not is_quick(made.layers[1])


@pytest.mark.parametrize("kind", RECURRENT)
def test_sixteen_bits(kind: str) -> None:
    made = network(RECURRENT[kind](return_sequences=True, dtype="mixed_bfloat16"))
    assert quickly(made)(X).dtype == made(X).dtype == tf.bfloat16
    for found, expected in zip(outputs_and_gradients(made, quick=True), outputs_and_gradients(made), strict=True):
        np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())


CONVOLUTIONS: dict[str, tuple[Any, list[Any]]] = {
    "2d": ((14, 13, 2), [lambda: layers.Conv2D(4, 3, activation="relu"), lambda: layers.MaxPooling2D(2)]),
    "1d": ((9, 2), [lambda: layers.Conv1D(4, 3, activation="tanh"), lambda: layers.MaxPooling1D(2)]),
    "same": ((14, 13, 2), [lambda: layers.Conv2D(4, 3), lambda: layers.MaxPooling2D(3, 2, padding="same")]),
    "no bias": ((14, 13, 2), [lambda: layers.Conv2D(4, 3, use_bias=False, activation="elu"), layers.MaxPooling2D]),
    "16 bits": (
        (14, 13, 2),
        [
            lambda: layers.Conv2D(4, 3, activation="relu", dtype="mixed_bfloat16"),
            lambda: layers.MaxPooling2D(2, dtype="mixed_bfloat16"),
        ],
    ),
}


@pytest.mark.parametrize("form", CONVOLUTIONS)
def test_pooling_before_the_activation_changes_nothing(form: str) -> None:
    shape, stack = CONVOLUTIONS[form]
    x = inputs = keras.Input(shape)
    for make in stack * (1 if "1d" in form else 2):
        x = make()(x)
    made = keras.Model(inputs, x)
    for weight in made.trainable_weights:
        weight.assign(RANDOM.normal(size=weight.shape) * 0.7)
    with quick_layers(made, xla=False):
        assert all(is_quick(layer) for layer in made.layers[1:])
    assert not any(is_quick(layer) for layer in made.layers)
    batch = tf.constant(RANDOM.normal(size=(5, *shape)).astype(np.float32))

    def run(call: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch(batch)
            y = tf.cast(call(batch, training=True), "float32")
            loss = tf.reduce_sum(tf.sin(3.0 * y))
        return [y, *tape.gradient(loss, [*(weight.value for weight in made.trainable_weights), batch])]

    for found, expected in zip(run(quickly(made, xla=False)), run(made), strict=True):
        tolerance = 0.05 if "bits" in form else 1e-5
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=tolerance * np.abs(expected).max())


def test_a_convolution_that_others_read_stays_as_it_is() -> None:
    inputs = keras.Input((8, 8, 1))
    first, second = (layers.Conv2D(2, 3, activation="relu")(inputs) for _ in range(2))
    seen = [first, layers.MaxPooling2D(2)(first)]
    read_twice = [layers.MaxPooling2D(2)(second), layers.GlobalAveragePooling2D()(second)]
    falling = layers.MaxPooling2D(2)(layers.Conv2D(2, 3, activation="gelu")(inputs))
    normed = layers.MaxPooling2D(2)(layers.BatchNormalization()(layers.Conv2D(2, 3)(inputs)))
    for outputs in (seen, read_twice, falling, normed):
        made = keras.Model(inputs, outputs)
        with quick_layers(made, xla=False):
            assert not any(is_quick(layer) for layer in made.layers)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in Keras's own saving
@pytest.mark.parametrize("form", ["last", "both ways"])
@pytest.mark.parametrize("kind", RECURRENT)
def test_what_is_saved_is_a_plain_keras_model(kind: str, form: str, tmp_path: Path) -> None:
    made = network(FORMS[form](RECURRENT[kind]))
    paths, before = [weight.path for weight in made.weights], made.to_json()
    outputs_and_gradients(made, quick=True)
    assert [weight.path for weight in made.weights] == paths
    assert made.to_json() == before
    made.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(X), made(X), rtol=1e-6)


def test_the_layers_are_kerass_again_after_an_error() -> None:
    made = network(layers.LSTM(UNITS))
    with pytest.raises(ValueError, match="incompatible"), quick_layers(made, xla=True):
        made(X[..., :2])
    assert not is_quick(made.layers[1])


SHAPE = (64, 20, 30)


def drawn(layer: Any, steps: int, *, xla: bool = False, quick: bool = True) -> np.ndarray:
    """What a layer makes of ones in each of some training steps: (steps, batch, time, features)."""
    made = keras.Sequential([keras.Input(SHAPE[1:]), layer])
    call = quickly(made) if quick else made
    run = tf.function(lambda x: call(x, training=True), jit_compile=xla)
    return np.stack([run(tf.ones(SHAPE, layer.compute_dtype)).numpy() for _ in range(steps)])


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_its_share_and_the_mean(rate: float) -> None:
    found = drawn(layers.Dropout(rate, seed=1), 5, xla=True)
    kept = found != 0
    np.testing.assert_allclose(found[kept], 1 / (1 - rate), rtol=1e-6)
    sigma = np.sqrt(rate * (1 - rate) / found.size)
    assert abs(kept.mean() - (1 - rate)) < 4 * sigma
    for axis in range(1, found.ndim):  # no feature, time step or example is dropped more often than another
        others = tuple(other for other in range(found.ndim) if other != axis)
        shares = kept.mean(axis=others)
        assert np.abs(shares - (1 - rate)).max() < 5 * np.sqrt(rate * (1 - rate) / (found.size / found.shape[axis]))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_masks_of_steps_and_layers_are_independent_and_follow_from_the_seed() -> None:
    one, again, other = (drawn(layers.Dropout(0.5, seed=seed), 3) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    limit = 4 / np.sqrt(one[0].size)
    for a, b in [(one[0], one[1]), (one[1], one[2]), (one[0], other[0]), (one[0], other[1]), (one[1], other[0])]:
        assert abs(correlation(a, b)) < limit
    for axis in range(3):  # neighbours within a mask
        assert (
            abs(correlation(np.take(one[0], range(1, SHAPE[axis]), axis), one[0].take(range(SHAPE[axis] - 1), axis)))
            < 1.1 * limit
        )


def test_masks_are_the_same_as_a_graph_and_by_xla() -> None:
    for layer in (layers.Dropout, layers.SpatialDropout1D):
        np.testing.assert_array_equal(drawn(layer(0.3, seed=3), 2), drawn(layer(0.3, seed=3), 2, xla=True))


def test_the_seeds_state_moves_as_it_does_in_keras() -> None:
    for kind in (layers.Dropout, layers.GaussianNoise, layers.SpatialDropout1D):
        states = []
        for quick in (True, False):
            layer = kind(0.3, seed=3)
            drawn(layer, 3, quick=quick)
            states.append(layer.seed_generator.state.numpy())
        np.testing.assert_array_equal(*states)


def test_whole_channels_and_given_shapes() -> None:
    found = drawn(layers.SpatialDropout1D(0.5, seed=1), 1)[0]
    assert (found == found[:, :1]).all()
    assert 0.4 < (found[:, 0] != 0).mean() < 0.6
    assert abs(correlation(found[:, 0, 1:], found[:, 0, :-1])) < 0.1
    found = drawn(layers.Dropout(0.5, noise_shape=(None, 1, 30), seed=1), 1)[0]
    assert (found == found[:, :1]).all()


def test_noise_is_normal() -> None:
    found = (drawn(layers.GaussianNoise(0.3, seed=5), 3, xla=True) - 1) / 0.3
    n = found.size
    assert abs(found.mean()) < 4 / np.sqrt(n)
    assert abs(found.var() - 1) < 4 * np.sqrt(2 / n)
    assert abs((found**3).mean()) < 4 * np.sqrt(15 / n)
    assert abs((found**4).mean() - 3) < 4 * np.sqrt(96 / n)
    assert 3.5 < np.abs(found).max() < 6
    assert abs(correlation(found[0], found[1])) < 4 / np.sqrt(n / 3)


@pytest.mark.parametrize("kind", [layers.Dropout, layers.GaussianNoise])
def test_nothing_is_drawn_outside_of_training(kind: Any) -> None:
    made = keras.Sequential([keras.Input((3,)), kind(0.5, seed=1)])
    ones = np.ones((4, 3), np.float32)
    np.testing.assert_array_equal(quickly(made)(ones, training=False), ones)
    np.testing.assert_array_equal(made.layers[0].seed_generator.state, [1, 0])


@pytest.mark.parametrize("kind", [layers.Dropout, layers.GaussianNoise])
def test_random_layers_in_sixteen_bits(kind: Any) -> None:
    assert drawn(kind(0.5, dtype="mixed_bfloat16"), 1).dtype == tf.bfloat16.as_numpy_dtype
