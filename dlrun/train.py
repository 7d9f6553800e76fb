"""`dlrun train`: from a spec to a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dlrun.evaluation.names import MAIN_METRIC
from dlrun.learning import facts, judge_run, learn, recorded, surroundings
from dlrun.reading import build_model, load_data, read_experiment
from dlrun.run.folder import RunFolder

if TYPE_CHECKING:
    from dlrun.console import TrainingDisplay


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
    experiment = experiment.compiled(device, model, len(dataset.train))

    run = RunFolder.create(out, experiment.name or spec.stem, datetime.now())
    with run.locked():
        run.start(experiment.training.epochs, MAIN_METRIC[dataset.preparation.signature.output.task])
        with recorded(run):
            run.write_log(log.read_bytes() if log else b"")
            run.write_spec(spec.read_bytes(), overrides)
            run.write_resolved(experiment.tree())
            run.write_data(dataset.summary())
            run.write_preparation(dataset.preparation.tree())
            run.write_environment(surroundings(device))
            with display.logging_to(run.log_path):
                display.announce(run.name, *facts(dataset, model, device))
                learn(experiment, dataset, model, run, display)
                judge_run(experiment.judge(model, dataset.preparation), dataset, run, plots=experiment.evaluation.plots)
    return run
