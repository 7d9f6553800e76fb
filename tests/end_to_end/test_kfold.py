"""k-fold, as it happens: all folds in one run, stopped and resumed to the same bits, and what they say together."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from running import ROOT, dlrun, history, plain, read, trained, write
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_curve
from sklearn.model_selection import TimeSeriesSplit

DRIVER = Path(__file__).parent / "driver.py"
ROWS = 200
FOLDS = 3


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kfold")
    data = load_breast_cancer()
    with (folder / "cells.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["radius", "texture", "size", "diagnosis"])
        for values, target in zip(data.data[:ROWS, :3].tolist(), data.target[:ROWS], strict=True):
            rows.writerow([*values, data.target_names[target]])
    tree = {
        "name": "folds", "seed": 3,
        "data": {
            "source": {"kind": "csv", "path": "cells.csv"},
            "target": "diagnosis",
            "split": {"kind": "kfold", "folds": FOLDS, "test": 0.2, "stratify": True},
        },
        "architecture": {"kind": "ann", "dense": [8]},
        "regularization": {"dropout": 0.2},
        "training": {
            "epochs": 8, "batch_size": 16, "oversample": "balanced", "checkpoint": {"steps": 3},
            "early_stopping": {"patience": 3},
        },
        "evaluation": {"threshold": "f1"},
    }  # fmt: skip
    return write(folder / "folds.yaml", tree)


@pytest.fixture(scope="module")
def run(spec: Path) -> Path:
    return trained(spec, spec.parent / "runs")


def test_all_folds_are_in_one_run_with_mean_and_spread(run: Path) -> None:
    metrics = read(run / "metrics.json")
    assert metrics["headline"] == f"test: mean over {FOLDS} folds, each model on the test rows"
    folds = [read(run / "folds" / str(fold) / "metrics.json") for fold in range(1, FOLDS + 1)]
    for split in ("train", "validation", "test"):
        for name, value in metrics[split].items():
            values = [fold[split][name] for fold in folds]
            assert value == pytest.approx(np.mean(values), abs=1e-12)
            assert metrics["deviation"][split][name] == pytest.approx(np.std(values, ddof=1), abs=1e-12)
    assert read(run / "status.json")["folds_done"] == FOLDS
    assert yaml.safe_load((run / "resolved.yaml").read_text(encoding="utf-8"))["runtime"]["compile"] == "graph"
    names = {path.stem for path in (run / "plots").iterdir()}
    assert names == {"folds", "curves", "confusion_matrix", "roc_and_precision_recall"}

    frame = pl.read_parquet(run / "predictions.parquet")
    assert frame["row"].is_unique().all()
    tests = [set(_test(run, fold)["row"].to_list()) for fold in range(1, FOLDS + 1)]
    assert tests[0] == tests[1] == tests[2]
    assert set(frame["row"].to_list()) | tests[0] == set(range(ROWS))
    counts = confusion_matrix(frame["truth"].to_list(), frame["prediction"].to_list())
    assert read(run / "confusion_matrix.json")["counts"] == counts.tolist()


def test_each_fold_has_the_threshold_with_the_best_f1_on_its_validation_part(run: Path) -> None:
    metrics = read(run / "metrics.json")
    for fold, threshold in enumerate(metrics["thresholds"], 1):
        frame = pl.read_parquet(run / "folds" / str(fold) / "predictions.parquet")
        assert read(run / "folds" / str(fold) / "model" / "threshold.json")["value"] == threshold
        held_out = frame.filter(pl.col("split") == "validation")
        truth, scores = (held_out["truth"] == "malignant").to_numpy(), held_out["score_malignant"].to_numpy()
        precision, recall, _ = precision_recall_curve(truth, scores)
        best = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-300))
        assert f1_score(truth, scores >= threshold) == pytest.approx(best)
        said = frame["score_malignant"].to_numpy() >= threshold
        assert (said == (frame["prediction"] == "malignant").to_numpy()).all()  # of the test part too


def _test(run: Path, fold: int) -> pl.DataFrame:
    return pl.read_parquet(run / "folds" / str(fold) / "predictions.parquet").filter(pl.col("split") == "test")


def test_predict_and_eval_take_the_mean_of_the_folds(run: Path, spec: Path) -> None:
    done = dlrun("predict", run, spec.parent / "cells.csv", "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    mean = np.mean([_test(run, fold)["score_malignant"].to_numpy() for fold in range(1, FOLDS + 1)], axis=0)
    rows = _test(run, 1)["row"].to_list()
    np.testing.assert_allclose([said[row]["probability_malignant"] for row in rows], mean, atol=1e-6)
    truth = _test(run, 1)["truth"].to_list()
    expected = accuracy_score(truth, [said[row]["prediction"] for row in rows])
    assert read(run / "metrics.json")["ensemble"]["accuracy"] == pytest.approx(expected)
    done = dlrun("eval", run, "--json")
    assert done.returncode == 0, done.stderr
    answer, metrics = json.loads(done.stdout), read(run / "metrics.json")
    assert (answer["split"], answer["metrics"], answer["deviation"]) == (
        "test", metrics["test"], metrics["deviation"]["test"],
    )  # fmt: skip
    told = plain(dlrun("eval", run, "--split", "validation").stdout)
    assert "mean ± standard deviation over the folds, each model on the rows held out from it" in told


def test_a_mistake_names_the_run_and_is_told_once(run: Path, spec: Path) -> None:
    data = spec.parent / "cells.csv"
    before = data.read_bytes()
    data.write_bytes(before[: before.rindex(b"\n", 0, -1) + 1])
    done = dlrun("eval", run)
    data.write_bytes(before)
    assert done.returncode == 1
    told = plain(done.stderr)
    assert f"data is no longer what {run.name} was trained on" in told
    assert f"`dlrun eval {run} --data FILE`" in told
    done = dlrun("resume", run)
    assert done.returncode == 1
    assert f"{run} is finished, with all of its {FOLDS} folds" in plain(done.stderr)
    done = dlrun("train", spec, "--workers", "2", "--out", spec.parent / "none")
    assert done.returncode == 2
    assert plain(done.stderr).count("trained one after the other in one process") == 1
    assert not (spec.parent / "none").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_a_run_that_was_stopped_goes_on_with_its_fold_to_the_same_bits(run: Path, spec: Path) -> None:
    out = spec.parent / "stopped"
    done = subprocess.run(
        [sys.executable, DRIVER, f"term:{Path('folds', '2', 'checkpoints')}", "train", spec, "--out", out],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 130, done.stderr
    (stopped,) = out.iterdir()
    assert f"to go on from there: dlrun resume {stopped}" in plain(done.stderr)
    status = read(stopped / "status.json")
    assert status["state"] == "interrupted"
    assert status["folds_done"] == 1
    assert read(stopped / "folds" / "2" / "status.json")["state"] == "interrupted"
    assert not (stopped / "folds" / "3").exists()
    for file, before, after, told in (
        (spec.parent / "cells.csv", "17.99", "18.99", "the data is no longer what"),
        (stopped / "resolved.yaml", "\nseed: 3\n", "\nseed: 4\n", "changed since it was trained: seed was 3 and is 4"),
    ):
        text = file.read_text(encoding="utf-8")
        assert before in text
        file.write_text(text.replace(before, after), encoding="utf-8")
        done = dlrun("resume", stopped)
        file.write_text(text, encoding="utf-8")
        assert done.returncode == 1, done.stdout
        assert told in plain(done.stderr)
    done = dlrun("resume", stopped)
    assert done.returncode == 0, done.stderr
    assert (stopped / "metrics.json").read_bytes() == (run / "metrics.json").read_bytes()
    assert pl.read_parquet(stopped / "predictions.parquet").equals(pl.read_parquet(run / "predictions.parquet"))
    for fold in map(str, range(1, FOLDS + 1)):
        one, two = run / "folds" / fold, stopped / "folds" / fold
        assert history(one) == history(two)
        assert (one / "model" / "weights.npz").read_bytes() == (two / "model" / "weights.npz").read_bytes()


def test_the_folds_of_a_series_are_held_out_one_after_the_other(tmp_path: Path) -> None:
    rows, folds, horizon = 120, 2, 3
    times = (np.datetime64("2020-01-01", "h") + np.arange(rows)).astype(str)
    lines = [f"{time}:00,{np.sin(hour / 4):.4f}" for hour, time in enumerate(times)]
    (tmp_path / "tide.csv").write_text("\n".join(["time,height", *lines]) + "\n", encoding="utf-8")
    tree = {
        "name": "tide",
        "data": {
            "source": {"kind": "csv", "path": "tide.csv", "time": "time"},
            "target": "height",
            "split": {"kind": "kfold", "folds": folds},
            "features": {"height": {"kind": "series", "window": 6, "horizon": horizon}},
        },
        "architecture": {"kind": "ann", "dense": [4]},
        "training": {"epochs": 1},
        "runtime": {"compile": "graph"},
        "evaluation": {"plots": False},
    }  # fmt: skip
    run = trained(write(tmp_path / "tide.yaml", tree), tmp_path / "runs")
    held_out = pl.read_parquet(run / "predictions.parquet")
    for fold, (train, validation) in enumerate(TimeSeriesSplit(folds, gap=horizon).split(np.arange(rows)), 1):
        parts = read(run / "folds" / str(fold) / "data.json")["splits"]
        assert parts["train"]["rows"] == len(train)
        predicted = held_out.filter(pl.col("fold") == fold)["row"]
        assert validation[0] <= predicted.min()
        assert predicted.max() <= validation[-1]
