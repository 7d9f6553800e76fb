"""Earlier rows are for training, later ones for validation, the last ones for the test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from dlrun.data.columns import Table
from dlrun.data.splits.dealing import Deal
from dlrun.data.splits.parts import Fraction, FractionOrNone, Parts, Roles, check_fractions, complete, split_rows
from dlrun.errors import DataError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np


class TimeSplit(Spec):
    """Earlier rows are for training, later ones for validation, the last ones for the test."""

    kind: Literal["time"]
    """Earlier rows are for training, later ones for validation, the last ones for the test. Needs the source's time."""
    validation: FractionOrNone = 0.1
    """The fraction for validation, rows of the same time kept together; 0 trains without one."""
    test: Fraction | None = None
    """The fraction for the test; left out: the source's own test part, or 0.2 where it has none."""
    gap: Annotated[int, Field(ge=0)] | None = None
    """How many different times are left out at the end of a part before the next begins, so that what one part is to
    predict does not touch what the next one starts from. Left out: the horizon of a series, and 0 where there is
    none."""

    @property
    def has_validation(self) -> bool:
        return self.validation > 0

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """The columns that it names: none."""
        return ()

    def check(self, own_test: bool | None) -> Iterator[Problem]:
        """What is wrong with the fields."""
        yield from check_fractions(self.validation, self.test, own_test)

    def parts(self, table: Table, *, seed: int, roles: Roles) -> Parts:
        """Splits the rows of a table. The rows of a gap are in no part.

        Raises:
            DataError: there are too few rows or times for the fractions, or a row has no time.
        """
        import numpy as np

        dealt, own = time_deal(table, roles.time)
        latest_first = np.arange(len(dealt.weights))[::-1]  # for the test
        gap = self.gap or 0
        parts = dealt.part(latest_first, self.validation, self.test, own, gap)
        for name, part in parts.items():
            if not len(part) and (name != "validation" or self.has_validation):
                raise DataError(
                    f"{table.name}: a gap of {gap} times leaves no rows for {name}",
                    hint="split: {kind: time, gap: 0}, or more rows",
                )
        return parts


def time_deal(table: Table, time: str | None) -> tuple[Deal, np.ndarray | None]:
    """The rows that are to be split, those of one time in a group and groups in the order of the times; and the rows of
    the source's own test part.

    Raises:
        DataError: no column holds the times, or a row has none.
    """
    import numpy as np

    if time is None:
        raise DataError("a split by time needs a time column", hint="source: {time: <column>}")
    rows, own = split_rows(table)
    codes = np.asarray(np.unique(complete(table, time)[rows], return_inverse=True)[1], np.int64)
    return Deal(table.name, f"different times in {time}", rows, codes, None), own
