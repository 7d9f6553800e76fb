"""What all series of a network share: window, horizon and holes are said by one of them and hold for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dlrun.data.features import Category, Date, Feature, FittedDate, Series
from dlrun.data.features.series import variables
from dlrun.data.series_windows import calendar_names, series_input
from dlrun.data.signature import Input
from dlrun.spec.problem import Problem

SHARED = ("window", "horizon", "holes")


def resolve_series(features: Mapping[str, Feature]) -> dict[str, Feature]:
    """The same features, each series with the window, horizon and holes of all."""
    said = {field: _said(features, field) for field in SHARED}
    found = {field: next(iter(values.values()), None) for field, values in said.items()}
    update = {"window": found["window"], "horizon": found["horizon"] or 1, "holes": found["holes"] or "break"}
    return {
        name: feature.model_copy(update=update) if isinstance(feature, Series) else feature
        for name, feature in features.items()
    }


def preview_series(features: Mapping[str, Feature], target: str | None) -> Input | None:
    """The one input of series, whose window is known; None where the features are others, or a category among them
    has to be read first."""
    series = next((each for each in features.values() if isinstance(each, Series)), None)
    if series is None or series.window is None or any(isinstance(each, Category) for each in features.values()):
        return None
    horizon = series.horizon or 1
    names: list[str] = []
    together = {name: each for name, each in features.items() if isinstance(each, Series | Date)}
    for name, each in sorted(together.items(), key=lambda pair: pair[0] != target):
        names.extend(
            variables(name, horizon, each.known)
            if isinstance(each, Series)
            else calendar_names(FittedDate(kind="date", spec=each, offset=0.0, scale=1.0), name, horizon)
        )
    return series_input(list(together), series.window, tuple(names))


def check_window(features: Mapping[str, Feature]) -> Iterator[Problem]:
    """That the series say their window, and agree; that what is known in advance fits into it."""
    series = {name: each for name, each in features.items() if isinstance(each, Series)}
    for field in SHARED:
        said = _said(features, field)
        (first, value), *others = [*said.items()] or [(next(iter(series)), None)]
        if field == "window" and value is None:
            yield Problem(
                ("features", first),
                "no series says how many past steps enter the network",
                expected="window: a whole number",
                hint=f"{first}: {{kind: series, window: 48}}",
                at="key",
            )
        for name, other in others:
            if other != value:
                yield Problem(
                    ("features", name, field),
                    f"all series of a network have one {field}",
                    expected=f"{value}, as {first} says",
                    received=str(other),
                    hint=f"take it out here: the {field} of {first} holds for all",
                )
    yield from _check_known(features, series)


def _check_known(features: Mapping[str, Feature], series: Mapping[str, Series]) -> Iterator[Problem]:
    window = next(iter(_said(features, "window").values()), None)
    horizon = next(iter(_said(features, "horizon").values()), 1)
    known = [
        name for name, each in features.items() if isinstance(each, Date) or (isinstance(each, Series) and each.known)
    ]
    if all(each.known for each in series.values()):
        yield Problem(
            ("features",),
            "all series are known in advance: nothing says where a forecast begins",
            received=", ".join(series),
            hint="take `known` out of what is measured only",
            at="key",
        )
    elif known and window is not None and window < horizon:
        yield Problem(
            ("features", known[0]),
            f"what is known of the next {horizon} steps does not fit into a window of {window}",
            expected=f"a window of at least the horizon, {horizon}",
            received=f"{window}",
            hint=f"window: {horizon}",
            at="key",
        )


def _said(features: Mapping[str, Feature], field: str) -> dict[str, Any]:
    """What each series says of a field, by column; those left out that leave it out."""
    return {
        name: value
        for name, feature in features.items()
        if isinstance(feature, Series) and (value := getattr(feature, field)) is not None
    }
