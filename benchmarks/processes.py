"""Children whose time is taken: whole processes, with byte code cached as in an installed wheel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTHON = [sys.executable]
SCRIPT = shutil.which("dlrun", path=str(Path(sys.executable).parent))
DLRUN = [SCRIPT] if SCRIPT else [*PYTHON, "-m", "dlrun"]


def environment() -> dict[str, str]:
    """As a user has it: byte code is cached, and output is buffered."""
    others = {name: value for name, value in os.environ.items() if name not in UNUSUAL}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**others, "PYTHONPATH": path, "COLUMNS": "120", "TMPDIR": tempfile.gettempdir()}


UNUSUAL = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPROFILEIMPORTTIME")


@dataclass(frozen=True)
class Ended:
    """A process that is over.

    Args:
        started, ended: by `time.perf_counter`, which all processes share.
        mebibytes: the most memory it held at once, as the system counts it.
        said: what it wrote to stdout.
    """

    started: float
    ended: float
    mebibytes: float
    said: str

    @property
    def seconds(self) -> float:
        return self.ended - self.started

    def numbers(self, name: str) -> list[float]:
        """Those of its lines `name number`."""
        return [float(each) for each in re.findall(rf"^{name} (\S+)$", self.said, re.MULTILINE)]


def wait_for(command: Sequence[str]) -> Ended:
    """Runs a command to its end.

    Raises:
        SystemExit: it failed; its last words are told.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+", encoding="utf-8") as err:
        started = time.perf_counter()
        child = subprocess.Popen(command, stdout=out, stderr=err, cwd=ROOT, env=environment())
        _, status, used = os.wait4(child.pid, 0)
        ended = time.perf_counter()
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if child.returncode:
            sys.exit(f"{' '.join(command)} ended with {child.returncode}:\n{err.read()[-3000:]}")
        return Ended(started, ended, used.ru_maxrss / RSS_IN_MEBIBYTE, out.read())


RSS_IN_MEBIBYTE = 1024**2 if sys.platform == "darwin" else 1024
"""Linux counts in KiB, macOS in bytes."""


def wait_for_line(command: Sequence[str], line: str) -> float:
    """Seconds from the start of a command until it prints a line; it is then killed.

    Raises:
        SystemExit: it ended without that line.
    """
    started = time.perf_counter()
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as err,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=err, cwd=ROOT, env=environment(), encoding="utf-8"
        ) as child,
    ):
        for said in child.stdout or ():
            if said.strip() == line:
                seconds = time.perf_counter() - started
                child.kill()
                return seconds
        err.seek(0)
        sys.exit(f"{' '.join(command)} never said {line!r}:\n{err.read()[-3000:]}")
