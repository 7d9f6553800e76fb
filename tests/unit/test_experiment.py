"""Checks across sections: each mistake with the path it points to, what it says and how to mend it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dlrun.data.signature import Input, Output, Signature
from dlrun.errors import SpecError
from dlrun.experiment import Experiment, fitting_name
from dlrun.reading import read_experiment
from dlrun.spec.problem import Problem, path_text
from dlrun.training.device import Runtime

SOURCES: dict[str, dict[str, Any]] = {
    "table": {"source": {"kind": "bundled", "name": "breast_cancer"}, "target": "diagnosis"},
    "number": {"source": {"kind": "bundled", "name": "diabetes"}},
    "flowers": {"source": {"kind": "bundled", "name": "iris"}},
    "image": {"source": {"kind": "bundled", "name": "digits"}},
    "text": {"source": {"kind": "bundled", "name": "sotu_eras"}},
    "series": {
        "source": {"kind": "bundled", "name": "seattle_temps"},
        "target": "temp",
        "features": {"temp": {"kind": "series", "window": 48, "horizon": 24}},
    },
}
ANN = {"kind": "ann"}
CNN = {"kind": "cnn", "blocks": [{"filters": 8, "padding": "same"}]}
LSTM = {"kind": "lstm"}
CODER = {"kind": "autoencoder", "latent": 2}


def problems(data: str | dict[str, Any], architecture: dict[str, Any], **sections: Any) -> list[Problem]:
    tree = {"data": SOURCES[data] if isinstance(data, str) else data, "architecture": architecture, **sections}
    return Experiment.parse(tree).check(Path("/nowhere"))


FITTING: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("table", ANN, {"loss": {"kind": "binary_crossentropy"}}),
    ("table", ANN, {"loss": {"kind": "categorical_crossentropy"}}),
    ("table", ANN, {"loss": {"kind": "focal", "class_weights": "balanced"}}),
    ("table", ANN, {"loss": {"kind": "focal", "class_weights": {"malignant": 2.0, "benign": 1.0}}}),
    ("table", ANN, {"regularization": {"label_smoothing": 0.1}}),
    ("number", ANN, {"loss": {"kind": "huber"}, "training": {"early_stopping": {"monitor": "validation_mae"}}}),
    ("image", CNN, {"loss": {"kind": "categorical_crossentropy"}}),
    ("image", ANN, {}),
    ("image", CODER, {}),
    ("image", CODER | {"blocks": [{"filters": 4}]}, {}),
    ("text", LSTM, {}),
    ("text", {"kind": "transformer"}, {}),
    ("text", CNN, {}),
    ("series", LSTM | {"seasonal_skip": 24}, {"loss": {"kind": "mae"}}),
    ("series", ANN, {}),
    ("series", {"kind": "transformer", "embedding_size": 32, "heads": 8}, {}),
    ("number", ANN, {"optimizer": {"kind": "adamw"}}),
    ("number", ANN, {"optimizer": {"kind": "sgd", "clip_norm": 1.0}}),
    ("number", ANN, {"training": {"reduce_on_plateau": {}, "early_stopping": {}}}),
    ("number", ANN, {"training": {"early_stopping": {"monitor": "loss"}}}),
    ("number", ANN, {"evaluation": {"metrics": ["mae", "r2"]}}),
]


@pytest.mark.parametrize(("data", "architecture", "sections"), FITTING)
def test_what_fits_is_let_through(data: str, architecture: dict[str, Any], sections: dict[str, Any]) -> None:
    assert problems(data, architecture, **sections) == []


def case(
    data: str | dict[str, Any], architecture: dict[str, Any], path: str, message: str, hint: str | None, **sections: Any
) -> Any:
    return pytest.param(data, architecture, sections, path, message, hint, id=f"{path}: {message[:40]}")


MISFITS = [
    # loss and what is predicted
    case(
        "image", CNN, "loss.kind", "binary_crossentropy does not fit the 10 classes of label",
        "write `categorical_crossentropy`, or leave the loss out: the task names it",
        loss={"kind": "binary_crossentropy"},
    ),
    case(
        "text", LSTM, "loss.kind", "mse does not fit the 2 classes of era",
        "write `binary_crossentropy`, or leave the loss out: the task names it", loss={"kind": "mse"},
    ),
    case(
        "number", ANN, "loss.kind", "categorical_crossentropy does not fit the number progression",
        "write `mse`, or leave the loss out: the task names it", loss={"kind": "categorical_crossentropy"},
    ),
    case(
        "series", LSTM, "loss.kind", "focal does not fit the next 24 values of temp",
        "write `mse`, or leave the loss out: the task names it", loss={"kind": "focal"},
    ),
    case(
        "image", CODER, "loss.kind", "categorical_crossentropy does not fit a reconstruction of the input",
        "write `mse`, or leave the loss out: the task names it", loss={"kind": "categorical_crossentropy"},
    ),
    case(
        "flowers", ANN, "loss.class_weights", "every class needs its weight", "add virginica; take out verginica",
        loss={
            "kind": "categorical_crossentropy",
            "class_weights": {"setosa": 1.0, "versicolor": 1.0, "verginica": 2.0},
        },
    ),
    case(
        "table", ANN, "loss.class_weights", "a weight is for a class that does not exist", "take out unclear",
        loss={"kind": "focal", "class_weights": {"malignant": 1.0, "benign": 1.0, "unclear": 1.0}},
    ),
    case(
        "image", CODER, "loss.class_weights", "a reconstruction of the input has no classes to weigh",
        "take class_weights out",
        loss={"kind": "binary_crossentropy", "class_weights": "balanced"},
    ),
    case(
        "number", ANN, "regularization.label_smoothing", "the number progression has no labels to smooth",
        "take label_smoothing out", regularization={"label_smoothing": 0.1},
    ),
    # a reconstruction's range
    case(
        SOURCES["image"] | {"features": {"image": {"kind": "image", "rescale": [0, 1]}}},
        CODER | {"output_activation": "sigmoid"},
        "architecture.output_activation", "binary_crossentropy takes logits and applies the sigmoid itself",
        "take output_activation out", loss={"kind": "binary_crossentropy"},
    ),
    case(
        SOURCES["image"] | {"features": {"image": {"kind": "image", "rescale": [-1, 1]}}},
        CODER | {"output_activation": "sigmoid"},
        "architecture.output_activation", "the reconstruction is within [0, 1], and the input is not",
        "rescale the input to [0, 1], or take a linear output with mse",
    ),
    # architecture and features
    case("table", CNN, "architecture.kind", "cnn cannot read these features", "use ann for a table"),
    case(
        "image", LSTM, "architecture.kind", "lstm cannot read these features",
        "use cnn for an image, ann for a table",
    ),
    case(
        "table", {"kind": "transformer"}, "architecture.kind", "transformer cannot read these features",
        "use cnn for an image, ann for a table",
    ),
    case(
        "text", ANN, "architecture.kind", "ann cannot read a text, since the order of its words would be lost",
        "use lstm, gru, cnn or transformer",
    ),
    case(
        "text", CODER, "architecture.kind", "autoencoder cannot read these features",
        "use an autoencoder on one image, series or table",
    ),
    case(
        "number", CODER | {"blocks": [{"filters": 4}]}, "architecture.kind", "autoencoder cannot read these features",
        "use an autoencoder on one image, series or table",
    ),
    case(
        "image", {"kind": "cnn", "blocks": [{"filters": 8, "pool": 2}] * 3},
        "architecture.blocks[1].pool", "block 2 of 3 is left with less than one pixel",
        "take a block or a pooling out, or set `padding: same`",
    ),
    case(
        "image", {"kind": "cnn", "blocks": [{"filters": 8, "convolutions": 4}]},
        "architecture.blocks[0].kernel_size", "block 1 of 1 is left with less than one pixel",
        "take a block or a pooling out, or set `padding: same`",
    ),
    case(
        "series", {"kind": "cnn", "blocks": [{"filters": 8, "kernel_size": 49}]},
        "architecture.blocks[0].kernel_size", "block 1 of 1 is left with less than one step",
        "take a block or a pooling out, or set `padding: same`",
    ),
    case(
        "text", {"kind": "cnn", "blocks": [{"filters": 8, "pool": [2, 2]}]}, "architecture.blocks[0].pool",
        "a sequence has one direction, and pool gives two", None,
    ),
    case(
        "text", {"kind": "transformer", "embedding_size": 30, "heads": 4}, "architecture.heads",
        "the heads share the embedding evenly",
        "write one of 1, 2, 3, 5, 6, 10, 15, 30",
    ),
    case(
        "text", LSTM | {"seasonal_skip": 24}, "architecture.seasonal_skip",
        "a season is skipped in forecasts only", "take it out",
    ),
    case(
        "series", LSTM | {"seasonal_skip": 48}, "architecture.seasonal_skip",
        "the window does not reach back more than a season",
        "make the feature's window longer, for example 96",
    ),
    # the free form
    case(
        "image", {"kind": "layers", "layers": [{"kind": "embedding", "size": 8}]}, "architecture.layers[0].kind",
        "an embedding reads a text", None,
    ),
    case(
        "text", {"kind": "layers", "layers": [{"kind": "lstm", "units": 8}]}, "architecture.layers[0].kind",
        "an embedding stands first, and reads a text", None,
    ),
    case(
        "table", {"kind": "layers", "layers": [{"kind": "dropout", "rate": 1.0}]}, "architecture.layers[0].rate",
        "nothing would be left", None,
    ),
    case(
        "table", {"kind": "layers", "layers": [{"kind": "gaussian_noise", "rate": 1.5}]},
        "architecture.layers[0].rate", "too large", None,
    ),
    case(
        "table", {"kind": "layers", "layers": [{"kind": "dense", "units": 1, "activation": "sigmoid"}]},
        "architecture.layers[0].kind", "the output layer is added by itself, in logits", "take it out",
    ),
    # optimizer and training
    case(
        "number", ANN, "optimizer.clip_value", "gradients are clipped in one way",
        "take clip_value or clip_norm out", optimizer={"kind": "sgd", "clip_norm": 1.0, "clip_value": 1.0},
    ),
    case(
        "number", ANN, "training.reduce_on_plateau", "the learning rate would follow two rules",
        "take one of them out", optimizer={"kind": "sgd", "schedule": {"kind": "cosine"}},
        training={"reduce_on_plateau": {}},
    ),
    case(
        "number", ANN, "regularization.weight_decay", "adamw without weight decay is adam",
        "write `optimizer: {kind: adam}`, or take weight_decay out for 0.004",
        optimizer={"kind": "adamw"}, regularization={"weight_decay": 0},
    ),
    case(
        "number", ANN, "training.early_stopping.monitor", "val_loss is not measured in this training",
        "write `monitor: validation_loss`", training={"early_stopping": {"monitor": "val_loss"}},
    ),
    case(
        "image", CNN, "training.reduce_on_plateau.monitor", "validation_mae is not measured in this training",
        "write `monitor: validation_loss`", training={"reduce_on_plateau": {"monitor": "validation_mae"}},
    ),
    # evaluation
    case(
        "number", ANN, "evaluation.metrics[1]", "accuracy does not fit the task, regression",
        "leave metrics out to get all that fit", evaluation={"metrics": ["mae", "accuracy"]},
    ),
    case(
        "image", CNN, "evaluation.metrics[0]", "there is no metric acuracy", "write `accuracy`",
        evaluation={"metrics": ["acuracy"]},
    ),
    # data
    case(
        SOURCES["flowers"] | {"features": {"species": {"kind": "category"}}}, ANN, "data.features.species",
        "species is the target: a network that is shown it has nothing to learn",
        "take it out of the features, or predict another column",
    ),
    case(
        SOURCES["image"] | {"target": "image", "features": {"label": {"kind": "category"}}}, ANN, "data.target",
        "image is an image, which cannot be predicted", "an autoencoder, which has no target, gives images again",
    ),
    case(
        SOURCES["image"] | {"target": "label"}, CODER, "data.target",
        "an autoencoder has no target: it gives its input again", "leave target out",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("data", "architecture", "sections", "path", "message", "hint"), MISFITS)
def test_what_does_not_fit_is_said(
    data: str | dict[str, Any],
    architecture: dict[str, Any],
    sections: dict[str, Any],
    path: str,
    message: str,
    hint: str | None,
) -> None:
    found = problems(data, architecture, **sections)
    at = [problem for problem in found if path_text(problem.path) == path]
    assert [(problem.message, problem.hint) for problem in at] == [(message, hint)], found
    assert len(found) == 1 or sections.get("loss", {}).get("class_weights") == "balanced", found


def test_no_validation_to_monitor() -> None:
    signature = Signature((Input("features", "vector", (4,)),), Output("y", "regression", (1,)))
    data = {"source": {"kind": "bundled", "name": "diabetes"}, "split": {"validation": 0}}
    experiment = Experiment.parse({"data": data, "architecture": ANN, "training": {"early_stopping": {}}})
    (found,) = experiment.check_signature(signature)
    assert path_text(found.path) == "training.early_stopping"
    assert found.expected == "one of loss, mae"
    assert found.hint == "set data.split.validation above 0, or `monitor: loss`"


def test_several_features_for_a_network_of_one() -> None:
    inputs = (Input("picture", "image", (8, 8, 1)), Input("features", "vector", (4,)))
    experiment = Experiment.parse({"data": SOURCES["image"], "architecture": CNN})
    (found,) = experiment.check_signature(Signature(inputs, Output("y", "regression", (1,))))
    assert found.received == "picture, an image of 8 × 8 × 1, 4 numbers of a table"
    two = Signature((inputs[0], Input("other", "image", (8, 8, 1))), Output("y", "regression", (1,)))
    (found,) = experiment.check_signature(two)
    assert found.message == "cnn reads one feature, not 2"
    layers = Experiment.parse(
        {"data": SOURCES["image"], "architecture": {"kind": "layers", "layers": [{"kind": "flatten"}]}}
    )
    (found,) = layers.check_signature(two)
    assert (found.message, found.received) == ("a list of layers has one input", "picture, other")


def test_a_season_of_another_series() -> None:
    experiment = Experiment.parse({"data": SOURCES["series"], "architecture": LSTM | {"seasonal_skip": 4}})
    signature = Signature((Input("rain", "series", (48, 1)),), Output("temp", "forecast", (24,)))
    (found,) = experiment.check_signature(signature)
    assert path_text(found.path) == "architecture.seasonal_skip"
    assert found.message == "the season is taken from the series that is forecast"


def test_all_mistakes_come_at_once() -> None:
    found = problems(
        "number",
        ANN,
        loss={"kind": "focal"},
        regularization={"label_smoothing": 0.1},
        evaluation={"metrics": ["accuracy"]},
        training={"early_stopping": {"monitor": "validation_accuracy"}},
    )
    assert {path_text(problem.path) for problem in found} == {
        "loss.kind",
        "regularization.label_smoothing",
        "evaluation.metrics[0]",
        "training.early_stopping.monitor",
    }


def test_reading_a_spec(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("data: {source: {kind: bundled, name: iris}}\narchitecture: {kind: ann}\n", encoding="utf-8")
    experiment, document = read_experiment(path, ["training.epochs=3", "loss.kind=focal", "loss.gamma=0.5"])
    assert experiment.training.epochs == 3
    assert experiment.loss is not None
    assert (experiment.loss.kind, experiment.name, experiment.seed) == ("focal", None, 0)
    assert document.name == str(path)
    with pytest.raises(SpecError) as raised:
        read_experiment(path, ["loss.kind=mse"])
    assert [problem.message for problem in raised.value.problems] == ["mse does not fit the 3 classes of species"]


def test_an_experiment_that_is_not_resolved_has_no_objective() -> None:
    with pytest.raises(ValueError, match="not resolved"):
        _ = Experiment.parse({"data": SOURCES["image"], "architecture": CNN}).objective


@pytest.mark.parametrize(
    ("stem", "name"), [("cnn_mnist", "cnn_mnist"), ("my spec (2)", "my_spec_2_"), ("..", "run"), ("x" * 99, "x" * 80)]
)
def test_a_run_is_named_after_its_file(stem: str, name: str) -> None:
    assert fitting_name(stem) == name
    Experiment.parse({"name": fitting_name(stem), "data": SOURCES["image"], "architecture": CNN})


@pytest.mark.parametrize("kind", [{}, {"kind": "adam"}])
def test_a_list_is_a_list_behind_a_kind_that_is_left_out(kind: dict[str, str]) -> None:
    optimizer = kind | {"schedule": {"kind": "step", "at": [1, 2.5]}}
    experiment = Experiment.parse({"data": SOURCES["flowers"], "architecture": ANN, "optimizer": optimizer})
    assert experiment.optimizer.kind == "adam"
    assert experiment.optimizer.tree()["schedule"]["at"] == [1.0, 2.5]


@pytest.mark.parametrize("memory", [0, 500, 1.5, True, "500", "streamd", "10 MBB"])
def test_an_amount_of_memory_has_a_unit(memory: object) -> None:
    with pytest.raises(ValidationError, match="auto, in_memory, streamed, or a size such as `500 MB`"):
        Runtime.parse({"memory": memory})


def test_a_misspelt_way_of_keeping_data_is_recognised() -> None:
    with pytest.raises(ValidationError, match=r"did you mean streamed\?"):
        Runtime.parse({"memory": "streamd"})
