"""Mistakes in how rows are split that show without reading the data."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from dlrun.data.columns import Column
from dlrun.data.sources import HuggingFace, Source
from dlrun.data.sources.files import parts
from dlrun.data.sources.folder_source import FolderSource
from dlrun.data.sources.tabular import Tabular
from dlrun.data.splits import (
    AnySplit,
    AutoSplit,
    ColumnSplit,
    FilesSplit,
    GroupSplit,
    KFoldSplit,
    RandomSplit,
    TimeSplit,
)
from dlrun.data.splits.parts import own_validation
from dlrun.errors import DataError
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    from dlrun.data.section import Data


def check_files(data: Data, base: pathlib.Path) -> Iterator[Problem]:
    """Whether a split by files names files of the source, as far as that shows without reading them.

    Args:
        base: what relative paths are relative to.
    """
    source, split = data.source, data.split
    own = source.own_parts(base) if isinstance(source, FolderSource | HuggingFace) else ()
    if own is None:  # known once the data is read
        return
    if "validation" in own and not isinstance(split, FilesSplit):
        yield from beside_own_validation(source, split)
    if not isinstance(split, FilesSplit):
        return
    if not isinstance(source, Tabular | FolderSource | HuggingFace):
        yield Problem(
            ("kind",),
            f"the rows of a source of kind {source.kind} are not known by file",
            received="files",
            hint="split: {kind: column, by: <column>}, or another split",
        )
        return
    try:
        if isinstance(source, FolderSource):
            files = source.files(base)
        elif isinstance(source, HuggingFace):
            files = [source.part]
        else:
            files = [str(file) for file in parts(base, source.path, source.endings)]
    except DataError:
        return  # which the source tells
    yield from split.check_files(files, [part for part in own if part != "train"])


def beside_own_validation(source: Source, split: AnySplit) -> Iterator[Problem]:
    """What a split says that has nothing to say, since the source has a validation part of its own."""
    if isinstance(split, AutoSplit):
        said = {name: value for name, value in split.tree().items() if name in split.model_fields_set - {"kind"}}
        yield from (own_validation(name, json.dumps(value)) for name, value in said.items())
    elif isinstance(split, KFoldSplit):
        hint = "move its files into train, whose rows are dealt out into folds"
        if isinstance(source, HuggingFace):
            hint = f"save the rows to be dealt out alone: dataset[{source.part!r}].save_to_disk(folder)"
        yield replace(own_validation("kind", split.kind), hint=hint)
    else:
        yield own_validation("kind", split.kind)


def check_split(data: Data, columns: Mapping[str, Column] | None, reconstructs: bool) -> Iterator[Problem]:
    """What of a split does not fit the rest of the section: the columns that it names, the time, what it stratifies by.

    Args:
        columns: None where they are not known.
        reconstructs: whether the network gives its input again, and there is no target.
    """
    defaults, split = data.source.defaults(pathlib.Path()), data.split
    yield from _check_split_columns(data)
    if isinstance(split, TimeSplit) and defaults.time is None:
        yield Problem(
            ("split", "kind"),
            "a split by time needs to know which column holds the time",
            received="time",
            hint="source: {time: <column>}" if "time" in type(data.source).model_fields else "another split",
        )
    if not isinstance(split, RandomSplit | GroupSplit | KFoldSplit | AutoSplit):
        return
    if not split.stratify:
        if split.bins is not None:
            yield Problem(
                ("split", "bins"), "bins are to stratify by a number", received=str(split.bins),
                hint="add stratify: true, or take bins out", at="key",
            )  # fmt: skip
        return
    name = None if reconstructs else data.target.column if data.target else defaults.target
    if name is None:
        yield Problem(
            ("split", "stratify"), "stratify deals out classes, and there is no target", received="true",
            hint="stratify: false",
        )  # fmt: skip
    elif split.bins is not None and _is_category(data, columns, name):
        yield Problem(
            ("split", "bins"), f"{name} is a class: only numbers are put into bins", received=str(split.bins),
            hint="take bins out", at="key",
        )  # fmt: skip


def _is_category(data: Data, columns: Mapping[str, Column] | None, target: str) -> bool:
    if data.target is not None and data.target.kind is not None:
        return data.target.kind == "category"
    return columns is not None and target in columns and columns[target].kind in ("category", "text")


def _check_split_columns(data: Data) -> Iterator[Problem]:
    """That the columns by which rows are split are neither features nor the target."""
    default = data.source.defaults(pathlib.Path()).target
    targets = [each.column for each in data.targets] or [default or ""]
    for name, field in data.split.columns:
        if name in (data.features or {}):
            why = (
                f"{name} says which part a row is of: it is known of no new data"
                if isinstance(data.split, ColumnSplit)
                else f"rows are split by {name}: no value of it in the test has been seen in training"
            )
            yield Problem(
                ("features", name),
                why,
                hint="take it out of the features, or split by another column",
                at="key",
            )
        elif name in targets:
            yield Problem(
                ("split", field),
                f"{name} is the target: parts that share no value of it cannot be learned from one another",
                received=name,
                hint="split by another column",
            )
