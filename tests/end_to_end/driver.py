"""`dlrun` with a death sentence: it kills itself, by SIGKILL, at a given touch of its checkpoints or so many seconds
after the first, or at the first touch of one that is called so; or it asks itself to end, by SIGTERM, at the first
touch of those in a folder. Arguments: `touch:N`, `seconds:S`, `name:TEXT` or `term:FOLDER`, then those of dlrun."""

import os
import signal
import sys
import threading
from typing import Any

from dlrun import learning
from dlrun.cli import main

how, _, number = sys.argv.pop(1).partition(":")
touches = 0


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Counts what changes the folder: every file that is opened, renamed or removed in it."""
    global touches
    if event in ("open", "os.rename", "os.remove") and any("checkpoints" in str(each) for each in arguments):
        touches += 1
        if (how == "touch" and touches == int(number)) or (how == "name" and any(number in str(a) for a in arguments)):
            die()
        if how == "term" and any(number in str(each) for each in arguments):
            os.kill(os.getpid(), signal.SIGTERM)
        if how == "seconds" and touches == 1:
            timer = threading.Timer(float(number), die)
            timer.daemon = True
            timer.start()


if how == "name":  # each epoch is told of at once, and not with those of a second
    learning.SECONDS_BETWEEN_WRITES = 0.0
sys.addaudithook(watch)
main()
