"""Where data comes from: one file a kind."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dlrun.data.sources.arrays import Arrays
from dlrun.data.sources.bundled import Bundled
from dlrun.data.sources.csv_file import Csv
from dlrun.data.sources.huggingface import HuggingFace
from dlrun.data.sources.idx import Idx
from dlrun.data.sources.image_folder import ImageFolder
from dlrun.data.sources.json_lines import Json
from dlrun.data.sources.keras_datasets import KerasSource
from dlrun.data.sources.parquet_file import Parquet
from dlrun.data.sources.sql import Sql
from dlrun.data.sources.text_folder import TextFolder
from dlrun.data.sources.tfrecord import TfRecord

Source = Annotated[
    Bundled
    | KerasSource
    | Csv
    | Parquet
    | Json
    | Arrays
    | Sql
    | Idx
    | TfRecord
    | HuggingFace
    | ImageFolder
    | TextFolder,
    Field(discriminator="kind"),
]
"""Where data comes from."""

__all__ = [
    "Arrays",
    "Bundled",
    "Csv",
    "HuggingFace",
    "Idx",
    "ImageFolder",
    "Json",
    "KerasSource",
    "Parquet",
    "Source",
    "Sql",
    "TextFolder",
    "TfRecord",
]
