"""`dlrun train`: from a spec to a run folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dlrun.data.splits import KFoldSplit
from dlrun.errors import UsageError
from dlrun.evaluation.names import MAIN_METRIC
from dlrun.learning import assemble, facts, follow, judge_run, learn, recorded, surroundings
from dlrun.reading import build_model, load_data, read_experiment
from dlrun.run.folder import RunFolder

if TYPE_CHECKING:
    from dlrun.console import TrainingDisplay


def train(
    spec: Path, *, out: Path, display: TrainingDisplay, overrides: Sequence[str] = (), log: Path | None = None
) -> RunFolder | None:
    """Trains what a spec describes, and judges it.

    Of several workers, the chief writes the run's folder and shows how it goes; the others follow it.

    Args:
        spec: the YAML file.
        out: the folder in which the run's folder is made.
        display: shows how it goes.
        overrides: `a.b=value`, as after `--set`.
        log: what TensorFlow has written until the run's own log begins; it is put in front.

    Returns:
        The run; None where this process is not the chief.

    Raises:
        SpecError: the spec is wrong, or does not fit its data. No run folder is made.
        DataError: the data cannot be read. No run folder is made.
        DeviceError: there is no such device. No run folder is made.
        ClusterError: other workers have not come, or one is gone.
        Interrupted: the user pressed Ctrl-C; the run holds what there was until then.
        TrainingError: training could not go on; the run is marked failed.
    """
    from dlrun.profile.table import profile_dataset

    experiment, document = read_experiment(spec, overrides)
    if isinstance(experiment.data.split, KFoldSplit) and experiment.data.split.fold is None:
        raise UsageError(
            "all folds in one run are not trained yet", hint="train them one by one: --set data.split.fold=1"
        )
    cluster = experiment.runtime.cluster(os.environ)
    experiment, dataset = load_data(experiment, document, spec)
    device, team = assemble(experiment, dataset, cluster, display)
    model = build_model(experiment, document, dataset.preparation.signature, team)
    if not team.is_chief:
        follow(experiment, dataset, model, team)
        return None

    run = RunFolder.create(out, experiment.name or spec.stem, datetime.now())
    with team.dismissed(), run.locked():
        run.start(experiment.training.epochs, MAIN_METRIC[dataset.preparation.signature.output.task])
        with recorded(run):
            run.write_log(log.read_bytes() if log else b"")
            run.write_spec(spec.read_bytes(), overrides)
            run.write_resolved(experiment.tree())
            run.write_data({**dataset.summary(), "profile": profile_dataset(dataset).tree()})
            run.write_preparation(dataset.preparation.tree())
            run.write_environment(surroundings(device, team))
            with display.logging_to(run.log_path):
                display.announce(run.name, *facts(dataset, model, device, team))
                for note in dataset.table.notes:
                    display.on_event(note)
                    run.note("data", note)
                learn(experiment, dataset, model, run, display, team=team)
                judge_run(experiment.judge(model, dataset.preparation), dataset, run, plots=experiment.evaluation.plots)
    return run
