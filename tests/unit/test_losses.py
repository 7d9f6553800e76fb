"""Losses, as far as they need no Keras: what fits, class weights, and what outputs mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax
from sklearn.utils.class_weight import compute_class_weight

from dlrun.data.signature import Output, Task
from dlrun.evaluation.names import TASKS
from dlrun.training.losses import (
    LOSSES,
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Focal,
    Loss,
    MeanSquaredError,
    check_loss,
    default_loss,
    describe,
    output_units,
    sample_weights,
)
from dlrun.training.outputs import scores

OUTPUTS: dict[Task, Output] = {
    "binary": Output("era", "binary", (1,), ("old", "new")),
    "multiclass": Output("label", "multiclass", (3,), ("a", "b", "c")),
    "regression": Output("price", "regression", (1,)),
    "forecast": Output("temp", "forecast", (24,)),
    "reconstruction": Output("image", "reconstruction", (8, 8, 1)),
}
BINARY = BinaryCrossentropy(kind="binary_crossentropy")
CATEGORICAL = CategoricalCrossentropy(kind="categorical_crossentropy")


def kind_of(loss: type[Loss]) -> str:
    return str(loss.model_fields["kind"].annotation.__args__[0])


@pytest.mark.parametrize("task", OUTPUTS)
@pytest.mark.parametrize("loss", LOSSES, ids=kind_of)
def test_a_loss_fits_its_tasks_and_no_others(loss: type[Loss], task: Task) -> None:
    found = list(check_loss(loss.parse({"kind": kind_of(loss)}), OUTPUTS[task]))
    assert [problem.path for problem in found] == ([] if task in loss.tasks else [("kind",)])
    if found:
        fitting = [kind_of(each) for each in LOSSES if task in each.tasks]
        assert found[0].expected == f"one of {', '.join(fitting)}"


@pytest.mark.parametrize(("task", "kind"), [
    ("binary", "binary_crossentropy"), ("multiclass", "categorical_crossentropy"), ("regression", "mse"),
    ("forecast", "mse"), ("reconstruction", "mse"),
])  # fmt: skip
def test_the_task_names_its_loss(task: Task, kind: str) -> None:
    loss = default_loss(task)
    assert loss.kind == kind
    assert not list(check_loss(loss, OUTPUTS[task]))


def test_every_task_has_a_case() -> None:
    assert set(OUTPUTS) == set(TASKS)


def test_tasks_in_words() -> None:
    assert {task: describe(output) for task, output in OUTPUTS.items()} == {
        "binary": "the 2 classes of era",
        "multiclass": "the 3 classes of label",
        "regression": "the number price",
        "forecast": "the next 24 values of temp",
        "reconstruction": "a reconstruction of the input",
    }


def test_how_many_outputs() -> None:
    assert output_units(BINARY, OUTPUTS["binary"]) == 1
    assert output_units(CATEGORICAL, OUTPUTS["binary"]) == 2
    assert output_units(Focal(kind="focal"), OUTPUTS["binary"]) == 1
    assert output_units(CATEGORICAL, OUTPUTS["multiclass"]) == 3
    assert output_units(MeanSquaredError(kind="mse"), OUTPUTS["forecast"]) == 24
    assert output_units(MeanSquaredError(kind="mse"), OUTPUTS["reconstruction"]) == 64


def test_scores_by_hand() -> None:
    one = scores(np.array([[0.0], [np.log(3)], [-800.0], [800.0]], np.float32), OUTPUTS["binary"], BINARY)
    np.testing.assert_allclose(one, [[0.5, 0.5], [0.25, 0.75], [1, 0], [0, 1]], atol=1e-7)
    three = scores(np.log(np.array([[1.0, 2.0, 5.0]])), OUTPUTS["multiclass"], CATEGORICAL)
    np.testing.assert_allclose(three, [[0.125, 0.25, 0.625]], atol=1e-12)
    image = scores(np.full((2, 8, 8, 1), np.log(4), np.float32), OUTPUTS["reconstruction"], BINARY)
    np.testing.assert_allclose(image, np.full((2, 8, 8, 1), 0.8), atol=1e-7)
    numbers = np.array([[1.5], [-2.0]], np.float32)
    assert scores(numbers, OUTPUTS["regression"], MeanSquaredError(kind="mse")) is numbers


@given(arrays(np.float32, st.tuples(st.integers(1, 5), st.sampled_from([1, 3])), elements=st.floats(-80, 80, width=32)))
def test_scores_are_probabilities(logits: np.ndarray) -> None:
    output = OUTPUTS["binary" if logits.shape[1] == 1 else "multiclass"]
    lazy = scores(logits, output, BINARY)
    assert lazy.shape == (len(logits), len(output.classes))
    found = np.asarray(lazy)
    both = np.column_stack([np.zeros(len(logits)), logits[:, 0]]) if logits.shape[1] == 1 else logits.astype(float)
    np.testing.assert_allclose(found, softmax(both, axis=1), atol=1e-12)
    np.testing.assert_array_equal(lazy[:, 1], found[:, 1])
    np.testing.assert_array_equal(lazy[1:3], found[1:3])


def test_probabilities_of_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    whole = np.asarray(scores(logits, OUTPUTS["multiclass"], CATEGORICAL))
    monkeypatch.setattr("dlrun.training.outputs.BLOCK", 3)
    np.testing.assert_array_equal(scores(logits, OUTPUTS["multiclass"], CATEGORICAL), whole)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=60))
def test_balanced_weights_are_those_of_scikit_learn(labels: list[int]) -> None:
    found = sample_weights("balanced", np.array(labels), ("a", "b", "c"))
    assert found is not None
    assert found.dtype == np.float32
    present = np.unique(labels)
    if len(present) == 3:
        expected = compute_class_weight("balanced", classes=present, y=labels)
        np.testing.assert_allclose(found, expected[labels], rtol=1e-6)
    np.testing.assert_allclose(found.sum(), len(labels) * len(present) / 3, rtol=1e-5)


def test_given_weights_and_none() -> None:
    found = sample_weights({"b": 3.0, "a": 0.5}, np.array([1, 0, 1]), ("a", "b"))
    assert found is not None
    assert found.tolist() == [3.0, 0.5, 3.0]
    assert sample_weights(None, np.array([1]), ("a", "b")) is None


def test_a_task_in_words() -> None:
    assert describe(OUTPUTS["forecast"]) == "the next 24 values of temp"
    assert describe(Output("temp", "forecast", (1,))) == "the next value of temp"
