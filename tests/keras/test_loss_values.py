"""The values of losses against NumPy and scikit-learn, from logits and labels as the data has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kinds import kinds
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error
from sklearn.utils.class_weight import compute_sample_weight

from dlrun.data.signature import Output
from dlrun.spec.base import Spec
from dlrun.training.losses import LOSSES, Loss, sample_weights
from dlrun.training.outputs import scores

BINARY = Output("era", "binary", (1,), ("old", "new"))
FOUR = Output("label", "multiclass", (4,), ("a", "b", "c", "d"))
NUMBER = Output("price", "regression", (1,))
FORECAST = Output("temp", "forecast", (6,))
IMAGE = Output("image", "reconstruction", (4, 4, 1))

RANDOM = np.random.default_rng(1)
LABELS = np.array([0, 1, 1, 0, 1, 1, 1], np.int32)
LOGITS = RANDOM.normal(size=(7, 1)).astype(np.float32) * 3
CLASSES = np.array([0, 3, 1, 2, 1, 1], np.int32)
CLASS_LOGITS = RANDOM.normal(size=(6, 4)).astype(np.float32) * 3


class Section(Spec):
    loss: Loss


def loss(kind: str, **fields: Any) -> Any:
    return Section.parse({"loss": {"kind": kind, **fields}}).loss


def value(
    kind: str, output: Output, y: Any, said: Any, smoothing: float = 0.0, weights: Any = None, **fields: Any
) -> float:
    built = loss(kind, **fields).build(output, smoothing)
    return float(built(y, said, sample_weight=weights))


def test_losses_lists_the_union() -> None:
    assert [kind for each in LOSSES for kind in [str(each.model_fields["kind"].annotation.__args__[0])]] == kinds(Loss)


def test_binary_crossentropy() -> None:
    probabilities = 1 / (1 + np.exp(-LOGITS.astype(float)))
    y = LABELS.reshape(-1, 1).astype(np.float32)
    expected = log_loss(LABELS, probabilities[:, 0])
    np.testing.assert_allclose(value("binary_crossentropy", BINARY, y, LOGITS), expected, rtol=1e-5)
    smooth = y * 0.9 + 0.05
    by_hand = -(smooth * np.log(probabilities) + (1 - smooth) * np.log(1 - probabilities)).mean()
    np.testing.assert_allclose(value("binary_crossentropy", BINARY, y, LOGITS, 0.1), by_hand, rtol=1e-5)


def test_it_stays_finite_where_a_sigmoid_would_round() -> None:
    y, said = np.array([[0.0], [1.0]], np.float32), np.array([[200.0], [-300.0]], np.float32)
    assert value("binary_crossentropy", BINARY, y, said) == 250.0
    one_sided = np.array([[500.0, 0, 0, 0]], np.float32)
    assert value("categorical_crossentropy", FOUR, np.array([1], np.int32), one_sided) == 500.0


def test_categorical_crossentropy() -> None:
    probabilities = np.asarray(scores(CLASS_LOGITS, FOUR, loss("categorical_crossentropy")))
    expected = log_loss(CLASSES, probabilities, labels=range(4))
    np.testing.assert_allclose(value("categorical_crossentropy", FOUR, CLASSES, CLASS_LOGITS), expected, rtol=1e-5)
    smooth = np.eye(4)[CLASSES] * 0.8 + 0.2 / 4
    by_hand = -(smooth * np.log(probabilities)).sum(axis=1).mean()
    found = value("categorical_crossentropy", FOUR, CLASSES, CLASS_LOGITS, 0.2)
    np.testing.assert_allclose(found, by_hand, rtol=1e-5)


def test_categorical_crossentropy_of_two_classes() -> None:
    two = np.array([[0.3, 1.2], [2.0, -1.0]], np.float32)
    for smoothing in (0.0, 0.1):
        found = value("categorical_crossentropy", BINARY, np.array([1, 0], np.int32), two, smoothing)
        probabilities = np.asarray(scores(two, BINARY, loss("categorical_crossentropy")))
        smooth = np.array([[0, 1], [1, 0]]) * (1 - smoothing) + smoothing / 2
        np.testing.assert_allclose(found, -(smooth * np.log(probabilities)).sum(axis=1).mean(), rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal(gamma: float) -> None:
    of_truth = np.asarray(scores(CLASS_LOGITS, FOUR, loss("focal")))[np.arange(6), CLASSES]
    by_hand = (-((1 - of_truth) ** gamma) * np.log(of_truth)).mean()
    np.testing.assert_allclose(value("focal", FOUR, CLASSES, CLASS_LOGITS, gamma=gamma), by_hand, rtol=1e-4)
    of_truth = np.asarray(scores(LOGITS, BINARY, loss("focal")))[np.arange(7), LABELS]
    by_hand = (-((1 - of_truth) ** gamma) * np.log(of_truth)).mean()
    y = LABELS.reshape(-1, 1).astype(np.float32)
    np.testing.assert_allclose(value("focal", BINARY, y, LOGITS, gamma=gamma), by_hand, rtol=1e-4)


@pytest.mark.parametrize("output", [NUMBER, FORECAST, IMAGE], ids=lambda output: output.task)
def test_losses_of_numbers(output: Output) -> None:
    y, said = RANDOM.normal(size=(2, 5, *output.shape)).astype(np.float32) * 2
    flat = y.reshape(5, -1), said.reshape(5, -1)
    np.testing.assert_allclose(value("mse", output, y, said), mean_squared_error(*flat), rtol=1e-5)
    np.testing.assert_allclose(value("mae", output, y, said), mean_absolute_error(*flat), rtol=1e-5)
    error = np.abs(y - said)
    by_hand = np.where(error <= 0.7, error**2 / 2, 0.7 * error - 0.7**2 / 2).mean()
    np.testing.assert_allclose(value("huber", output, y, said, delta=0.7), by_hand, rtol=1e-5)


def test_binary_crossentropy_of_an_image() -> None:
    y = RANDOM.random((3, 4, 4, 1), dtype=np.float32)
    said = RANDOM.normal(size=(3, 4, 4, 1)).astype(np.float32)
    p = np.asarray(scores(said, IMAGE, loss("binary_crossentropy")))
    by_hand = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
    np.testing.assert_allclose(value("binary_crossentropy", IMAGE, y, said), by_hand, rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("kind", ["categorical_crossentropy", "focal"])
def test_class_weights_weigh_each_example(kind: str, smoothing: float) -> None:
    weights = sample_weights("balanced", CLASSES, FOUR.classes)
    np.testing.assert_allclose(weights, compute_sample_weight("balanced", CLASSES), rtol=1e-6)
    each = np.array(
        [value(kind, FOUR, CLASSES[i : i + 1], CLASS_LOGITS[i : i + 1], smoothing) for i in range(len(CLASSES))]
    )
    found = value(kind, FOUR, CLASSES, CLASS_LOGITS, smoothing, weights)
    np.testing.assert_allclose(found, (each * weights).mean(), rtol=1e-5)
