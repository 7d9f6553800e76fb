"""Graph or XLA: the choice changes no weight, is the same the next time, and costs a short training nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from dlrun.training import choice
from dlrun.training.choice import Memory, choose
from dlrun.training.followed import Followed
from dlrun.training.loop import Loop
from dlrun.training.settings import Training
from dlrun.training.state import capture
from dlrun.training.step import Learner
from dlrun.training.supply import Arrays, InMemory

X = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)


def loop_of(epochs: int) -> Loop:
    keras.utils.set_random_seed(1)
    x = inputs = keras.Input((6,), name="x")
    x = layers.BatchNormalization()(layers.Dense(16, "relu")(x))
    model = keras.Model({"x": inputs}, layers.Dense(1)(layers.Dropout(0.3, seed=1)(x)))
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)
    metric = Followed("mae", lambda y, said: keras.ops.abs(y - said))
    learner = Learner(model, optimizer, keras.losses.MeanSquaredError(), metric)
    settings = Training(epochs=epochs, batch_size=16)
    return Loop(learner, InMemory(Arrays({"x": X}, X[:, :1]), shuffle=True), None, settings, xla=False)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Which ways were compiled for a trial, in order; True is XLA."""
    found: list[bool] = []
    make = choice.Trial.__init__

    def recorded(self: Any, loop: Loop, batch_size: int, *, xla: bool) -> None:
        found.append(xla)
        make(self, loop, batch_size, xla=xla)

    monkeypatch.setattr(choice.Trial, "__init__", recorded)
    return found


def test_a_long_training_tries_both_and_begins_as_if_it_had_not(tmp_path: Path, tried: list[bool]) -> None:
    loop = loop_of(10_000_000)
    before = capture(loop.learner)
    chosen = choose(loop, 16, Memory(tmp_path, {"key": 1}), print)
    assert chosen in ("graph", "xla")
    assert tried == [False, True]
    after = capture(loop.learner)
    assert before.keys() == after.keys()
    for name, values in before.items():
        np.testing.assert_array_equal(values, after[name], err_msg=name)


def test_a_short_one_is_a_graph(tmp_path: Path, tried: list[bool]) -> None:
    assert choose(loop_of(3), 16, Memory(tmp_path, {"key": 1}), print) == "graph"
    assert tried == [False]


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ({"graph": 0.01}, "graph"),
        ({"graph": 0.01, "xla": 0.001, "compile": 1.0}, "xla"),
        ({"graph": 0.01, "xla": 0.02, "compile": 0.0}, "graph"),
        ({"graph": 0.01, "xla": 0.007, "compile": 7.0}, "graph"),  # 1300 steps: 13 s against 9.1 + 7
        # About the same time, where something else keeps a core busy: the one that computes less.
        ({"graph": 0.01, "xla": 0.01, "compile": 0.1, "graph_processor": 0.02, "xla_processor": 0.01}, "xla"),
        ({"graph": 0.01, "xla": 0.009, "compile": 0.1, "graph_processor": 0.01, "xla_processor": 0.015}, "graph"),
    ],
)
def test_compiling_counts(
    measured: dict[str, float], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "compare", lambda *_: measured)
    assert choose(loop_of(100), 16, Memory(tmp_path, {}), print) == expected


def test_it_is_remembered_for_the_same_length_alone(tmp_path: Path, tried: list[bool]) -> None:
    memory = Memory(tmp_path, {"network": [8]})
    memory.remember(26, "xla", {"graph": 1.0, "xla": 0.1})
    assert choose(loop_of(2), 16, memory, print) == "xla"
    assert tried == []
    assert choose(loop_of(3), 16, memory, print) == "graph"
    assert memory.choice(26) == "xla"
    assert memory.choice(39) == "graph"
    assert Memory(tmp_path, {"network": [9]}).choice(26) is None


def test_what_was_chosen_once_stays(tmp_path: Path) -> None:
    memory = Memory(tmp_path, {})
    memory.remember(26, "graph", {"graph": 1.0})
    memory.remember(26, "xla", {"graph": 1.0, "xla": 0.5})
    assert memory.choice(26) == "graph"


def test_a_broken_or_forbidden_cache_is_done_without(tmp_path: Path) -> None:
    memory = Memory(tmp_path, {})
    memory.remember(26, "xla", {})
    (file,) = tmp_path.iterdir()
    file.write_text('{"choices": ', encoding="utf-8")
    assert memory.choice(26) is None
    blocked = Memory(file / "below a file", {})
    blocked.remember(26, "xla", {})
    assert blocked.choice(26) is None
