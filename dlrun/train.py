"""`dlrun train`: from a spec to a run folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dlrun.folds import train_folds
from dlrun.learning import Given, assemble, begin, describe_data, follow
from dlrun.pretraining import begin_with_vectors
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
    experiment, document = read_experiment(spec, overrides)
    given = Given(spec.read_bytes(), overrides, log)
    if experiment.is_folded:
        return train_folds(experiment, document, spec, out=out, display=display, given=given)
    cluster = experiment.runtime.cluster(os.environ)
    experiment, dataset = load_data(experiment, document, spec)
    described = describe_data(dataset)
    device, team = assemble(experiment, dataset, cluster, display)
    model = build_model(experiment, document, dataset.preparation.signature, team)
    vectors = begin_with_vectors(model, dataset.preparation, experiment.seed)
    if not team.is_chief:
        follow(experiment, dataset, model, team)
        return None

    run = RunFolder.create(out, experiment.name or spec.stem, datetime.now())
    with team.dismissed(), run.locked():
        begin(
            run, experiment, dataset, model, display, described=described, device=device, team=team, given=given,
            vectors=vectors,
        )  # fmt: skip
    return run
