"""In what surroundings a run was made: what one needs to know to make it again."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    *("dlrun", "tensorflow", "keras", "numpy", "pydantic", "scikit-learn", "polars", "matplotlib", "pillow"),
    "tokenizers",
)
VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
)
"""What from outside changes how numbers are computed."""

GIT_SECONDS = 5.0


def environment(
    *,
    device: str,
    threads: dict[str, int] | None = None,
    determinism: bool = False,
    command: Sequence[str] | None = None,
    folder: Path | None = None,
    **more: Any,
) -> dict[str, Any]:
    """What environment.json holds. Imports none of the packages that it tells the versions of.

    Args:
        device: what the run computes on, as in "cpu" or "NVIDIA A100".
        threads: TensorFlow's numbers of threads, by kind.
        determinism: whether TensorFlow's op determinism is on, which repeating to the bit on a CPU does not need.
        command: the command line; this process's own by default.
        folder: whose git commit is told; the working folder by default.
        more: anything else that belongs here.
    """
    return {
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "device": device,
        "threads": threads or {},
        "op_determinism": determinism,
        **more,
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "command": list(sys.argv if command is None else command),
        "folder": str(folder or Path.cwd()),
        "git": git_commit(folder or Path.cwd()),
    }


def git_commit(folder: Path) -> dict[str, Any] | None:
    """The commit that a folder is at, and whether files that git knows were changed since; None without git.

    Files that git does not know are no change: a run folder would be one.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return None if commit is None or changes is None else {"commit": commit, "dirty": bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    # No optional locks: a look must never stand in the way of the user's own git.
    command = ["git", "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, stdin=subprocess.DEVNULL, timeout=GIT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace").strip()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
