"""Resuming, as it happens: trainings that are killed for real, and end as if they had not been."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import warm
import yaml
from running import CONFIGS, IMAGE, ROOT, TEXT, dlrun, history, plain, read, trained, write

from dlrun.run.checkpoints import Checkpoints

DRIVER = Path(__file__).parent / "driver.py"
KILLS = {"ann": 2, "lstm": 2}
"""Of specs below, one of the others; `soak_resume.py` has hundreds."""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")

AUGMENT = {
    "flip": "horizontal", "rotation": 20, "zoom": 0.2, "shift": 0.1, "crop": 0.8, "contrast": 0.2, "brightness": 0.2,
    "noise": 0.1, "cutout": 0.3, "mixup": 0.4,
}  # fmt: skip

SPECS: dict[str, dict[str, Any]] = {
    "ann": {
        "data": {"source": {"kind": "bundled", "name": "diabetes"}},
        "architecture": {"kind": "ann", "dense": [8]},
        "regularization": {"dropout": 0.3, "l2": 1e-3},
        "training": {
            "epochs": 60,
            "early_stopping": {"patience": 8},
            "reduce_on_plateau": {"patience": 2},
            "checkpoint": {"steps": 2},
        },
    },
    "cnn": {
        "data": {**IMAGE, "features": {"image": {"kind": "image", "augment": AUGMENT}}},
        "architecture": {
            "kind": "cnn",
            "blocks": [{"filters": 4, "batch_norm": True, "pool": 2, "dropout": 0.2}],
            "dense": [8],
        },
        "optimizer": {"schedule": {"kind": "cosine", "warmup": 1}},
        "loss": {"kind": "categorical_crossentropy", "class_weights": "balanced"},
        "training": {"epochs": 6, "checkpoint": {"steps": 5}},
    },
    "lstm": {
        "data": TEXT,
        "architecture": {"kind": "lstm", "embedding_size": 4, "units": [4]},
        "regularization": {"dropout": 0.2},
        "training": {"epochs": 4, "checkpoint": {"steps": 5}},
    },
    "transformer": {
        "data": TEXT,
        "architecture": {"kind": "transformer", "embedding_size": 4, "heads": 2, "blocks": 1, "feed_forward": 4},
        "regularization": {"dropout": 0.2},
        "training": {"epochs": 4, "checkpoint": {"steps": 5}},
    },
    "autoencoder": {
        "data": IMAGE,
        "architecture": {"kind": "autoencoder", "encoder": [16], "latent": 4, "noise": 0.3},
        "optimizer": {"kind": "sgd", "momentum": 0.9},
        "training": {"epochs": 6, "checkpoint": {"steps": 5}, "early_stopping": {"patience": 2}},
    },
    "layers": {
        "data": IMAGE,
        "architecture": {
            "kind": "layers",
            "layers": [
                {"kind": "gaussian_noise", "rate": 0.2},
                {"kind": "conv2d", "filters": 4, "kernel_size": 3, "activation": "relu"},
                {"kind": "spatial_dropout", "rate": 0.2},
                {"kind": "flatten"},
                {"kind": "dropout", "rate": 0.3},
            ],
        },
        "training": {"epochs": 6, "checkpoint": {"steps": 5}},
    },
    "xla": {
        "data": {"source": {"kind": "bundled", "name": "diabetes"}},
        "architecture": {"kind": "ann", "dense": [8]},
        "regularization": {"dropout": 0.3, "batch_norm": True},
        "training": {"epochs": 25, "batch_size": 16, "gradient_accumulation": 2, "checkpoint": {"steps": 3}},
        "runtime": {"compile": "xla"},
    },
}


def spec_of(name: str, folder: Path, **training: Any) -> Path:
    tree = {"name": name, "seed": 3, "evaluation": {"plots": False}} | SPECS[name]
    tree["training"] = tree["training"] | training
    return write(folder / f"{name}.yaml", tree)


def killed(how: str, *arguments: str | Path) -> bool:
    """Runs dlrun until it kills itself; False where it was done before."""
    done = warm.call([how, *map(str, arguments)], ROOT, DRIVER)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def deaths(seed: str, most_seconds: float = 1.0) -> Iterator[str]:
    """When to die: at a touch of the checkpoints, or so many seconds after the first."""
    draw = random.Random(seed)
    while True:
        yield f"touch:{draw.randint(1, 30)}"
        yield f"seconds:{draw.uniform(0, most_seconds):.3f}"


def assert_same_end(one: Path, two: Path) -> None:
    """Weights, optimizer, history and metrics to the bit."""
    assert history(one) == history(two)
    assert (one / "metrics.json").read_bytes() == (two / "metrics.json").read_bytes()
    assert (one / "model" / "weights.npz").read_bytes() == (two / "model" / "weights.npz").read_bytes()
    ends = [Checkpoints(run / "checkpoints").load() for run in (one, two)]
    assert ends[0] is not None
    assert ends[1] is not None
    assert ends[0].arrays.keys() == ends[1].arrays.keys()
    for name, array in ends[0].arrays.items():
        np.testing.assert_array_equal(array, ends[1].arrays[name], err_msg=name)


def resumed(run: Path, *arguments: str) -> str:
    """What a resume that went well said."""
    done = dlrun("resume", run, *arguments)
    assert done.returncode == 0, done.stderr
    assert read(run / "status.json")["state"] == "finished"
    return done.stdout


@pytest.mark.parametrize("name", SPECS)
def test_a_killed_training_ends_as_if_it_had_not_been(name: str, tmp_path: Path) -> None:
    spec = spec_of(name, tmp_path)
    whole = trained(spec, tmp_path / "whole")
    out, when = tmp_path / "killed", deaths(name)
    assert killed(next(when), "train", spec, "--out", out)
    (run,) = out.iterdir()
    for _ in range(KILLS.get(name, 1) - 1):
        assert killed(next(when), "resume", run), "too short a training to be killed so often"
        assert dlrun("compare", run).returncode == 0
    resumed(run)
    assert_same_end(whole, run)
    assert not list((run / "checkpoints").glob(".*"))
    assert len(list((run / "checkpoints").glob("epoch*"))) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_a_training_that_is_told_to_end_can_go_on(number: signal.Signals, tmp_path: Path) -> None:
    spec = spec_of("layers", tmp_path, epochs=400, checkpoint={"minutes": None})
    with subprocess.Popen(
        [sys.executable, "-m", "dlrun", "train", spec, "--out", tmp_path / "told"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", cwd=ROOT,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        next(line for line in process.stdout if line.startswith("epoch 2/"))
        (run,) = (tmp_path / "told").iterdir()
        refused = dlrun("resume", run)
        process.send_signal(number)
        said = plain(process.stderr.read())
    assert process.returncode == 130
    assert f"mend: to go on from there: dlrun resume {run}" in said
    assert refused.returncode == 1
    assert f"is being trained by process {process.pid} on" in plain(refused.stderr)
    done = len(history(run))
    resumed(run, "--epochs", str(done + 2))
    assert f"of {done + 2} (before: of 400)" in read(run / "status.json")["events"][0]["message"]
    assert len(history(run)) == done + 2


def test_more_epochs(tmp_path: Path) -> None:
    spec = spec_of("layers", tmp_path, epochs=3)
    run, longer = trained(spec, tmp_path), trained(spec, tmp_path, "--set", "training.epochs=5")
    done = dlrun("resume", run)
    assert done.returncode == 1
    told = f"error: {run} is finished, after 3 epochs mend: to train on: dlrun resume {run} --epochs 6"
    assert plain(done.stderr) == told
    done = dlrun("resume", run, "--epochs", "3")
    assert done.returncode == 2
    assert "3 are done already" in done.stderr
    resumed(run, "--epochs", "5")
    assert_same_end(longer, run)
    assert yaml.safe_load((run / "resolved.yaml").read_text(encoding="utf-8"))["training"]["epochs"] == 5
    assert read(run / "status.json")["epochs"] == 5


def test_early_stopping_is_not_undone_by_more_epochs(tmp_path: Path) -> None:
    spec = spec_of("ann", tmp_path, early_stopping={"patience": 1, "monitor": "loss", "min_delta": 1e9})
    run = trained(spec, tmp_path)
    assert len(history(run)) == 2
    done = dlrun("resume", run, "--epochs", "90")
    assert done.returncode == 1
    assert "was ended by early stopping after epoch 2: more epochs change nothing" in plain(done.stderr)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed when it had two checkpoints, on data of its own, beside the whole one."""
    folder = tmp_path_factory.mktemp("stopped")
    shutil.copy(CONFIGS / "wine.csv", folder)
    tree = yaml.safe_load((CONFIGS / "ann_csv.yaml").read_text(encoding="utf-8"))
    tree["training"] = {"epochs": 8, "batch_size": 16, "on_not_finite": "rewind"}  # a checkpoint each epoch
    tree["evaluation"] = {"plots": False}
    spec = write(folder / "wine.yaml", tree)
    trained(spec, folder / "whole")
    assert killed("touch:50", "train", spec, "--out", folder / "killed")
    return folder


@pytest.fixture
def run(stopped: Path, tmp_path: Path) -> Path:
    """A copy of the killed run."""
    (killed_run,) = (stopped / "killed").iterdir()
    return Path(shutil.copytree(killed_run, tmp_path / "run"))


def refused(run: Path) -> str:
    done = dlrun("resume", run)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return plain(done.stderr)


def test_what_was_told_of_a_run_can_be_gone_on_from(stopped: Path, tmp_path: Path) -> None:
    spec, first = stopped / "wine.yaml", "--set=training.on_not_finite=stop"  # after an epoch, not before any
    assert killed("name:.epoch_00002", "train", spec, "--out", tmp_path, first)
    (run,) = tmp_path.iterdir()
    resumed(run)
    (whole,) = (stopped / "whole").iterdir()
    assert_same_end(whole, run)


def test_a_changed_spec_is_refused_with_what_differs(run: Path) -> None:
    for file, old, new, told in (
        ("resolved.yaml", "batch_size: 16", "batch_size: 32", "training.batch_size was 16 and is 32"),
        ("resolved.yaml", "epochs: 8", "epochs: 9", "training.epochs in {run}/resolved.yaml is 9, and the run was to"),
        ("spec.yaml", "epochs: 8", "epochs: 9", "spec.yaml in {run} has changed since it was trained"),
    ):
        text = (run / file).read_text(encoding="utf-8")
        assert old in text
        (run / file).write_text(text.replace(old, new), encoding="utf-8")
        assert told.format(run=run) in refused(run)
        (run / file).write_text(text, encoding="utf-8")


def test_changed_data_is_refused(run: Path, stopped: Path) -> None:
    table = stopped / "wine.csv"
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace("13.2", "13.3", 1), encoding="utf-8")
    said = refused(run)
    table.write_text(text, encoding="utf-8")
    assert re.search(r"the (train|validation|test) data is no longer what run was trained on", said)


def test_other_versions_are_refused_unless_forced(run: Path) -> None:
    environment = read(run / "environment.json")
    environment["packages"]["keras"] = "3.0.0"
    (run / "environment.json").write_text(json.dumps(environment), encoding="utf-8")
    said = refused(run)
    assert "keras was 3.0.0 and is 3." in said
    assert "--force goes on all the same" in said
    resumed(run, "--force")
    (event,) = (event for event in read(run / "status.json")["events"] if event["kind"] == "resumed")
    assert event["changed"][0].startswith("keras was 3.0.0")


@pytest.mark.parametrize("damage", ["cut", "changed", "all"])
def test_a_damaged_checkpoint_is_told_and_the_one_before_is_used(damage: str, run: Path, stopped: Path) -> None:
    last, *before = Checkpoints(run / "checkpoints").paths()
    content = last.read_bytes()
    last.write_bytes(content[:999] if damage == "cut" else content[:999] + b"?" + content[1000:])
    if damage == "all":
        for each in before:
            each.write_bytes(b"")
    if damage == "all":
        assert f"has nothing to go on from: {last.name} is missing or damaged;" in refused(run)
        said = resumed(run, "--force")
        told = f"{last.name} is missing or damaged: the training begins again"
    else:
        said = resumed(run)
        told = f"{last.name} is missing or damaged: the checkpoint before is used"
    assert told in said
    assert told in [event["message"] for event in read(run / "status.json")["events"]]
    (whole,) = (stopped / "whole").iterdir()
    assert_same_end(whole, run)


def test_what_is_no_run(tmp_path: Path) -> None:
    done = dlrun("resume", tmp_path / "nowhere")
    assert done.returncode == 1
    assert done.stderr.startswith("error: there is no run at")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root may mount")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's tmpfs")
def test_a_full_disk_ends_the_run_and_leaves_the_last_checkpoint(tmp_path: Path, small_disk: Path) -> None:
    spec = spec_of("layers", tmp_path, epochs=4, checkpoint={"steps": 5})
    whole = trained(spec, tmp_path / "whole")
    assert killed("touch:40", "train", spec, "--out", small_disk)
    (run,) = small_disk.iterdir()
    Checkpoints(run / "checkpoints").clear_unfinished()  # what a resume does first, and what would make room
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"0" * (shutil.disk_usage(small_disk).free - 8192))
    before = Checkpoints(run / "checkpoints").places()
    done = dlrun("resume", run)
    assert done.returncode == 1
    assert re.search(r"error: .* cannot be written: No space left on device mend: make room", plain(done.stderr))
    assert "Traceback" not in done.stderr
    assert Checkpoints(run / "checkpoints").places() == before
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    resumed(run)
    assert_same_end(whole, run)


DIVERGES = {"kind": "sgd", "learning_rate": 3.0}


def test_a_training_that_diverges_goes_back_and_goes_on(tmp_path: Path) -> None:
    tree = {
        "name": "diverges",
        "data": {"source": {"kind": "bundled", "name": "diabetes"}},
        "architecture": {"kind": "ann", "dense": [16]},
        "optimizer": DIVERGES,
        "training": {"epochs": 6, "on_not_finite": "rewind", "checkpoint": {"steps": 3}},
        "evaluation": {"plots": False},
    }
    whole = trained(write(tmp_path / "spec.yaml", tree), tmp_path / "whole")
    events = read(whole / "status.json")["events"]
    assert events
    assert all(event["kind"] == "rewound" for event in events)
    rates = [event["learning_rate"] for event in events]
    np.testing.assert_allclose(rates, [3.0 / 2 ** (n + 1) for n in range(len(events))])
    np.testing.assert_allclose(float(history(whole)[-1]["learning_rate"]), rates[-1], rtol=1e-6)
    assert killed("touch:25", "train", tmp_path / "spec.yaml", "--out", tmp_path / "killed")
    (run,) = (tmp_path / "killed").iterdir()
    resumed(run)
    assert_same_end(whole, run)


def test_it_goes_back_three_times_at_most(tmp_path: Path) -> None:
    tree = yaml.safe_load((CONFIGS / "ann_diabetes.yaml").read_text(encoding="utf-8"))
    tree["optimizer"] = {"kind": "sgd", "learning_rate": 1e30, "schedule": {"kind": "cosine"}}
    tree["training"] = {"epochs": 6, "on_not_finite": "rewind"}
    done = dlrun("train", write(tmp_path / "spec.yaml", tree), "--out", tmp_path / "runs")
    assert done.returncode == 1
    assert "the loss is no longer finite since" in done.stderr
    (run,) = (tmp_path / "runs").iterdir()
    assert [event["learning_rate"] for event in read(run / "status.json")["events"]] == pytest.approx(
        [1e30 / 2, 1e30 / 4, 1e30 / 8]
    )
