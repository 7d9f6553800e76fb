"""All pictures of a run, from its files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dlrun.data.signature import Output, Task
from dlrun.evaluation.names import MAIN_METRIC, label
from dlrun.evaluation.plots.style import join, number, png, shorten, with_interval
from dlrun.evaluation.predictions import Predictions, of_target

if TYPE_CHECKING:
    import polars
    from matplotlib.figure import Figure

    from dlrun.data.preparation import Preparation
    from dlrun.run.folder import RunFolder

STEPS = {60.0: "minute", 3600.0: "hour", 86400.0: "day", 7 * 86400.0: "week"}


def redraw(run: RunFolder) -> None:
    """Draws the pictures of a run again, from its files alone.

    Raises:
        RunError: if one of the files is missing or broken.
    """
    from dlrun.data.preparation import Preparation

    preparation = Preparation.parse(run.preparation())
    if preparation.further:
        figures = draw_several(
            run.history(),
            run.metrics(),
            run.scan_predictions(),
            preparation.signature.outputs,
            run.confusion_matrix(),
            run.status().best_epoch,
        )
        for name, figure in figures:
            run.write_plot(name, png(figure))
        return
    output = preparation.signature.output
    figures = draw_all(
        run.history(),
        run.metrics(),
        run.scan_predictions(),
        task=output.task,
        target=output.name,
        confusion=run.confusion_matrix() if output.is_classification else None,
        samples=run.load_samples() if output.task == "reconstruction" else None,
        augmented=run.load_augmented(),
        best_epoch=run.status().best_epoch,
        step=step_of(preparation),
    )
    for name, figure in figures:
        run.write_plot(name, png(figure))


def step_of(preparation: Preparation) -> str:
    """What one step of the series is called; a step where there is none."""
    series = preparation.series
    return STEPS.get(series.step or 0, "step") if series else "step"


def draw_several(
    history: Sequence[Mapping[str, Any]],
    metrics: Mapping[str, Any],
    frame: polars.LazyFrame,
    outputs: Sequence[Output],
    confusion: Mapping[str, dict[str, Any]],
    best_epoch: int | None,
) -> Iterator[tuple[str, Figure]]:
    """The curves, and the pictures of each of several targets, `<picture>_<target>`.

    Args:
        outputs: what is predicted.
        confusion: by target; the others as `draw_all` takes them.
    """
    from dlrun.evaluation.plots.curves import draw_curves

    if history:
        yield "curves", draw_curves(history, best_epoch)
    for output in outputs:
        figures = draw_all(
            [],
            metrics_of(metrics, output.name),
            of_target(frame, output.name),
            task=output.task,
            target=output.name,
            confusion=confusion.get(output.name),
            named=True,
        )
        safe = re.sub(r"[^\w.-]", "_", output.name)
        yield from ((f"{name}_{safe}", figure) for name, figure in figures)


def metrics_of(metrics: Mapping[str, Any], target: str) -> dict[str, Any]:
    """What metrics.json would hold of one of several targets if it were the only one."""

    def one(measured: Mapping[str, Any]) -> dict[str, Any]:
        start = f"{target}_"
        own = {name.removeprefix(start): value for name, value in measured.items() if name.startswith(start)}
        return own | ({"interval": one(measured["interval"])} if "interval" in measured else {})

    found = {split: one(metrics[split]) for split in ("train", "validation", "test") if split in metrics}
    return found | {"baseline": {name: one(measured) for name, measured in metrics.get("baseline", {}).items()}}


def draw_all(
    history: Sequence[Mapping[str, Any]],
    metrics: Mapping[str, Any],
    frame: polars.LazyFrame,
    *,
    task: Task,
    target: str,
    confusion: dict[str, Any] | None = None,
    samples: Mapping[str, Any] | None = None,
    augmented: Mapping[str, Any] | None = None,
    best_epoch: int | None = None,
    step: str = "step",
    named: bool = False,
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
        augmented: `originals` and `augmented` images of the train split, where they are.
        best_epoch: counted from 1.
        step: what one step of the series is called.
        named: whether the titles name the target.
    """
    import polars as pl

    from dlrun.evaluation.plots.curves import draw_curves

    if history:
        yield "curves", draw_curves(history, best_epoch)
    if augmented:
        from dlrun.evaluation.plots.augmented import draw_augmented

        yield "augmented", draw_augmented(augmented)
    last = frame.select("split").tail(1).collect()
    if last.is_empty():
        return
    split = last.item()
    frame = frame.filter(pl.col("split") == split)
    count = frame.select(pl.len()).collect().item()
    title, note = headline(metrics, split, task, count)
    title = f"{shorten(target, 24)}: {title}" if named else title
    if task == "reconstruction":
        yield from _draw_reconstruction(frame, samples, split, title, note)
        return
    predictions = Predictions.from_frame(frame, split, task, target)
    if task == "forecast":
        yield from _draw_forecast(predictions, metrics, title, note, step)
    elif task == "regression":
        from dlrun.evaluation.plots.numbers import draw_residuals

        yield "residuals", draw_residuals(predictions, title, note)
    else:
        yield from _draw_classes(predictions, confusion, title, note)


def headline(metrics: Mapping[str, Any], split: str, task: Task, count: int) -> tuple[str, str]:
    """What the pictures of a split have as title, the main metric and its interval, and below it: the baselines."""
    values, main = metrics.get(split, {}), MAIN_METRIC[task]
    noun = "window" if task == "forecast" else "example"
    where = f"{count:,} {split} {noun}" + "s" * (count != 1)
    if main not in values:  # the user asked for other metrics only
        main = next((name for name, value in values.items() if isinstance(value, float)), "")
    if not main:
        return where, ""
    interval = values.get("interval", {}).get(main)
    title = f"{label(main)} {with_interval(values[main], interval)} on {where}"
    baselines = [f"{name} {number(of[main])}" for name, of in metrics.get("baseline", {}).items() if main in of]
    notes = [f"baseline: {', '.join(baselines)}" if baselines else "", "[ ] 95 % interval" if interval else ""]
    return title, join(*notes)


def _draw_reconstruction(
    frame: polars.LazyFrame, samples: Mapping[str, Any] | None, split: str, title: str, note: str
) -> Iterator[tuple[str, Figure]]:
    from dlrun.evaluation.plots.reconstruction import draw_error_distribution, draw_reconstructions

    if samples:
        yield "reconstructions", draw_reconstructions(samples, title, note)
    yield "error_distribution", draw_error_distribution(frame.select("error").collect()["error"], "", split)


def _draw_classes(
    predictions: Predictions, confusion: dict[str, Any] | None, title: str, note: str
) -> Iterator[tuple[str, Figure]]:
    from dlrun.evaluation.plots.confusion import draw_confusion
    from dlrun.evaluation.plots.ranking import draw_ranking

    if confusion:
        yield "confusion_matrix", draw_confusion(confusion, title, note)
    if ranking := draw_ranking(predictions):
        yield "roc_and_precision_recall", ranking


def _draw_forecast(
    predictions: Predictions, metrics: Mapping[str, Any], title: str, note: str, step: str
) -> Iterator[tuple[str, Figure]]:
    from dlrun.evaluation.plots.forecast import draw_error_by_step, draw_forecasts

    yield "forecasts", draw_forecasts(predictions, title, note, step)
    model = metrics.get(predictions.split, {}).get("per_step")
    if not model or len(model) == 1:
        return
    metric = "mae" if "mae" in model[0] else next((name for name in model[0] if name != "step"), None)
    if metric:
        naive = {
            name: of["per_step"] for name, of in metrics.get("baseline", {}).items() if metric in of["per_step"][0]
        }
        yield "error_by_step", draw_error_by_step(model, naive, metric, step, predictions.target)
