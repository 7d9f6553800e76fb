"""Rows drawn at random."""

from __future__ import annotations

from typing import Literal

from dlrun.data.columns import Table
from dlrun.data.splits.dealing import deal
from dlrun.data.splits.parts import DealtSplit, Parts, Roles, split_rows
from dlrun.seeds import generator


class RandomSplit(DealtSplit):
    """Rows are drawn at random."""

    kind: Literal["random"] = "random"
    """Rows are drawn at random."""

    def parts(self, table: Table, *, seed: int, roles: Roles) -> Parts:
        """Splits the rows of a table.

        Raises:
            DataError: there are too few rows, or rows of a class, for the fractions.
        """
        rows, own = split_rows(table)
        dealt = deal(
            table, rows, roles, self.together, stratify=self.stratify, bins=self.bins,
            needed=1 + (own is None) + (self.validation > 0),
        )  # fmt: skip
        return dealt.part(dealt.order(generator(seed, "split")), self.validation, self.test, own)
