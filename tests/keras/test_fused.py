"""Fused optimizers against Keras's own: the same weights, state and names after the same steps."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from dlrun.training.fused import fused

STEPS = 10
RANDOM = np.random.default_rng(0)
STARTS = [RANDOM.normal(size=shape).astype(np.float32) for shape in [(6, 4), (5,), ()]]
GRADIENTS = [[RANDOM.normal(size=start.shape).astype(np.float32) for start in STARTS] for _ in range(STEPS)]

KINDS: dict[str, tuple[type, dict[str, Any]]] = {
    "adam": (keras.optimizers.Adam, {}),
    "adam, other betas": (keras.optimizers.Adam, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}),
    "adam, amsgrad": (keras.optimizers.Adam, {"amsgrad": True}),
    "adamw": (keras.optimizers.AdamW, {"weight_decay": 0.1}),
    "sgd": (keras.optimizers.SGD, {}),
    "momentum": (keras.optimizers.SGD, {"momentum": 0.9}),
    "nesterov": (keras.optimizers.SGD, {"momentum": 0.9, "nesterov": True}),
}

SHARED: dict[str, dict[str, Any]] = {
    "nothing else": {},
    "clipping": {"global_clipnorm": 0.5},
    "decay": {"weight_decay": 0.2},
    "schedule": {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)},
    "average": {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 4},
    "accumulation": {"gradient_accumulation_steps": 2},
}


def state(optimizer: Any, xla: bool | None = None, embedding: bool = False) -> dict[str, np.ndarray]:
    """All variables by name after the steps; eagerly, as a graph or by XLA."""
    variables = [keras.Variable(start, name=f"w{index}") for index, start in enumerate(STARTS)]
    optimizer.build(variables)

    def step(*gradients: Any) -> None:
        optimizer.apply(list(gradients))

    run = step if xla is None else tf.function(step, jit_compile=xla)
    for gradients in GRADIENTS:
        first, *others = map(tf.constant, gradients)
        if embedding:  # some rows alone
            first = tf.IndexedSlices(first[:3], tf.constant([4, 1, 3]), tf.constant([6, 4]))
        run(first, *others)
    return {variable.path: variable.numpy() for variable in [*variables, *optimizer.variables]}


def same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """The same up to rounding, that of 1 - beta_2 = 0.001 in 32 bits included, which alone is 1.3e-5 of it."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=2e-5, atol=1e-5, err_msg=name)


def both(kind: str, **options: Any) -> tuple[Any, Any]:
    """(Keras's optimizer, the fused one) with the same options."""
    keras_kind, own = KINDS[kind]
    kinds = (keras_kind, fused(keras_kind))
    return tuple(kind(**{"learning_rate": 0.1, "name": "optimizer", **own, **options}) for kind in kinds)  # type: ignore[return-value]


@pytest.mark.parametrize("embedding", [False, True])
@pytest.mark.parametrize("xla", [None, False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_ten_steps_are_those_of_keras(kind: str, xla: bool | None, embedding: bool) -> None:
    expected, found = both(kind)
    same(state(found, xla, embedding), state(expected, False, embedding))


def test_the_rows_of_one_token_are_added_up_before_they_are_squared() -> None:
    # Keras's own Adam squares each row alone, so that its step depends on how a gradient is cut into rows.
    expected, found = both("adam")
    rows = tf.IndexedSlices(tf.constant([[1.0, 2.0], [0.5, -3.0]]), tf.constant([1, 1]), tf.constant([3, 2]))
    weights = []
    for optimizer, gradient in ((expected, tf.convert_to_tensor(rows)), (found, rows)):
        variable = keras.Variable(np.ones((3, 2), np.float32))
        optimizer.build([variable])
        for _ in range(STEPS):
            optimizer.apply([gradient])
        weights.append(variable.numpy())
    np.testing.assert_allclose(weights[1], weights[0], rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("options", SHARED)
@pytest.mark.parametrize("kind", ["adam", "adamw", "momentum"])
def test_what_all_optimizers_share_stays(kind: str, options: str) -> None:
    expected, found = both(kind, **SHARED[options])
    same(state(found, False), state(expected, False))


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_one_operation(kind: str) -> None:
    _, optimizer = both(kind)
    variable = keras.Variable(STARTS[0])
    optimizer.build([variable])
    graph = (
        tf.function(lambda gradient: optimizer.apply([gradient])).get_concrete_function(tf.constant(STARTS[0])).graph
    )
    updates = [operation.type for operation in graph.get_operations() if operation.type.startswith("ResourceApply")]
    assert len(updates) == (0 if "amsgrad" in kind else 1)


def test_names_are_those_of_keras() -> None:
    keras.backend.clear_session()
    expected = keras.optimizers.Adam()
    keras.backend.clear_session()
    found = fused(keras.optimizers.Adam)()
    assert found.name == expected.name == "adam"
    assert isinstance(found, keras.optimizers.Adam)
    assert found.get_config() == expected.get_config()


def test_one_without_a_fused_form_is_kerass_own() -> None:
    assert fused(keras.optimizers.Nadam) is keras.optimizers.Nadam


def test_sixteen_bits_keep_the_loss_scale() -> None:
    weights = []
    for kind in (keras.optimizers.Adam, fused(keras.optimizers.Adam)):
        variable = keras.Variable(STARTS[0])
        optimizer = keras.optimizers.LossScaleOptimizer(kind(0.1), initial_scale=8.0)
        optimizer.build([variable])
        run = tf.function(lambda gradient, optimizer=optimizer: optimizer.apply([gradient]))
        for gradients in GRADIENTS:
            run(tf.constant(gradients[0]) * 8)
        run(tf.constant(gradients[0]) * np.inf)  # skipped, and the scale halved
        assert float(optimizer.dynamic_scale) == 4.0
        weights.append(variable.numpy())
    np.testing.assert_allclose(weights[1], weights[0], rtol=2e-5, atol=1e-5)


TWO_DEVICES = """
import keras, numpy as np, tensorflow as tf
from dlrun.training.fused import fused

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
found = []
for make in (lambda kind: kind, fused):
    for kind, options in ((keras.optimizers.AdamW, {}), (keras.optimizers.SGD, {"momentum": 0.9})):
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        with strategy.scope():
            variable = keras.Variable(np.ones((3, 2), np.float32))
            optimizer = make(kind)(0.1, **options)
            optimizer.build([variable])

        def step(factor):
            replica = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.float32)
            optimizer.apply([tf.ones((3, 2)) * (replica + 1) * factor])

        run = tf.function(lambda factor: strategy.run(step, args=(factor,)))
        for factor in (0.5, -0.2, 1.0):
            run(tf.constant(factor))
        first, second = (each.numpy() for each in strategy.experimental_local_results(variable.value))
        assert (first == second).all()
        found.append(first)
np.testing.assert_allclose(found[:2], found[2:], rtol=1e-5)
"""


def test_two_devices() -> None:
    done = subprocess.run([sys.executable, "-c", TWO_DEVICES], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
