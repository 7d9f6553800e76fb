"""The `loss` section. The network's output is in logits; labels are as the data has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Discriminator, Field, Tag

from dlrun.data.signature import Output, Task
from dlrun.spec.base import Spec
from dlrun.spec.near import nearest
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np


def _balanced_or_given(value: object) -> str:
    return "<balanced>" if isinstance(value, str) else "<given>"


Weight = Annotated[float, Field(gt=0)]
ClassWeights = Annotated[
    Annotated[Literal["balanced"], Tag("<balanced>")] | Annotated[dict[str, Weight], Tag("<given>")],
    Discriminator(_balanced_or_given),
]
"""How much an example of each class counts: `balanced`, or a number for each class by name."""


class BinaryCrossentropy(Spec):
    """Two classes through one output, or a reconstruction of values within [0, 1]."""

    tasks: ClassVar[tuple[Task, ...]] = ("binary", "reconstruction")
    kind: Literal["binary_crossentropy"]
    """-y log p - (1 - y) log(1 - p), with p the sigmoid of the output."""
    class_weights: ClassWeights | None = None
    """How much an example of each class counts: `balanced`, or a number for each class by name."""

    def build(self, output: Output, label_smoothing: float) -> Any:
        """The Keras loss of y (batch, 1) or (batch, …) and logits of the same shape."""
        import keras

        return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=label_smoothing)


class CategoricalCrossentropy(Spec):
    """Two classes or more, one output for each."""

    tasks: ClassVar[tuple[Task, ...]] = ("binary", "multiclass")
    kind: Literal["categorical_crossentropy"]
    """-log p of the true class, with p the softmax of the outputs."""
    class_weights: ClassWeights | None = None
    """How much an example of each class counts: `balanced`, or a number for each class by name."""

    def build(self, output: Output, label_smoothing: float) -> Any:
        """The Keras loss of class indexes y (batch,) and logits (batch, classes)."""
        import keras

        if not label_smoothing:
            return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        smooth = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing, reduction=None)
        return _of_indexes(smooth, len(output.classes), name="categorical_crossentropy")


class Focal(Spec):
    """Cross-entropy that counts easy examples less (Lin et al. 2017, arXiv:1708.02002)."""

    tasks: ClassVar[tuple[Task, ...]] = ("binary", "multiclass")
    kind: Literal["focal"]
    """-(1 - p)^gamma log p of the true class."""
    gamma: float = Field(default=2.0, ge=0)
    """How much less an easy example counts; 0 gives the plain cross-entropy."""
    class_weights: ClassWeights | None = None
    """How much an example of each class counts: `balanced`, or a number for each class by name."""

    def build(self, output: Output, label_smoothing: float) -> Any:
        """The Keras loss of y (batch, 1) or class indexes (batch,), and logits."""
        import keras

        if output.task == "binary":
            return keras.losses.BinaryFocalCrossentropy(
                gamma=self.gamma, from_logits=True, label_smoothing=label_smoothing
            )
        focal = keras.losses.CategoricalFocalCrossentropy(
            alpha=1.0, gamma=self.gamma, from_logits=True, label_smoothing=label_smoothing, reduction=None
        )
        return _of_indexes(focal, len(output.classes), name="focal")


class MeanSquaredError(Spec):
    """For numbers: the mean of the squared differences."""

    tasks: ClassVar[tuple[Task, ...]] = ("regression", "forecast", "reconstruction")
    kind: Literal["mse"]
    """Mean squared error."""

    def build(self, output: Output, label_smoothing: float) -> Any:
        """The Keras loss of y and predictions of the same shape."""
        import keras

        return keras.losses.MeanSquaredError()


class MeanAbsoluteError(Spec):
    """For numbers: the mean of the absolute differences, less drawn by outliers than mse."""

    tasks: ClassVar[tuple[Task, ...]] = ("regression", "forecast", "reconstruction")
    kind: Literal["mae"]
    """Mean absolute error."""

    def build(self, output: Output, label_smoothing: float) -> Any:
        """The Keras loss of y and predictions of the same shape."""
        import keras

        return keras.losses.MeanAbsoluteError()


class Huber(Spec):
    """For numbers: squared for small differences, absolute for large ones (Huber 1964)."""

    tasks: ClassVar[tuple[Task, ...]] = ("regression", "forecast", "reconstruction")
    kind: Literal["huber"]
    """Squared up to delta, absolute beyond."""
    delta: float = Field(default=1.0, gt=0)
    """Where it turns, in units of the (normalised) target."""

    def build(self, output: Output, label_smoothing: float) -> Any:
        """The Keras loss of y and predictions of the same shape."""
        import keras

        return keras.losses.Huber(delta=self.delta)


LossKind = Literal["binary_crossentropy", "categorical_crossentropy", "focal", "mse", "mae", "huber"]
Loss = Annotated[
    BinaryCrossentropy | CategoricalCrossentropy | Focal | MeanSquaredError | MeanAbsoluteError | Huber,
    Field(discriminator="kind"),
]


def _by_name(value: object) -> object:
    if not isinstance(value, str):
        return value
    kinds = get_args(LossKind)
    if value not in kinds:
        near = nearest(value, kinds)
        raise ValueError(f"a loss is one of {', '.join(kinds)}" + (f": write `{near}`" if near else ""))
    return {"kind": value}


LossField = Annotated[Loss, BeforeValidator(_by_name, json_schema_input_type=LossKind | Loss)]
"""`huber`, or `{kind: huber, delta: 2.0}`."""

LOSSES: tuple[type[Any], ...] = (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Focal,
    MeanSquaredError,
    MeanAbsoluteError,
    Huber,
)


def default_loss(task: Task) -> Loss:
    """The loss that a task names by itself."""
    match task:
        case "binary":
            return BinaryCrossentropy(kind="binary_crossentropy")
        case "multiclass":
            return CategoricalCrossentropy(kind="categorical_crossentropy")
        case _:
            return MeanSquaredError(kind="mse")


def check_loss(loss: Loss, output: Output) -> Iterator[Problem]:
    """Whether a loss fits what is predicted, and its class weights the classes."""
    if output.task not in loss.tasks:
        fitting = [str(one.model_fields["kind"].annotation.__args__[0]) for one in LOSSES if output.task in one.tasks]
        yield Problem(
            ("kind",),
            f"{loss.kind} does not fit {describe(output)}",
            expected=f"one of {', '.join(fitting)}",
            received=loss.kind,
            hint=f"write `{default_loss(output.task).kind}`, or leave the loss out: the task names it",
        )
    weights = getattr(loss, "class_weights", None)
    if weights is not None and not output.is_classification:
        yield Problem(("class_weights",), f"{describe(output)} has no classes to weigh", hint="take class_weights out")
    elif isinstance(weights, Mapping) and output.classes and set(weights) != set(output.classes):
        missing = [name for name in output.classes if name not in weights]
        unknown = [name for name in weights if name not in output.classes]
        yield Problem(
            ("class_weights",),
            "every class needs its weight" if missing else "a weight is for a class that does not exist",
            expected=f"a number for each of {', '.join(output.classes)}",
            received=", ".join(weights),
            hint="; ".join(
                words
                for words in (
                    f"add {', '.join(missing)}" if missing else "",
                    f"take out {', '.join(unknown)}" if unknown else "",
                )
                if words
            ),
        )


def describe(output: Output) -> str:
    """A task in words: `the 10 classes of label`, `the number progression`."""
    match output.task:
        case "binary" | "multiclass":
            return f"the {len(output.classes) or output.size} classes of {output.name}"
        case "regression":
            return f"the number {output.name}"
        case "forecast":
            steps = "value" if output.size == 1 else f"{output.size} values"
            return f"the next {steps} of {output.name}"
        case "reconstruction":
            return "a reconstruction of the input"


def output_units(loss: Loss, output: Output) -> int:
    """How many outputs the network has: one for each value, but two for two classes under a categorical loss."""
    return 2 if output.task == "binary" and loss.kind == "categorical_crossentropy" else output.size


def sample_weights(
    weights: ClassWeights | None, labels: np.ndarray, classes: Sequence[str], counts: np.ndarray | None = None
) -> np.ndarray | None:
    """The weight of each example, (n,) float32, from its class index; None where all count the same.

    `balanced` is n / (classes x n of the class), as in scikit-learn (King and Zeng 2001).

    Args:
        counts: n of each class, (classes,); None: as among the labels.
    """
    import numpy as np

    if weights is None:
        return None
    if weights == "balanced":
        counts = np.bincount(labels, minlength=len(classes)) if counts is None else counts
        by_class = counts.sum() / (len(classes) * np.maximum(counts, 1))
    else:
        by_class = np.array([weights[name] for name in classes])
    return np.asarray(by_class.astype(np.float32)[labels])


def _of_indexes(loss: Any, classes: int, name: str) -> Any:
    """A loss of one-hot labels, unreduced, made to take class indexes (batch,)."""
    import keras

    class OfIndexes(keras.losses.Loss):  # type: ignore[misc]
        def call(self, y_true: Any, y_pred: Any) -> Any:
            indexes = keras.ops.cast(keras.ops.reshape(y_true, (-1,)), "int32")
            return loss(keras.ops.one_hot(indexes, classes), y_pred)

    return OfIndexes(name=name)
