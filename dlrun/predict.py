"""`dlrun predict`: what a trained model says of new data, from raw input to the units of the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from dlrun.data.bad_rows import BadRows, sort_out, with_ends
from dlrun.data.image_files import pixels_of
from dlrun.data.new_data import PIPE, NewData
from dlrun.data.preparation import Preparation
from dlrun.errors import DataError
from dlrun.evaluate import say, trained_folds, trained_judges
from dlrun.evaluation.predictions import Predictions, squared_errors, together
from dlrun.reading import read_resolved
from dlrun.run.folder import RunFolder
from dlrun.writing import Write

if TYPE_CHECKING:
    import numpy as np
    import polars

    from dlrun.data.columns import Batch
    from dlrun.data.features import FittedSeries
    from dlrun.data.sources import Source
    from dlrun.evaluation.assess import Judge
    from dlrun.experiment import Experiment

PROBABILITY = "probability_"

MOST_AT_ONCE = 1 << 26
"""Bytes of network input that are made at once."""


@dataclass
class Predicted:
    """What was predicted.

    Args:
        run: the run.
        rows: how many rows of predictions were written.
        left_out: the rows that could not be predicted.
        unknown: by file and column, how many values are unknown to the model, and a few of them.
        asides: what one should know of how the predictions were made.
    """

    run: RunFolder
    rows: int = 0
    left_out: BadRows = field(default_factory=BadRows)
    unknown: dict[tuple[str, str], tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    asides: tuple[str, ...] = ()

    @property
    def notes(self) -> Iterator[str]:
        """What one should know of the predictions."""
        for (file, column), (count, values) in self.unknown.items():
            told = "1 value" if count == 1 else f"{count:,} values"
            yield f"{file}: {told} of {column} unknown to the model, such as {', '.join(values)}"
        yield from self.asides

    def note_unknown(self, file: str, found: dict[str, tuple[int, tuple[str, ...]]]) -> None:
        """Adds what a batch has of unknown categories."""
        for column, (count, values) in found.items():
            before, seen = self.unknown.get((file, column), (0, ()))
            self.unknown[file, column] = (before + count, tuple(dict.fromkeys(seen + values))[:3])


def predict(
    path: Path,
    files: Sequence[Path],
    output: AbstractContextManager[Write],
    *,
    piped: IO[bytes],
    skip_bad_rows: bool = False,
    every_window: bool = False,
) -> Predicted:
    """Predicts every row of some files, in order.

    Args:
        path: the run's folder.
        files: in the form of its source, folders of such, patterns, or `-`.
        output: takes the predictions, batch by batch.
        piped: what `-` stands for.
        skip_bad_rows: whether rows that cannot be read, and series that cannot be forecast, are left out.
        every_window: of a series, whether to forecast from every window of a file and not only from its last.

    Raises:
        RunError: the run is broken or not trained yet.
        DataError: the data does not fit the model; rows that cannot be read are all named. Where they are left out:
            no other row is there.
    """
    run = RunFolder.open(path)
    experiment, _ = read_resolved(run.resolved_path)
    runs = trained_folds(run) or [run]
    preparation = Preparation.parse(runs[0].preparation())
    data = [each for file in files for each in new_data(experiment.data.source, file, preparation)]
    predicted = Predicted(run)
    with output as write:
        judges: list[Judge] = []
        for file in data:
            write(_named(no_predictions(preparation), file, data, ()))
            for batch in decoded(experiment, preparation, file, piped):
                good = sort_out(preparation, batch, file.name, predicted.left_out)
                if not every_window and (skip_bad_rows or not len(predicted.left_out)):
                    good = with_ends(preparation, batch, good, file.name, predicted.left_out)
                if len(predicted.left_out) and not skip_bad_rows:
                    continue  # which others are bad is still to be found
                if not len(good):
                    continue
                predicted.note_unknown(file.name, preparation.unknown(batch.table, good))
                # Not before there are rows for them: what is wrong with the first is told before TensorFlow is there.
                judges = judges or [replace(judge, noise=0.0) for judge in trained_judges(run)]
                for frame in predictions(judges, batch, good, every_window=every_window):
                    write(_named(frame, file, data, batch.names))
                    predicted.rows += frame.height
        predicted.asides = judges[0].notes if judges else ()
        if len(predicted.left_out) and not (skip_bad_rows and predicted.rows):
            raise DataError("; ".join(predicted.left_out.reasons()), hint=_mend(predicted.left_out, skip_bad_rows))
    return predicted


def _mend(bad: BadRows, skipped: bool) -> str:
    """What to do about rows, or series, that cannot be predicted."""
    mends = "; ".join(bad.hints) or "mend them"
    if skipped:
        return f"{mends}: without them no row is left"
    return f"{mends}, or leave them out with --skip-bad-rows"


def new_data(source: Source, file: Path, preparation: Preparation) -> Iterator[NewData]:
    """What a word of the command line stands for: a pipe, a file, or several."""
    if str(file) == PIPE:
        yield NewData.piped(source, preparation)
    else:
        yield from NewData.at(source, file, preparation)


def decoded(experiment: Experiment, preparation: Preparation, file: NewData, piped: IO[bytes]) -> Iterator[Batch]:
    """The rows of a file, with pixels where it names images."""
    for batch in file.batches(piped):
        yield from pixels_of(preparation, batch, file.folder, experiment.data.features or {})


def _named(frame: polars.DataFrame, file: NewData, files: Sequence[NewData], names: Sequence[str]) -> polars.DataFrame:
    """With the name of the file before all else, where there are several, or where each row is one, with its name."""
    import polars as pl

    if file.is_images:
        called = pl.Series("file", [names[row - 1] for row in frame["row"].to_list()], dtype=pl.String)
        return frame.select(called, pl.all())
    return frame if len(files) == 1 else frame.select(pl.lit(file.name).alias("file"), pl.all())


def predictions(
    judges: Sequence[Judge], batch: Batch, good: np.ndarray, *, every_window: bool
) -> Iterator[polars.DataFrame]:
    """A row for each row of a batch, or for each step of a forecast, in parts that fit into memory.

    Args:
        judges: the trained models; of several, the mean of what they say.
        good: the positions of the rows that are predicted, (rows,), sorted; there are some.
        every_window: as `predict` takes it.
    """
    preparation = judges[0].preparation
    if preparation.series is not None:
        # A series is not split into folds.
        yield forecast(judges[0], preparation.series, batch, good, every_window=every_window)
        return
    most = max(1, MOST_AT_ONCE // sum(4 * prod(each.shape) for each in preparation.inputs))
    for start in range(0, len(good), most):
        part = good[start : start + most]
        yield to_frame(say(judges, batch.table, part, target=preparation.target is None), batch.rows[part])


def forecast(
    judge: Judge, series: FittedSeries, batch: Batch, good: np.ndarray, *, every_window: bool
) -> polars.DataFrame:
    """A row for each next step: the row that it follows, which step it is, its time, its value."""
    import numpy as np
    import polars as pl

    examples = judge.preparation.windows(batch.table, good, target=False, last=not every_window)
    together, past = judge.preparation.series_input, examples.past
    if together is None or past is None:
        raise ValueError("the model forecasts no series")
    said = judge.predict(batch.table.name, examples)
    rows = batch.rows[examples.rows] + 1
    ids = {} if past.ids is None else {"series": pl.Series(np.repeat(past.ids, series.horizon), dtype=pl.String)}
    return pl.DataFrame(
        {
            "row": np.repeat(rows, series.horizon),
            **ids,
            "step": np.tile(np.arange(1, series.horizon + 1), len(rows)),
            "time": past.next_times(series, given=bool(together.known)).reshape(-1),
            "prediction": said.scores.reshape(-1),
        }
    )


def to_frame(said: Predictions, rows: np.ndarray) -> polars.DataFrame:
    """A row for each example; rows are given counted from 0 and written counted from 1, as messages count them."""
    import numpy as np
    import polars as pl

    if said.further:
        return together([(each.target, to_frame(each, rows)) for each in said.each])
    columns: dict[str, Any] = {"row": rows + 1}
    if said.task == "reconstruction":
        columns["error"] = squared_errors(said)
    elif said.is_classification:
        names = np.array(said.classes, dtype=object)
        columns["prediction"] = pl.Series(names[said.prediction], dtype=pl.String)
        for index, name in enumerate(said.classes):
            columns[PROBABILITY + name] = np.ascontiguousarray(said.scores[:, index])
    else:
        columns["prediction"] = said.scores
    return pl.DataFrame(columns)


def no_predictions(preparation: Preparation) -> polars.DataFrame:
    """The table of predictions without a row."""
    import numpy as np
    import polars as pl

    if preparation.further:
        return together([(each.signature.output.name, no_predictions(each)) for each in preparation.each])
    output = preparation.signature.output
    if output.task == "forecast":
        ids = {} if preparation.series_by is None else {"series": pl.String}
        types: dict[str, Any] = {"step": pl.Int64, "time": pl.Datetime("us"), "prediction": pl.Float64}
        return pl.DataFrame(schema={"row": pl.Int64, **ids, **types})
    shape = {"reconstruction": (0, 2), "regression": (0,)}.get(output.task, (0, len(output.classes)))
    scores = np.zeros(shape)
    nothing = np.zeros(0, np.int64)
    return to_frame(Predictions("", output.task, output.name, output.classes, nothing, scores, scores), nothing)
