"""Which rows are for training, which for validation, which for the test: seeded, disjoint, each row in one part.

A source that has its own test part keeps it: its other rows are then split into train and validation. Fractions are of
the rows that are split. One file for each kind of split; `dealing.py` is what those that draw rows share.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from dlrun.data.splits.at_random import RandomSplit
from dlrun.data.splits.auto import AutoSplit
from dlrun.data.splits.by_column import ColumnSplit
from dlrun.data.splits.by_files import FilesSplit
from dlrun.data.splits.by_group import GroupSplit
from dlrun.data.splits.by_time import TimeSplit
from dlrun.data.splits.kfold import KFoldSplit
from dlrun.data.splits.parts import Parts, Roles
from dlrun.spec.base import with_kind

__all__ = [
    "AnySplit",
    "AutoSplit",
    "ColumnSplit",
    "FilesSplit",
    "FixedSplit",
    "GroupSplit",
    "KFoldSplit",
    "Parts",
    "RandomSplit",
    "Roles",
    "Split",
    "TimeSplit",
]

FixedSplit = RandomSplit | GroupSplit | TimeSplit | ColumnSplit | FilesSplit | KFoldSplit
AnySplit = FixedSplit | AutoSplit

Split = Annotated[
    Annotated[AnySplit, Field(discriminator="kind")],
    BeforeValidator(with_kind("auto"), json_schema_input_type=AnySplit),
]
"""How rows are split; `kind` may be left out for the one that suits the data (`auto`)."""
