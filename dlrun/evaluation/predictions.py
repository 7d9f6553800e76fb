"""What a model said of a split, beside the truth: all that metrics, baselines and plots know of a model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dlrun.data.signature import Task

if TYPE_CHECKING:
    import polars

Array = NDArray[Any]
Frame = TypeVar("Frame", "polars.DataFrame", "polars.LazyFrame")

SCORE = "score_"
_CHUNK = 1 << 20  # values whose error is computed at once: bounds the memory, not the result
BLOCK = 1 << 18
"""Examples that are counted, or written, at once: as many as polars puts into a group of a file."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions for the examples of one split, in the units of the data.

    Args:
        split: train, validation or test, or what the new data is called.
        task: what is predicted.
        target: the name of the target.
        classes: unique names in the order of their indexes; empty where there are none.
        rows: (n,) integers, which row of the source each example is; of a forecast's window that of its last past step.
        truth: classification (n,) index of the class; regression (n,); forecast (n, horizon); reconstruction (n, 0):
            the inputs are not kept.
        scores: classification (n, classes) probabilities, finite; reconstruction (n, 2), the mean squared and the mean
            absolute error of the example, of which the reconstruction is not kept; else the prediction, shaped as the
            truth.
        series: where there are several series: (n,) the name of each window's.
        times: then also (n,) which of the times of the split, counted from 0, its last past step is.
        threshold: of two classes, from which probability of the second on an example counts as of it; None: the more
            probable one.
        further: of several targets the predictions of those but the main one, of the same rows.
    """

    split: str
    task: Task
    target: str
    classes: tuple[str, ...]
    rows: Array
    truth: Array
    scores: Array
    series: Array | None = None
    times: Array | None = None
    threshold: float | None = None
    further: tuple[Predictions, ...] = ()

    @property
    def each(self) -> tuple[Predictions, ...]:
        """The predictions of each target alone, the main one first."""
        return (replace(self, further=()), *self.further) if self.further else (self,)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def is_classification(self) -> bool:
        return self.task in ("binary", "multiclass")

    @property
    def prediction(self) -> Array:
        """Classification: (n,) index of the most probable class, the first of equals, or by the threshold; else the
        scores themselves."""
        if self.threshold is not None:
            return (self.scores[:, 1] >= self.threshold).astype(np.int64)
        return np.argmax(self.scores, axis=1) if self.is_classification else self.scores

    @cached_property
    def cells(self) -> tuple[Array, Array, Array]:
        """Of a classification: each pair of a true and a predicted class that occurs, (m,) int64 both, and (m,) in how
        many examples. What is counted of millions of examples is counted of these few."""
        found: list[tuple[Array, Array]] = []
        for part in self.blocks():
            pairs = part.truth.astype(np.int64) * len(self.classes) + part.prediction
            found.append(np.unique(pairs, return_counts=True))
        pairs, place = np.unique(np.concatenate([each for each, _ in found]), return_inverse=True)
        counts = np.zeros(len(pairs), np.int64)
        np.add.at(counts, place, np.concatenate([each for _, each in found]))
        return *np.divmod(pairs, len(self.classes)), counts

    def blocks(self) -> Iterator[Predictions]:
        """The same examples one stretch after the other: of what is made of one, there is little at a time."""
        for start in range(0, len(self), BLOCK):
            yield self._cut(slice(start, start + BLOCK))

    def _cut(self, part: slice) -> Predictions:
        return replace(
            self,
            rows=self.rows[part],
            truth=self.truth[part],
            scores=self.scores[part],
            series=None if self.series is None else self.series[part],
            times=None if self.times is None else self.times[part],
            further=tuple(each._cut(part) for each in self.further),
        )

    @property
    def order(self) -> Array:
        """(n,) the place of each window in time, on which those of several series agree: of one series its row."""
        return self.rows if self.times is None else self.times

    def to_frame(self) -> polars.DataFrame:
        """A row an example, as in predictions.parquet.

        Columns: row, split, truth, prediction; classification (truth and prediction by name) also `score_<class>`
        for each class; forecast has lists of one value a step; reconstruction only row, split and error, the mean
        squared error of the example. Several series also have `series` and `time_index`. Of several targets all but row
        and split are called `<target>_<column>`.
        """
        import polars as pl

        if self.further:
            return together([(each.target, each.to_frame()) for each in self.each])

        columns: dict[str, Any] = {
            "row": self.rows.astype(np.int64),
            "split": pl.repeat(self.split, len(self), eager=True),
        }
        if self.task == "reconstruction":
            columns["error"] = squared_errors(self)
        elif self.task == "forecast":
            if self.series is not None and self.times is not None:
                columns |= {"series": pl.Series(self.series, dtype=pl.String), "time_index": self.times}
            columns["truth"] = pl.Series(np.ascontiguousarray(self.truth)).arr.to_list()
            columns["prediction"] = pl.Series(np.ascontiguousarray(self.scores)).arr.to_list()
        elif self.task == "regression":
            columns |= {"truth": self.truth, "prediction": self.scores}
        else:
            names = pl.Series(self.classes, dtype=pl.String)
            columns |= {"truth": names.gather(self.truth), "prediction": names.gather(self.prediction)}
            for index, name in enumerate(self.classes):
                columns[SCORE + name] = np.ascontiguousarray(self.scores[:, index])
        return pl.DataFrame(columns)

    @classmethod
    def from_frame(cls, frame: polars.DataFrame | polars.LazyFrame, split: str, task: Task, target: str) -> Predictions:
        """The predictions of one split, from what `to_frame` made (of one or of several splits, concatenated). Of a
        lazy frame no column is read that is not needed.

        Raises:
            ValueError: if the task is reconstruction, of which the frame keeps errors only.
        """
        import polars as pl

        if task == "reconstruction":
            raise ValueError("the frame of a reconstruction holds errors, not the reconstructions")
        own = frame.lazy().filter(pl.col("split") == split)
        if task in ("binary", "multiclass"):
            names = [name for name in own.collect_schema().names() if name.startswith(SCORE)]
            classes = tuple(name.removeprefix(SCORE) for name in names)

            def column(of: pl.Expr) -> Array:  # one at a time: of millions of rows each is tens of megabytes
                return own.select(of).collect().to_series().to_numpy()

            rows = column(pl.col("row"))
            truth = column(pl.col("truth").cast(pl.Enum(classes)).to_physical().cast(pl.Int64))
            scores = np.column_stack([column(pl.col(name)) for name in names])
            return cls(split, task, target, classes, rows, truth, scores)
        frame = own.collect()
        rows = frame["row"].to_numpy()
        truth, prediction = (
            np.array(frame[name].to_list()) if task == "forecast" else frame[name].to_numpy()
            for name in ("truth", "prediction")
        )
        series, times = (
            frame[name].to_numpy() if task == "forecast" and name in frame.columns else None
            for name in ("series", "time_index")
        )
        return cls(split, task, target, (), rows, truth, prediction, series, times)


def together(frames: Sequence[tuple[str, polars.DataFrame]]) -> polars.DataFrame:
    """The tables of several targets side by side, with what they share (row, split) once."""
    import polars as pl

    shared = [name for name in ("row", "split") if name in frames[0][1].columns]
    own = [frame.drop(shared).select(pl.all().name.prefix(f"{target}_")) for target, frame in frames]
    return pl.concat([frames[0][1].select(shared), *own], how="horizontal")


def of_target(frame: Frame, target: str) -> Frame:
    """The table of one target out of what `together` made."""
    own = [name for name in frame.collect_schema().names() if name.startswith(f"{target}_")]
    return frame.select("row", "split", *own).rename({name: name.removeprefix(f"{target}_") for name in own})


def squared_errors(predictions: Predictions) -> Array:
    """(n,), for each example the mean over its values of the squared error."""
    return _errors(predictions)[:, 0]


def absolute_errors(predictions: Predictions) -> Array:
    """(n,), for each example the mean over its values of the absolute error."""
    return _errors(predictions)[:, 1]


def log_losses(predictions: Predictions) -> Array:
    """(n,), -log of the probability that each example's true class was given, clipped as scikit-learn does."""
    losses = np.empty(len(predictions))
    for start, part in zip(range(0, len(predictions), BLOCK), predictions.blocks(), strict=True):
        scores = np.asarray(part.scores, np.float64)
        given = scores[np.arange(len(scores)), part.truth] / scores.sum(axis=1)
        losses[start : start + BLOCK] = -np.log(np.clip(given, np.finfo(np.float64).eps, 1.0))
    return losses


def _errors(predictions: Predictions) -> Array:
    if predictions.task == "reconstruction":
        return predictions.scores
    return mean_errors(predictions.truth, predictions.scores)


def mean_errors(truth: Array, said: Array) -> Array:
    """(n, 2), for each example the means over its values of the squared and of the absolute error.

    Args:
        truth: (n, …).
        said: shaped as the truth.
    """
    errors = np.empty((len(said), 2))
    rows = max(1, _CHUNK // max(1, math.prod(said.shape[1:])))
    for start in range(0, len(said), rows):
        part = slice(start, start + rows)
        difference = said[part].astype(np.float64) - truth[part]
        for column, of in enumerate((np.square, np.abs)):
            errors[part, column] = of(difference).reshape(len(difference), -1).mean(axis=1)
    return errors
