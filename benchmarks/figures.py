"""What is measured: pairs of sides, of which each round gives one ratio."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Literal

from material import HERE, Material
from processes import DLRUN, PYTHON, wait_for, wait_for_line

IMPORTS = "import typer, rich.console, rich.table, yaml; from pydantic import BaseModel, Field"
"""What any such program loads. `import pydantic` alone loads next to nothing: it waits for the first name asked for."""

Side = Callable[[], float]


@dataclass(frozen=True)
class Figure:
    """A ratio to measure: dlrun's side divided by the other.

    Args:
        section: of which it is part.
        name: what is measured.
        against: the other side, in words.
        unit: of both sides.
        target: what the ratio should be.
        bound: whether the target is the most or the least.
        dlrun: gives dlrun's value, once.
        other: gives the other side's value, once.
        warm_up: whether each side is run once before it counts.
    """

    section: str
    name: str
    against: str
    unit: str
    target: float
    bound: Literal["at most", "at least"]
    dlrun: Side
    other: Side
    warm_up: bool = False


def start_up(material: Material) -> Iterator[Figure]:
    """Whole processes of the light commands, against importing what they are made of."""
    commands = {
        "--help": lambda: ["--help"],
        "check": lambda: ["check", "configs/cnn_mnist.yaml"],
        "compare, 100 runs": lambda: ["compare", str(material.hundred_runs)],
    }
    for name, arguments in commands.items():
        yield Figure(
            "start-up",
            name,
            "importing typer, rich, pydantic, yaml",
            "s",
            1.6,
            "at most",
            lambda arguments=arguments: wait_for([*DLRUN, *arguments()])[0],
            lambda: wait_for([*PYTHON, "-c", IMPORTS])[0],
            warm_up=True,
        )


def rate(material: Material) -> Iterator[Figure]:
    """Examples per second of an epoch, validation apart, against `model.fit`."""
    mnist = lambda: f"{{kind: arrays, path: '{material.some_mnist.as_posix()}'}}"  # noqa: E731
    sides = {
        "ann": (lambda: [f"data.source.path={material.hours}"], lambda: material.hours, 20),
        "cnn": (lambda: [f"data.source={mnist()}"], lambda: material.some_mnist, 4),
        "lstm": (list, lambda: material.tokens, 4),
        "autoencoder": (lambda: [f"data.source={mnist()}"], lambda: material.some_mnist, 6),
    }
    for name, (overrides, data, epochs) in sides.items():
        yield Figure(
            "rate",
            name,
            "model.fit",
            "examples/s",
            1.0,
            "at least",
            lambda name=name, overrides=overrides: _dlrun_rate(name, overrides()),
            lambda name=name, data=data, epochs=epochs: _script_rate(name, data(), epochs),
        )


def first_step(material: Material) -> Iterator[Figure]:
    """From Enter to the first trained step, against the hand-written script."""
    sides = {
        "ann": (lambda: [f"data.source.path={material.hours}"], lambda: material.hours),
        "cnn": (list, lambda: material.mnist),
    }
    for name, (overrides, data) in sides.items():
        yield Figure(
            "first step",
            name,
            "the script",
            "s",
            1.1,
            "at most",
            lambda name=name, overrides=overrides: _dlrun_first_step(name, overrides()),
            lambda name=name, data=data: wait_for_line(_script(name, data(), 1, "first-step"), "first step"),
            warm_up=True,
        )


def _train(name: str, overrides: list[str], out: str) -> list[str]:
    """The arguments of `dlrun` that train one of the specs."""
    flags = [word for override in overrides for word in ("--set", override)]
    return ["train", str(HERE / "specs" / f"{name}.yaml"), "--out", out, *flags]


def _script(name: str, data: Path, epochs: int, what: str) -> list[str]:
    return [*PYTHON, str(HERE / "scripts" / f"{name}.py"), str(data), str(epochs), what]


def _dlrun_rate(name: str, overrides: list[str]) -> float:
    with TemporaryDirectory() as out:
        wait_for([*DLRUN, *_train(name, overrides, out)])
        (history,) = Path(out).glob("*/history.csv")
        with history.open(encoding="utf-8", newline="") as lines:
            return median(float(row["examples_per_second"]) for row in list(csv.DictReader(lines))[1:])


def _script_rate(name: str, data: Path, epochs: int) -> float:
    _, said = wait_for(_script(name, data, epochs, "rate"))
    return median(float(each) for each in re.findall(r"^examples_per_second (\S+)$", said, re.MULTILINE)[1:])


def _dlrun_first_step(name: str, overrides: list[str]) -> float:
    with TemporaryDirectory() as out:
        return wait_for_line([*PYTHON, str(HERE / "first_step.py"), *_train(name, overrides, out)], "first step")
