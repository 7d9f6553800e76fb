"""Images: pixels brought to a range or standardised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from dlrun.data.columns import Column
from dlrun.data.decode import Form, Resize
from dlrun.data.features.augment import AugmentField
from dlrun.data.features.number import usable
from dlrun.data.features.values import Fault, missing_fault
from dlrun.data.image_header import ENDINGS, Channels
from dlrun.data.signature import Input
from dlrun.errors import DataError
from dlrun.models.encoders import Encoder
from dlrun.spec.base import Spec

if TYPE_CHECKING:
    import numpy as np
    from keras import KerasTensor


Side = Annotated[int, Field(ge=1, le=16_384)]


def _rising(limits: tuple[float, float]) -> tuple[float, float]:
    if not limits[0] < limits[1]:
        raise ValueError("the first value must be less than the second")
    return limits


BLOCK = 256
"""Images whose pixels are counted at once."""


AT_ONCE = 1 << 16
"""Numbers that are encoded at once."""


class FittedImage(Spec):
    """The state of an `Image` after it has seen the train rows: `pixel * scale + offset`, in float32."""

    kind: Literal["image"]
    """Which feature this is the state of."""
    shape: tuple[int, int, int]
    """Height, width and channels."""
    whole: bool
    """Whether a raw pixel is a whole number from 0 to 255."""
    scale: tuple[float, ...]
    """What a pixel is multiplied by, one for each channel."""
    offset: tuple[float, ...]
    """What is then added."""
    limits: tuple[float, float] = (0.0, 255.0)
    """The least and the greatest value that a raw pixel can have."""
    form: Form | None = None
    """What image files are brought to; none where the model was not trained on such."""

    def input(self, name: str) -> Input:
        return Input(name, "image", self.shape)

    @property
    def encoded_limits(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Black and white as the network sees them, by channel."""
        low, high = (
            tuple(limit * scale + offset for scale, offset in zip(self.scale, self.offset, strict=True))
            for limit in self.limits
        )
        return low, high

    def faults(self, values: np.ndarray) -> list[Fault]:
        """What keeps the values from being encoded."""
        if image_shape(values.shape[1:]) == self.shape:
            return _faults(values)
        received = "x".join(map(str, values.shape[1:])) or "one value a row"
        return [Fault(f"{received}, where the model takes images of {'x'.join(map(str, self.shape))}")]

    def encode(self, values: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """(rows, height, width[, channels]) to float32 (rows, height, width, channels).

        Args:
            out: what they are written to, and which is given back; None: an array of their own.
        """
        import numpy as np

        encoded = np.empty((len(values), *self.shape), np.float32) if out is None else out
        width = self.shape[1] * self.shape[2]
        # Whole lines of pixels, since NumPy is slow where it has three channels at a time; and so few that they are in
        # the processor's cache from the first pass to the last.
        raw, lines = values.reshape(-1, width), encoded.reshape(-1, width)
        scale, offset = self._along_a_line(self.scale), self._along_a_line(self.offset)
        step = max(1, AT_ONCE // width)
        for start in range(0, len(lines), step):
            part = lines[start : start + step]
            part[:] = raw[start : start + step]
            part *= scale
            if offset.any():
                part += offset
        return encoded

    def _along_a_line(self, channels: tuple[float, ...]) -> np.ndarray:
        """What belongs to each number of a line of pixels: one number where it is the same in all channels, which
        NumPy is faster with."""
        import numpy as np

        numbers = np.array(channels, np.float32)
        return numbers[0] if (numbers == numbers[0]).all() else np.tile(numbers, self.shape[1])

    def raw_input(self, name: str) -> KerasTensor:
        import keras

        return keras.Input(self.shape, name=name, dtype="uint8" if self.whole else "float32")

    def preprocess(self, raw: KerasTensor) -> KerasTensor:
        import numpy as np
        from keras import ops

        scaled = ops.multiply(ops.cast(raw, "float32"), np.array(self.scale, np.float32))
        return ops.add(scaled, np.array(self.offset, np.float32))


class Image(Spec):
    """A picture."""

    kind: Literal["image"]
    """A picture: an array of pixels, or the name of an image file (PNG, JPEG, GIF, BMP, WebP)."""
    size: tuple[Side, Side] | None = None
    """Height and width that image files are brought to. Left out: all have the same."""
    resize: Resize | None = None
    """How they are brought to it: fill stretches them; fit keeps the proportions and puts black bars beside; crop keeps
    them and cuts off evenly what is too much. Left out: fill, where there is a size."""
    channels: Channels | None = None
    """Of image files: 1 grey, 3 colour, 4 colour with transparency. Left out: what the files have, and 3 where they
    differ."""
    folder: str | None = None
    """What the names of image files are relative to. Left out: the folder of the table that names them. A relative path
    is relative to the spec file."""
    rescale: Annotated[tuple[float, float], AfterValidator(_rising)] | None = (0.0, 1.0)
    """The range that pixels are brought to, from the range that they can have: 0 to 255 for whole numbers, what the
    source says (digits: 0 to 16), or else the least and greatest value of the train rows. null: left as they are."""
    standardise: bool = False
    """Whether each channel is then brought to mean 0 and standard deviation 1 on the train rows."""
    augment: AugmentField | None = None
    """What is done to the images of the train split, anew in each epoch. Left out: nothing."""
    encoder: Encoder | None = None
    """What reads this input in a combined architecture: an architecture, its last dense layers
    included. Left out: two convolutional blocks."""

    def takes(self, column: Column) -> bool:
        """Whether a column of that kind can be read so."""
        return self.reads_files(column) or column.kind == "unknown" or image_shape(column.shape) is not None

    def reads_files(self, column: Column) -> bool:
        """Whether the column has the names of image files rather than pixels."""
        if column.kind == "category" and isinstance(column.classes, tuple):
            return any(name.lower().endswith(ENDINGS) for name in column.classes)
        return column.kind in ("image", "text") and column.shape == ()

    def input(self, name: str, column: Column) -> Input | None:
        """The network's input as far as it is known without the data."""
        if self.reads_files(column):
            if self.size is None or self.channels is None:
                return None
            return Input(name, "image", (*self.size, self.channels))
        shape = image_shape(column.shape)
        return None if shape is None else Input(name, "image", shape)

    def faults(self, values: np.ndarray) -> list[Fault]:
        """What keeps the values from being read so."""
        return _faults(values)

    def fit(self, values: np.ndarray, column: Column) -> FittedImage:
        """Learns from the pixels of the train rows, (rows, height, width[, channels]).

        Raises:
            DataError: they are no images.
        """
        import numpy as np

        shape = image_shape(values.shape[1:])
        if shape is None:
            raise DataError(f"images are needed, but one value has the shape {values.shape[1:]}")
        whole = values.dtype == np.uint8
        low, high = column.limits or ((0.0, 255.0) if whole else (float(values.min()), float(values.max())))
        scale, offset = np.ones(shape[2]), np.zeros(shape[2])
        if self.rescale is not None:
            scale *= (self.rescale[1] - self.rescale[0]) / usable(high - low)
            offset += self.rescale[0] - low * scale
        if self.standardise:
            mean, deviation = _moments(values, shape[2], whole)
            scale = 1 / np.array(list(map(usable, deviation, mean)))
            offset = -mean * scale
        return FittedImage(
            kind="image",
            shape=shape,
            whole=bool(whole),
            scale=tuple(scale.tolist()),
            offset=tuple(offset.tolist()),
            limits=(low, high),
            form=column.form,
        )


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """(height, width, channels) of one value's shape; a picture without a channel axis has one channel."""
    if len(shape) == 2:
        return (shape[0], shape[1], 1)
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else None


def _faults(values: np.ndarray) -> list[Fault]:
    if values.dtype.kind not in "uif" or image_shape(values.shape[1:]) is None:
        return [Fault("no image")]
    return missing_fault(values)


def _moments(values: np.ndarray, channels: int, whole: bool) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel of images, in float64.

    Whole pixels are counted by value: exact, without a copy eight times as large, and block by block, since they may
    be on disk.
    """
    import numpy as np

    if not whole:
        pixels = values.reshape(-1, channels)
        return pixels.mean(axis=0, dtype=np.float64), pixels.std(axis=0, dtype=np.float64)
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(values), BLOCK):
        pixels = values[start : start + BLOCK].reshape(-1, channels)
        counts += np.stack([np.bincount(channel, minlength=256) for channel in pixels.T])
    total = counts[0].sum()
    mean = counts @ np.arange(256) / total
    variance = (counts * (np.arange(256) - mean[:, None]) ** 2).sum(axis=1) / total
    return mean, np.sqrt(variance)
