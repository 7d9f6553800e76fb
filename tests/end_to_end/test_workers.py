"""Several workers: they end as one does, whatever their shares and whoever dies, and say who does not come."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from dlrun.cluster.local import free_ports
from dlrun.cluster.members import TF_CONFIG, Cluster

ROOT = Path(__file__).parents[2]
CLOCK = ("seconds", "examples_per_second")
EPOCHS = 120
SPEC: dict[str, Any] = {
    "name": "workers",
    "seed": 5,
    # 105 rows to learn from: eight batches of 13, which no number of workers divides, and one of a single row, which
    # leaves all workers but one without any.
    "data": {"source": {"kind": "bundled", "name": "iris"}, "split": {"validation": 0.1, "test": 0.2}},
    "architecture": {"kind": "ann", "dense": [{"units": 8, "activation": "tanh", "batch_norm": True}]},
    "regularization": {"l2": 1e-3},
    "optimizer": {"kind": "sgd", "learning_rate": 0.01, "momentum": 0.9, "clip_global_norm": 0.5},
    "training": {"epochs": EPOCHS, "batch_size": 13, "early_stopping": {"patience": EPOCHS}},
    "evaluation": {"plots": False},
    "runtime": {"peer_timeout": 120.0},
}
AUGMENTED: dict[str, Any] = SPEC | {
    # 40 rows to learn from: a step of two batches of 13, and one of 13 and a single row, which leaves all workers but
    # one without any.
    "data": {
        "source": {"kind": "bundled", "name": "digits"},
        "split": {"kind": "random", "validation": 0.1, "test": 0.8777},
        "features": {"image": {"kind": "image", "augment": {"flip": "horizontal", "mixup": 0.5}}},
    },
    "architecture": {"kind": "cnn", "blocks": [{"filters": 4, "batch_norm": True, "pool": 2}]},
    "training": {"epochs": 4, "batch_size": 13, "gradient_accumulation": 2},
}
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "dlrun", *map(str, arguments)]


def dlrun(*arguments: str | Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=folder, capture_output=True, text=True, env=ENVIRONMENT | environment, timeout=240
    )


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workers")
    (folder / "spec.yaml").write_text(yaml.safe_dump(SPEC), encoding="utf-8")
    return folder


def trained(folder: Path, out: str, *arguments: str, spec: str = "spec.yaml") -> Path:
    return finished(dlrun("train", spec, "--out", out, "--json", *arguments, folder=folder), folder)


def finished(done: subprocess.CompletedProcess[str], folder: Path) -> Path:
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["status"]["state"] == "finished"
    return folder / answer["run"]


def only(folder: Path) -> Path:
    (run,) = folder.iterdir()
    return run


def assert_same(run: Path, other: Path) -> None:
    """Weights, history and metrics of two runs, to 1e-5 relative."""
    with np.load(run / "model" / "weights.npz") as mine, np.load(other / "model" / "weights.npz") as its:
        assert mine.files == its.files
        for name in mine.files:
            np.testing.assert_allclose(mine[name], its[name], rtol=0, atol=1e-5 * np.abs(its[name]).max(), err_msg=name)
    histories = []
    for each in (run, other):
        with (each / "history.csv").open(encoding="utf-8", newline="") as file:
            histories.append(list(csv.DictReader(file)))
    assert len(histories[0]) == len(histories[1]) > 0
    for row, its_row in zip(*histories, strict=True):
        for name, value in row.items():
            if name not in CLOCK:
                assert float(value) == pytest.approx(float(its_row[name]), rel=1e-5), name
    assert_close(read(run / "metrics.json"), read(other / "metrics.json"))


def assert_close(tree: Any, other: Any) -> None:
    if isinstance(tree, dict):
        assert tree.keys() == other.keys()
        for name in tree:
            assert_close(tree[name], other[name])
    elif isinstance(tree, list):
        for one, two in zip(tree, other, strict=True):
            assert_close(one, two)
    else:
        assert tree == (pytest.approx(other, rel=1e-5) if isinstance(tree, float) else other)


def test_four_workers_end_as_one_on_augmented_images_too(folder: Path) -> None:
    (folder / "augmented.yaml").write_text(yaml.safe_dump(AUGMENTED), encoding="utf-8")
    run = trained(folder, "four", "--workers", "4", spec="augmented.yaml")
    assert [child.name for child in (folder / "four").iterdir()] == [run.name]  # the chief alone writes
    assert read(run / "environment.json")["runtime"]["workers"] == 4
    assert_same(run, trained(folder, "alone", spec="augmented.yaml"))


@contextmanager
def started(*arguments: str | Path, folder: Path, until: str) -> Iterator[subprocess.Popen[str]]:
    """A command that has said a text; it does not outlive the block."""
    with subprocess.Popen(
        command(*arguments), cwd=folder, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout
            assert process.stderr
            for line in process.stdout:
                if until in line:
                    break
            else:
                pytest.fail(process.stderr.read())
            yield process
        finally:
            process.kill()


def workers_of(launcher: int) -> dict[int, int]:
    """The process of each worker, by its index."""
    found = {}
    for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        variables = Path(f"/proc/{child}/environ").read_bytes().decode().split("\0")
        (config,) = (each.partition("=")[2] for each in variables if each.startswith(f"{TF_CONFIG}="))
        found[json.loads(config)["task"]["index"]] = int(child)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="the workers are found in /proc")
def test_workers_that_are_stopped_or_killed_go_on_and_end_as_one(folder: Path) -> None:
    with started("train", "spec.yaml", "--workers", "2", "--out", "two", folder=folder, until="epoch 3/") as process:
        children = workers_of(process.pid)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130
    run = only(folder / "two")
    assert "interrupted: " in errors
    assert f"dlrun resume two/{run.name}" in errors
    assert read(run / "status.json")["state"] == "interrupted"
    assert not any(Path(f"/proc/{child}").exists() for child in children.values())

    with started("resume", run, "--workers", "2", folder=folder, until="epoch 30/") as process:
        children = workers_of(process.pid)
        os.kill(children[1], signal.SIGKILL)
        _, errors = process.communicate(timeout=60)  # the chief may notice by a heartbeat alone, after 13 s
        assert process.returncode == 1
    assert "worker 1 (127.0.0.1:" in errors
    assert "was ended by SIGKILL" in errors
    status = read(run / "status.json")
    assert status["state"] == "failed"
    assert "worker 1 (127.0.0.1:" in status["error"]["message"]
    assert "is gone, and the training needs all 2 workers" in status["error"]["message"]
    assert not any(Path(f"/proc/{child}").exists() for child in children.values())

    assert finished(dlrun("resume", run, "--workers", "2", "--json", folder=folder), folder) == run
    assert_same(run, trained(folder, "one"))


def test_a_peer_that_never_comes_is_named(folder: Path) -> None:
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(3))
    config = Cluster(addresses, 0, TF_CONFIG).config(0)
    began = time.monotonic()
    done = dlrun(
        *("train", "spec.yaml", "--set", "runtime.peer_timeout=1.5", "--out", "none"), folder=folder, TF_CONFIG=config
    )
    assert time.monotonic() - began < 60
    assert done.returncode == 1
    assert f"error: worker 1 ({addresses[1]}), worker 2 ({addresses[2]}) did not come within 1.5 s" in done.stderr
    assert "runtime.peer_timeout" in done.stderr
    assert not (folder / "none").exists()


def test_what_a_spec_forbids_is_told_once(folder: Path) -> None:
    done = dlrun("train", "spec.yaml", "--workers", "2", "--set", "runtime.strategy=single", folder=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: runtime.strategy is single, which has one worker")
    done = dlrun("train", "spec.yaml", "--workers", "2", "--set", "training.epochs=0", folder=folder)
    assert done.returncode == 2
    assert done.stderr.endswith("1 mistake in spec.yaml\n")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("{", "TF_CONFIG does not describe this worker: it is no JSON"),
        ("", "runtime.strategy is multi_worker, and neither TF_CONFIG nor Slurm names several workers"),
    ],
)
def test_a_broken_cluster_is_told_before_the_data_is_read(config: str, told: str, folder: Path) -> None:
    done = dlrun(*("train", "spec.yaml", "--set", "runtime.strategy=multi_worker"), folder=folder, TF_CONFIG=config)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {told}")
