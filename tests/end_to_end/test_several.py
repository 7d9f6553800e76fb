"""Several inputs in one network, from raw columns to the same numbers in three ways."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
from running import dlrun, history, read, trained, write
from sklearn.datasets import load_digits

WORDS = ("red", "green", "blue", "small", "large")
WALLS = ("brick", "wood")


def mixed(path: Path) -> dict[str, np.ndarray]:
    """600 digits with a text, numbers and a category beside each."""
    random = np.random.default_rng(0)
    digits = load_digits()
    labels = digits.target[:600]
    notes = [f"{' '.join(random.choice(WORDS, 3))} {'odd' if label % 2 else 'even'}" for label in labels]
    columns = {
        "photo": digits.images[:600].astype(np.uint8)[..., None],
        "note": np.array(notes),
        "price": random.normal(100, 20, 600),
        "ink": digits.images[:600].sum((1, 2)),
        "wall": random.choice(WALLS, 600),
    }
    np.savez(path, **columns, label=labels.astype(str))
    return columns


FEATURES = {
    "photo": {"kind": "image", "encoder": {"kind": "cnn", "blocks": [{"filters": 4, "pool": 2}], "dense": [8]}},
    "note": {
        "kind": "text", "vocabulary_size": 20, "sequence_length": 5,
        "encoder": {"kind": "gru", "embedding_size": 4, "units": [4]},
    },
    "price": {"kind": "number"},
    "ink": {"kind": "number", "encoder": {"kind": "ann", "dense": [3]}},
    "wall": {"kind": "category"},
}  # fmt: skip


def keras_says(run: Path, columns: dict[str, np.ndarray]) -> np.ndarray:
    import keras
    import tensorflow as tf

    model = keras.models.load_model(run / "model.keras")
    raw = {
        name: tf.constant(values.reshape(-1, 1).tolist() if values.dtype.kind == "U" else values)
        for name, values in columns.items()
    }
    raw |= {name: tf.constant(columns[name][:, None], tf.float32) for name in ("price", "ink")}
    return np.asarray(model(raw))


def test_an_image_a_text_and_a_table_three_ways(tmp_path: Path) -> None:
    columns = mixed(tmp_path / "mixed.npz")
    tree = {
        "name": "several",
        "data": {"source": {"kind": "arrays", "path": "mixed.npz"}, "target": "label", "features": FEATURES},
        "architecture": {"kind": "combined", "combine": {"kind": "attention", "size": 8, "heads": 2}, "dense": [16]},
        "regularization": {"dropout": 0.1},
        "training": {"epochs": 2, "batch_size": 64},
    }
    run = trained(write(tmp_path / "several.yaml", tree), tmp_path / "runs")
    out = tmp_path / "out.parquet"
    done = dlrun("predict", run, tmp_path / "mixed.npz", "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    frame, seen = pl.read_parquet(out), pl.read_parquet(run / "predictions.parquet").sort("row")
    received = frame.select(pl.col("^probability_.*$")).to_numpy()
    assert received.shape == (600, 10)
    scores = seen.select(pl.col("^score_.*$")).to_numpy()
    assert len(seen) > 100
    np.testing.assert_allclose(received[seen["row"].to_numpy()], scores, rtol=0, atol=1e-6)
    np.testing.assert_allclose(received, keras_says(run, columns), rtol=0, atol=1e-6)
    for name in columns:
        other = columns | {name: columns[name][::-1].copy()}
        assert not np.allclose(keras_says(run, other), received), f"{name} does not reach the output"

    shown = dlrun("show", run, COLUMNS="160").stdout
    ways = {line.split()[0]: line for line in shown.partition("column")[2].splitlines()[1:] if line.strip()}
    assert " ".join(ways["note"].split()) == "note text: vocabulary of 7 note gru 4 attention"
    assert "features 2 to 4" in ways["wall"]
    assert "as it is" in ways["price"]
    assert ways["ink"].split()[-3:] == ["ann", "3", "attention"]
    assert len(history(run)) == 2


def test_two_targets_three_ways(tmp_path: Path) -> None:
    from sklearn.metrics import accuracy_score, mean_absolute_error

    random = np.random.default_rng(0)
    area, rooms = random.normal(100, 20, 400), random.integers(1, 6, 400)
    price = 3 * area + 20 * rooms + random.normal(0, 5, 400)
    frame = pl.DataFrame(
        {"area": area, "rooms": rooms, "price": price, "sold": np.where(rooms > 3, "yes", "no"), "id": range(400)}
    )
    frame.write_csv(tmp_path / "homes.csv")
    tree = {
        "name": "homes",
        "data": {
            "source": {"kind": "csv", "path": "homes.csv"},
            "target": {"price": {"kind": "number", "loss": "huber", "weight": 0.5}, "sold": "category"},
            "features": {"area": {"kind": "number"}, "rooms": {"kind": "number"}},
        },
        "architecture": {"kind": "ann", "dense": [16]},
        "optimizer": {"kind": "adam", "learning_rate": 0.01},
        "training": {"epochs": 8, "batch_size": 32, "early_stopping": {"monitor": "validation_price_mae"}},
    }
    run = trained(write(tmp_path / "homes.yaml", tree), tmp_path / "runs")
    assert {"loss", "price_loss", "price_mae", "sold_loss", "sold_accuracy", "validation_sold_accuracy"} <= set(
        history(run)[0]
    )
    for row in history(run):
        parts = 0.5 * float(row["validation_price_loss"]) + float(row["validation_sold_loss"])
        assert abs(parts - float(row["validation_loss"])) < 1e-5

    seen = pl.read_parquet(run / "predictions.parquet").filter(pl.col("split") == "test").sort("row")
    metrics = read(run / "metrics.json")
    truth, said = seen["price_truth"], seen["price_prediction"]
    assert abs(metrics["test"]["price_mae"] - mean_absolute_error(truth, said)) < 1e-9
    assert metrics["test"]["sold_accuracy"] == accuracy_score(seen["sold_truth"], seen["sold_prediction"])
    assert metrics["test"]["sold_accuracy"] > metrics["baseline"]["majority class"]["sold_accuracy"]
    assert metrics["baseline"]["mean"].keys().isdisjoint({"sold_accuracy", "mae"})
    matrix = read(run / "confusion_matrix.json")
    assert list(matrix) == ["sold"]
    assert np.sum(matrix["sold"]["counts"]) == len(seen)
    plots = {path.stem for path in (run / "plots").iterdir()}
    assert plots == {"curves", "residuals_price", "confusion_matrix_sold", "roc_and_precision_recall_sold"}

    out = tmp_path / "out.parquet"
    done = dlrun("predict", run, tmp_path / "homes.csv", "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    received = pl.read_parquet(out)
    assert received.columns == [
        "row", "price_prediction", "sold_prediction", "sold_probability_no", "sold_probability_yes",
    ]  # fmt: skip
    rows = seen["row"].to_numpy()
    np.testing.assert_allclose(received["price_prediction"].to_numpy()[rows], said, rtol=1e-6)
    scores = received["sold_probability_yes"].to_numpy()
    np.testing.assert_allclose(scores[rows], seen["sold_score_yes"], rtol=0, atol=1e-6)

    import keras
    import tensorflow as tf

    model = keras.models.load_model(run / "model.keras")
    raw = {"area": tf.constant(area[:, None], tf.float32), "rooms": tf.constant(rooms[:, None], tf.float32)}
    keras_says = model(raw)
    np.testing.assert_allclose(keras_says["price"][:, 0], received["price_prediction"], rtol=1e-6)
    np.testing.assert_allclose(keras_says["sold"][:, 0], scores, rtol=0, atol=1e-6)

    again = json.loads(dlrun("eval", run, "--json").stdout)
    assert again["metrics"] == metrics["test"]
    compared = json.loads(dlrun("compare", tmp_path / "runs", "--sort", "sold_accuracy", "--json").stdout)
    assert compared["runs"][0]["metrics"]["sold_accuracy"] == metrics["test"]["sold_accuracy"]
    assert compared["runs"][0]["main_metric"] == "price_mae"
