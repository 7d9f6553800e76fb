"""The workers of a Slurm job step, from the variables that `srun` sets (https://slurm.schedmd.com/srun.html)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from dlrun.errors import ClusterError

T = TypeVar("T")

STEP = ("SLURM_STEP_NUM_TASKS", "SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE", "SLURM_PROCID")
"""What tells the tasks of a step. The variables of the whole job say nothing of how many processes were started: a
batch script has them too, and is one process."""

FIRST_PORT, LAST_PORT, PORTS_PER_STEP = 10_000, 32_000, 40
"""Below those that Linux gives to outgoing connections; a step's are chosen by its number, so that two steps on one
node seldom want the same."""

MOST_HOSTS = 100_000


def in_step(environment: Mapping[str, str]) -> bool:
    """Whether the process is a task of a step with several."""
    return environment.get("SLURM_STEP_NUM_TASKS", "1") != "1"


def step_members(environment: Mapping[str, str]) -> tuple[tuple[str, ...], int]:
    """The address of each task of the step, in the order of their ranks, and the rank of this process.

    Raises:
        ClusterError: a variable is missing or broken, or the tasks are not laid out node after node.
    """
    if absent := [name for name in STEP if not environment.get(name)]:
        raise _broken(f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not set")
    hosts = _read(environment, "SLURM_STEP_NODELIST", expand_hosts)
    counts = _read(environment, "SLURM_STEP_TASKS_PER_NODE", expand_counts)
    tasks, rank = _read(environment, "SLURM_STEP_NUM_TASKS", _whole), _read(environment, "SLURM_PROCID", _whole)
    if len(hosts) != len(counts) or sum(counts) != tasks or not 0 <= rank < tasks:
        told = ", ".join(f"{name}={environment[name]}" for name in STEP)
        raise _broken(f"they contradict one another: {told}")
    places = [(node, local) for node, count in enumerate(counts) for local in range(count)]
    if environment.get("SLURM_NODEID", str(places[rank][0])) != str(places[rank][0]):
        raise ClusterError(
            f"task {rank} of the Slurm step runs on node {environment['SLURM_NODEID']}, expected {places[rank][0]}: "
            "dlrun needs the tasks in the order of the nodes",
            hint="start them with `srun --distribution=block`",
        )
    first = first_port(environment)
    return tuple(f"{hosts[node]}:{first + local}" for node, local in places), rank


def first_port(environment: Mapping[str, str]) -> int:
    """The port of each node's first task, a function of the step's number; the others' follow."""
    numbers = [environment.get(name, "0") for name in ("SLURM_JOB_ID", "SLURM_STEP_ID")]
    job, step = (int(number) if number.isdecimal() else 0 for number in numbers)
    slots = (LAST_PORT - FIRST_PORT) // PORTS_PER_STEP
    return FIRST_PORT + (job + 7 * step) % slots * PORTS_PER_STEP


def expand_hosts(text: str) -> list[str]:
    """`node[01-03,07],gpu5` as node01, node02, node03, node07, gpu5; brackets may stand more than once in a name.

    Raises:
        ValueError: says what is wrong.
    """
    hosts: list[str] = []
    for pattern in re.split(r",(?![^\[]*\])", text):
        if not re.fullmatch(r"([\w.-]|\[[0-9,-]+\])+", pattern):
            raise ValueError(f"{pattern!r} is no name of nodes")
        names = [""]
        for plain, ranges in re.findall(r"([\w.-]+)|\[([0-9,-]+)\]", pattern):
            endings = [plain] if plain else [number for each in ranges.split(",") for number in _numbers(each)]
            if len(names) * len(endings) + len(hosts) > MOST_HOSTS:
                raise ValueError(f"{pattern!r} is more than {MOST_HOSTS:,} nodes")
            names = [name + ending for name in names for ending in endings]
        hosts += names
    return hosts


def _numbers(text: str) -> list[str]:
    """`01-03` as 01, 02, 03; `7` as 7."""
    match = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", text)
    if match is None:
        raise ValueError(f"{text!r} is no range of numbers")
    first, last = match[1], match[2] or match[1]
    if not int(first) <= int(last) < int(first) + MOST_HOSTS:
        raise ValueError(f"{text!r} is no range from a lower to a higher number")
    return [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]


def expand_counts(text: str) -> list[int]:
    """`3(x2),2` as 3, 3, 2.

    Raises:
        ValueError: says what is wrong.
    """
    counts: list[int] = []
    for each in text.split(","):
        match = re.fullmatch(r"([0-9]+)(?:\(x([0-9]+)\))?", each)
        if match is None or int(match[2] or 1) > MOST_HOSTS:
            raise ValueError(f"{each!r} is no number of tasks")
        counts += [int(match[1])] * int(match[2] or 1)
    return counts


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError("expected a whole number")
    return int(text)


def _read(environment: Mapping[str, str], name: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(environment[name])
    except ValueError as error:
        raise _broken(f"{name} is {environment[name]!r}: {error}") from None


def _broken(what: str) -> ClusterError:
    return ClusterError(
        f"Slurm's variables do not describe this worker: {what}",
        hint="start dlrun with `srun`, one task for each worker; to train alone, set `runtime.strategy: single`",
    )
