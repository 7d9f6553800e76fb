"""New data for a trained model: files in the form of its source, whole or in batches."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import IO

from dlrun.data.bad_rows import wanted
from dlrun.data.columns import Batch, Table
from dlrun.data.decode import Form
from dlrun.data.features import FittedImage
from dlrun.data.image_header import ENDINGS as IMAGE_ENDINGS
from dlrun.data.preparation import Preparation
from dlrun.data.sources import Source
from dlrun.data.sources.arrays import Arrays
from dlrun.data.sources.class_folders import files_below
from dlrun.data.sources.csv_file import DELIMITERS, Csv
from dlrun.data.sources.files import is_pattern, near_file, opened, parts, plain_name
from dlrun.data.sources.frames import Types
from dlrun.data.sources.image_folder import ImageFiles, ImageFolder
from dlrun.data.sources.json_lines import Json
from dlrun.data.sources.parquet_file import Parquet
from dlrun.data.sources.sql import DATABASES, Sql
from dlrun.data.sources.tabular import Tabular
from dlrun.data.sources.text_folder import ENDINGS, LARGEST, TEXT, TextFile, TextFolder, text_from
from dlrun.data.sources.tfrecord import TfRecord
from dlrun.errors import DataError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

KINDS: Mapping[type[Tabular], str] = {Csv: "csv", Parquet: "parquet", Json: "json"}
"""The sources of tables."""

ALL_ROWS = {"select": None, "where": (), "limit": None}
"""What keeps a source from leaving out any rows or columns."""

PIPE = "-"
"""The name of a file that stands for what comes through a pipe."""

BLOCK = 1 << 23
"""Bytes of a file that are read at once."""


def load_file(source: Source, path: pathlib.Path) -> Table:
    """Reads new data in the source's form: a table with its columns, or a .npz file with its arrays.

    Raises:
        DataError: the file is of another form, cannot be read, or is damaged.
    """
    found = of_path(source, path)
    return found.load(pathlib.Path(), new=True) if isinstance(found, Tabular | TfRecord) else found.load(pathlib.Path())


def of_path(
    source: Source, path: pathlib.Path
) -> Tabular | Arrays | TextFolder | TextFile | ImageFolder | ImageFiles | TfRecord:
    """The source that new data is, by its name and by the source of the training; that one's types count, and not
    which of its rows it kept. For a model of texts in files, a .txt is a text, and not a table; for one of images in
    folders, a folder has images.

    Raises:
        DataError: it is none, or not there.
    """
    if not path.exists() and not is_pattern(str(path)):
        raise DataError(f"there is no file {path}", hint=near_file(path))
    name, time = plain_name(path), source.defaults(pathlib.Path()).time
    place = str(path.absolute())
    if name.endswith((".npz", ".npy")) or (isinstance(source, Arrays) and path.is_dir()):
        return Arrays(kind="arrays", path=place, time=time)
    if isinstance(source, TextFolder) and (path.is_dir() or name.endswith(ENDINGS)):
        return source.model_copy(update={"path": place}) if path.is_dir() else TextFile(path=place)
    if isinstance(source, ImageFolder) and path.is_dir():
        return source.model_copy(update={"path": place})
    if name.endswith(IMAGE_ENDINGS):
        return ImageFiles(path=place)
    kind = next((kind for kind in KINDS if name.endswith(kind.endings)), None)
    if isinstance(source, TfRecord) and kind is None:
        return source.model_copy(update={"path": place, "limit": None})
    if isinstance(source, Tabular) and not name.endswith(DATABASES) and (kind is None or isinstance(source, kind)):
        return source.model_copy(update={"path": place, **ALL_ROWS})
    if kind is None and name.endswith(DATABASES):
        raise DataError(f"{path} is a database", hint="write the rows to a CSV file, and give that")
    if kind is None:
        raise DataError(
            f"{path} is of no known form",
            hint="a table (.csv, .parquet, .jsonl; packed too), arrays (.npz, .npy), or an image for a model of such",
        )
    types = source.types if isinstance(source, Tabular | Sql) else None
    return kind.parse({"kind": KINDS[kind], "path": place, "time": time, "types": types})


def files_of(found: Spec, path: pathlib.Path) -> list[pathlib.Path]:
    """The files that a path stands for: itself, or those of a folder or of a pattern.

    Raises:
        DataError: there is none, or one cannot be read.
    """
    if isinstance(found, Tabular | TfRecord) and not path.is_file():
        return parts(pathlib.Path(), str(path), found.endings)
    if isinstance(found, TextFolder):
        if files := files_below(path, ENDINGS):
            return files
        raise DataError(f"no file in {path} ends in {', '.join(ENDINGS)}")
    return [path]


def _mend_file(part: Spec, problem: Problem) -> str | None:
    """What to do to a file that a source cannot read, whose fields a run has fixed."""
    if not isinstance(part, Csv) or problem.path == ("path",):
        return problem.hint
    return f"save the file with {DELIMITERS.get(part.delimiter, part.delimiter)} between values"


def _piped_text(piped: IO[bytes]) -> Table:
    import numpy as np

    return Table("stdin", {TEXT: np.array([text_from(piped.read(LARGEST + 1), "stdin")], object)})


@dataclass(frozen=True)
class NewData:
    """A file with rows to predict.

    Args:
        source: what the file is.
        path: the file; None: what comes through a pipe.
        preparation: of the trained model: which columns are texts, and whether times are needed.
        records: whether the training read TFRecord files.
    """

    source: Tabular | Arrays | TextFile | ImageFiles | TfRecord
    path: pathlib.Path | None
    preparation: Preparation
    records: bool = False

    @classmethod
    def piped(cls, source: Source, preparation: Preparation) -> NewData:
        """What comes through a pipe: in the form of the training's table, one text, or else CSV."""
        if isinstance(source, TextFolder):
            return cls(TextFile(path=PIPE), None, preparation)
        types = source.types if isinstance(source, Sql) else None
        table = source if isinstance(source, Tabular) else Csv(kind="csv", path=PIPE, types=types)
        return cls(table.model_copy(update=ALL_ROWS), None, preparation)

    @classmethod
    def at(cls, source: Source, path: pathlib.Path, preparation: Preparation) -> Iterator[NewData]:
        """A file, or each part that a folder or a pattern stands for.

        Raises:
            DataError: it is of no known form, or not there, or a table that its beginning shows to be none.
        """
        found = of_path(source, path)
        files = files_of(found, path)
        if isinstance(found, TextFolder):
            found = TextFile(path=str(path))
        if isinstance(found, ImageFolder):
            found = ImageFiles(path=str(path))
        if isinstance(found, TfRecord):  # new records need not have what is predicted
            needed = {*preparation.features, preparation.time, preparation.series_by}
            used = {name: each for name, each in found.columns.items() if name in needed}
            found = found.model_copy(update={"columns": used})
        for file in files:
            part = found.model_copy(update={"path": str(file.absolute())})
            for problem in part.check(pathlib.Path()):
                if problem.path == ("path",) or problem.path[0] in ("delimiter", "decimal_comma"):
                    told = problem.message if file.name in problem.message else f"{file}: {problem.message}"
                    raise DataError(told, hint=wanted(preparation) or _mend_file(part, problem))
            yield cls(part, file, preparation, isinstance(source, TfRecord))

    @property
    def name(self) -> str:
        """What to call it in messages and in the output."""
        return "stdin" if self.path is None else str(self.path)

    def batches(self, piped: IO[bytes]) -> Iterator[Batch]:
        """The rows, in order; of a series all at once, since its windows reach across them.

        Args:
            piped: where rows come from that are in no file.

        Raises:
            DataError: the file is damaged so that no rows can be made of it.
        """
        import numpy as np

        if isinstance(self.source, ImageFiles):
            yield self._images(self.source)
            return
        if not isinstance(self.source, Tabular):
            if self.path is None:
                table = _piped_text(piped)
            elif isinstance(self.source, TfRecord):
                table = self.source.load(pathlib.Path(), new=True)
            else:
                table = self.source.load(pathlib.Path())
            yield Batch(table, np.arange(len(table), dtype=np.int64))
            return
        time = self.preparation.time if self.preparation.series else None
        source = self.source.model_copy(update={"time": time, "types": self._types()})
        size = -1 if self.preparation.series else BLOCK
        try:
            with nullcontext(piped) if self.path is None else opened(self.path) as stream:
                yield from source.batches(stream, self.name, size)
        except DataError as error:
            raise DataError(error.message, hint=wanted(self.preparation) or error.hint) from None

    @property
    def is_images(self) -> bool:
        """Whether each row is a file of its own."""
        return isinstance(self.source, ImageFiles)

    @property
    def folder(self) -> pathlib.Path:
        """What the names of image files in it are relative to."""
        return pathlib.Path() if self.path is None else self.path if self.path.is_dir() else self.path.parent

    def _images(self, source: ImageFiles) -> Batch:
        """The names of images, in the column that the model takes them from.

        Raises:
            DataError: the model takes something else too, or no image files.
        """
        import numpy as np

        match list(self.preparation.features.items()):
            case [(column, FittedImage(form=Form()))]:
                [names] = source.load(pathlib.Path()).columns.values()
                called = [str(self.folder / name) for name in names]
                table = Table(self.name, {column: names}, folder=self.folder)
                return Batch(table, np.arange(len(names), dtype=np.int64), names=called)
            case [(column, FittedImage())]:
                held, hint = "arrays of pixels", "arrays of pixels: numpy.savez"
                if self.records:
                    held, hint = "TFRecord files with images", f"a TFRecord file with the image in {column}, or {hint}"
                why = f"the model was trained on {held} in {column}, not on image files"
                raise DataError(f"{self.name}: {why}", hint=hint)
            case features:
                taken = ", ".join(name for name, _ in features)
                why = f"the model takes {taken}, not one image"
                form = "a TFRecord file with these features" if self.records else "a table with these columns"
                raise DataError(f"{self.name}: {why}", hint=form)

    def _types(self) -> Types:
        """The types that training found, and text for what it took as such."""
        found = dict(self.source.types or {}) if isinstance(self.source, Tabular) else {}
        texts = [name for name, feature in self.preparation.features.items() if feature.kind == "text"]
        return {**found, **dict.fromkeys(texts, "text")}
