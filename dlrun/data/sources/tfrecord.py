"""Tables in TFRecord files, by declared columns."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from dlrun.data.columns import Column, Defaults, Table
from dlrun.data.decode import Resize
from dlrun.data.sources.files import check_fits, locate, opened, parts
from dlrun.data.sources.record_pictures import decoded
from dlrun.data.sources.tfrecord_file import Values, example, verified
from dlrun.errors import DataError
from dlrun.machine import available_memory
from dlrun.spec.base import Spec
from dlrun.spec.near import nearest
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np

ENDINGS = (".tfrecord", ".tfrecords", ".tfrec")

Kind = Literal["integer", "number", "text", "image"]

Size = Annotated[int, Field(ge=1)]

Side = Annotated[int, Field(ge=1, le=16_384)]

OBJECT = 40
"""Bytes that Python needs for a value in a list besides its content, about."""


class RecordColumn(Spec):
    """What a feature of the records is."""

    kind: Kind
    """integer (int64), number (float or int64), text (bytes, UTF-8), image (bytes: PNG, JPEG, GIF, BMP, WebP; or the
    pixels themselves, where shape is given)."""
    size: Size | None = None
    """Of numbers: how many stand in a row. Left out: one."""
    shape: tuple[Size, Size, Size] | None = None
    """Of an image whose bytes are its pixels: height, width, channels."""
    height: Side | None = None
    """Of a PNG, a JPEG or the like, with width: what all are brought to. Left out: all must have the same size."""
    width: Side | None = None
    """As height."""
    resize: Resize | None = None
    """How pictures get that size: fill stretches; fit keeps the proportions and puts black bars beside; crop keeps them
    and cuts off evenly what is too much. Left out: fill."""

    def check(self) -> Iterator[Problem]:
        """Fields that contradict one another, or the kind."""
        if self.size is not None and self.kind != "number":
            yield Problem(("size",), "size is for numbers", received=self.kind, at="key")
        if self.kind != "image":
            of_images = [field for field in ("shape", "height", "width", "resize") if getattr(self, field) is not None]
            yield from (Problem((each,), f"{each} is for images", received=self.kind, at="key") for each in of_images)
            return
        sides = [field for field in ("height", "width") if getattr(self, field) is not None]
        if self.shape is not None and sides:
            yield Problem((sides[0],), "pixels that stand there as they are have the size that shape says", at="key")
        elif len(sides) == 1:
            yield Problem((sides[0],), "a picture has a height and a width", expected="both, or none", at="key")
        elif self.resize is not None and not sides:
            yield Problem(("resize",), "a picture is brought to a size", expected="height and width besides", at="key")


class TfRecord(Spec):
    """TFRecord files, plain or packed, with a tf.train.Example in each record."""

    endings: ClassVar[tuple[str, ...]] = ENDINGS
    kind: Literal["tfrecord"]
    """TFRecord files with a tf.train.Example in each record; TensorFlow is not needed to read them."""
    path: Annotated[str, Field(min_length=1)]
    """A file, plain or packed (.gz); or a folder of parts, or a pattern such as train-*.tfrecord, sorted by name. A
    relative path is relative to the spec file."""
    columns: Annotated[dict[str, Kind | RecordColumn], Field(min_length=1)]
    """The features that are read, and what they are, such as {image: image, label: integer, row: {kind: number,
    size: 4}}."""
    time: str | None = None
    """The column with the time of each row, as text such as 2010-01-31 13:00; for series and for a split by time."""
    limit: Size | None = None
    """How many records are read at most: the first. Left out: all."""

    def check(self, base: pathlib.Path) -> Iterator[Problem]:
        """What is wrong with the files, as far as their first record shows it."""
        for name, column in self._columns.items():
            yield from (problem.under("columns", name) for problem in column.check())
        if self.time is not None and (self.time not in self._columns or self._columns[self.time].kind != "text"):
            yield Problem(("time",), f"{self.time} is no column of text", hint=f"columns: {{{self.time}: text}}")
        try:
            file = parts(base, self.path, self.endings)[0]
            with opened(file) as stream:
                first = next(self._examples(stream, file.name), None)
            if first is None:
                raise DataError(f"{file} is empty")
        except DataError as error:
            yield Problem(("path",), error.message, received=self.path, hint=error.hint)
            return
        for name in self._columns.keys() - first.keys():
            match = nearest(name, list(first))
            hint = f"did you mean {match}?" if match else f"it has: {', '.join(first)}"
            yield Problem(("columns", name), f"the first record has no feature {name}", hint=hint, at="key")

    @property
    def _columns(self) -> dict[str, RecordColumn]:
        return {
            name: each if isinstance(each, RecordColumn) else RecordColumn(kind=each)
            for name, each in self.columns.items()
        }

    def known(self, base: pathlib.Path) -> dict[str, Column]:
        """The columns, as they are declared."""
        return {name: self._known(name, each) for name, each in self._columns.items()}

    def _known(self, name: str, column: RecordColumn) -> Column:
        if name == self.time:
            return Column("time")
        match column.kind:
            case "image":
                return Column("image", column.shape or ())
            case "number":
                return Column("number", (column.size,) if column.size else ())
            case _:
                return Column("unknown")

    def defaults(self, base: pathlib.Path) -> Defaults:
        """The roles of the columns."""
        return Defaults(target="label" if "label" in self.columns else None, time=self.time)

    def has_test(self, base: pathlib.Path) -> bool:
        """Whether there is a test part: no."""
        return False

    def resolve(self, base: pathlib.Path) -> TfRecord:
        """The same source with an absolute path."""
        return self.model_copy(update={"path": str(locate(base, self.path))})

    def load(self, base: pathlib.Path, *, new: bool = False) -> Table:
        """Reads the files.

        Args:
            new: whether it is new data, all of which is to be in memory; else pictures are on disk where they would not
                fit.

        Raises:
            DataError: one is damaged, or a record is not as the columns say, with its number; or the memory does not
                hold what the records do.
        """
        files = parts(base, self.path, self.endings)
        name = files[0].name if len(files) == 1 else f"{pathlib.Path(self.path).name} ({len(files)} parts)"
        values: dict[str, list[Any]] = {each: [] for each in self.columns}
        free, taken = available_memory(), 0
        for file in files:
            with opened(file) as stream:
                for number, found in enumerate(self._examples(stream, file.name), 1):
                    if self._is_full(values):
                        break
                    for each, column in self._columns.items():
                        try:
                            value = _value(found.get(each), column)
                        except DataError as error:
                            raise DataError(
                                f"{file.name}: record {number}: {each} {error.message}", hint=error.hint
                            ) from None
                        values[each].append(value)
                        taken += _bytes_of(value)
                    check_fits(taken, name, free, hint="take fewer columns, or the first records: limit")
        if not next(iter(values.values())):
            raise DataError(f"{name} has no records")
        return Table(name, {each: self._array(name, each, found, new=new) for each, found in values.items()})

    def _is_full(self, values: dict[str, list[Any]]) -> bool:
        return self.limit is not None and len(next(iter(values.values()))) >= self.limit

    def _examples(self, stream: Any, name: str) -> Iterator[dict[str, Values]]:
        for number, data in enumerate(verified(stream, name), 1):
            yield example(data, name, number)

    def _array(self, file: str, name: str, values: list[Any], *, new: bool) -> np.ndarray:
        """The values of a column as `Table` has them."""
        import numpy as np

        match self._columns[name].kind:
            case "integer":
                return np.array(values, np.int64)
            case "number":
                return np.array(values, np.float64)
            case "text":
                texts: np.ndarray = np.empty(len(values), object)
                texts[:] = values
                return _times(texts, file, name) if name == self.time else texts
            case _:
                column = self._columns[name]
                return np.stack(values) if column.shape else decoded(values, file, name, column, new=new)


def _value(found: Values | None, column: RecordColumn) -> Any:
    """The value of a feature in one record.

    Raises:
        DataError: it is not as the column says; says why as a clause.
    """
    found = found or []
    size = column.size or 1
    if not found and column.kind in ("number", "text"):
        return [float("nan")] * size if column.size else float("nan") if column.kind == "number" else None
    if len(found) != size:
        raise DataError(f"has {len(found)} values, and {size} {'is' if size == 1 else 'are'} expected")
    first = found[0]
    if column.kind in ("integer", "number"):
        if isinstance(first, bytes) or (column.kind == "integer" and isinstance(first, float)):
            raise DataError(
                f"holds {_kind(first)}", hint=f"{{kind: {'text' if isinstance(first, bytes) else 'number'}}}"
            )
        return list(found) if column.size else first
    if not isinstance(first, bytes):
        raise DataError(f"holds {_kind(first)}, and not bytes", hint="{kind: number}")
    return _text(first) if column.kind == "text" else _pixels(first, column)


def _bytes_of(value: Any) -> int:
    """What a value takes in memory, about."""
    if isinstance(value, str | bytes):
        return OBJECT + len(value)
    if isinstance(value, list):
        return OBJECT * len(value)
    return OBJECT + int(getattr(value, "nbytes", 0))


def _kind(value: bytes | float | int) -> str:
    return "bytes" if isinstance(value, bytes) else "floats" if isinstance(value, float) else "whole numbers"


def _text(data: bytes) -> str | None:
    try:
        return data.decode() or None
    except UnicodeDecodeError:
        raise DataError("is not UTF-8", hint="{kind: image} if it is a picture") from None


def _pixels(data: bytes, column: RecordColumn) -> bytes | np.ndarray:
    import numpy as np

    if column.shape is None:
        return data
    if len(data) != prod(column.shape):
        shape = "x".join(map(str, column.shape))
        raise DataError(
            f"has {len(data):,} bytes, and {shape} pixels are {prod(column.shape):,}",
            hint="leave shape out if it is a PNG or a JPEG",
        )
    return np.frombuffer(data, np.uint8).reshape(column.shape)


def _times(texts: np.ndarray, file: str, name: str) -> np.ndarray:
    import polars

    from dlrun.data.sources.frames import columns_of, with_times

    frame = with_times(polars.DataFrame({name: texts.tolist()}, {name: polars.String}), name, file)
    return columns_of(frame, file)[name]
