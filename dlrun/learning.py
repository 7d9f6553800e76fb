"""What `train` and `resume` share: from a run that has begun to one that is finished."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dlrun.batches import augmentation_of, augmented_inputs, supply_of
from dlrun.checkpointing import Keeper
from dlrun.cluster.meeting import meet
from dlrun.data import buffers
from dlrun.errors import Interrupted
from dlrun.evaluation.names import main_metric
from dlrun.experiment import Experiment
from dlrun.machine import cache_folder
from dlrun.models.blocks import describe_inputs
from dlrun.recording import Scribe, recorded
from dlrun.run.environment import environment
from dlrun.run.folder import RunFolder
from dlrun.training.choice import Memory, choose
from dlrun.training.followed import followed_columns
from dlrun.training.losses import describe
from dlrun.training.signals import stop_signals
from dlrun.training.team import Team, synchronized

if TYPE_CHECKING:
    from pathlib import Path

    from dlrun.cluster.members import Cluster
    from dlrun.console import TrainingDisplay
    from dlrun.data.dataset import Dataset
    from dlrun.data.preparation import Preparation
    from dlrun.pretraining import Coverage
    from dlrun.run.checkpoints import Checkpoint
    from dlrun.training.device import Device
    from dlrun.training.loop import Loop

VERSIONS = ("dlrun", "tensorflow", "keras", "numpy")
"""Of what all workers must have the same."""


@dataclass(frozen=True)
class Given:
    """What the user wrote.

    Args:
        spec: the file, to the byte.
        overrides: `a.b=value`, as after `--set`.
        log: where TensorFlow writes until the run's own log begins.
        title: what to call the training on the screen; empty: as the run.
    """

    spec: bytes
    overrides: Sequence[str] = ()
    log: Path | None = None
    title: str = ""

    def logged(self) -> bytes:
        """What TensorFlow has written until now."""
        return self.log.read_bytes() if self.log else b""


def assemble(
    experiment: Experiment, dataset: Dataset, cluster: Cluster | None, display: TrainingDisplay
) -> tuple[Device, Team]:
    """Sets TensorFlow up, and brings together all who train.

    Raises:
        DeviceError: there is no such device.
        ClusterError: other workers have not come, or are about to train something else.
    """
    runtime = experiment.runtime
    device = runtime.prepare()
    if cluster is not None:
        meet(cluster, common(experiment, dataset, device), runtime.peer_timeout)
    return device, runtime.team(device, cluster, display.last_words)


def common(experiment: Experiment, dataset: Dataset, device: Device) -> dict[str, str]:
    """What all workers must have in common, by what a person calls it."""
    packages = environment(device=device.kind)["packages"]
    return {
        "spec": digest(experiment.tree()),
        "data": digest(dataset.summary()),
        "versions": ", ".join(f"{name} {packages[name]}" for name in VERSIONS),
        "devices": f"{len(device.names)} {device.kind}",
    }


def digest(tree: Any) -> str:
    """A hash of plain data."""
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


def surroundings(device: Device, team: Team) -> dict[str, Any]:
    """What environment.json holds."""
    import tensorflow as tf

    threads = {
        "intra_op": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter_op": tf.config.threading.get_inter_op_parallelism_threads(),
    }
    runtime = {**asdict(device), "workers": team.workers, "replicas": team.replicas}
    return environment(device=", ".join(device.names), threads=threads, runtime=runtime)


def facts(dataset: Dataset, model: Any, device: Device, team: Team) -> tuple[str, ...]:
    """What is about to be trained, in words."""
    signature = dataset.preparation.signature
    examples = ", ".join(f"{len(part):,} {name}" for name, part in dataset.splits.items())
    unused = f" (unused: {', '.join(dataset.unused)})" if dataset.unused else ""
    return (
        f"{describe_inputs(signature)} to {' and '.join(map(describe, signature.outputs))}{unused}",
        f"{examples} examples",
        f"{model.count_params():,} parameters",
        f"on the {device.kind.upper()}" if team.replicas == 1 else f"on {team}",
    )


def describe_data(dataset: Dataset) -> dict[str, Any]:
    """What data.json holds. Each column of a table that is not in memory passes through it whole for that: there is
    more room for it before TensorFlow is there, which takes some 700 MB by itself."""
    from dlrun.profile.table import profile_dataset

    found = {**dataset.summary(), "profile": profile_dataset(dataset).tree()}
    dataset.forget()
    return found


def begin(
    run: RunFolder,
    experiment: Experiment,
    dataset: Dataset,
    model: Any,
    display: TrainingDisplay,
    *,
    described: dict[str, Any],
    device: Device,
    team: Team,
    given: Given,
    vectors: Sequence[Coverage] = (),
    stopped: Callable[[], bool] | None = None,
) -> None:
    """A training from its first step to its numbers, in an empty folder.

    Args:
        experiment: resolved.
        described: the data set, as `describe_data` gives it.
        given: what the user wrote.
        vectors: with which the model begins.
        stopped: as `learn` takes it.

    Raises:
        Interrupted, TrainingError: as `learn`.
    """
    run.start(experiment.training.epochs, main_metric(dataset.preparation.signature.outputs))
    with recorded(run):
        run.write_log(given.logged())
        run.write_spec(given.spec, given.overrides)
        run.write_resolved(experiment.tree())
        covered = {"vectors": {each.column: each.tree() for each in vectors}} if vectors else {}
        run.write_data(described | covered)
        run.write_preparation(dataset.preparation.tree())
        run.write_environment(surroundings(device, team))
        with display.logging_to(run.log_path):
            display.announce(given.title or run.name, *facts(dataset, model, device, team))
            for note in (*dataset.table.notes, *map(str, vectors)):
                display.on_event(note)
                run.note("data", note)
            learn(experiment, dataset, model, run, display, team=team, stopped=stopped)
            judge_run(experiment, model, dataset, run)


def learn(
    experiment: Experiment,
    dataset: Dataset,
    model: Any,
    run: RunFolder,
    display: TrainingDisplay,
    *,
    team: Team,
    checkpoint: Checkpoint | None = None,
    stopped: Callable[[], bool] | None = None,
) -> None:
    """Trains the model, writes history and checkpoints as it goes, and keeps the weights.

    Args:
        experiment: resolved.
        team: who trains.
        checkpoint: where to go on; None begins.
        stopped: says whether the user asked for the end; None: Ctrl-C and SIGTERM do.

    Raises:
        Interrupted: the user asked for it; what there was until then is kept, and can be resumed.
        NotFiniteError: the loss became NaN or infinite.
        OutOfMemoryError: a batch does not fit in memory.
    """
    from dlrun.training.fit import fit, fitting, is_over

    settings, preparation = experiment.training, dataset.preparation
    loop, monitor = prepare_loop(experiment, dataset, model, team)
    scribe = Scribe(run, display)
    if loop.augmentation is not None:
        run.save_augmented(loop.augmentation.samples(dataset.train))

    asked = stop_signals() if stopped is None else nullcontext(stopped)
    with team.noticing_loss(), synchronized(model, team), asked as stopped:
        batch_size = fitting(loop, settings.batch_size, scribe)
        if experiment.runtime.compile == "auto":
            known = memory(experiment, preparation, run)
            choice = choose(loop, batch_size, known, display.aside) if team.replicas == 1 else "graph"
            experiment = experiment.compiled(choice)
            run.write_resolved(experiment.tree())
        keeper = Keeper(run, experiment, loop.learner)
        progress = keeper.begin(checkpoint, batch_size)
        display.start(settings.epochs, loop.steps_per_epoch, monitor=monitor)
        with display:
            scribe.write(progress)
            try:
                progress = fit(loop, progress, monitor, reporter=scribe, keeper=keeper, stopped=stopped)
            finally:
                scribe.write()
    save_model(model, experiment, preparation, run)
    if not is_over(settings, monitor, progress.epoch, progress.rows):
        epochs = f"{len(progress.rows)} of {settings.epochs} epochs"
        raise Interrupted(
            f"stopped after {epochs}; what there is until then is in {run.path}",
            hint=f"to go on from there: dlrun resume {run.path}" + (" on as many workers" if team.cluster else ""),
        )


def follow(experiment: Experiment, dataset: Dataset, model: Any, team: Team) -> None:
    """Trains the model with the chief, who keeps what comes of it, and waits until the chief is done with it.

    Raises:
        Interrupted: all were asked to stop.
        ClusterError: another worker is gone.
        NotFiniteError: the loss became NaN or infinite.
    """
    from dlrun.training.fit import fit, fitting, is_over
    from dlrun.training.following import Follower, Silent

    loop, monitor = prepare_loop(experiment, dataset, model, team)
    keeper, silent, settings = Follower(loop.learner), Silent(), experiment.training
    with team.until_dismissed():
        with team.noticing_loss(), synchronized(model, team), stop_signals() as stopped:
            progress = keeper.begin(fitting(loop, settings.batch_size, silent))
            progress = fit(loop, progress, monitor, reporter=silent, keeper=keeper, stopped=stopped)
        if not is_over(settings, monitor, progress.epoch, progress.rows):
            raise Interrupted("stopped with the chief, who has what there is until then")


def prepare_loop(experiment: Experiment, dataset: Dataset, model: Any, team: Team) -> tuple[Loop, str]:
    """What runs the steps, and the column of the history that tells the best epoch."""
    from dlrun.training.loop import Loop

    settings, preparation = experiment.training, dataset.preparation
    train = supply_of(experiment, dataset.train, preparation, train=True)
    validation = (
        supply_of(experiment, dataset.validation, preparation, train=False) if len(dataset.validation) else None
    )
    monitor = settings.monitored(followed_columns(preparation.signature.outputs, validation=validation is not None))
    learner = experiment.learner(model, preparation, len(train), team)
    with team.scope():
        augmentation = augmentation_of(experiment, preparation)
    xla = experiment.runtime.compile == "xla"
    loop = Loop(learner, train, validation, settings, xla=xla, augmentation=augmentation)
    return loop, monitor


def memory(experiment: Experiment, preparation: Preparation, run: RunFolder) -> Memory:
    """What this machine knows of how to compile such a network, in such surroundings."""
    tree, surroundings = experiment.tree(), run.environment()
    sections = ("architecture", "optimizer", "regularization", "loss")
    settings = experiment.training
    key = {
        **{name: tree[name] for name in sections},
        "signature": asdict(preparation.signature),
        "augmented": repr(augmented_inputs(experiment, preparation)),
        "losses": [loss.tree() for loss in experiment.objectives],
        "batch": [settings.batch_size, settings.gradient_accumulation, settings.on_not_finite],
        **{name: surroundings.get(name) for name in ("packages", "device", "cpus", "threads", "runtime", "variables")},
    }
    return Memory(cache_folder() / "compile", key)


def save_model(model: Any, experiment: Experiment, preparation: Preparation, run: RunFolder) -> None:
    """The weights as plain arrays, and the whole model for Keras."""
    from dlrun.training.model import raw_model, weights

    run.save_weights(weights(model))
    run.save_model(raw_model(model, preparation, *(loss.kind for loss in experiment.objectives)))


def judge_run(experiment: Experiment, model: Any, dataset: Dataset, run: RunFolder) -> None:
    """Measures all splits, and writes metrics, predictions, confusion matrix, samples and plots."""
    buffers.give_back()  # the windows of the training
    _measure(experiment, model, dataset, run)
    if experiment.evaluation.plots:
        from dlrun.evaluation.plots import redraw

        buffers.give_back()  # the predictions, of which those that are drawn are read again
        redraw(run)


def _measure(experiment: Experiment, model: Any, dataset: Dataset, run: RunFolder) -> None:
    from dlrun.evaluation.assess import all_metrics
    from dlrun.evaluation.confusion import confusion

    judge, how = experiment.judge(model, dataset.preparation), experiment.evaluation.threshold
    decision: dict[str, Any] = {}
    if how is not None:
        judge, chosen = judge.decided(how, dataset.validation)
        decision = {"threshold": chosen.tree()}
        run.write_threshold(chosen.tree())
    metrics, predictions = all_metrics(judge, dataset.splits)
    run.write_metrics(metrics | decision)
    *_, last = predictions.values()
    run.write_predictions(block.to_frame() for said in predictions.values() for block in said.blocks())
    matrices = {each.target: confusion(each) for each in last.each if each.is_classification}
    if last.further:
        run.write_confusion_matrices(matrices)
    elif matrices:
        run.write_confusion_matrix(**matrices[last.target])
    if last.task == "reconstruction":
        run.save_samples(judge.samples(last.split, dataset.splits[last.split]))
