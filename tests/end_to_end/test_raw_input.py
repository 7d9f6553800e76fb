"""New kinds of features in one training: the same numbers from the file, from plain Keras and from the training; and
vectors of others, which a run holds itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from running import dlrun, read, trained, write

WORDS = "the a red green flat house garden bright dark quiet loud sold rented unhappily renovated Öl naïve".split()  # noqa: SIM905
FEATURES: dict[str, Any] = {
    "size": {"kind": "number", "transform": "log", "clip": {"quantiles": [0.01, 0.99]}, "missing_indicator": True},
    "price": {"kind": "number", "normalise": "quantile_normal", "missing": "median"},
    "floor": {"kind": "number", "normalise": "quantile", "encoder": {"kind": "ann", "dense": [3]}},
    "built": {"kind": "date", "parts": ["year", "month", "weekday", "hour"], "missing_indicator": True},
    "seen": {"kind": "date", "format": "%d.%m.%Y", "cyclic": "one_hot", "parts": ["day", "day_of_year"]},
    "street": {"kind": "category", "buckets": 20},
    "agent": {"kind": "category", "buckets": 50, "encoding": "embedding"},
    "title": {
        "kind": "text",
        "tokens": "subword",
        "vocabulary_size": 60,
        "sequence_length": 8,
        "truncation": "pre",
        "encoder": {"kind": "cnn", "blocks": [{"filters": 4}], "pooling": "global_max", "embedding_size": 3},
    },
    "note": {"kind": "text", "sequence_length": 5, "vectors": {"path": "vectors.txt", "trainable": False}},
}


def some(rng: np.random.Generator, values: list[Any]) -> list[Any]:
    """The values, one in nine missing."""
    return [None if rng.random() < 1 / 9 else value for value in values]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    rng, rows = np.random.default_rng(0), 300
    stamps = np.datetime64("1950-01-01T00:00") + rng.integers(0, 40_000_000, rows)
    days = np.datetime64("2019-01-01") + rng.integers(0, 1500, rows)
    said = [" ".join(rng.choice(WORDS, int(rng.integers(0, 12)))) for _ in range(rows)]
    return pl.DataFrame(
        {
            "size": some(rng, [round(size, 2) for size in rng.lognormal(4, 1, rows).tolist()]),
            "price": some(rng, [round(size, 2) for size in rng.lognormal(9, 2, rows).tolist()]),
            "floor": some(rng, rng.integers(0, 6, rows).tolist()),
            "built": some(rng, [str(stamp).replace("T", " ") for stamp in stamps]),
            "seen": some(rng, [f"{day[8:]}.{day[5:7]}.{day[:4]}" for day in map(str, days)]),
            "street": some(rng, [f"Straße {number}" for number in rng.integers(0, 90, rows)]),
            "agent": some(rng, rng.integers(0, 1000, rows).tolist()),
            "title": [f"x{text.title()}" for text in said],
            "note": [f"n {text}" for text in said],
            "rent": [round(rent, 1) for rent in rng.normal(900, 200, rows).tolist()],
        },
        strict=False,
    )


@pytest.fixture(scope="module")
def run(table: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training whose file of vectors is gone afterwards."""
    folder = tmp_path_factory.mktemp("flats")
    table.write_csv(folder / "flats.csv")
    vectors = np.random.default_rng(1).normal(0, 0.5, (len(WORDS), 6)).round(3)
    lines = [f"{word} {' '.join(map(str, row))}" for word, row in zip(WORDS[:-2], vectors.tolist(), strict=False)]
    (folder / "vectors.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    tree = {
        "name": "flats",
        "data": {
            "source": {"kind": "csv", "path": "flats.csv", "types": {"agent": "integer"}},
            "target": {"column": "rent", "kind": "number"},
            "features": FEATURES,
        },
        "architecture": {"kind": "combined", "dense": [8]},
        "training": {"epochs": 1, "batch_size": 32},
    }
    run = trained(write(folder / "flats.yaml", tree), folder / "runs")
    (folder / "vectors.txt").unlink()
    return run


def of_keras(run: Path, table: pl.DataFrame) -> np.ndarray:
    """What the saved model says of the raw values, with Keras alone."""
    import keras
    import tensorflow as tf

    stamps = {
        "built": table["built"].str.to_datetime("%Y-%m-%d %H:%M", time_unit="us"),
        "seen": table["seen"].str.to_datetime("%d.%m.%Y", time_unit="us"),
    }
    inputs = {
        name: tf.constant(table[name].cast(pl.Float32).to_numpy()[:, None]) for name in ("size", "price", "floor")
    }
    inputs |= {name: tf.constant(each.to_numpy().astype(np.int64)[:, None]) for name, each in stamps.items()}
    texts = {name: table[name].cast(pl.String).fill_null("").to_list() for name in ("street", "agent", "title", "note")}
    inputs |= {name: tf.constant([[text] for text in each]) for name, each in texts.items()}
    return np.asarray(keras.models.load_model(run / "model.keras")(inputs))[:, 0]


def test_three_ways(run: Path, table: pl.DataFrame) -> None:
    done = dlrun("predict", run, run.parents[1] / "flats.csv", "-o", run.parents[1] / "said.parquet")
    assert (done.returncode, done.stderr) == (0, "")
    said = pl.read_parquet(run.parents[1] / "said.parquet")["prediction"].to_numpy()
    assert said.std() > 1
    np.testing.assert_allclose(said, of_keras(run, table), rtol=1e-6)
    trained_says = pl.read_parquet(run / "predictions.parquet")
    assert len(trained_says) > 50
    np.testing.assert_allclose(said[trained_says["row"].to_numpy()], trained_says["prediction"], rtol=1e-6)


def test_a_run_holds_its_vectors(run: Path) -> None:
    from dlrun.run.folder import RunFolder

    data = read(run / "data.json")
    told = data["vectors"]["note"]
    assert (told["file"], told["found"], told["tokens"]) == ("vectors.txt", 15, 18)
    assert sorted(told["without"]) == ["n", "naïve", "Öl"]
    events = [event["message"] for event in read(run / "status.json")["events"]]
    assert any(each.startswith("note: 15 of 18 tokens (83%) have a vector in vectors.txt") for each in events)
    vocabulary = data["preparation"]["features"]["note"]["vocabulary"]
    vectors = np.random.default_rng(1).normal(0, 0.5, (len(WORDS), 6)).round(3)
    [embedding] = [
        each for name, each in RunFolder(run).load_weights().items() if "note" in name and "embedding" in name
    ]
    row = embedding[2 + vocabulary.index("garden")]
    np.testing.assert_array_equal(row, vectors[WORDS.index("garden")].astype(np.float32))
    assert not embedding[0].any()

    done = dlrun("resume", run, "--epochs", "2", "--json")
    assert done.returncode == 0, done.stderr
    done = dlrun("eval", run, "--json")
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)["metrics"]["mae"]
    assert measured == read(run / "metrics.json")["test"]["mae"]
