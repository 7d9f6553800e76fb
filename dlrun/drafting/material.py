"""Which source reads a file or a folder, how it is written, and what it holds."""

from __future__ import annotations

import os
import pathlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, get_args

from dlrun.data.decode import Form
from dlrun.data.image_header import ENDINGS as IMAGES
from dlrun.data.pictures import Pictures, headers, unreadable
from dlrun.data.sources import Source
from dlrun.data.sources.csv_file import Csv
from dlrun.data.sources.files import near_file, plain_name
from dlrun.data.sources.huggingface import ONE, SEVERAL
from dlrun.data.sources.json_lines import Json
from dlrun.data.sources.parquet_file import Parquet
from dlrun.data.sources.sql import DATABASES
from dlrun.drafting.table import read_table
from dlrun.errors import DataError, UsageError
from dlrun.profile.column import ColumnProfile
from dlrun.profile.frame import Frame, without
from dlrun.profile.table import Profile, frame_of, profile_frame, profile_table

if TYPE_CHECKING:
    import polars

    from dlrun.data.sources.tabular import Tabular

TABLES: dict[str, type[Tabular]] = {"csv": Csv, "parquet": Parquet, "json": Json}

MOST_HEADERS = 500
"""Image files that are looked at to tell a size that suits all, and whether some are damaged."""

SMALL = 16
"""Pixels a side to which they are decoded for that."""

QUERY = (
    "source: {{kind: sql, url: 'sqlite:///{}', table: <table>}}, in a spec that dlrun init begins; "
    "or write its rows to a CSV file"
)

MOST_FILES = 10_000
"""Files of a folder that are looked at to tell what it holds."""


@dataclass(frozen=True)
class Material:
    """A source and what it gives.

    Args:
        name: what to call it: of the file or folder.
        source: as the spec has it.
        reasons: why, in a few words.
        frame: the columns with one value a row.
        profile: of all columns.
        target: the column that the source itself says is predicted.
        own_test: whether the source has a test part.
        own_validation: whether it has a validation part.
        damaged: what is wrong with image files, where some of those looked at cannot be decoded.
        unread: why columns of the file are no columns of the frame, by their names.
        image_folders: what the names of image files are relative to where it is not the folder of the table, by
            column, as the spec has it.
    """

    name: str
    source: dict[str, Any]
    reasons: tuple[str, ...]
    frame: Frame
    profile: Profile
    target: str | None = None
    own_test: bool = False
    own_validation: bool = False
    damaged: str | None = None
    unread: Mapping[str, str] = field(default_factory=dict)
    image_folders: Mapping[str, str] = field(default_factory=dict)


def read_material(path: pathlib.Path, base: pathlib.Path) -> Material:
    """Reads what a spec is to be drafted for.

    Args:
        path: a file or a folder.
        base: the folder of the spec, to which the path in it is relative.

    Raises:
        UsageError: there is no such file, or it is of no kind that a source reads.
        DataError: it cannot be read.
    """
    if not path.exists():
        raise UsageError(f"there is no file or folder {path}", hint=near_file(path.absolute()))
    kind = kind_of(path)
    shown = _relative(path, base)
    if kind in TABLES:
        fields, reasons, frame, unread = read_table(TABLES[kind], path, {"kind": kind, "path": shown})
        material = Material(path.name, fields, reasons, frame, profile_frame(frame), unread=unread)
        folder = path if path.is_dir() else path.parent
        places = _image_places(material, folder)
        elsewhere = {name: _relative(place, base) for name, place in places.items() if place != folder}
        return replace(_with_images(material, places), image_folders=elsewhere)
    return _named(path, {"kind": kind, "path": shown})


def _relative(path: pathlib.Path, base: pathlib.Path) -> str:
    """A path as a spec in that folder has it; absolute where there is no way from the one to the other."""
    try:
        return pathlib.Path(os.path.relpath(path.absolute(), base.absolute())).as_posix()
    except ValueError:  # on another drive
        return path.absolute().as_posix()


def kind_of(path: pathlib.Path) -> str:
    """The kind of the source that reads a file or a folder.

    Raises:
        UsageError: there is none.
    """
    endings = {ending: kind for kind, source in TABLES.items() for ending in source.endings} | {".npz": "arrays"}
    if not path.is_dir():
        kind = next((kind for ending, kind in endings.items() if plain_name(path).endswith(ending)), None)
        if kind is None and plain_name(path).endswith(DATABASES):
            raise UsageError(f"{path} is a database, which is read by a query", hint=QUERY.format(path.name))
        if kind is None:
            raise UsageError(
                f"{path} ends in none of {', '.join(endings)}", hint="csv, parquet, json lines, .npz, or a folder"
            )
        return kind
    if any((path / name).is_file() for name in (SEVERAL, ONE)):
        return "huggingface"
    counts = Counter(kind for file in _files(path) if (kind := _kind_in_folder(path, file, endings)) is not None)
    known = {get_args(member.model_fields["kind"].annotation)[0] for member in get_args(get_args(Source)[0])}
    for kind, _ in counts.most_common():
        if kind in known:
            return kind
    raise UsageError(
        f"{path} holds nothing that a source reads",
        hint="parts of a table (.csv, .parquet, .jsonl), arrays (.npy), a data set that save_to_disk wrote, or a "
        "folder for each class with .txt files or images in it",
    )


def _files(path: pathlib.Path) -> Iterator[pathlib.Path]:
    count = 0
    for folder, _, names in os.walk(path):
        for name in names:
            yield pathlib.Path(folder, name)
            count += 1
            if count >= MOST_FILES:
                return


def _kind_in_folder(root: pathlib.Path, file: pathlib.Path, endings: dict[str, str]) -> str | None:
    name = file.name.lower()
    if name.startswith((".", "_")):
        return None
    if name.endswith(IMAGES):
        return "image_folder"
    if file.parent != root:
        return "text_folder" if name.endswith(".txt") else None
    if name.endswith(".npy"):
        return "arrays"
    kind = next((kind for ending, kind in endings.items() if plain_name(file).endswith(ending)), None)
    return kind if kind in TABLES else None


def _named(path: pathlib.Path, fields: dict[str, Any]) -> Material:
    """A source that knows its columns by itself: arrays, folders of classes, and data sets of Hugging Face."""
    from pydantic import TypeAdapter

    source: Any = TypeAdapter(Source).validate_python(fields | {"path": str(path.absolute())})
    table = source.load(pathlib.Path())
    if not len(table):
        raise DataError(f"{path} has no rows")
    target = source.defaults(pathlib.Path()).target
    material = Material(
        path.name,
        fields,
        (),
        frame_of(table),
        profile_table(table),
        target if target in table.columns else None,
        table.test_rows is not None,
        table.validation_rows is not None,
    )
    files = [name for name, about in table.known.items() if about.kind == "image" and table.columns[name].ndim == 1]
    return _with_images(material, dict.fromkeys(files, path))


def _image_places(material: Material, folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """What the names are relative to, by the columns of a table that name image files, where those are found.

    Args:
        folder: of the table: the files are in it, or in a folder beside the table.
    """
    found: dict[str, pathlib.Path] = {}
    for column in material.profile.columns:
        if column.type != "text" or column.missing:
            continue
        names = material.frame[column.name]
        if are_image_files(names) and (place := _place(folder, names[0])):
            found[column.name] = place
    return found


def _place(folder: pathlib.Path, file: str) -> pathlib.Path | None:
    """Where a file is: in a folder, or in one of those in it; None: nowhere there."""
    with suppress(OSError):  # the name may be too long, or the folder closed
        if (folder / file).is_file():
            return folder
        with os.scandir(folder) as entries:  # which may be a million images
            inner = [folder / entry.name for entry in entries if entry.is_dir()]
        return next((each for each in sorted(inner) if (each / file).is_file()), None)
    return None


def are_image_files(values: polars.Series) -> bool:
    """Whether texts are names of image files, by some of them."""
    some = [each for each in _some(values) if each is not None]
    return bool(some) and all(each.lower().endswith(IMAGES) for each in some)


def _with_images(material: Material, places: Mapping[str, pathlib.Path]) -> Material:
    """The same with columns that name image files as images.

    Args:
        places: what the names are relative to, by column.

    Raises:
        DataError: a file is not there, or no image.
    """
    columns = {column.name: column for column in material.profile.columns}
    damages = []
    for name, folder in places.items():
        files = _some(material.frame[name])
        try:
            columns[name] = _image_files(folder, files, columns[name])
        except DataError as error:
            raise DataError(f"{material.name}: {name}: {error.message}", hint=error.hint) from None
        damages.append(_damaged(folder, files))
    return replace(
        material,
        frame=without(material.frame, list(places)),
        profile=replace(material.profile, columns=tuple(columns.values())),
        damaged=next(filter(None, damages), None),
    )


def _damaged(folder: pathlib.Path, files: list[str]) -> str | None:
    """What is wrong with some image files, decoded small; None where nothing is."""
    import numpy as np

    form = Form(height=SMALL, width=SMALL, channels=3, resize="fill")
    _, bad = Pictures(np.array(files, object), folder, form).try_read(np.arange(len(files)))
    return unreadable({files[position]: why for position, why in bad.items()}).message if bad else None


def _some(values: polars.Series) -> list[str]:
    """A few values of a column."""
    return values.gather_every(max(1, len(values) // MOST_HEADERS)).to_list()


def _image_files(folder: pathlib.Path, files: list[str], column: ColumnProfile) -> ColumnProfile:
    """The profile of a column of image files as one of images, of their middle size, by the headers of some.

    Raises:
        DataError: one cannot be read.
    """
    found = headers(folder, files)
    channels = {each.channels for each in found}
    sides = [sorted(getattr(each, side) for each in found)[len(found) // 2] for side in ("height", "width")]
    return ColumnProfile(column.name, "image", column.rows, shape=(*sides, channels.pop() if len(channels) == 1 else 3))
