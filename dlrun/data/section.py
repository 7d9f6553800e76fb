"""The data section: where the data comes from, what is predicted, how it is split and how it enters the network."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping

from pydantic import Field

from dlrun.data.checks import check_data
from dlrun.data.columns import Column, Defaults, Table
from dlrun.data.dataset import Dataset
from dlrun.data.encoders import encoded
from dlrun.data.features import Feature, Series, Text
from dlrun.data.features.values import missing_fault, row_list
from dlrun.data.findings import FindingKind
from dlrun.data.fitted_target import FittedClasses
from dlrun.data.fitting import fit
from dlrun.data.image_files import with_pixels
from dlrun.data.inference import describe, infer
from dlrun.data.shared_window import preview_series, resolve_series
from dlrun.data.signature import Output, Signature, input_name, pack, reconstruction
from dlrun.data.sources import HuggingFace, Source
from dlrun.data.sources.folder_source import FolderSource
from dlrun.data.sources.sql import Sql
from dlrun.data.sources.tabular import Tabular
from dlrun.data.split_checks import beside_own_validation, check_files
from dlrun.data.splits import AutoSplit, FilesSplit, FixedSplit, Parts, Roles, Split, TimeSplit
from dlrun.data.splits.parts import own_validation
from dlrun.data.streaming import allowed_bytes, encoded_parts, is_streamed, left_on_disk, on_disk
from dlrun.data.target import Target, TargetField, TargetKind, known_classes, target_kind
from dlrun.errors import DataError, MisfitError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem


class Data(Spec):
    """Columns, and what becomes of them."""

    source: Source
    """Where the data comes from."""
    target: TargetField | None = None
    """What is predicted: a column, or {column: …, kind: category or number}; several as {column: {kind: …, loss: …,
    weight: …}, …}, the first of them the main one. Left out: what the source names; an autoencoder has none."""
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
        for name, feature in (self.features or {}).items():
            if isinstance(feature, Text) and feature.vectors is not None:
                yield from (problem.under("features", name, "vectors") for problem in feature.vectors.check(base))
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
        features = self._features(columns, defaults)
        if not features or not features.keys() <= columns.keys():
            return None
        features = with_vectors(resolve_series(features), base)
        inputs = [feature.input(input_name(name), columns[name]) for name, feature in features.items()]
        known = pack([each for each in inputs if each is not None], encoded(features))
        if series := preview_series(features, target.column if target else defaults.target):
            known = (series,)
        elif any(isinstance(each, Series) for each in features.values()) or any(each is None for each in inputs):
            return None
        outputs: list[Output | None] = []
        if reconstructs:
            outputs = [reconstruction(known) if len(known) == 1 else None]
        elif target is not None:
            horizon = next((each.horizon for each in features.values() if isinstance(each, Series)), None)
            for one in target.known(columns, target_kind(loss)).each:
                column = columns.get(one.column)
                outputs.append(one.preview(column, one.kind, horizon) if column else None)
        first, *further = outputs or [None]
        if first is None or any(each is None for each in further):
            return None
        return Signature(known, first, tuple(each for each in further if each is not None))

    def _features(self, columns: Mapping[str, Column], defaults: Defaults) -> dict[str, Feature] | None:
        """The features, inferred where they are left out; None where that is not possible yet."""
        if self.features:
            return self.features
        named = self.target.column if self.target else defaults.target
        others = (each.column for each in self.targets[1:])
        return infer(columns, named, defaults, (*self.split_columns, *others))

    @property
    def targets(self) -> tuple[Target, ...]:
        """All that is predicted, the main target first; empty where the section names none."""
        return () if self.target is None else self.target.each

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
            table = self._table(source, base, memory)
        except MisfitError as error:
            raise MisfitError(*(problem.under("data", "source") for problem in error.problems)) from None
        if isinstance(source, Tabular | Sql):
            source = source.frozen(table)
        columns = {name: table.known.get(name) or describe(values) for name, values in table.columns.items()}
        resolved = self._resolve(source, columns, table, reconstructs, target_kind(loss))
        if problems := list(check_data(resolved, columns, table.test_rows is not None, reconstructs=reconstructs)):
            raise MisfitError(*(problem.under("data") for problem in problems))
        resolved = resolved.model_copy(update={"features": with_vectors(resolved.features or {}, base)})
        table, resolved, columns = resolved.decoded(table, columns, base, memory)
        parts = resolved.parts(table, seed)
        preparation, out_of_fold = fit(resolved, table, columns, parts, seed)
        for target in preparation.targets:
            if isinstance(target, FittedClasses):
                for part, rows in parts.items():
                    known_classes(table.name, target, table.columns[target.column], rows, part)
        examples = encoded_parts(table, parts, preparation, memory, out_of_fold)
        return Dataset(
            resolved=resolved,
            table=table,
            parts=parts,
            preparation=preparation,
            streamed=on_disk(examples["train"]),
            **examples,
        )

    def _table(self, source: Source, base: pathlib.Path, memory: str) -> Table:
        """The columns of the source, in memory or, where they would be too large, read when they are asked for."""
        if isinstance(source, Sql):  # how much there is shows while it is fetched
            return source.load(base, allowed_bytes(memory))
        if isinstance(source, Tabular) and is_streamed(source, base, memory):
            return source.lazily(base)
        return left_on_disk(source.load(base), memory)

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
        if target is not None:
            target = target.known(columns, hint)
        features = self._features(columns, defaults)
        if not features:
            raise DataError(
                f"{table.name}: no feature can be inferred from its columns: {', '.join(columns)}",
                hint="name them: data: {features: {<column>: {kind: number}}}",
            )
        split = self.split
        if isinstance(split, AutoSplit):
            if table.validation_rows is not None and (problems := list(beside_own_validation(source, split))):
                raise MisfitError(*(problem.under("data", "split") for problem in problems))
            series = any(isinstance(each, Series) for each in features.values())
            split = split.choose(series=series, group=defaults.group, own_validation=table.validation_rows is not None)
        features = resolve_series(features)
        if isinstance(split, TimeSplit) and split.gap is None:
            split = split.model_copy(update={"gap": _horizon(features)})
        return self.model_copy(update={"source": source, "target": target, "features": features, "split": split})

    def decoded(
        self,
        table: Table,
        columns: dict[str, Column],
        base: pathlib.Path,
        memory: str = "in_memory",
    ) -> tuple[Table, Data, dict[str, Column]]:
        """The table with pixels where it names image files, the resolved section, and the columns as they are then.

        Args:
            memory: as `runtime.memory`; pixels that would take more are put on disk.

        Raises:
            DataError: an image cannot be decoded; all such are named.
            MisfitError: a feature says how files are read, and its column holds pixels.
        """
        try:
            table, features, columns = with_pixels(table, self.features or {}, columns, base, allowed_bytes(memory))
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
        for target in self.targets:
            for fault in missing_fault(table.columns[target.column]):
                if fault.positions is not None:
                    raise DataError(
                        f"{table.name}: the target {target.column} is missing in {row_list(fault.positions)}",
                        hint="fill it in, or remove the rows",
                    )
        if isinstance(self.split, AutoSplit):
            raise ValueError("the data section is not resolved")
        split: FixedSplit = self.split
        if table.validation_rows is not None and not isinstance(split, FilesSplit):
            problem = own_validation("kind", split.kind)
            raise DataError(f"{table.name}: {problem.message}", hint=problem.hint)
        roles = Roles(
            target=self.target.column if self.target else None,
            numeric=self.target is not None and self.target.kind == "number",
            time=self.source.defaults(pathlib.Path()).time,
            features=tuple(self.features or ()),
            horizon=_horizon(self.features or {}),
        )
        return split.parts(table, seed=seed, roles=roles).narrow()

    @property
    def has_validation(self) -> bool:
        """Whether there is a validation part, as far as can be told without the data."""
        return self.split.has_validation or (
            isinstance(self.split, FilesSplit) and isinstance(self.source, FolderSource | HuggingFace)
        )

    @property
    def split_columns(self) -> tuple[str, ...]:
        """The columns that rows are split by: no features."""
        return tuple(name for name, _ in self.split.columns)


def with_vectors(features: Mapping[str, Feature], base: pathlib.Path) -> dict[str, Feature]:
    """The same features, with the size of the vectors that texts begin with.

    Raises:
        DataError: a file of vectors cannot be read.
    """
    return {name: each.resolve(base) if isinstance(each, Text) else each for name, each in features.items()}


def _horizon(features: Mapping[str, Feature]) -> int:
    """How many times the series among features predict at the most; 0 where there is none."""
    return max((each.horizon or 1 for each in features.values() if isinstance(each, Series)), default=0)


def _target(column: str | None) -> Target | None:
    return None if column is None else Target(column=column)
