"""Curves over the epochs: of one run, and of several over one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dlrun.evaluation.names import higher_is_better, label
from dlrun.evaluation.plots.style import (
    BLUE,
    COLOURS,
    FAINT,
    INK,
    ORANGE,
    QUIET,
    house_style,
    label_ends,
    new_figure,
    number,
    shorten,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

History = Sequence[Mapping[str, Any]]

NO_METRICS = ("epoch", "learning_rate", "seconds", "examples_per_second")
LARGEST_GRID = 9
LOG_RANGE = 100  # two decades
MARKED = 30  # epochs up to which each has its point


@house_style()
def draw_curves(history: History, best_epoch: int | None = None) -> Figure:
    """Loss and metrics over the epochs, train and validation, with the best epoch marked.

    Args:
        history: the rows of history.csv, at least one.
        best_epoch: counted from 1.
    """
    names = [name for name in history[0] if name not in NO_METRICS and not name.startswith("validation_")]
    names = names[:LARGEST_GRID]
    columns = min(len(names), 3 if len(names) > 4 else 2)
    rows = -(-len(names) // columns)
    figure = new_figure(max(4.6 * columns, 6.4), 3.0 * rows + 0.6, *_finding(history, best_epoch))
    for index, name in enumerate(names):
        _draw_metric(figure.add_subplot(rows, columns, index + 1), history, name, best_epoch)
    return figure


def _finding(history: History, best_epoch: int | None) -> tuple[str, str]:
    column = "validation_loss" if "validation_loss" in history[0] else "loss"
    count = len(history)
    epochs = f"{count} epoch" + "s" * (count > 1)
    seconds = sum(row.get("seconds") or 0.0 for row in history)
    subtitle = epochs + (f" in {_duration(seconds)}" if seconds else "")
    row = next((row for row in history if row["epoch"] == best_epoch), history[-1])
    which = "the best epoch" if row["epoch"] == best_epoch else "the last epoch"
    if count == 1:
        return f"{label(column)} {number(_value(row, column))} after one epoch", subtitle
    return f"{label(column)} {number(_value(row, column))} at epoch {row['epoch']}, {which}", subtitle


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def _draw_metric(axes: Axes, history: History, name: str, best_epoch: int | None) -> None:
    epochs = [row["epoch"] for row in history]
    parts = [("train", BLUE, name), ("validation", ORANGE, f"validation_{name}")]
    lines = {
        part: (colour, np.array([_value(row, column) for row in history]))
        for part, colour, column in parts
        if column in history[0]
    }
    _epoch_axis(axes, epochs)
    for colour, values in lines.values():
        axes.plot(epochs, values, color=colour, marker="o" if len(epochs) <= MARKED else None, markersize=3.5)
    _value_axis(axes, [values for _, values in lines.values()])
    ends = [(_last(values), part, colour) for part, (colour, values) in lines.items()]
    label_ends(axes, [end for end in ends if np.isfinite(end[0])])
    if best_epoch is not None and best_epoch in epochs and len(epochs) > 1:
        value = list(lines.values())[-1][1][epochs.index(best_epoch)]
        axes.axvline(best_epoch, color=QUIET, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
        axes.plot([best_epoch], [value], "o", markersize=8, markerfacecolor="none", markeredgecolor=INK)
        axes.set_title(f"epoch {best_epoch}: {number(value)}", loc="right", color=QUIET, fontsize=8)
    axes.set_title(label(name))


def _epoch_axis(axes: Axes, epochs: Sequence[int]) -> None:
    from matplotlib.ticker import MaxNLocator

    first, last = epochs[0], epochs[-1]
    margin = 0.5 if first == last else 0.02 * (last - first)
    axes.set_xlim(first - margin, last + margin)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    axes.set_xlabel("epoch")


def _value_axis(axes: Axes, lines: Sequence[Any]) -> None:
    """Logarithmic where the values range over more than two decades."""
    values = np.concatenate([line[np.isfinite(line)] for line in lines])
    if len(values) and values.min() > 0 and values.max() > LOG_RANGE * values.min():
        axes.set_yscale("log")
    axes.margins(y=0.08)
    axes.autoscale_view(scalex=False)


def _value(row: Mapping[str, Any], column: str) -> float:
    value = row.get(column)
    return float("nan") if value is None else float(value)


def _last(values: Any) -> float:
    finite = values[np.isfinite(values)]
    return float(finite[-1]) if len(finite) else float("nan")


@house_style()
def draw_comparison(
    histories: Mapping[str, History],
    metric: str = "validation_loss",
    *,
    left_out: int = 0,
    noun: str = "run",
    note: str = "",
) -> Figure:
    """One metric over the epochs, of several runs: the eight best in colour and by name, the rest in grey.

    Args:
        histories: the rows of history.csv by the name of the run, each with at least one row.
        metric: a column; of a run without its validation column the train column is drawn.
        left_out: how many other runs there are, which cannot be compared with these.
        noun: what each is called: run or fold.
        note: what else to say of them.
    """
    best = max if higher_is_better(metric) else min
    lines: dict[str, tuple[list[int], Any]] = {}
    for name, history in histories.items():
        column = metric if metric in history[0] else metric.removeprefix("validation_")
        values = np.array([_value(row, column) for row in history])
        if np.isfinite(values).any():
            lines[name] = ([row["epoch"] for row in history], values)
    reached = {name: float(best(values[np.isfinite(values)])) for name, (_, values) in lines.items()}
    ranked = sorted(lines, key=reached.__getitem__, reverse=higher_is_better(metric))
    title = (
        f"{label(metric)}: {shorten(ranked[0], 40)} reaches {number(reached[ranked[0]])}"
        if ranked
        else f"No {noun} has {metric.replace('_', ' ')}"
    )
    more = f", the {len(COLOURS)} best in colour" if len(ranked) > len(COLOURS) else ""
    others = f"; {left_out} with other data, metric or loss left out" if left_out else f"; {note}" if note else ""
    runs = f"{len(ranked)} {noun}{'s' * (len(ranked) != 1)}"
    figure = new_figure(9.0, 4.6, title, f"{runs}{more}; ○ marks each {noun}'s best{others}")
    axes = figure.add_subplot()
    if not ranked:
        return figure
    for name in ranked[len(COLOURS) :]:
        axes.plot(*lines[name], color=FAINT, linewidth=1, marker="." if len(lines[name][0]) == 1 else None)
    coloured = list(zip(ranked, COLOURS, strict=False))
    marker = "." if max(len(epochs) for epochs, _ in lines.values()) <= MARKED else None
    for name, colour in reversed(coloured):
        epochs, values = lines[name]
        axes.plot(epochs, values, color=colour, marker=marker)
        place = int(np.nanargmin(values) if best is min else np.nanargmax(values))
        axes.plot([epochs[place]], [values[place]], "o", markersize=7, markerfacecolor="none", markeredgecolor=colour)
    _epoch_axis(axes, [min(epochs[0] for epochs, _ in lines.values()), max(epochs[-1] for epochs, _ in lines.values())])
    _value_axis(axes, [values for _, values in lines.values()])
    label_ends(
        axes,
        [(_last(lines[name][1]), f"{shorten(name, 34)}  {number(reached[name])}", colour) for name, colour in coloured],
        gap=0.05,
    )
    axes.set_ylabel(label(metric))
    return figure
