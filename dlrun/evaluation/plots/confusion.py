"""The confusion matrix, from 2 to 100 classes and beyond."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlrun.evaluation.confusion import most_confused
from dlrun.evaluation.plots.style import FAINT, INK, QUIET, house_style, join, new_figure, number, plain, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NUMBERED = 20  # classes up to which cells hold their counts
FEW = 5  # classes up to which zeros are written too
NAMED = 40  # classes up to which every one is named at the axes
PAIRS = 12


@house_style()
def draw_confusion(matrix: dict[str, Any], title: str = "", note: str = "") -> Figure:
    """Counts by true class (rows) and predicted class (columns), coloured by the share of the true class.

    Up to 20 classes the counts stand in the cells; with more the most frequent mistakes are listed beside it.

    Args:
        matrix: `labels` and `counts`, as in confusion_matrix.json.
        title: what it shows; by default its accuracy.
        note: what else is to be said, below the title.
    """
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap

    counts, classes = np.array(matrix["counts"]), len(matrix["labels"])
    total = int(counts.sum())
    title = title or f"Accuracy {number(np.trace(counts) / max(total, 1))} on {total:,} examples"
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    numbered = classes <= NUMBERED
    side = min(3.4 + 0.42 * classes, 9.0) if numbered else 6.6
    figure = new_figure(
        max(side + 1.2, 6.4) if numbered else 10.6, side + 0.9, title, join(note, "colour: share of the true class")
    )
    if numbered:
        axes = figure.add_subplot()
    else:
        axes, beside = figure.subplots(1, 2, width_ratios=[2.1, 1])
        _list_mistakes(beside, matrix)
    blues = LinearSegmentedColormap.from_list("blues", ["#f7f7f7", *colormaps["Blues"](np.linspace(0.15, 1, 255))])
    image = axes.imshow(shares, cmap=blues, vmin=0, vmax=1)
    _name_classes(axes, matrix["labels"], 0.7 * side / classes)
    if numbered:
        _write_counts(axes, counts, shares, 0.7 * side / classes)
        axes.set_xticks(np.arange(classes - 1) + 0.5, minor=True)
        axes.set_yticks(np.arange(classes - 1) + 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1.5)
        axes.tick_params(which="minor", length=0)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, aspect=24, pad=0.02, format=lambda share, _: f"{share:.0%}")
    bar.outline.set_visible(False)
    return figure


def _name_classes(axes: Axes, labels: list[str], cell: float) -> None:
    """Names the classes at both axes; those below are turned where they are wider than a cell, in inches."""
    classes = len(labels)
    stride = 1 if classes <= NAMED else -(-classes // 20)
    shown = range(0, classes, stride)
    names = [shorten(labels[index], 20 if classes <= NUMBERED else 14) for index in shown]
    if len(set(names)) < len(names):
        names = [f"{index}: {name}" for index, name in zip(shown, names, strict=True)]
    names = [plain(name) for name in names]
    size = 9 if classes <= 12 else 8 if classes <= NUMBERED else 6.5
    turned = max(map(len, names)) * size * 0.6 / 72 > 0.95 * cell * stride
    axes.set_xticks(shown, names, fontsize=size, rotation=90 if turned else 0)
    axes.set_yticks(shown, names, fontsize=size)
    axes.tick_params(length=0 if stride == 1 else 3)
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)
    every = "" if stride == 1 else f" (one in {stride} is named)"
    axes.set_xlabel("predicted class")
    axes.set_ylabel(f"true class{every}")


def _write_counts(axes: Axes, counts: Any, shares: Any, cell: float) -> None:
    """Writes the counts as large as a cell, in inches, has room for."""
    classes = len(counts)
    size = min(10.0, 72 * 0.9 * cell / (0.62 * len(f"{counts.max():,}")))
    for (row, column), count in np.ndenumerate(counts):
        if count or classes <= FEW:
            colour = "white" if shares[row, column] > 0.55 else INK if count else FAINT
            axes.text(column, row, f"{count:,}", ha="center", va="center", color=colour, fontsize=size)


def _list_mistakes(axes: Axes, matrix: dict[str, Any]) -> None:
    axes.set_axis_off()
    axes.set_title("Most frequent mistakes")
    pairs = most_confused(matrix, PAIRS)
    for line, pair in enumerate(pairs):
        height = 0.97 - 0.075 * line
        names = f"{shorten(pair.truth, 20)} → {shorten(pair.prediction, 20)}"
        axes.text(0, height, plain(names), transform=axes.transAxes, va="top", fontsize=8)
        axes.text(
            0, height - 0.028, f"{pair.count:,}, {pair.share:.0%} of {plain(shorten(pair.truth, 20))}",
            transform=axes.transAxes, va="top", fontsize=7, color=QUIET,
        )  # fmt: skip
    if not pairs:
        axes.text(0, 0.97, "none", transform=axes.transAxes, va="top", color=QUIET)
