"""A table that is streamed from disk, killed and resumed, and measured again; and one that a query gives."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from running import ROOT, dlrun, history, plain, read, trained, write

DRIVER = Path(__file__).parent / "driver.py"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")


def table(folder: Path) -> None:
    """12,000 rows in two parts, of which a budget of 1 MB holds the smaller half."""
    random = np.random.default_rng(0)
    x = random.normal(size=(12_000, 24))
    label = np.where(x[:, 0] + x[:, 1] * x[:, 2] > 0.5, "yes", "no")
    frame = pl.DataFrame({f"x{index}": x[:, index] for index in range(24)} | {"label": label})
    folder.mkdir()
    frame[:7000].write_parquet(folder / "a.parquet", row_group_size=2000)
    frame[7000:].write_parquet(folder / "b.parquet")


def shops(path: Path) -> None:
    """Two shops hour by hour, each with holes of its own."""
    random = np.random.default_rng(1)
    hours, shop = np.repeat(np.arange(700), 2), np.tile(["corner", "mall"], 700)
    price = random.uniform(1, 2, 1400)
    sold = np.where(shop == "mall", 4000, 10) * (5 + np.sin(hours / 4) - price + random.normal(0, 0.05, 1400))
    frame = pl.DataFrame(
        {
            "time": np.datetime64("2024-02-10T00", "us") + hours * np.timedelta64(1, "h"),
            "shop": shop, "price": price, "sold": sold,
        }
    )  # fmt: skip
    frame.filter(pl.Series(random.random(1400) > 0.01)).write_csv(path)


def killed_and_resumed(spec: Path, out: Path) -> Path:
    """The run of a training that was killed amid its steps, and has gone on to its end."""
    done = subprocess.run(
        [sys.executable, DRIVER, "touch:12", "train", spec, "--out", out],
        cwd=ROOT, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    (run,) = out.iterdir()
    done = dlrun("resume", run)
    assert done.returncode == 0, done.stderr
    return run


def series(folder: Path) -> dict[str, Any]:
    """The spec of a forecast for several shops, with all that a step can hold."""
    shops(folder / "shops.csv")
    features = {
        "sold": {"kind": "series", "window": 8, "horizon": 3, "normalise_each": True, "difference": 2},
        "price": {"kind": "series", "known": True},
        "time": {"kind": "date", "parts": ["hour"]},
        "shop": {"kind": "category"},
    }
    source = {"kind": "csv", "path": "shops.csv", "time": "time"}
    return {
        "data": {"source": source, "target": "sold", "series_by": "shop", "features": features},
        "architecture": {"kind": "gru", "units": [4]},
        "regularization": {"dropout": 0.2},
        "training": {"epochs": 2, "batch_size": 16, "checkpoint": {"steps": 20}},
        "evaluation": {"plots": False},
        "runtime": {"memory": "streamed", "compile": "graph"},
    }


def assert_alike(run: Path, whole: Path) -> None:
    """That two trainings learned, said and measured the same, to the bit."""
    assert (run / "model" / "weights.npz").read_bytes() == (whole / "model" / "weights.npz").read_bytes()
    assert history(run) == history(whole)
    assert read(run / "metrics.json") == read(whole / "metrics.json")
    assert read(run / "data.json") == read(whole / "data.json")
    assert pl.read_parquet(run / "predictions.parquet").equals(pl.read_parquet(whole / "predictions.parquet"))


def test_series_on_disk_train_the_same_weights_as_in_memory(tmp_path: Path) -> None:
    tree = series(tmp_path)
    tree["training"] |= {"epochs": 1, "shuffle": False}
    run = trained(write(tmp_path / "a.yaml", tree), tmp_path / "runs")
    tree["runtime"]["memory"] = "in_memory"
    assert_alike(run, trained(write(tmp_path / "in_memory.yaml", tree), tmp_path / "runs"))
    done = dlrun("eval", run, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"] == read(run / "metrics.json")["test"]


def test_shuffled_series_on_disk_are_killed_and_end_as_if_they_had_not_been(tmp_path: Path) -> None:
    spec = write(tmp_path / "a.yaml", series(tmp_path))
    assert_alike(killed_and_resumed(spec, tmp_path / "killed"), trained(spec, tmp_path / "whole"))


def test_a_streamed_training_that_is_killed_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    table(tmp_path / "parts")
    spec = write(
        tmp_path / "streamed.yaml",
        {
            "data": {"source": {"kind": "parquet", "path": "parts"}, "target": "label"},
            "architecture": {"kind": "ann", "dense": [16]},
            "loss": {"kind": "binary_crossentropy", "class_weights": "balanced"},
            "regularization": {"dropout": 0.2},
            "training": {"epochs": 4, "batch_size": 50, "checkpoint": {"steps": 40}},
            "evaluation": {"plots": False},
            "runtime": {"memory": "1 MB", "compile": "graph"},
        },
    )
    whole = trained(spec, tmp_path / "whole")
    assert yaml.safe_load((whole / "resolved.yaml").read_text(encoding="utf-8"))["runtime"]["memory"] == "streamed"
    assert read(whole / "metrics.json")["test"]["accuracy"] > 0.8
    assert history(whole)[0] != history(whole)[1]

    run = killed_and_resumed(spec, tmp_path / "killed")
    assert history(run) == history(whole)
    assert (run / "metrics.json").read_bytes() == (whole / "metrics.json").read_bytes()
    assert (run / "model" / "weights.npz").read_bytes() == (whole / "model" / "weights.npz").read_bytes()

    done = dlrun("eval", run, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"] == read(run / "metrics.json")["test"]


def test_a_streamed_autoencoder_that_is_resumed_ends_as_one_in_memory(tmp_path: Path) -> None:
    table(tmp_path / "parts")
    tree = {
        "data": {"source": {"kind": "parquet", "path": "parts", "select": [f"x{index}" for index in range(24)]}},
        "architecture": {"kind": "autoencoder", "encoder": [16], "latent": 8, "noise": 0.2},
        "training": {"epochs": 2, "batch_size": 200, "shuffle": False},
        "evaluation": {"plots": False},
        "runtime": {"memory": "in_memory", "compile": "graph"},
    }
    whole = trained(write(tmp_path / "whole.yaml", tree), tmp_path / "whole")
    tree["runtime"] = {"memory": "1 MB", "compile": "graph"}
    run = trained(write(tmp_path / "streamed.yaml", tree), tmp_path / "streamed", "--set", "training.epochs=1")
    assert yaml.safe_load((run / "resolved.yaml").read_text(encoding="utf-8"))["runtime"]["memory"] == "streamed"
    done = dlrun("resume", run, "--epochs", "2")
    assert done.returncode == 0, done.stderr
    assert history(run) == history(whole)
    for name in ("model/weights.npz", "metrics.json", "samples.npz"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    metrics = read(run / "metrics.json")
    assert metrics["test"]["mse"] < metrics["baseline"]["mean of the inputs"]["mse"]
    assert metrics["baseline"]["the noisy input itself"]["mse"] == pytest.approx(0.04, rel=0.05)

    done = dlrun("eval", run, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"] == metrics["test"]
    assert json.loads(done.stdout)["baseline"] == metrics["baseline"]


def test_a_streamed_query_ends_with_the_weights_of_that_in_memory(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(800, 3))
    rows = [(*map(float, row), "yes" if row[0] + row[1] > 0 else "no") for row in x]
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE sales (a, b, c, label)")
        database.executemany("INSERT INTO sales VALUES (?, ?, ?, ?)", rows)
    database.close()
    tree: dict[str, Any] = {
        "data": {"source": {"kind": "sql", "url": "sqlite:///shop.db", "table": "sales"}, "target": "label"},
        "architecture": {"kind": "ann", "dense": [8]},
        "training": {"epochs": 1, "batch_size": 64, "shuffle": False},
        "evaluation": {"plots": False},
        "runtime": {"memory": "in_memory", "compile": "graph"},
    }
    whole = trained(write(tmp_path / "sql.yaml", tree), tmp_path / "whole")
    tree["runtime"]["memory"] = "10 KB"
    run = trained(write(tmp_path / "sql.yaml", tree), tmp_path / "streamed")
    assert yaml.safe_load((run / "resolved.yaml").read_text(encoding="utf-8"))["runtime"]["memory"] == "streamed"
    for name in ("model/weights.npz", "metrics.json"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()

    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("UPDATE sales SET a = a + 1 WHERE rowid = 700")
    database.close()
    for command in (["eval", run], ["resume", run, "--epochs", "2"]):
        done = dlrun(*command)
        assert done.returncode == 1
        assert "data is no longer what" in plain(done.stderr)
