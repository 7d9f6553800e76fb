"""Rows that share a value of a column stay together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from dlrun.data.columns import Table
from dlrun.data.splits.dealing import deal
from dlrun.data.splits.parts import (
    Bins,
    Fraction,
    FractionOrNone,
    Names,
    Parts,
    Roles,
    check_fractions,
    kept_columns,
    split_rows,
)
from dlrun.seeds import generator
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem


class GroupSplit(Spec):
    """Rows that share a value of a column stay together."""

    kind: Literal["group"]
    """Rows that share a value of a column stay together."""
    by: str
    """The column whose rows with the same value stay together."""
    validation: FractionOrNone = 0.1
    """The fraction for validation, of the rows, as near to it as whole groups come; 0 trains without one."""
    test: Fraction | None = None
    """The fraction for the test; left out: the source's own test part, or 0.2 where it has none."""
    stratify: bool = False
    """Whether each part gets each class of the target, or each bin of a number, in the same proportion, as near to it
    as whole groups come; a group counts as of the class that most of its rows have."""
    bins: Bins | None = None
    """Into how many bins, with the same number of rows, a number is put to stratify by it. Left out: 10, or fewer
    where there are few groups."""
    keep_together: Names | None = None
    """What else is never parted: `duplicates`, rows whose features are the same; or a column, or a list of such."""

    @property
    def has_validation(self) -> bool:
        return self.validation > 0

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """The columns that it names, each with the field that names it."""
        return (self.by, "by"), *kept_columns(self.keep_together)

    @property
    def together(self) -> tuple[str, ...]:
        """What it never parts: columns, and `duplicates`."""
        return self.by, *(self.keep_together or ())

    def check(self, own_test: bool | None) -> Iterator[Problem]:
        """What is wrong with the fields."""
        yield from check_fractions(self.validation, self.test, own_test)

    def parts(self, table: Table, *, seed: int, roles: Roles) -> Parts:
        """Splits the rows of a table.

        Raises:
            DataError: there are too few rows or groups for the fractions, or a row has no group.
        """
        rows, own = split_rows(table)
        what = f"values of {self.by}" if not self.keep_together else None
        dealt = deal(
            table, rows, roles, self.together, stratify=self.stratify, bins=self.bins,
            needed=1 + (own is None) + (self.validation > 0), what=what,
        )  # fmt: skip
        return dealt.part(dealt.order(generator(seed, "split")), self.validation, self.test, own)
