"""`dlrun train --cluster ray`: the workers of a training on a Ray cluster, each held by an actor.

Every actor runs `dlrun` as a process of its own on its node, so that a worker is the same everywhere, and can be
ended while it waits in native code. Ray places them, and gives each its share of the GPUs.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from dlrun.cluster.launch import supervise
from dlrun.cluster.local import Process, free_ports
from dlrun.cluster.members import TF_CONFIG, Cluster, endpoint
from dlrun.errors import ClusterError, MissingExtraError
from dlrun.training.signals import stop_signals

SECONDS_TO_PLACE = 120.0
"""How long Ray may take to find room for all workers."""

SECONDS_TO_ANSWER = 30.0
"""How long an actor may take to answer; one whose node is gone does not."""

LOST = -9
"""The exit code of a worker whose node is gone."""


class Holder:
    """What runs in an actor: a worker, and what it says."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="dlrun-"))
        self._paths = (self._folder / "output.txt", self._folder / "errors.txt")
        self._read = [0, 0]
        self._process: Process | None = None

    def address(self) -> str:
        """Where the worker will be reached."""
        import ray

        host = ray.util.get_node_ip_address()
        return f"{f'[{host}]' if ':' in host else host}:{free_ports(1)[0]}"

    def start(self, arguments: Sequence[str], folder: str, environment: Mapping[str, str]) -> None:
        """Starts the worker in a folder of this node."""
        os.chdir(folder)
        self._process = Process(arguments, {**os.environ, **environment}, *self._paths)

    def poll(self) -> tuple[int | None, bytes, bytes]:
        """Its exit code, and what it has written to stdout and stderr since the last call."""
        code = self._process.poll() if self._process else None
        return code, self._more(0), self._more(1)

    def _more(self, stream: int) -> bytes:
        path = self._paths[stream]
        if not path.exists():
            return b""
        with path.open("rb") as file:
            file.seek(self._read[stream])
            new = file.read()
        self._read[stream] += len(new)
        return new

    def terminate(self) -> None:
        """Asks it to end."""
        if self._process:
            self._process.terminate()

    def kill(self) -> None:
        """Ends it."""
        if self._process:
            self._process.kill()


class Remote:
    """A worker in an actor, as its launcher sees it.

    Args:
        actor: the handle of a `Holder`.
        shown: whether its streams go to this process's own, as the chief's do.
    """

    def __init__(self, actor: Any, *, shown: bool) -> None:
        self._actor, self._shown = actor, shown
        self._code: int | None = None
        self._said = b""

    def poll(self) -> int | None:
        """Its exit code, negative where a signal ended it; None while it runs."""
        if self._code is None:
            answer = self._ask("poll")
            self._code, output, errors = (LOST, b"", b"its node is gone") if answer is None else answer
            if self._shown:
                for stream, new in ((sys.stdout, output), (sys.stderr, errors)):
                    stream.write(new.decode("utf-8", "replace"))
                    stream.flush()
            else:
                self._said += output + errors
        return self._code

    def terminate(self) -> None:
        """Asks it to end."""
        self._ask("terminate")

    def kill(self) -> None:
        """Ends it."""
        if self._code is None:
            self._ask("kill")

    def said(self) -> str:
        """What it said that nobody has seen yet."""
        return self._said.decode("utf-8", "replace")

    def _ask(self, method: str) -> Any:
        """What a method of the holder answers; None where its node is gone."""
        import ray

        try:
            return ray.get(getattr(self._actor, method).remote(), timeout=SECONDS_TO_ANSWER)
        except (ray.exceptions.RayActorError, ray.exceptions.GetTimeoutError):
            return None


def run_on_ray(arguments: Sequence[str], workers: int | None) -> int:
    """Runs a command of dlrun on the nodes of an existing Ray cluster, until all workers have ended.

    Files must be the same on all nodes, under the same paths; the chief is where this process is, if it can be.

    Args:
        arguments: of `dlrun`, the same for all.
        workers: how many; None takes one for each node.

    Returns:
        The chief's exit code.

    Raises:
        MissingExtraError: Ray is not installed.
        ClusterError: there is no Ray cluster, or no room on it; and as `supervise`.
        Interrupted: as `supervise`.
    """
    with _connected() as ray, stop_signals() as stopped:
        actors = _placed(ray, workers or sum(node["Alive"] for node in ray.nodes()))
        cluster = Cluster(tuple(ray.get([actor.address.remote() for actor in actors])), 0, TF_CONFIG)
        remotes = [Remote(actor, shown=index == 0) for index, actor in enumerate(actors)]
        try:
            ray.get(
                [
                    actor.start.remote(arguments, str(Path.cwd()), {TF_CONFIG: cluster.config(index)})
                    for index, actor in enumerate(actors)
                ]
            )
            return supervise(remotes, cluster, stopped)
        finally:
            for remote in remotes:
                remote.kill()


@contextmanager
def _connected() -> Iterator[Any]:
    """The module `ray`, connected to the cluster that RAY_ADDRESS or this machine names."""
    try:
        import ray
    except ModuleNotFoundError:
        raise MissingExtraError(
            "--cluster ray needs Ray, which is not installed", hint="pip install 'dlrun[ray]'"
        ) from None
    try:
        _look_for(os.environ.get("RAY_ADDRESS", ""))
        ray.init(address="auto", logging_level=logging.ERROR, log_to_driver=False)
    except OSError:  # which a ConnectionError is
        raise ClusterError(
            "there is no Ray cluster that this machine belongs to",
            hint="start one with `ray start --head`, or say with RAY_ADDRESS where it is",
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _look_for(address: str) -> None:
    """Whether somebody listens at an address, which Ray itself would call for many minutes.

    Raises:
        OSError: nobody does.
    """
    try:
        host, port = endpoint(address)
    except ValueError:  # left out, or of a form that only Ray knows
        return
    with socket.create_connection((host, port), timeout=SECONDS_TO_ANSWER):
        pass


def _placed(ray: Any, workers: int) -> list[Any]:
    """So many actors on as many nodes as there are, the first on this one if it can be.

    Their room is reserved before, all at once: actors that ask for it one by one may wait for what the one before got.

    Raises:
        ClusterError: there is no room, or Ray does not start them.
    """
    gpus = int(ray.cluster_resources().get("GPU", 0)) // workers
    group = ray.util.placement_group([{"CPU": 1, "GPU": gpus}] * workers, strategy="SPREAD")
    if not group.wait(SECONDS_TO_PLACE):
        room = min(int(ray.available_resources().get("CPU", 0)), workers - 1)
        raise ClusterError(
            f"Ray has room for {room} of {workers} workers, each with a processor and {gpus} GPUs",
            hint="ask for fewer with --workers, or free some: `ray status` shows who has them",
        )
    nodes, here = ray.util.placement_group_table(group)["bundles_to_node_id"], ray.get_runtime_context().get_node_id()
    holder = ray.remote(num_cpus=1, num_gpus=gpus)(Holder)
    place = partial(ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy, group)
    actors = [
        holder.options(scheduling_strategy=place(index)).remote()
        for index in sorted(range(workers), key=lambda index: nodes[index] != here)
    ]
    ready, _ = ray.wait([actor.poll.remote() for actor in actors], num_returns=workers, timeout=SECONDS_TO_PLACE)
    if len(ready) < workers:
        raise ClusterError(
            f"Ray has started {len(ready)} of {workers} workers in {SECONDS_TO_PLACE:.0f} s",
            hint="`ray status` and the logs of its nodes show why",
        )
    return actors
