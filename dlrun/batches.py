"""What the training loop is given of encoded examples, with the weights and the augmentation that the spec wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dlrun.data.examples import Examples
from dlrun.data.features import FittedImage, Image
from dlrun.data.on_disk import Range
from dlrun.data.preparation import Preparation
from dlrun.data.signature import input_name
from dlrun.data.streaming import on_disk, row_bytes, window
from dlrun.training.losses import sample_weights

if TYPE_CHECKING:
    import numpy as np

    from dlrun.experiment import Experiment
    from dlrun.training.augmentation import Augmentation, Augmented
    from dlrun.training.order import Oversampled
    from dlrun.training.supply import Arrays, Supply


def supply_of(experiment: Experiment, examples: Examples, preparation: Preparation, *, train: bool) -> Supply:
    """The batches of a split: from memory, or from disk where the examples are there.

    Args:
        train: whether it is what is learned from: then they are shuffled where the spec wants it, and weighed.
    """
    from dlrun.training.streamed import Streamed
    from dlrun.training.supply import InMemory

    shuffle = train and experiment.training.shuffle
    oversampled = _oversampled(experiment, examples, preparation) if train else None
    if not on_disk(examples):
        arrays = arrays_of(experiment, examples, preparation, weigh=train)
        return InMemory(arrays, experiment.seed, shuffle=shuffle, oversampled=oversampled)
    counts = _class_counts(examples, preparation) if train else []

    def read(ranges: Sequence[Range], room: int) -> Arrays:
        return arrays_of(experiment, window(examples, ranges, room), preparation, weigh=train, counts=counts)

    return Streamed(read, len(examples), row_bytes(examples), experiment.seed, shuffle=shuffle, oversampled=oversampled)


def _class_counts(examples: Examples, preparation: Preparation) -> list[np.ndarray | None]:
    """How many examples each class of each target has; None for a target without classes."""
    import numpy as np

    return [
        np.bincount(np.asarray(part.target), minlength=len(output.classes)) if output.classes else None
        for output, part in zip(preparation.signature.outputs, examples.each, strict=True)
    ]


def arrays_of(
    experiment: Experiment,
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
    if weigh and augmented_inputs(experiment, preparation):
        inputs = {**inputs, EXAMPLE: examples.rows.astype("int32")}
    if outputs[0].task == "reconstruction":
        return Arrays(inputs, None)
    targets: dict[str, np.ndarray] = {}
    weights: dict[str, np.ndarray] = {}
    known = counts or [None] * len(outputs)
    for output, loss, part, count in zip(outputs, experiment.objectives, examples.each, known, strict=True):
        given = getattr(loss, "class_weights", None) if weigh else None
        if (found := sample_weights(given, part.target, output.classes, count)) is not None:
            weights[output.name] = found
        binary = output.task == "binary" and loss.kind != "categorical_crossentropy"
        targets[output.name] = part.target.reshape(-1, 1).astype("float32") if binary else part.target
    if len(outputs) > 1:
        return Arrays(inputs, targets, weights or None)
    name = outputs[0].name
    return Arrays(inputs, targets[name], weights.get(name))


def augmented_inputs(experiment: Experiment, preparation: Preparation) -> tuple[Augmented, ...]:
    """The inputs of images that are augmented."""
    from dlrun.training.augmentation import Augmented

    found = []
    for name, feature in (experiment.data.features or {}).items():
        fitted = preparation.features.get(name)
        if isinstance(feature, Image) and feature.augment is not None and isinstance(fitted, FittedImage):
            found.append(Augmented(input_name(name), feature.augment, *fitted.encoded_limits))
    return tuple(found)


def augmentation_of(experiment: Experiment, preparation: Preparation) -> Augmentation | None:
    """What is done to each batch of the train split; None: nothing."""
    from dlrun.training.augmentation import Augmentation
    from dlrun.training.mixup import Mixup

    inputs = augmented_inputs(experiment, preparation)
    if not inputs:
        return None
    each = {output.name: output.is_classification for output in preparation.signature.outputs}
    classes = each if len(each) > 1 else any(each.values())
    alpha = inputs[0].augment.mixup
    mixup = Mixup(alpha, classes, experiment.seed) if alpha else None
    return Augmentation(inputs, experiment.seed, mixup, copies=experiment.training.oversample is not None)


def _oversampled(experiment: Experiment, examples: Examples, preparation: Preparation) -> Oversampled | None:
    """Which train examples an epoch has several times; None where it has each once."""
    import numpy as np

    from dlrun.training.order import Oversampled

    how, classes = experiment.training.oversample, preparation.signature.output.classes
    if how is None:
        return None
    told = bool(augmented_inputs(experiment, preparation))
    return replace(Oversampled.of(how, np.asarray(examples.target), classes), told=told)
