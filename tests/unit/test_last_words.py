"""An error that is told where nothing of Python runs."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import ctypes
from dlrun.console.last_words import last_words
from dlrun.errors import ClusterError
with last_words(ClusterError("nobody came", hint="wait longer"), {seconds}):
    {body}
print("went on")
"""
HELD = "ctypes.PyDLL(None).sleep(30)"
"""A wait in C that keeps Python's lock: no thread and no signal handler of Python's runs meanwhile."""


def said(body: str, seconds: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body, seconds=seconds)], cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs C's sleep")
def test_a_process_that_native_code_holds_ends_with_the_error() -> None:
    began = time.monotonic()
    done = said(HELD, 0.5)
    assert time.monotonic() - began < 20
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: nobody came\n mend: wait longer\n"


@pytest.mark.parametrize("body", ["pass", "time = __import__('time'); time.sleep(0.2)"])
def test_nothing_is_said_in_time(body: str) -> None:
    done = said(body, 20)
    assert (done.returncode, done.stdout, done.stderr) == (0, "went on\n", "")


def test_an_error_within_is_that_error() -> None:
    done = said("raise SystemExit('something else')", 20)
    assert (done.returncode, done.stderr) == (1, "something else\n")
