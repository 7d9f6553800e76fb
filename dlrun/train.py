"""`dlrun train`: from a spec to a run folder."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.console import TrainingDisplay, capture_native_stderr
from dlrun.errors import DlrunError, Interrupted, TrainingError
from dlrun.evaluation.names import MAIN_METRIC
from dlrun.experiment import Experiment, build_model, load_data, read_experiment
from dlrun.models.blocks import describe_inputs
from dlrun.run.environment import environment
from dlrun.run.folder import RunFolder
from dlrun.training.followed import followed_columns
from dlrun.training.losses import describe

if TYPE_CHECKING:
    from dlrun.data.dataset import Dataset
    from dlrun.data.preparation import Examples, Preparation
    from dlrun.evaluation.assess import Judge
    from dlrun.training.device import Device
    from dlrun.training.loop import Arrays, Row

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
    with capture_native_stderr(run.log_path), recorded(run, experiment, dataset.preparation):
        run.write_spec(spec.read_bytes(), overrides)
        run.write_resolved(experiment.tree())
        run.write_data(dataset.summary())
        run.write_preparation(dataset.preparation.tree())
        xla = uses_xla(experiment, dataset, device)
        run.write_environment(surroundings(device, compiled="xla" if xla else "graph"))
        display.announce(run.name, *facts(dataset, model, device))
        try:
            learn(experiment, dataset, model, run, display, xla=xla)
        finally:
            save_model(model, experiment, dataset, run)
        judge_run(judge(experiment, dataset.preparation, model), dataset, run, plots=experiment.evaluation.plots)
    return run


def facts(dataset: Dataset, model: Any, device: Device) -> tuple[str, ...]:
    """What is about to be trained, in words."""
    signature = dataset.preparation.signature
    examples = ", ".join(f"{len(part):,} {name}" for name, part in dataset.splits.items())
    return (
        f"{describe_inputs(signature)} to {describe(signature.output)}",
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
    """Trains the model, and writes the history as it grows."""
    from dlrun.training.loop import Loop

    train = arrays(experiment, dataset, dataset.train)
    validation = arrays(experiment, dataset, dataset.validation) if len(dataset.validation) else None
    steps_per_epoch = -(-len(train) // experiment.training.batch_size)
    experiment.compile(model, dataset.preparation, steps_per_epoch)
    loop = Loop(model, train, validation, experiment.training, experiment.seed, xla=xla)
    callbacks = experiment.training.callbacks()
    output = dataset.preparation.signature.output
    monitor = monitored(experiment, followed_columns(output, validation=validation is not None))
    rows: list[Row] = []
    written = 0.0

    def write() -> None:
        run.write_history(rows)
        run.update_epoch(len(rows), best_epoch(rows, monitor))

    display.start(experiment.training.epochs, loop.steps_per_epoch, monitor=monitor)
    with display, stop_signals() as stopped:
        for row in loop.run(display, callbacks, stopped):
            rows.append(row)
            if time.monotonic() - written > SECONDS_BETWEEN_WRITES:
                write()
                written = time.monotonic()
        if rows:
            write()
        if stopped():
            epochs = f"{len(rows)} of {experiment.training.epochs} epochs"
            raise Interrupted(f"stopped after {epochs}; what there is until then is in {run.path}")


def arrays(experiment: Experiment, dataset: Dataset, examples: Examples) -> Arrays:
    """The examples as the loop takes them; class weights count in training only."""
    from dlrun.training.loop import Arrays
    from dlrun.training.losses import sample_weights

    output = dataset.preparation.signature.output
    if output.task == "reconstruction":
        return Arrays(examples.inputs, None)
    weights = None
    if examples is dataset.train:
        given = getattr(experiment.objective, "class_weights", None)
        weights = sample_weights(given, examples.target, output.classes) if given else None
    target = examples.target
    if output.task == "binary" and experiment.objective.kind != "categorical_crossentropy":
        target = target.reshape(-1, 1).astype("float32")
    return Arrays(examples.inputs, target, weights)


def monitored(experiment: Experiment, columns: Iterable[str]) -> str:
    """The column of the history that tells the best epoch: that of early stopping, or the (validation) loss."""
    stopping = experiment.training.early_stopping
    default = "validation_loss" if "validation_loss" in columns else "loss"
    return stopping.monitor if stopping else default


def best_epoch(rows: Sequence[Row], monitor: str) -> int:
    """The first epoch with the best value of a column."""
    from dlrun.training.settings import direction

    sign = -1 if direction(monitor) == "max" else 1
    return int(min(rows, key=lambda row: sign * row[monitor])["epoch"])


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Within it, Ctrl-C and a request to terminate are noted instead of obeyed; the function says whether one came.

    A second Ctrl-C is obeyed at once.
    """
    received = threading.Event()

    def note(number: int, frame: object) -> None:
        received.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if threading.current_thread() is not threading.main_thread():
        yield received.is_set
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def save_model(model: Any, experiment: Experiment, dataset: Dataset, run: RunFolder) -> None:
    """The weights as plain arrays, and the whole model for Keras."""
    from dlrun.training.model import raw_model, weights

    run.save_weights(weights(model))
    run.save_model(raw_model(model, dataset.preparation, experiment.objective.kind))


def judge(experiment: Experiment, preparation: Preparation, model: Any) -> Judge:
    """What measures the model of an experiment."""
    from dlrun.evaluation.assess import Judge

    return Judge(
        model,
        preparation,
        experiment.objective,
        experiment.evaluation.metrics,
        experiment.evaluation.batch_size,
        getattr(experiment.architecture, "noise", 0.0),
        experiment.seed,
    )


def judge_run(judge: Judge, dataset: Dataset, run: RunFolder, *, plots: bool) -> None:
    """Measures all splits, and writes metrics, predictions, confusion matrix, samples and plots."""
    import polars

    from dlrun.evaluation.assess import all_metrics
    from dlrun.evaluation.confusion import confusion

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
        draw(run)


def draw(run: RunFolder) -> None:
    """Draws all pictures of a run from its files."""
    from dlrun.evaluation.plots import redraw

    redraw(run)


def uses_xla(experiment: Experiment, dataset: Dataset, device: Device) -> bool:
    """Whether the steps are compiled by XLA; a function of spec, data and device."""
    architecture = experiment.architecture
    return experiment.runtime.uses_xla(
        device,
        dense=architecture.kind in ("ann", "autoencoder") and not getattr(architecture, "blocks", ()),
        random=bool(experiment.regularization.dropout or getattr(architecture, "noise", 0)),
        examples=len(dataset.train) * experiment.training.epochs,
    )


def surroundings(device: Device, *, compiled: str) -> dict[str, Any]:
    """What environment.json holds."""
    import tensorflow as tf

    threads = {
        "intra_op": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter_op": tf.config.threading.get_inter_op_parallelism_threads(),
    }
    return environment(device=", ".join(device.names), threads=threads, runtime=asdict(device), compiled=compiled)
