"""The pixels of one image file in a given form.

Pillow says what a picture looks like. A JPEG that needs neither turning nor another size is decoded by simplejpeg,
which gives the same pixels in less time.
"""

from __future__ import annotations

import io
import pathlib
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, Literal

from dlrun.data.image_header import (
    DAMAGES,
    JPEG_COLOURS,
    Channels,
    check_content,
    damage_of,
    jpeg_size,
    opened_image,
    orientation_of,
)
from dlrun.errors import DataError
from dlrun.spec.base import Spec

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image as PillowImage

Resize = Literal["fill", "fit", "crop"]

LARGE = 1 << 24
"""Pictures of more pixels are decoded one at a time, so that memory stays bounded however many threads there are."""

MODES: dict[Channels, str] = {1: "L", 3: "RGB", 4: "RGBA"}

_one_large_at_a_time = threading.Lock()


class OtherSizeError(DataError):
    """A picture has another size than is needed."""


class Form(Spec):
    """How image files become arrays."""

    height: int
    """Of the array."""
    width: int
    """Of the array."""
    channels: Channels
    """Of the array: 1 grey, 3 colour, 4 colour with transparency."""
    resize: Resize | None = None
    """How a picture gets that size; none: it must have it."""

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels


def decode(file: pathlib.Path, form: Form, out: np.ndarray) -> None:
    """Decodes a file into an array, uint8 (height, width, channels).

    Grey of 16 bits is brought to 8 by `round(value / 257)`, colour of 16 bits by its upper byte. Transparency is laid
    over white where the form has none. Sizes change by bicubic interpolation with antialiasing (`fill` stretches; `fit`
    keeps the proportions and puts black bars beside; `crop` keeps them and cuts off evenly what is too much). Of a JPEG
    that is to be smaller than half its size, only so many frequencies are decoded as twice the wanted size needs
    (Pillow's draft mode).

    Raises:
        DataError: as `header`; or it is damaged.
        OtherSizeError: it has another size than the form, which has no `resize`.
    """
    check_content(file)
    try:
        with file.open("rb", buffering=0) as stream:
            data = stream.read()
    except OSError as error:
        raise DataError(damage_of(error)) from None
    decode_bytes(data, form, out)


def decode_bytes(data: bytes, form: Form, out: np.ndarray) -> None:
    """Decodes the content of a file, as `decode`.

    Raises:
        DataError, OtherSizeError: as `decode`.
    """
    try:
        if _decoded_fast(data, form, out):
            return
        with opened_image(io.BytesIO(data)) as image:
            large = image.size[0] * image.size[1] > LARGE
            with _one_large_at_a_time if large else nullcontext():
                out[:] = _pixels(image, form)
    except DAMAGES as error:
        raise DataError(damage_of(error)) from None


def _decoded_fast(data: bytes, form: Form, out: np.ndarray) -> bool:
    """Decodes a JPEG that needs nothing else; False where it does, or where Pillow should say what is wrong with it."""
    import simplejpeg

    found = jpeg_size(data) if form.channels != 4 else None
    if found is None or found[:2] != (form.height, form.width) or found[2] not in JPEG_COLOURS[form.channels]:
        return False
    wanted = "GRAY" if form.channels == 1 else "RGB"
    try:
        simplejpeg.decode_jpeg(data, wanted, fastdct=False, fastupsample=False, buffer=out)
    except ValueError:
        return False
    return True


def _pixels(image: PillowImage, form: Form) -> np.ndarray:
    """The picture in a form, uint8 (height, width, channels).

    Raises:
        OtherSizeError: it has another size than the form, which has no `resize`.
    """
    import numpy as np

    turned = orientation_of(image)
    if image.format == "JPEG" and form.resize is not None:
        wanted = (2 * form.width, 2 * form.height)
        image.draft(None, wanted if turned < 5 else wanted[::-1])
    image.load()
    picture = _turned(_in_mode(image, MODES[form.channels]), orientation_of(image))  # in a PNG it may stand at the end
    if form.resize is None and picture.size != (form.width, form.height):
        width, height = picture.size
        raise OtherSizeError(f"is {height}x{width} (height x width), where {form.height}x{form.width} is needed")
    return np.asarray(_resized(picture, form)).reshape(form.shape)


def _in_mode(image: PillowImage, mode: str) -> PillowImage:
    import numpy as np
    from PIL import Image

    if image.mode.startswith("I"):  # Pillow would cut off what is above 255
        deep = np.clip(np.asarray(image, np.float64), 0, 65535)
        image = Image.fromarray(np.rint(deep / 257).astype(np.uint8))
    if image.has_transparency_data and mode != "RGBA":
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert(mode)


def _turned(image: PillowImage, orientation: int) -> PillowImage:
    from PIL.Image import Transpose

    ways = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(ways[orientation]) if orientation in ways else image


def _resized(image: PillowImage, form: Form) -> PillowImage:
    from PIL import ImageOps
    from PIL.Image import Resampling

    size = (form.width, form.height)
    if image.size == size:
        return image
    match form.resize:
        case "fit":
            return ImageOps.pad(image, size, Resampling.BICUBIC, color=0)
        case "crop":
            return ImageOps.fit(image, size, Resampling.BICUBIC)
        case _:
            return image.resize(size, Resampling.BICUBIC)
