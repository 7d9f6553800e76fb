"""Pictures whose files stand in records, such as those of TFRecord files and of Hugging Face's data sets."""

from __future__ import annotations

import io
from math import prod
from typing import TYPE_CHECKING, cast

from dlrun.data.decode import Form, OtherSizeError, decode_bytes
from dlrun.data.image_header import header_of
from dlrun.data.on_disk import OnDisk, check_room
from dlrun.data.pictures import blocks
from dlrun.data.sources.files import check_fits, fits
from dlrun.errors import DataError
from dlrun.machine import cache_folder

if TYPE_CHECKING:
    import numpy as np

    from dlrun.data.sources.tfrecord import RecordColumn

AT_ONCE = 1 << 24
"""Bytes of pixels that are decoded at once where they are put on disk."""


def decoded(
    files: list[bytes], file: str, name: str, column: RecordColumn | None = None, *, new: bool = False
) -> np.ndarray:
    """Pictures, decoded: uint8 (rows, height, width, channels), on disk where the memory does not hold them; colour
    where the first has it.

    Args:
        column: says what size they are brought to; None, or where it says none: all have the same.
        new: whether all are to be in memory.

    Raises:
        DataError: one cannot be decoded, or has another size, with its number; or there is no room for them.
    """
    import numpy as np

    try:
        found = header_of(io.BytesIO(files[0]))
    except DataError as error:
        raise DataError(f"{file}: {name} of record 1 {error.message}") from None
    form = Form(height=found.height, width=found.width, channels=found.channels)
    if column is not None and column.height is not None and column.width is not None:
        wanted = {"height": column.height, "width": column.width, "resize": column.resize or "fill"}
        form = form.model_copy(update=wanted)
    needed = len(files) * prod(form.shape)
    if new or fits(needed):
        check_fits(needed, f"{file}: {name}")
        return _pixels_of(files, 1, form, file, name, column)
    folder = cache_folder() / "streamed"
    check_room(folder, needed, "the decoded images")
    stored = OnDisk(folder, form.shape, np.dtype(np.uint8))
    for first, last in blocks(len(files), form, AT_ONCE):
        stored.append(_pixels_of(files[first:last], first + 1, form, file, name, column))
    return cast("np.ndarray", stored)  # it is sliced as arrays are


def _pixels_of(
    files: list[bytes], first: int, form: Form, file: str, name: str, column: RecordColumn | None
) -> np.ndarray:
    """As `decoded`, of some records.

    Args:
        first: the number of the first of them.
    """
    import numpy as np

    pixels = np.zeros((len(files), *form.shape), np.uint8)
    for number, data in enumerate(files, first):
        try:
            decode_bytes(data, form, pixels[number - first])
        except DataError as error:
            hint = error.hint
            if isinstance(error, OtherSizeError) and column is not None:
                size = f"height: {form.height}, width: {form.width}"
                hint = f"bring all to one size: columns: {{{name}: {{kind: image, {size}}}}}"
            raise DataError(f"{file}: {name} of record {number} {error.message}", hint=hint) from None
    return pixels
