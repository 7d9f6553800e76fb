"""What a model knows of the data: names, shapes and dtypes of its inputs, and what it is to say of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import prod
from typing import Literal

from dlrun.errors import DataError

Task = Literal["binary", "multiclass", "regression", "forecast", "reconstruction"]
InputKind = Literal["vector", "image", "tokens", "series", "index"]


PACKED = "features"
"""The input that all numbers and one-hot categories of a table share, side by side."""


@dataclass(frozen=True)
class Input:
    """One input of the network, as the features encode it.

    Args:
        name: the name of the Keras input.
        kind: vector (numbers, no order among them), image, tokens (whole numbers in order, 0 is padding), series
            (numbers in order of time), index (one whole number, for an embedding).
        shape: of one example: vector (size,), image (height, width, channels), tokens (time,), series
            (time, variables), index ().
        vocabulary_size: how many different tokens or indexes there are; padding and unknown included.
        vector_size: of the vectors that tokens begin with; None where they begin with random ones.
        trainable: whether training changes those.
        variables: series: what each number of a step is called; where the target is among them, it is the first.
        embedding_size: index: of its embedding; None where the feature does not say it.
    """

    name: str
    kind: InputKind
    shape: tuple[int, ...]
    vocabulary_size: int | None = None
    vector_size: int | None = None
    trainable: bool = True
    variables: tuple[str, ...] = ()
    embedding_size: int | None = None

    @property
    def dtype(self) -> Literal["int32", "float32"]:
        return "int32" if self.kind in ("tokens", "index") else "float32"


@dataclass(frozen=True)
class Output:
    """What is predicted.

    Args:
        name: the target's column.
        task: binary (two classes), multiclass, regression (one number), forecast (the next steps of a series),
            reconstruction (the input again).
        shape: of one example's target, as a network with one output per value gives it: binary (1,), multiclass
            (classes,), regression (1,), forecast (horizon,), reconstruction: the input's shape.
        classes: names in the order of their indexes; empty where there are none.
    """

    name: str
    task: Task
    shape: tuple[int, ...]
    classes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def is_classification(self) -> bool:
        return self.task in ("binary", "multiclass")


@dataclass(frozen=True)
class Signature:
    """All that a model knows of data.

    Args:
        inputs: of the network.
        output: what is predicted; of several targets the first, which is the main one.
        further: the other targets.
    """

    inputs: tuple[Input, ...]
    output: Output
    further: tuple[Output, ...] = ()

    @property
    def outputs(self) -> tuple[Output, ...]:
        """All outputs, the first of them the main one."""
        return self.output, *self.further

    @property
    def series_name(self) -> Input | None:
        """The name of a series, where the network embeds it: it stands behind the input of the series themselves."""
        return self.inputs[1] if [each.kind for each in self.inputs] == ["series", "index"] else None

    @property
    def without_name(self) -> tuple[Input, ...]:
        """The inputs without the name of a series, which joins each of its steps."""
        return self.inputs if self.series_name is None else self.inputs[:1]


def input_name(column: str) -> str:
    """The name of a Keras input for a column: Keras allows no slash in it."""
    return column.replace("/", "_")


def pack(inputs: list[Input], apart: Collection[str] = ()) -> tuple[Input, ...]:
    """The network's inputs: all vectors as one, where the first of them stood.

    Args:
        apart: the columns whose vector is an input of its own.
    """
    alone = {input_name(column) for column in apart}
    packed: dict[str, Input] = {}
    for each in inputs:
        if each.kind == "vector" and each.name not in alone:
            size = packed[PACKED].shape[0] if PACKED in packed else 0
            packed[PACKED] = Input(PACKED, "vector", (size + each.shape[0],))
        else:
            packed[each.name] = each
    return tuple(packed.values())


def reconstruction(inputs: tuple[Input, ...]) -> Output:
    """The output of a network that gives its one input again.

    Raises:
        DataError: there are several inputs.
    """
    if len(inputs) != 1:
        names = ", ".join(each.name for each in inputs)
        raise DataError(
            f"a network can reconstruct one input, but the features make {len(inputs)}: {names}",
            hint="numbers and one-hot categories share one input; leave out the others",
        )
    return Output(inputs[0].name, "reconstruction", inputs[0].shape)
