"""`compile: auto`: whether the steps of a training run faster as a plain graph or through XLA, as measured here.

The two round differently, so a run must not be the one today and the other tomorrow: what was chosen is written into
the run, and remembered on this machine for the next run of the same network and length.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from dlrun.training.loop import Loop

Choice = Literal["graph", "xla"]

LEAST_SECONDS = 4.0
"""A training that takes less as a graph is not worth the seconds in which XLA compiles, whatever it would win."""

GLANCE, LOOK = 0.05, 0.2
"""Seconds of steps that are timed: to see how long the training takes, and to compare."""

ROUNDS = 2

CLOSE = 0.15
"""Ways whose times differ by less are told apart by the processor's time, in which other programs count less."""


class Memory:
    """What was measured and chosen on this machine for one network in one surrounding.

    Args:
        folder: where such files are; nothing is lost with them but time. One that cannot be written to is done without.
        key: all that speed depends on, but for the number of steps.
    """

    def __init__(self, folder: Path, key: Mapping[str, Any]) -> None:
        text = json.dumps(key, sort_keys=True, default=str)
        self._path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"

    def choice(self, steps: int) -> Choice | None:
        """What was chosen for a training of so many steps."""
        found = self._read().get("choices", {}).get(str(steps))
        return found if found in ("graph", "xla") else None

    def remember(self, steps: int, choice: Choice, measured: Mapping[str, float]) -> None:
        """Keeps a choice, and the seconds that it was made by."""
        tree = {"measured": measured, "choices": {str(steps): choice, **self._read().get("choices", {})}}
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(tree, indent=1), encoding="utf-8")

    def _read(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):  # of a file that is half written, too
            tree = json.loads(self._path.read_text(encoding="utf-8"))
            return tree if isinstance(tree, dict) else {}
        return {}


def choose(loop: Loop, batch_size: int, memory: Memory, tell: Callable[[str], None]) -> Choice:
    """The way that takes less time for the whole training, compiling included; the training itself has not begun.

    Both ways are timed on the first batches, and all variables are put back as they were.

    Args:
        loop: of the training.
        batch_size: examples through the network at once.
        memory: of what was measured before.
        tell: is told when it will take a while.
    """
    from dlrun.training.state import capture, restore

    steps = loop.steps_per_epoch * loop.settings.epochs
    if remembered := memory.choice(steps):
        loop.xla = remembered == "xla"
        return remembered
    before = capture(loop.learner)
    measured = compare(loop, batch_size, steps, tell)
    restore(loop.learner, before)
    choice = better(measured, steps)
    memory.remember(steps, choice, measured)
    loop.xla = choice == "xla"
    return choice


def better(measured: Mapping[str, float], steps: int) -> Choice:
    """The way that takes less time for so many steps, by what `compare` measured."""

    def spared(unit: str) -> float:
        """The share of the graph's time that XLA spares."""
        graph = measured[f"graph{unit}"] * steps
        return 1 - (measured[f"xla{unit}"] * steps + measured["compile"]) / graph

    if "xla" not in measured:
        return "graph"
    won = spared("")
    if abs(won) < CLOSE:
        won = spared("_processor")
    return "xla" if won > 0 else "graph"


def compare(loop: Loop, batch_size: int, steps: int, tell: Callable[[str], None]) -> dict[str, float]:
    """Seconds of a step as a `graph` and, if the training is long enough to be worth it, through `xla`, those of the
    processor too (`graph_processor`, `xla_processor`), and how long XLA took to `compile`."""
    graph = Trial(loop, batch_size, xla=False)
    measured = {"graph": graph.seconds_per_step(GLANCE)[0]}
    if measured["graph"] * steps < LEAST_SECONDS:
        return measured
    about = measured["graph"] * steps
    tell(f"some {about:,.0f} s of training: looks whether they are less through XLA, this first time")
    xla = Trial(loop, batch_size, xla=True)
    measured["compile"] = xla.compile_seconds
    for _ in range(ROUNDS):  # in turn, since something else may slow the machine down for a while
        for name, trial in (("graph", graph), ("xla", xla)):
            for unit, seconds in zip(("", "_processor"), trial.seconds_per_step(LOOK), strict=True):
                measured[name + unit] = min(measured.get(name + unit, math.inf), seconds)
    return measured


class Trial:
    """The first steps of a training in one way, compiled when it is made."""

    def __init__(self, loop: Loop, batch_size: int, *, xla: bool) -> None:
        loop.xla = xla
        loop.compile(batch_size)
        self._run = loop.trial()
        started = time.perf_counter()
        self._run(1)
        self.compile_seconds = time.perf_counter() - started

    def seconds_per_step(self, least: float) -> tuple[float, float]:
        """The mean over as many steps as take `least` seconds, at least one, and how much of it the processor worked,
        all cores together."""
        steps = done = 1
        spent = worked = 0.0
        while spent < least:
            started, busy = time.perf_counter(), time.process_time()
            done = self._run(steps)
            spent, worked = time.perf_counter() - started, time.process_time() - busy
            if done < steps:
                break
            steps *= 2
        return spent / done, worked / done
