"""Rows drawn at random."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from dlrun.data.columns import Table
from dlrun.data.splits.dealing import deal
from dlrun.data.splits.parts import Bins, Fraction, FractionOrNone, Names, Parts, Roles, check_fractions, split_rows
from dlrun.seeds import generator
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem


class RandomSplit(Spec):
    """Rows are drawn at random."""

    kind: Literal["random"] = "random"
    """Rows are drawn at random."""
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

    def parts(self, table: Table, *, seed: int, roles: Roles) -> Parts:
        """Splits the rows of a table.

        Raises:
            DataError: there are too few rows, or rows of a class, for the fractions.
        """
        rows, own = split_rows(table)
        dealt = deal(
            table, rows, roles, self.keep_together or (), stratify=self.stratify, bins=self.bins,
            needed=1 + (own is None) + (self.validation > 0),
        )  # fmt: skip
        return dealt.part(dealt.order(generator(seed, "split")), self.validation, self.test, own)


def kept_columns(names: tuple[str, ...] | None) -> tuple[tuple[str, str], ...]:
    """The columns among what is kept together, as `columns` gives them."""
    from dlrun.data.splits.parts import DUPLICATES

    return tuple((name, "keep_together") for name in names or () if name != DUPLICATES)
