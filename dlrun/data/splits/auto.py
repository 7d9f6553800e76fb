"""The split that suits the data, where the spec names none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from dlrun.data.splits.at_random import RandomSplit, kept_columns
from dlrun.data.splits.by_group import GroupSplit
from dlrun.data.splits.by_time import TimeSplit
from dlrun.data.splits.parts import Bins, Fraction, FractionOrNone, Names, check_fractions
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem


class AutoSplit(Spec):
    """By time for a series, by its group where the source says what must stay together, and at random otherwise."""

    kind: Literal["auto"] = "auto"
    """By time for a series, by its group where the source says what must stay together, and at random otherwise."""
    validation: FractionOrNone = 0.1
    """The fraction for validation; 0 trains without one."""
    test: Fraction | None = None
    """The fraction for the test; left out: the source's own test part, or 0.2 where it has none."""
    stratify: bool = False
    """Whether each part gets each class of the target in the same proportion; of a number, each bin of it."""
    bins: Bins | None = None
    """Into how many bins, with the same number of rows, a number is put to stratify by it. Left out: 10, or fewer
    where there are few rows."""
    keep_together: Names | None = None
    """Which rows are never parted: `duplicates`, those whose features are the same; or a column, those that have the
    same value there; or a list of such."""

    @property
    def has_validation(self) -> bool:
        return self.validation > 0

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """The columns that it names, each with the field that names it."""
        return kept_columns(self.keep_together)

    def check(self, own_test: bool | None) -> Iterator[Problem]:
        """What is wrong with the fields."""
        yield from check_fractions(self.validation, self.test, own_test)

    def choose(self, *, series: bool, group: str | None) -> RandomSplit | GroupSplit | TimeSplit:
        """The split that it stands for."""
        if series:
            return TimeSplit(kind="time", validation=self.validation, test=self.test)
        if group is not None:
            return GroupSplit(
                kind="group", by=group, validation=self.validation, test=self.test, stratify=self.stratify,
                bins=self.bins, keep_together=self.keep_together,
            )  # fmt: skip
        return RandomSplit(
            validation=self.validation, test=self.test, stratify=self.stratify, bins=self.bins,
            keep_together=self.keep_together,
        )  # fmt: skip
