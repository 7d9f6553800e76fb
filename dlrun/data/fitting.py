"""What is learned from the train rows of a table, of its features and its targets."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from dlrun.data.columns import Column, Table
from dlrun.data.cross_fitting import cross_fitted
from dlrun.data.encoders import encoded
from dlrun.data.features import Fitted, FittedSeries, Series
from dlrun.data.features.target_encoding import OutOfFold
from dlrun.data.features.values import complaint, missing_fault
from dlrun.data.fitted_target import FittedTarget
from dlrun.data.layout import Layout, lay_out
from dlrun.data.preparation import Preparation
from dlrun.data.splits import Parts
from dlrun.errors import DataError

if TYPE_CHECKING:
    import numpy as np

    from dlrun.data.section import Data


def fit(
    data: Data, table: Table, columns: dict[str, Column], parts: Parts, seed: int
) -> tuple[Preparation, OutOfFold | None]:
    """Fits features and target on the train rows of a resolved section; says too what the train rows are shown of
    columns whose encoding has learned from the target.

    Raises:
        DataError: a column has values that its feature cannot read.
    """
    time = data.source.defaults(pathlib.Path()).time
    _check_values(data, table)
    layout = _layout(data, table, time, parts)
    features: dict[str, Fitted] = {}
    for name, feature in (data.features or {}).items():
        try:
            if isinstance(feature, Series) and layout is not None:
                numbers = layout.take(table.columns[name])
                features[name] = feature.fit(numbers, Column("number"), layout.stamps, layout.ids)
            elif not isinstance(feature, Series):
                features[name] = feature.fit(table.columns[name][parts.train], columns[name])
        except DataError as error:
            raise DataError(f"{table.name}: {name}: {error.message}", hint=error.hint) from None
    targets = _targets(data, table, parts.train, features)
    preparation = Preparation(
        features=features,
        target=targets[0] if targets else None,
        further=tuple(targets[1:]),
        time=time,
        series_by=data.series_by,
        apart=_apart(data, features),
    )
    return cross_fitted(preparation, data.features or {}, table, parts.train, data.split, seed)


def _targets(data: Data, table: Table, rows: np.ndarray, features: dict[str, Fitted]) -> list[FittedTarget]:
    """The fitted targets, the main one first.

    Args:
        rows: for training.
        features: fitted.
    """
    fitted: list[FittedTarget] = []
    all_series = {name: each for name, each in features.items() if isinstance(each, FittedSeries)}
    for target in data.targets:
        name = target.column
        series = all_series.get(name) or next(iter(all_series.values()), None)
        values = table.columns[name][rows]
        others = [each.column for each in data.targets if each is not target]
        kind = target.kind or "number"
        fitted.append(target.fit(values, rows, kind, series, same=name in features, others=others))
    return fitted


def _apart(data: Data, features: dict[str, Fitted]) -> tuple[str, ...]:
    """The columns of vectors that have an encoder."""
    return tuple(name for name in encoded(data.features or {}) if features[name].input(name).kind == "vector")


def _layout(data: Data, table: Table, time: str | None, parts: Parts) -> Layout | None:
    """The train rows, series by series; None where no feature is one.

    Raises:
        DataError: times of the table do not rise, or there are none; a row is of no series.
    """
    import numpy as np

    if not any(isinstance(each, Series) for each in (data.features or {}).values()):
        return None
    if time is None:
        raise DataError(f"{table.name}: a series needs a time column", hint="source: {time: <column>}")
    if data.series_by is not None:
        for fault in missing_fault(table.columns[data.series_by]):
            raise DataError(f"{table.name}: " + complaint(data.series_by, fault, np.arange(len(table))))
    layout = lay_out(table, time, data.series_by)
    train = np.zeros(len(table), bool)
    train[parts.train] = True
    return layout.kept(train[layout.rows])


def _check_values(data: Data, table: Table) -> None:
    """That every feature can read its column, in all rows: what is wrong is told before anything is fitted."""
    import numpy as np

    complaints = [
        complaint(name, fault, np.arange(len(table)))
        for name, feature in (data.features or {}).items()
        for fault in feature.faults(table.columns[name])
    ]
    if complaints:
        raise DataError(
            f"{table.name}: " + "; ".join(complaints),
            hint="mend the file, or give the column another kind of feature, or leave it out of the features",
        )
