"""The whole spec, and what is built of it."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from dlrun.data.dataset import Dataset
from dlrun.data.encoders import build_combined, with_encoders
from dlrun.data.preparation import Preparation
from dlrun.data.section import Data
from dlrun.data.signature import Signature
from dlrun.data.sources.folder_source import walked_once
from dlrun.data.splits import KFoldSplit
from dlrun.data.target import Targets
from dlrun.evaluation.settings import Evaluation
from dlrun.experiment_checks import check_alone, check_names, check_signature
from dlrun.models import Architecture
from dlrun.models.autoencoder import Autoencoder
from dlrun.models.blocks import Units
from dlrun.models.combined import Combined
from dlrun.models.pretrained import sized
from dlrun.models.regularization import Regularization
from dlrun.seeds import keras_seeds
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem
from dlrun.training.device import Runtime
from dlrun.training.followed import Followed, followed_metric
from dlrun.training.losses import Loss, default_loss, output_units
from dlrun.training.optimizers import Adam, Optimizer
from dlrun.training.settings import Training
from dlrun.training.team import Team

if TYPE_CHECKING:
    from dlrun.evaluation.assess import Judge
    from dlrun.training.choice import Choice
    from dlrun.training.step import Learner

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$"
"""What a run may be called: what a folder can be called on every system."""


def fitting_name(stem: str) -> str:
    """A name for a run as near to that of a file as is allowed."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", stem)[:80].lstrip("._-") or "run"


def _check_name(name: str) -> str:
    if re.match(NAME, name):
        return name
    allowed = "letters, digits, dots, dashes and underscores, at most 80, the first a letter or a digit"
    raise ValueError(f"a run is called by {allowed}: for example `{fitting_name(name)}`")


Name = Annotated[str, AfterValidator(_check_name), Field(json_schema_extra={"pattern": NAME})]


class Experiment(Spec):
    """A training, from the data to the numbers at its end."""

    name: Name | None = None
    """What the run is called: letters, digits, dots, dashes and underscores. Left out: the spec file's name."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """What all randomness follows from: splits, first weights, order, dropout, noise."""
    data: Data
    """What the network learns from."""
    architecture: Architecture
    """The network."""
    optimizer: Optimizer = Field(default_factory=lambda: Adam(kind="adam"))
    """How the weights follow the gradients."""
    regularization: Regularization = Field(default_factory=Regularization)
    """What keeps the network from learning its examples by heart."""
    loss: Loss | None = None
    """What is made small. Left out: binary_crossentropy for two classes, categorical_crossentropy for more, mse for
    numbers."""
    training: Training = Field(default_factory=Training)
    """How long, and in what batches."""
    evaluation: Evaluation = Field(default_factory=Evaluation)
    """What is measured and drawn at the end."""
    runtime: Runtime = Field(default_factory=Runtime)
    """On what it runs."""

    @property
    def reconstructs(self) -> bool:
        """Whether the target is the input itself."""
        return isinstance(self.architecture, Autoencoder)

    @property
    def is_folded(self) -> bool:
        """Whether it is made of several trainings, one for each fold."""
        return isinstance(self.data.split, KFoldSplit) and self.data.split.fold is None

    def of_fold(self, number: int | None) -> Experiment:
        """The training of one fold, counted from 1, of a k-fold split; or of all, None."""
        split = self.data.split.model_copy(update={"fold": number})
        return self.model_copy(update={"data": self.data.model_copy(update={"split": split})})

    def check(self, folder: pathlib.Path) -> list[Problem]:
        """All mistakes that can be found without reading the data.

        Args:
            folder: what relative paths in the spec are relative to.
        """
        with walked_once():
            problems = [problem.under("data") for problem in self.data.check(folder, reconstructs=self.reconstructs)]
            signature = None if problems else self.preview(folder)
        problems += check_alone(self)
        problems += check_names(self) if signature is None else self.check_signature(signature)
        return problems

    def check_signature(self, signature: Signature, *, validation: bool | None = None) -> Iterator[Problem]:
        """Whether architecture, loss, metrics and monitors fit the data.

        Args:
            validation: whether there is a validation part; None: as far as the split tells.
        """
        return check_signature(
            self, signature, validation=self.data.has_validation if validation is None else validation
        )

    def preview(self, folder: pathlib.Path) -> Signature | None:
        """The signature as far as it is known without reading the data; None where it is not."""
        return self.data.preview(folder, reconstructs=self.reconstructs, loss=self._loss_kind)

    def load(self, folder: pathlib.Path) -> Dataset:
        """Reads, splits and prepares the data.

        Raises:
            DataError, MisfitError: as `Data.load`.
        """
        return self.data.load(
            folder, self.seed, reconstructs=self.reconstructs, loss=self._loss_kind, memory=self.runtime.memory
        )

    @property
    def _loss_kind(self) -> str | None:
        return None if self.loss is None else self.loss.kind

    def resolve(self, dataset: Dataset, name: str) -> Experiment:
        """The same experiment with nothing left out: what the data and the task name is filled in.

        Args:
            dataset: as loaded by `data`.
            name: what the run is called where the spec does not say so.
        """
        decay = self.regularization.weight_decay
        if decay is None:
            decay = 0.004 if self.optimizer.kind == "adamw" else 0.0
        outputs = dataset.preparation.signature.outputs
        data, architecture = dataset.resolved, self.architecture
        if len(dataset.preparation.inputs) == 1:
            architecture = sized(architecture, dataset.preparation.inputs[0])
        if isinstance(data.target, Targets):
            data = data.model_copy(update={"target": data.target.with_losses(outputs)})
        if isinstance(self.architecture, Combined):
            data = data.model_copy(update={"features": with_encoders(data.features or {}, dataset.preparation.inputs)})
        return self.model_copy(
            update={
                "name": self.name or fitting_name(name),
                "data": data,
                "architecture": architecture,
                "loss": None if len(outputs) > 1 else self.loss or default_loss(outputs[0].task),
                "regularization": self.regularization.model_copy(update={"weight_decay": decay}),
                "evaluation": self.evaluation.resolve(*(output.task for output in outputs)),
                "runtime": self.runtime.model_copy(update={"memory": "streamed" if dataset.streamed else "in_memory"}),
            }
        )

    @property
    def objective(self) -> Loss:
        """The loss of a resolved experiment; of several targets that of the main one."""
        return self.objectives[0]

    @property
    def objectives(self) -> tuple[Loss, ...]:
        """The loss of each target of a resolved experiment."""
        target = self.data.target
        losses = [head.loss for head in target.root.values()] if isinstance(target, Targets) else [self.loss]
        found = tuple(loss for loss in losses if loss is not None)
        if len(found) < len(losses):
            raise ValueError("the experiment is not resolved")
        return found

    def build(self, signature: Signature) -> Any:
        """The Keras model, its first weights a function of the seed.

        Raises:
            MisfitError: if layers do not fit one another in a way that only building can tell.
        """
        each = {
            output.name: output_units(loss, output)
            for output, loss in zip(signature.outputs, self.objectives, strict=True)
        }
        units: Units = each if len(each) > 1 else each[signature.output.name]
        with keras_seeds(self.seed, "weights"):
            if isinstance(self.architecture, Combined):
                return build_combined(
                    self.architecture, self.data.features or {}, signature, units, self.regularization
                )
            return self.architecture.build(signature, units, self.regularization)

    def judge(self, model: Any, preparation: Preparation) -> Judge:
        """What measures a trained model."""
        from dlrun.evaluation.assess import Judge

        noise = self.architecture.noise if isinstance(self.architecture, Autoencoder) else 0.0
        evaluation = self.evaluation
        return Judge(model, preparation, self.objectives, evaluation.metrics, evaluation.batch_size, noise, self.seed)

    def compiled(self, choice: Choice) -> Experiment:
        """The same experiment with the way to compile its steps filled in, on which the last bits depend."""
        return self.model_copy(update={"runtime": self.runtime.model_copy(update={"compile": choice})})

    def learner(self, model: Any, preparation: Preparation, examples: int, team: Team | None = None) -> Learner:
        """A built model with its optimizer, its loss and the metric of its history.

        Args:
            examples: in the train split; schedules count their steps.
            team: on what it will run, and the model was built; None: on one device.
        """
        team = team or Team.alone()
        with team.scope():
            return self._learner(model, preparation, examples, team)

    def _learner(self, model: Any, preparation: Preparation, examples: int, team: Team) -> Learner:
        import keras

        from dlrun.training.several import FollowedSeveral, WeightedLosses
        from dlrun.training.step import Learner

        decay = self.regularization.weight_decay or 0.0
        optimizer = self.optimizer.build(decay, self.training.steps_per_epoch(examples), self.training.epochs)
        if model.dtype_policy.name == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        team.summed_here(optimizer).build(model.trainable_variables)
        losses: dict[str, Any] = {}
        metrics: dict[str, Followed] = {}
        for each, objective in zip(preparation.each, self.objectives, strict=True):
            output = each.signature.output
            losses[output.name] = objective.build(output, self.regularization.label_smoothing)
            metrics[output.name] = followed_metric(output, each.target_scale)
        if not isinstance(self.data.target, Targets):
            (loss,), (metric,) = losses.values(), metrics.values()
            return Learner(model, optimizer, loss, metric, team)
        weighted = WeightedLosses(losses, {name: head.weight for name, head in self.data.target.root.items()})
        return Learner(model, optimizer, weighted, FollowedSeveral(weighted, metrics), team)
