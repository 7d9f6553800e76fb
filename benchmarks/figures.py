"""What is measured: sides that run in turn, of which each round gives a ratio for each goal."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Literal

from environments import Peers
from flops import FLOPS
from material import HERE, Material
from processes import DLRUN, PYTHON, Ended, wait_for, wait_for_line

IMPORTS = "import typer, rich.console, rich.table, yaml; from pydantic import BaseModel, Field"
"""What any such program loads. `import pydantic` alone loads next to nothing: it waits for the first name asked for."""

Readings = Mapping[str, float]
"""What one run of a side gives, by unit."""

Side = Callable[[], Readings]


@dataclass(frozen=True)
class Goal:
    """A ratio: dlrun's reading divided by that of another side.

    Args:
        against: the other side.
        unit: of both readings.
        bound: whether the target is the most or the least.
        target: what the ratio should be; None where it is only told.
        what: part of the figure this is, where it has several.
    """

    against: str
    unit: str
    bound: Literal["at most", "at least"]
    target: float | None
    what: str = ""


@dataclass(frozen=True)
class Figure:
    """Sides that run in turn.

    Args:
        section: of which it is part.
        name: what is measured.
        dlrun: gives dlrun's readings, once.
        others: give those of the other sides, once each, by their names.
        goals: what is compared.
        warm_up: whether each side is run once before it counts.
    """

    section: str
    name: str
    dlrun: Side
    others: Mapping[str, Side]
    goals: tuple[Goal, ...]
    warm_up: bool = False


def start_up(material: Material, peers: Peers) -> Iterator[Figure]:
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
            lambda arguments=arguments: {"s": wait_for([*DLRUN, *arguments()]).seconds},
            {"imports": lambda: {"s": wait_for([*PYTHON, "-c", IMPORTS]).seconds}},
            (Goal("imports", "s", "at most", 1.6),),
            warm_up=True,
        )


def first_step(material: Material, peers: Peers) -> Iterator[Figure]:
    """From Enter to the first trained step, against the hand-written script."""
    sides = {
        "ann": (lambda: [f"data.source.path={material.hours}"], lambda: material.hours),
        "cnn": (list, lambda: material.mnist),
    }
    for name, (overrides, data) in sides.items():
        yield Figure(
            "first step",
            name,
            lambda name=name, overrides=overrides: _dlrun_first_step(name, overrides()),
            {"script": lambda name=name, data=data: _script_first_step(name, data())},
            (Goal("script", "s", "at most", 1.1),),
            warm_up=True,
        )


def rate(material: Material, peers: Peers) -> Iterator[Figure]:
    """Examples per second of an epoch, validation apart: against `model.fit`, the peers, and the machine's peak."""
    mnist = lambda: [f"data.source={{kind: arrays, path: '{material.some_mnist.as_posix()}'}}"]  # noqa: E731
    sides = {
        "ann": (lambda: [f"data.source.path={material.hours}"], lambda: material.hours, 20, 1.0),
        "mlp": (mnist, lambda: material.some_mnist, 6, 5.0),
        "autoencoder": (mnist, lambda: material.some_mnist, 6, 4.0),
        "cnn": (mnist, lambda: material.some_mnist, 4, 1.3),
        "lstm": (list, lambda: material.tokens, 4, 2.0),
    }
    for name, (overrides, data, epochs, target) in sides.items():
        others = {"model.fit": lambda name=name, data=data, epochs=epochs: _script_rate(_script(name, data(), epochs))}
        goals = [Goal("model.fit", "examples/s", "at least", target)]
        if name in FLOPS:
            commands = peers.commands(name)
            others |= {
                peer: lambda command=command, data=data, epochs=epochs: _script_rate(command(data(), epochs))
                for peer, command in commands.items()
            }
            goals += [Goal(peer, "examples/s", "at least", 1.2) for peer in commands]
            others["peak"] = _peak
            goals.append(Goal("peak", "GFLOP/s", "at least", None))
        yield Figure(
            "rate",
            name,
            lambda name=name, overrides=overrides: _dlrun_rate(name, overrides()),
            others,
            tuple(goals),
        )


def epochs(material: Material, peers: Peers) -> Iterator[Figure]:
    """What an epoch costs beside its steps: 199 epochs of iris, validation included, after a first that compiles."""
    yield Figure(
        "epochs",
        "iris",
        lambda: {"s": _between_epochs(_watched("iris", []))},
        {"model.fit": lambda: {"s": _between_epochs(wait_for(_script("iris", material.iris, 200, "epochs")))}},
        (Goal("model.fit", "s", "at most", 0.1),),
    )


def whole_run(material: Material, peers: Peers) -> Iterator[Figure]:
    """All of MNIST for an epoch: the memory of all of it, and how long the command goes on after the epoch."""
    yield Figure(
        "whole run",
        "cnn",
        _dlrun_whole_run,
        {
            "script": lambda: {"MiB": wait_for(_script("cnn", material.mnist, 1)).mebibytes},
            "one second": lambda: {"s": 1.0},
        },
        (
            Goal("script", "MiB", "at most", 1.5, "peak memory"),
            Goal("one second", "s", "at most", 3.0, "from the last epoch to the end"),
        ),
    )


def table(material: Material, peers: Peers) -> Iterator[Figure]:
    """A table of 20,000 rows and 20 columns for three epochs, against Ludwig."""
    python = peers.python("ludwig")
    if python is None:
        return
    yield Figure(
        "table",
        "ann",
        lambda: _dlrun_rate("table", [f"data.source.path={material.table}"]),
        {"ludwig": lambda: _ludwig(python, material.table)},
        (
            Goal("ludwig", "s", "at most", 0.4, "the whole command"),
            Goal("ludwig", "examples/s", "at least", 10.0, "training"),
        ),
    )


SECTIONS = (start_up, first_step, rate, epochs, whole_run, table)


def _train(name: str, overrides: list[str], out: str) -> list[str]:
    """The arguments of `dlrun` that train one of the specs."""
    flags = [word for override in overrides for word in ("--set", override)]
    return ["train", str(HERE / "specs" / f"{name}.yaml"), "--out", out, *flags]


def _script(name: str, data: Path, epochs: int, what: str = "rate") -> list[str]:
    return [*PYTHON, str(HERE / "scripts" / f"{name}.py"), str(data), str(epochs), what]


def _dlrun_rate(name: str, overrides: list[str]) -> Readings:
    with TemporaryDirectory() as out:
        seconds = wait_for([*DLRUN, *_train(name, overrides, out)]).seconds
        (history,) = Path(out).glob("*/history.csv")
        with history.open(encoding="utf-8", newline="") as lines:
            rate = median(float(row["examples_per_second"]) for row in list(csv.DictReader(lines))[1:])
    return {"s": seconds, "examples/s": rate, "GFLOP/s": rate * FLOPS.get(name, 0) / 1e9}


def _script_rate(command: list[str]) -> Readings:
    ended = wait_for(command)
    return {"s": ended.seconds, "examples/s": median(ended.numbers("examples_per_second")[1:])}


def _ludwig(python: str, data: Path) -> Readings:
    """Without a copy of the table beside it, from which the next round would start."""
    with TemporaryDirectory() as out:
        files = ["--dataset", str(data), "--config", str(HERE / "peers" / "ludwig.yaml"), "--output_directory", out]
        return _script_rate([python, str(HERE / "peers" / "with_ludwig.py"), *files, "--skip_save_processed_input"])


def _peak() -> Readings:
    (gflops,) = wait_for([*PYTHON, str(HERE / "peak.py")]).numbers("gflops")
    return {"GFLOP/s": gflops}


def _watched(name: str, overrides: list[str]) -> Ended:
    with TemporaryDirectory() as out:
        return wait_for([*PYTHON, str(HERE / "watched.py"), *_train(name, overrides, out)])


def _between_epochs(ended: Ended) -> float:
    """Seconds from the end of the first epoch to that of the last."""
    first, *_, last = ended.numbers("epoch_end")
    return last - first


def _dlrun_whole_run() -> Readings:
    ended = _watched("cnn", ["training.epochs=1", "evaluation.plots=true"])
    return {"MiB": ended.mebibytes, "s": ended.ended - ended.numbers("epoch_end")[-1]}


def _dlrun_first_step(name: str, overrides: list[str]) -> Readings:
    with TemporaryDirectory() as out:
        return {"s": wait_for_line([*PYTHON, str(HERE / "watched.py"), *_train(name, overrides, out)], "first step")}


def _script_first_step(name: str, data: Path) -> Readings:
    return {"s": wait_for_line(_script(name, data, 1, "first-step"), "first step")}
