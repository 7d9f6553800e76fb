"""Several targets: the loss, its gradient and what is followed are those of Keras with `loss_weights`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from dlrun.batches import arrays_of
from dlrun.data.dataset import Dataset
from dlrun.experiment import Experiment
from dlrun.training.followed import Followed
from dlrun.training.loop import Loop
from dlrun.training.progress import Progress
from dlrun.training.several import FollowedSeveral, WeightedLosses
from dlrun.training.supply import InMemory

ROWS = 200


def table(folder: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, 3))
    price = 100 + 20 * x[:, 0] + random.normal(size=ROWS)
    sold = np.where(x[:, 1] > 0.5, "yes", "no")
    kind = np.array(["flat", "house", "barn"])[(x[:, 2] * 2).astype(int) % 3]
    np.savez(folder / "homes.npz", x=x, price=price, sold=sold, kind=kind)


TARGET = {
    "price": {"kind": "number", "loss": "huber", "weight": 0.25},
    "sold": {"kind": "category", "loss": {"kind": "binary_crossentropy", "class_weights": {"yes": 3.0, "no": 1.0}}},
    "kind": {"kind": "category", "weight": 2.0},
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Dataset]:
    folder = tmp_path_factory.mktemp("homes")
    table(folder)
    tree = {
        "data": {
            "source": {"kind": "arrays", "path": "homes.npz"},
            "target": TARGET,
            "features": {"x": {"kind": "number"}},
            "split": {"kind": "random", "validation": 0.2, "test": 0.2},
        },
        "architecture": {"kind": "ann", "dense": [5]},
        "regularization": {"l2": 1e-3},
        "training": {"batch_size": 32, "epochs": 2},
    }
    experiment = Experiment.parse(tree)
    dataset = experiment.load(folder)
    experiment = experiment.resolve(dataset, "homes")
    assert not list(experiment.check_signature(dataset.preparation.signature))
    return experiment, dataset


def test_each_loss_is_followed_as_one_replica_of_two_sees_it() -> None:
    """Keras divides a loss by the replicas; what is followed is the mean over the examples again."""
    losses = WeightedLosses({"a": lambda y, said, sample_weight: keras.ops.mean(y - said)}, {"a": 0.5})
    metric = Followed("mae", lambda y, said: keras.ops.abs(y - said))
    loss, mae = FollowedSeveral(losses, {"a": metric}).means(
        {"a": np.ones((4, 1))}, [np.full((4, 1), 0.25)], None, None, 2
    )
    assert (float(loss), float(mae)) == (1.5, 0.75)
    (mixed,) = metric.means(np.ones((4, 2)), np.full((4, 2), 0.25), None, np.full(4, 0.5, np.float32), 1)
    assert float(mixed) == 0.375, "half of each example's mean"


def by_hand() -> Any:
    """With the same first weights it must learn the same."""
    x = keras.Input((3,), name="features")
    regularizer = keras.regularizers.L2(1e-3)
    hidden = keras.layers.Dense(5, "relu", kernel_regularizer=regularizer, name="hidden")(x)
    heads = [keras.layers.Dense(size, name=name)(hidden) for name, size in (("price", 1), ("sold", 1), ("kind", 3))]
    model = keras.Model(x, dict(zip(TARGET, heads, strict=True)))
    losses = {
        "price": keras.losses.Huber(),
        "sold": keras.losses.BinaryCrossentropy(from_logits=True),
        "kind": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    }
    model.compile(keras.optimizers.SGD(0.1), losses, loss_weights={"price": 0.25, "sold": 1.0, "kind": 2.0})
    return model


def test_loss_and_gradient_are_those_of_keras(loaded: tuple[Experiment, Dataset]) -> None:
    experiment, dataset = loaded
    model = experiment.build(dataset.preparation.signature)
    expected = by_hand()
    pairs = [(model.get_layer(f"output_{name}"), expected.get_layer(name)) for name in TARGET]
    pairs.append((model.get_layer("dense_1"), expected.get_layer("hidden")))
    for one, two in pairs:
        two.set_weights(one.get_weights())
    arrays = arrays_of(experiment, dataset.train, dataset.preparation, weigh=True)
    assert isinstance(arrays.target, dict)
    assert isinstance(arrays.weights, dict)
    assert set(arrays.weights) == {"sold"}
    learner = experiment.learner(model, dataset.preparation, len(arrays))
    batch = ({name: tf.constant(values) for name, values in arrays.inputs.items()}, arrays.target, arrays.weights)
    with tf.GradientTape() as tape:
        total = sum(learner.forward(batch, training=True)[:2])
    x = tf.constant(arrays.inputs["features"])
    ones = np.ones(len(arrays), np.float32)
    with tf.GradientTape() as other:
        wanted = expected.compute_loss(
            x, arrays.target, expected(x), sample_weight={"price": ones, "kind": ones} | arrays.weights
        )
    np.testing.assert_allclose(total, wanted, rtol=1e-6)
    found = tape.gradient(total, [weight.value for one, _ in pairs for weight in one.weights])
    correct = other.gradient(wanted, [weight.value for _, two in pairs for weight in two.weights])
    assert len(found) == 8
    for mine, theirs in zip(found, correct, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


def test_what_is_followed_is_what_numpy_says(loaded: tuple[Experiment, Dataset]) -> None:
    experiment, dataset = loaded
    model = experiment.build(dataset.preparation.signature)
    train = arrays_of(experiment, dataset.train, dataset.preparation, weigh=True)
    validation = arrays_of(experiment, dataset.validation, dataset.preparation)
    learner = experiment.learner(model, dataset.preparation, len(train))
    loop = Loop(learner, InMemory(train, 0), InMemory(validation), experiment.training, xla=False)
    progress = Progress(experiment.training.batch_size)
    while progress.step < loop.steps_per_epoch:
        loop.advance(progress)
    row = loop.end_epoch(progress)
    metrics = ("price_loss", "price_mae", "sold_loss", "sold_accuracy", "kind_loss", "kind_accuracy")
    assert [name for name in row if name.startswith("validation_")] == [
        f"validation_{name}" for name in ("loss", *metrics)
    ]
    price, sold, kind = (np.asarray(each, np.float64) for each in model(validation.inputs))
    parts = dataset.validation.each
    scale = dataset.preparation.target_scale
    assert row["validation_price_mae"] == pytest.approx(np.abs(price - parts[0].target).mean() * scale, rel=1e-5)
    assert row["validation_sold_accuracy"] == pytest.approx(np.mean((sold[:, 0] > 0) == parts[1].truth))
    assert row["validation_kind_accuracy"] == pytest.approx(np.mean(kind.argmax(1) == parts[2].truth))
    log_p = kind - np.log(np.exp(kind).sum(1, keepdims=True))
    assert row["validation_kind_loss"] == pytest.approx(-log_p[np.arange(len(kind)), parts[2].truth].mean(), rel=1e-5)
    weighted = 0.25 * row["validation_price_loss"] + row["validation_sold_loss"] + 2 * row["validation_kind_loss"]
    assert row["validation_loss"] - weighted == pytest.approx(float(tf.add_n(model.losses)), rel=1e-4)


def test_the_steps_go_on_from_where_they_stood(loaded: tuple[Experiment, Dataset]) -> None:
    """The sums of an epoch travel through JSON, however many targets there are."""
    experiment, dataset = loaded
    train = arrays_of(experiment, dataset.train, dataset.preparation, weigh=True)
    rows = []
    for cut in (False, True):
        model = experiment.build(dataset.preparation.signature)
        learner = experiment.learner(model, dataset.preparation, len(train))
        loop = Loop(learner, InMemory(train, 0), None, experiment.training, xla=False)
        progress = Progress(experiment.training.batch_size)
        while progress.step < loop.steps_per_epoch:
            loop.advance(progress)
            if cut:
                progress = Progress.parse(progress.tree(), None)
        rows.append({name: value for name, value in loop.end_epoch(progress).items() if "second" not in name})
    assert rows[0] == rows[1]
