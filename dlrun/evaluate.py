"""`dlrun eval`: the metrics of a run, on its own splits or on new data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dlrun.data.signature import Task
from dlrun.errors import RunError
from dlrun.evaluation.names import main_metric
from dlrun.experiment import Experiment
from dlrun.reading import load_data, read_resolved
from dlrun.run.folder import RunFolder

if TYPE_CHECKING:
    import numpy as np

    from dlrun.data.columns import Table
    from dlrun.data.examples import Examples
    from dlrun.data.preparation import Preparation
    from dlrun.evaluation.assess import Judge
    from dlrun.evaluation.predictions import Predictions

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Result:
    """What an evaluation found.

    Args:
        run: the run.
        split: train, validation, test, or the name of the file with the new data.
        examples: how many were evaluated.
        task: what is predicted; of several targets that of the main one.
        main_metric: the metric that the run is judged by.
        metrics: as in metrics.json.
        baseline: the metrics of trivial models by name; empty for new data.
        notes: what one should know, such as categories of new data that training has not seen.
        deviation: of several folds, the standard deviation of each metric, of which `metrics` has the mean.
    """

    run: RunFolder
    split: str
    examples: int
    task: Task
    main_metric: str
    metrics: dict[str, Any]
    baseline: dict[str, dict[str, Any]]
    notes: tuple[str, ...] = ()
    deviation: dict[str, float] = field(default_factory=dict)

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
            **({"deviation": self.deviation} if self.deviation else {}),
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
    experiment, _ = read_resolved(run.resolved_path)
    if data is not None:
        return evaluate_file(run, experiment, data)
    if experiment.is_folded:
        return evaluate_folds(run, split)
    return evaluate_split(run, split)


def evaluate_split(run: RunFolder, split: Split | None, whole: RunFolder | None = None) -> Result:
    """Measures a single training on one of its splits.

    Args:
        whole: the run that it is a fold of, and that was asked for.
    """
    experiment, document = read_resolved(run.resolved_path)
    experiment, dataset = load_data(experiment, document, run.path)
    check_unchanged(run, dataset.summary(), whole or run)
    name = split or list(dataset.splits)[-1]
    if name not in dataset.splits:
        raise RunError(f"{(whole or run).path} has no {name} split", hint=f"it has {', '.join(dataset.splits)}")
    examples = dataset.splits[name]
    model = trained_model(run, experiment, dataset.preparation)
    measured = replace(experiment.judge(model, dataset.preparation), threshold=run.threshold())
    said = measured.predict(name, examples)
    baseline = measured.baselines(said, examples, dataset.train)
    return Result(
        run,
        name,
        len(examples),
        said.task,
        main_metric(dataset.preparation.signature.outputs),
        measured.measure(said),
        {each: measured.measure(trivial) for each, trivial in baseline.items()},
        measured.notes,
    )


def evaluate_folds(run: RunFolder, split: Split | None) -> Result:
    """Measures all folds of a run, each on its own part of that name: mean and standard deviation of what comes out.

    Raises:
        RunError: not all folds are trained.
    """
    from dlrun.evaluation.folds import across_folds

    name: Split = split or ("test" if run.fold(1).data()["splits"]["test"]["rows"] else "validation")
    results = [evaluate_split(fold, name, run) for fold in trained_folds(run)]
    tree = across_folds([{name: result.metrics, "baseline": result.baseline} for result in results])
    return replace(
        results[0],
        run=run,
        examples=sum(result.examples for result in results) if name == "validation" else results[0].examples,
        metrics=tree[name],
        baseline=tree["baseline"],
        deviation=tree["deviation"][name],
    )


def evaluate_file(run: RunFolder, experiment: Experiment, data: Path) -> Result:
    """Measures a run on a file in its source's form; of several folds the mean of what they say."""
    from dlrun.data.image_files import with_form
    from dlrun.data.new_data import load_file

    table = load_file(experiment.data.source, data)
    judges = trained_judges(run)
    measured, preparation = judges[0], judges[0].preparation
    table = with_form(preparation, table, table.folder or data.parent, experiment.data.features or {})
    said = replace(say(judges, table, None), split=data.name)
    notes = tuple(
        f"{count:,} of {len(table):,} values of {column} are unknown to the model, such as {', '.join(values)}"
        for column, (count, values) in preparation.unknown(table).items()
    )
    main = main_metric(preparation.signature.outputs)
    return Result(run, str(data), len(said), said.task, main, measured.measure(said), {}, notes + measured.notes)


def trained_judges(run: RunFolder) -> list[Judge]:
    """What a run says of data: the one trained model, or that of each fold.

    Raises:
        RunError: it is not trained yet, or not all of its folds.
    """
    from dlrun.data.preparation import Preparation

    judges = []
    for each in trained_folds(run) or [run]:
        experiment, _ = read_resolved(each.resolved_path)
        preparation = Preparation.parse(each.preparation())
        judge = experiment.judge(trained_model(each, experiment, preparation), preparation)
        judges.append(replace(judge, threshold=each.threshold()))
    return judges


def trained_folds(run: RunFolder) -> list[RunFolder]:
    """The folds of a run; none where it is a single training.

    Raises:
        RunError: not all of them are trained.
    """
    status, folds = run.status(), run.folds()
    if status.folds is not None and status.folds_done < status.folds:
        raise RunError(
            f"of {run.path} {status.folds_done} of {status.folds} folds are trained",
            hint=f"to train the others: dlrun resume {run.path}"
            + (f"; or name one that is: {folds[0].path}" if status.folds_done else ""),
        )
    return folds


def say(judges: Sequence[Judge], table: Table, rows: np.ndarray | None, *, target: bool = True) -> Predictions:
    """What trained models say of rows of a table: of several the mean.

    Args:
        rows: which; None: all.
        target: whether the table has the target too.
    """
    from dlrun.evaluation.assess import reconstructed
    from dlrun.evaluation.folds import ensemble

    def examples(preparation: Preparation) -> Examples:
        encode = preparation.encode if preparation.series is None else preparation.windows
        return encode(table, rows, target=target, new=True)

    encoded = [examples(judge.preparation) for judge in judges]
    if judges[0].reconstructs:
        return reconstructed(judges, table.name, encoded)
    return ensemble([judge.predict(table.name, each) for judge, each in zip(judges, encoded, strict=True)])


def trained_model(run: RunFolder, experiment: Experiment, preparation: Any) -> Any:
    """The model of a run: built again from its resolved spec, with the saved weights.

    Raises:
        RunError: there are no weights yet, or they do not fit.
    """
    from dlrun.training.model import restore_weights

    weights = run.load_weights()
    # Not before the data is read, which has the memory to itself then. The run may come from another machine.
    experiment.runtime.model_copy(update={"device": "auto"}).prepare()
    model = experiment.build(preparation.signature)
    restore_weights(model, weights)
    return model


def check_unchanged(run: RunFolder, summary: dict[str, Any], asked: RunFolder | None = None) -> None:
    """Raises RunError where the data is no longer what the run was trained on, or gives other tokens.

    Args:
        asked: the run that the user named; None: the same.
    """
    asked = asked or run
    before = run.data()["splits"]
    for name, part in summary["splits"].items():
        if part != before.get(name):
            raise RunError(
                f"the {name} data is no longer what {asked.title} was trained on",
                hint=f"put the old data back, or measure the new with `dlrun eval {asked.path} --data FILE`",
            )
    learned = run.preparation()["features"]
    for name, feature in summary["preparation"]["features"].items():
        if feature.get("vocabulary") != learned[name].get("vocabulary"):
            raise RunError(
                f"the tokens of {name} are no longer those that {asked.title} was trained on",
                hint="put the package tokenizers back that environment.json names",
            )
