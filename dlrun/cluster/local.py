"""`dlrun train --workers N`: the workers of a training as processes of this machine."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from dlrun.cluster.launch import supervise
from dlrun.cluster.members import TF_CONFIG, Cluster
from dlrun.training.signals import stop_signals

HOST = "127.0.0.1"


class Process:
    """A worker that is a process of this machine.

    It is in a session of its own, so that Ctrl-C reaches it once, from its launcher, and not a second time from the
    terminal.

    Args:
        arguments: of `dlrun`.
        environment: all of it.
        output, errors: where its streams go; None leaves them where this process's go.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        output: Path | None = None,
        errors: Path | None = None,
    ) -> None:
        self._output = output
        with ExitStack() as stack:
            out = stack.enter_context(output.open("wb")) if output else None
            err = stack.enter_context(errors.open("wb")) if errors else out and subprocess.STDOUT
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dlrun", *arguments],
                env=dict(environment), stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
                preexec_fn=_end_with_launcher if sys.platform == "linux" else None,
            )  # fmt: skip

    def poll(self) -> int | None:
        """Its exit code, negative where a signal ended it; None while it runs."""
        return self._process.poll()

    def terminate(self) -> None:
        """Asks it to end."""
        self._process.terminate()

    def kill(self) -> None:
        """Ends it, also where it waits in native code and hears nothing else."""
        self._process.kill()
        self._process.wait()

    def said(self) -> str:
        """What it said that nobody has seen yet."""
        return self._output.read_text(encoding="utf-8", errors="replace") if self._output else ""


def run_here(arguments: Sequence[str], workers: int, environment: Mapping[str, str]) -> int:
    """Runs a command of dlrun in several processes that train together, until all have ended.

    The chief's streams are this process's own. What the others say is kept, and told of the one that fails.

    Args:
        arguments: of `dlrun`, the same for all.
        workers: how many.
        environment: of the processes, but for TF_CONFIG.

    Returns, raises: as `supervise`.
    """
    ports = free_ports(workers)
    cluster = Cluster(tuple(f"{HOST}:{port}" for port in ports), 0, TF_CONFIG)
    with tempfile.TemporaryDirectory(prefix="dlrun-") as folder, stop_signals() as stopped:
        processes: list[Process] = []
        try:
            for index in range(workers):
                log = Path(folder, f"worker_{index}.txt") if index else None
                processes.append(Process(arguments, {**environment, TF_CONFIG: cluster.config(index)}, log))
            return supervise(processes, cluster, stopped)
        finally:
            for process in processes:
                process.kill()


def _end_with_launcher() -> None:
    """Called in the new process: it is told to end when its launcher is gone, however that came about."""
    import ctypes

    set_parent_death_signal = 1  # PR_SET_PDEATHSIG of prctl(2), which Python has no name for
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def free_ports(count: int) -> list[int]:
    """So many ports of this machine that nobody uses."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]
