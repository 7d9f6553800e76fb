"""Three replicas on one machine learn what one learns from the same batches."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mirrored import SPECS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    program = Path(__file__).with_name("mirrored.py")
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("name", SPECS)
def test_the_result_is_that_of_one(name: str, found: dict[str, Any]) -> None:
    assert found[name]["weights"] < 1e-5
    assert found[name]["history"] < 1e-5


def test_replicas_drop_out_different_units(found: dict[str, Any]) -> None:
    masks = [tuple(mask) for mask in found["masks"]]
    assert len(set(masks)) == len(masks) == 6
    assert masks[0] == tuple(found["one mask"][0])  # the first replica draws what one alone would
