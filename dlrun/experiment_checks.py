"""Mistakes that show only where sections of the spec are seen together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dlrun.data.encoders import check_encoders, check_unread
from dlrun.data.signature import Output, Signature
from dlrun.data.target import Targets
from dlrun.models.autoencoder import Autoencoder
from dlrun.models.combined import Combined
from dlrun.models.pretrained import check_size
from dlrun.spec.near import nearest
from dlrun.spec.problem import Problem
from dlrun.training.followed import all_followed_columns, followed_columns
from dlrun.training.losses import Loss, check_loss, default_loss, describe

if TYPE_CHECKING:
    from dlrun.experiment import Experiment


def check_alone(experiment: Experiment) -> Iterator[Problem]:
    """What is wrong whatever the data is."""
    yield from (problem.under("optimizer") for problem in experiment.optimizer.check_alone())
    if hasattr(experiment.architecture, "check_alone"):
        yield from (problem.under("architecture") for problem in experiment.architecture.check_alone())
    if not isinstance(experiment.architecture, Combined):
        yield from (
            problem.under("data") for problem in check_unread(experiment.data.features or {}, experiment.architecture)
        )
    if experiment.loss is not None and isinstance(experiment.data.target, Targets):
        yield Problem(
            ("loss",),
            "several targets have a loss each, beside what they are",
            expected="data: {target: {<column>: {loss: <kind>}}}",
            received=experiment.loss.kind,
            hint="take the section out",
            at="key",
        )
    if experiment.optimizer.schedule is not None and experiment.training.reduce_on_plateau is not None:
        yield Problem(
            ("training", "reduce_on_plateau"),
            "the learning rate would follow two rules",
            expected="optimizer.schedule or training.reduce_on_plateau",
            received="both",
            hint="take one of them out",
            at="key",
        )
    if experiment.regularization.weight_decay == 0 and experiment.optimizer.kind == "adamw":
        yield Problem(
            ("regularization", "weight_decay"),
            "adamw without weight decay is adam",
            expected="a number above 0",
            received="0",
            hint="write `optimizer: {kind: adam}`, or take weight_decay out for 0.004",
        )


def check_names(experiment: Experiment) -> Iterator[Problem]:
    """Metrics and monitors that no task has, where the task is not known yet."""
    yield from (problem.under("evaluation") for problem in experiment.evaluation.check())
    kinds = {each.column: each.kind for each in experiment.data.targets}
    columns = all_followed_columns(kinds, validation=experiment.data.has_validation)
    yield from (problem.under("training") for problem in experiment.training.check(columns))


def check_signature(experiment: Experiment, signature: Signature, *, validation: bool) -> Iterator[Problem]:
    """Whether architecture, loss, metrics and monitors fit the data.

    Args:
        validation: whether there is a validation part.
    """
    output = signature.output
    yield from (problem.under("architecture") for problem in experiment.architecture.check(signature))
    if len(signature.inputs) == 1:
        yield from (
            problem.under("architecture") for problem in check_size(experiment.architecture, signature.inputs[0])
        )
    if isinstance(experiment.architecture, Combined):
        yield from (problem.under("data") for problem in check_encoders(experiment.data.features or {}, signature))
    for one, stated, path in _stated_losses(experiment, signature):
        yield from (problem.under(*path) for problem in check_loss(stated, one))
    loss = experiment.loss or default_loss(output.task)
    if experiment.regularization.label_smoothing and not any(one.is_classification for one in signature.outputs):
        yield Problem(
            ("regularization", "label_smoothing"),
            f"{describe(output)} has no labels to smooth",
            expected="0",
            received=f"{experiment.regularization.label_smoothing:g}",
            hint="take label_smoothing out",
        )
    if isinstance(experiment.architecture, Autoencoder):
        yield from _check_reconstruction(experiment, experiment.architecture, loss.kind)
    tasks = [one.task for one in signature.outputs]
    yield from (problem.under("evaluation") for problem in experiment.evaluation.check(*tasks))
    if not validation and not isinstance(experiment.evaluation.threshold, float | None):
        yield Problem(
            ("evaluation", "threshold"),
            "the threshold is chosen on the validation part, and there is none",
            hint="set data.split.validation above 0, or write the threshold as a number",
            at="key",
        )
    yield from (problem.under("training") for problem in _check_oversampling(experiment, output))
    columns = followed_columns(signature.outputs, validation=validation)
    yield from (problem.under("training") for problem in experiment.training.check(columns))


def _check_oversampling(experiment: Experiment, output: Output) -> Iterator[Problem]:
    how = experiment.training.oversample
    if how is None:
        return
    if not output.is_classification:
        yield Problem(
            ("oversample",), f"{describe(output)} has no classes to see more often", hint="take oversample out"
        )
    elif not isinstance(how, str) and output.classes and (unknown := sorted(set(how) - set(output.classes))):
        yield Problem(
            ("oversample", unknown[0]),
            f"there is no class {unknown[0]}",
            expected=f"some of {', '.join(output.classes)}",
            received=unknown[0],
            hint=f"write `{near}`" if (near := nearest(unknown[0], output.classes)) else None,
            at="key",
        )
    elif getattr(experiment.loss, "class_weights", None) is not None:
        yield Problem(
            ("oversample",),
            "rare classes would count twice: by their weight, and by how often they are seen",
            expected="training.oversample or loss.class_weights",
            received="both",
            hint="take one of them out",
            at="key",
        )


def _check_reconstruction(experiment: Experiment, architecture: Autoencoder, loss: str) -> Iterator[Problem]:
    if loss == "binary_crossentropy" and architecture.output_activation == "sigmoid":
        yield Problem(
            ("architecture", "output_activation"),
            "binary_crossentropy takes logits and applies the sigmoid itself",
            expected="linear",
            received="sigmoid",
            hint="take output_activation out",
        )
    inputs = experiment.data.features or {}
    ranges = [getattr(feature, "rescale", None) for feature in inputs.values()]
    bounded = loss == "binary_crossentropy" or architecture.output_activation == "sigmoid"
    if bounded and inputs and any(not _within_unit(limits) for limits in ranges):
        yield Problem(
            ("architecture", "output_activation") if loss != "binary_crossentropy" else ("loss", "kind"),
            "the reconstruction is within [0, 1], and the input is not",
            expected="features with `rescale: [0, 1]`",
            received=", ".join(f"{name}: {feature.kind}" for name, feature in inputs.items()),
            hint="rescale the input to [0, 1], or take a linear output with mse",
        )


def _stated_losses(experiment: Experiment, signature: Signature) -> Iterator[tuple[Output, Loss, tuple[str, ...]]]:
    """The losses that the spec states, with what they are for and where they stand."""
    if isinstance(experiment.data.target, Targets):
        for output in signature.outputs:
            if (loss := experiment.data.target.root[output.name].loss) is not None:
                yield output, loss, ("data", "target", output.name, "loss")
    elif experiment.loss is not None:
        yield signature.output, experiment.loss, ("loss",)


def _within_unit(limits: Sequence[float] | None) -> bool:
    return limits is not None and limits[0] >= 0 and limits[1] <= 1
