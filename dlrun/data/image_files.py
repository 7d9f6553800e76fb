"""Columns with the names of image files: as a training finds them, and as pixels."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from dlrun.data.columns import Batch, Column, Table
from dlrun.data.features import Feature, FittedImage, Image
from dlrun.data.features.values import as_text, complaint, missing_fault
from dlrun.data.on_disk import OnDisk, check_room
from dlrun.data.pictures import Pictures, common_form, headers, shown
from dlrun.data.preparation import Preparation
from dlrun.data.sources.files import locate
from dlrun.errors import DataError, MisfitError
from dlrun.machine import cache_folder
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np

MOST_PIXELS = 1 << 25
"""Bytes of pixels of new data that are decoded at once."""

FOR_FILES = ("size", "resize", "channels", "folder")
"""The fields of an image feature that say how files are read."""


DECODED = 9
"""Bytes of memory for each value of an image: as it is decoded, and twice encoded."""

AT_ONCE = 128
"""Images that are decoded while as many are written to disk."""


def of_files(features: Mapping[str, Feature], columns: Mapping[str, Column]) -> dict[str, Image]:
    """The image features whose columns hold the names of files.

    Raises:
        MisfitError: a feature says how files are read, and its column holds pixels; paths are relative to the section
            `data`.
    """
    images = {name: each for name, each in features.items() if isinstance(each, Image) and name in columns}
    found = {name: each for name, each in images.items() if each.reads_files(columns[name])}
    problems = [
        Problem(("features", name, field), f"{name} holds pixels, not the names of image files", hint="leave it out")
        for name, each in images.items()
        for field in FOR_FILES
        if name not in found and each.tree()[field] is not None
    ]
    if problems:
        raise MisfitError(*problems)
    return found


def pictures(table: Table, name: str, feature: Image, base: pathlib.Path) -> tuple[Pictures, list[str]]:
    """The image files that a column names, and what one should know of them.

    Args:
        table: with the names, (rows,).
        base: what a relative `folder` of the feature is relative to: the spec's folder.

    Raises:
        DataError: names are missing, files are no images, or differ in size where the feature names none.
    """
    import numpy as np

    values = table.columns[name]
    for fault in missing_fault(values):
        raise DataError(
            f"{table.name}: {complaint(name, fault, np.arange(len(table)))}", hint="remove the rows, or write it in"
        )
    folder = locate(base, feature.folder) if feature.folder else table.folder or base
    files = values.tolist()
    try:
        found = headers(folder, files)
        form, notes = common_form(files, found, feature.size, feature.channels, feature.resize)
    except DataError as error:
        raise DataError(f"{table.name}: {name}: {error.message}", hint=error.hint) from None
    return Pictures(values, folder, form), [f"{name}: {note}" for note in notes]


def with_pixels(
    table: Table,
    features: Mapping[str, Feature],
    columns: Mapping[str, Column],
    base: pathlib.Path,
    allowed: int | None = None,
) -> tuple[Table, dict[str, Feature], dict[str, Column]]:
    """The table with pixels where it names image files, the features with nothing left out that the files say, and the
    columns as they are then.

    Args:
        allowed: bytes of memory that they may take, encoded; where they need more, their pixels are put on disk. None:
            any number.

    Raises:
        DataError: an image cannot be decoded; all such are named.
        MisfitError: as `of_files`.
    """
    import numpy as np

    pixels: dict[str, np.ndarray] = {}
    resolved, described, notes = dict(features), dict(columns), list(table.notes)
    for name, feature in of_files(features, columns).items():
        files, more = pictures(table, name, feature, base)
        notes += more
        try:
            if allowed is not None and DECODED * math.prod(files.form.shape) * len(table) > allowed:
                pixels[name] = cast("np.ndarray", on_disk(files))  # it is sliced as arrays are
            else:
                pixels[name] = files.read(np.arange(len(table), dtype=np.int64))
        except DataError as error:
            raise DataError(f"{table.name}: {name}: {error.message}", hint=error.hint) from None
        folder = None if feature.folder is None else str(locate(base, feature.folder))
        form = {"channels": files.form.channels, "resize": files.form.resize}
        resolved[name] = feature.model_copy(update={"folder": folder, **form})
        described[name] = Column("image", files.form.shape, form=files.form)
    if not pixels:
        return table, resolved, described
    known = {name: column for name, column in table.known.items() if name not in pixels}
    called = table.columns[next(iter(pixels))] if len(pixels) == 1 else None
    decoded = replace(table, columns={**table.columns, **pixels}, known=known, notes=tuple(notes), called=called)
    return decoded, resolved, described


def pixels_of(
    preparation: Preparation, batch: Batch, folder: pathlib.Path, features: Mapping[str, Feature]
) -> Iterator[Batch]:
    """A batch of new data in parts that fit into memory, with pixels where it names image files; those that cannot be
    decoded are among the unreadable rows.

    Args:
        folder: what names are relative to.
        features: of the resolved spec, which may name other folders.
    """
    import numpy as np

    forms = {
        name: fitted.form
        for name, fitted in preparation.features.items()
        if isinstance(fitted, FittedImage) and fitted.form is not None and _names(batch.table, name)
    }
    if not forms:
        yield batch
        return
    size = sum(math.prod(form.shape) for form in forms.values())
    for start in range(0, max(1, len(batch.table)), max(1, MOST_PIXELS // size)):
        rows = np.arange(start, min(start + max(1, MOST_PIXELS // size), len(batch.table)))
        pixels: dict[str, np.ndarray] = {}
        bad: dict[int, str] = {}
        for name, form in forms.items():
            values = batch.table.columns[name]
            files = Pictures(np.array(as_text(values), object), folder_of(features.get(name), folder), form)
            pixels[name], faults = files.try_read(rows)
            for position, why in faults.items():
                told = why if batch.names else f"{name} {why}" + _which(files.files[rows[position]])
                bad.setdefault(int(batch.rows[rows[position]]), told)
        kept = np.array([int(row) not in bad for row in batch.rows[rows]], bool)
        columns = {
            name: pixels[name][kept] if name in pixels else values[rows[kept]]
            for name, values in batch.table.columns.items()
        }
        unreadable = {**(batch.unreadable if start == 0 else {}), **bad}
        yield Batch(replace(batch.table, columns=columns), batch.rows[rows[kept]], unreadable, batch.names)


def with_form(preparation: Preparation, table: Table, folder: pathlib.Path, features: Mapping[str, Feature]) -> Table:
    """A whole table of new data with pixels where it names image files.

    Raises:
        DataError: some cannot be decoded; names them all.
    """
    import numpy as np

    rows = np.arange(len(table))
    pixels: dict[str, np.ndarray] = {}
    for name, fitted in preparation.features.items():
        if isinstance(fitted, FittedImage) and fitted.form is not None and _names(table, name):
            files = np.array(as_text(table.columns[name]), object)
            pixels[name] = Pictures(files, folder_of(features.get(name), folder), fitted.form).read(rows)
    return replace(table, columns={**table.columns, **pixels})


def folder_of(feature: Feature | None, folder: pathlib.Path) -> pathlib.Path:
    """What the names of a feature's files are relative to: the folder that its spec names, or else the given one."""
    named = feature.folder if isinstance(feature, Image) else None
    return pathlib.Path(named) if named else folder


def _names(table: Table, name: str) -> bool:
    """Whether a column has the names of files, and not pixels."""
    return name in table.columns and table.columns[name].ndim == 1


def _which(name: str | None) -> str:
    return "" if name is None else f" ({shown(name)})"


def on_disk(files: Pictures) -> OnDisk:
    """The pixels of all files, uint8 (rows, height, width, channels), decoded once.

    Raises:
        DataError: images cannot be decoded; those of them that stand near one another are named. Or the disk is full.
    """
    import numpy as np

    folder = cache_folder() / "streamed"
    check_room(folder, len(files) * math.prod(files.form.shape), "the decoded images")
    pixels = OnDisk(folder, files.form.shape, np.dtype(np.uint8))
    for block in files.in_blocks(AT_ONCE):
        pixels.append(block)
    return pixels
