"""The training loop against Keras's own `fit` and `evaluate`, and what only it promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from keras.metrics import MeanAbsoluteError

from dlrun.errors import NotFiniteError
from dlrun.training.fit import fit
from dlrun.training.followed import Followed
from dlrun.training.loop import Loop
from dlrun.training.progress import Progress, Row
from dlrun.training.settings import Training
from dlrun.training.step import Learner
from dlrun.training.supply import Arrays, InMemory

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


def learner(made: Any) -> Learner:
    """What learns: a model with the optimizer and the loss that it was compiled with."""
    made.optimizer.build(made.trainable_variables)
    return Learner(made, made.optimizer, made.loss, Followed("mae", lambda y, said: keras.ops.abs(y - said)))


class Recorder:
    """What the training reported; as a keeper it keeps every checkpoint that it is offered, and writes none."""

    def __init__(self, made: Any) -> None:
        self.chunks: list[tuple[int, int]] = []
        self.rows: list[Row] = []
        self.events: list[dict[str, Any]] = []
        self.weights: dict[int, list[np.ndarray]] = {}
        self._model = made

    def on_chunk(self, epoch: int, step: int, metrics: dict[str, float], examples_per_second: float) -> None:
        assert examples_per_second > 0
        assert metrics.keys() in ({"loss", "mae"}, set())  # nothing where every step was left out
        self.chunks.append((epoch, step))

    def on_epoch(self, progress: Progress) -> None:
        self.rows.append(progress.rows[-1])
        self.weights[len(progress.rows)] = self._model.get_weights()

    def on_event(self, kind: str, message: str, **facts: Any) -> None:
        self.events.append({"kind": kind, "message": message, **facts})

    def after_chunk(self, progress: Progress) -> None:
        pass

    def save(self, progress: Progress) -> None:
        pass

    def restore(self) -> Progress:
        raise NotImplementedError


def trained(
    made: Any,
    *,
    train: Arrays = TRAIN,
    validation: Arrays | None = None,
    seed: int = 0,
    xla: bool = False,
    recorder: Recorder | None = None,
    stopped: Callable[[], bool] = lambda: False,
    **settings: Any,
) -> list[Row]:
    section = Training.parse({"epochs": 1, "batch_size": BATCH} | settings)
    recorder = recorder or Recorder(made)
    measured = InMemory(validation) if validation else None
    loop = Loop(learner(made), InMemory(train, seed, shuffle=section.shuffle), measured, section, xla=xla)
    monitor = section.monitored(["loss", "validation_loss"] if validation else ["loss"])
    start = Progress(section.batch_size)
    progress = fit(loop, start, monitor, reporter=recorder, keeper=recorder, stopped=stopped)
    assert recorder.rows == progress.rows
    last = [chunk for chunk in recorder.chunks if chunk[1] == loop.steps_per_epoch]
    assert last == [(row["epoch"], loop.steps_per_epoch) for row in progress.rows]
    return progress.rows


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
    orders = [list(InMemory(TRAIN, 7, shuffle=True).order(epoch)) for epoch in (1, 2, 3)]
    for order in orders:
        assert sorted(order) == list(range(EXAMPLES))
    assert len({tuple(order) for order in orders}) == 3
    again = InMemory(TRAIN, 7, shuffle=True)
    assert [list(again.order(epoch)) for epoch in (1, 2, 3)] == orders
    assert list(InMemory(TRAIN, 8, shuffle=True).order(1)) != orders[0]


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
    class Spoiler(Recorder):
        def after_chunk(self, progress: Progress) -> None:
            if (progress.epoch, progress.step) == (3, 0):
                self._model.layers[-1].bias.assign([np.nan])

    made = model()
    with pytest.raises(NotFiniteError, match="since epoch 3, step 1"):
        trained(made, recorder=Spoiler(made), epochs=5)


def test_a_validation_loss_that_is_not_finite_is_told() -> None:
    target = Y[:37].copy()
    target[-1] = np.nan
    with pytest.raises(NotFiniteError, match="the validation loss is not finite after epoch 1"):
        trained(model(), validation=Arrays({"x": X[:37]}, target), epochs=3)


def test_early_stopping_gives_the_best_weights_back() -> None:
    made = model()
    recorder = Recorder(made)
    stopping = {"monitor": "validation_loss", "patience": 2}
    rows = trained(made, validation=VALIDATION, recorder=recorder, epochs=60, early_stopping=stopping)
    losses = [row["validation_loss"] for row in rows]
    best = int(np.argmin(losses)) + 1
    assert len(rows) == best + 2 < 60
    for mine, other in zip(made.get_weights(), recorder.weights[best], strict=True):
        np.testing.assert_array_equal(mine, other)


def test_the_learning_rate_falls_on_a_plateau() -> None:
    plateau = {"monitor": "loss", "patience": 1, "factor": 0.1, "minimum": 1e-9}
    constant = Arrays({"x": np.zeros_like(X)}, np.zeros_like(Y))  # nothing gets better
    made = model(norm=False)
    for weight in made.trainable_variables:
        weight.assign(keras.ops.zeros_like(weight))
    rows = trained(made, train=constant, epochs=4, reduce_on_plateau=plateau)
    np.testing.assert_allclose([row["learning_rate"] for row in rows], [0.05, 0.05, 0.005, 0.0005], rtol=1e-5)


def test_stop_is_obeyed_within_the_epoch_and_keeps_what_was_done() -> None:
    made = model(norm=False, rate=1e-3)
    recorder = Recorder(made)
    assert trained(made, recorder=recorder, stopped=lambda: len(recorder.chunks) == 3, epochs=50, batch_size=1) == []
    assert len(recorder.chunks) == 3
    epoch, step = recorder.chunks[-1]
    assert (epoch, int(made.optimizer.iterations)) == (1, step)
    assert step < EXAMPLES


def test_stop_between_epochs_keeps_the_row() -> None:
    made = model()
    recorder = Recorder(made)
    rows = trained(made, validation=VALIDATION, recorder=recorder, stopped=lambda: bool(recorder.rows), epochs=50)
    assert [row["epoch"] for row in rows] == [1]
    assert "validation_loss" in rows[0]


def test_accumulated_batches_are_one_large_batch() -> None:
    large, summed = (model(norm=False) for _ in range(2))
    rows = [
        trained(large, validation=VALIDATION, epochs=2, batch_size=48),
        trained(summed, validation=VALIDATION, epochs=2, batch_size=16, gradient_accumulation=3),
    ]
    assert int(large.optimizer.iterations) == int(summed.optimizer.iterations) == 2 * 3
    assert_same_weights(large, summed, 1e-6)
    for name in ("loss", "mae", "validation_loss"):
        np.testing.assert_allclose([row[name] for row in rows[0]], [row[name] for row in rows[1]], rtol=1e-5)


@pytest.mark.parametrize("xla", [False, True])
def test_accumulation_takes_embeddings_and_parts_of_any_size(xla: bool) -> None:
    def embedding() -> Any:
        keras.utils.set_random_seed(1)
        inputs = keras.Input((3,), dtype="int32", name="x")
        x = layers.Flatten()(layers.Embedding(9, 4)(inputs))
        made = keras.Model({"x": inputs}, layers.Dense(1)(x))
        made.compile(keras.optimizers.Adam(0.01), keras.losses.MeanSquaredError())
        return made

    tokens = Arrays({"x": RANDOM.integers(0, 9, (50, 3)).astype(np.int32)}, Y[:50])
    large, summed = embedding(), embedding()
    trained(large, train=tokens, epochs=2, batch_size=35, xla=xla)
    trained(summed, train=tokens, epochs=2, batch_size=7, gradient_accumulation=5, xla=xla)  # 35, then 7 + 7 + 1
    assert_same_weights(large, summed, 1e-5)


@pytest.mark.parametrize("xla", [False, True])
def test_a_step_that_is_not_finite_is_left_out(xla: bool) -> None:
    target = Y.copy()
    target[2 * BATCH + 3] = np.nan  # in the third of seven steps
    spoiled, without = model(norm=False), model(norm=False)
    recorder = Recorder(spoiled)
    rows = trained(
        spoiled, train=Arrays({"x": X}, target), shuffle=False, on_not_finite="skip", recorder=recorder, xla=xla
    )
    kept = np.r_[0 : 2 * BATCH, 3 * BATCH : EXAMPLES]
    others = trained(without, train=Arrays({"x": X[kept]}, Y[kept]), shuffle=False, xla=xla)
    assert_same_weights(spoiled, without, 1e-6)
    np.testing.assert_allclose(rows[0]["loss"], others[0]["loss"], rtol=1e-5)
    assert int(spoiled.optimizer.iterations) == STEPS - 1
    assert [(event["kind"], event["epoch"], event["steps"]) for event in recorder.events] == [("skipped", 1, 1)]


def test_statistics_of_a_step_that_is_left_out_are_not_kept() -> None:
    x = X.copy()
    x[2 * BATCH + 3] = np.inf
    made = model(norm=True)
    trained(made, train=Arrays({"x": x}, Y), shuffle=False, on_not_finite="skip")
    assert all(np.isfinite(values).all() for values in made.get_weights())


def test_an_epoch_without_any_finite_step_is_an_error() -> None:
    with pytest.raises(NotFiniteError, match="epoch 1"):
        trained(model(), train=Arrays({"x": X}, np.full_like(Y, np.nan)), on_not_finite="skip", epochs=3)


def test_chunks_grow_until_python_looks_up_a_few_times_a_second() -> None:
    made = model(norm=False, rate=1e-3)
    recorder = Recorder(made)
    trained(made, recorder=recorder, epochs=12, batch_size=1)
    of_epoch = [sum(1 for epoch, _ in recorder.chunks if epoch == each) for each in range(1, 13)]
    assert of_epoch[0] > 1
    assert of_epoch[-1] == 1


def test_chunks_end_where_a_checkpoint_is_due() -> None:
    made = model(norm=False, rate=1e-3)
    recorder = Recorder(made)
    trained(made, recorder=recorder, epochs=12, batch_size=1, checkpoint={"steps": 40})
    assert [step for epoch, step in recorder.chunks if epoch == 12] == [40, 80, 107]


def test_where_a_chunk_ends_changes_no_bit() -> None:
    one, two = model(dropout=0.3), model(dropout=0.3)
    rows = trained(one, validation=VALIDATION, epochs=3)
    others = trained(two, validation=VALIDATION, epochs=3, checkpoint={"steps": 1})
    assert_same_weights(one, two, 0.0)
    assert [row["loss"] for row in rows] == [row["loss"] for row in others]
