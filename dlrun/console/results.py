"""How the end of a run looks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.console.numbers import duration, number, printable, spread
from dlrun.console.streams import standard_console
from dlrun.evaluation.names import higher_is_better, label

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from dlrun.run.folder import RunFolder
    from dlrun.run.summary import Run

NOTHING = "—"
GAP = 2


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

    from dlrun.evaluation.folds import measured
    from dlrun.evaluation.intervals import LEVEL

    headline = Text.assemble((label(name), "bold"), "  ", (spread(value, it.deviation.get(name)), "bold green"))
    if folds is not None:
        headline.append(f"  mean and standard deviation over {folds} folds, {measured(it.split or 'test')}", "dim")
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
