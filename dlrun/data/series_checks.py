"""Mistakes in a data section with series that show without reading the data."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from dlrun.data.columns import Column
from dlrun.data.features import Category, Date, Feature, Series
from dlrun.data.inference import infer
from dlrun.data.series_windows import TOGETHER
from dlrun.data.shared_window import check_window
from dlrun.data.signature import input_name
from dlrun.data.splits import AutoSplit, KFoldSplit, TimeSplit
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    from dlrun.data.section import Data


def check_series(data: Data, columns: Mapping[str, Column] | None, reconstructs: bool) -> Iterator[Problem]:
    """What is wrong with the series among the features and with what goes with them; and what only series have, where
    there is none. Arguments as of `check_data`."""
    defaults = data.source.defaults(pathlib.Path())
    target = data.target.column if data.target else defaults.target
    features = data.features or (columns and infer(columns, target, defaults, data.split_columns)) or {}
    series = [name for name, feature in features.items() if isinstance(feature, Series)]
    if not series:
        yield from _check_no_series(data)
        return
    yield from _check_others(data, features, defaults.time)
    yield from check_window(features)
    embedded = [each for each in features.values() if isinstance(each, Category) and each.encoding == "embedding"]
    steps = len(features) - len(embedded)
    for name, each in features.items():
        if isinstance(each, Category) and name == data.series_by:
            yield from _check_name(name, each, several=steps > 1)
        elif isinstance(each, Series):
            yield from _check_one(data, name, each, target, alone=steps == 1)
    yield from _check_series_by(data, features, target, defaults.time)
    if reconstructs:
        yield Problem(("features", series[0], "kind"), "a series cannot be reconstructed", received="series")
    if len(data.targets) > 1:
        columns_named = ", ".join(each.column for each in data.targets)
        yield Problem(("target",), "a forecast has one target", received=columns_named, hint="predict one of them")
    yield from _check_split(data, defaults.time)


def _check_no_series(data: Data) -> Iterator[Problem]:
    if data.series_by is not None:
        yield Problem(
            ("series_by",),
            "there is no series among the features",
            received=data.series_by,
            hint="features: {<column>: {kind: series, window: 48, horizon: 24}}",
            at="key",
        )


def _check_others(data: Data, features: Mapping[str, Feature], time: str | None) -> Iterator[Problem]:
    """That beside series there are only the calendar of their times and the name of each; any date may be that of the
    times where the source does not name them, which is told by itself."""
    if others := [
        name
        for name, each in features.items()
        if not isinstance(each, Series)
        and not (isinstance(each, Date) and time in (None, name))
        and not (isinstance(each, Category) and name == data.series_by)
    ]:
        yield Problem(
            ("features", others[0]),
            "a network that reads series reads nothing else",
            expected="features of kind series, and date for the time column",
            received=f"{others[0]}: {features[others[0]].kind}",
            hint="a number that is there for each time can be a series too",
            at="key",
        )


def _check_name(name: str, feature: Category, *, several: bool) -> Iterator[Problem]:
    """What is wrong with how the name of a series is encoded.

    Args:
        several: whether several features stand at each step.
    """
    if feature.encoding == "target":
        yield Problem(
            ("features", name, "encoding"),
            "the name of a series enters the network one-hot or embedded",
            expected="one_hot or embedding",
            received=feature.encoding,
        )
    elif feature.encoding == "one_hot" and feature.encoder is not None:
        yield Problem(
            ("features", name, "encoder"),
            "a one-hot name stands at each step of its series, which no encoder of it can read",
            expected="encoding: embedding",
            received=feature.encoder.kind,
            hint="write `encoding: embedding`, or take the encoder out",
            at="key",
        )
    elif feature.encoding == "embedding" and several and input_name(name) == TOGETHER:
        yield Problem(
            ("features", name),
            f"the name {name} is also that of the input that all series share",
            hint="rename the column in the source",
            at="key",
        )


def _check_one(data: Data, name: str, series: Series, target: str | None, *, alone: bool) -> Iterator[Problem]:
    """What is wrong with the fields of one series.

    Args:
        alone: whether it is the only feature.
    """
    if series.known and name == target:
        yield Problem(
            ("features", name, "known"),
            "what is predicted cannot be known in advance",
            received="true",
            hint="take known out",
        )
    if series.encoder is not None and not alone:
        yield Problem(
            ("features", name, "encoder"),
            "the variables of a series share one input, which no encoder of one of them can read",
            received=series.encoder.kind,
            hint=f"architecture: {{kind: {series.encoder.kind}}} reads all of them",
            at="key",
        )
    if series.normalise_each and data.series_by is None:
        yield Problem(
            ("features", name, "normalise_each"),
            "there is one series only",
            received="true",
            hint="series_by: <column> tells several apart",
        )


def _check_series_by(
    data: Data, features: Mapping[str, Feature], target: str | None, time: str | None
) -> Iterator[Problem]:
    """That the column that tells series apart is read as nothing else."""
    read_otherwise = (target, time, *(name for name, each in features.items() if not isinstance(each, Category)))
    if data.series_by is not None and data.series_by in read_otherwise:
        yield Problem(
            ("series_by",),
            f"{data.series_by} is {'the target' if data.series_by == target else 'read otherwise too'}",
            expected="a column that tells the series apart",
            received=data.series_by,
        )


def _check_split(data: Data, time: str | None) -> Iterator[Problem]:
    """That the split is by time, and a time known."""
    if isinstance(data.split, KFoldSplit):
        yield from _check_folds(data.split, time)
        return
    if not isinstance(data.split, TimeSplit | AutoSplit):
        yield Problem(
            ("split", "kind"),
            "windows of a series overlap: a split that is not by time lets the test leak into training",
            expected="time",
            received=data.split.kind,
            hint="split: {kind: time}",
        )
    elif isinstance(data.split, AutoSplit) and (data.split.keep_together or data.split.stratify):
        field = "keep_together" if data.split.keep_together else "stratify"
        yield Problem(
            ("split", field), "a series is split by time, which puts each row where its time is",
            hint=f"take {field} out", at="key",
        )  # fmt: skip
    elif time is None and isinstance(data.split, AutoSplit):
        yield Problem(("source",), "a series needs a time column", hint="source: {time: <column>}")


def _check_folds(split: KFoldSplit, time: str | None) -> Iterator[Problem]:
    """That a time is known, and that nothing is to deal out rows."""
    if time is None:
        yield Problem(("source",), "a series needs a time column", hint="source: {time: <column>}")
    said = {"repeats": split.repeats > 1, "stratify": split.stratify, "by": split.by is not None,
            "keep_together": split.keep_together is not None}  # fmt: skip
    for field, is_said in said.items():
        if is_said:
            yield Problem(
                ("split", field), "the folds of a series are stretches of time, in which rows are not dealt out",
                hint=f"take {field} out", at="key",
            )  # fmt: skip
