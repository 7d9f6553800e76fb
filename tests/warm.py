"""`dlrun` without seconds of imports: a process that has TensorFlow loaded, and forks for each call of the program.

The call is a process like any other, with arguments, folder, variables and streams of its own. What needs a start from
nothing (imports, signals, terminals, variables that TensorFlow reads when it is loaded) starts its own.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import subprocess
import sys
import tempfile
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / "dlrun" / "__main__.py"


def call(arguments: list[str], folder: Path, program: Path = PROGRAM) -> subprocess.CompletedProcess[str]:
    """Runs `dlrun`, or a program that calls it, with these arguments in a folder, and waits for its end."""
    server = _server()
    if server.stdin is None or server.stdout is None:
        raise ValueError("the server has no pipes")
    with tempfile.TemporaryDirectory(prefix="dlrun-call-") as place:
        streams = [Path(place, "stdout"), Path(place, "stderr")]
        order = {
            "program": str(program),
            "arguments": arguments,
            "folder": str(folder),
            "streams": list(map(str, streams)),
        }
        server.stdin.write(json.dumps(order | {"variables": dict(os.environ)}) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        said = [stream.read_text(encoding="utf-8") for stream in streams]
        return subprocess.CompletedProcess(["dlrun", *arguments], code, *said)


@cache
def _server() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    atexit.register(process.communicate)  # its input ends, and with it the process
    return process


def serve() -> None:
    """Answers each line of stdin, a call, with the exit code of the process that made it."""
    import keras  # noqa: F401

    for name in ("cli", "train", "resume", "evaluate", "predict", "compare"):
        import_module(f"dlrun.{name}")
    from dlrun.evaluation.assess import NEEDED_NEXT

    for name in NEEDED_NEXT:
        import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            order = json.loads(line)
            _become(order)
            runpy.run_path(order["program"], run_name="__main__")
            sys.exit()
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


def _become(order: dict[str, Any]) -> None:
    out, err = (os.open(path, os.O_WRONLY | os.O_CREAT) for path in order["streams"])
    for number, stream in enumerate((os.open(os.devnull, os.O_RDONLY), out, err)):
        os.dup2(stream, number)
    os.environ.clear()
    os.environ.update(order["variables"])
    os.chdir(order["folder"])
    sys.argv = ["dlrun", *order["arguments"]]


if __name__ == "__main__":
    serve()
