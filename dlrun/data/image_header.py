"""One image file: whether there is a picture in it, and what its header says of that."""

from __future__ import annotations

import io
import pathlib
import stat
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dlrun.errors import DataError, reason_of

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

Channels = Literal[1, 3, 4]

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")

ENDINGS = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".dib", ".webp")
"""How the names of image files end, in small letters."""

MOST_PIXELS = 89_478_485
"""In one picture: a quarter of a GiB in colour, where Pillow too begins to warn."""

MOST_BYTES = 1 << 29
"""Of one file."""

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
        with opened_image(source) as image:
            width, height = image.size
            if orientation_of(image) >= 5:
                width, height = height, width
            channels: Channels = 4 if image.has_transparency_data else 1 if image.mode in _GREY else 3
            return Header(height, width, channels, image.mode.startswith("I"))
    except DAMAGES as error:
        raise DataError(damage_of(error)) from None


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
        raise DataError(f"cannot be read: {reason_of(error)}") from None
    if not stat.S_ISREG(found.st_mode):
        raise DataError("is a folder" if stat.S_ISDIR(found.st_mode) else "is no plain file")
    if not found.st_size:
        raise DataError("is empty")
    if found.st_size > MOST_BYTES:
        raise DataError(f"has {found.st_size:,} bytes, more than the {MOST_BYTES:,} that are read of one image")


_GREY = ("1", "L", "I", "I;16", "I;16B", "I;16L", "I;16N")


def opened_image(source: pathlib.Path | io.BytesIO) -> PillowImage:
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


def orientation_of(image: PillowImage) -> int:
    """How the picture is to be turned, 1 to 8 as EXIF counts them; 1 where the header does not say it."""
    if image.format == "PNG" and "exif" not in image.info:  # Pillow would decode the picture to look behind it
        return 1
    try:
        found = image.getexif().get(ORIENTATION, 1)
    except DAMAGES:
        return 1
    return found if found in range(1, 9) else 1


def _jpeg_header(data: bytes) -> Header | None:
    """What the beginning of a JPEG says; None where Pillow should say it."""
    if (found := jpeg_size(data)) is None:
        return None
    height, width, colours = found
    channels = next((channels for channels, names in JPEG_COLOURS.items() if colours in names), None)
    return None if channels is None or height * width > MOST_PIXELS else Header(height, width, channels, False)


def jpeg_size(data: bytes) -> tuple[int, int, str] | None:
    """Height, width and colours, as simplejpeg calls them, of a JPEG that stands upright; None of anything else."""
    import simplejpeg

    if not data.startswith(JPEG_START) or EXIF_START in data:
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    return height, width, colours


def damage_of(error: BaseException) -> str:
    """What is wrong with a file, as a clause."""
    from PIL import UnidentifiedImageError

    match error:
        case UnidentifiedImageError():
            return "is no image in one of the formats PNG, JPEG, GIF, BMP or WebP, or its beginning is damaged"
        case OSError(strerror=str(reason)):
            return f"cannot be read: {reason}"
        case _:
            return f"is damaged: {error}"
