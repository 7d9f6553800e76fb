"""The workers of a training on a Ray cluster of two nodes; and what is said where there is none."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SPEC: dict[str, Any] = {
    "name": "placed",
    "data": {"source": {"kind": "bundled", "name": "iris"}},
    "architecture": {"kind": "ann", "dense": [4]},
    "training": {"epochs": 3},
    "evaluation": {"plots": False},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ray")
    (folder / "spec.yaml").write_text(yaml.safe_dump(SPEC), encoding="utf-8")
    return folder


def dlrun(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, (str(ROOT), environment.pop("PYTHONPATH", ""))))
    return subprocess.run(
        [sys.executable, "-m", "dlrun", *arguments], cwd=folder, capture_output=True, text=True, timeout=240,
        env=os.environ | {"PYTHONPATH": path} | environment,
    )  # fmt: skip


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    """Of a cluster of two nodes, each with room for one worker."""
    pytest.importorskip("ray")
    # In a process of its own, which this one's warnings and signals do not reach.
    program = (
        "import sys; from ray.cluster_utils import Cluster\n"
        "cluster = Cluster(initialize_head=True, head_node_args={'num_cpus': 1}); cluster.add_node(num_cpus=1)\n"
        "print(cluster.address, flush=True); sys.stdin.read(); cluster.shutdown()"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as cluster:
        assert cluster.stdout
        assert cluster.stdin
        lines = iter(cluster.stdout)
        yield next(line.strip() for line in lines if line.strip().rpartition(":")[2].isdigit())
        cluster.stdin.close()


def test_workers_are_placed_one_on_each_node(folder: Path, address: str, tmp_path: Path) -> None:
    done = dlrun("train", "spec.yaml", "--cluster", "ray", "--json", folder=folder, RAY_ADDRESS=address)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["status"]["state"] == "finished"
    environment = json.loads((folder / answer["run"] / "environment.json").read_text(encoding="utf-8"))
    assert environment["runtime"]["workers"] == 2
    assert "epoch 3/3" in done.stderr  # the chief's own words, as they come

    hook = "import dlrun.cluster.ray as placing; placing.SECONDS_TO_PLACE = 8.0"
    (tmp_path / "sitecustomize.py").write_text(hook, encoding="utf-8")
    done = dlrun(
        *("train", "spec.yaml", "--cluster", "ray", "--workers", "5"),
        folder=folder, RAY_ADDRESS=address, PYTHONPATH=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 1
    # On a busy machine Ray may not have placed even those two by then.
    assert re.match(r"error: Ray has room for [0-2] of 5 workers, each with a processor and 0 GPUs\n", done.stderr)


def test_without_a_cluster_it_is_told_how_to_start_one(folder: Path) -> None:
    pytest.importorskip("ray")
    done = dlrun("train", "spec.yaml", "--cluster", "ray", folder=folder, RAY_ADDRESS="127.0.0.1:1")
    assert done.returncode == 1
    assert "error: there is no Ray cluster" in done.stderr
    assert "ray start --head" in done.stderr


def test_without_ray_it_is_told_how_to_install_it(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['ray'] = None", encoding="utf-8")
    done = dlrun("train", "spec.yaml", "--cluster", "ray", folder=folder, PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: --cluster ray needs Ray, which is not installed")
    assert "pip install 'dlrun[ray]'" in done.stderr
