"""Target encoding from a file to predictions: new rows get the means of all train rows, train rows those of others."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from running import dlrun, history, read, trained, write

ROWS = 300


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No value of `id` stands in two rows, and nothing follows from `noise`; some rows have no city."""
    folder = tmp_path_factory.mktemp("target_encoded")
    random = np.random.default_rng(0)
    city = random.integers(0, 12, ROWS)
    pl.DataFrame(
        {
            "id": [f"id {each}" for each in range(ROWS)],
            "city": [None if each == 3 else f"city {each}" for each in city],
            "noise": random.normal(size=ROWS),
            "sold": np.where(random.random(ROWS) < 0.1 + 0.8 * (city % 2), "yes", "no"),
        }
    ).write_csv(folder / "sales.csv")
    target = {"kind": "category", "encoding": "target", "smoothing": "auto"}
    return write(
        folder / "sales.yaml",
        {
            "name": "sales",
            "seed": 1,
            "data": {
                "source": {"kind": "csv", "path": "sales.csv"},
                "target": "sold",
                "features": {"id": target, "city": target, "noise": {"kind": "number"}},
            },
            "architecture": {"kind": "ann", "dense": [8]},
            "optimizer": {"kind": "adam", "learning_rate": 0.02},
            "training": {"epochs": 6, "batch_size": 32},
            "evaluation": {"plots": False},
        },
    )


@pytest.fixture(scope="module")
def run(spec: Path) -> Path:
    return trained(spec, spec.parent / "runs")


def probabilities(run: Path, file: Path) -> list[float]:
    done = dlrun("predict", run, file)
    assert done.returncode == 0, done.stderr
    return [float(row["probability_yes"]) for row in csv.DictReader(io.StringIO(done.stdout))]


def test_predict_keras_and_training_say_the_same(run: Path, spec: Path) -> None:
    import keras
    import tensorflow as tf

    said = probabilities(run, spec.parent / "sales.csv")
    table = pl.read_csv(spec.parent / "sales.csv").fill_null("")
    raw = {name: tf.constant(table[name].to_numpy()[:, None].tolist()) for name in ("id", "city", "noise")}
    received = np.asarray(keras.models.load_model(run / "model.keras")(raw))[:, 0]
    np.testing.assert_allclose(said, received, rtol=0, atol=1e-6)
    frame = pl.read_parquet(run / "predictions.parquet")
    assert set(frame["split"]) == {"validation", "test"}
    seen = [said[row] for row in frame["row"].to_list()]
    np.testing.assert_allclose(seen, frame["score_yes"].to_list(), rtol=0, atol=1e-6)


def test_no_row_could_be_learned_by_heart(run: Path, spec: Path) -> None:
    """The metrics of the train part are those of means without the row, so that they are no better than the test's,
    though in the state every id stands for its own target."""
    means = read(run / "model" / "preparation.json")["features"]["id"]["means"]["share of sold=yes"]
    assert len(set(means)) == 3, "the mean of all for unknown ones, and one of two for each id"
    metrics = read(run / "metrics.json")
    assert metrics["train"]["accuracy"] < 0.93  # 0.9 is what can be known
    assert metrics["test"]["accuracy"] > 0.75
    done = dlrun("eval", run, "--split", "train", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"] == metrics["train"]


def test_it_is_resumed_to_the_same_bits(run: Path, spec: Path) -> None:
    begun = trained(spec, spec.parent / "begun", "--set", "training.epochs=3")
    done = dlrun("resume", begun, "--epochs", "6")
    assert done.returncode == 0, done.stderr
    assert history(begun) == history(run)
    for name in ("metrics.json", "model/weights.npz", "model/preparation.json"):
        assert (begun / name).read_bytes() == (run / name).read_bytes()
