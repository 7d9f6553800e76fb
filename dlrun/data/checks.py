"""Mistakes in the data section that show without reading the data."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from dlrun.data.columns import Column, near
from dlrun.data.features import Category, Date, Feature, Image, Number, Series, Text
from dlrun.data.image_header import ENDINGS
from dlrun.data.series_checks import check_series
from dlrun.data.signature import PACKED, input_name
from dlrun.data.split_checks import check_split
from dlrun.spec.problem import Path, Problem

if TYPE_CHECKING:
    from dlrun.data.section import Data


def check_data(
    data: Data, columns: Mapping[str, Column] | None, own_test: bool | None, *, reconstructs: bool
) -> Iterator[Problem]:
    """All mistakes that show from the section and from what is known of the columns.

    Args:
        columns: None where they are not known.
        own_test: whether the source has a test part; None where that is not known.
        reconstructs: whether the network gives its input again, and there is no target.
    """
    for name, path in _named_columns(data):
        if columns is not None and name not in columns:
            problem = Problem(path, f"the source has no column {name}", hint=near(name, columns))
            yield replace(problem, at="key") if path[0] == "features" or len(data.targets) > 1 else problem
    yield from _check_target(data, columns, reconstructs)
    yield from _check_features(data, columns or {})
    if reconstructs:
        yield from _check_no_target_encoding(data)
    yield from (problem.under("split") for problem in data.split.check(own_test))
    yield from check_split(data, columns, reconstructs)
    yield from check_series(data, columns, reconstructs)


def _named_columns(data: Data) -> Iterator[tuple[str, Path]]:
    """Every column that the section names, with its place."""
    yield from _targets(data)
    for name in data.features or {}:
        yield name, ("features", name)
    if data.series_by is not None:
        yield data.series_by, ("series_by",)
    for name, field in data.split.columns:
        yield name, ("split", field)


def _targets(data: Data) -> Iterator[tuple[str, Path]]:
    """The columns that the section names as targets, with their places."""
    for each in data.targets:
        yield each.column, ("target", each.column) if len(data.targets) > 1 else ("target",)


def _check_target(data: Data, columns: Mapping[str, Column] | None, reconstructs: bool) -> Iterator[Problem]:
    if reconstructs:
        if data.target is not None:
            yield Problem(
                ("target",),
                "an autoencoder has no target: it gives its input again",
                received=data.target.column,
                hint="leave target out",
                at="key",
            )
        return
    default = data.source.defaults(pathlib.Path()).target
    if data.target is None and (default is None or (columns is not None and default not in columns)):
        yield Problem(
            (), "no target: what is to be predicted", expected="target: <column>", hint="name a column of the source"
        )
    elif data.target is None:
        yield from _check_one_target(data, columns, default or "", ("target",))
    for target, path in _targets(data):
        yield from _check_one_target(data, columns, target, path)


def _check_one_target(data: Data, columns: Mapping[str, Column] | None, target: str, path: Path) -> Iterator[Problem]:
    if data.features and target in data.features and not isinstance(data.features[target], Series):
        yield Problem(
            ("features", target),
            f"{target} is the target: a network that is shown it has nothing to learn",
            hint="take it out of the features, or predict another column",
            at="key",
        )
    elif columns is not None and target in columns and columns[target].kind in ("image", "time"):
        is_image = columns[target].kind == "image"
        yield Problem(
            path,
            f"{target} is {'an image' if is_image else 'a time'}, which cannot be predicted",
            expected="a column of classes or numbers",
            received=target,
            hint="an autoencoder, which has no target, gives images again" if is_image else None,
        )


def _check_features(data: Data, columns: Mapping[str, Column]) -> Iterator[Problem]:
    names: dict[str, str] = {}
    for name, feature in (data.features or {}).items():
        if isinstance(feature, Number | Category | Date | Text):
            yield from (problem.under("features", name) for problem in feature.check())
        column = columns.get(name)
        if column is not None and not feature.takes(column):
            shape = f" of shape {column.shape}" if column.shape else ""
            yield Problem(
                ("features", name, "kind"),
                f"the column {name} is no {feature.kind}",
                expected=_fitting(column),
                received=feature.kind,
                hint=f"the source says: {column.kind}{shape}" + _likely_wish(column),
            )
        taken = input_name(name)
        shares = isinstance(feature, Number | Category | Date) and feature.encoder is None
        if taken in names or (taken == PACKED and not shares):
            other = names.get(taken, "the input that all numbers share")
            yield Problem(
                ("features", name),
                f"the name {name} is also that of {other}",
                hint="rename the column in the source",
                at="key",
            )
        names[taken] = name
    yield from _check_mixup(data.features or {})


def _check_mixup(features: Mapping[str, Feature]) -> Iterator[Problem]:
    """Inputs that are not mixed as others are: an example is mixed as a whole."""
    images = {name: each for name, each in features.items() if isinstance(each, Image)}
    alphas = {name: each.augment.mixup for name, each in images.items() if each.augment is not None}
    mixed = next((name for name, alpha in alphas.items() if alpha), None)
    if mixed is None:
        return
    for name, feature in features.items():
        if name not in images:
            yield Problem(
                ("features", mixed, "augment", "mixup"),
                "examples are mixed as a whole, which takes images alone",
                expected="features of kind image",
                received=f"{name}: {feature.kind}",
                hint=f"take mixup out, or the feature {name}",
            )
        elif alphas.get(name, 0.0) != alphas[mixed]:
            yield Problem(
                ("features", name, "augment", "mixup") if alphas.get(name) else ("features", name),
                f"the images of an example are mixed as one, and {name} is not mixed as {mixed} is",
                expected=f"augment: {{mixup: {alphas[mixed]:g}}}",
                received=f"{alphas.get(name, 0.0):g}",
                hint=f"write the same mixup for {mixed} and {name}",
                at="value" if alphas.get(name) else "key",
            )


def _check_no_target_encoding(data: Data) -> Iterator[Problem]:
    """Encodings by the target, where there is none."""
    for name, feature in (data.features or {}).items():
        if isinstance(feature, Category) and feature.encoding == "target":
            yield Problem(
                ("features", name, "encoding"),
                "an autoencoder has no target to take means of",
                expected="one_hot",
                received="target",
                hint="encoding: one_hot",
            )


def _likely_wish(column: Column) -> str:
    """That texts may be meant to name images; nothing where their values are known to be others."""
    names = column.classes if isinstance(column.classes, tuple) else ()
    if not Image(kind="image").takes(column) or not all(name.lower().endswith(ENDINGS) for name in names):
        return ""
    return "; if its texts name image files, write {kind: image}" if column.kind in ("text", "category") else ""


def _fitting(column: Column) -> str:
    """The kinds of feature that a column can be."""
    features = (
        Image(kind="image"),
        Text(kind="text"),
        Number(kind="number"),
        Category(kind="category"),
        Date(kind="date"),
        Series(kind="series"),
    )
    return " or ".join(feature.kind for feature in features if feature.takes(column)) or "no feature: leave it out"
