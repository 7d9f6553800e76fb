"""`dlrun doctor`: what there is on this machine, how fast it is, and what is wrong with it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from dlrun import __version__
from dlrun.data.sources.keras_datasets import cache
from dlrun.machine import Memory, Processors, memory, processors
from dlrun.run.environment import PACKAGES, VARIABLES
from dlrun.symptoms import Finding, symptoms

TRIAL_SECONDS = 300.0
"""How long TensorFlow may take to load and to answer, before it counts as hanging."""


@dataclass(frozen=True)
class Place:
    """A folder that dlrun writes to.

    Args:
        path: whether it is there yet or not.
        free: bytes on its disk.
        writable: whether this user may write there.
    """

    path: str
    free: int
    writable: bool


@dataclass(frozen=True)
class Diagnosis:
    """What there is on this machine, and what is wrong with it.

    Args:
        versions: of dlrun, Python and the packages that it uses.
        platform: the operating system and the kind of processor.
        processors: how many there are, and how many may be used.
        memory: how much there is, and how much is free; None where the system does not say.
        trial: what TensorFlow said and measured, as `dlrun.training.trial.Trial`; None where it failed.
        failure: why TensorFlow failed; None where it did not.
        variables: those set in the environment that change how numbers are computed.
        places: the folders that dlrun writes to, by what they hold.
        findings: what is wrong, the worst first.
    """

    versions: dict[str, str]
    platform: str
    processors: Processors
    memory: Memory | None
    trial: dict[str, Any] | None
    failure: str | None
    variables: dict[str, str]
    places: dict[str, Place]
    findings: tuple[Finding, ...] = ()

    @property
    def able(self) -> bool:
        """Whether dlrun can train here."""
        return not any(finding.prevents for finding in self.findings)

    def tree(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {"able": self.able, **asdict(self)}


def doctor(runs: Path) -> Diagnosis:
    """Looks at everything that a training depends on, and measures this machine for two seconds.

    Args:
        runs: the folder in which run folders are made.
    """
    answer, failure = ask_tensorflow()
    found = Diagnosis(
        dict(versions()),
        f"{platform.platform(terse=True)}, {platform.machine()}",
        processors(),
        memory(),
        answer,
        failure,
        {name: os.environ[name] for name in VARIABLES if name in os.environ},
        {"runs": place(runs), "data sets": place(cache()), "temporary": place(Path(tempfile.gettempdir()))},
    )
    return Diagnosis(**{**vars(found), "findings": tuple(symptoms(found, requirements()))})


def versions() -> Iterator[tuple[str, str]]:
    """Of all that matters and is installed, dlrun and Python first."""
    yield "dlrun", __version__
    yield "python", platform.python_version()
    for name in PACKAGES:
        try:
            if name != "dlrun":
                yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue


def requirements() -> dict[str, str]:
    """The least version of each package that dlrun needs, as its own package says; empty where it is not installed."""
    try:
        needed = metadata.requires("dlrun") or []
    except metadata.PackageNotFoundError:
        return {}
    return dict(each.split(">=") for each in needed if ">=" in each and ";" not in each)


def place(path: Path) -> Place:
    """What there is to know of a folder, which need not be there yet."""
    path = path.absolute()
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    return Place(str(path), shutil.disk_usage(there).free, os.access(there, os.W_OK))


def ask_tensorflow() -> tuple[dict[str, Any] | None, str | None]:
    """What `dlrun.training.trial` answers, or why it does not.

    It runs in a process of its own: a TensorFlow that this processor cannot run does not raise an error, it crashes.
    """
    # -P: it is to look for packages where this process does, and nowhere else.
    command = [sys.executable, "-P", "-m", "dlrun.training.trial"]
    paths = {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=TRIAL_SECONDS, env=os.environ | paths,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None, f"no answer within {TRIAL_SECONDS:.0f} seconds"
    if done.returncode == 0:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer, None
    if done.returncode < 0:
        return None, f"it ended by {_signal_name(-done.returncode)}"
    lines = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    return None, lines[-1].strip() if lines else f"it ended with exit code {done.returncode}"


def _signal_name(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
