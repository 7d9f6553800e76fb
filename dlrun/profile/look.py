"""All that is found in a data set that has been loaded for a training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlrun.data.dataset import Dataset
from dlrun.data.features import Series, Text
from dlrun.data.features.values import row_list
from dlrun.data.fitted_target import FittedClasses
from dlrun.data.layout import lay_out
from dlrun.data.signature import input_name
from dlrun.data.sources.lazy import BLOCK
from dlrun.data.splits import RandomSplit
from dlrun.profile.classes import look_at_classes
from dlrun.profile.drift import look_for_drift
from dlrun.profile.finding import Finding, counted, examples
from dlrun.profile.leaks import look_for_leaks
from dlrun.profile.pictures import look_at_pictures
from dlrun.profile.rows import contents, look_at_rows
from dlrun.profile.table import Profile, flat
from dlrun.profile.times import look_at_times
from dlrun.profile.values import look_at_values

if TYPE_CHECKING:
    import numpy as np

FEWEST_WATCHED = 30
"""Validation examples below which a better epoch may be chance."""


def look(dataset: Dataset, profile: Profile, *, weighted: bool, watched: bool = False) -> list[Finding]:
    """What a careful colleague would say of the data, errors first; what the spec accepts is left out.

    Args:
        profile: of that data set.
        weighted: whether training does something about classes that are outnumbered.
        watched: whether training looks at the validation part to stop, or to learn more slowly.
    """
    found = list(_findings(dataset, profile, weighted))
    found += _few_watched(dataset) if watched else ()
    accepted = dataset.resolved.accept
    return sorted((each for each in found if each.kind not in accepted), key=lambda each: each.severity)


def _findings(dataset: Dataset, profile: Profile, weighted: bool) -> Iterator[Finding]:
    data, table, parts = dataset.resolved, dataset.table, dataset.parts
    features = data.features or {}
    frame = flat(table, profile)
    targets = [each.column for each in data.targets]
    series = next(((name, each) for name, each in features.items() if isinstance(each, Series)), None)
    profiles = {column.name: column for column in profile.columns}
    yield from look_at_values(frame, profiles, features, targets, parts.train)
    yield from _empty_texts(dataset)
    if series is None:
        alone = [name for name in features if name in frame.columns]
        for target in targets:
            yield from look_for_leaks(frame, alone, target)
    if profile.classes:
        random = isinstance(data.split, RandomSplit)
        yield from look_at_classes(profile.classes, random=random, weighted=weighted)
    if series is None:
        classes = {each.column: isinstance(each, FittedClasses) for each in dataset.preparation.targets}
        yield from look_at_rows(table, frame, parts, list(features), classes)
        for name in features:
            if profiles[name].type == "image":
                yield from look_at_pictures(name, table, parts, contents(table.columns[name]))
    elif dataset.preparation.time is not None:
        yield from look_at_times(
            dataset.preparation.time, lay_out(table, dataset.preparation.time, data.series_by), series[1]
        )
    numbers = [
        name
        for name in dict.fromkeys([*features, *targets])
        if name in frame.columns and profiles[name].type in ("integer", "number")
    ]
    yield from look_for_drift(frame, parts, numbers)


def _few_watched(dataset: Dataset) -> Iterator[Finding]:
    """A validation part that is too small to tell one epoch from another."""
    validation = dataset.splits.get("validation")
    count = 0 if validation is None else len(validation)
    if not 0 < count < FEWEST_WATCHED:
        return
    unit, other = "row", "more patience"
    if dataset.preparation.series is not None:
        unit, other = "window", "a shorter window or horizon"
    what = (
        f"early stopping or a plateau is told by {counted(count, unit)} of the validation part: "
        "which epoch is the best is chance then"
    )
    yield Finding("few_validation", what, f"a greater validation in data.split, or {other}", count)


def _empty_texts(dataset: Dataset) -> Iterator[Finding]:
    """Texts in which preparation leaves no token."""
    import numpy as np

    for name, feature in (dataset.resolved.features or {}).items():
        if not isinstance(feature, Text):
            continue
        rows = [part.rows[_are_empty(part.inputs[input_name(name)])] for part in dataset.splits.values()]
        empty = np.sort(np.concatenate(rows))
        if len(empty):
            verb = "has" if len(empty) == 1 else "have"
            what = f"{counted(len(empty), 'text')} of {name} {verb} no token left once prepared: {row_list(empty)}"
            mend = "take them out of the file, or strip_punctuation: false where punctuation is what they hold"
            yield Finding("empty_text", what, mend, len(empty), examples(empty), (name,))


def _are_empty(tokens: np.ndarray) -> np.ndarray:
    """Whether rows of tokens hold none, (rows,) bool; they may be on disk."""
    import numpy as np

    return np.concatenate([~tokens[each : each + BLOCK].any(axis=1) for each in range(0, len(tokens), BLOCK)])
