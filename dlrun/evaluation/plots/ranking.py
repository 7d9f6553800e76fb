"""How well the scores rank: ROC and precision-recall curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dlrun.evaluation.plots.style import BLUE, COLOURS, FAINT, INK, QUIET, house_style, new_figure, plain, shorten
from dlrun.evaluation.predictions import Array, Predictions
from dlrun.evaluation.ranking import all_in_order, average_precision, in_order, points, roc_auc

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ALL_DRAWN = 10  # classes up to which each has its curve
WORST = 3


@dataclass(frozen=True)
class _Curve:
    x: Any
    y: Any
    area: float


@house_style()
def draw_ranking(predictions: Predictions) -> Figure | None:
    """ROC and precision-recall curves: of two classes for the second, of more each class against the rest.

    Of many classes the mean curve, the one over all decisions (micro) and the three worst classes are drawn; up to 10
    the others too, in grey. None where only one class occurs.
    """
    occurring = np.unique(predictions.truth)
    if len(occurring) < 2:
        return None
    chosen = [1] if len(predictions.classes) == 2 else occurring.tolist()
    roc, recall = {}, {}
    for index in chosen:
        scores = in_order(predictions, index)
        roc[index], recall[index] = _roc(*scores), _precision_recall(*scores)
    areas = [float(np.mean([curve.area for curve in curves.values()])) for curves in (roc, recall)]
    of = (
        f"class “{shorten(predictions.classes[1], 24)}”"
        if len(chosen) == 1
        else f"{len(chosen)} classes, each against the rest"
    )
    figure = new_figure(
        10.4,
        5.0,
        f"ROC AUC {_area(areas[0])}, average precision {_area(areas[1])}",
        plain(f"{of} · {len(predictions):,} {predictions.split} examples"),
    )
    left, right = figure.subplots(1, 2)
    grid = np.linspace(0, 1, 10_001)  # fine enough for an enlarged corner
    every = all_in_order(predictions) if len(predictions.classes) > 2 else None  # of two classes it says no more
    worst = dict.fromkeys([*_ranked(roc)[:WORST], *_ranked(recall)[:WORST]])
    colours = dict(zip(worst, COLOURS, strict=False))  # a class has one colour on both sides
    micro = (_roc(*every), _precision_recall(*every)) if every else (None, None)
    _draw(left, predictions, roc, _mean(roc, grid, np.interp), micro[0], "AUC", colours)
    _draw(right, predictions, recall, _mean(recall, grid, _step), micro[1], "AP", colours)
    left.plot([0, 1], [0, 1], color=FAINT, linestyle=(0, (3, 2)), linewidth=1, zorder=1)
    left.annotate("chance", (0.5, 0.5), (0, -3), textcoords="offset points", color=QUIET, rotation=45,
                  rotation_mode="anchor", transform_rotates_text=True, ha="center", va="top", fontsize=8)  # fmt: skip
    left.set(title="ROC", xlabel="false positive rate", ylabel="true positive rate")
    right.set(title="Precision and recall", xlabel="recall", ylabel="precision")
    if len(chosen) == 1:
        share = float(np.mean(predictions.truth == 1))
        right.axhline(share, color=FAINT, linestyle=(0, (3, 2)), linewidth=1, zorder=1)
        right.annotate(f"chance: {share:.0%}", (0, share), (3, 3), textcoords="offset points", color=QUIET, fontsize=8)
    return figure


def _roc(own: Array, others: Array) -> _Curve:
    true, false = points(own, others)
    return _Curve(false / len(others), true / len(own), roc_auc(own, others))


def _precision_recall(own: Array, others: Array) -> _Curve:
    true, false = points(own, others)
    precision = true[1:] / (true[1:] + false[1:])
    return _Curve(true / len(own), np.concatenate([[1.0], precision]), average_precision(own, others))


def _step(grid: Array, x: Array, y: Array) -> Array:
    """The precision at each recall: that at the threshold by which it is first reached.

    Between two thresholds precision does not follow the straight line (J. Davis, M. Goadrich, "The relationship between
    precision-recall and ROC curves", ICML 2006), and the area below these steps is the average precision.
    """
    return y[np.searchsorted(x, grid, "left")]


def _mean(curves: dict[int, _Curve], grid: Array, height: Callable[[Array, Array, Array], Array]) -> _Curve:
    """The mean height of the curves at each point of the grid; as area the mean of the areas."""
    heights = np.mean([height(grid, curve.x, curve.y) for curve in curves.values()], axis=0)
    return _Curve(grid, heights, float(np.mean([curve.area for curve in curves.values()])))


def _ranked(curves: dict[int, _Curve]) -> list[int]:
    """The classes, the one with the least area first."""
    return sorted(curves, key=lambda index: curves[index].area)


def _draw(
    axes: Axes, predictions: Predictions, curves: dict[int, _Curve], mean: _Curve, micro: _Curve | None, area: str,
    colours: dict[int, str],
) -> None:  # fmt: skip
    steps = "default" if area == "AUC" else "steps-pre"
    ranked = _ranked(curves)
    if micro is None:
        (curve,) = curves.values()
        axes.plot(curve.x, curve.y, color=BLUE, linewidth=2, drawstyle=steps)
        axes.fill_between(curve.x, curve.y, color=BLUE, alpha=0.07, step="pre" if area == "AP" else None, linewidth=0)
    else:
        for index in ranked[WORST:] if len(ranked) <= ALL_DRAWN else ():
            axes.plot(curves[index].x, curves[index].y, color=FAINT, linewidth=1, drawstyle=steps)
        text = f"mean of the classes   {area} {_area(mean.area)}"
        axes.plot(mean.x, mean.y, color=INK, linewidth=2, label=text, drawstyle=steps)
        axes.plot(
            micro.x, micro.y, color=INK, linewidth=1.2, linestyle=(0, (1, 1.2)), drawstyle=steps,
            label=f"all decisions (micro)   {area} {_area(micro.area)}",
        )  # fmt: skip
        for index in ranked[:WORST]:
            name = plain(shorten(predictions.classes[index], 22))
            text = f"{name}   {area} {_area(curves[index].area)}"
            axes.plot(
                curves[index].x, curves[index].y, color=colours[index], linewidth=1.4, label=text, drawstyle=steps
            )
        note = "mean and worst classes" if len(ranked) > WORST else "mean and classes, the worst first"
        note += ", others grey" if WORST < len(ranked) <= ALL_DRAWN else ""
        # Curves of a model that ranks badly run through that corner, so the words stand on white.
        axes.legend(loc="lower right" if area == "AUC" else "lower left", title=note, title_fontsize=8,
                    alignment="left", frameon=True, framealpha=0.85, facecolor="white", edgecolor="none")  # fmt: skip
    span = _span(curves[ranked[0]].area)
    edge = 0.015 * span
    start = 0.0 if area == "AUC" else 1 - span
    axes.set(xlim=(start - edge, start + span + edge), ylim=(1 - span - edge, 1 + edge), aspect="equal")
    axes.locator_params(nbins=5)
    if span < 1:
        axes.set_title("its corner, enlarged", loc="right", color=QUIET, fontsize=8)


def _span(worst: float) -> float:
    """How much of both axes is shown: where all curves are near the corner but not in it, the corner alone."""
    if worst == 1:
        return 1
    return next(
        (span for least, span in ((0.9995, 0.02), (0.997, 0.05), (0.99, 0.1), (0.97, 0.25)) if worst > least), 1
    )


def _area(value: float) -> str:
    """Four digits, but never 1 for what is less."""
    return ">0.9999" if 0.99995 <= value < 1 else f"{value:.4f}"
