"""The whole spec, and what is built of it."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from dlrun.data.dataset import Dataset
from dlrun.data.encoders import build_combined, with_encoders
from dlrun.data.examples import Examples
from dlrun.data.features import FittedImage, Image
from dlrun.data.fitted_target import FittedNumbers
from dlrun.data.on_disk import Range
from dlrun.data.preparation import Preparation
from dlrun.data.section import Data
from dlrun.data.signature import Signature, input_name
from dlrun.data.splits import KFoldSplit
from dlrun.data.streaming import on_disk, row_bytes, window
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
from dlrun.training.losses import Loss, default_loss, output_units, sample_weights
from dlrun.training.optimizers import Adam, Optimizer
from dlrun.training.settings import Training
from dlrun.training.team import Team

if TYPE_CHECKING:
    import numpy as np

    from dlrun.evaluation.assess import Judge
    from dlrun.training.augmentation import Augmentation, Augmented
    from dlrun.training.choice import Choice
    from dlrun.training.order import Oversampled
    from dlrun.training.step import Learner
    from dlrun.training.supply import Arrays, Supply

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

    def supply(self, examples: Examples, preparation: Preparation, *, train: bool) -> Supply:
        """The batches of a split: from memory, or from disk where the examples are there.

        Args:
            train: whether it is what is learned from: then they are shuffled where the spec wants it, and weighed.
        """
        from dlrun.training.streamed import Streamed
        from dlrun.training.supply import InMemory

        shuffle = train and self.training.shuffle
        oversampled = self.oversampled(examples, preparation) if train else None
        if not on_disk(examples):
            arrays = self.arrays(examples, preparation, weigh=train)
            return InMemory(arrays, self.seed, shuffle=shuffle, oversampled=oversampled)
        counts = self._class_counts(examples, preparation) if train else []

        def read(ranges: Sequence[Range], room: int) -> Arrays:
            return self.arrays(window(examples, ranges, room), preparation, weigh=train, counts=counts)

        return Streamed(read, len(examples), row_bytes(examples), self.seed, shuffle=shuffle, oversampled=oversampled)

    def _class_counts(self, examples: Examples, preparation: Preparation) -> list[np.ndarray | None]:
        """How many examples each class of each target has; None for a target without classes."""
        import numpy as np

        return [
            np.bincount(np.asarray(part.target), minlength=len(output.classes)) if output.classes else None
            for output, part in zip(preparation.signature.outputs, examples.each, strict=True)
        ]

    def arrays(
        self,
        examples: Examples,
        preparation: Preparation,
        *,
        weigh: bool = False,
        counts: Sequence[np.ndarray | None] = (),
    ) -> Arrays:
        """Examples as the training loop takes them.

        Args:
            weigh: whether they are learned from: then the loss's class weights count, and where images are augmented,
                each example has its number with it.
            counts: how many examples each class of each target has in the whole split, of which these are a part;
                empty: in these.
        """
        from dlrun.training.augmentation import EXAMPLE
        from dlrun.training.supply import Arrays

        outputs, inputs = preparation.signature.outputs, examples.inputs
        if weigh and self.augmented(preparation):
            inputs = {**inputs, EXAMPLE: examples.rows.astype("int32")}
        if outputs[0].task == "reconstruction":
            return Arrays(inputs, None)
        targets: dict[str, np.ndarray] = {}
        weights: dict[str, np.ndarray] = {}
        known = counts or [None] * len(outputs)
        for output, loss, part, count in zip(outputs, self.objectives, examples.each, known, strict=True):
            given = getattr(loss, "class_weights", None) if weigh else None
            if (found := sample_weights(given, part.target, output.classes, count)) is not None:
                weights[output.name] = found
            binary = output.task == "binary" and loss.kind != "categorical_crossentropy"
            targets[output.name] = part.target.reshape(-1, 1).astype("float32") if binary else part.target
        if len(outputs) > 1:
            return Arrays(inputs, targets, weights or None)
        name = outputs[0].name
        return Arrays(inputs, targets[name], weights.get(name))

    def augmented(self, preparation: Preparation) -> tuple[Augmented, ...]:
        """The inputs of images that are augmented."""
        from dlrun.training.augmentation import Augmented

        found = []
        for name, feature in (self.data.features or {}).items():
            fitted = preparation.features.get(name)
            if isinstance(feature, Image) and feature.augment is not None and isinstance(fitted, FittedImage):
                found.append(Augmented(input_name(name), feature.augment, *fitted.encoded_limits))
        return tuple(found)

    def augmentation(self, preparation: Preparation) -> Augmentation | None:
        """What is done to each batch of the train split; None: nothing."""
        from dlrun.training.augmentation import Augmentation
        from dlrun.training.mixup import Mixup

        inputs = self.augmented(preparation)
        if not inputs:
            return None
        each = {output.name: output.is_classification for output in preparation.signature.outputs}
        classes = each if len(each) > 1 else any(each.values())
        alpha = inputs[0].augment.mixup
        return Augmentation(inputs, self.seed, Mixup(alpha, classes, self.seed) if alpha else None)

    def oversampled(self, examples: Examples, preparation: Preparation) -> Oversampled | None:
        """Which train examples an epoch has several times; None where it has each once."""
        import numpy as np

        from dlrun.training.order import Oversampled

        how, classes = self.training.oversample, preparation.signature.output.classes
        return None if how is None else Oversampled.of(how, np.asarray(examples.target), classes)

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
            scale = each.target.scale if isinstance(each.target, FittedNumbers) else 1.0
            losses[output.name] = objective.build(output, self.regularization.label_smoothing)
            metrics[output.name] = followed_metric(output, scale)
        if not isinstance(self.data.target, Targets):
            (loss,), (metric,) = losses.values(), metrics.values()
            return Learner(model, optimizer, loss, metric, team)
        weighted = WeightedLosses(losses, {name: head.weight for name, head in self.data.target.root.items()})
        return Learner(model, optimizer, weighted, FollowedSeveral(weighted, metrics), team)
