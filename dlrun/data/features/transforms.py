"""What is done to numbers before they are scaled: the range that they are kept in, logarithm and root."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_validator

from dlrun.spec.base import Spec, tuples

if TYPE_CHECKING:
    import numpy as np
    from keras import KerasTensor

Transform = Literal["none", "log", "log1p", "sqrt"]

DOMAINS = {"log": "above 0", "log1p": "above -1", "sqrt": "at least 0"}
"""What each transform takes."""


class Clip(Spec):
    """The range that values are kept in."""

    low: float | None = None
    """The least value; null: none."""
    high: float | None = None
    """The greatest value; null: none."""
    quantiles: tuple[float, float] | None = None
    """Instead: the shares of the train rows that lie below the one and the other, such as [0.01, 0.99]."""

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        bounds = (self.low, self.high)
        if (self.quantiles is None) == (bounds == (None, None)):
            raise ValueError("write [low, high], or {quantiles: [0.01, 0.99]}, and not both")
        if self.quantiles is not None and not 0 <= self.quantiles[0] < self.quantiles[1] <= 1:
            raise ValueError("quantiles are two shares from 0 to 1, the first less than the second")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError("the first value must be less than the second")
        return self


def _from_pair(value: Any) -> Any:
    if isinstance(value, list | tuple) and len(value) == 2:
        return {"low": value[0], "high": value[1]}
    return tuples(value)


ClipField = Annotated[
    Clip, BeforeValidator(_from_pair, json_schema_input_type=tuple[float | None, float | None] | Clip)
]
"""`[0, 100]`, `[0, null]`, or `{quantiles: [0.01, 0.99]}`."""


def transformed(numbers: np.ndarray, transform: Transform) -> np.ndarray:
    """The numbers after their transform, NaN or infinite where it does not take them."""
    import numpy as np

    if transform == "none":
        return numbers
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray({"log": np.log, "log1p": np.log1p, "sqrt": np.sqrt}[transform](numbers))


def transformed_tensor(numbers: KerasTensor, transform: Transform) -> KerasTensor:
    """The same of Keras's operations."""
    from keras import ops

    match transform:
        case "log":
            return ops.log(numbers)
        case "log1p":
            return ops.log1p(numbers)
        case "sqrt":
            return ops.sqrt(numbers)
        case _:
            return numbers
