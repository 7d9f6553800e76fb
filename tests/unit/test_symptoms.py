"""What `dlrun doctor` finds wrong, and how it looks."""

from __future__ import annotations

import io
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dlrun.console import print_diagnosis
from dlrun.doctor import Diagnosis, Place, place, requirements
from dlrun.machine import Memory, Processors
from dlrun.symptoms import Finding, symptoms

GIB = 1 << 30
TRIAL = {
    "tensorflow": "2.21.0", "keras": "3.15.1", "backend": "tensorflow", "gpus": [],
    "no_gpu": "no NVIDIA driver was found on this machine (nvidia-smi is missing)",
    "tensor_float_32": True, "gflops": 104.3, "examples_per_second": 65098.1,
}  # fmt: skip
HEALTHY = Diagnosis(
    {"dlrun": "0.1.0", "python": "3.11.7", "tensorflow": "2.21.0", "keras": "3.15.1"},
    "Linux-6.1, x86_64",
    Processors(4, 4, 4),
    Memory(16 * GIB, 12 * GIB, "machine"),
    TRIAL,
    None,
    {},
    {"runs": Place("/data/runs", 50 * GIB, writable=True)},
)
LEAST = {"tensorflow": "2.21", "keras": "3.15.1", "polars": "1.30"}


def found(folder: Path, **changes: Any) -> list[Finding]:
    return symptoms(replace(HEALTHY, **changes), LEAST, folder)


def gpu(folder: Path, maker: str = "0x10de", kind: str = "0x030200") -> Path:
    """A folder of PCI devices with one of them."""
    device = folder / "0000:00:1e.0"
    device.mkdir(exist_ok=True)
    (device / "vendor").write_text(f"{maker}\n", encoding="ascii")
    (device / "class").write_text(f"{kind}\n", encoding="ascii")
    return folder


def test_nothing_is_wrong_with_a_healthy_machine(tmp_path: Path) -> None:
    assert found(tmp_path) == []
    assert found(gpu(tmp_path, maker="0x8086")) == []  # another maker's
    assert found(gpu(tmp_path, kind="0x020000")) == []  # NVIDIA's network card


@pytest.mark.parametrize(
    ("changes", "message", "mend"),
    [
        (
            {"trial": None, "failure": "ImportError: libfoo.so.1: cannot open shared object file"},
            "TensorFlow does not work: ImportError: libfoo.so.1",
            "pip install --force-reinstall tensorflow keras",
        ),
        ({"trial": None, "failure": "it ended by SIGILL"}, "it ended by SIGILL", "lacks instructions"),
        (
            {"trial": None, "failure": "ModuleNotFoundError: No module named 'tensorflow'"},
            "No module named 'tensorflow'",
            "pip install tensorflow",
        ),
        ({"trial": {**TRIAL, "backend": "jax"}}, "Keras computes with jax", "unset KERAS_BACKEND"),
        (
            {"versions": {**HEALTHY.versions, "keras": "3.9.2"}},
            "keras 3.9.2 is older than 3.15.1, which has known security holes",
            "pip install 'keras>=3.15.1'",
        ),
    ],
)
def test_what_prevents_training(tmp_path: Path, changes: dict[str, Any], message: str, mend: str) -> None:
    (finding,) = found(tmp_path, **changes)
    assert finding.prevents
    assert message in finding.message
    assert mend in finding.mend
    assert not replace(HEALTHY, findings=(finding,)).able


@pytest.mark.parametrize(
    ("changes", "message", "mend"),
    [
        ({"versions": {**HEALTHY.versions, "polars": "1.9.0"}}, "polars 1.9.0 is older than 1.30", "pip install 'pol"),
        (
            {"variables": {"OMP_NUM_THREADS": "1"}},
            "OMP_NUM_THREADS=1 leaves 3 of 4 processors",
            "unset OMP_NUM_THREADS",
        ),
        ({"variables": {"TF_NUM_INTRAOP_THREADS": "2"}}, "leaves 2 of 4", "unset TF_NUM_INTRAOP_THREADS"),
        ({"variables": {"TF_ENABLE_ONEDNN_OPTS": "0"}}, "TF_ENABLE_ONEDNN_OPTS=0", "unset TF_ENABLE_ONEDNN_OPTS"),
        ({"variables": {"TF_DETERMINISTIC_OPS": "1"}}, "TF_DETERMINISTIC_OPS is on", "unset TF_DETERMINISTIC_OPS"),
        ({"variables": {"XLA_FLAGS": "--xla_x"}}, "XLA_FLAGS=--xla_x changes", "unset XLA_FLAGS"),
        ({"processors": Processors(64, 64, 2.5)}, "2.5 of 64 processors", "`runtime.threads: 2`"),
        ({"memory": Memory(16 * GIB, 300 << 20, "machine")}, "only 300 MiB of memory", "end programs"),
        ({"memory": Memory(GIB, 300 << 20, "container")}, "only 300 MiB of memory", "give the container more"),
        ({"memory": Memory(GIB, 300 << 20, "process")}, "only 300 MiB of memory", "ulimit -v"),
        ({"places": {"runs": Place("/full", 5 << 20, writable=True)}}, "only 5.00 MiB are free on", "delete old runs"),
        ({"places": {"runs": Place("/shut", GIB, writable=False)}}, "nothing can be written", "--out FOLDER"),
    ],
)
def test_what_is_wrong_has_a_mend(tmp_path: Path, changes: dict[str, Any], message: str, mend: str) -> None:
    (finding,) = found(tmp_path, **changes)
    assert not finding.prevents
    assert message in finding.message
    assert mend in finding.mend


@pytest.mark.parametrize(
    ("reason", "variables", "message", "mend"),
    [
        (TRIAL["no_gpu"], {}, "does not see it: no NVIDIA driver was found on this machine", "--gpus all"),
        (
            "this TensorFlow was built without GPU support (on Linux: pip install 'dlrun[cuda]')",
            {},
            "does not see it: this TensorFlow was built without GPU support",
            "pip install 'dlrun[cuda]'",
        ),
        (
            "the driver is there, but the CUDA libraries are not: pip install 'dlrun[cuda]', and see log.txt",
            {},
            "does not see it: the driver is there, but the CUDA libraries are not",
            "pip install 'dlrun[cuda]'",
        ),
        (TRIAL["no_gpu"], {"CUDA_VISIBLE_DEVICES": ""}, "hidden: CUDA_VISIBLE_DEVICES is empty", "unset CUDA_VIS"),
        (TRIAL["no_gpu"], {"CUDA_VISIBLE_DEVICES": "-1"}, "hidden: CUDA_VISIBLE_DEVICES is -1", "unset CUDA_VIS"),
    ],
)
def test_a_gpu_that_is_not_seen(
    tmp_path: Path, reason: str, variables: dict[str, str], message: str, mend: str
) -> None:
    trial = {**TRIAL, "no_gpu": reason}
    (finding,) = found(gpu(tmp_path), trial=trial, variables=variables)
    assert message in finding.message
    assert mend in finding.mend
    assert found(tmp_path, trial={**TRIAL, "gpus": ["NVIDIA H100"], "no_gpu": None}) == []


def test_the_least_versions_are_those_of_the_package() -> None:
    least = requirements()
    assert least["keras"] == "3.15.1"
    assert "ruff" not in least


def test_a_folder_that_is_not_there_yet_is_judged_by_the_one_above(tmp_path: Path) -> None:
    judged = place(tmp_path / "a" / "b")
    assert judged.path == str(tmp_path / "a" / "b")
    assert judged.free > 0
    assert judged.writable
    if sys.platform != "win32" and os.geteuid() != 0:
        tmp_path.chmod(0o500)
        assert not place(tmp_path / "a").writable


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    where = Console(file=io.StringIO(), width=width, highlight=False)
    sick = replace(HEALTHY, findings=(Finding("a " * 80, "b " * 80), Finding("c", "d", prevents=True)))
    print_diagnosis(sick, where)
    assert isinstance(where.file, io.StringIO)
    said = where.file.getvalue()
    assert max(map(len, said.splitlines())) <= width
    assert "104.3 GFLOP/s" in said
    assert said.endswith("dlrun cannot train here\n")


def test_what_is_not_known_is_left_out() -> None:
    where = Console(file=io.StringIO(), width=80, highlight=False)
    print_diagnosis(replace(HEALTHY, trial=None, memory=None), where)
    assert isinstance(where.file, io.StringIO)
    said = where.file.getvalue()
    assert "GFLOP/s" not in said
    assert "memory" not in said
    assert "\n\n\n" not in said
