"""The `optimizer` section: one class for each rule, over what all of them share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from dlrun.spec.base import Spec, with_kind
from dlrun.spec.problem import Problem
from dlrun.training.fused import fused
from dlrun.training.schedules import Schedule, build_schedule


class Rule(Spec):
    """What all optimizers share."""

    kind: str
    """Which rule."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Size of a step; where there is a schedule, its highest value."""
    schedule: Schedule | None = None
    """How the learning rate moves. Left out: it stays."""
    clip_norm: float | None = Field(default=None, gt=0)
    """Each gradient is scaled down to this norm where it is longer."""
    clip_global_norm: float | None = Field(default=None, gt=0)
    """All gradients together are scaled down to this norm where they are longer."""
    clip_value: float | None = Field(default=None, gt=0)
    """Each entry of a gradient is cut to within plus and minus this value."""

    def check_alone(self) -> Iterator[Problem]:
        """What is wrong whatever the rest of the spec says."""
        given = [field for field in ("clip_norm", "clip_global_norm", "clip_value") if getattr(self, field) is not None]
        for field in given[1:]:
            yield Problem(
                (field,),
                "gradients are clipped in one way",
                expected="one of clip_norm, clip_global_norm, clip_value",
                received=" and ".join(given),
                hint=f"take {field} or {given[0]} out",
                at="key",
            )

    def shared(self, weight_decay: float, steps_per_epoch: int, epochs: int) -> dict[str, Any]:
        """The arguments that every Keras optimizer takes."""
        return {
            "learning_rate": build_schedule(self.schedule, self.learning_rate, steps_per_epoch, epochs),
            "weight_decay": weight_decay or None,
            "clipnorm": self.clip_norm,
            "global_clipnorm": self.clip_global_norm,
            "clipvalue": self.clip_value,
        }


class Sgd(Rule):
    """Gradient descent, with momentum where wanted."""

    kind: Literal["sgd"]
    """Stochastic gradient descent."""
    learning_rate: float = Field(default=1e-2, gt=0)
    """Size of a step; where there is a schedule, its highest value."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """Share of the last step that is made again."""
    nesterov: bool = False
    """Whether the gradient is taken after the momentum's part of the step."""

    def build(self, weight_decay: float, steps_per_epoch: int, epochs: int) -> Any:
        """The Keras optimizer."""
        import keras

        shared = self.shared(weight_decay, steps_per_epoch, epochs)
        return fused(keras.optimizers.SGD)(momentum=self.momentum, nesterov=self.nesterov, **shared)


class Adam(Rule):
    """Adam (Kingma and Ba 2015, arXiv:1412.6980) and its kin with decoupled decay or Nesterov momentum."""

    kind: Literal["adam", "adamw", "nadam"] = "adam"
    """adam; adamw with weight decay (regularization.weight_decay); nadam with Nesterov momentum."""
    beta_1: float = Field(default=0.9, ge=0, lt=1)
    """Memory of the mean of the gradients."""
    beta_2: float = Field(default=0.999, ge=0, lt=1)
    """Memory of the mean of their squares."""
    epsilon: float = Field(default=1e-7, gt=0)
    """What keeps the division finite."""

    def build(self, weight_decay: float, steps_per_epoch: int, epochs: int) -> Any:
        """The Keras optimizer."""
        import keras

        rule = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW, "nadam": keras.optimizers.Nadam}
        shared = self.shared(weight_decay, steps_per_epoch, epochs)
        return fused(rule[self.kind])(beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon, **shared)


class RmsProp(Rule):
    """Gradients divided by a moving mean of their size (Tieleman and Hinton 2012)."""

    kind: Literal["rmsprop"]
    """RMSprop."""
    rho: float = Field(default=0.9, ge=0, lt=1)
    """Memory of the mean of the squares."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """Share of the last step that is made again."""
    epsilon: float = Field(default=1e-7, gt=0)
    """What keeps the division finite."""
    centered: bool = False
    """Whether the squares are taken about the mean."""

    def build(self, weight_decay: float, steps_per_epoch: int, epochs: int) -> Any:
        """The Keras optimizer."""
        import keras

        return keras.optimizers.RMSprop(
            rho=self.rho,
            momentum=self.momentum,
            epsilon=self.epsilon,
            centered=self.centered,
            **self.shared(weight_decay, steps_per_epoch, epochs),
        )


class Adagrad(Rule):
    """Gradients divided by the size of all before them (Duchi et al. 2011)."""

    kind: Literal["adagrad"]
    """Adagrad."""
    initial_accumulator_value: float = Field(default=0.1, ge=0)
    """Where the sum of the squares begins."""
    epsilon: float = Field(default=1e-7, gt=0)
    """What keeps the division finite."""

    def build(self, weight_decay: float, steps_per_epoch: int, epochs: int) -> Any:
        """The Keras optimizer."""
        import keras

        return keras.optimizers.Adagrad(
            initial_accumulator_value=self.initial_accumulator_value,
            epsilon=self.epsilon,
            **self.shared(weight_decay, steps_per_epoch, epochs),
        )


class Lion(Rule):
    """The sign of the momentum alone (Chen et al. 2023, arXiv:2302.06675)."""

    kind: Literal["lion"]
    """Lion."""
    learning_rate: float = Field(default=1e-4, gt=0)
    """Size of a step; a third to a tenth of what adam takes."""
    beta_1: float = Field(default=0.9, gt=0, le=1)
    """Weight of the momentum in the step."""
    beta_2: float = Field(default=0.99, ge=0, lt=1)
    """Memory of the momentum."""

    def build(self, weight_decay: float, steps_per_epoch: int, epochs: int) -> Any:
        """The Keras optimizer."""
        import keras

        shared = self.shared(weight_decay, steps_per_epoch, epochs)
        return keras.optimizers.Lion(beta_1=self.beta_1, beta_2=self.beta_2, **shared)


AnyRule = Sgd | Adam | RmsProp | Adagrad | Lion

Optimizer = Annotated[
    Annotated[AnyRule, Field(discriminator="kind")], BeforeValidator(with_kind("adam"), json_schema_input_type=AnyRule)
]
"""The rule; `kind` may be left out for adam."""


def learning_rate(optimizer: Any) -> float:
    """That of the next step, of an optimizer on one replica or on several."""
    import tensorflow as tf

    return float(tf.convert_to_tensor(optimizer.learning_rate))


def rate_factor(optimizer: Any) -> Any | None:
    """What the schedule of an optimizer is multiplied with, a Keras variable; None where it has no schedule."""
    return getattr(getattr(optimizer, "inner_optimizer", optimizer)._learning_rate, "factor", None)


def scale_learning_rate(optimizer: Any, factor: float) -> None:
    """Multiplies the learning rate from here on, whether it is one number or follows a schedule."""
    scheduled = rate_factor(optimizer)
    if scheduled is not None:
        scheduled.assign(scheduled * factor)
    else:
        optimizer.learning_rate = learning_rate(optimizer) * factor
