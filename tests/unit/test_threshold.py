"""The threshold of two classes: as good as the best of scikit-learn's curves, and used wherever classes are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_curve, roc_curve

from dlrun.evaluation.confusion import confusion
from dlrun.evaluation.metrics import measure
from dlrun.evaluation.predictions import Predictions
from dlrun.evaluation.threshold import ByCost, choose
from dlrun.experiment import Experiment

CLASSES = ("no", "yes")
examples = st.lists(st.tuples(st.booleans(), st.floats(0.01, 0.99)), min_size=4, max_size=60).filter(
    lambda pairs: len({truth for truth, _ in pairs}) == 2
)


def arrays(pairs: list[tuple[bool, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([truth for truth, _ in pairs], int), np.array([score for _, score in pairs])


@given(pairs=examples)
def test_f1_is_the_best_of_the_precision_recall_curve(pairs: list[tuple[bool, float]]) -> None:
    truth, scores = arrays(pairs)
    precision, recall, _ = precision_recall_curve(truth, scores)
    best = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-300))
    chosen = choose("f1", truth, scores, CLASSES)
    assert f1_score(truth, scores >= chosen.value) == pytest.approx(best)
    assert 0 < chosen.value < 1


@given(pairs=examples)
def test_youden_is_the_best_of_the_roc_curve(pairs: list[tuple[bool, float]]) -> None:
    truth, scores = arrays(pairs)
    false_positive, true_positive, _ = roc_curve(truth, scores, drop_intermediate=False)
    chosen = choose("youden", truth, scores, CLASSES)
    said = scores >= chosen.value
    reached = said[truth == 1].mean() - said[truth == 0].mean()
    assert reached == pytest.approx(np.max((true_positive - false_positive)[1:]))


@given(pairs=examples, miss=st.sampled_from([0.5, 1.0, 10.0]))
def test_cost_is_the_least_of_all_thresholds(pairs: list[tuple[bool, float]], miss: float) -> None:
    truth, scores = arrays(pairs)

    def cost(threshold: float) -> float:
        (_, false), (missed, _) = confusion_matrix(truth, scores >= threshold, labels=[0, 1])
        return float(2 * false + miss * missed)

    how = ByCost.parse({"cost": {"false_positive": 2.0, "false_negative": miss}})
    assert cost(choose(how, truth, scores, CLASSES).value) == pytest.approx(min(cost(each) for each in scores))


def test_it_lies_between_two_probabilities() -> None:
    chosen = choose("f1", np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.6, 0.9]), CLASSES)
    assert chosen.value == pytest.approx(0.4)
    assert chosen.tree() == {"value": chosen.value, "rule": "best F1 of yes", "class": "yes", "split": "validation"}


def test_metrics_confusion_and_predictions_follow_it() -> None:
    second = np.array([0.2, 0.35, 0.6, 0.9])
    truth = np.array([0, 1, 0, 1])
    said = Predictions(
        "test", "binary", "label", CLASSES, np.arange(4), truth, np.stack([1 - second, second], 1), threshold=0.3
    )
    assert measure(said, ["accuracy"])["accuracy"] == 0.75
    assert confusion(said)["counts"] == [[1, 1], [0, 2]]
    assert said.to_frame()["prediction"].to_list() == ["no", "yes", "yes", "yes"]


@pytest.mark.parametrize(
    ("data", "threshold", "path"),
    [
        ({"source": {"kind": "bundled", "name": "breast_cancer"}}, "f1", None),
        ({"source": {"kind": "bundled", "name": "breast_cancer"}}, {"cost": {"false_negative": 10}}, None),
        ({"source": {"kind": "bundled", "name": "breast_cancer"}, "split": {"validation": 0}}, 0.3, None),
        (
            {"source": {"kind": "bundled", "name": "breast_cancer"}, "split": {"validation": 0}},
            "f1",
            ("evaluation", "threshold"),
        ),
        ({"source": {"kind": "bundled", "name": "iris"}}, "f1", ("evaluation", "threshold")),
    ],
)
def test_mistakes_are_found(data: dict[str, object], threshold: object, path: tuple[str, ...] | None) -> None:
    tree = {"data": data, "architecture": {"kind": "ann"}, "evaluation": {"threshold": threshold}}
    problems = Experiment.parse(tree).check(Path())
    assert [problem.path for problem in problems] == ([path] if path else [])
