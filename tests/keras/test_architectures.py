"""Every architecture and every layer of the free form: built, saved and loaded with equal predictions.

The kinds are read off the unions, so that a new one fails here until it has a case.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kinds import kinds

from dlrun.data.dataset import Dataset
from dlrun.data.examples import Examples
from dlrun.data.features import FittedSeries
from dlrun.data.fitted_target import FittedNumbers
from dlrun.data.signature import input_name
from dlrun.errors import MisfitError, RunError
from dlrun.experiment import Experiment
from dlrun.models import Architecture
from dlrun.models.layer import Layer
from dlrun.run.weights import load_arrays, save_arrays
from dlrun.training.model import Forward, raw_model, restore_weights, weights
from dlrun.training.outputs import scores

ROOT = Path(__file__).parents[2]

DATA: dict[str, dict[str, Any]] = {
    "table": {"source": {"kind": "bundled", "name": "iris"}},
    "two_classes": {"source": {"kind": "bundled", "name": "breast_cancer"}},
    "number": {"source": {"kind": "bundled", "name": "diabetes"}},
    "image": {
        "source": {"kind": "bundled", "name": "digits"},
        "features": {"image": {"kind": "image", "rescale": [0, 1]}},
    },
    "text": {
        "source": {"kind": "bundled", "name": "sotu_eras"},
        "features": {"text": {"kind": "text", "vocabulary_size": 300, "sequence_length": 24}},
    },
    "series": {
        "source": {"kind": "bundled", "name": "seattle_temps"},
        "target": "temp",
        "features": {"temp": {"kind": "series", "window": 24, "horizon": 6}},
    },
}
MIXED = {
    "text": {"kind": "text", "vocabulary_size": 300, "sequence_length": 24, "encoder": {"kind": "gru", "units": [4]}},
    "president": {"kind": "category", "encoding": "embedding"},
    "year": {"kind": "number"},
}
DATA["mixed"] = {"source": {"kind": "bundled", "name": "sotu_eras"}, "features": MIXED, "split": {"kind": "random"}}
DATA["alike"] = DATA["mixed"] | {
    "features": MIXED | {"president": {"kind": "text", "sequence_length": 4, "encoder": MIXED["text"]["encoder"]}}
}
DATA["sites"] = {
    "source": {"kind": "csv", "path": str(ROOT / "configs/data/site_load.csv.gz"), "time": "time", "limit": 3000},
    "target": "load",
    "series_by": "site",
    "features": {
        "temperature": {"kind": "series", "difference": 2},
        "load": {"kind": "series", "window": 24, "horizon": 6, "normalise_each": True, "difference": 24},
        "price": {"kind": "series", "known": True},
        "time": {"kind": "date", "parts": ["hour"]},
    },
}
"""Several series of several variables …"""
DATA["named"] = DATA["sites"] | {
    "features": DATA["sites"]["features"] | {"site": {"kind": "category", "encoding": "embedding", "embedding_size": 3}}
}
"""… whose names the network embeds."""

DENSE = [8, {"units": 6, "activation": "tanh", "batch_norm": True, "dropout": 0.2}]

CASES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "ann": [
        ("table", {"dense": DENSE}),
        ("number", {"dense": []}),
        ("image", {}),
        ("series", {}),
        ("two_classes", {}),
        ("sites", {}),
        ("named", {}),
    ],
    "cnn": [
        ("image", {"blocks": [{"filters": 4, "batch_norm": True, "pool": 2, "dropout": 0.1}], "dense": DENSE}),
        (
            "image",
            {
                "blocks": [{"filters": 4, "convolutions": 2, "padding": "same", "strides": [2, 1]}],
                "pooling": "global_average",
            },
        ),
        ("text", {"embedding_size": 4, "blocks": [{"filters": 4, "pool": 2}], "pooling": "global_max"}),
        ("series", {"blocks": [{"filters": 4, "pool": 2, "pool_kind": "average"}]}),
        ("named", {"blocks": [{"filters": 4, "pool": 2}]}),
    ],
    "lstm": [
        ("text", {"embedding_size": 4, "units": [5, 3], "bidirectional": True, "pooling": "average"}),
        ("text", {"embedding_size": 4, "units": [5], "mask_padding": True}),
        ("series", {"units": [5], "seasonal_skip": 4}),
        ("named", {"units": [5], "seasonal_skip": 12}),
    ],
    "gru": [("text", {"embedding_size": 4, "units": [5], "pooling": "max", "dense": DENSE}), ("named", {"units": [4]})],
    "simple_rnn": [("named", {"units": [5], "recurrent_dropout": 0.2})],
    "autoencoder": [
        ("image", {"encoder": [16], "latent": 4, "noise": 0.1}),
        (
            "image",
            {
                "blocks": [{"filters": 3}, {"filters": 2, "strides": [3, 2]}],
                "latent": 4,
                "decoder": [5],
                "output_activation": "sigmoid",
            },
        ),
        ("table", {"latent": 2}),
    ],
    "transformer": [
        ("text", {"embedding_size": 8, "heads": 2, "blocks": 1}),
        ("series", {"embedding_size": 8, "heads": 2, "blocks": 2, "pooling": "max", "dense": DENSE}),
        ("named", {"embedding_size": 8, "heads": 2, "blocks": 1}),
    ],
    "combined": [
        ("mixed", {"dense": DENSE, "table": [3]}),
        ("alike", {"combine": {"kind": "attention", "size": 6, "heads": 2, "blocks": 2}}),
        ("image", {"combine": "attention", "dense": []}),
        ("named", {"dense": [4]}),
    ],
    "layers": [
        ("image", {"layers": [{"kind": "conv2d", "filters": 3, "kernel_size": 3}, {"kind": "flatten"}]}),
    ],
}
POOL_1D = [{"kind": "conv1d", "filters": 3, "kernel_size": 3, "padding": "same"}]
POOL_2D = [{"kind": "conv2d", "filters": 3, "kernel_size": [3, 2], "strides": 1, "dilation": 2}]
FLAT = [{"kind": "flatten"}]

LAYER_CASES: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "dense": ("table", [{"kind": "dense", "units": 5, "activation": "gelu", "use_bias": False}]),
    "conv1d": ("series", [*POOL_1D, *FLAT]),
    "conv2d": ("image", [*POOL_2D, *FLAT]),
    "max_pool1d": ("series", [{"kind": "max_pool1d", "pool_size": 3}, *FLAT]),
    "max_pool2d": ("image", [{"kind": "max_pool2d", "pool_size": [3, 2], "padding": "same"}, *FLAT]),
    "average_pool1d": ("series", [{"kind": "average_pool1d", "strides": 1}, *FLAT]),
    "average_pool2d": ("image", [{"kind": "average_pool2d"}, *FLAT]),
    "global_average_pool": ("image", [*POOL_2D, {"kind": "global_average_pool"}]),
    "global_max_pool": ("series", [*POOL_1D, {"kind": "global_max_pool"}]),
    "lstm": (
        "series",
        [{"kind": "lstm", "units": 4, "return_sequences": True, "bidirectional": True}, {"kind": "lstm", "units": 3}],
    ),
    "gru": ("named", [{"kind": "gru", "units": 3}]),
    "simple_rnn": ("series", [{"kind": "simple_rnn", "units": 3, "recurrent_dropout": 0.1}]),
    "embedding": ("text", [{"kind": "embedding", "size": 4, "mask_padding": True}, {"kind": "lstm", "units": 3}]),
    "dropout": ("table", [{"kind": "dropout", "rate": 0.5}]),
    "spatial_dropout": ("image", [*POOL_2D, {"kind": "spatial_dropout", "rate": 0.5}, *FLAT]),
    "gaussian_noise": ("table", [{"kind": "gaussian_noise", "rate": 0.5}]),
    "batch_norm": ("table", [{"kind": "batch_norm"}]),
    "layer_norm": ("table", [{"kind": "layer_norm"}]),
    "activation": ("table", [{"kind": "activation", "activation": "softplus"}]),
    "flatten": ("image", FLAT),
    "reshape": ("table", [{"kind": "reshape", "shape": [2, 2]}, *FLAT]),
}


def test_no_kind_is_without_a_case() -> None:
    assert set(CASES) == set(kinds(Architecture))
    assert set(LAYER_CASES) == set(kinds(Layer))


SPECS: dict[str, tuple[str, dict[str, Any]]] = {
    f"{kind}-{data}-{index}": (data, {"kind": kind, **fields})
    for kind, cases in CASES.items()
    for index, (data, fields) in enumerate(cases)
} | {
    f"layers-{kind}": (data, {"kind": "layers", "layers": described}) for kind, (data, described) in LAYER_CASES.items()
}


@functools.cache
def loaded(data: str, *, reconstructs: bool) -> Dataset:
    kind = {"kind": "autoencoder", "latent": 1} if reconstructs else {"kind": "combined"}
    return Experiment.parse({"data": DATA[data], "architecture": kind}).load(Path())


@dataclass(frozen=True)
class Case:
    experiment: Experiment
    dataset: Dataset
    examples: Examples
    model: Any

    def fresh(self) -> Any:
        return self.experiment.build(self.dataset.preparation.signature)

    def raw(self) -> dict[str, np.ndarray]:
        """The examples as the data has them."""
        preparation = self.dataset.preparation
        if preparation.series is None:
            return preparation.raw(self.dataset.table, self.examples.rows)
        if preparation.series_by is not None:
            assert preparation.series_input is not None
            assert self.examples.past is not None
            return preparation.series_input.raw(self.dataset.table.columns, self.examples.past)
        assert isinstance(preparation.series, FittedSeries)
        (name,) = (input_name(column) for column in preparation.features)
        windows = self.examples.inputs[name] * preparation.series.scale + preparation.series.offset
        return {name: windows.astype(np.float32)}

    def expected(self) -> np.ndarray:
        """What the whole model is to say of them: probabilities, or numbers in the units of the data."""
        preparation = self.dataset.preparation
        output = preparation.signature.output
        said = np.asarray(scores(Forward(self.model)(self.examples.inputs), output, self.experiment.objective))
        if isinstance(preparation.target, FittedNumbers):
            return preparation.target.restore(said, self.examples.past).reshape(len(said), -1)
        return said[:, 1:] if output.task == "binary" and self.model.output_shape[-1] == 1 else said


@functools.cache
def made(name: str) -> Case:
    """A case with weights that no initializer gives: a load that does nothing cannot pass."""
    data, architecture = SPECS[name]
    dataset = loaded(data, reconstructs=architecture["kind"] == "autoencoder")
    experiment = Experiment.parse({"data": DATA[data], "architecture": architecture})
    experiment = experiment.resolve(dataset, "case")
    signature = dataset.preparation.signature
    assert not list(experiment.check_signature(signature))
    model = experiment.build(signature)
    random = np.random.default_rng(0)
    for variable in model.weights:  # positive, as the variances of batch normalization are
        variable.assign(random.uniform(0.05, 0.4, variable.shape) * random.choice([1, 1 if variable.ndim < 2 else -1]))
    few = Examples(
        dataset.test.rows[:9],
        {key: values[:9] for key, values in dataset.test.inputs.items()},
        dataset.test.target[:9],
        dataset.test.truth[:9],
        past=dataset.test.past and replace(dataset.test.past, origins=dataset.test.past.origins[:9]),
    )
    return Case(experiment, dataset, few, model)


@pytest.mark.parametrize("name", SPECS)
def test_weights_survive_the_disk(name: str, tmp_path: Path) -> None:
    case = made(name)
    before = Forward(case.model)(case.examples.inputs)
    save_arrays(tmp_path / "weights.npz", weights(case.model))
    fresh = case.fresh()
    assert not np.array_equal(Forward(fresh)(case.examples.inputs), before)
    restore_weights(fresh, load_arrays(tmp_path / "weights.npz"))
    np.testing.assert_array_equal(Forward(fresh)(case.examples.inputs), before)
    assert before.shape == (9, *case.model.output_shape[1:])
    assert np.isfinite(before).all()


@pytest.mark.parametrize("name", SPECS)
def test_the_same_seed_gives_the_same_first_weights(name: str) -> None:
    case = made(name)
    one, two = weights(case.fresh()), weights(case.fresh())
    other = weights(case.experiment.model_copy(update={"seed": 1}).build(case.dataset.preparation.signature))
    assert one.keys() == two.keys() == other.keys()
    assert all(np.array_equal(one[path], two[path]) for path in one)
    assert any(not np.array_equal(one[path], other[path]) for path in one)


PROGRAM = """
import pathlib, sys
import keras, numpy as np, tensorflow as tf
for path in sorted(pathlib.Path().glob("*.keras")):
    raw = np.load(path.with_suffix(".raw.npz"))
    model = keras.models.load_model(path)
    said = model({name: tf.constant(raw[name].tolist() if raw[name].dtype.kind == "U" else raw[name]) for name in raw})
    np.save(path.with_suffix(".npy"), said)
assert not any(name.partition(".")[0] == "dlrun" for name in sys.modules)
"""


def test_the_whole_model_needs_keras_alone(tmp_path: Path) -> None:
    for name in SPECS:
        case = made(name)
        whole = raw_model(case.model, case.dataset.preparation, case.experiment.objective.kind)
        with warnings.catch_warnings():  # Keras asks TensorFlow's variables for arrays in a way that NumPy gives up
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            whole.save(tmp_path / f"{name}.keras")
        raw = {key: values.astype(str) if values.dtype == object else values for key, values in case.raw().items()}
        np.savez(tmp_path / f"{name}.raw.npz", **raw)
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    for name in SPECS:
        said, expected = np.load(tmp_path / f"{name}.npy"), made(name).expected()
        assert said.shape == expected.shape, name
        np.testing.assert_allclose(said, expected, rtol=1e-6, atol=1e-6, err_msg=name)


def test_weights_that_do_not_fit_are_named() -> None:
    case = made("ann-table-0")
    good = weights(case.model)
    path = next(iter(good))
    with pytest.raises(RunError, match=f"have no {path}"):
        restore_weights(case.fresh(), {name: values for name, values in good.items() if name != path})
    with pytest.raises(RunError, match="have extra, which"):
        restore_weights(case.fresh(), good | {"extra": np.zeros(1)})
    with pytest.raises(RunError, match=rf"{path} is float32 \(1, 8\) in the run, and float32 \(4, 8\) in the model"):
        restore_weights(case.fresh(), good | {path: good[path][:1]})
    with pytest.raises(RunError, match=f"{path} is float64"):
        restore_weights(case.fresh(), good | {path: good[path].astype(np.float64)})


@pytest.mark.parametrize(
    ("data", "layers", "index", "message"),
    [
        ("table", [{"kind": "conv2d", "filters": 2, "kernel_size": 3}], 0, "conv2d cannot read what the layer before"),
        ("image", [{"kind": "max_pool2d", "pool_size": 5}] * 2, 1, "max_pool2d cannot read what the layer before"),
        ("table", [{"kind": "dense", "units": 4}, {"kind": "reshape", "shape": [3]}], 1, "reshape cannot read"),
        ("image", [{"kind": "dense", "units": 4}], 0, "the output layer reads one row per example"),
    ],
)
def test_layers_that_do_not_fit_one_another(data: str, layers: list[dict[str, Any]], index: int, message: str) -> None:
    dataset = loaded(data, reconstructs=False)
    experiment = Experiment.parse({"data": DATA[data], "architecture": {"kind": "layers", "layers": layers}})
    with pytest.raises(MisfitError, match=message) as raised:
        experiment.resolve(dataset, "case").build(dataset.preparation.signature)
    (problem,) = raised.value.problems
    assert problem.path == ("architecture", "layers", index, "kind")


CONV = {"kind": "conv2d", "filters": 2, "kernel_size": 3}


@pytest.mark.parametrize(
    ("data", "layers", "field", "expected", "hint"),
    [
        ("table", [{"kind": "dense", "units": 4}, {"kind": "lstm", "units": 2}], "kind",
         "values of the shape (time, features)", "add `{kind: reshape, shape: [4, 1]}` before it"),
        ("table", [CONV], "kind",
         "values of the shape (height, width, channels)", "add `{kind: reshape, shape: [height, width, channels]}`"),
        ("image", [{"kind": "conv1d", "filters": 2, "kernel_size": 3}], "kind",
         "values of the shape (time, features)", "add `{kind: reshape, shape: [8, 8]}` before it"),
        ("image", [{"kind": "max_pool2d", "pool_size": 9}], "kind",
         "values at least as large as its window, 9 × 9", "a smaller pool_size"),
        ("image", [CONV | {"kernel_size": 5, "dilation": 2}], "kind",
         "values at least as large as its window, 9 × 9", "a smaller kernel_size"),
        ("image", [CONV | {"strides": 2, "dilation": 2}], "dilation", "1, or strides: 1", ""),
        ("image", [{"kind": "reshape", "shape": [3, 5]}], "kind",
         "the same number of values, 15", "write a shape whose numbers multiply to 64"),
    ],
)  # fmt: skip
def test_a_layer_that_does_not_fit_says_what_would(
    data: str, layers: list[dict[str, Any]], field: str, expected: str, hint: str
) -> None:
    dataset = loaded(data, reconstructs=False)
    experiment = Experiment.parse({"data": DATA[data], "architecture": {"kind": "layers", "layers": layers}})
    with pytest.raises(MisfitError) as raised:
        experiment.resolve(dataset, "case").build(dataset.preparation.signature)
    (problem,) = raised.value.problems
    assert problem.path == ("architecture", "layers", len(layers) - 1, field)
    assert problem.expected == expected
    assert (problem.hint or "").startswith(hint)


def test_regularization_reaches_every_kernel() -> None:
    tree = {"l1": 1e-3, "l2": 1e-2, "dropout": 0.25, "batch_norm": True}
    architecture = {"kind": "cnn", "blocks": [{"filters": 4}, {"filters": 4, "batch_norm": False}], "dense": [8, 4]}
    dataset = loaded("image", reconstructs=False)
    experiment = Experiment.parse({"data": DATA["image"], "architecture": architecture, "regularization": tree})
    model = experiment.resolve(dataset, "case").build(dataset.preparation.signature)
    regularized = {layer.name for layer in model.layers if getattr(layer, "kernel_regularizer", None)}
    assert regularized == {"conv_1", "conv_2", "dense_1", "dense_2"}  # the output layer is free
    kernels = [layer.kernel.numpy() for layer in model.layers if layer.name in regularized]
    expected = sum(1e-3 * np.abs(kernel).sum() + 1e-2 * np.square(kernel).sum() for kernel in kernels)
    np.testing.assert_allclose(float(sum(model.losses)), expected, rtol=1e-5)
    names = [layer.name for layer in model.layers]
    assert [name for name in names if name.endswith("_norm")] == ["conv_1_norm", "dense_1_norm", "dense_2_norm"]
    assert [name for name in names if name.endswith("_dropout")] == ["dense_1_dropout", "dense_2_dropout"]
