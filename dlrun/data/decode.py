"""One image file: what its header says, and its pixels in a given form.

Pillow says what a picture looks like. A JPEG that needs neither turning nor another size is decoded by simplejpeg,
which gives the same pixels in less time.
"""

from __future__ import annotations

import io
import pathlib
import stat
import struct
import threading
import zlib
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dlrun.errors import DataError
from dlrun.spec.base import Spec

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image as PillowImage

Channels = Literal[1, 3, 4]
Resize = Literal["fill", "fit", "crop"]

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
ENDINGS = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".dib", ".webp")
"""How the names of image files end, in small letters."""

MOST_PIXELS = 89_478_485
"""In one picture: a quarter of a GiB in colour, where Pillow too begins to warn."""

MOST_BYTES = 1 << 29
"""Of one file."""

LARGE = 1 << 24
"""Pictures of more pixels are decoded one at a time, so that memory stays bounded however many threads there are."""

MODES: dict[Channels, str] = {1: "L", 3: "RGB", 4: "RGBA"}
ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held."""

JPEG_START, EXIF_START = b"\xff\xd8\xff", b"Exif\0\0"
"""How a JPEG begins, and how the part of it begins that says how it is to be turned."""

JPEG_HEAD = 1 << 12
"""Bytes of a JPEG in which its size usually stands."""

JPEG_COLOURS: dict[Channels, tuple[str, ...]] = {1: ("Gray",), 3: ("YCbCr", "RGB")}
"""What simplejpeg calls the colours of files that it decodes as Pillow does."""

DAMAGES = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    EOFError,
    struct.error,
    zlib.error,
)
"""What Pillow raises of a file that is not as its format wants it."""

_one_large_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Header:
    """What a file says of its picture before it is decoded.

    Args:
        height, width: in pixels, as it is to be seen (EXIF orientation).
        channels: 1 grey, 3 colour, 4 colour with transparency.
        deep: whether a pixel has 16 bits.
    """

    height: int
    width: int
    channels: Channels
    deep: bool


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


def header(file: pathlib.Path) -> Header:
    """Reads the beginning of a file.

    Raises:
        DataError: there is no picture in it that can be decoded; says why as a clause: `is empty`.
    """
    check_content(file)
    with suppress(OSError), file.open("rb", buffering=0) as stream:
        if found := _jpeg_header(stream.read(JPEG_HEAD)):
            return found
    return header_of(file)


def header_of(source: pathlib.Path | io.BytesIO) -> Header:
    """The same of a file that is there, or of its content.

    Raises:
        DataError: as `header`.
    """
    try:
        with _opened(source) as image:
            width, height = image.size
            if _orientation(image) >= 5:
                width, height = height, width
            channels: Channels = 4 if image.has_transparency_data else 1 if image.mode in _GREY else 3
            return Header(height, width, channels, image.mode.startswith("I"))
    except DAMAGES as error:
        raise DataError(_damage(error)) from None


def decode(file: pathlib.Path, form: Form, out: np.ndarray) -> None:
    """Decodes a file into an array, uint8 (height, width, channels).

    Grey of 16 bits is brought to 8 by `round(value / 257)`, colour of 16 bits by its upper byte. Transparency is laid
    over white where the form has none. Sizes change by bicubic interpolation with antialiasing (`fill` stretches; `fit`
    keeps the proportions and puts black bars beside; `crop` keeps them and cuts off evenly what is too much). Of a JPEG
    that is to be smaller than half its size, only so many frequencies are decoded as twice the wanted size needs
    (Pillow's draft mode).

    Raises:
        DataError: as `header`; or it is damaged, or has another size than the form, which has no `resize`.
    """
    check_content(file)
    try:
        with file.open("rb", buffering=0) as stream:
            data = stream.read()
    except OSError as error:
        raise DataError(_damage(error)) from None
    decode_bytes(data, form, out)


def decode_bytes(data: bytes, form: Form, out: np.ndarray) -> None:
    """Decodes the content of a file, as `decode`.

    Raises:
        DataError: as `decode`.
    """
    try:
        if _decoded_fast(data, form, out):
            return
        with _opened(io.BytesIO(data)) as image:
            large = image.size[0] * image.size[1] > LARGE
            with _one_large_at_a_time if large else nullcontext():
                out[:] = _pixels(image, form)
    except DAMAGES as error:
        raise DataError(_damage(error)) from None


def check_content(file: pathlib.Path) -> None:
    """That there is a file with something in it.

    Raises:
        DataError: says why not as a clause.
    """
    try:
        found = file.stat()
    except FileNotFoundError:
        raise DataError("is not there") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(f"cannot be read: {reason}") from None
    if not stat.S_ISREG(found.st_mode):
        raise DataError("is a folder" if stat.S_ISDIR(found.st_mode) else "is no plain file")
    if not found.st_size:
        raise DataError("is empty")
    if found.st_size > MOST_BYTES:
        raise DataError(f"has {found.st_size:,} bytes, more than the {MOST_BYTES:,} that are read of one image")


_GREY = ("1", "L", "I", "I;16", "I;16B", "I;16L", "I;16N")


def _opened(source: pathlib.Path | io.BytesIO) -> PillowImage:
    """The picture of a file, of which only the header has been read.

    Raises:
        DataError: it has more pixels than are decoded.
    """
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # the check is here: a warning could not be told apart by threads
    image = Image.open(source, formats=FORMATS)
    width, height = image.size
    if width * height > MOST_PIXELS:
        image.close()
        raise DataError(
            f"has {width * height:,} pixels ({width}x{height}), more than the {MOST_PIXELS:,} that are decoded of one "
            "image"
        )
    return image


def _orientation(image: PillowImage) -> int:
    """How the picture is to be turned, 1 to 8 as EXIF counts them; 1 where the header does not say it."""
    if image.format == "PNG" and "exif" not in image.info:  # Pillow would decode the picture to look behind it
        return 1
    try:
        found = image.getexif().get(ORIENTATION, 1)
    except DAMAGES:
        return 1
    return found if found in range(1, 9) else 1


def _decoded_fast(data: bytes, form: Form, out: np.ndarray) -> bool:
    """Decodes a JPEG that needs nothing else; False where it does, or where Pillow should say what is wrong with it."""
    import simplejpeg

    found = _jpeg_size(data) if form.channels != 4 and out.flags.c_contiguous else None
    if found is None or found[:2] != (form.height, form.width) or found[2] not in JPEG_COLOURS[form.channels]:
        return False
    wanted = "GRAY" if form.channels == 1 else "RGB"
    try:
        simplejpeg.decode_jpeg(data, wanted, fastdct=False, fastupsample=False, buffer=out)
    except ValueError:
        return False
    return True


def _jpeg_header(data: bytes) -> Header | None:
    """What the beginning of a JPEG says; None where Pillow should say it."""
    if (found := _jpeg_size(data)) is None:
        return None
    height, width, colours = found
    channels = next((channels for channels, names in JPEG_COLOURS.items() if colours in names), None)
    return None if channels is None or height * width > MOST_PIXELS else Header(height, width, channels, False)


def _jpeg_size(data: bytes) -> tuple[int, int, str] | None:
    """Height, width and colours, as simplejpeg calls them, of a JPEG that stands upright; None of anything else."""
    import simplejpeg

    if not data.startswith(JPEG_START) or EXIF_START in data:
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    return height, width, colours


def _pixels(image: PillowImage, form: Form) -> np.ndarray:
    """The picture in a form, uint8 (height, width, channels).

    Raises:
        DataError: it has another size than the form, which has no `resize`.
    """
    import numpy as np

    turned = _orientation(image)
    if image.format == "JPEG" and form.resize is not None:
        wanted = (2 * form.width, 2 * form.height)
        image.draft(None, wanted if turned < 5 else wanted[::-1])
    image.load()
    picture = _turned(_in_mode(image, MODES[form.channels]), _orientation(image))  # in a PNG it may stand at the end
    if form.resize is None and picture.size != (form.width, form.height):
        width, height = picture.size
        raise DataError(f"is {height}x{width} (height x width), where {form.height}x{form.width} is needed")
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


def _damage(error: BaseException) -> str:
    """What is wrong with a file, as a clause."""
    from PIL import UnidentifiedImageError

    match error:
        case UnidentifiedImageError():
            return "is no image in one of the formats PNG, JPEG, GIF, BMP or WebP, or its beginning is damaged"
        case OSError(strerror=str(reason)):
            return f"cannot be read: {reason}"
        case _:
            return f"is damaged: {error}"
