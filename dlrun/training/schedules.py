"""`optimizer.schedule`: how the learning rate moves. Times are in epochs here and in steps inside of Keras."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from dlrun.spec.base import Spec


class Constant(Spec):
    """The same learning rate from the first step (or from the end of the warm-up) to the last."""

    kind: Literal["constant"]
    """No change."""
    warmup: float = Field(default=0.0, ge=0)
    """Epochs in which the rate rises evenly from 0."""

    def rate(self, step: Any, start: float, steps_per_epoch: int, epochs: int) -> Any:
        """The learning rate after `step` steps, a tensor."""
        return start


class Exponential(Spec):
    """start x factor^(epoch / every)."""

    kind: Literal["exponential"]
    """Falls by the same factor in the same time."""
    factor: float = Field(gt=0, lt=1)
    """What the rate is multiplied with."""
    every: float = Field(default=1.0, gt=0)
    """In how many epochs."""
    warmup: float = Field(default=0.0, ge=0)
    """Epochs in which the rate rises evenly from 0."""

    def rate(self, step: Any, start: float, steps_per_epoch: int, epochs: int) -> Any:
        """The learning rate after `step` steps, a tensor."""
        from keras import ops

        return start * ops.power(self.factor, step / (self.every * steps_per_epoch))


class Cosine(Spec):
    """Half a cosine from the start to the end (Loshchilov and Hutter 2017, arXiv:1608.03983, without restarts)."""

    kind: Literal["cosine"]
    """Falls slowly, then fast, then slowly."""
    final: float = Field(default=0.0, ge=0, lt=1)
    """What is left in the end, as a share of the learning rate."""
    warmup: float = Field(default=0.0, ge=0)
    """Epochs in which the rate rises evenly from 0."""

    def rate(self, step: Any, start: float, steps_per_epoch: int, epochs: int) -> Any:
        """The learning rate after `step` steps, a tensor."""
        from math import pi

        from keras import ops

        steps = max((epochs - self.warmup) * steps_per_epoch, 1.0)
        share = (1 + ops.cos(pi * ops.minimum(step / steps, 1.0))) / 2
        return start * (self.final + (1 - self.final) * share)


class Step(Spec):
    """Multiplied with a factor at each of the given epochs."""

    kind: Literal["step"]
    """Falls at once."""
    at: tuple[Annotated[float, Field(gt=0)], ...] = Field(min_length=1)
    """After which epochs."""
    factor: float = Field(default=0.1, gt=0, lt=1)
    """What the rate is multiplied with each time."""
    warmup: float = Field(default=0.0, ge=0)
    """Epochs in which the rate rises evenly from 0; `at` counts from the beginning of the training all the same."""

    def rate(self, step: Any, start: float, steps_per_epoch: int, epochs: int) -> Any:
        """The learning rate after `step` steps, a tensor."""
        from keras import ops

        passed = sum(ops.cast(step >= round((epoch - self.warmup) * steps_per_epoch), "float32") for epoch in self.at)
        return start * ops.power(self.factor, passed)


Schedule = Annotated[Constant | Exponential | Cosine | Step, Field(discriminator="kind")]


def build_schedule(schedule: Schedule | None, start: float, steps_per_epoch: int, epochs: int) -> Any:
    """The learning rate for a Keras optimizer: a plain number, or a schedule over its steps.

    A schedule has a `factor` that it is multiplied with, 1 until somebody changes it.

    In a warm-up of w epochs the rate of step i (from 0) is start x (i + 1) / (w x steps_per_epoch); the schedule begins
    at its end.

    Args:
        start: the learning rate, `optimizer.learning_rate`.
        steps_per_epoch: steps in one epoch.
        epochs: how many epochs are trained at the most.
    """
    import keras

    if schedule is None or (schedule.kind == "constant" and not schedule.warmup):
        return start
    moving: Schedule = schedule
    warmup = moving.warmup * steps_per_epoch

    class Scheduled(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
        def __init__(self) -> None:
            self.factor = keras.Variable(1.0, dtype="float32", trainable=False, name="learning_rate_factor")

        def __call__(self, step: Any) -> Any:
            step = keras.ops.cast(step, "float32")
            rate = moving.rate(keras.ops.maximum(step - warmup, 0.0), start, steps_per_epoch, epochs)
            rate = keras.ops.where(step < warmup, start * (step + 1) / warmup, rate) if warmup else rate
            return self.factor * rate

        def get_config(self) -> dict[str, Any]:
            return moving.tree() | {"start": start, "steps_per_epoch": steps_per_epoch, "epochs": epochs}

    return Scheduled()
