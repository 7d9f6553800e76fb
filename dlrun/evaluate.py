"""`dlrun eval`: the metrics of a run, on its own splits or on new data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dlrun.data.signature import Task
from dlrun.errors import RunError
from dlrun.evaluation.names import MAIN_METRIC
from dlrun.experiment import Experiment
from dlrun.reading import load_data, read_resolved
from dlrun.run.folder import RunFolder

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Result:
    """What an evaluation found.

    Args:
        run: the run.
        split: train, validation, test, or the name of the file with the new data.
        examples: how many were evaluated.
        task: what is predicted.
        metrics: as in metrics.json.
        baseline: the metrics of trivial models by name; empty for new data.
        notes: what one should know, such as categories of new data that training has not seen.
    """

    run: RunFolder
    split: str
    examples: int
    task: Task
    metrics: dict[str, Any]
    baseline: dict[str, dict[str, Any]]
    notes: tuple[str, ...] = ()

    @property
    def main_metric(self) -> str:
        """The metric that the run is judged by."""
        return MAIN_METRIC[self.task]

    def tree(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "run": str(self.run.path),
            "split": self.split,
            "examples": self.examples,
            "task": self.task,
            "metrics": self.metrics,
            "baseline": self.baseline,
            "notes": list(self.notes),
        }


def evaluate(path: Path, *, split: Split | None = None, data: Path | None = None) -> Result:
    """Measures a run again, to the digit what training wrote on the same machine, or on new data.

    Args:
        path: the run's folder.
        split: which of its splits; None: the test split, or the last that has examples.
        data: a file in the source's form, instead of a split.

    Raises:
        RunError: the run is broken or not trained yet, or its data has changed since.
        DataError: the new data does not fit; all that is wrong with it is told at once.
    """
    run = RunFolder.open(path)
    experiment, document = read_resolved(run.resolved_path)
    experiment.runtime.model_copy(update={"device": "auto"}).prepare()  # the run may come from another machine
    if data is not None:
        return evaluate_file(run, experiment, data)
    experiment, dataset = load_data(experiment, document, path)
    check_unchanged(run, dataset.summary())
    name = split or list(dataset.splits)[-1]
    if name not in dataset.splits:
        raise RunError(f"{run.path} has no {name} split", hint=f"it has {', '.join(dataset.splits)}")
    examples = dataset.splits[name]
    measured = experiment.judge(trained_model(run, experiment, dataset.preparation), dataset.preparation)
    said = measured.predict(name, examples)
    baseline = measured.baselines(said, examples, dataset.train)
    return Result(
        run,
        name,
        len(examples),
        said.task,
        measured.measure(said),
        {each: measured.measure(trivial) for each, trivial in baseline.items()},
        measured.notes,
    )


def evaluate_file(run: RunFolder, experiment: Experiment, data: Path) -> Result:
    """Measures a run on a file in its source's form."""
    from dlrun.data.new_data import load_file
    from dlrun.data.preparation import Preparation

    preparation = Preparation.parse(run.preparation())
    table = load_file(experiment.data.source, data)
    examples = preparation.encode(table)
    measured = experiment.judge(trained_model(run, experiment, preparation), preparation)
    said = measured.predict(data.name, examples)
    notes = tuple(
        f"{count:,} of {len(table):,} values of {column} are unknown to the model, such as {', '.join(values)}"
        for column, (count, values) in preparation.unknown(table).items()
    )
    return Result(run, str(data), len(examples), said.task, measured.measure(said), {}, notes + measured.notes)


def trained_model(run: RunFolder, experiment: Experiment, preparation: Any) -> Any:
    """The model of a run: built again from its resolved spec, with the saved weights.

    Raises:
        RunError: there are no weights yet, or they do not fit.
    """
    from dlrun.training.model import restore_weights

    model = experiment.build(preparation.signature)
    restore_weights(model, run.load_weights())
    return model


def check_unchanged(run: RunFolder, summary: dict[str, Any]) -> None:
    """Raises RunError where the data is no longer what the run was trained on, or gives other tokens."""
    before = run.data()["splits"]
    for name, part in summary["splits"].items():
        if part != before.get(name):
            raise RunError(
                f"the {name} data is no longer what {run.name} was trained on",
                hint=f"put the old data back, or measure the new with `dlrun eval {run.path} --data FILE`",
            )
    learned = run.preparation()["features"]
    for name, feature in summary["preparation"]["features"].items():
        if feature.get("vocabulary") != learned[name].get("vocabulary"):
            raise RunError(
                f"the tokens of {name} are no longer those that {run.name} was trained on",
                hint="put the package tokenizers back that environment.json names",
            )
