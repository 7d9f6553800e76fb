"""New data for a trained model: files in the form of its source, whole or in batches."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from dlrun.data.columns import Batch, Table
from dlrun.data.preparation import Preparation
from dlrun.data.sources import Source
from dlrun.data.sources.arrays import Arrays
from dlrun.data.sources.csv_file import Csv
from dlrun.data.sources.files import opened, plain_name
from dlrun.data.sources.frames import Types
from dlrun.errors import DataError

BLOCK = 1 << 23
"""Bytes of a file that are read at once."""


def load_file(source: Source, path: pathlib.Path) -> Table:
    """Reads new data in the source's form: a CSV file with its columns, or a .npz file with its arrays.

    Raises:
        DataError: the file is of another form, cannot be read, or is damaged.
    """
    return of_file(source, path).load(path.parent)


def of_file(source: Source, path: pathlib.Path) -> Csv | Arrays:
    """The source that a file is, by its name and by the source of the training.

    Raises:
        DataError: it is none.
    """
    name, time = plain_name(path), source.defaults(pathlib.Path()).time
    if name.endswith(".npz"):
        return Arrays(kind="arrays", path=str(path.absolute()), time=time)
    if isinstance(source, Csv):
        return source.model_copy(update={"path": str(path.absolute())})
    if name.endswith((".csv", ".tsv", ".txt")):
        return Csv(kind="csv", path=str(path.absolute()), time=time)
    raise DataError(f"{path} is of no known form", hint="a CSV file (.csv, .csv.gz) or arrays (.npz)")


@dataclass(frozen=True)
class NewData:
    """A file with rows to predict.

    Args:
        source: what the file is.
        path: the file; None: what comes through a pipe.
        preparation: of the trained model: which columns are texts, and whether times are needed.
    """

    source: Csv | Arrays
    path: pathlib.Path | None
    preparation: Preparation

    @classmethod
    def of(cls, source: Source, path: pathlib.Path | None, preparation: Preparation) -> NewData:
        """A file as the source of the training says that it is.

        Raises:
            DataError: it is of no known form, or not there.
        """
        if path is None:
            piped = source if isinstance(source, Csv) else Csv(kind="csv", path="-")
            return cls(piped, None, preparation)
        found = of_file(source, path)
        for problem in found.check(pathlib.Path()):
            if problem.path != ("time",):  # which is missed only where it is needed
                raise DataError(f"{path}: {problem.message}", hint=problem.hint)
        return cls(found, path, preparation)

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

        if isinstance(self.source, Arrays):
            table = self.source.load(pathlib.Path())
            yield Batch(table, np.arange(len(table), dtype=np.int64))
            return
        time = self.preparation.time if self.preparation.series else None
        source = self.source.model_copy(update={"time": time, "types": self._types()})
        size = -1 if self.preparation.series else BLOCK
        if self.path is None:
            yield from source.batches(piped, self.name, size)
            return
        with opened(self.path) as stream:
            yield from source.batches(stream, self.name, size)

    def _types(self) -> Types:
        return {name: "text" for name, feature in self.preparation.features.items() if feature.kind == "text"}
