"""Each row is held out once, or of a series each of its last stretches: one training for each fold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from dlrun.data.columns import Table
from dlrun.data.splits.by_time import time_deal
from dlrun.data.splits.dealing import deal
from dlrun.data.splits.parts import Bins, Fraction, Names, Parts, Roles, check_own_test, kept_columns, split_rows
from dlrun.errors import DataError
from dlrun.seeds import generator
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem


class KFoldSplit(Spec):
    """Each row is held out once: one training for each fold, with mean and spread of their metrics. Of a series, the
    last stretches of time are held out, and each training sees what is before its own."""

    kind: Literal["kfold"]
    """Each row is held out once: one training for each fold, whose rows are its validation part."""
    folds: Annotated[int, Field(ge=2, le=100)] = 5
    """Into how many folds the rows are dealt out."""
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    """How often all is done, each time with other folds."""
    test: Fraction | None = None
    """The fraction for a test part, which no fold sees; left out: the source's own test part, or none."""
    stratify: bool = False
    """Whether each fold gets each class of the target, or each bin of a number, in the same proportion."""
    bins: Bins | None = None
    """Into how many bins, with the same number of rows, a number is put to stratify by it. Left out: 10, or fewer
    where there are few rows."""
    by: str | None = None
    """A column whose rows with the same value stay in one fold. Left out: rows are dealt out one by one."""
    keep_together: Names | None = None
    """What else is never parted: `duplicates`, rows whose features are the same; or a column, or a list of such."""
    fold: Annotated[int, Field(ge=1)] | None = None
    """Train this fold alone, counted from 1 (the folds of the second repeat follow those of the first). Left out: all
    of them."""

    @property
    def trainings(self) -> int:
        """How many folds there are in all repeats."""
        return self.folds * self.repeats

    @property
    def has_validation(self) -> bool:
        return True

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """The columns that it names, each with the field that names it."""
        return (*([(self.by, "by")] if self.by is not None else []), *kept_columns(self.keep_together))

    @property
    def together(self) -> tuple[str, ...]:
        """What it never parts: columns, and `duplicates`."""
        return (*(() if self.by is None else (self.by,)), *(self.keep_together or ()))

    def check(self, own_test: bool | None) -> Iterator[Problem]:
        """What is wrong with the fields."""
        if self.test is not None:
            yield from check_own_test(own_test, "test", str(self.test))
        if self.fold is not None and self.fold > self.trainings:
            times = f" {self.repeats} times" if self.repeats > 1 else ""
            yield Problem(
                ("fold",), f"there are {self.folds} folds{times}", expected=f"1 to {self.trainings}",
                received=str(self.fold), hint="leave it out to train all folds",
            )  # fmt: skip

    def parts(self, table: Table, *, seed: int, roles: Roles) -> Parts:
        """Splits the rows of a table for one fold, the first where none is named.

        Raises:
            DataError: there are too few rows, groups, or rows of a class, or a row has no group.
        """
        import numpy as np

        if roles.horizon:
            return self._rolling(table, roles)
        rows, own = split_rows(table)
        what = f"values of {self.by}" if self.by is not None and not self.keep_together else None
        dealt = deal(
            table, rows, roles, self.together, stratify=self.stratify, bins=self.bins,
            needed=self.folds + (self.test is not None), what=what,
        )  # fmt: skip
        tests = np.zeros(0, np.int64) if own is None else own
        if self.test is not None:
            tests = dealt.part(dealt.order(generator(seed, "split")), 0, self.test, None).test
            dealt = dealt.without(tests)
        repeat, held_out = divmod((self.fold or 1) - 1, self.folds)
        fold = dealt.folds(self.folds, generator(seed, "folds", repeat))
        return Parts(train=dealt.rows[fold != held_out], validation=dealt.rows[fold == held_out], test=tests)

    def _rolling(self, table: Table, roles: Roles) -> Parts:
        """Folds of a series: the times are cut into one stretch more than there are folds, all of one length but the
        first, which has what is left over. Each fold trains on the times before its stretch, without the last ones up
        to the horizon, as scikit-learn's `TimeSeriesSplit(folds, gap=horizon)` has it.

        Raises:
            DataError: there are too few times, or a row has none.
        """
        import numpy as np

        dealt, own = time_deal(table, roles.time)
        tests = np.zeros(0, np.int64) if own is None else own
        if self.test is not None:
            latest_first = np.arange(len(dealt.weights))[::-1]
            parts = dealt.part(latest_first, 0, self.test, None, roles.horizon)
            tests, dealt = parts.test, dealt.without(np.setdiff1d(dealt.rows, parts.train))
        times = len(dealt.weights)
        length = times // (self.folds + 1)
        first = times - self.folds * length  # of the times that are held out
        if length < 1 or first <= roles.horizon:
            raise DataError(
                f"{table.name}: {times} different times are too few for {self.folds} folds with a horizon of "
                f"{roles.horizon}",
                hint="fewer folds, or a shorter horizon",
            )
        begin = first + ((self.fold or 1) - 1) * length
        held_out = (dealt.codes >= begin) & (dealt.codes < begin + length)
        return Parts(train=dealt.rows[dealt.codes < begin - roles.horizon], validation=dealt.rows[held_out], test=tests)
