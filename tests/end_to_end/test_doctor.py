"""`dlrun doctor` in processes of its own, with a TensorFlow that works and with others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest
import tensorflow as tf

ROOT = Path(__file__).parents[2]


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dlrun", "doctor", *arguments],
        cwd=ROOT, capture_output=True, text=True, encoding="utf-8", env=os.environ | environment, check=False,
    )  # fmt: skip


def test_a_machine_on_which_dlrun_trains(tmp_path: Path) -> None:
    done = doctor("--json", "--out", str(tmp_path / "runs"), TF_ENABLE_ONEDNN_OPTS="0")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["able"]
    assert found["versions"]["keras"] == found["trial"]["keras"] == keras.__version__
    assert found["trial"]["tensorflow"] == tf.__version__
    assert found["trial"]["gflops"] > 1
    assert found["trial"]["examples_per_second"] > 100
    assert (found["trial"]["no_gpu"] is None) == bool(tf.config.list_physical_devices("GPU"))
    assert found["places"]["runs"]["path"] == str(tmp_path / "runs")
    assert found["variables"]["TF_ENABLE_ONEDNN_OPTS"] == "0"
    assert any(finding["mend"] == "unset TF_ENABLE_ONEDNN_OPTS" for finding in found["findings"])
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("raise ImportError('libfoo.so.1: cannot open shared object file')", "ImportError: libfoo.so.1: cannot open"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGILL)", "it ended by SIGILL"),
    ],
    ids=["raises", "crashes"],
)
def test_a_tensorflow_that_does_not_work_is_told_with_the_rest(tmp_path: Path, program: str, said: str) -> None:
    if "kill" in program and sys.platform == "win32":
        pytest.skip("Windows has no such signal")
    (tmp_path / "tensorflow.py").write_text(program, encoding="utf-8")
    done = doctor(PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == ""
    assert f"error: TensorFlow does not work: {said}" in done.stdout
    assert " mend: " in done.stdout
    assert "processors" in done.stdout
    assert "free" in done.stdout
    assert done.stdout.endswith("dlrun cannot train here\n")
