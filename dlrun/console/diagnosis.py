"""How the answer of `dlrun doctor` looks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlrun.console.errors import wrapped
from dlrun.console.numbers import number, rate
from dlrun.console.streams import standard_console
from dlrun.machine import size
from dlrun.symptoms import THREAD_VARIABLES

if TYPE_CHECKING:
    from rich.console import Console

    from dlrun.doctor import Diagnosis

INDENT = 14
"""Columns before what is said of each thing."""


def print_diagnosis(found: Diagnosis, console: Console | None = None) -> None:
    """What there is, line by line, then what is wrong and how to mend it.

    Args:
        found: the diagnosis.
        console: where to; stdout by default.
    """
    from rich.text import Text

    console = console or standard_console()
    groups = (_software(found), _hardware(found), _determinism(found), _speed(found), _places(found))
    for group in filter(None, map(list, groups)):
        for title, text in group:
            head = title.ljust(INDENT)
            line = Text(wrapped(text, console.width, head, " " * INDENT))
            line.stylize("dim", 0, INDENT)
            console.print(line, soft_wrap=True)
        console.print()
    for finding in found.findings:
        head, style = ("error: ", "bold red") if finding.prevents else ("warning: ", "bold yellow")
        for start, text, colour in ((head, finding.message, style), (" mend: ", finding.mend, "bold green")):
            line = Text(wrapped(text, console.width, start))
            line.stylize(colour, 0, len(start) - 1)
            console.print(line, soft_wrap=True)
    verdict = "ready to train" if found.able else "dlrun cannot train here"
    if found.findings:
        console.print()
    console.print(Text(verdict, "bold green" if found.able else "bold red"))


def _software(found: Diagnosis) -> Iterator[tuple[str, str]]:
    packages = dict(found.versions)
    yield "dlrun", f"{packages.pop('dlrun')}, on Python {packages.pop('python')}, {found.platform}"
    yield "packages", " · ".join(f"{name}\N{NO-BREAK SPACE}{version}" for name, version in packages.items())


def _hardware(found: Diagnosis) -> Iterator[tuple[str, str]]:
    processors, memory, trial = found.processors, found.memory, found.trial
    usable = "" if processors.usable >= processors.machine else f", of which {processors.usable:g} may be used"
    threads = next(filter(None, map(found.variables.get, THREAD_VARIABLES)), str(processors.allowed))
    yield "processors", f"{processors.machine}{usable} · {threads} thread{'s' * (threads != '1')} for one operation"
    if trial is not None:
        yield "GPU", ", ".join(trial["gpus"]) if trial["gpus"] else f"none that is seen: {trial['no_gpu']}"
    if memory is not None:
        free = "" if memory.available is None else f"{size(memory.available)} free of "
        by = {"machine": "", "container": ", the container's limit", "process": ", the limit on this process"}
        yield "memory", f"{free}{size(memory.total)}{by[memory.limited_by]}"


def _determinism(found: Diagnosis) -> Iterator[tuple[str, str]]:
    """What the last digits of a result depend on."""
    variables = found.variables
    yield "same digits", "on a CPU, a run repeats to the bit while these stay the same:"
    onednn = "off" if variables.get("TF_ENABLE_ONEDNN_OPTS") == "0" else "on"
    yield "· oneDNN", f"{onednn}; on is faster, and rounds differently (TF_ENABLE_ONEDNN_OPTS)"
    yield "· threads", "as above; long sums are cut up among them (runtime.threads)"
    yield "· compiler", "graph or XLA, as the run began (runtime.compile)"
    ordered = "on" if variables.get("TF_DETERMINISTIC_OPS", "0").lower() in ("1", "true") else "off"
    yield "· op order", f"{ordered}; a GPU needs it on, which is slower (TF_DETERMINISTIC_OPS)"
    if found.trial and found.trial["gpus"]:
        state = "on" if found.trial["tensor_float_32"] else "off"
        yield "· TF32", f"{state}; a GPU then multiplies with fewer digits, and faster"
    for name in ("XLA_FLAGS", "TF_XLA_FLAGS"):
        if variables.get(name):
            yield f"· {name}"[:INDENT], variables[name]


def _speed(found: Diagnosis) -> Iterator[tuple[str, str]]:
    if found.trial is not None:
        yield "speed", f"{number(found.trial['gflops'])} GFLOP/s in matrix products, single precision"
        if found.trial["backend"] == "tensorflow":
            yield "", f"{rate(found.trial['examples_per_second'])} in training 784-128-10, batch 64"


def _places(found: Diagnosis) -> Iterator[tuple[str, str]]:
    for name, place in found.places.items():
        yield name, f"{place.path}, {size(place.free)} free"
