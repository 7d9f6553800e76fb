"""The format of MNIST's files: a header of a few bytes, then the values (http://yann.lecun.com/exdb/mnist)."""

from __future__ import annotations

import pathlib
import struct
from collections.abc import Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from dlrun.data.columns import Column, Defaults, Table
from dlrun.data.features.category import sort_texts
from dlrun.data.features.values import text_of
from dlrun.data.sources.files import FETCH, PACKED, check_file, locate, opened
from dlrun.data.sources.npy import check_memory, values_of
from dlrun.errors import DataError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np

TYPES: Mapping[int, str] = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""What the third byte says of the values."""

IMAGE, LABEL = "image", "label"

Named = Annotated[str, Field(min_length=1)]

Shape = tuple[int, ...]


class Idx(Spec):
    """Images and labels in MNIST's format, plain or packed (.gz); columns `image` and `label`."""

    kind: Literal["idx"]
    """Images and labels in MNIST's format; columns image and label."""
    images: Named
    """The file with the images, such as train-images-idx3-ubyte.gz; a relative path is relative to the spec file."""
    labels: Named
    """The file with their labels."""
    test_images: Named | None = None
    """The images of the test part, where it is in files of its own."""
    test_labels: Named | None = None
    """Their labels."""

    def check(self, base: pathlib.Path) -> Iterator[Problem]:
        """What is wrong with the files, as far as their headers show it."""
        if (self.test_images is None) != (self.test_labels is None):
            given = "test_images" if self.test_images else "test_labels"
            other = "test_labels" if self.test_images else "test_images"
            yield Problem((given,), f"{given} need {other}", hint=f"add {other}, or take {given} out", at="key")
        shapes: dict[str, Shape] = {}
        for field, path in self._paths().items():
            unreadable = [
                Problem((field,), each.message, received=path, hint=each.hint) for each in check_file(base, path)
            ]
            yield from unreadable
            if unreadable:
                continue
            try:
                shapes[field], _ = _header(locate(base, path))
            except DataError as error:
                yield Problem((field,), error.message, received=path, hint=error.hint)
        yield from self._check_shapes(shapes)

    def _check_shapes(self, shapes: Mapping[str, Shape]) -> Iterator[Problem]:
        for field, shape in shapes.items():
            if field.endswith("labels") and len(shape) != 1:
                yield Problem((field,), f"this file has values of the shape {shape[1:]}, and labels are single numbers")
            elif field.endswith("images") and not 2 <= len(shape) <= 4:
                yield Problem((field,), f"this file has {len(shape)} axes, and images have 3 or 4: rows, height, width")
        for part in ("", "test_"):
            images, labels = shapes.get(f"{part}images"), shapes.get(f"{part}labels")
            if images and labels and images[0] != labels[0]:
                told = f"{images[0]:,} images and {labels[0]:,} labels"
                yield Problem((f"{part}labels",), f"there are {told}", hint="name the files that belong together")
        images, others = shapes.get("images"), shapes.get("test_images")
        if images and others and images[1:] != others[1:]:
            yield Problem(("test_images",), f"its images are of {others[1:]}, and those of the train part {images[1:]}")

    def known(self, base: pathlib.Path) -> dict[str, Column] | None:
        """The columns, by the headers; None where they cannot be read."""
        try:
            shape, _ = _header(locate(base, self.images))
        except DataError:
            return None
        return {IMAGE: _column(_image_shape(shape[1:])), LABEL: Column("category")}

    def defaults(self, base: pathlib.Path) -> Defaults:
        """The roles of the columns."""
        return Defaults(target=LABEL)

    def has_test(self, base: pathlib.Path) -> bool:
        """Whether there is a test part."""
        return self.test_images is not None

    def resolve(self, base: pathlib.Path) -> Idx:
        """The same source with absolute paths."""
        return self.model_copy(update={field: str(locate(base, path)) for field, path in self._paths().items()})

    def load(self, base: pathlib.Path) -> Table:
        """Reads the files; plain ones with images are mapped into memory.

        Raises:
            DataError: one is damaged, or they do not belong together.
        """
        import numpy as np

        arrays = {field: read_idx(locate(base, path)) for field, path in self._paths().items()}
        for problem in self._check_shapes({field: values.shape for field, values in arrays.items()}):
            raise DataError(f"{problem.path[0]}: {problem.message}", hint=problem.hint)
        images, labels = arrays["images"], arrays["labels"]
        tests = None
        if "test_images" in arrays:
            tests = np.arange(len(images) + len(arrays["test_images"])) >= len(images)
            images = np.concatenate([images, arrays["test_images"]])
            labels = np.concatenate([labels, arrays["test_labels"]])
        images = images.reshape(len(images), *_image_shape(images.shape[1:]))
        name = locate(base, self.images).name
        columns = {IMAGE: values_of(images, IMAGE, name), LABEL: values_of(labels, LABEL, name)}
        classes = sort_texts([text_of(value) or "" for value in np.unique(columns[LABEL]).tolist()])
        known = {IMAGE: _column(columns[IMAGE].shape[1:]), LABEL: Column("category", classes=tuple(classes))}
        return Table(name, columns, tests, known)

    def _paths(self) -> dict[str, str]:
        fields = ("images", "labels", "test_images", "test_labels")
        return {field: path for field in fields if (path := getattr(self, field)) is not None}


def read_idx(file: pathlib.Path) -> np.ndarray:
    """The values of a file; of a plain one they are mapped into memory.

    Raises:
        DataError: it is damaged, or of another format.
    """
    import numpy as np

    shape, dtype = _header(file)
    start = 4 + 4 * len(shape)
    expected = start + prod(shape) * np.dtype(dtype).itemsize
    if file.suffix.lower() in PACKED:
        check_memory(expected, str(file))
        with opened(file) as stream:
            data = stream.read(expected + 1)
        _check_size(len(data), expected, file)
        return np.frombuffer(data, dtype, offset=start).reshape(shape)
    _check_size(file.stat().st_size, expected, file)
    if not prod(shape):
        return np.zeros(shape, dtype)
    return np.memmap(file, dtype, "r", start, shape)


def _header(file: pathlib.Path) -> tuple[Shape, str]:
    """The shape and the type of the values.

    Raises:
        DataError: the file is of another format.
    """
    with opened(file) as stream:
        begin = stream.read(4)
        if len(begin) < 4 or begin[:2] != b"\0\0" or begin[2] not in TYPES or not begin[3]:
            raise DataError(
                f"{file} is no IDX file: it begins with {begin[:4].hex(' ') or 'nothing'}",
                hint="such a file begins with two zero bytes; is it packed, and its name does not end in .gz?",
            )
        sizes = stream.read(4 * begin[3])
    if len(sizes) < 4 * begin[3]:
        raise DataError(f"{file} is damaged: it was cut off within its header", hint=FETCH)
    return struct.unpack(f">{begin[3]}I", sizes), TYPES[begin[2]]


def _check_size(found: int, expected: int, file: pathlib.Path) -> None:
    if found != expected:
        count = f"{found:,}" if found < expected else "more"
        raise DataError(
            f"{file} is damaged: its header announces {expected:,} bytes, and there are {count}", hint=FETCH
        )


def _image_shape(rest: Shape) -> Shape:
    """A picture with its channels; anything else as it is."""
    return (*rest, 1) if len(rest) == 2 else rest


def _column(shape: Shape) -> Column:
    return Column("image" if len(shape) == 3 else "number", shape)
