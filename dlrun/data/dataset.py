"""The data section: where the data comes from, what is predicted, how it is split and how it enters the network."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from dlrun.data.checks import check_data, check_files
from dlrun.data.columns import Column, Table
from dlrun.data.content import content_hashes
from dlrun.data.features import Feature, Fitted, FittedSeries, Series
from dlrun.data.features.values import complaint, missing_fault, row_list
from dlrun.data.findings import FindingKind
from dlrun.data.image_files import with_pixels
from dlrun.data.inference import describe, infer
from dlrun.data.preparation import Examples, Preparation, input_name, pack, reconstruction
from dlrun.data.series_windows import Layout, lay_out
from dlrun.data.shared_window import preview_series, resolve_series
from dlrun.data.signature import Output, Signature
from dlrun.data.sources import Source
from dlrun.data.sources.lazy import LazyColumns
from dlrun.data.sources.tabular import Tabular
from dlrun.data.splits import AutoSplit, FixedSplit, Parts, Roles, Split, TimeSplit
from dlrun.data.streaming import check_fits, encoded_on_disk, is_streamed
from dlrun.data.target import FittedClasses, FittedTarget, Target, TargetField, TargetKind, known_classes
from dlrun.errors import DataError, MisfitError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np

NUMBER_LOSSES = frozenset({"mse", "mae", "huber"})
"""Losses that say that the target is a number; all others say that it is a class."""


class Data(Spec):
    """Columns, and what becomes of them."""

    source: Source
    """Where the data comes from."""
    target: TargetField | None = None
    """What is predicted: a column, or {column: …, kind: category or number}. Left out: what the source names; an
    autoencoder has none."""
    split: Split = Field(default_factory=lambda: AutoSplit(kind="auto"))
    """Which rows are for training, validation and the test."""
    features: dict[str, Feature] | None = Field(default=None, min_length=1)
    """How each column enters the network. Left out: all columns but target, group and those that hold times, each
    by what it holds."""
    series_by: str | None = None
    """The column that says which series a row belongs to, where the table holds several, such as one for each store:
    times rise within each, and no window reaches from one into another. Left out: all rows are one series."""
    accept: tuple[FindingKind, ...] = ()
    """What a deep check finds in the data and is not to tell, such as [duplicates, imbalance]."""

    def check(self, base: pathlib.Path, *, reconstructs: bool = False) -> Iterator[Problem]:
        """All mistakes that can be found without reading the data; paths are relative to this section.

        Args:
            base: what relative paths are relative to: the spec's folder.
            reconstructs: whether the network gives its input again (an autoencoder), and there is no target.
        """
        yield from (problem.under("source") for problem in self.source.check(base))
        known, own_test = self.source.known(base), self.source.has_test(base)
        yield from check_data(self, known, own_test, reconstructs=reconstructs)
        yield from (problem.under("split") for problem in check_files(self, base))

    def preview(self, base: pathlib.Path, *, reconstructs: bool = False, loss: str | None = None) -> Signature | None:
        """The signature as far as it is known without reading the data: a vocabulary at its upper limit, classes as
        the source knows them. None where inputs or output depend on the data.

        Args:
            loss: the kind of the loss, where the spec names one.
        """
        columns = self.source.known(base)
        if columns is None:
            return None
        defaults = self.source.defaults(base)
        target = None if reconstructs else self.target or _target(defaults.target)
        named = target.column if target else defaults.target
        features = self.features or infer(columns, named, defaults, self.split_columns)
        if not features or not features.keys() <= columns.keys():
            return None
        features = resolve_series(features)
        inputs = [feature.input(input_name(name), columns[name]) for name, feature in features.items()]
        known = pack([each for each in inputs if each is not None], encoded(features))
        if series := preview_series(features, named):
            known = (series,)
        elif any(each is None for each in inputs):
            return None
        output: Output | None = None
        if reconstructs:
            output = reconstruction(known) if len(known) == 1 else None
        elif target is not None and target.column in columns:
            column = columns[target.column]
            horizon = next((each.horizon for each in features.values() if isinstance(each, Series)), None)
            output = target.preview(column, target.resolved_kind(column, target_kind(loss)), horizon)
        return None if output is None else Signature(known, output)

    def load(
        self,
        base: pathlib.Path,
        seed: int,
        *,
        reconstructs: bool = False,
        loss: str | None = None,
        memory: str = "in_memory",
    ) -> Dataset:
        """Reads the data, splits it, fits features and target on the train rows and encodes every part.

        Args:
            base: what relative paths are relative to: the spec's folder.
            seed: what the split follows from.
            reconstructs: whether the network gives its input again, and there is no target.
            loss: the kind of the loss, where the spec names one: it may say whether the target is a number.
            memory: as `runtime.memory`: whether the encoded rows are kept in memory.

        Raises:
            DataError: the data cannot be read, or does not fit what the spec says of it.
            MisfitError: the spec names columns that are not there, or takes them for what they are not.
        """
        source = self.source.resolve(base)
        try:
            table = self._table(source, base, memory, reconstructs=reconstructs)
        except MisfitError as error:
            raise MisfitError(*(problem.under("data", "source") for problem in error.problems)) from None
        if isinstance(source, Tabular):
            source = source.frozen(table)
        columns = {name: table.known.get(name) or describe(values) for name, values in table.columns.items()}
        resolved = self._resolve(source, columns, table, reconstructs, target_kind(loss))
        if problems := list(check_data(resolved, columns, table.test_rows is not None, reconstructs=reconstructs)):
            raise MisfitError(*(problem.under("data") for problem in problems))
        table, resolved, columns = resolved.decoded(table, columns, base)
        parts = resolved.parts(table, seed)
        preparation = resolved.fit(table, columns, parts)
        if isinstance(preparation.target, FittedClasses):
            for part, rows in parts.items():
                known_classes(table.name, preparation.target, table.columns[preparation.target.column], rows, part)
        streamed = isinstance(table.columns, LazyColumns)
        if streamed:
            examples = encoded_on_disk(table, parts, preparation)
        else:
            examples = {part: preparation.encode(table, rows) for part, rows in parts.items()}
        return Dataset(
            resolved=resolved, table=table, parts=parts, preparation=preparation, streamed=streamed, **examples
        )

    def _table(self, source: Source, base: pathlib.Path, memory: str, *, reconstructs: bool) -> Table:
        """The columns of the source, in memory or, where they would be too large, read when they are asked for."""
        if is_streamed(source, base, memory):
            what = "an autoencoder" if reconstructs else "a series" if self._has_series else None
            if what is not None:
                check_fits(source, base, what)
            elif isinstance(source, Tabular) and (table := source.lazily(base)) is not None:
                return table
            else:
                check_fits(source, base, f"a packed file or one of the kind {source.kind}")
        return source.load(base)

    @property
    def _has_series(self) -> bool:
        return any(isinstance(each, Series) for each in (self.features or {}).values())

    def _resolve(
        self,
        source: Source,
        columns: dict[str, Column],
        table: Table,
        reconstructs: bool,
        hint: TargetKind | None,
    ) -> Data:
        """The same section with nothing left out."""
        defaults = source.defaults(pathlib.Path())
        target = None if reconstructs else self.target or _target(defaults.target)
        if target is not None and target.column in columns:
            target = target.model_copy(update={"kind": target.resolved_kind(columns[target.column], hint)})
        named = target.column if target else defaults.target
        features = self.features or infer(columns, named, defaults, self.split_columns)
        if not features:
            raise DataError(
                f"{table.name}: no feature can be inferred from its columns: {', '.join(columns)}",
                hint="name them: data: {features: {<column>: {kind: number}}}",
            )
        split = self.split
        if isinstance(split, AutoSplit):
            series = any(isinstance(each, Series) for each in features.values())
            split = split.choose(series=series, group=defaults.group)
        features = resolve_series(features)
        horizons = [each.horizon or 1 for each in features.values() if isinstance(each, Series)]
        if isinstance(split, TimeSplit) and split.gap is None:
            split = split.model_copy(update={"gap": max(horizons, default=0)})
        return self.model_copy(update={"source": source, "target": target, "features": features, "split": split})

    def decoded(
        self, table: Table, columns: dict[str, Column], base: pathlib.Path
    ) -> tuple[Table, Data, dict[str, Column]]:
        """The table with pixels where it names image files, the resolved section, and the columns as they are then.

        Raises:
            DataError: an image cannot be decoded; all such are named.
            MisfitError: a feature says how files are read, and its column holds pixels.
        """
        try:
            table, features, columns = with_pixels(table, self.features or {}, columns, base)
        except MisfitError as error:
            raise MisfitError(*(problem.under("data") for problem in error.problems)) from None
        return table, self.model_copy(update={"features": features}), columns

    def parts(self, table: Table, seed: int) -> Parts:
        """Splits the rows; the target must be there in each of them.

        Raises:
            DataError: as the split's `parts`; or values of the target are missing.
        """
        if len(table) == 0:
            raise DataError(f"{table.name} has no rows")
        if self.target is not None:
            for fault in missing_fault(table.columns[self.target.column]):
                if fault.positions is not None:
                    raise DataError(
                        f"{table.name}: the target {self.target.column} is missing in {row_list(fault.positions)}",
                        hint="fill it in, or remove the rows",
                    )
        if isinstance(self.split, AutoSplit):
            raise ValueError("the data section is not resolved")
        split: FixedSplit = self.split
        roles = Roles(
            target=self.target.column if self.target else None,
            numeric=self.target is not None and self.target.kind == "number",
            time=self.source.defaults(pathlib.Path()).time,
            features=tuple(self.features or ()),
        )
        return split.parts(table, seed=seed, roles=roles)

    @property
    def split_columns(self) -> tuple[str, ...]:
        """The columns that rows are split by: no features."""
        return tuple(name for name, _ in self.split.columns)

    def fit(self, table: Table, columns: dict[str, Column], parts: Parts) -> Preparation:
        """Fits features and target on the train rows of a resolved section.

        Raises:
            DataError: a column has values that its feature cannot read.
        """
        time = self.source.defaults(pathlib.Path()).time
        self._check_values(table)
        layout = self._layout(table, time, parts)
        features: dict[str, Fitted] = {}
        for name, feature in (self.features or {}).items():
            values = table.columns[name][parts.train]
            try:
                if isinstance(feature, Series) and layout is not None:
                    numbers = layout.take(table.columns[name])
                    features[name] = feature.fit(numbers, Column("number"), layout.stamps, layout.ids)
                elif not isinstance(feature, Series):
                    features[name] = feature.fit(values, columns[name])
            except DataError as error:
                raise DataError(f"{table.name}: {name}: {error.message}", hint=error.hint) from None
        target: FittedTarget | None = None
        if self.target is not None:
            name = self.target.column
            all_series = {name: each for name, each in features.items() if isinstance(each, FittedSeries)}
            series = all_series.get(name) or next(iter(all_series.values()), None)
            values = table.columns[name][parts.train]
            target = self.target.fit(values, parts.train, self.target.kind or "number", series, same=name in features)
        return Preparation(
            features=features, target=target, time=time, series_by=self.series_by, apart=self._apart(features)
        )

    def _apart(self, features: dict[str, Fitted]) -> tuple[str, ...]:
        """The columns of vectors that have an encoder."""
        return tuple(name for name in encoded(self.features or {}) if features[name].input(name).kind == "vector")

    def _layout(self, table: Table, time: str | None, parts: Parts) -> Layout | None:
        """The train rows, series by series; None where no feature is one.

        Raises:
            DataError: times of the table do not rise, or there are none; a row is of no series.
        """
        import numpy as np

        if not any(isinstance(each, Series) for each in (self.features or {}).values()):
            return None
        if time is None:
            raise DataError(f"{table.name}: a series needs a time column", hint="source: {time: <column>}")
        if self.series_by is not None:
            for fault in missing_fault(table.columns[self.series_by]):
                raise DataError(f"{table.name}: " + complaint(self.series_by, fault, np.arange(len(table))))
        layout = lay_out(table, time, self.series_by)
        train = np.zeros(len(table), bool)
        train[parts.train] = True
        return layout.kept(train[layout.rows])

    def _check_values(self, table: Table) -> None:
        """That every feature can read its column, in all rows: what is wrong is told before anything is fitted."""
        import numpy as np

        complaints = [
            complaint(name, fault, np.arange(len(table)))
            for name, feature in (self.features or {}).items()
            for fault in feature.faults(table.columns[name])
        ]
        if complaints:
            raise DataError(
                f"{table.name}: " + "; ".join(complaints),
                hint="mend the file, or give the column another kind of feature, or leave it out of the features",
            )


@dataclass(frozen=True)
class Dataset:
    """Data that is ready for training.

    Args:
        resolved: the section with nothing left out; a spec that says it all.
        table: what the source gave.
        parts: the row numbers of each part.
        preparation: what was fitted on the train rows.
        train: the encoded rows of each part …
        validation: …
        test: …
        streamed: whether those are on disk.
    """

    resolved: Data
    table: Table
    parts: Parts
    preparation: Preparation
    train: Examples
    validation: Examples
    test: Examples
    streamed: bool = False

    @property
    def splits(self) -> dict[str, Examples]:
        """The parts that have examples, by name: train, validation, test."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: examples for name, examples in parts.items() if len(examples)}

    @property
    def unused(self) -> tuple[str, ...]:
        """The columns of the source that play no part: neither feature nor target, nor what rows are split by."""
        defaults = self.resolved.source.defaults(pathlib.Path())
        used = {*self.preparation.features, self.resolved.target and self.resolved.target.column, defaults.time}
        used.add(self.resolved.series_by)
        used.update(self.resolved.split_columns)
        return tuple(name for name in self.table.columns if name not in used)

    @property
    def class_counts(self) -> dict[str, int]:
        """How many train examples each class has, in the order of their indexes; empty where there are no classes."""
        return self._counts(self.train)

    def _counts(self, examples: Examples) -> dict[str, int]:
        import numpy as np

        classes = self.preparation.signature.output.classes
        if not classes:
            return {}
        counts = np.bincount(examples.target, minlength=len(classes))
        return dict(zip(classes, counts.tolist(), strict=True))

    def summary(self) -> dict[str, Any]:
        """What data.json keeps: rows, columns, classes, sizes and content hash of each part, and what was fitted."""
        splits: dict[str, dict[str, Any]] = {}
        hashes = content_hashes(self.table, dict(self.parts.items()))
        for (part, rows), examples in zip(self.parts.items(), (self.train, self.validation, self.test), strict=True):
            splits[part] = {"rows": len(rows), "examples": len(examples), "sha256": hashes[part]}
            if counts := self._counts(examples):
                splits[part]["classes"] = counts
        return {
            "source": self.table.name,
            "rows": len(self.table),
            "columns": {name: _summary(values) for name, values in self.table.columns.items()},
            "target": self.resolved.target and self.resolved.target.column,
            "unused": list(self.unused),
            "splits": splits,
            "preparation": self.preparation.tree(),
        }


def target_kind(loss: str | None) -> TargetKind | None:
    """What a loss says of the target."""
    if loss is None:
        return None
    return "number" if loss in NUMBER_LOSSES else "category"


def encoded(features: Mapping[str, Feature]) -> tuple[str, ...]:
    """The columns whose feature states an encoder."""
    return tuple(name for name, feature in features.items() if feature.encoder is not None)


def _target(column: str | None) -> Target | None:
    return None if column is None else Target(column=column)


def _summary(values: np.ndarray) -> dict[str, Any]:
    column = describe(values)
    summary: dict[str, Any] = {"kind": column.kind, "type": "text" if values.dtype == object else str(values.dtype)}
    if column.shape:
        summary["shape"] = list(column.shape)
    return summary
