"""Where data comes from: one file a kind."""

from __future__ import annotations

import pathlib
from typing import Annotated

from pydantic import Field

from dlrun.data.columns import Table
from dlrun.data.sources.arrays import Arrays
from dlrun.data.sources.bundled import Bundled
from dlrun.data.sources.csv_file import Csv
from dlrun.data.sources.keras_datasets import KerasSource
from dlrun.errors import DataError

Source = Annotated[Bundled | KerasSource | Csv | Arrays, Field(discriminator="kind")]
"""Where data comes from."""

__all__ = ["Arrays", "Bundled", "Csv", "KerasSource", "Source", "load_file"]


def load_file(source: Source, path: pathlib.Path) -> Table:
    """Reads new data in the source's form: a CSV file with its columns, or a .npz file with its arrays.

    Raises:
        DataError: the file is of another form, cannot be read, or is damaged.
    """
    time = source.defaults(pathlib.Path()).time
    name = path.name.lower()
    if name.endswith((".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")):
        if isinstance(source, Csv):
            return source.model_copy(update={"path": str(path.absolute())}).load(path.parent)
        return Csv(kind="csv", path=str(path.absolute()), time=time).load(path.parent)
    if name.endswith(".npz"):
        return Arrays(kind="arrays", path=str(path.absolute()), time=time).load(path.parent)
    if isinstance(source, Csv):
        return source.model_copy(update={"path": str(path.absolute())}).load(path.parent)
    raise DataError(f"{path} is of no known form", hint="a CSV file (.csv, .csv.gz) or arrays (.npz)")
