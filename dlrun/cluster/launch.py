"""Several workers started from one place, watched until all have ended: when one dies, all end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from dlrun.cluster.members import Cluster
from dlrun.errors import ClusterError, Interrupted

SECONDS_BETWEEN_LOOKS = 0.1

SECONDS_TO_END = 40.0
"""How long the chief may take to end by itself when another has died, and to write down how far it came: it notices
within two seconds where it waits for the other's answer, and by a heartbeat that fails, after 8 to 13, where it waits
to be asked."""

SECONDS_TO_STOP = 60.0
"""How long all may take to write down how far they came when they are told to stop."""

LINES = 20
"""Of what a worker said that died, as many as are told."""


class Worker(Protocol):
    """A process of dlrun, wherever it runs."""

    def poll(self) -> int | None:
        """Its exit code, negative where a signal ended it; None while it runs."""

    def terminate(self) -> None:
        """Asks it to end."""

    def kill(self) -> None:
        """Ends it, also where it waits in native code and hears nothing else."""

    def said(self) -> str:
        """What it said that nobody has seen yet."""


def supervise(workers: Sequence[Worker], cluster: Cluster, stopped: Callable[[], bool]) -> int:
    """Waits until all workers have ended, the chief being the first of them.

    Args:
        workers: that have been started.
        cluster: what they are called.
        stopped: whether the user wants them to end; that is passed on to all, once.

    Returns:
        The chief's exit code; where it is not 0, the chief has told why.

    Raises:
        ClusterError: a worker has died without the chief's doing; all have ended.
        Interrupted: they were told to stop, from here or one of them, and have.
    """
    first = _first_failure(workers, stopped)
    code = 0 if first is None else workers[first].poll() or 0
    if stopped() or code == Interrupted.exit_code:
        _wait(workers, SECONDS_TO_STOP)
        raise Interrupted("all workers have stopped")
    if first is None:
        return 0
    for worker in workers[1:]:
        worker.terminate()
    _wait(workers, SECONDS_TO_END)
    if first == 0 and code > 0:
        return code
    raise ClusterError(_death(cluster.title(first), code, workers[first].said()))


def _first_failure(workers: Sequence[Worker], stopped: Callable[[], bool]) -> int | None:
    """Waits until one fails, and says which; None when all have ended well."""
    told = False
    while True:
        codes = [worker.poll() for worker in workers]
        if failed := [index for index, code in enumerate(codes) if code]:
            # Who was killed did not do so because of another.
            return min(failed, key=lambda index: (codes[index] or 0) >= 0)
        if all(code == 0 for code in codes):
            return None
        if stopped() and not told:
            told = True
            for worker in workers:
                worker.terminate()
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _wait(workers: Sequence[Worker], seconds: float) -> None:
    """Until all have ended, or so long."""
    end = time.monotonic() + seconds
    while None in [worker.poll() for worker in workers] and time.monotonic() < end:
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _death(title: str, code: int, said: str) -> str:
    """Who died and how, with the last lines of what it said."""
    how = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with the exit code {code}"
    lines = said.strip().splitlines()[-LINES:]
    return "\n".join([f"{title} {how}; the last that it said:", *lines]) if lines else f"{title} {how}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
