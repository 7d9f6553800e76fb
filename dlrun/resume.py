"""`dlrun resume`: a training goes on from its last checkpoint, to the same bits as if it had never stopped."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.errors import RunError, UsageError
from dlrun.evaluate import check_unchanged
from dlrun.experiment import Experiment
from dlrun.learning import assemble, facts, follow, judge_run, learn, surroundings
from dlrun.pretraining import begin_with_vectors
from dlrun.reading import build_model, load_data, read_resolved
from dlrun.recording import recorded
from dlrun.run.files import plain
from dlrun.run.folder import RunFolder
from dlrun.run.resolved import resolved_fields, resolved_text
from dlrun.training.fit import is_over

if TYPE_CHECKING:
    from dlrun.console import TrainingDisplay
    from dlrun.run.checkpoints import Checkpoint
    from dlrun.spec.document import Document
    from dlrun.training.device import Device
    from dlrun.training.team import Team

PACKAGES = ("dlrun", "tensorflow", "keras", "numpy", "scikit-learn", "polars")
"""Whose versions can change the numbers of a run."""

SURROUNDINGS = ("device", "threads", "op_determinism", "runtime", "variables")
"""What else of environment.json can."""


def resume(path: Path, *, display: TrainingDisplay, epochs: int | None = None, force: bool = False) -> RunFolder | None:
    """Goes on with a run that was interrupted or killed, or trains a finished one for more epochs.

    Args:
        path: the run's folder.
        display: shows how it goes.
        epochs: how many there are to be in all, instead of what the spec says.
        force: go on though versions or surroundings are others than those it was begun with.

    Returns:
        The run; None where this process is not the chief of several workers.

    Raises:
        RunError: it is finished, another process trains it, or data, spec or versions have changed; says what differs.
        Interrupted, TrainingError: as `train`.
    """
    run = RunFolder.open(path)
    experiment, document = read_resolved(run.resolved_path)
    if experiment.is_folded:
        from dlrun.folds import resume_folds

        return resume_folds(run, experiment, document, display=display, epochs=epochs, force=force)
    return go_on(run, experiment, document, display, epochs=epochs, force=force)


def go_on(
    run: RunFolder,
    experiment: Experiment,
    document: Document,
    display: TrainingDisplay,
    *,
    epochs: int | None = None,
    force: bool = False,
    assembled: tuple[Device, Team] | None = None,
    title: str = "",
    stopped: Callable[[], bool] | None = None,
) -> RunFolder | None:
    """Goes on with a single training, as `resume`.

    Args:
        experiment, document: its resolved spec.
        assembled: with what it is trained, where that is set up already.
        title: what to call the training on the screen; empty: as the run.
        stopped: as `learn` takes it.
    """
    path, cluster = run.path, experiment.runtime.cluster(os.environ)
    with run.locked() if cluster is None or cluster.is_chief else nullcontext():
        checkpoint, warnings = last_checkpoint(run, force=force)
        check_spec(run, experiment, checkpoint)
        experiment = extended(run, experiment, checkpoint, epochs)
        experiment, dataset = load_data(experiment, document, path)
        check_unchanged(run, dataset.summary())
        device, team = assembled or assemble(experiment, dataset, cluster, display)
        model = build_model(experiment, document, dataset.preparation.signature, team)
        if checkpoint is None:
            begin_with_vectors(model, dataset.preparation, experiment.seed)
        if not team.is_chief:
            follow(experiment, dataset, model, team)
            return None
        changes = changed_surroundings(run, device, team, force=force)
        with team.dismissed():
            run.resume(experiment.training.epochs)
            with recorded(run):
                run.write_resolved(experiment.tree())
                with display.logging_to(run.log_path):
                    display.announce(title or run.name, *facts(dataset, model, device, team))
                    for warning in warnings:
                        display.on_event(warning)
                        run.note("damaged", warning)
                    where = place(checkpoint, experiment.training.epochs)
                    display.on_event(where)
                    run.note("resumed", where, changed=changes)
                    learn(experiment, dataset, model, run, display, team=team, checkpoint=checkpoint, stopped=stopped)
                    judge_run(experiment, model, dataset, run)
    return run


def changed_surroundings(run: RunFolder, device: Device, team: Team, *, force: bool) -> list[str]:
    """What of the surroundings is not as it was when the run was begun, in words.

    Raises:
        RunError: something is not; not with `force`.
    """
    changes = list(differences(*map(surrounding_fields, (run.environment(), surroundings(device, team)))))
    if changes and not force:
        then = run.environment().get("runtime", {}).get("workers", 1)
        others = f"train on as many workers (on this machine: --workers {then}); " if then != team.workers else ""
        raise RunError(
            f"{run.path} was begun in other surroundings, and may end with other numbers: {'; '.join(changes)}",
            hint=f"{others}--force goes on all the same",
        )
    return changes


def last_checkpoint(run: RunFolder, *, force: bool) -> tuple[Checkpoint | None, list[str]]:
    """The last checkpoint that is as it was written, and a warning for each that is not.

    Raises:
        RunError: epochs were trained, and nothing is left to go on from; not with `force`.
    """
    run.checkpoints.clear_unfinished()
    checkpoint = run.checkpoints.load()
    damaged = [f"{each.name} is missing or damaged" for each in run.checkpoints.damaged]
    epochs = run.status().epoch
    if checkpoint is None and (damaged or epochs) and not force:
        why = "; ".join(damaged) or "its checkpoints are gone"
        raise RunError(
            f"{run.path} has nothing to go on from: {why}",
            hint="put the checkpoints back; or --force begins again, and trains what was trained before a second time",
        )
    instead = "the checkpoint before is used" if checkpoint else "the training begins again"
    return checkpoint, [f"{each}: {instead}" for each in damaged]


def place(checkpoint: Checkpoint | None, epochs: int) -> str:
    """Where it goes on, in words.

    Args:
        epochs: to how many.
    """
    if checkpoint is None:
        return f"begins with the first of {epochs} epochs"
    progress = checkpoint.state["progress"]
    epoch, step = progress["epoch"], progress["step"]
    if epoch > epochs:
        return f"all of its {epochs} epochs are trained: goes on with the evaluation"
    where = f"after {step:,} steps of epoch {epoch}" if step else f"at the beginning of epoch {epoch}"
    before = checkpoint.state["experiment"]["training"]["epochs"]
    return f"goes on {where} of {epochs}" + (f" (before: of {before})" if before != epochs else "")


def check_spec(run: RunFolder, experiment: Experiment, checkpoint: Checkpoint | None) -> None:
    """That nobody has edited the spec since.

    Raises:
        RunError: with what differs.
    """
    epochs, begun = experiment.training.epochs, run.status().epochs
    if epochs != begun:
        raise RunError(
            f"training.epochs in {run.resolved_path} is {epochs}, and the run was to have {begun}",
            hint="put it back, and say how many with --epochs",
        )
    if checkpoint is None:
        return
    hint = "put it back; to train another spec: dlrun train"
    then, now = (resolved_fields(resolved_text(tree)) for tree in (checkpoint.state["experiment"], experiment.tree()))
    told = list(differences(then, now, but=("training.epochs",)))
    if told:
        raise RunError(f"{run.resolved_path} has changed since it was trained: {'; '.join(told)}", hint=hint)
    if hashlib.sha256(run.spec()).hexdigest() != checkpoint.state["spec_sha256"]:
        raise RunError(f"spec.yaml in {run.path} has changed since it was trained", hint=hint)


def differences(then: Mapping[str, Any], now: Mapping[str, Any], *, but: Sequence[str] = ()) -> Iterator[str]:
    """What is no longer as it was, in words."""
    for name in {**then, **now}:
        before, after = then.get(name), now.get(name)
        if before != after and name not in but:
            yield f"{name} was {_told(before)} and is {_told(after)}"


def _told(value: object) -> str:
    return "not set" if value is None else str(value)


def surrounding_fields(environment: Mapping[str, Any]) -> dict[str, Any]:
    """What of environment.json can change the numbers of a run, by name."""
    fields = {name: environment.get("packages", {}).get(name) for name in PACKAGES}
    for name in SURROUNDINGS:
        value = environment.get(name)
        fields |= dict(plain(value)) if isinstance(value, Mapping) else {name: value}
    return fields


def extended(run: RunFolder, experiment: Experiment, checkpoint: Checkpoint | None, epochs: int | None) -> Experiment:
    """The experiment with its number of epochs, of which some must be left if the run is finished.

    Raises:
        RunError: nothing is left to train.
        UsageError: so many epochs are done already.
    """
    rows = checkpoint.state["progress"]["rows"] if checkpoint else []
    if epochs is not None and epochs <= len(rows):
        raise UsageError(
            f"--epochs {epochs}: {len(rows)} are done already", hint="it is how many there are to be in all"
        )
    settings = experiment.training.model_copy(update={"epochs": epochs} if epochs else {})
    if run.status().state == "finished":
        if checkpoint is None:
            raise RunError(f"{run.path} is finished, and has no checkpoint from which it could go on")
        if epochs is None:
            hint = f"to train on: dlrun resume {run.path} --epochs {2 * len(rows)}"
            raise RunError(f"{run.path} is finished, after {len(rows)} epochs", hint=hint)
        if is_over(settings, settings.monitored(rows[-1]), len(rows) + 1, rows):
            raise RunError(
                f"{run.path} was ended by early stopping after epoch {len(rows)}: more epochs change nothing",
                hint="to train longer, take training.early_stopping out of the spec, and train it anew",
            )
    return experiment.model_copy(update={"training": settings})
