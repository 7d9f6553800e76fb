"""Several inputs in one network, from raw columns to the same numbers in three ways."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from running import dlrun, history, trained, write
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
