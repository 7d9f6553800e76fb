"""How the workers of a cluster find one another, before TensorFlow's own waiting begins, which nothing can interrupt.

Each worker calls the chief, says who it is and what it is about to train, and is answered when all have come. So a
worker that is missing is named, and none begins with another spec, other data or another version than the rest.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlrun.cluster.members import Cluster, endpoint
from dlrun.errors import ClusterError

SECONDS_BETWEEN_CALLS = 0.2
SECONDS_TO_SPEAK = 5.0
"""How long whoever calls the chief may take to say who it is."""

SECONDS_OF_GRACE = 5.0
"""How much longer the others wait than the chief, who knows best who is missing."""

Facts = Mapping[str, str]
"""What must be the same for all workers, by what a person calls it."""


def meet(cluster: Cluster, facts: Facts, seconds: float) -> None:
    """Returns when all workers have come, in all of them.

    Args:
        cluster: who is to come, and who this is.
        facts: what must be the same for all.
        seconds: how long to wait.

    Raises:
        ClusterError: some have not come in time, with their addresses; or their facts differ, with which.
    """
    problem = asyncio.run(_host(cluster, facts, seconds) if cluster.is_chief else _call(cluster, facts, seconds))
    if problem:
        raise ClusterError(problem["message"], hint=problem["hint"])


Problem = dict[str, str]
"""`message` and `hint` of an error; empty where all is well."""


@dataclass
class _Host:
    """The chief's side of a meeting."""

    cluster: Cluster
    facts: Facts
    here: dict[int, asyncio.StreamWriter] = field(default_factory=dict)
    problem: Problem = field(default_factory=dict)
    verdict: asyncio.Future[Problem] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Listens to one caller, and tells it the verdict once there is one."""
        try:
            async with asyncio.timeout(SECONDS_TO_SPEAK):
                hello = json.loads(await reader.readline())
            index, facts = int(hello["index"]), dict(hello["facts"])
        except (ValueError, KeyError, TypeError, OSError):  # no worker of ours; a time-out is an OSError
            writer.close()
            return
        self.here[index] = writer
        self._judge(index, facts)
        hung_up = asyncio.ensure_future(reader.read(1))
        either: set[asyncio.Future[Any]] = {hung_up, self.verdict}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self.verdict.done():
            writer.write(json.dumps(self.verdict.result()).encode() + b"\n")
        elif self.here.get(index) is writer:
            del self.here[index]
        # Who closes a connection first keeps its port busy for a while: let that be the caller.
        await asyncio.wait({hung_up}, timeout=SECONDS_TO_SPEAK)
        hung_up.cancel()
        writer.close()

    def _judge(self, index: int, facts: Facts) -> None:
        """What is wrong is told when all are there to hear it."""
        if not 0 < index < self.cluster.num_workers:
            self.problem = _problem(f"a worker {index} has come, and the chief knows of no such one")
        elif differing := [name for name in self.facts if facts.get(name) != self.facts[name]]:
            told = f"{self.cluster.title(index)} differs from the chief in its {' and '.join(differing)}"
            self.problem = _problem(told, "start all workers with the same dlrun, spec and data")
        if len(self.here) == self.cluster.num_workers - 1 and not self.verdict.done():
            self.verdict.set_result(self.problem)


async def _host(cluster: Cluster, facts: Facts, seconds: float) -> Problem:
    host = _Host(cluster, facts)
    try:
        listening = _listening(cluster.port)
    except OSError as error:
        problem = f"the chief cannot listen on its port {cluster.port}: {error.strerror}"
        return _problem(problem, "name another port in the cluster's addresses, or end what uses this one")
    async with await asyncio.start_server(host.answer, sock=listening) as server:
        try:
            async with asyncio.timeout(seconds):
                verdict = await asyncio.shield(host.verdict)
        except TimeoutError:
            missing = [index for index in range(1, cluster.num_workers) if index not in host.here]
            verdict = host.problem or _missing(cluster, missing, seconds)
            host.verdict.set_result(verdict)
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=SECONDS_TO_SPEAK)
    return verdict


async def _call(cluster: Cluster, facts: Facts, seconds: float) -> Problem:
    host, port = endpoint(cluster.addresses[0])
    hello = json.dumps({"index": cluster.index, "facts": dict(facts)}).encode() + b"\n"
    why = "it did not answer"
    try:
        async with asyncio.timeout(seconds + SECONDS_OF_GRACE):
            while True:
                try:
                    reader, writer = await asyncio.open_connection(host, port)
                    try:
                        writer.write(hello)
                        answer: Any = json.loads(await reader.readline())
                    finally:
                        writer.close()
                    if isinstance(answer, dict):
                        return answer
                except OSError as error:
                    why = error.strerror or str(error)
                except ValueError:
                    why = "what answers there is no chief that waits for workers"
                await asyncio.sleep(SECONDS_BETWEEN_CALLS)
    except TimeoutError:
        problem = _missing(cluster, [0], seconds)
        return problem | {"message": f"{problem['message']} (the last call: {why})"}


def _listening(port: int) -> socket.socket:
    dual = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual else socket.AF_INET
    return socket.create_server(("", port), family=family, dualstack_ipv6=dual)


def _missing(cluster: Cluster, indexes: Sequence[int], seconds: float) -> Problem:
    names = ", ".join(map(cluster.title, indexes))
    return _problem(
        f"{names} did not come within {seconds:g} s, and the training needs all {cluster.num_workers} workers",
        f"see whether it runs and can be reached from {cluster.title(0)}; to wait longer, set runtime.peer_timeout",
    )


def _problem(message: str, hint: str = "give all workers the same cluster, and each an index of its own") -> Problem:
    return {"message": message, "hint": hint}
