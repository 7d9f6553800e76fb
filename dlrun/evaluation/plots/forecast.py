"""Forecasts over the truth, and their error for each step of the horizon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dlrun.evaluation.names import label
from dlrun.evaluation.plots.style import (
    BLUE,
    COLOURS,
    FAINT,
    INK,
    QUIET,
    house_style,
    join,
    label_ends,
    new_figure,
    number,
    plain,
    shorten,
)
from dlrun.evaluation.predictions import Predictions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WINDOWS = 4
SHORTEST_PAST = 24  # steps
LOG_RANGE = 20  # the ratio of errors beyond which the smaller ones cannot be told apart


@house_style()
def draw_forecasts(predictions: Predictions, title: str = "", note: str = "", step: str = "step") -> Figure:
    """A few windows across the split: what came before, what came, and what was forecast.

    Args:
        predictions: of a forecast.
        title: what it shows; by default the mean absolute error.
        note: what else is to be said, below the title.
        step: what one step of the series is called, such as hour.
    """
    horizon = predictions.truth.shape[1]
    before = max(2 * horizon, SHORTEST_PAST)
    chosen = _chosen(predictions, before)
    error = float(np.abs(predictions.scores - predictions.truth).mean())
    target = plain(shorten(predictions.target, 30))
    figure = new_figure(
        10.4,
        5.4 if len(chosen) > 2 else 3.4,
        title or f"MAE {number(error)} on {len(predictions):,} {predictions.split} windows",
        join(note, f"{len(chosen)} forecasts of {horizon} {step}{'s' * (horizon > 1)}, evenly across the split"),
    )
    panels = figure.subplots(
        -(-len(chosen) // 2), min(2, len(chosen)), sharex=True, sharey=predictions.series is None, squeeze=False
    )
    for panel in panels.ravel()[len(chosen) :]:
        panel.set_axis_off()
    for axes, index in zip(panels.ravel(), chosen, strict=False):
        axes.axvline(0.5, color=FAINT, linewidth=1)
        axes.plot(range(-before + 1, 2), _past(predictions, index, before), color=QUIET, linewidth=1.2)
        steps = range(1, horizon + 1)
        marker = "o" if horizon == 1 else None
        axes.plot(steps, predictions.truth[index], color=INK, linewidth=1.4, marker=marker, markersize=4)
        axes.plot(steps, predictions.scores[index], color=BLUE, linewidth=2, marker=marker, markersize=4)
        mean = float(np.abs(predictions.scores[index] - predictions.truth[index]).mean())
        axes.set_title(f"{_of(predictions, index)}row {int(predictions.rows[index]):,}: MAE {number(mean)}")
    for axes, index in zip(panels.ravel(), chosen, strict=False):
        ends = (predictions.truth[index, -1], "true", INK), (predictions.scores[index, -1], "forecast", BLUE)
        axes.set_xlim(-before + 0.5, horizon + 0.5)
        label_ends(axes, ends, gap=0.09)
    for axes in panels[-1]:
        axes.set_xlabel(f"{step}s from the last known value")
    for axes in panels[:, 0]:
        axes.set_ylabel(target)
    return figure


def _chosen(predictions: Predictions, before: int) -> list[int]:
    """A few windows, evenly across the time of the split and, where there are several, across its series."""
    order = np.argsort(predictions.order, kind="stable")
    series = np.full(len(order), "") if predictions.series is None else np.array(predictions.series, str)
    names = np.unique(series)
    chosen = []
    for index, which in enumerate(np.linspace(0, len(names), WINDOWS, endpoint=False).astype(int)):
        own = order[series[order] == names[which]]
        possible = own[before:] if len(own) > before + WINDOWS else own[len(own) // 2 :]  # behind some past to draw
        chosen.append(int(possible[np.linspace(0, len(possible) - 1, WINDOWS).astype(int)[index]]))
    return list(dict.fromkeys(chosen))


def _of(predictions: Predictions, index: int) -> str:
    """Of which series a window is, where there are several."""
    return "" if predictions.series is None else f"{plain(shorten(str(predictions.series[index]), 20))}, "


def _past(predictions: Predictions, index: int, before: int) -> Any:
    """(before + 1,), the true values up to the first step of a window, from all windows; NaN if unknown."""
    past = np.full(before + 1, np.nan)
    horizon, row = predictions.truth.shape[1], predictions.order[index]
    near = np.flatnonzero((predictions.order > row - before - horizon) & (predictions.order <= row))
    if predictions.series is not None:
        near = near[predictions.series[near] == predictions.series[index]]
    places = predictions.order[near, None] - row + before + np.arange(horizon)  # (windows, horizon)
    inside = (places >= 0) & (places <= before)
    past[places[inside]] = predictions.truth[near][inside]
    return past


@house_style()
def draw_error_by_step(
    model: Sequence[Mapping[str, Any]],
    baselines: Mapping[str, Sequence[Mapping[str, Any]]],
    metric: str = "mae",
    step: str = "step",
    target: str = "",
) -> Figure:
    """The error of each step of the horizon, of the model and of the naive forecasts.

    Args:
        model: `per_step` of the model's metrics.
        baselines: `per_step` of each baseline, by its name.
        metric: which of the metrics.
        step: what one step of the series is called, such as hour.
        target: what is forecast, for the axis.
    """
    lines = {"model": [row[metric] for row in model]} | {
        name: [row[metric] for row in rows] for name, rows in baselines.items()
    }
    steps = [row["step"] for row in model]
    naive = [lines[name] for name in baselines]
    better = (
        sum(value < min(line[index] for line in naive) for index, value in enumerate(lines["model"])) if naive else 0
    )
    title = (
        f"The model beats the naive forecasts at {better} of {len(steps)} steps"
        if naive
        else f"{label(metric)} {number(float(np.mean(lines['model'])))} over {len(steps)} steps"
    )
    figure = new_figure(9.0, 4.0, title, f"{label(metric)} by how far ahead the forecast looks")
    axes = figure.add_subplot()
    colours = [BLUE, *(colour for colour in COLOURS if colour not in (BLUE, INK))]
    for (name, values), colour in zip(lines.items(), colours, strict=False):
        own = name == "model"  # seen through the dashes where another is as good
        axes.plot(steps, values, color=colour, linewidth=2.2 if own else 1.4, linestyle="-" if own else (0, (4, 3)),
                  marker="o" if own and len(steps) <= 30 else None, markersize=4.5)  # fmt: skip
    axes.set(
        xlabel=f"{step}s ahead", ylabel=plain(f"{label(metric)} of {shorten(target, 30)}" if target else label(metric))
    )
    axes.set_xlim(min(steps) - 0.3, max(steps) + 0.3)
    lowest, highest = min(map(min, lines.values())), max(map(max, lines.values()))
    if 0 < LOG_RANGE * lowest < highest:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.locator_params(axis="x", integer=True)
    label_ends(
        axes,
        [(values[-1], name, colour) for (name, values), colour in zip(lines.items(), colours, strict=False)],
        gap=0.06,
    )
    return figure
