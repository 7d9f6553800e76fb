"""The target: what is predicted, as classes or as numbers; one or several."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, RootModel, Tag, model_validator

from dlrun.data.columns import Column
from dlrun.data.features.category import sort_texts
from dlrun.data.features.number import usable
from dlrun.data.features.series import FittedSeries
from dlrun.data.features.values import as_numbers, complaint, objects, one_number_faults, row_list, text_of
from dlrun.data.fitted_target import FittedClasses, FittedNumbers, FittedTarget
from dlrun.data.signature import Output
from dlrun.errors import DataError
from dlrun.spec.base import Spec
from dlrun.training.losses import LossField, default_loss

if TYPE_CHECKING:
    import numpy as np

NUMBER_LOSSES = frozenset({"mse", "mae", "huber"})
"""Losses that say that the target is a number; all others say that it is a class."""

MOST_LETTERS = 200
"""Of the name of a class in a message."""

MOST_CLASSES = 20
"""Whole numbers are taken for classes up to this many."""

KINDS = ("category", "number")
TargetKind = Literal["category", "number"]


class Target(Spec):
    """What is predicted."""

    column: str
    """The column."""
    kind: TargetKind | None = None
    """category: one of several classes; number. Left out: text and truth values are categories; numbers are numbers,
    but whole ones that are exactly 0 … k-1 or 1 … k, with k at most 20, are categories, unless the loss is one for
    numbers."""
    normalise: Literal["standard", "none"] = "standard"
    """How the network sees a number: standard, with mean 0 and standard deviation 1 on the train rows, or none.
    Metrics and predictions are in the units of the data either way."""

    @property
    def each(self) -> tuple[Target, ...]:
        """All targets: this one."""
        return (self,)

    def known(self, columns: Mapping[str, Column], hint: TargetKind | None) -> Target:
        """The same with the kind that its column tells.

        Args:
            hint: what the loss says.
        """
        if self.column not in columns:
            return self
        return self.model_copy(update={"kind": self.resolved_kind(columns[self.column], hint)})

    def resolved_kind(self, column: Column, hint: TargetKind | None) -> TargetKind | None:
        """The kind: as the spec says, or else the column; None where its data has to be read first.

        Args:
            hint: what the loss says, which decides where whole numbers could be either.
        """
        if self.kind is not None:
            return self.kind
        match column.kind:
            case "category" | "text":
                return "category"
            case "number":
                return "number" if column.classes is None else hint or "category"
            case _:
                return None

    def preview(self, column: Column, kind: TargetKind | None, horizon: int | None) -> Output | None:
        """The network's output as far as it is known without the data."""
        if horizon is not None:
            return Output(self.column, "forecast", (horizon,))
        match kind, column.classes:
            case "number", _:
                return Output(self.column, "regression", (1,))
            case "category", tuple(classes) if len(classes) > 1:
                return FittedClasses(kind="classes", column=self.column, classes=classes).output
            case "category", int(count) if count > 1:
                return Output(self.column, *(("binary", (1,)) if count == 2 else ("multiclass", (count,))))
            case _:
                return None

    def fit(
        self,
        values: np.ndarray,
        rows: np.ndarray,
        kind: TargetKind,
        series: FittedSeries | None,
        *,
        same: bool,
        others: Sequence[str] = (),
    ) -> FittedTarget:
        """Learns from the values of the train rows, (rows,).

        Args:
            values: without missing ones.
            rows: their numbers.
            kind: what `resolved_kind` gave.
            series: the feature that is forecast, where there is one.
            same: whether that feature is the target's own column: both are then scaled alike.
            others: the columns that are predicted besides.

        Raises:
            DataError: a category has one class only, or a number is none.
        """
        if kind == "category" and series is None:
            return self._fit_classes(values, others)
        if faults := one_number_faults(values):
            raise DataError(
                complaint(f"the target {self.column}", faults[0], rows),
                hint=f"{self._as('category', others)} if it is a class",
            )
        return self._fit_numbers(as_numbers(values)[0], series, same=same)

    def _fit_numbers(self, numbers: np.ndarray, series: FittedSeries | None, *, same: bool) -> FittedNumbers:
        standard = self.normalise == "standard"
        offset = float(numbers.mean()) if standard else 0.0
        scale = usable(numbers.std(), offset) if standard else 1.0
        if series is None:
            return FittedNumbers(kind="numbers", column=self.column, offset=offset, scale=scale)
        difference = each = None
        if same:
            difference, each, offset, scale = series.difference, series.each, series.offset, series.scale
        return FittedNumbers(
            kind="numbers",
            column=self.column,
            offset=offset,
            scale=scale,
            horizon=series.horizon,
            difference=difference,
            each=each,
        )

    def _as(self, kind: TargetKind, others: Sequence[str]) -> str:
        """How a spec says the kind."""
        if not others:
            return f"target: {{column: {self.column}, kind: {kind}}}"
        return f"target: {{{self.column}: {kind}}}, with {', '.join(others)} beside it as before,"

    def _fit_classes(self, values: np.ndarray, others: Sequence[str]) -> FittedClasses:
        counts = collections.Counter(text for text in map(text_of, objects(values)) if text is not None)
        classes, rows = sort_texts(list(counts)), counts.total()
        if len(classes) < 2:
            raise DataError(
                f"the target {self.column} has one class only in the train rows: {', '.join(classes)[:MOST_LETTERS]}",
                hint="a target needs at least two classes: predict another column; "
                "if other rows have another class, split: {stratify: true} deals each out to all parts",
            )
        if len(classes) > 2 and len(classes) > 0.5 * rows and rows > MOST_CLASSES:
            raise DataError(
                f"the target {self.column} has {len(classes)} classes in {rows} train rows",
                hint=f"{self._as('number', others)} if it is a number",
            )
        return FittedClasses(kind="classes", column=self.column, classes=tuple(classes))


class Head(Spec):
    """One of several targets."""

    kind: TargetKind | None = None
    """category: one of several classes; number. Left out: as for one target, by its loss and its column."""
    normalise: Literal["standard", "none"] = "standard"
    """How the network sees a number: standard, with mean 0 and standard deviation 1 on the train rows, or none."""
    loss: LossField | None = None
    """What is made small of it: a kind, or {kind: …}. Left out: binary_crossentropy for two classes,
    categorical_crossentropy for more, mse for numbers."""
    weight: float = Field(default=1.0, gt=0)
    """How much its loss counts in the sum of all."""

    def target(self, column: str) -> Target:
        """The same as a target of its own."""
        return Target(column=column, kind=self.kind, normalise=self.normalise)


def _from_kind(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


HeadField = Annotated[Head, BeforeValidator(_from_kind, json_schema_input_type=TargetKind | Head)]
"""`number`, `category`, or `{kind: number, loss: huber, weight: 0.5}`."""


class Targets(RootModel[dict[str, HeadField]]):
    """Several targets by column, each with its kind, loss and weight; the first is the main one."""

    model_config = ConfigDict(frozen=True, strict=True, defer_build=True)

    @model_validator(mode="after")
    def _check(self) -> Targets:
        if len(self.root) < 2:
            raise ValueError(f"several targets are at least two: write `target: {next(iter(self.root), '<column>')}`")
        return self

    @property
    def each(self) -> tuple[Target, ...]:
        """All of them."""
        return tuple(head.target(column) for column, head in self.root.items())

    @property
    def column(self) -> str:
        """That of the main one."""
        return next(iter(self.root))

    @property
    def kind(self) -> TargetKind | None:
        """That of the main one."""
        return self.root[self.column].kind

    def with_losses(self, outputs: Sequence[Output]) -> Targets:
        """The same with the loss of each target that its output names by itself."""
        heads = zip(self.root.items(), outputs, strict=True)
        return Targets(
            {
                column: head.model_copy(update={"loss": head.loss or default_loss(output.task)})
                for (column, head), output in heads
            }
        )

    def known(self, columns: Mapping[str, Column], hint: TargetKind | None) -> Targets:
        """The same with the kinds that the losses and columns tell."""
        found = {}
        for column, head in self.root.items():
            own = target_kind(head.loss.kind) if head.loss else None
            kind = head.target(column).resolved_kind(columns[column], own) if column in columns else head.kind
            found[column] = head.model_copy(update={"kind": kind})
        return Targets(found)


def _from_name(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


def _one_or_several(value: object) -> str:
    if not isinstance(value, dict):
        return "<several>" if isinstance(value, Targets) else "<one>"
    heads = value and all(isinstance(each, dict) for each in value.values())
    kinds = Target.model_fields.keys().isdisjoint(value) and any(each in KINDS for each in value.values())
    return "<several>" if heads or kinds else "<one>"


TargetField = Annotated[
    Annotated[
        Annotated[Target, Tag("<one>")] | Annotated[Targets, Tag("<several>")],
        Discriminator(_one_or_several),
    ],
    BeforeValidator(_from_name, json_schema_input_type=str | Target | Targets),
]
"""`price`, `{column: price, kind: number}`, or several: `{price: {loss: huber}, sold: {weight: 0.5}}`."""


def target_kind(loss: str | None) -> TargetKind | None:
    """What a loss says of the target."""
    if loss is None:
        return None
    return "number" if loss in NUMBER_LOSSES else "category"


def known_classes(table_name: str, target: FittedClasses, values: np.ndarray, rows: np.ndarray, part: str) -> None:
    """That a part's rows have classes of the train rows only.

    Raises:
        DataError: with the rows, the classes, and what to write.
    """
    faults = target.faults(values[rows])
    if faults and faults[0].positions is not None:
        raise DataError(
            f"{table_name}: in the {part} part, {row_list(rows[faults[0].positions])} of the target {target.column} "
            f"has {faults[0].what}",
            hint="split: {stratify: true} deals each class out to all parts; "
            "a class with very few rows has to be left out or joined with another",
        )
