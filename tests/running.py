"""dlrun as a user calls it, in a process of its own, and what its runs hold."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import warm
import yaml

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"
CLOCK = ("seconds", "examples_per_second")
Done = subprocess.CompletedProcess[str]

TEXT = {
    "source": {"kind": "bundled", "name": "sotu_eras"},
    "features": {"text": {"kind": "text", "vocabulary_size": 200, "sequence_length": 12}},
}
IMAGE = {
    "source": {"kind": "bundled", "name": "digits"},
    "features": {"image": {"kind": "image", "rescale": [0, 1]}},
}
SERIES = {
    "source": {"kind": "bundled", "name": "seattle_temps"},
    "target": "temp",
    "features": {"temp": {"kind": "series", "window": 24, "horizon": 3}},
}


def dlrun(*arguments: str | Path, folder: Path = ROOT, **environment: str) -> Done:
    """The program in a process of its own, its streams no terminal; started from nothing where variables are given."""
    if hasattr(os, "fork") and not environment:
        return warm.call(list(map(str, arguments)), folder)
    return subprocess.run(
        [sys.executable, "-m", "dlrun", *map(str, arguments)],
        cwd=folder, capture_output=True, text=True, encoding="utf-8", env=os.environ | environment, check=False,
    )  # fmt: skip


def trained(spec: Path, out: Path, *arguments: str) -> Path:
    """The folder of a training that went well."""
    done = dlrun("train", spec, "--out", out, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["status"]["state"] == "finished"
    return Path(answer["run"])


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def history(run: Path) -> list[dict[str, str]]:
    """The rows of history.csv but for what a clock says."""
    with (run / "history.csv").open(encoding="utf-8", newline="") as file:
        return [{name: value for name, value in row.items() if name not in CLOCK} for row in csv.DictReader(file)]


def write(path: Path, tree: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def plain(text: str) -> str:
    """What was said, however it was broken into lines."""
    return " ".join(text.split())
