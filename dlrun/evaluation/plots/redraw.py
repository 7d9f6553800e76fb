"""All pictures of a run, from its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dlrun.data.signature import Task
from dlrun.evaluation.names import MAIN_METRIC, label
from dlrun.evaluation.plots.style import number, png, with_interval
from dlrun.evaluation.predictions import Predictions

if TYPE_CHECKING:
    import polars
    from matplotlib.figure import Figure

    from dlrun.run.folder import RunFolder

STEPS = {60.0: "minute", 3600.0: "hour", 86400.0: "day", 7 * 86400.0: "week"}


def redraw(run: RunFolder) -> None:
    """Draws the pictures of a run again, from its files alone.

    Raises:
        RunError: if one of the files is missing or broken.
    """
    from dlrun.data.preparation import Preparation

    preparation = Preparation.parse(run.preparation())
    output = preparation.signature.output
    series = preparation.series
    figures = draw_all(
        run.history(),
        run.metrics(),
        run.predictions(),
        task=output.task,
        target=output.name,
        confusion=run.confusion_matrix() if output.is_classification else None,
        samples=run.load_samples() if output.task == "reconstruction" else None,
        best_epoch=run.status().best_epoch,
        step=STEPS.get(series.step or 0, "step") if series else "step",
    )
    for name, figure in figures:
        run.write_plot(name, png(figure))


def draw_all(
    history: Sequence[Mapping[str, Any]],
    metrics: Mapping[str, Any],
    frame: polars.DataFrame,
    *,
    task: Task,
    target: str,
    confusion: dict[str, Any] | None = None,
    samples: Mapping[str, Any] | None = None,
    best_epoch: int | None = None,
    step: str = "step",
) -> Iterator[tuple[str, Figure]]:
    """The names and figures of all pictures that suit the task, one after the other.

    Args:
        history: the rows of history.csv.
        metrics: as in metrics.json.
        frame: as in predictions.parquet; the pictures show the last split in it.
        task: what is predicted.
        target: the name of the target.
        confusion: as in confusion_matrix.json, of the same split.
        samples: `originals`, `reconstructions` and perhaps `noisy`.
        best_epoch: counted from 1.
        step: what one step of the series is called.
    """
    from dlrun.evaluation.plots.curves import draw_curves

    if history:
        yield "curves", draw_curves(history, best_epoch)
    if frame.is_empty():
        return
    split = str(frame["split"][-1])
    count = int((frame["split"] == split).sum())
    title = headline(metrics, split, task, count)
    if task == "reconstruction":
        yield from _draw_reconstruction(frame, samples, split, title)
        return
    predictions = Predictions.from_frame(frame, split, task, target)
    if task == "forecast":
        yield from _draw_forecast(predictions, metrics, title, step)
    elif task == "regression":
        from dlrun.evaluation.plots.numbers import draw_residuals

        yield "residuals", draw_residuals(predictions, title)
    else:
        from dlrun.evaluation.plots.confusion import draw_confusion
        from dlrun.evaluation.plots.ranking import draw_ranking

        if confusion:
            yield "confusion_matrix", draw_confusion(confusion, title)
        if ranking := draw_ranking(predictions):
            yield "roc_and_precision_recall", ranking


def headline(metrics: Mapping[str, Any], split: str, task: Task, count: int) -> str:
    """The finding that the pictures of a split have as their title: the main metric, its interval, the baseline's."""
    values, main = metrics.get(split, {}), MAIN_METRIC[task]
    noun = "windows" if task == "forecast" else "examples"
    where = f"on {count:,} {split} {noun if count != 1 else noun[:-1]}"
    if main not in values:  # the user asked for other metrics only
        main = next((name for name, value in values.items() if isinstance(value, float)), "")
    if not main:
        return where.capitalize()
    found = f"{label(main)} {with_interval(values[main], values.get('interval', {}).get(main))} {where}"
    beside = [f"{name} {number(of[main])}" for name, of in metrics.get("baseline", {}).items() if main in of]
    return f"{found} ({beside[0]})" if beside else found


def _draw_reconstruction(
    frame: polars.DataFrame, samples: Mapping[str, Any] | None, split: str, title: str
) -> Iterator[tuple[str, Figure]]:
    from dlrun.evaluation.plots.reconstruction import draw_error_distribution, draw_reconstructions

    if samples:
        yield "reconstructions", draw_reconstructions(samples, title)
    yield "error_distribution", draw_error_distribution(frame.filter(frame["split"] == split)["error"], "", split)


def _draw_forecast(
    predictions: Predictions, metrics: Mapping[str, Any], title: str, step: str
) -> Iterator[tuple[str, Figure]]:
    from dlrun.evaluation.plots.forecast import draw_error_by_step, draw_forecasts

    yield "forecasts", draw_forecasts(predictions, title, step)
    model = metrics.get(predictions.split, {}).get("per_step")
    if not model:
        return
    metric = "mae" if "mae" in model[0] else next((name for name in model[0] if name != "step"), None)
    if metric:
        naive = {
            name: of["per_step"] for name, of in metrics.get("baseline", {}).items() if metric in of["per_step"][0]
        }
        yield "error_by_step", draw_error_by_step(model, naive, metric, step, predictions.target)
