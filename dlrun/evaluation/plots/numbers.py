"""Predicted numbers beside the true ones: regression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlrun.evaluation.plots.style import BLUE, FAINT, INK, QUIET, house_style, join, new_figure, number, plain, shorten
from dlrun.evaluation.predictions import Predictions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SINGLE_POINTS = 3000  # examples up to which each is a point; more are counted in hexagons


@house_style()
def draw_residuals(predictions: Predictions, title: str = "", note: str = "") -> Figure:
    """Predicted against true, and how the errors (predicted - true) are distributed.

    Args:
        predictions: of a regression.
        title: what it shows; by default the mean absolute error.
        note: what else is to be said, below the title.
    """
    errors = predictions.scores.astype(np.float64) - predictions.truth
    target = plain(shorten(predictions.target, 30))
    figure = new_figure(
        9.6,
        4.8,
        title or f"MAE {number(float(np.abs(errors).mean()))} on {len(errors):,} {predictions.split} examples",
        join(note, f"{target} in the units of the data"),
    )
    left, right = figure.subplots(1, 2, width_ratios=[1.1, 1])
    _draw_against_truth(left, predictions)
    left.set(title="Predicted against true", xlabel=f"true {target}", ylabel=f"predicted {target}")
    right.hist(errors, bins=_bins(len(errors)), color=BLUE, alpha=0.85, linewidth=0.5, edgecolor="white")
    right.axvline(0, color=INK, linewidth=1)
    spread = f", standard deviation {number(float(errors.std(ddof=1)))}" if len(errors) > 1 else ""
    right.set(
        title=f"Errors: mean {number(float(errors.mean()))}{spread}", xlabel="predicted - true", ylabel="examples"
    )
    right.grid(visible=False, axis="x")
    return figure


def _draw_against_truth(axes: Axes, predictions: Predictions) -> None:
    truth, scores = predictions.truth, predictions.scores
    low, high = float(min(truth.min(), scores.min())), float(max(truth.max(), scores.max()))
    margin = 0.04 * (high - low) or 0.5
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=QUIET, linewidth=1, linestyle=(0, (3, 2)))
    if len(truth) <= SINGLE_POINTS:
        alpha = 0.75 if len(truth) <= 300 else 0.35
        axes.plot(truth, scores, "o", color=BLUE, markersize=4.5, alpha=alpha, markeredgewidth=0)
    else:
        hexagons = axes.hexbin(truth, scores, gridsize=45, bins="log", mincnt=1, cmap="Blues", linewidths=0.1)
        axes.figure.colorbar(hexagons, ax=axes, shrink=0.6, aspect=24, label="examples").outline.set_edgecolor(FAINT)
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    axes.annotate("perfect", (limits[1], limits[1]), (-20, -3), textcoords="offset points", ha="right", va="top",
                  color=QUIET, fontsize=8)  # fmt: skip


def _bins(count: int) -> int:
    return int(np.clip(np.sqrt(count), 8, 60))
