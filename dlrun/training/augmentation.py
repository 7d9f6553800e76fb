"""Augmentation of images inside the compiled step: stateless, so that a resumed training sees the same images.

All that is drawn is a function of the seed, the epoch, the row of the example in its table, which copy of it this is
where an epoch has several, and the name of the input: it does not depend on where in a batch the example stands, nor on
chunks, windows or workers.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import pi
from typing import TYPE_CHECKING, Any

from dlrun.data.features.augment import Augment, Fill
from dlrun.data.on_disk import picked
from dlrun.models.threefry import normal, threefry, uniform
from dlrun.seeds import generator
from dlrun.training.mixup import Mixup, mixed
from dlrun.training.order import COPY
from dlrun.training.step import Batch

if TYPE_CHECKING:
    import numpy as np

    from dlrun.data.examples import Examples

Tensor = Any

SAMPLES, VERSIONS = 6, 7
"""How many images are shown, each as in how many epochs."""

EXAMPLE = "dlrun_example"
"""The input that has the number of each example's row; it is taken out before the network."""

DRAWS = (
    *("flip_y", "flip_x", "angle", "zoom", "shift_y", "shift_x", "crop", "crop_y", "crop_x"),
    *("contrast", "brightness", "cutout_y", "cutout_x"),
)
"""What is drawn once for an image, in the order of the counters."""

GOLDEN = 0x9E3779B9
"""2^32 by the golden ratio: multiples of it, modulo 2^32, are far from one another (Knuth, TAOCP 3, 6.4)."""

FIRST_PIXEL = 64
"""The counter from which on noise is drawn."""


@dataclass(frozen=True)
class Augmented:
    """One input of images that is augmented.

    Args:
        name: of the Keras input.
        augment: what is done.
        black, white: of each channel, as the network sees it, (channels,).
    """

    name: str
    augment: Augment
    black: tuple[float, ...]
    white: tuple[float, ...]


class Augmentation:
    """What is done to each batch of the train split before the network sees it.

    Args:
        inputs: those that are augmented.
        seed: of the spec.
        mixup: what mixes the examples, after that; None: nothing does.
        copies: whether the places of examples tell which copy each is, by `COPY`: each is changed in its own way.
    """

    def __init__(
        self, inputs: tuple[Augmented, ...], seed: int, mixup: Mixup | None = None, *, copies: bool = False
    ) -> None:
        import tensorflow as tf

        self._inputs, self._mixup, self._copies = inputs, mixup, copies
        words = generator(seed, "augmentation").integers(0, 2**32, 2, dtype="uint32")
        self._words = int(words[0]), int(words[1])
        self._epoch = tf.Variable(0, trainable=False, dtype=tf.int64, name="augmentation_epoch")

    def begin(self, epoch: int) -> None:
        """What follows is of this epoch."""
        self._epoch.assign(epoch)

    def samples(self, examples: Examples) -> dict[str, np.ndarray]:
        """A few images of the train split and what the first epochs make of them, black 0 and white 1: `originals`
        (images, height, width, channels) and `augmented` (images, epochs, height, width, channels).

        Where they are mixed it is with one another: `partners`, with which, and `shares`, how much of the first is
        left, (images, epochs) each."""
        import numpy as np
        import tensorflow as tf

        each = self._inputs[0]
        chosen = np.unique(np.linspace(0, len(examples) - 1, SAMPLES).astype(np.int64))
        rows = tf.constant(examples.rows[chosen].astype(np.int32))
        inputs = {one.name: picked(examples.inputs[one.name], chosen) for one in self._inputs}
        versions, partners, shares = [], [], []
        for epoch in range(1, VERSIONS + 1):
            self.begin(epoch)
            x, _ = self(({**inputs, EXAMPLE: rows}, None))
            images = x[each.name]
            if self._mixup is not None:
                partners.append(self._mixup.partners(self._epoch, len(rows)))
                shares.append(self._mixup.shares(self._epoch, tf.cast(rows, tf.uint32)))
                images = mixed(images, tf.gather(images, partners[-1]), shares[-1])
            versions.append(np.asarray(images))
        black, white = np.array(each.black), np.array(each.white)
        shown = {"originals": inputs[each.name], "augmented": np.stack(versions, 1)}
        shown = {name: ((values - black) / (white - black)).astype(np.float32) for name, values in shown.items()}
        return shown | ({"partners": np.stack(partners, 1), "shares": np.stack(shares, 1)} if partners else {})

    def told(self, rows: Tensor) -> Tensor:
        """What tells each example of a step, by the row numbers of all of them, (n,): the number, or, where examples
        are mixed, the numbers of the two, (n, 2)."""
        import tensorflow as tf

        if self._mixup is None:
            return rows
        return tf.stack([rows, tf.gather(rows, self._mixup.partners(self._epoch, rows.shape[0]))], 1)

    def of(self, take: Callable[[Tensor], Batch], told: Tensor) -> Batch:
        """The augmented batch of the examples that are told so.

        Args:
            take: gives the batch of row numbers (batch,).
        """
        import tensorflow as tf

        if self._copies:
            take = partial(_copies, take)
        if self._mixup is None:
            return self(take(told))
        one, other = take(told[:, 0]), take(told[:, 1])
        share = self._mixup.shares(self._epoch, tf.cast(one[0][EXAMPLE], tf.uint32))
        return self._mixup.mix(self(one), self(other), share, [each.name for each in self._inputs])

    def __call__(self, batch: Batch) -> Batch:
        """The batch with its images augmented, and without the numbers of its examples; inside a graph."""
        import tensorflow as tf

        x, y, *weights = batch
        x = dict(x)
        rows = tf.cast(x.pop(EXAMPLE), tf.uint32)
        changed = {each.name: self._augmented(each, x[each.name], rows) for each in self._inputs}
        for name, images in changed.items():
            if y is x[name]:  # a reconstruction gives what it was shown
                y = images
        return ({**x, **changed}, y, *weights)

    def _augmented(self, each: Augmented, images: Tensor, rows: Tensor) -> Tensor:
        import tensorflow as tf

        first, second = self._words
        epoch = tf.cast(self._epoch, tf.uint32)
        key = tf.constant(first ^ zlib.crc32(each.name.encode()), tf.uint32), tf.constant(second, tf.uint32) ^ epoch
        draws = dict(zip(DRAWS, tf.unstack(uniforms(key, rows, len(DRAWS)), axis=1), strict=True))
        augment, black, white = each.augment, tf.constant(each.black), tf.constant(each.white)
        if augment.moves:
            matrix, offset = placement(augment, draws, images.shape[1], images.shape[2])
            images = warp(images, matrix, offset, augment.fill, black)
        elif augment.flip:
            images = flip(images, draws, augment)
        images = colour(images, augment, draws, black, white)
        if augment.noise:
            images += augment.noise * (white - black) * noise(key, rows, images.shape[1:])
        if augment.contrast or augment.brightness or augment.noise:
            images = tf.clip_by_value(images, tf.minimum(black, white), tf.maximum(black, white))
        return cutout(images, augment.cutout, draws) if augment.cutout else images


def _copies(take: Callable[[Tensor], Batch], told: Tensor) -> Batch:
    """A batch in which the numbers of further copies of an example are others, up to chance.

    Args:
        take: gives the batch of row numbers (batch,).
        told: row numbers, with what tells copies apart.
    """
    import tensorflow as tf

    x, *rest = take(tf.math.floormod(told, COPY))
    copy = tf.cast(tf.math.floordiv(told, COPY), tf.uint32)
    number = tf.cast(x[EXAMPLE], tf.uint32) + copy * tf.constant(GOLDEN, tf.uint32)
    return ({**x, EXAMPLE: number}, *rest)


def uniforms(key: tuple[Tensor, Tensor], rows: Tensor, count: int) -> Tensor:
    """So many numbers for each row, uniform in [0, 1), (rows, count) float32."""
    import tensorflow as tf

    counters = tf.range(count, dtype=tf.int32)
    words = threefry(key, (rows[:, None] + tf.zeros((1, count), tf.uint32), tf.cast(counters, tf.uint32)[None]))[0]
    return uniform(words)


def noise(key: tuple[Tensor, Tensor], rows: Tensor, shape: Any) -> Tensor:
    """Numbers of the standard normal distribution for each pixel, (rows, *shape) float32."""
    import tensorflow as tf

    size = int(shape.num_elements())
    pairs = tf.cast(tf.range(FIRST_PIXEL, FIRST_PIXEL + (size + 1) // 2), tf.uint32)[None]
    words = threefry(key, (rows[:, None] + tf.zeros_like(pairs), pairs))
    return tf.reshape(normal(tf.concat(words, 1)[:, :size]), (-1, *shape))


def between(low: float, high: float, draw: Tensor) -> Tensor:
    """A uniform draw brought to a range."""
    return low + (high - low) * draw


def placement(augment: Augment, draws: Mapping[str, Tensor], height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where in the image the pixels of the augmented one are found: at `matrix · place + offset`, both counted in
    pixels from the middle, y before x.

    Returns:
        matrix (batch, 2, 2) and offset (batch, 2), float32.
    """
    import tensorflow as tf

    angle = between(-augment.rotation, augment.rotation, draws["angle"]) * (pi / 180)
    zoom = between(1 - augment.zoom, 1 + augment.zoom, draws["zoom"])
    window = between(augment.crop, 1.0, draws["crop"])
    mirrored_y, mirrored_x = mirrored(augment, draws)
    sign_y, sign_x = 1 - 2 * mirrored_y, 1 - 2 * mirrored_x
    cos, sin = tf.cos(angle) / zoom, tf.sin(angle) / zoom
    turned = tf.stack([tf.stack([sign_y * cos, sign_y * sin], -1), tf.stack([-sign_x * sin, sign_x * cos], -1)], -2)
    place = [
        side
        * (
            (1 - window) * (draws[f"crop_{axis}"] - 0.5)
            - between(-augment.shift, augment.shift, draws[f"shift_{axis}"])
        )
        for axis, side in (("y", height), ("x", width))
    ]
    return turned * window[:, None, None], tf.linalg.matvec(turned, tf.stack(place, -1))


def mirrored(augment: Augment, draws: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Whether each image is mirrored, top and bottom, left and right: 0 or 1, (batch,) float32 each."""
    import tensorflow as tf

    y = tf.cast(draws["flip_y"] < (0.5 if augment.flip in ("vertical", "both") else 0.0), tf.float32)
    x = tf.cast(draws["flip_x"] < (0.5 if augment.flip in ("horizontal", "both") else 0.0), tf.float32)
    return y, x


def flip(images: Tensor, draws: Mapping[str, Tensor], augment: Augment) -> Tensor:
    """Mirrored images, whose pixels keep their values."""
    import tensorflow as tf

    for axis, chosen in zip((1, 2), mirrored(augment, draws), strict=True):
        images = tf.where(chosen[:, None, None, None] > 0, tf.reverse(images, [axis]), images)
    return images


def warp(images: Tensor, matrix: Tensor, offset: Tensor, fill: Fill, black: Tensor) -> Tensor:
    """Images whose pixels come from other places, by linear interpolation between the four neighbours.

    Args:
        images: (batch, height, width, channels).
        matrix, offset: as `placement` gives them.
        fill: what is beyond the edge.
        black: of each channel, (channels,).
    """
    import tensorflow as tf

    height, width, channels = images.shape[1:]
    y = tf.range(height, dtype=tf.float32)[None, :, None] - (height - 1) / 2
    x = tf.range(width, dtype=tf.float32)[None, None, :] - (width - 1) / 2
    m, o = matrix[:, :, :, None, None], offset[:, :, None, None]
    from_y = m[:, 0, 0] * y + m[:, 0, 1] * x + o[:, 0] + (height - 1) / 2  # (batch, height, width)
    from_x = m[:, 1, 0] * y + m[:, 1, 1] * x + o[:, 1] + (width - 1) / 2
    top, left = tf.floor(from_y), tf.floor(from_x)
    down, right = (from_y - top)[..., None], (from_x - left)[..., None]
    pixels = tf.reshape(images, (-1, height * width, channels))

    def at(row: Tensor, column: Tensor) -> Tensor:
        (row, row_inside), (column, column_inside) = within(row, height, fill), within(column, width, fill)
        index = tf.reshape(row * width + column, (-1, height * width))
        found = tf.reshape(tf.gather(pixels, index, batch_dims=1), (-1, height, width, channels))
        return tf.where((row_inside & column_inside)[..., None], found, black) if fill == "black" else found

    rows = tf.cast(top, tf.int32), tf.cast(top, tf.int32) + 1
    columns = tf.cast(left, tf.int32), tf.cast(left, tf.int32) + 1
    upper = at(rows[0], columns[0]) * (1 - right) + at(rows[0], columns[1]) * right
    lower = at(rows[1], columns[0]) * (1 - right) + at(rows[1], columns[1]) * right
    return upper * (1 - down) + lower * down


def within(index: Tensor, side: int, fill: Fill) -> tuple[Tensor, Tensor]:
    """The places within an image that stand for those beyond its edges too, and which are within it."""
    import tensorflow as tf

    inside = (index >= 0) & (index < side)
    if fill == "reflect":
        index = tf.math.floormod(index, 2 * side)
        return tf.minimum(index, 2 * side - 1 - index), inside
    return tf.clip_by_value(index, 0, side - 1), inside


def colour(images: Tensor, augment: Augment, draws: Mapping[str, Tensor], black: Tensor, white: Tensor) -> Tensor:
    """Contrast, then brightness."""
    import tensorflow as tf

    if augment.contrast:
        factor = between(1 - augment.contrast, 1 + augment.contrast, draws["contrast"])[:, None, None, None]
        mean = tf.reduce_mean(images, axis=(1, 2), keepdims=True)
        images = (images - mean) * factor + mean
    if augment.brightness:
        added = between(-augment.brightness, augment.brightness, draws["brightness"])[:, None, None, None]
        images += added * (white - black)
    return images


def cutout(images: Tensor, share: float, draws: Mapping[str, Tensor]) -> Tensor:
    """Images with a rectangle in their mean colour, whose middle is anywhere in them."""
    import tensorflow as tf

    inside = tf.constant(True)
    for axis, name in ((1, "cutout_y"), (2, "cutout_x")):
        side = images.shape[axis]
        middle = draws[name][:, None] * side
        places = tf.range(side, dtype=tf.float32)[None] + 0.5
        within_side = tf.abs(places - middle) <= share * side / 2  # (batch, side)
        inside &= within_side[:, :, None] if axis == 1 else within_side[:, None, :]
    return tf.where(inside[..., None], tf.reduce_mean(images, axis=(1, 2), keepdims=True), images)
