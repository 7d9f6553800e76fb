"""Three replicas on one machine learn what one learns from the same batches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from mirrored import SPECS

ROOT = Path(__file__).parents[2]


def test_three_replicas_learn_what_one_learns() -> None:
    program = Path(__file__).with_name("mirrored.py")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    apart = {name: max(found[name].values()) for name in SPECS}
    assert max(apart.values()) < 1e-5, apart
    masks = [tuple(mask) for mask in found["masks"]]
    assert len(set(masks)) == len(masks) == 6  # no two replicas drop out the same, nor one of them twice
    assert masks[0] == tuple(found["one mask"][0])  # the first draws what one alone would
