"""`dlrun check`: every mistake in a spec at once; with `deep`, also those that only data and model can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.data.signature import Signature
from dlrun.experiment import Experiment
from dlrun.reading import build_model, load_data, read_experiment

if TYPE_CHECKING:
    from dlrun.data.dataset import Dataset

STEPS = 2
"""How many steps a deep check trains."""


@dataclass(frozen=True)
class Checked:
    """A spec without mistakes.

    Args:
        experiment: as the file says; resolved after a deep check.
        signature: of inputs and output; None where the data must be read first.
        rows: of each split, after a deep check.
        parameters: weights of the model, after a deep check.
        loss: after each of the trained steps, after a deep check.
        unused: columns of the source that play no part, after a deep check.
    """

    experiment: Experiment
    signature: Signature | None
    rows: dict[str, int]
    parameters: int | None = None
    loss: tuple[float, ...] = ()
    unused: tuple[str, ...] = ()

    def tree(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "valid": True,
            "experiment": self.experiment.tree(),
            "rows": self.rows,
            "parameters": self.parameters,
            "loss": list(self.loss),
            "unused": list(self.unused),
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
    experiment, dataset = load_data(experiment, document, spec)
    experiment.runtime.prepare()
    signature = dataset.preparation.signature
    model = build_model(experiment, document, signature)
    rows = {name: len(examples) for name, examples in dataset.splits.items()}
    losses = tuple(first_losses(experiment, dataset, model))
    return Checked(experiment, signature, rows, model.count_params(), losses, dataset.unused)


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
        experiment.arrays(train.first(settings.examples_per_step * STEPS), dataset.preparation, weigh=True),
        experiment.seed,
        shuffle=settings.shuffle,
    )
    loop = Loop(experiment.learner(model, dataset.preparation, len(train)), few, None, settings, xla=False)
    progress = Progress(settings.batch_size)
    losses = []
    while progress.step < loop.steps_per_epoch:
        loop.advance(progress)
        losses.append(loop.means(progress)["loss"])
    return losses
