"""The training loop against Keras's own `fit` and `evaluate`, and what only it promises."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from keras.metrics import MeanAbsoluteError

from dlrun.errors import NotFiniteError
from dlrun.training.loop import Arrays, Loop, Row
from dlrun.training.settings import Training

EXAMPLES, FEATURES, BATCH = 107, 5, 16
STEPS = 7  # six whole batches and one of 11
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(EXAMPLES, FEATURES)).astype(np.float32)
Y = (X @ RANDOM.normal(size=(FEATURES, 1)) + 0.1).astype(np.float32)
TRAIN = Arrays({"x": X}, Y)
VALIDATION = Arrays({"x": X[:37] + 0.5}, Y[:37])


def model(*, norm: bool = True, dropout: float = 0.0, rate: float = 0.05) -> Any:
    """A network with all that a step changes: weights, moving statistics, the seeds of dropout."""
    keras.utils.set_random_seed(1)
    x = inputs = keras.Input((FEATURES,), name="x")
    x = layers.Dense(8, "tanh", kernel_regularizer=keras.regularizers.L2(1e-3))(x)
    x = layers.BatchNormalization()(x) if norm else x
    x = layers.Dropout(dropout, seed=2)(x) if dropout else x
    made = keras.Model({"x": inputs}, layers.Dense(1)(x))
    optimizer = keras.optimizers.SGD(rate, momentum=0.9)
    made.compile(optimizer, keras.losses.MeanSquaredError(), metrics=[MeanAbsoluteError(name="mae")])
    return made


class Recorder:
    """What the loop reported."""

    def __init__(self) -> None:
        self.chunks: list[tuple[int, int]] = []
        self.rows: list[Row] = []

    def on_chunk(self, epoch: int, step: int, metrics: dict[str, float], examples_per_second: float) -> None:
        assert examples_per_second > 0
        assert metrics.keys() == {"loss", "mae"}
        self.chunks.append((epoch, step))

    def on_epoch(self, row: Row) -> None:
        self.rows.append(row)


def trained(
    made: Any,
    *,
    train: Arrays = TRAIN,
    validation: Arrays | None = None,
    callbacks: tuple[Any, ...] = (),
    seed: int = 0,
    xla: bool = False,
    **settings: Any,
) -> list[Row]:
    section = Training(**({"epochs": 1, "batch_size": BATCH} | settings))
    reporter = Recorder()
    rows = list(Loop(made, train, validation, section, seed, xla=xla).run(reporter, callbacks, lambda: False))
    assert reporter.rows == rows
    assert [chunk for chunk in reporter.chunks if chunk[1] == -(-len(train) // section.batch_size)] == [
        (row["epoch"], -(-len(train) // section.batch_size)) for row in rows
    ]
    return rows


def assert_same_weights(one: Any, two: Any, tolerance: float = 1e-6) -> None:
    for mine, other in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=tolerance)


@pytest.mark.parametrize("weights", [None, RANDOM.uniform(0.1, 3, EXAMPLES).astype(np.float32)], ids=["", "weighted"])
def test_two_epochs_are_those_of_fit(weights: np.ndarray | None) -> None:
    mine, other = model(), model()
    start = mine.get_weights()
    rows = trained(mine, train=Arrays({"x": X}, Y, weights), validation=VALIDATION, epochs=2, shuffle=False)
    history = other.fit(
        {"x": X}, Y, BATCH, 2, 0, sample_weight=weights, shuffle=False,
        validation_data=({"x": VALIDATION.inputs["x"]}, VALIDATION.target), validation_batch_size=BATCH,
    ).history  # fmt: skip
    assert_same_weights(mine, other)
    assert not np.array_equal(start[0], mine.get_weights()[0])
    for name in ("loss", "mae"):
        np.testing.assert_allclose([row[name] for row in rows], history[name], rtol=1e-5)
        np.testing.assert_allclose([row[f"validation_{name}"] for row in rows], history[f"val_{name}"], rtol=1e-5)


def test_sgd_by_hand() -> None:
    x, y = X[:20], Y[:20]
    made = keras.Sequential([keras.Input((FEATURES,), name="x"), layers.Dense(1, kernel_initializer="zeros")])
    made = keras.Model({"x": made.inputs[0]}, made.outputs[0])
    made.compile(keras.optimizers.SGD(0.1), keras.losses.MeanSquaredError(), metrics=[MeanAbsoluteError(name="mae")])
    (row,) = trained(made, train=Arrays({"x": x}, y), batch_size=8, shuffle=False)
    w, b, losses = np.zeros((FEATURES, 1)), 0.0, []
    for batch in (slice(0, 8), slice(8, 16), slice(16, 20)):
        error = x[batch] @ w + b - y[batch]
        losses += list(error[:, 0] ** 2)
        w, b = w - 0.1 * 2 * x[batch].T @ error / len(error), b - 0.1 * 2 * error.mean()
    np.testing.assert_allclose(made.get_weights()[0], w, atol=1e-6)
    np.testing.assert_allclose(made.get_weights()[1], [b], atol=1e-6)
    np.testing.assert_allclose(row["loss"], np.mean(losses), rtol=1e-5)  # a mean over examples, not over batches


def test_validation_is_what_evaluate_says() -> None:
    made = model(dropout=0.5)
    rows = trained(made, validation=VALIDATION, epochs=2)
    loss, mae = made.evaluate({"x": VALIDATION.inputs["x"]}, VALIDATION.target, verbose=0)
    np.testing.assert_allclose([rows[-1]["validation_loss"], rows[-1]["validation_mae"]], [loss, mae], rtol=1e-5)


def test_the_target_is_the_input_where_there_is_none() -> None:
    x = inputs = keras.Input((FEATURES,), name="x")
    made = keras.Model({"x": inputs}, layers.Dense(FEATURES, kernel_initializer="zeros")(x))
    made.compile(keras.optimizers.SGD(1e-9), keras.losses.MeanSquaredError(), metrics=[MeanAbsoluteError(name="mae")])
    (row,) = trained(made, train=Arrays({"x": X}, None))
    np.testing.assert_allclose([row["loss"], row["mae"]], [np.mean(X**2), np.mean(np.abs(X))], rtol=1e-5)


def test_each_epoch_sees_every_example_once_in_an_order_of_its_own() -> None:
    loop = Loop(model(), TRAIN, None, Training(epochs=3, batch_size=BATCH), 7, xla=False)
    orders = [list(loop._order(epoch)) for epoch in (1, 2, 3)]
    for order in orders:
        assert sorted(order) == list(range(EXAMPLES))
    assert len({tuple(order) for order in orders}) == 3
    again = Loop(model(), TRAIN, None, Training(epochs=3, batch_size=BATCH), 7, xla=False)
    assert [list(again._order(epoch)) for epoch in (1, 2, 3)] == orders
    other = Loop(model(), TRAIN, None, Training(epochs=3, batch_size=BATCH), 8, xla=False)
    assert list(other._order(1)) != orders[0]


class Seen(keras.layers.Layer):
    """Adds up how often each example (its first feature is its number) went through while training."""

    def build(self, shape: Any) -> None:
        self.times = self.add_weight(shape=(EXAMPLES,), initializer="zeros", trainable=False, name="times")
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            self.times.assign_add(keras.ops.sum(keras.ops.one_hot(keras.ops.cast(x[:, 0], "int32"), EXAMPLES), axis=0))
        return x * self.scale * 1e-3


@pytest.mark.parametrize("shuffle", [True, False])
def test_the_graph_sees_every_example_once(shuffle: bool) -> None:
    inputs = keras.Input((1,), name="x")
    made = keras.Model({"x": inputs}, Seen()(inputs))
    made.compile(keras.optimizers.SGD(0.0), keras.losses.MeanSquaredError(), metrics=[MeanAbsoluteError(name="mae")])
    numbers = Arrays({"x": np.arange(EXAMPLES, dtype=np.float32).reshape(-1, 1)}, np.zeros((EXAMPLES, 1), np.float32))
    trained(made, train=numbers, epochs=3, shuffle=shuffle)
    assert made.layers[-1].times.value.numpy().tolist() == [3.0] * EXAMPLES


def test_a_batch_larger_than_the_data_is_the_data() -> None:
    one, two = model(), model()
    trained(one, batch_size=5000, shuffle=False)
    trained(two, batch_size=EXAMPLES, shuffle=False)
    assert_same_weights(one, two, 0.0)


def test_graph_and_xla_agree() -> None:
    graph, compiled = model(), model()
    rows = trained(graph, validation=VALIDATION, epochs=2)
    others = trained(compiled, validation=VALIDATION, epochs=2, xla=True)
    assert_same_weights(graph, compiled, 1e-5)
    for name in ("loss", "mae", "validation_loss", "validation_mae"):
        np.testing.assert_allclose([row[name] for row in rows], [row[name] for row in others], rtol=1e-4)


def test_the_same_seed_gives_the_same_bits_with_dropout() -> None:
    one, two, three = (model(dropout=0.3) for _ in range(3))
    rows = [trained(each, seed=seed, epochs=2) for each, seed in ((one, 5), (two, 5), (three, 6))]
    assert_same_weights(one, two, 0.0)
    assert rows[0][1]["loss"] == rows[1][1]["loss"] != rows[2][1]["loss"]


def test_rows_hold_what_history_needs() -> None:
    rows = trained(model(), validation=VALIDATION, epochs=3)
    assert list(rows[0]) == [
        *("epoch", "loss", "mae", "validation_loss", "validation_mae"),
        *("learning_rate", "seconds", "examples_per_second"),
    ]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    for row in rows:
        np.testing.assert_allclose(row["examples_per_second"] * row["seconds"], EXAMPLES, rtol=1e-9)
        np.testing.assert_allclose(row["learning_rate"], 0.05, rtol=1e-6)
    assert rows[2]["loss"] < rows[0]["loss"]


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("step", [1, 4, STEPS])
def test_a_loss_that_is_not_finite_is_told_with_its_step(step: int, xla: bool) -> None:
    target = Y.copy()
    target[(step - 1) * BATCH + 3] = np.inf
    with pytest.raises(NotFiniteError, match=f"since epoch 1, step {step}") as raised:
        trained(model(), train=Arrays({"x": X}, target), epochs=3, shuffle=False, xla=xla)
    hint = raised.value.hint or ""
    assert "lower optimizer.learning_rate (now 0.05), for example to 0.005" in hint
    assert "clip_global_norm" in hint


def test_the_epoch_is_told_too() -> None:
    class Spoiler(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                self.model.layers[-1].bias.assign([np.nan])

    with pytest.raises(NotFiniteError, match="since epoch 3, step 1"):
        trained(model(), callbacks=(Spoiler(),), epochs=5)


def test_a_validation_loss_that_is_not_finite_is_told() -> None:
    target = Y[:37].copy()
    target[-1] = np.nan
    with pytest.raises(NotFiniteError, match="the validation loss is not finite after epoch 1"):
        trained(model(), validation=Arrays({"x": X[:37]}, target), epochs=3)


def test_callbacks_are_called_as_fit_calls_them() -> None:
    calls: list[str] = []
    seen: list[int] = []

    class Witness(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            calls.append(f"train {self.params['epochs']} {self.params['steps']}")

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            calls.append(f"epoch {epoch}")

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(batch)

        def on_test_end(self, logs: Any = None) -> None:
            calls.append("validated")

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            calls.append(f"end {epoch} {'validation_loss' in logs}")

        def on_train_end(self, logs: Any = None) -> None:
            calls.append("done")

    trained(model(), validation=VALIDATION, callbacks=(Witness(),), epochs=2)
    one = ["epoch 0", "validated", "end 0 True"]
    two = ["epoch 1", "validated", "end 1 True"]
    assert calls == [f"train 2 {STEPS}", *one, *two, "done"]
    assert seen[-1] == STEPS - 1
    assert seen == sorted(seen[: seen.index(STEPS - 1) + 1]) + seen[seen.index(STEPS - 1) + 1 :]


def test_early_stopping_gives_the_best_weights_back() -> None:
    kept: dict[int, list[np.ndarray]] = {}

    class Keeper(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            kept[epoch + 1] = self.model.get_weights()

    settings: dict[str, Any] = {"epochs": 60, "early_stopping": {"monitor": "validation_loss", "patience": 2}}
    section = Training.parse(settings)
    made = model()
    rows = trained(made, validation=VALIDATION, callbacks=(Keeper(), *section.callbacks()), epochs=60)
    losses = [row["validation_loss"] for row in rows]
    best = int(np.argmin(losses)) + 1
    assert len(rows) == best + 2 < 60
    for mine, other in zip(made.get_weights(), kept[best], strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in Keras's own callback
def test_the_learning_rate_falls_on_a_plateau() -> None:
    section = Training.parse({"reduce_on_plateau": {"monitor": "loss", "patience": 1, "factor": 0.1, "minimum": 1e-9}})

    class Plateau(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["loss"] = 1.0

    rows = trained(model(), callbacks=(Plateau(), *section.callbacks()), epochs=4)
    np.testing.assert_allclose([row["learning_rate"] for row in rows], [0.05, 0.05, 0.005, 0.0005], rtol=1e-5)


def test_stop_is_obeyed_within_the_epoch_and_keeps_what_was_done() -> None:
    made, reporter = model(norm=False, rate=1e-3), Recorder()
    loop = Loop(made, TRAIN, None, Training(epochs=50, batch_size=1), 0, xla=False)
    rows = list(loop.run(reporter, [], lambda: len(reporter.chunks) == 3))
    assert rows == []
    assert len(reporter.chunks) == 3
    epoch, step = reporter.chunks[-1]
    assert (epoch, int(made.optimizer.iterations)) == (1, step)
    assert step < EXAMPLES


def test_stop_between_epochs_keeps_the_row() -> None:
    reporter = Recorder()
    rows = list(
        Loop(model(), TRAIN, VALIDATION, Training(epochs=50, batch_size=BATCH), 0, xla=False).run(
            reporter, [], lambda: bool(reporter.rows)
        )
    )
    assert [row["epoch"] for row in rows] == [1]
    assert "validation_loss" in rows[0]


def test_chunks_grow_until_python_looks_up_a_few_times_a_second() -> None:
    reporter = Recorder()
    loop = Loop(model(norm=False, rate=1e-3), TRAIN, None, Training(epochs=12, batch_size=1), 0, xla=False)
    list(loop.run(reporter, [], lambda: False))
    of_epoch = [sum(1 for epoch, _ in reporter.chunks if epoch == each) for each in range(1, 13)]
    assert of_epoch[0] > 1
    assert of_epoch[-1] == 1
