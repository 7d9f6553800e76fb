"""`dlrun train`: from a spec to a run folder."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.errors import DlrunError, Interrupted, TrainingError
from dlrun.evaluation.names import MAIN_METRIC
from dlrun.experiment import Experiment
from dlrun.models.blocks import describe_inputs
from dlrun.reading import build_model, load_data, read_experiment
from dlrun.run.environment import environment
from dlrun.run.folder import RunFolder
from dlrun.training.followed import followed_columns
from dlrun.training.losses import describe
from dlrun.training.signals import stop_signals

if TYPE_CHECKING:
    from dlrun.console import TrainingDisplay
    from dlrun.data.dataset import Dataset
    from dlrun.data.preparation import Preparation
    from dlrun.evaluation.assess import Judge
    from dlrun.training.device import Device
    from dlrun.training.loop import Row

SECONDS_BETWEEN_WRITES = 1.0
"""How often history.csv and status.json are written while training, at the most."""


def train(
    spec: Path, *, out: Path, display: TrainingDisplay, overrides: Sequence[str] = (), log: Path | None = None
) -> RunFolder:
    """Trains what a spec describes, and judges it.

    Args:
        spec: the YAML file.
        out: the folder in which the run's folder is made.
        display: shows how it goes.
        overrides: `a.b=value`, as after `--set`.
        log: what TensorFlow has written until the run's own log begins; it is put in front.

    Raises:
        SpecError: the spec is wrong, or does not fit its data. No run folder is made.
        DataError: the data cannot be read. No run folder is made.
        DeviceError: there is no such device. No run folder is made.
        Interrupted: the user pressed Ctrl-C; the run holds what there was until then.
        TrainingError: training could not go on; the run is marked failed.
    """
    experiment, document = read_experiment(spec, overrides)
    experiment, dataset = load_data(experiment, document, spec)
    device = experiment.runtime.prepare()
    model = build_model(experiment, document, dataset.preparation.signature)

    run = RunFolder.create(out, experiment.name or spec.stem, datetime.now())
    run.write_log(log.read_bytes() if log else b"")
    with display.logging_to(run.log_path), recorded(run, experiment, dataset.preparation):
        run.write_spec(spec.read_bytes(), overrides)
        run.write_resolved(experiment.tree())
        run.write_data(dataset.summary())
        run.write_preparation(dataset.preparation.tree())
        xla = experiment.runtime.uses_xla(device, model, len(dataset.train) * experiment.training.epochs)
        run.write_environment(surroundings(device, compiled="xla" if xla else "graph"))
        display.announce(run.name, *facts(dataset, model, device))
        learn(experiment, dataset, model, run, display, xla=xla)
        judge_run(experiment.judge(model, dataset.preparation), dataset, run, plots=experiment.evaluation.plots)
    return run


def facts(dataset: Dataset, model: Any, device: Device) -> tuple[str, ...]:
    """What is about to be trained, in words."""
    signature = dataset.preparation.signature
    examples = ", ".join(f"{len(part):,} {name}" for name, part in dataset.splits.items())
    unused = f" (unused: {', '.join(dataset.unused)})" if dataset.unused else ""
    return (
        f"{describe_inputs(signature)} to {describe(signature.output)}{unused}",
        f"{examples} examples",
        f"{model.count_params():,} parameters",
        f"on the {device.kind.upper()}",
    )


@contextmanager
def recorded(run: RunFolder, experiment: Experiment, preparation: Preparation) -> Iterator[None]:
    """Keeps status.json true, whatever happens within."""
    run.start(experiment.training.epochs, MAIN_METRIC[preparation.signature.output.task])
    try:
        yield
    except Interrupted:
        run.interrupt()
        raise
    except DlrunError as error:
        run.fail(error)
        raise
    except BaseException as error:
        run.fail(TrainingError(f"{type(error).__name__}: {error}"))
        raise
    run.finish()


def learn(
    experiment: Experiment, dataset: Dataset, model: Any, run: RunFolder, display: TrainingDisplay, *, xla: bool
) -> None:
    """Trains the model, writes the history as it grows, and keeps the weights.

    Raises:
        Interrupted: the user asked for it; what there was until then is kept.
        NotFiniteError: the loss became NaN or infinite.
    """
    from dlrun.training.loop import Loop

    settings, preparation = experiment.training, dataset.preparation
    train = experiment.arrays(dataset.train, preparation, weigh=True)
    validation = experiment.arrays(dataset.validation, preparation) if len(dataset.validation) else None
    experiment.compile(model, preparation, settings.steps_per_epoch(len(train)))
    loop = Loop(model, train, validation, settings, experiment.seed, xla=xla)
    columns = followed_columns(preparation.signature.output, validation=validation is not None)
    monitor = settings.monitored(columns)
    rows: list[Row] = []
    written = 0.0

    def write() -> None:
        run.write_history(rows)
        run.update_epoch(len(rows), settings.best_epoch(rows, monitor))

    display.start(settings.epochs, loop.steps_per_epoch, monitor=monitor)
    with display, stop_signals() as stopped:
        try:
            for row in loop.run(display, settings.callbacks(), stopped):
                rows.append(row)
                if time.monotonic() - written > SECONDS_BETWEEN_WRITES:
                    write()
                    written = time.monotonic()
        finally:
            if rows:
                write()
        save_model(model, experiment, preparation, run)
        if stopped():
            epochs = f"{len(rows)} of {settings.epochs} epochs"
            raise Interrupted(f"stopped after {epochs}; what there is until then is in {run.path}")


def save_model(model: Any, experiment: Experiment, preparation: Preparation, run: RunFolder) -> None:
    """The weights as plain arrays, and the whole model for Keras."""
    from dlrun.training.model import raw_model, weights

    run.save_weights(weights(model))
    run.save_model(raw_model(model, preparation, experiment.objective.kind))


def judge_run(judge: Judge, dataset: Dataset, run: RunFolder, *, plots: bool) -> None:
    """Measures all splits, and writes metrics, predictions, confusion matrix, samples and plots."""
    import polars

    from dlrun.evaluation.assess import all_metrics
    from dlrun.evaluation.confusion import confusion
    from dlrun.evaluation.plots import redraw

    metrics, predictions = all_metrics(judge, dataset.splits)
    run.write_metrics(metrics)
    judged = [predictions[name] for name in predictions if name != "train"] or [predictions["train"]]
    run.write_predictions(polars.concat([said.to_frame() for said in judged]))
    last = judged[-1]
    if last.is_classification:
        matrix = confusion(last)
        run.write_confusion_matrix(matrix["labels"], matrix["counts"])
    if last.task == "reconstruction":
        run.save_samples(judge.samples(last.split, dataset.splits[last.split], last))
    if plots:
        redraw(run)


def surroundings(device: Device, *, compiled: str) -> dict[str, Any]:
    """What environment.json holds."""
    import tensorflow as tf

    threads = {
        "intra_op": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter_op": tf.config.threading.get_inter_op_parallelism_threads(),
    }
    return environment(device=", ".join(device.names), threads=threads, runtime=asdict(device), compiled=compiled)
