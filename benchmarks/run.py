"""Measures dlrun against importing its libraries and against hand-written Keras: a table, and JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from figures import Figure, first_step, rate, start_up
from material import HERE, Material
from rich.console import Console
from rich.table import Table

console = Console(width=None if sys.stdout.isatty() else 130)


@dataclass(frozen=True)
class Measured:
    """A figure with the values of both sides, (rounds,) each."""

    figure: Figure
    dlrun: tuple[float, ...]
    other: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        return [ours / theirs for ours, theirs in zip(self.dlrun, self.other, strict=True)]

    @property
    def is_met(self) -> bool:
        middle = median(self.ratios)
        return middle <= self.figure.target if self.figure.bound == "at most" else middle >= self.figure.target

    def tree(self) -> dict[str, Any]:
        figure = self.figure
        return {
            "section": figure.section,
            "name": figure.name,
            "against": figure.against,
            "unit": figure.unit,
            "dlrun": self.dlrun,
            "other": self.other,
            "ratio": {"median": median(self.ratios), "min": min(self.ratios), "max": max(self.ratios)},
            "target": {figure.bound: figure.target},
            "met": self.is_met,
        }


def measure(figure: Figure, rounds: int) -> Measured:
    """Runs both sides in turn."""
    if figure.warm_up:
        figure.dlrun()
        figure.other()
    pairs = [(figure.dlrun(), figure.other()) for _ in range(rounds)]
    return Measured(figure, *zip(*pairs, strict=True))


def table_of(measured: list[Measured]) -> Table:
    table = Table("", "", "dlrun", "other side", "ratio", "min … max", "target", "")
    for each in measured:
        figure, ratios = each.figure, each.ratios
        digits = 2 if figure.unit == "s" else 0
        table.add_row(
            figure.section,
            figure.name,
            f"{median(each.dlrun):,.{digits}f} {figure.unit}",
            f"{median(each.other):,.{digits}f} {figure.unit}",
            f"{median(ratios):.2f}",
            f"{min(ratios):.2f} … {max(ratios):.2f}",
            f"{'≤' if figure.bound == 'at most' else '≥'} {figure.target}",
            "met" if each.is_met else "missed",
        )
    return table


def machine() -> dict[str, Any]:
    """Where it was measured."""
    versions = {name: version(name) for name in ("tensorflow", "keras", "pydantic", "typer", "rich")}
    return {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version(), **versions}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="sections or figures with that in their name, such as rate/cnn")
    parser.add_argument("--rounds", type=int, default=5, help="how often each side is run (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", default=HERE / "results" / "latest.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder  # of the children too: one that is killed leaves nothing behind
        material = Material(Path(folder))
        figures = [figure for section in (start_up, rate, first_step) for figure in section(material)]
        chosen = [each for each in figures if (options.only or "") in f"{each.section}/{each.name}"]
        if not chosen:
            parser.error(f"--only: one of {', '.join(f'{each.section}/{each.name}' for each in figures)}")
        measured = []
        for figure in chosen:
            with console.status(f"{figure.section}/{figure.name}"):
                measured.append(measure(figure, options.rounds))
            last = measured[-1]
            console.print(f"{figure.section}/{figure.name}: {median(last.ratios):.2f}", style="dim")
    console.print(table_of(measured))
    result = {"machine": machine(), "rounds": options.rounds, "figures": [each.tree() for each in measured]}
    options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
