"""Of several folds one result: mean and spread of their metrics, and what each says of rows that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dlrun.data.signature import Output
from dlrun.evaluation.metrics import measure, measure_several
from dlrun.evaluation.predictions import SCORE, Predictions, of_target

if TYPE_CHECKING:
    import polars

SPLITS = ("train", "validation", "test")


def across_folds(metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What metrics.json holds of several folds.

    Args:
        metrics: what metrics.json holds of each fold, at least two.

    Returns:
        For each split, and each baseline, the means over the folds of the metrics that all folds have; under
        `deviation` their standard deviations (of a sample: over n - 1) by split; `by_fold` the numbers of each fold;
        `headline` says in words which of them the run is judged by.
    """
    splits = [split for split in SPLITS if all(split in each for each in metrics)]
    numbers = {split: [scalars(each[split]) for each in metrics] for split in splits}
    baselines = [name for name in metrics[0].get("baseline", {}) if all(name in each["baseline"] for each in metrics)]
    judged = "test" if "test" in splits else "validation"
    return {
        "folds": len(metrics),
        "headline": f"{judged}: mean over {len(metrics)} folds, {measured(judged)}",
        **{split: mean(each) for split, each in numbers.items()},
        "deviation": {split: deviation(each) for split, each in numbers.items()},
        "baseline": {name: mean([scalars(each["baseline"][name]) for each in metrics]) for name in baselines},
        "by_fold": [
            {"fold": index + 1, **{split: each[index] for split, each in numbers.items()}}
            for index in range(len(metrics))
        ],
    }


def measured(split: str) -> str:
    """On which rows each of several folds is measured."""
    rows = {"train": "its train rows", "validation": "the rows held out from it", "test": "the test rows"}
    return f"each model on {rows[split]}"


def scalars(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that are one number."""
    return {name: float(value) for name, value in metrics.items() if isinstance(value, int | float)}


def mean(folds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean over the folds of each metric that all of them have."""
    return {name: float(np.mean([fold[name] for fold in folds])) for name in _common(folds)}


def deviation(folds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The standard deviation over the folds of each metric that all of them have."""
    return {name: float(np.std([fold[name] for fold in folds], ddof=1)) for name in _common(folds)}


def _common(folds: Sequence[Mapping[str, float]]) -> list[str]:
    return [name for name in folds[0] if all(name in fold for fold in folds)]


def out_of_fold(frames: Sequence[polars.DataFrame]) -> polars.DataFrame:
    """What each fold says of the rows that it has not seen, in the order of the rows.

    Args:
        frames: as predictions.parquet has them, of each fold.

    Returns:
        The same columns and `fold`, counted from 1; a row occurs once in each repeat. The folds of several series
        follow one another in time, and so do their `time_index`, which each fold counts from its first time.
    """
    import polars as pl

    held_out, times = list[pl.DataFrame](), 0
    for number, frame in enumerate(frames, 1):
        own = frame.filter(pl.col("split") == "validation").with_columns(pl.lit(number).alias("fold"))
        if "time_index" in own.columns:
            own = own.with_columns(pl.col("time_index") + times)
            times = own.select(pl.col("time_index").max() + pl.col("truth").list.len().max()).item() + 1
        held_out.append(own)
    return pl.concat(held_out).sort("row", "fold")


def ensemble(said: Sequence[Predictions]) -> Predictions:
    """The mean of what several models say of the same examples; of their thresholds too."""
    if len(said) == 1:
        return said[0]
    found: list[Predictions] = [
        replace(
            of_each[0],
            scores=np.mean([each.scores for each in of_each], axis=0),
            threshold=_mean_threshold([each.threshold for each in of_each]),
        )
        for of_each in zip(*(each.each for each in said), strict=True)
    ]
    return replace(found[0], further=tuple(found[1:]))


def _mean_threshold(thresholds: Sequence[float | None]) -> float | None:
    found = [each for each in thresholds if each is not None]
    return float(np.mean(found)) if found else None


def ensemble_of(
    frames: Sequence[polars.DataFrame], outputs: Sequence[Output], thresholds: Sequence[float | None]
) -> dict[str, Any]:
    """The metrics of the mean of what all folds say of the test rows; empty where there are none, or only errors.

    Args:
        frames: as predictions.parquet has them, of each fold.
        outputs: of each target.
        thresholds: of each fold.
    """
    if outputs[0].task == "reconstruction" or any("test" not in frame["split"] for frame in frames):
        return {}
    several = len(outputs) > 1
    found = []
    for output in outputs:
        own = [of_target(frame, output.name) for frame in frames] if several else frames
        said = [Predictions.from_frame(frame, "test", output.task, output.name) for frame in own]
        found.append(ensemble([replace(each, threshold=value) for each, value in zip(said, thresholds, strict=True)]))
    together = replace(found[0], further=tuple(found[1:]))
    return measure_several(together) if several else measure(together)


def confusion_of(frame: polars.DataFrame) -> dict[str, Any]:
    """The confusion matrix of a frame of predictions, as in confusion_matrix.json."""
    import polars as pl

    labels = [column.removeprefix(SCORE) for column in frame.columns if column.startswith(SCORE)]
    index = {name: place for place, name in enumerate(labels)}
    truth, prediction = (
        frame[name].replace_strict(index, return_dtype=pl.Int64).to_numpy() for name in ("truth", "prediction")
    )
    counts = np.bincount(truth * len(labels) + prediction, minlength=len(labels) ** 2)
    return {"labels": labels, "counts": counts.reshape(len(labels), len(labels)).tolist()}
