"""Measures dlrun against importing its libraries, hand-written Keras, and its peers: a table, and JSON."""

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

from environments import Peers
from figures import SECTIONS, Figure, Goal
from material import HERE, Material
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

console = Console(width=None if sys.stdout.isatty() else 150)


@dataclass(frozen=True)
class Measured:
    """A goal with the readings of both sides, (rounds,) each."""

    figure: Figure
    goal: Goal
    dlrun: tuple[float, ...]
    other: tuple[float, ...]

    @property
    def name(self) -> str:
        return ", ".join(filter(None, [self.figure.name, self.goal.what]))

    @property
    def ratios(self) -> list[float]:
        return [ours / theirs for ours, theirs in zip(self.dlrun, self.other, strict=True)]

    @property
    def is_met(self) -> bool | None:
        target, middle = self.goal.target, median(self.ratios)
        if target is None:
            return None
        return middle <= target if self.goal.bound == "at most" else middle >= target

    def tree(self) -> dict[str, Any]:
        return {
            "section": self.figure.section,
            "name": self.name,
            "against": self.goal.against,
            "unit": self.goal.unit,
            "dlrun": self.dlrun,
            "other": self.other,
            "ratio": {"median": median(self.ratios), "min": min(self.ratios), "max": max(self.ratios)},
            "target": None if self.goal.target is None else {self.goal.bound: self.goal.target},
            "met": self.is_met,
        }


def measure(figure: Figure, rounds: int) -> list[Measured]:
    """Runs all sides in turn."""
    sides = {"dlrun": figure.dlrun, **figure.others}
    if figure.warm_up:
        for side in sides.values():
            side()
    found = [{name: side() for name, side in sides.items()} for _ in range(rounds)]
    return [
        Measured(figure, goal, *(tuple(each[side][goal.unit] for each in found) for side in ("dlrun", goal.against)))
        for goal in figure.goals
    ]


def table_of(measured: list[Measured]) -> Table:
    """In Markdown, for README.md."""
    table = Table("", "", "against", "dlrun", "other side", "ratio", "min … max", "target", "", box=MARKDOWN)
    for each in measured:
        goal, ratios = each.goal, each.ratios
        digits = 2 if goal.unit == "s" else 0
        sign = "≤" if goal.bound == "at most" else "≥"
        table.add_row(
            each.figure.section,
            each.name,
            goal.against,
            f"{median(each.dlrun):,.{digits}f} {goal.unit}",
            f"{median(each.other):,.{digits}f} {goal.unit}",
            f"{median(ratios):.2f}",
            f"{min(ratios):.2f} … {max(ratios):.2f}",
            "" if goal.target is None else f"{sign} {goal.target}",
            {True: "met", False: "missed", None: ""}[each.is_met],
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
    parser.add_argument("--peers", type=Path, metavar="FOLDER", help="has the peers' environments: see README.md")
    parser.add_argument("--json", type=Path, metavar="FILE", default=HERE / "results" / "latest.json")
    options = parser.parse_args()
    peers = Peers(options.peers)
    for recipe in peers.missing():
        console.print(f"left out, since it is not there: {recipe}", soft_wrap=True)
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder  # of the children too: one that is killed leaves nothing behind
        material = Material(Path(folder))
        figures = [figure for section in SECTIONS for figure in section(material, peers)]
        chosen = [each for each in figures if (options.only or "") in f"{each.section}/{each.name}"]
        if not chosen:
            parser.error(f"--only: one of {', '.join(f'{each.section}/{each.name}' for each in figures)}")
        measured: list[Measured] = []
        for figure in chosen:
            with console.status(f"{figure.section}/{figure.name}"):
                rows = measure(figure, options.rounds)
            measured += rows
            said = "; ".join(f"{median(row.ratios):.2f} of {row.goal.against}" for row in rows)
            console.print(f"{figure.section}/{figure.name}: {said}", style="dim")
    console.print(table_of(measured))
    result = {"machine": machine(), "rounds": options.rounds, "figures": [each.tree() for each in measured]}
    options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
