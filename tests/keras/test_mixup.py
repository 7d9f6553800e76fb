"""Mixup against a training of mixed images and mixed labels, written by hand with NumPy and Keras."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from dlrun.data.features.augment import Augment
from dlrun.data.preparation import Examples
from dlrun.training.augmentation import EXAMPLE, Augmentation, Augmented
from dlrun.training.followed import Followed
from dlrun.training.loop import Loop
from dlrun.training.mixup import QUANTILES, Mixup, quantiles
from dlrun.training.progress import Progress
from dlrun.training.settings import Training
from dlrun.training.several import FollowedSeveral, WeightedLosses
from dlrun.training.step import Learner
from dlrun.training.supply import Arrays, InMemory

RANDOM = np.random.default_rng(0)
COUNT, CLASSES, RATE, SEED = 7, 3, 0.5, 4
IMAGES = RANDOM.random((COUNT, 4, 5, 1), dtype=np.float32)
LABELS = np.array([0, 1, 2, 0, 1, 2, 1], np.int32)
WEIGHTS = np.array([1.0, 0.5, 2.0], np.float32)[LABELS]
PRICES = RANDOM.normal(size=(COUNT, 1)).astype(np.float32)
ROWS = np.array([4, 0, 17, 300, 2, 9, 11], np.int32)


def epoch(number: int) -> Any:
    return tf.constant(number, tf.int64)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_are_of_the_beta_distribution_and_follow_from_seed_epoch_and_row(alpha: float) -> None:
    mixup, rows = Mixup(alpha, True, SEED), tf.range(400_000, dtype=tf.int32)
    shares = mixup.shares(epoch(3), tf.cast(rows, tf.uint32)).numpy()
    levels = np.linspace(0.05, 0.95, 19)
    reached = [np.mean(shares <= stats.beta(alpha, alpha).ppf(level)) for level in levels]
    np.testing.assert_allclose(reached, levels, atol=0.004 + 1 / QUANTILES)  # five standard errors
    np.testing.assert_allclose(quantiles(alpha) + quantiles(alpha)[::-1], 1, atol=1e-6)  # neither image is preferred
    few = tf.constant([7, 3, 399_999], tf.uint32)
    np.testing.assert_array_equal(mixup.shares(epoch(3), few), shares[few.numpy()])
    compiled = tf.function(lambda rows: mixup.shares(epoch(3), rows), jit_compile=True, autograph=False)
    np.testing.assert_array_equal(compiled(few), shares[few.numpy()])
    for other in (mixup.shares(epoch(4), few), Mixup(alpha, True, SEED + 1).shares(epoch(3), few)):
        assert not np.isclose(other, shares[few.numpy()]).any()


def test_each_example_is_mixed_with_one_other_and_others_in_other_epochs() -> None:
    found = np.stack([Mixup(1.0, True, SEED).partners(epoch(number), 8).numpy() for number in range(60)])
    assert (np.sort(found, 1) == np.arange(8)).all()
    assert {tuple(row) for row in found} == {tuple(np.roll(np.arange(8), -by)) for by in range(1, 8)}
    assert Mixup(1.0, True, SEED).partners(epoch(1), 1).numpy().tolist() == [0]
    shares = [Mixup(1.0, True, SEED).shares(epoch(number), tf.constant([0], tf.uint32))[0] for number in range(9)]
    assert found[:9, 0].tolist() != [1 + int(7 * share) for share in shares], "both are drawn from words of their own"


def trained(
    outputs: dict[str, int], arrays: Arrays, loss: Any, metric: Any, mixup: Mixup, **training: Any
) -> tuple[list[np.ndarray], dict[str, float], list[np.ndarray]]:
    """The weights after one step, the history, and the weights before it."""
    keras.utils.set_random_seed(1)
    image = keras.Input(IMAGES.shape[1:], name="image")
    flat = keras.layers.Flatten()(image)
    heads = [keras.layers.Dense(units)(flat) for units in outputs.values()]
    model = keras.Model({"image": image}, heads if len(heads) > 1 else heads[0])
    before = [variable.numpy() for variable in model.trainable_variables]
    optimizer = keras.optimizers.SGD(RATE)
    optimizer.build(model.trainable_variables)
    augment = Augment.parse({"mixup": mixup.alpha})
    loop = Loop(
        Learner(model, optimizer, loss, metric), InMemory(arrays), None,
        Training.parse({"batch_size": COUNT} | training),
        xla=False, augmentation=Augmentation((Augmented("image", augment, (0.0,), (1.0,)),), SEED, mixup),
    )  # fmt: skip
    progress = Progress(loop.settings.batch_size)
    loop.advance(progress)
    row = loop.end_epoch(progress)
    return [variable.numpy() for variable in model.trainable_variables], row, before


def by_hand(mixup: Mixup) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Partners, shares and mixed images of the first epoch."""
    partners = mixup.partners(epoch(1), COUNT).numpy()
    shares = mixup.shares(epoch(1), tf.constant(ROWS, tf.uint32)).numpy()
    part = shares[:, None, None, None]
    return partners, shares, part * IMAGES + (1 - part) * IMAGES[partners]


@pytest.mark.parametrize("parts", [{}, {"batch_size": 3, "gradient_accumulation": 3}])
def test_a_step_is_that_of_mixed_images_and_weighed_mixed_labels(parts: dict[str, int]) -> None:
    mixup = Mixup(0.7, True, SEED)
    partners, shares, images = by_hand(mixup)
    arrays = Arrays({"image": IMAGES, EXAMPLE: ROWS}, LABELS, WEIGHTS)
    metric = Followed("accuracy", lambda y, said: keras.ops.equal(keras.ops.argmax(said, -1), y))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    after, row, (kernel, bias) = trained({"label": CLASSES}, arrays, loss, metric, mixup, **parts)

    hot = np.eye(CLASSES)[LABELS] * WEIGHTS[:, None]
    labels = shares[:, None] * hot + (1 - shares)[:, None] * hot[partners]
    flat = images.reshape(COUNT, -1).astype(np.float64)
    logits = flat @ kernel + bias
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    slope = (chances * labels.sum(1, keepdims=True) - labels) / COUNT
    np.testing.assert_allclose(after[0], kernel - RATE * flat.T @ slope, atol=1e-6)
    np.testing.assert_allclose(after[1], bias - RATE * slope.sum(0), atol=1e-6)
    assert row["loss"] == pytest.approx(-np.mean((labels * np.log(chances)).sum(1)), rel=1e-5)
    hits, its_hits = logits.argmax(1) == LABELS, logits.argmax(1) == LABELS[partners]
    assert row["accuracy"] == pytest.approx(np.mean(shares * hits + (1 - shares) * its_hits), rel=1e-5)


def test_numbers_are_mixed_and_classes_beside_them() -> None:
    mixup = Mixup(0.7, {"label": True, "price": False}, SEED)
    partners, shares, images = by_hand(mixup)
    arrays = Arrays({"image": IMAGES, EXAMPLE: ROWS}, {"label": LABELS, "price": PRICES}, {"label": WEIGHTS})
    crossentropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    losses = WeightedLosses(
        {"label": crossentropy, "price": keras.losses.MeanAbsoluteError()}, {"label": 1.0, "price": 0.5}
    )
    right = Followed("accuracy", lambda y, said: keras.ops.equal(keras.ops.argmax(said, -1), y))
    far = Followed("mae", lambda y, said: keras.ops.abs(y - said))
    several = FollowedSeveral(losses, {"label": right, "price": far})
    after, row, before = trained({"label": CLASSES, "price": 1}, arrays, losses, several, mixup)
    prices = shares[:, None] * PRICES + (1 - shares)[:, None] * PRICES[partners]
    flat = images.reshape(COUNT, -1)
    apart = flat @ before[2] + before[3] - prices
    assert row["price_loss"] == pytest.approx(np.abs(apart).mean(), rel=1e-5)
    assert row["price_mae"] == pytest.approx(np.abs(apart).mean(), rel=1e-5)
    np.testing.assert_allclose(after[2], before[2] - RATE * 0.5 * flat.T @ np.sign(apart) / COUNT, atol=1e-6)
    hot = np.eye(CLASSES)[LABELS] * WEIGHTS[:, None]
    labels = shares[:, None] * hot + (1 - shares)[:, None] * hot[partners]
    logits = flat @ before[0] + before[1]
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert row["label_loss"] == pytest.approx(-np.mean((labels * np.log(chances)).sum(1)), rel=1e-5)
    assert row["loss"] == pytest.approx(row["label_loss"] + 0.5 * row["price_loss"], rel=1e-5)


def test_all_images_are_augmented_and_then_mixed_and_a_reconstruction_is_of_that() -> None:
    mixup = Mixup(0.7, False, SEED)
    partners, shares, _ = by_hand(mixup)
    augment = Augment.parse({"mixup": 0.7, "brightness": 0.4})
    inputs = tuple(Augmented(name, augment, (0.0,), (1.0,)) for name in ("image", "back"))
    mixing, plain = Augmentation(inputs, SEED, mixup), Augmentation(inputs, SEED)

    def take(places: Any) -> Any:
        images = tf.gather(IMAGES, places)
        x = {"image": images, "back": images[:, ::-1], EXAMPLE: tf.gather(ROWS, places)}
        return x, x["image"]

    for each in (mixing, plain):
        each.begin(1)
    told = mixing.told(tf.range(COUNT))
    np.testing.assert_array_equal(told, np.stack([np.arange(COUNT), partners], 1))
    x, y = mixing.of(take, told)
    alone, _ = plain.of(take, plain.told(tf.range(COUNT)))
    assert x.keys() == alone.keys() == {"image", "back"}
    part = shares[:, None, None, None]
    for name, images in alone.items():
        np.testing.assert_allclose(x[name], part * images + (1 - part) * images.numpy()[partners], atol=1e-6)
    assert np.abs(alone["image"] - IMAGES).max() > 0.1
    np.testing.assert_array_equal(y, x["image"])

    chosen = np.array([0, 1, 2, 3, 4, 6])  # six are shown
    shown = mixing.samples(Examples(ROWS, {"image": IMAGES, "back": IMAGES[:, ::-1]}, LABELS, LABELS))
    np.testing.assert_array_equal(shown["originals"], IMAGES[chosen])
    for number in (1, 7):
        mixing.begin(number)
        told = mixing.told(tf.constant(chosen))
        np.testing.assert_allclose(shown["augmented"][:, number - 1], mixing.of(take, told)[0]["image"], atol=1e-6)
        np.testing.assert_array_equal(chosen[shown["partners"][:, number - 1]], told[:, 1])
        shares = mixup.shares(epoch(number), tf.constant(ROWS[chosen], tf.uint32))
        np.testing.assert_array_equal(shown["shares"][:, number - 1], shares)
