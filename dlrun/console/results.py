"""How results look: the end of a run, and runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.console.numbers import duration, number, printable, setting, spread
from dlrun.console.streams import standard_console
from dlrun.evaluation.names import higher_is_better, label

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from dlrun.compare import Comparison
    from dlrun.run.folder import RunFolder
    from dlrun.run.summary import Run


def cell_len(text: str) -> int:
    """Columns of the terminal that a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len as measured

    return measured(text)


BEST = " ★"
NOTHING = "—"
GAP = 2
STATE_STYLES = {"finished": "dim", "running": "cyan", "failed": "red", "broken": "red"}
MOST_NAMED = 20
"""Columns that are named, at most, where there is no room for them."""

SHARED_NAMES = ("kind", "value", "name")
"""Ends of paths that say nothing without what stands before them."""


def print_summary(run: RunFolder, console: Console | None = None) -> None:
    """The end of a run, from its files: its main metric beside the baselines, all metrics, and how to go on.

    Args:
        run: a run whose metrics are written.
        console: where to; stdout by default.

    Raises:
        RunError: if status.json or metrics.json is missing or broken.
    """
    from rich.text import Text

    from dlrun.run.summary import read_run

    console = console or standard_console()
    status, metrics = run.status(), run.metrics()
    it = read_run(run.path)
    console.print()
    if it.main_metric and it.main is not None:
        console.print(_headline(it, it.main_metric, it.main, status.folds))
    if unbeaten := _unbeaten(it):
        console.print(f"The model is not better than its trivial model, {unbeaten}.", style="yellow")
    how_far = f"{status.epoch} of {status.epochs} epochs"
    if status.folds is not None:
        how_far = f"{status.folds_done} of {status.folds} folds"
    ended = f"{status.state} after {how_far}, {duration(status.seconds)}"
    console.print("; ".join([ended, *_kept_weights(it)]))
    if isinstance(chosen := metrics.get("threshold"), dict):
        rule = f"{chosen['rule']} on validation" if chosen["split"] else chosen["rule"]
        console.print(printable(f"{chosen['class']} from a probability of {number(chosen['value'])} on ({rule})"))
    console.print()
    baselines = {name: values for name, values in (metrics.get("baseline") or {}).items() if isinstance(values, dict)}
    if it.metrics:
        console.print(metrics_table(it.metrics, it.split or "", baselines, main=it.main_metric, deviation=it.deviation))
        console.print()
    # Not broken into lines by us, so that they can be copied whole.
    for title, line, style in [
        ("run ", str(run.path), "bold"),
        ("next", f"dlrun eval {_argument(run.path)}", ""),
        ("    ", f"dlrun compare {_argument(run.path.parent)}", ""),
    ]:
        console.print(Text.assemble((title, "dim"), "  ", (line, style)), soft_wrap=True)


def _unbeaten(run: Run) -> str | None:
    """The trivial baseline that a run is not better than by its main metric, the best of them; None where there is
    none."""
    if run.main_metric is None or run.main is None or not run.baselines:
        return None
    higher = higher_is_better(run.main_metric)
    name = (max if higher else min)(run.baselines, key=lambda name: run.baselines[name])
    is_better = run.main > run.baselines[name] if higher else run.main < run.baselines[name]
    return None if is_better else name


def _headline(it: Run, name: str, value: float, folds: int | None) -> Text:
    """The main metric with its interval, beside the baselines."""
    from rich.text import Text

    from dlrun.evaluation.intervals import LEVEL

    headline = Text.assemble((label(name), "bold"), "  ", (spread(value, it.deviation.get(name)), "bold green"))
    if folds is not None:
        headline.append(f"  mean and standard deviation over {folds} folds", "dim")
    if it.interval:
        headline.append(f"  {LEVEL:.0%} interval [{number(it.interval[0])}, {number(it.interval[1])}]", "dim")
    for baseline, reached in it.baselines.items():
        headline.append(f"  {baseline} {number(reached)}", "dim")
    return headline


def _kept_weights(run: Run) -> list[str]:
    """Of which epoch the weights are; nothing where the last epoch is the best."""
    if run.status is None or not run.status.best_epoch or run.status.best_epoch == run.status.epoch:
        return []
    best = run.status.best_epoch
    if not run.fields.get("training.early_stopping.restore_best"):
        return ["the weights are those of the last epoch", f"the best was epoch {best}"]
    if run.fields.get("training.early_stopping.min_delta"):  # a smaller gain does not count there
        return ["the weights are those that early stopping restored", f"the best was epoch {best}"]
    return [f"the weights are those of epoch {best}, the best"]


def _argument(path: Path) -> str:
    return f'"{path}"' if " " in str(path) else str(path)


def metrics_table(
    metrics: Mapping[str, float],
    split: str,
    baselines: Mapping[str, Mapping[str, Any]],
    *,
    main: str | None = None,
    deviation: Mapping[str, float] | None = None,
) -> Table:
    """A row a metric, a column for the split and one for each baseline; the main metric stands out. Of several folds
    with the standard deviation beside the mean."""
    from rich.table import Table

    table = Table(box=None, padding=(0, GAP, 0, 0), header_style="dim")
    table.add_column("")
    for title in (split, *baselines):
        table.add_column(title, justify="right")
    for name, value in metrics.items():
        beside = [values.get(name) for values in baselines.values()]
        cells = [number(other) if isinstance(other, int | float) else NOTHING for other in beside]
        table.add_row(
            label(name), spread(value, (deviation or {}).get(name)), *cells, style="bold" if name == main else None
        )
    return table


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
