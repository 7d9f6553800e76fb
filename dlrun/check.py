"""`dlrun check`: every mistake in a spec at once; with `deep`, also those that only data and model can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.batches import arrays_of, augmentation_of
from dlrun.data.signature import Signature
from dlrun.data.splits import GroupSplit
from dlrun.experiment import Experiment
from dlrun.reading import build_model, load_data, read_experiment

if TYPE_CHECKING:
    from dlrun.data.dataset import Dataset
    from dlrun.profile.finding import Finding
    from dlrun.profile.table import Profile

STEPS = 2
"""How many steps a deep check trains."""


@dataclass(frozen=True)
class Checked:
    """A spec without mistakes, and, after a deep check, what was found in its data.

    Args:
        experiment: as the file says; resolved after a deep check.
        signature: of inputs and output; None where the data must be read first.
        rows: of each split, after a deep check.
        parameters: weights of the model, after a deep check.
        loss: after each of the trained steps, after a deep check.
        unused: columns of the source that play no part, after a deep check.
        profile: of the data, after a deep check.
        roles: how columns are used: the kind of a feature, target, time, series_by, group; after a deep check.
        findings: what is odd in the data, after a deep check.
    """

    experiment: Experiment
    signature: Signature | None
    rows: dict[str, int]
    parameters: int | None = None
    loss: tuple[float, ...] = ()
    unused: tuple[str, ...] = ()
    profile: Profile | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing was found in the data that is an error."""
        return all(finding.severity != "error" for finding in self.findings)

    def tree(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "valid": self.sound,
            "experiment": self.experiment.tree(),
            "rows": self.rows,
            "parameters": self.parameters,
            "loss": list(self.loss),
            "unused": list(self.unused),
            "profile": self.profile and self.profile.tree(),
            "findings": [finding.tree() for finding in self.findings],
        }


def check(spec: Path, *, overrides: Sequence[str] = (), deep: bool = False) -> Checked:
    """Checks a spec file.

    Args:
        spec: the YAML file.
        overrides: `a.b=value`, as after `--set`.
        deep: also reads the data, builds the model and trains two steps.

    Raises:
        SpecError: with every mistake at once.
        DataError: the data cannot be read, in a deep check.
    """
    experiment, document = read_experiment(spec, overrides)
    if not deep:
        return Checked(experiment, experiment.preview(spec.parent), {})
    from dlrun.profile.look import look
    from dlrun.profile.table import profile_dataset

    experiment, dataset = load_data(experiment, document, spec)
    profile = profile_dataset(dataset)
    weighted = experiment.training.oversample or getattr(experiment.loss, "class_weights", None)
    findings = look(dataset, profile, weighted=weighted is not None, watched=experiment.training.watches_validation)
    experiment.runtime.prepare()
    signature = dataset.preparation.signature
    model = build_model(experiment, document, signature)
    rows = {name: len(examples) for name, examples in dataset.splits.items()}
    losses = tuple(first_losses(experiment, dataset, model))
    return Checked(
        experiment,
        signature,
        rows,
        model.count_params(),
        losses,
        dataset.unused,
        profile,
        roles_of(dataset),
        tuple(findings),
    )


def roles_of(dataset: Dataset) -> dict[str, str]:
    """How the columns of a data set are used."""
    data = dataset.resolved
    roles: dict[str, str] = {name: feature.kind for name, feature in (data.features or {}).items()}
    if dataset.preparation.time is not None:
        roles.setdefault(dataset.preparation.time, "time")
    if data.series_by is not None:
        roles.setdefault(data.series_by, "series_by")
    if isinstance(data.split, GroupSplit):
        roles.setdefault(data.split.by, "group")
    return roles | {each.column: "target" for each in data.targets}


def first_losses(experiment: Experiment, dataset: Dataset, model: Any) -> list[float]:
    """Trains two steps on the first examples, and gives the mean loss after each.

    Raises:
        NotFiniteError: when it is not finite.
    """
    from dlrun.training.loop import Loop
    from dlrun.training.progress import Progress
    from dlrun.training.supply import InMemory

    settings = experiment.training
    train = dataset.train
    few = InMemory(
        arrays_of(experiment, train.first(settings.examples_per_step * STEPS), dataset.preparation, weigh=True),
        experiment.seed,
        shuffle=settings.shuffle,
    )
    augmentation = augmentation_of(experiment, dataset.preparation)
    loop = Loop(
        experiment.learner(model, dataset.preparation, len(train)),
        few,
        None,
        settings,
        xla=False,
        augmentation=augmentation,
    )
    progress = Progress(settings.batch_size)
    losses = []
    while progress.step < loop.steps_per_epoch:
        loop.advance(progress)
        losses.append(loop.means(progress)["loss"])
    return losses
