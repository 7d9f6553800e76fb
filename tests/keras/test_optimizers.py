"""Optimizers and schedules against their formulas, worked out here without Keras."""

from __future__ import annotations

import math
from typing import Annotated, Any

import keras
import numpy as np
import pytest
from kinds import kinds
from pydantic import Field

from dlrun.spec.base import Spec
from dlrun.training.optimizers import Optimizer
from dlrun.training.schedules import Schedule, build_schedule

STEPS_PER_EPOCH = 10
EPOCHS = 8
GRADIENT = np.array([3.0, -4.0])


class Section(Spec):
    optimizer: Optimizer
    schedule: Annotated[Schedule | None, Field()] = None


def built(tree: dict[str, Any], weight_decay: float = 0.0) -> Any:
    return Section.parse({"optimizer": tree}).optimizer.build(weight_decay, STEPS_PER_EPOCH, EPOCHS)


def after(optimizer: Any, steps: int = 1, start: tuple[float, float] = (1.0, 1.0)) -> np.ndarray:
    """The weights after steps with the same gradient."""
    variable = keras.Variable(np.array(start, np.float32))
    optimizer.build([variable])
    for _ in range(steps):
        optimizer.apply([keras.ops.convert_to_tensor(GRADIENT.astype(np.float32))])
    return variable.value.numpy()


def sgd(g: np.ndarray, rate: float = 1e-2) -> np.ndarray:
    return 1 - 2 * rate * g


def adam(g: np.ndarray, rate: float = 1e-3) -> np.ndarray:
    return 1 - 2 * rate * g / np.abs(g)  # a gradient that never changes: mean and root of squares are both |g|


def adamw(g: np.ndarray, rate: float = 1e-3, decay: float = 0.1) -> np.ndarray:
    w = np.ones(2)
    for _ in range(2):
        w = w - rate * decay * w - rate * np.sign(g)
    return w


def nadam(g: np.ndarray, rate: float = 1e-3) -> np.ndarray:
    # Dozat 2016, with the momentum schedule u_t = 0.9 (1 - 0.5 * 0.96^t)
    u = [0.9 * (1 - 0.5 * 0.96**t) for t in (1, 2, 3)]
    w, m, v = np.ones(2), np.zeros(2), np.zeros(2)
    for t in (1, 2):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        product = math.prod(u[:t])
        ahead = u[t] * m / (1 - product * u[t]) + (1 - u[t - 1]) * g / (1 - product)
        w = w - rate * ahead / (np.sqrt(v / (1 - 0.999**t)) + 1e-7)
    return w


def rmsprop(g: np.ndarray, rate: float = 1e-3) -> np.ndarray:
    w, v = np.ones(2), np.zeros(2)
    for _ in range(2):
        v = 0.9 * v + 0.1 * g**2
        w = w - rate * g / np.sqrt(v + 1e-7)
    return w


def adagrad(g: np.ndarray, rate: float = 1e-3) -> np.ndarray:
    return 1 - rate * g / np.sqrt(0.1 + g**2) - rate * g / np.sqrt(0.1 + 2 * g**2)


def lion(g: np.ndarray, rate: float = 1e-4) -> np.ndarray:
    return 1 - 2 * rate * np.sign(g)


RULES: dict[str, Any] = {
    "sgd": sgd, "adam": adam, "adamw": adamw, "nadam": nadam, "rmsprop": rmsprop, "adagrad": adagrad, "lion": lion,
}  # fmt: skip


def test_no_kind_is_without_its_formula() -> None:
    assert set(RULES) == set(kinds(Optimizer))
    assert set(RATES) == set(kinds(Schedule))


@pytest.mark.parametrize("kind", RULES)
def test_two_steps_by_hand(kind: str) -> None:
    optimizer = built({"kind": kind}, weight_decay=0.1 if kind == "adamw" else 0.0)
    np.testing.assert_allclose(after(optimizer, 2), RULES[kind](GRADIENT), rtol=1e-6)


@pytest.mark.parametrize("kind", RULES)
def test_the_learning_rate_is_the_one_that_is_given(kind: str) -> None:
    optimizer = built({"kind": kind, "learning_rate": 0.03}, weight_decay=0.1)
    np.testing.assert_allclose(float(optimizer.learning_rate), 0.03, rtol=1e-6)


@pytest.mark.parametrize("kind", RULES)
def test_weight_decay_takes_its_share_of_each_weight(kind: str) -> None:
    rate = 0.01
    some, more = (after(built({"kind": kind, "learning_rate": rate}, decay)) for decay in (0.1, 0.6))
    np.testing.assert_allclose(some - more, rate * 0.5 * np.ones(2), atol=2e-6)


def test_momentum() -> None:
    # v = 0.9 v - rate g: steps of 1 and 1.9 gradients
    np.testing.assert_allclose(after(built({"kind": "sgd", "momentum": 0.9}), 2), 1 - 0.01 * 2.9 * GRADIENT, rtol=1e-6)
    nesterov = built({"kind": "sgd", "momentum": 0.9, "nesterov": True})
    np.testing.assert_allclose(after(nesterov), 1 - 0.01 * 1.9 * GRADIENT, rtol=1e-6)


@pytest.mark.parametrize(
    ("clip", "step"),
    [
        ({"clip_norm": 1.0}, GRADIENT / 5),
        ({"clip_norm": 50.0}, GRADIENT),
        ({"clip_global_norm": 2.5}, GRADIENT / 2),
        ({"clip_value": 3.5}, np.array([3.0, -3.5])),
    ],
)
def test_clipping(clip: dict[str, float], step: np.ndarray) -> None:
    np.testing.assert_allclose(after(built({"kind": "sgd", "learning_rate": 0.1, **clip})), 1 - 0.1 * step, rtol=1e-6)


def test_global_clipping_takes_all_gradients_together() -> None:
    optimizer = built({"kind": "sgd", "learning_rate": 1.0, "clip_global_norm": 1.0})
    variables = [keras.Variable(np.zeros(1, np.float32)) for _ in range(2)]
    optimizer.build(variables)
    optimizer.apply([keras.ops.convert_to_tensor([3.0]), keras.ops.convert_to_tensor([4.0])])
    np.testing.assert_allclose([float(variable[0]) for variable in variables], [-0.6, -0.8], rtol=1e-6)


def cosine(epoch: float, length: float, final: float = 0.0) -> float:
    return final + (1 - final) * (1 + math.cos(math.pi * min(epoch / length, 1))) / 2


START = 0.1
WARM = [(0, START / 20), (9, START / 2), (19, START)]
"""A warm-up of two epochs: step i, counted from 0, is the (i + 1)-th of 20."""

RATES: dict[str, list[tuple[dict[str, Any], list[tuple[int, float]]]]] = {
    "constant": [({}, [(0, START), (79, START)]), ({"warmup": 2}, [*WARM, (20, START), (79, START)])],
    "exponential": [
        ({"factor": 0.5}, [(0, START), (10, START / 2), (5, START * 0.5**0.5), (30, START / 8)]),
        ({"factor": 0.5, "every": 2, "warmup": 2}, [*WARM, (20, START), (40, START / 2)]),
    ],
    "cosine": [
        ({}, [(0, START), (40, START / 2), (20, START * cosine(2, 8)), (80, 0.0), (100, 0.0)]),
        ({"final": 0.2}, [(0, START), (40, START * 0.6), (80, START * 0.2)]),
        ({"warmup": 2}, [*WARM, (20, START), (50, START / 2), (80, 0.0)]),
    ],
    "step": [
        ({"at": [2, 4.5]}, [(0, START), (19, START), (20, START / 10), (44, START / 10), (45, START / 100)]),
        ({"at": [4], "factor": 0.5, "warmup": 2}, [*WARM, (39, START), (40, START / 2)]),
    ],
}


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [(kind, fields, expected) for kind, cases in RATES.items() for fields, expected in cases],
)
def test_rate_at_each_step_by_hand(kind: str, fields: dict[str, Any], expected: list[tuple[int, float]]) -> None:
    schedule = Section.parse({"optimizer": {"kind": "sgd"}, "schedule": {"kind": kind, **fields}}).schedule
    rate = build_schedule(schedule, START, STEPS_PER_EPOCH, EPOCHS)
    found = [(step, float(rate(step)) if callable(rate) else rate) for step, _ in expected]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-8)


def test_the_optimizer_follows_its_schedule() -> None:
    optimizer = built({"kind": "sgd", "learning_rate": 0.1, "schedule": {"kind": "step", "at": [0.2], "factor": 0.5}})
    # two steps of 0.1, then one of 0.05
    np.testing.assert_allclose(after(optimizer, 3, start=(0.0, 0.0)), -0.25 * GRADIENT, rtol=1e-6)
    assert keras.optimizers.schedules.serialize(optimizer._learning_rate)["config"]["factor"] == 0.5
