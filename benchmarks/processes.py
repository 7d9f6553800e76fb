"""Children whose time is taken: whole processes, with byte code cached as in an installed wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
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


def wait_for(command: Sequence[str]) -> tuple[float, str]:
    """Runs a command to its end: seconds, and what it wrote to stdout.

    Raises:
        SystemExit: it failed; its last words are told.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+", encoding="utf-8") as err:
        started = time.perf_counter()
        code = subprocess.run(command, stdout=out, stderr=err, cwd=ROOT, env=environment(), check=False).returncode
        seconds = time.perf_counter() - started
        out.seek(0)
        err.seek(0)
        if code:
            sys.exit(f"{' '.join(command)} ended with {code}:\n{err.read()[-3000:]}")
        return seconds, out.read()


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
