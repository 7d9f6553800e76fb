"""Pictures of a run of several folds: its metrics fold by fold, the curves of all folds, and what was held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dlrun.evaluation.names import bounds, label, main_metric
from dlrun.evaluation.plots.style import BLUE, INK, QUIET, house_style, new_figure, with_spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dlrun.run.folder import RunFolder

MOST_PANELS = 4


def redraw_folds(run: RunFolder) -> None:
    """Draws the pictures of a run of several folds again, from its files alone.

    Raises:
        RunError: if one of the files is missing or broken.
    """
    from dlrun.data.fitted_target import FittedNumbers
    from dlrun.data.preparation import Preparation
    from dlrun.evaluation.plots.curves import draw_comparison
    from dlrun.evaluation.plots.redraw import draw_all, draw_several, step_of
    from dlrun.evaluation.plots.style import png

    folds, metrics = run.folds(), run.metrics()
    preparation = Preparation.parse(folds[0].preparation())
    outputs = preparation.signature.outputs
    output = outputs[0]
    run.write_plot("folds", png(draw_folds(metrics, main_metric(outputs))))
    histories = {f"fold {index + 1}": fold.history() for index, fold in enumerate(folds)}
    target = preparation.target
    is_scaled = isinstance(target, FittedNumbers) and (target.scale != 1 or target.each)
    note = "each loss in the scale of its fold's train rows" if is_scaled else ""
    run.write_plot("curves", png(draw_comparison(histories, noun="fold", note=note)))
    if len(outputs) > 1:
        figures = draw_several([], held_out(metrics), run.scan_predictions(), outputs, run.confusion_matrix(), None)
    else:
        figures = draw_all(
            [],
            held_out(metrics),
            run.scan_predictions(),
            task=output.task,
            target=output.name,
            confusion=run.confusion_matrix() if output.is_classification else None,
            step=step_of(preparation),
        )
    for name, figure in figures:
        run.write_plot(name, png(figure))


def held_out(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What metrics.json of several folds has to say of the rows held out: trivial models are measured on the test part,
    where there is one."""
    return {name: value for name, value in metrics.items() if name != "baseline" or "test" not in metrics}


@house_style()
def draw_folds(metrics: Mapping[str, Any], main: str) -> Figure:
    """The metrics of each fold on the rows held out, with their mean and standard deviation; the main one first.

    Args:
        metrics: as metrics.json of several folds has them.
        main: the main metric.
    """
    folds = [each["validation"] for each in metrics["by_fold"]]
    mean, deviation = metrics["validation"], metrics["deviation"]["validation"]
    names = sorted(mean, key=lambda name: name != main)[:MOST_PANELS]
    title = f"{label(names[0])} {with_spread(mean[names[0]], deviation[names[0]])} over {len(folds)} folds"
    columns = min(len(names), 2)
    rows = -(-len(names) // columns)
    subtitle = "on the rows held out; line: mean, band: ± one standard deviation"
    figure = new_figure(max(4.2 * columns, 6.4), 2.5 * rows + 0.6, title, subtitle)
    for index, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, index + 1)
        _draw_metric(axes, name, [fold[name] for fold in folds], mean[name], deviation[name])
    return figure


def _draw_metric(axes: Axes, name: str, values: Sequence[float], mean: float, deviation: float) -> None:
    from matplotlib.ticker import MaxNLocator

    numbers = np.arange(1, len(values) + 1)
    least, greatest = bounds(name)
    axes.axhspan(max(mean - deviation, least), min(mean + deviation, greatest), color=BLUE, alpha=0.12, linewidth=0)
    axes.axhline(mean, color=BLUE, linewidth=1.2)
    axes.plot(numbers, values, "o", color=INK, markersize=5, clip_on=False)
    axes.set_xlim(0.5, len(values) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10, min_n_ticks=1))
    axes.margins(y=0.15)
    axes.set_xlabel("fold")
    axes.set_title(label(name))
    axes.set_title(with_spread(mean, deviation), loc="right", color=QUIET, fontsize=8)
