"""The `training` section: how long, in what batches, and when to stop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem


class EarlyStopping(Spec):
    """Ends the training when a metric no longer gets better."""

    monitor: str = "validation_loss"
    """The column of history.csv that is watched."""
    patience: int = Field(default=5, ge=1)
    """How many epochs may pass without getting better."""
    min_delta: float = Field(default=0.0, ge=0)
    """What counts as better: at least by this much."""
    restore_best: bool = True
    """Whether the weights of the best epoch are kept, or the last ones."""


class ReduceOnPlateau(Spec):
    """Lowers the learning rate when a metric no longer gets better."""

    monitor: str = "validation_loss"
    """The column of history.csv that is watched."""
    factor: float = Field(default=0.5, gt=0, lt=1)
    """What the learning rate is multiplied with."""
    patience: int = Field(default=3, ge=1)
    """How many epochs may pass without getting better."""
    minimum: float = Field(default=0.0, ge=0)
    """The learning rate goes no lower."""


class Checkpointing(Spec):
    """When all that the next step depends on is written down, so that `dlrun resume` goes on to the same bits.

    At the end of each epoch in any case, unless writing would take more than a twentieth of the time.
    """

    steps: int | None = Field(default=None, ge=1)
    """Also after every so many steps of an epoch. Left out: not by steps."""
    minutes: float | None = Field(default=10.0, gt=0)
    """Also when this much time has passed since the last one; null: not by time."""


def _balanced_or_given(value: object) -> str:
    return "<balanced>" if isinstance(value, str) else "<given>"


Factor = Annotated[float, Field(ge=1, le=1000)]
Oversample = Annotated[
    Annotated[Literal["balanced"], Tag("<balanced>")]
    | Annotated[dict[str, Factor], Field(min_length=1), Tag("<given>")],
    Discriminator(_balanced_or_given),
]


class Training(Spec):
    """How the weights are learned."""

    epochs: int = Field(default=10, ge=1)
    """How often every example of the train split is seen, at the most."""
    batch_size: int = Field(default=64, ge=1)
    """How many examples go through the network at once."""
    gradient_accumulation: int = Field(default=1, ge=1)
    """Over how many batches the gradient is summed up before the weights move: a step is made of batch_size times this
    many examples, in the memory of batch_size."""
    shuffle: bool = True
    """Whether the order of the examples differs in each epoch; it follows from seed and epoch."""
    oversample: Oversample | None = None
    """Which classes are seen more often in an epoch. balanced: each as often as the most frequent one; or by how much,
    such as {fraud: 5}: each example of it five times. Which examples occur once more than others follows from seed and
    epoch; an epoch has as many more steps. Left out: each example once."""
    early_stopping: EarlyStopping | None = None
    """When to stop before the last epoch. Left out: never."""
    reduce_on_plateau: ReduceOnPlateau | None = None
    """When to lower the learning rate. Left out: never."""
    checkpoint: Checkpointing = Field(default_factory=Checkpointing)
    """When the state of the training is written down."""
    on_not_finite: Literal["stop", "skip", "rewind"] = "stop"
    """When the loss becomes NaN or infinite. stop: the training ends with an error; skip: steps whose loss or gradient
    is not finite leave the weights as they are; rewind: it goes back to the last checkpoint with half the learning
    rate, three times at most."""
    on_out_of_memory: Literal["stop", "halve"] = "stop"
    """When the memory does not hold a batch. stop: the training ends with an error that says which batch size would
    fit; halve: it goes on with half the batch_size and twice the gradient_accumulation, which makes the same steps."""

    def check(self, columns: Sequence[str]) -> Iterator[Problem]:
        """Whether what is monitored will be measured.

        Args:
            columns: the metrics that history.csv will have.
        """
        from difflib import get_close_matches

        for field in ("early_stopping", "reduce_on_plateau"):
            section = getattr(self, field)
            if section is None or section.monitor in columns:
                continue
            validation = any(column.startswith("validation_") for column in columns)
            near = get_close_matches(section.monitor.replace("val_", "validation_"), columns, n=1)
            if near:
                hint = f"write `monitor: {near[0]}`"
            elif section.monitor.startswith("val") and not validation:
                hint = "set data.split.validation above 0, or `monitor: loss`"
            else:
                hint = None
            yield Problem(
                (field, "monitor") if "monitor" in section.model_fields_set else (field,),
                f"{section.monitor} is not measured in this training",
                expected=f"one of {', '.join(columns)}",
                received=section.monitor,
                hint=hint,
            )

    def steps_per_epoch(self, examples: int) -> int:
        """How many steps the examples make, a smaller last one included."""
        return -(-examples // self.examples_per_step)

    @property
    def examples_per_step(self) -> int:
        """How many examples move the weights once."""
        return self.batch_size * self.gradient_accumulation

    @property
    def watches_validation(self) -> bool:
        """Whether the validation part tells when to stop, or to learn more slowly."""
        sections = [each for each in (self.early_stopping, self.reduce_on_plateau) if each is not None]
        return any(each.monitor.startswith("validation_") for each in sections)

    def monitored(self, columns: Iterable[str]) -> str:
        """The column of the history that tells the best epoch: that of early stopping, or the (validation) loss."""
        default = "validation_loss" if "validation_loss" in columns else "loss"
        return self.early_stopping.monitor if self.early_stopping else default
