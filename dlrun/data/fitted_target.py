"""The target as the train rows showed it: classes or numbers, encoded for the network and restored from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from dlrun.data.features.scales import raw_scales, scales
from dlrun.data.features.steps import windows
from dlrun.data.features.values import Fault, as_numbers, as_text, missing_fault, objects, one_number_faults, text_of
from dlrun.data.layout import Past
from dlrun.data.signature import Output
from dlrun.spec.base import Spec

if TYPE_CHECKING:
    import numpy as np
    from keras import KerasTensor


class FittedClasses(Spec):
    """A target that is one of several classes, as the train rows have them."""

    kind: Literal["classes"]
    """Which target this is."""
    column: str
    """The target's column."""
    classes: tuple[str, ...]
    """The classes as text, in the order of their indexes."""

    @property
    def output(self) -> Output:
        binary = len(self.classes) == 2
        shape = (1,) if binary else (len(self.classes),)
        return Output(self.column, "binary" if binary else "multiclass", shape, self.classes)

    def faults(self, values: np.ndarray) -> list[Fault]:
        """Missing values and classes that the train rows do not have."""
        import numpy as np

        if values.ndim != 1:
            return [Fault("not one class a row")]
        if missing := missing_fault(values):
            return missing
        known = frozenset(self.classes)
        texts = map(text_of, objects(values))
        strange = np.array([position for position, text in enumerate(texts) if text not in known], np.int64)
        if not len(strange):
            return []
        names = sorted(set(map(str, as_text(values[strange]))))
        shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        return [Fault(f"a class that the train rows do not have ({shown})", strange)]

    def encode(self, values: np.ndarray) -> np.ndarray:
        """(rows,) to int32 (rows,): the index of the class."""
        import numpy as np

        index = {name: position for position, name in enumerate(self.classes)}
        return np.array([index[text] for text in as_text(values) if text is not None], np.int32)


class FittedNumbers(Spec):
    """A target that is a number, or the next numbers of a series: `(value - offset) / scale`, in float32; with
    `difference`, of the change since that many steps before."""

    kind: Literal["numbers"]
    """Which target this is."""
    column: str
    """The target's column."""
    offset: float
    """What is subtracted from a value."""
    scale: float
    """What it is then divided by."""
    horizon: int | None = None
    """How many next steps of a series are predicted; none where it is not one."""
    difference: int | None = None
    """How many steps before is what a value is compared with; none where the value itself is predicted."""
    each: dict[str, tuple[float, float]] | None = None
    """Offset and scale of each series; none where all share one. Offset 0 and scale 1 then stand above."""

    @property
    def output(self) -> Output:
        if self.horizon is None:
            return Output(self.column, "regression", (1,))
        return Output(self.column, "forecast", (self.horizon,))

    def faults(self, values: np.ndarray) -> list[Fault]:
        """What keeps the values from being encoded."""
        return one_number_faults(values)

    def truth(self, values: np.ndarray, origins: np.ndarray | None = None) -> np.ndarray:
        """(rows,) to float64 in the units of the data: (rows,), or, for a series, (windows, horizon)."""
        if self.horizon is None or origins is None:
            return as_numbers(values)[0]
        return windows(values, origins + 1, self.horizon)

    def scaled(self, truth: np.ndarray, past: Past | None = None) -> np.ndarray:
        """The truth as the network is to give it: float32 (rows, 1) or (windows, horizon).

        Args:
            past: of a series: what came before.
        """
        import numpy as np

        if self.difference is not None and past is not None:
            steps = np.concatenate([past.last(self.difference), truth], axis=1)
            truth = steps[:, self.difference :] - steps[:, : -self.difference]
        offset, scale = self._scales(past)
        scaled = np.asarray((truth - offset) / scale, np.float32)
        return scaled[:, None] if self.horizon is None else scaled

    def restore(self, outputs: np.ndarray, past: Past | None = None) -> np.ndarray:
        """Outputs of the network, (rows, 1) or (windows, horizon), in the units of the data: float64 (rows,) or
        (windows, horizon).

        Args:
            past: of a series: what came before.
        """
        import numpy as np

        offset, scale = self._scales(past)
        numbers: np.ndarray = outputs.astype(np.float64)
        numbers *= scale  # in place: these are the predictions of a whole split
        numbers += offset
        if self.horizon is None:
            return numbers.reshape(len(outputs))
        if self.difference is None or past is None:
            return numbers
        seasons = np.pad(numbers, ((0, 0), (0, -self.horizon % self.difference)))
        seasons = seasons.reshape(len(numbers), -1, self.difference).cumsum(axis=1)
        seasons += past.last(self.difference)[:, None]
        return np.asarray(seasons.reshape(len(numbers), -1)[:, : self.horizon])

    def _scales(self, past: Past | None) -> tuple[Any, Any]:
        """Offset and scale, a number or (windows, 1) each."""
        if self.each is None or past is None:
            return self.offset, self.scale
        offset, scale = scales(self, past.ids)
        return offset[:, None], scale[:, None]

    def restore_raw(self, outputs: KerasTensor, past: KerasTensor | None, series: KerasTensor | None) -> KerasTensor:
        """The same as `restore`, built of Keras layers.

        Args:
            past: of a series whose changes are predicted: its values up to the last known one, (batch, past, 1).
            series: its name, (batch, 1), where each is scaled by itself.
        """
        from keras import layers, ops

        if self.each is None:
            numbers = layers.Rescaling(self.scale, self.offset, dtype="float32", name="restored")(outputs)
        else:
            offset, scale = (ops.squeeze(each, -1) for each in raw_scales(self, series))
            numbers = ops.cast(outputs, "float32") * scale + offset
        if self.difference is None or self.horizon is None or past is None:
            return numbers
        seasons = ops.pad(numbers, ((0, 0), (0, -self.horizon % self.difference)))
        seasons = ops.cumsum(ops.reshape(seasons, (-1, seasons.shape[1] // self.difference, self.difference)), axis=1)
        seasons = seasons + ops.expand_dims(past[:, -self.difference :, 0], 1)
        return ops.reshape(seasons, (-1, seasons.shape[1] * self.difference))[:, : self.horizon]


FittedTarget = Annotated[FittedClasses | FittedNumbers, Field(discriminator="kind")]
