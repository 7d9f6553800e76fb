"""How runs look side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dlrun.console.numbers import duration, number, printable, setting, spread
from dlrun.console.results import GAP, NOTHING
from dlrun.console.streams import standard_console

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from dlrun.compare import Comparison
    from dlrun.run.summary import Run


BEST = " ★"
STATE_STYLES = {"finished": "dim", "running": "cyan", "failed": "red", "broken": "red"}

MOST_NAMED = 20
"""Columns that are named, at most, where there is no room for them."""

SHARED_NAMES = ("kind", "value", "name")
"""Ends of paths that say nothing without what stands before them."""


def cell_len(text: str) -> int:
    """Columns of the terminal that a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len as measured

    return measured(text)


@dataclass(frozen=True)
class _Column:
    """A column of the comparison: `worth` tells which stay when the terminal is narrow, the highest longest."""

    title: str
    cells: Sequence[str]
    worth: int
    justify: str = "right"

    @cached_property
    def width(self) -> int:
        """In columns of the terminal."""
        return max(cell_len(text) for text in (self.title, *self.cells))

    def padded(self, text: str) -> str:
        """A cell of it as wide as the column."""
        space = " " * (self.width - cell_len(text))
        return text + space if self.justify == "left" else space + text


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Runs side by side: how they ended, their metrics with the best marked, and what differs in their specs.

    In a narrow terminal the fields of the specs move to a second table, and what has no room there is named.
    """
    console = console or standard_console()
    if not comparison.runs:
        console.print("There are no runs here. Train one: dlrun train configs/cnn_digits.yaml")
        return
    about, fields = _run_columns(comparison), _field_columns(comparison)
    numbers = _Column("#", [str(number) for number in range(1, len(comparison.runs) + 1)], 99)
    together = _width([*about, *fields]) <= console.width
    tables = [[*about, *fields]] if together else [[numbers, *about], [numbers, *fields]]
    left_out: list[str] = []
    for columns in tables:
        shown, dropped = _fitting(columns, console.width)
        left_out += dropped
        if shown != [numbers]:
            console.print(_table(comparison, shown), soft_wrap=True)
            console.print()
    if left_out:
        more = f" and {len(left_out) - MOST_NAMED} more" if len(left_out) > MOST_NAMED else ""
        console.print(f"No room for {', '.join(left_out[:MOST_NAMED])}{more}: see --csv or --json.", style="dim")
    for run in comparison.runs:
        if run.problem:
            console.print(
                printable(f"{run.name} ({run.state}): {run.problem}"), style=STATE_STYLES.get(run.state, "yellow")
            )


def _run_columns(comparison: Comparison) -> list[_Column]:
    runs = comparison.runs
    names = [run.name for run in runs]
    columns = [
        _Column("run", [run.name if names.count(run.name) == 1 else str(run.folder.path) for run in runs], 100, "left")
    ]
    if any(run.state != "finished" for run in runs):
        columns.append(_Column("state", [run.state for run in runs], 80, "left"))
    columns += [
        _Column("epochs", [_epochs(run) for run in runs], 40),
        _Column("best", [str((run.status and run.status.best_epoch) or NOTHING) for run in runs], 20),
        _Column("time", [duration(run.status.seconds) if run.status else NOTHING for run in runs], 70),
    ]
    if len({run.split for run in runs if run.metrics}) > 1:
        columns.append(_Column("split", [run.split or NOTHING if run.metrics else NOTHING for run in runs], 95, "left"))
    main = {run.main_metric for run in runs}
    for place, metric in enumerate(comparison.metrics):
        cells = [_metric_cell(comparison, run, metric) for run in runs]
        columns.append(_Column(metric, cells, 90 if metric in main else 60 - place))
    if any(run.interval for run in runs):
        intervals = [
            f"[{number(run.interval[0])}, {number(run.interval[1])}]" if run.interval else NOTHING for run in runs
        ]
        columns.append(_Column("interval", intervals, 35))
    if any(run.baselines for run in runs):
        best = [
            ", ".join(f"{number(value)} {name}" for name, value in run.baselines.items()) or NOTHING for run in runs
        ]
        columns.append(_Column("baseline", best, 25, "left"))
    return columns


def _epochs(run: Run) -> str:
    """How far it is."""
    if run.status is None:
        return NOTHING
    if run.status.folds is not None:
        return f"{run.status.folds_done}/{run.status.folds} folds"
    return f"{run.status.epoch}/{run.status.epochs}"


def _metric_cell(comparison: Comparison, run: Run, metric: str) -> str:
    if metric not in run.metrics:
        return NOTHING + " " * len(BEST)
    mark = BEST if (run.folder.path, metric) in comparison.best else " " * len(BEST)
    return spread(run.metrics[metric], run.deviation.get(metric)) + mark


def _field_columns(comparison: Comparison) -> list[_Column]:
    everywhere = {path for run in comparison.runs for path in run.fields}
    columns = []
    for place, path in enumerate(comparison.differing):
        values = [run.fields.get(path, NOTHING) for run in comparison.runs]
        numeric = all(value == NOTHING or isinstance(value, int | float) for value in values)
        cells = [value if value == NOTHING else setting(value) for value in values]
        columns.append(_Column(_short(path, everywhere), cells, -place, "right" if numeric else "left"))
    return columns


def _short(path: str, everywhere: set[str]) -> str:
    """The end of a path that tells it from all others."""
    parts = path.split(".")
    for count in range(1, len(parts)):
        end = ".".join(parts[-count:])
        alone = not any(other != path and f".{other}".endswith(f".{end}") for other in everywhere)
        if alone and not (count == 1 and end in SHARED_NAMES):
            return end
    return path


def _fitting(columns: Sequence[_Column], width: int) -> tuple[list[_Column], list[str]]:
    """The columns that there is room for, and the titles of the others."""
    first, *others = columns
    room = width - first.width - GAP
    shown = [first, *(column for column in others if column.width <= room or column.worth > 0)]  # fields have none
    while len(shown) > 2 and _width(shown) > width:
        shown.remove(min(shown, key=lambda column: column.worth))
    return shown, [column.title for column in columns if column not in shown]


def _width(columns: Sequence[_Column]) -> int:
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)


def _table(comparison: Comparison, columns: Sequence[_Column]) -> Text:
    """The columns side by side, a line below the titles and between runs that cannot be ranked.

    Not a `rich.table.Table`: that takes a tenth of a second for a hundred runs, most of what the command may take.
    """
    from rich.text import Text

    rule = "─" * _width(columns) + "\n"
    table = Text()
    table.append(_joined(columns, [column.title for column in columns]), "bold")
    table.append(rule)
    for index, run in enumerate(comparison.runs):
        if index and run.group != comparison.runs[index - 1].group:
            table.append(rule)
        cells = [printable(column.cells[index]) for column in columns]
        begin = len(table)
        table.append(_joined(columns, cells))
        for column, cell in zip(columns, cells, strict=True):
            if style := _style(column.title, cell):
                table.stylize(style, begin, begin + column.width)
            begin += column.width + GAP
    table.rstrip()
    return table


def _joined(columns: Sequence[_Column], cells: Sequence[str]) -> str:
    padded = [column.padded(cell) for column, cell in zip(columns, cells, strict=True)]
    return (" " * GAP).join(padded).rstrip() + "\n"


def _style(title: str, cell: str) -> str:
    if cell.endswith(BEST):
        return "bold green"
    if title == "state":
        return STATE_STYLES.get(cell, "yellow")
    return "dim" if cell.strip() == NOTHING else ""
