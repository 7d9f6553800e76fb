"""A training in less memory than its batch needs, in a process that the system gives no more."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from running import IMAGE, ROOT, history, plain, read, trained, write

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a limit that Linux has")

LIMIT = 8 << 30
"""Bytes of address space, of which TensorFlow and Polars take more than half before they do anything."""

TRAIN = 1258
"""Examples of the train split, 6.5 MB of layer outputs each."""


def spec_of(folder: Path, batch_size: int, **training: Any) -> Path:
    wide = [{"kind": "conv2d", "filters": 1024, "kernel_size": 1}, *[{"kind": "activation", "activation": "tanh"}] * 24]
    tree = {
        "name": "wide",
        "data": IMAGE | {"split": {"validation": 0.1, "test": 0.2}},
        "architecture": {"kind": "layers", "layers": [*wide, {"kind": "global_average_pool"}]},
        "training": {"epochs": 1, "batch_size": batch_size} | training,
        "evaluation": {"plots": False, "batch_size": 32},
        "runtime": {"compile": "graph"},
    }
    return write(folder / "spec.yaml", tree)


def train(spec: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dlrun", "train", spec, "--out", out],
        cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT)),
    )  # fmt: skip


def test_a_batch_that_does_not_fit_is_an_error_with_one_that_would(tmp_path: Path) -> None:
    done = train(spec_of(tmp_path, TRAIN), tmp_path)
    said = plain(done.stderr)
    assert done.returncode == 1
    assert said.startswith("error: training at batch_size 1,258 needs about ")
    assert "mend: write `training.batch_size: " in said
    assert "or `training.on_out_of_memory: halve`" in said
    assert "Traceback" not in said


def test_with_half_the_batch_the_steps_stay_the_same(tmp_path: Path) -> None:
    done = train(spec_of(tmp_path, TRAIN, on_out_of_memory="halve"), tmp_path / "halved")
    assert done.returncode == 0, done.stderr
    (halved,) = (tmp_path / "halved").iterdir()
    (event,) = read(halved / "status.json")["events"]
    assert event["kind"] == "halved"
    size = event["batch_size"]
    assert size in (79, 158, 315, 629)
    assert f"1,258 examples at once do not fit in memory: a step takes them in parts of {size}" in done.stdout
    parts = spec_of(tmp_path, size, gradient_accumulation=-(-TRAIN // size))
    other = trained(parts, tmp_path / "parts")
    assert history(halved) == history(other)
    assert (halved / "model" / "weights.npz").read_bytes() == (other / "model" / "weights.npz").read_bytes()
