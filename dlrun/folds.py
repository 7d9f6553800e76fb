"""A run of several folds: each a whole run in RUN/folds, and RUN has what they come to together."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.data.content import content_hash
from dlrun.data.preparation import Preparation
from dlrun.data.splits import KFoldSplit
from dlrun.errors import Interrupted, RunError, UsageError
from dlrun.evaluation.names import label, main_metric
from dlrun.experiment import Experiment
from dlrun.learning import Given, assemble, begin, describe_data, surroundings
from dlrun.pretraining import begin_with_vectors
from dlrun.reading import build_model, load_data, read_resolved
from dlrun.recording import recorded
from dlrun.resume import changed_surroundings, differences, go_on
from dlrun.run.folder import RunFolder
from dlrun.run.resolved import resolved_fields, resolved_text
from dlrun.training.signals import stop_signals

if TYPE_CHECKING:
    from dlrun.console import TrainingDisplay
    from dlrun.data.dataset import Dataset
    from dlrun.spec.document import Document
    from dlrun.training.device import Device
    from dlrun.training.team import Team


@dataclass(frozen=True)
class Setup:
    """With what all folds are trained.

    Args:
        document: the text of the spec.
        display: shows how it goes.
        device, team: on what, as `assemble` gives them.
        given: what the user wrote.
        force: go on though versions or surroundings are others than those a fold was begun with.
    """

    document: Document
    display: TrainingDisplay
    device: Device
    team: Team
    given: Given
    force: bool = False


def train_folds(
    experiment: Experiment, document: Document, spec: Path, *, out: Path, display: TrainingDisplay, given: Given
) -> RunFolder:
    """Trains all folds of a k-fold split, one after the other in this process.

    Raises:
        UsageError: several workers are to train them.
        SpecError, DataError, DeviceError: as `train`. No run folder is made.
        Interrupted, TrainingError: as `train`; the run can be resumed.
    """
    refuse_workers(experiment)
    first, dataset = load_data(experiment.of_fold(1), document, spec)
    device, team = assemble(first, dataset, None, display)
    whole = first.of_fold(None)
    run = RunFolder.create(out, experiment.name or spec.stem, datetime.now())
    with run.locked():
        main = main_metric(dataset.preparation.signature.outputs)
        run.start(experiment.training.epochs, main, trainings(whole))
        with recorded(run):
            run.write_log(given.logged())
            run.write_spec(given.spec, given.overrides)
            run.write_resolved(whole.tree())
            run.write_data(summary(dataset))
            run.write_environment(surroundings(device, team))
            del dataset
            train_all(run, whole, Setup(document, display, device, team, given))
    return run


def resume_folds(
    run: RunFolder,
    experiment: Experiment,
    document: Document,
    *,
    display: TrainingDisplay,
    epochs: int | None = None,
    force: bool = False,
) -> RunFolder:
    """Goes on with the fold that was interrupted, and with those that have not begun, to the same bits.

    Raises:
        UsageError: another number of epochs is asked for.
        RunError: it is finished, another process trains it, or data, spec or versions have changed.
        Interrupted, TrainingError: as `train`.
    """
    refuse_workers(experiment)
    if epochs is not None:
        raise UsageError(
            "--epochs goes with a single training, and this run has several folds",
            hint=f"to train one of them on: dlrun resume {run.fold(1).path} --epochs {epochs}",
        )
    if run.status().state == "finished":
        raise RunError(f"{run.path} is finished, with all of its {run.status().folds} folds")
    with run.locked():
        check_spec(run, experiment)
        _, dataset = load_data(experiment.of_fold(1), document, run.path)
        check_data(run, dataset)
        device, team = assemble(experiment, dataset, None, display)
        del dataset
        changed_surroundings(run, device, team, force=force)
        run.resume(experiment.training.epochs)
        with recorded(run):
            train_all(run, experiment, Setup(document, display, device, team, Given(run.spec()), force))
    return run


def train_all(run: RunFolder, experiment: Experiment, setup: Setup) -> None:
    """Trains what is not trained yet of a run's folds, and writes what they come to.

    Args:
        experiment: resolved, of all folds.
    """
    count = trainings(experiment)
    with stop_signals() as stopped:
        for number in range(1, count + 1):
            try:
                train_one(run, number, experiment, setup, stopped)
            except Interrupted:
                raise interrupted(run, number, count) from None
            if experiment.runtime.compile == "auto":  # all folds are compiled as the first one found best
                experiment = experiment.compiled(run.fold(1).resolved()["runtime"]["compile"])
                run.write_resolved(experiment.tree())
            run.update_folds(number)
            if number < count and stopped():
                raise interrupted(run, number + 1, count)
    conclude(run, plots=experiment.evaluation.plots)


def train_one(run: RunFolder, number: int, experiment: Experiment, setup: Setup, stopped: Callable[[], bool]) -> None:
    """Trains one fold from its beginning, or from where it stands; nothing where it is finished."""
    fold, title = run.fold(number), f"{run.name}  fold {number} of {trainings(experiment)}"
    begun = RunFolder.is_run(fold.path)
    if begun and fold.status().state == "finished":
        return
    forget_last()
    if begun and fold.resolved_path.exists():
        go_on_with(fold, title, setup, stopped)
    else:
        begin_with(run, number, title, experiment, setup, stopped)
    status = fold.status()
    main = status.main_metric or ""
    if main in (held_out := fold.metrics()["validation"]):
        setup.display.aside(f"fold {number}: {label(main).lower()} {held_out[main]:.4g} on the rows held out")


def go_on_with(fold: RunFolder, title: str, setup: Setup, stopped: Callable[[], bool]) -> None:
    """Goes on with a fold that was interrupted."""
    experiment, document = read_resolved(fold.resolved_path)
    go_on(
        fold, experiment, document, setup.display, force=setup.force, assembled=(setup.device, setup.team),
        title=title, stopped=stopped,
    )  # fmt: skip


def begin_with(
    run: RunFolder, number: int, title: str, experiment: Experiment, setup: Setup, stopped: Callable[[], bool]
) -> None:
    """Trains a fold from its beginning."""
    own, dataset = load_data(experiment.of_fold(number), setup.document, run.path)
    check_data(run, dataset)
    model = build_model(own, setup.document, dataset.preparation.signature, setup.team)
    vectors = begin_with_vectors(model, dataset.preparation, own.seed)
    fold = run.make_fold(number)
    with fold.locked():
        begin(
            fold, own, dataset, model, setup.display, described=describe_data(dataset), device=setup.device,
            team=setup.team, given=replace(setup.given, log=None, title=title), vectors=vectors, stopped=stopped,
        )  # fmt: skip


def forget_last() -> None:
    """Frees what Keras holds of the last fold; names of layers begin again, as they do in a process of its own."""
    import keras

    policy = keras.config.dtype_policy()
    keras.utils.clear_session()
    keras.config.set_dtype_policy(policy)


def conclude(run: RunFolder, *, plots: bool) -> None:
    """Writes what all folds come to: metrics, predictions, confusion matrix, plots."""
    from dlrun.evaluation.folds import across_folds, confusion_of, ensemble_of, out_of_fold
    from dlrun.evaluation.predictions import of_target

    folds = run.folds()
    outputs = Preparation.parse(folds[0].preparation()).signature.outputs
    frames = [fold.predictions() for fold in folds]
    metrics = across_folds([fold.metrics() for fold in folds])
    thresholds = [fold.threshold() for fold in folds]
    if any(each is not None for each in thresholds):
        metrics["thresholds"] = thresholds
    if together := ensemble_of(frames, outputs, thresholds):
        metrics["ensemble"] = together
    frame = out_of_fold(frames)
    run.write_metrics(metrics)
    run.write_predictions([frame])
    classes = [output for output in outputs if output.is_classification]
    if len(outputs) > 1:
        run.write_confusion_matrices({each.name: confusion_of(of_target(frame, each.name)) for each in classes})
    elif classes:
        run.write_confusion_matrix(**confusion_of(frame))
    if plots:
        from dlrun.evaluation.plots.folds import redraw_folds

        redraw_folds(run)


def trainings(experiment: Experiment) -> int:
    """How many folds there are in all."""
    split = experiment.data.split
    return split.trainings if isinstance(split, KFoldSplit) else 1


def summary(dataset: Dataset) -> dict[str, Any]:
    """What data.json keeps of all folds: what is the same for each."""
    import numpy as np

    kept = ("source", "rows", "columns", "target", "unused")
    whole = dataset.summary()
    rows = np.arange(len(dataset.table), dtype=np.int64)
    return {**{name: whole[name] for name in kept}, "sha256": content_hash(dataset.table, rows)}


def check_data(run: RunFolder, dataset: Dataset) -> None:
    """Raises RunError where the data is no longer what the first fold was trained on."""
    if summary(dataset)["sha256"] != run.data().get("sha256"):
        raise RunError(
            f"the data is no longer what {run.name} was begun with", hint="put the old data back, or train anew"
        )


def check_spec(run: RunFolder, experiment: Experiment) -> None:
    """Raises RunError where somebody has edited the spec of the run since its first fold was begun."""
    if not run.fold(1).resolved_path.exists():
        return
    then, _ = read_resolved(run.fold(1).resolved_path)
    fields = [resolved_fields(resolved_text(tree)) for tree in (then.of_fold(None).tree(), experiment.tree())]
    if told := list(differences(*fields, but=("runtime.compile",))):
        raise RunError(
            f"{run.resolved_path} has changed since it was trained: {'; '.join(told)}",
            hint="put it back; to train another spec: dlrun train",
        )


def refuse_workers(experiment: Experiment) -> None:
    """Raises UsageError where several processes are to train the folds together."""
    if experiment.runtime.cluster(os.environ) is not None:
        raise several_workers()


def several_workers() -> UsageError:
    """That several processes cannot train the folds together."""
    return UsageError(
        "the folds of a k-fold split are trained one after the other in one process",
        hint="leave --workers and --cluster out; or train one fold: --set data.split.fold=1",
    )


def interrupted(run: RunFolder, number: int, count: int) -> Interrupted:
    """What is told of a run that was stopped."""
    return Interrupted(
        f"stopped at fold {number} of {count}; what there is until then is in {run.path}",
        hint=f"to go on from there: dlrun resume {run.path}",
    )
