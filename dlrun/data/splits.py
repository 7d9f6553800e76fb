"""Which rows are for training, which for validation, which for the test: seeded, disjoint, covering every row.

A source that has its own test part keeps it: its other rows are then split into train and validation. Fractions are of
the rows that are split.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from dlrun.data.columns import Table
from dlrun.data.features.values import as_text, is_missing, row_list
from dlrun.errors import DataError
from dlrun.seeds import generator
from dlrun.spec.base import Spec, with_kind
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np

DEFAULT_TEST = 0.2

Fraction = Annotated[float, Field(gt=0, lt=1)]
FractionOrNone = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True)
class Parts:
    """The row numbers of each part, counted from 0, sorted, int64."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def items(self) -> tuple[tuple[str, np.ndarray], ...]:
        return ("train", self.train), ("validation", self.validation), ("test", self.test)


class RandomSplit(Spec):
    """Rows are drawn at random."""

    kind: Literal["random"] = "random"
    """Rows are drawn at random."""
    validation: FractionOrNone = 0.1
    """The fraction for validation; 0 trains without one."""
    test: Fraction | None = None
    """The fraction for the test; left out: the source's own test part, or 0.2 where it has none."""
    stratify: bool = False
    """Whether each part gets each class of the target in the same proportion."""

    def parts(self, table: Table, *, seed: int, target: str | None, time: str | None) -> Parts:
        """Splits the rows of a table.

        Raises:
            DataError: there are too few rows, or rows of a class, for the fractions.
        """
        import numpy as np

        rows, own = _split_rows(table)
        sizes = _sizes(self, table.name, len(rows), own)
        random = generator(seed, "split")
        if not self.stratify:
            return _cut(rows[random.permutation(len(rows))], sizes, own)
        if target is None:
            raise DataError("stratify needs a target with classes, but there is no target")
        # Each class is spread evenly over 0 … 1 in random order, each from a start of its own: whatever stretch is cut
        # out of that line has each class in proportion, to a row.
        classes, codes = np.unique(np.array(as_text(table.columns[target][rows]), dtype=str), return_inverse=True)
        counts = np.bincount(codes)
        needed = _parts(self, own)
        if counts.min() < needed:
            few = ", ".join(f"{name} ({count})" for name, count in zip(classes, counts, strict=True) if count < needed)
            raise DataError(
                f"{table.name}: to stratify, each class of {target} needs {needed} rows, but these have fewer: {few}",
                hint="stratify: false, or join rare classes with others",
            )
        shuffled = random.permutation(len(rows))
        shuffled = shuffled[np.argsort(codes[shuffled], kind="stable")]  # by class, in random order within it
        rank = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        place = (rank + np.repeat(random.random(len(counts)), counts)) / np.repeat(counts, counts)
        return _cut(rows[shuffled[np.argsort(place, kind="stable")]], sizes, own)


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

    def parts(self, table: Table, *, seed: int, target: str | None, time: str | None) -> Parts:
        """Splits the rows of a table.

        Raises:
            DataError: there are too few rows or groups for the fractions, or a row has no group.
        """
        import numpy as np

        rows, own = _split_rows(table)
        values = _complete(table, self.by)[rows]
        codes = np.unique(np.array(as_text(values), dtype=str), return_inverse=True)[1]
        order = generator(seed, "split").permutation(int(codes.max(initial=-1)) + 1)
        return _cut_groups(table.name, f"values of {self.by}", rows, codes, order, self, own)


class TimeSplit(Spec):
    """Earlier rows are for training, later ones for validation, the last ones for the test."""

    kind: Literal["time"]
    """Earlier rows are for training, later ones for validation, the last ones for the test. Needs the source's time."""
    validation: FractionOrNone = 0.1
    """The fraction for validation, rows of the same time kept together; 0 trains without one."""
    test: Fraction | None = None
    """The fraction for the test; left out: the source's own test part, or 0.2 where it has none."""

    def parts(self, table: Table, *, seed: int, target: str | None, time: str | None) -> Parts:
        """Splits the rows of a table.

        Raises:
            DataError: there are too few rows or times for the fractions, or a row has no time.
        """
        import numpy as np

        if time is None:
            raise DataError("a split by time needs a time column", hint="source: {time: <column>}")
        rows, own = _split_rows(table)
        stamps = _complete(table, time)[rows]
        codes = np.unique(stamps, return_inverse=True)[1]
        order = np.arange(int(codes.max(initial=-1)) + 1)[::-1]  # the latest first, for the test
        return _cut_groups(table.name, f"different times in {time}", rows, codes, order, self, own)


class AutoSplit(Spec):
    """By time for a series, by its group where the source says what must stay together, and at random otherwise."""

    kind: Literal["auto"] = "auto"
    """By time for a series, by its group where the source says what must stay together, and at random otherwise."""
    validation: FractionOrNone = 0.1
    """The fraction for validation; 0 trains without one."""
    test: Fraction | None = None
    """The fraction for the test; left out: the source's own test part, or 0.2 where it has none."""
    stratify: bool = False
    """Whether each part gets each class of the target in the same proportion, where rows are split at random."""

    def choose(self, *, series: bool, group: str | None) -> FixedSplit:
        """The split that it stands for."""
        if series:
            return TimeSplit(kind="time", validation=self.validation, test=self.test)
        if group is not None:
            return GroupSplit(kind="group", by=group, validation=self.validation, test=self.test)
        return RandomSplit(validation=self.validation, test=self.test, stratify=self.stratify)


FixedSplit = RandomSplit | GroupSplit | TimeSplit
AnySplit = FixedSplit | AutoSplit

Split = Annotated[
    Annotated[AnySplit, Field(discriminator="kind")],
    BeforeValidator(with_kind("auto"), json_schema_input_type=AnySplit),
]
"""How rows are split; `kind` may be left out for the one that suits the data (`auto`)."""


def check_fractions(split: AnySplit, own_test: bool | None) -> Iterator[Problem]:
    """Fractions that leave nothing to train on, and a test fraction where the source has its own test part.

    Args:
        own_test: whether the source has a test part; None where that is not known yet.
    """
    if own_test and split.test is not None:
        yield Problem(
            ("test",),
            "the source has a test part of its own",
            received=str(split.test),
            hint="leave test out: the source's test part is used",
        )
        return
    test = 0.0 if own_test is not False and split.test is None else split.test or DEFAULT_TEST
    if split.validation + test >= 1:
        default = " (0.2 where it is left out)" if split.test is None else ""
        yield Problem(
            ("validation",),
            "the fractions leave no rows to train on",
            expected="validation and test that sum to less than 1",
            received=f"validation {split.validation} and test {test}{default}",
            hint="validation: 0.1, test: 0.2",
        )


def _split_rows(table: Table) -> tuple[np.ndarray, np.ndarray | None]:
    """The rows that are to be split, and those of the source's own test part."""
    import numpy as np

    if table.test_rows is None:
        return np.arange(len(table), dtype=np.int64), None
    return np.flatnonzero(~table.test_rows).astype(np.int64), np.flatnonzero(table.test_rows).astype(np.int64)


def _sizes(split: FixedSplit, name: str, count: int, own: np.ndarray | None) -> tuple[int, int]:
    """How many rows the test and the validation part get."""
    test = 0 if own is not None else max(1, round((split.test or DEFAULT_TEST) * count))
    validation = max(1, round(split.validation * count)) if split.validation else 0
    if test + validation >= count:
        raise DataError(f"{name}: with {count} in all, there are too few rows for at least one in each part")
    return test, validation


def _parts(split: FixedSplit, own: np.ndarray | None) -> int:
    """Into how many parts the rows are split."""
    return 1 + (own is None) + (split.validation > 0)


def _cut(order: np.ndarray, sizes: tuple[int, int], own: np.ndarray | None) -> Parts:
    """Parts of rows in order: first the test, then validation, then train."""
    import numpy as np

    test, validation = sizes
    return Parts(
        train=np.sort(order[test + validation :]),
        validation=np.sort(order[test : test + validation]),
        test=np.sort(order[:test]) if own is None else own,
    )


def _cut_groups(
    name: str,
    what: str,
    rows: np.ndarray,
    codes: np.ndarray,
    order: np.ndarray,
    split: GroupSplit | TimeSplit,
    own: np.ndarray | None,
) -> Parts:
    """Parts of whole groups taken in order, first for the test, then for validation, then for training.

    Args:
        codes: the group of each row, counted from 0.
        order: the groups in the order in which they are dealt out.
    """
    import numpy as np

    needed = _parts(split, own)
    if len(order) < needed:
        raise DataError(
            f"{name}: {needed} {what} are needed, one for each part, but there {_are(len(order))}",
            hint="split: {kind: random}",
        )
    test, validation = _sizes(split, name, len(rows), own)
    reached = np.cumsum(np.bincount(codes)[order])  # rows in the first, first two, … groups
    last = len(order) - 1  # one group at least is left for training
    tests = 0 if own is not None else _nearest(reached, test, 1, last - (split.validation > 0))
    before = int(reached[tests - 1]) if tests else 0
    validations = _nearest(reached, before + validation, tests + 1, last) if split.validation else tests
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return Parts(
        train=rows[place[codes] >= validations],
        validation=rows[(place[codes] >= tests) & (place[codes] < validations)],
        test=rows[place[codes] < tests] if own is None else own,
    )


def _nearest(reached: np.ndarray, wanted: int, least: int, most: int) -> int:
    """How many groups, from `least` to `most`, come nearest to the wanted number of rows."""
    import numpy as np

    return least + int(np.argmin(np.abs(reached[least - 1 : most] - wanted)))


def _complete(table: Table, name: str) -> np.ndarray:
    """A column that must be there and have no missing value."""
    import numpy as np

    values = table.columns[name]
    missing = np.flatnonzero(is_missing(values))
    if len(missing):
        raise DataError(f"{table.name}: {name}, by which rows are split, is missing in {row_list(missing)}")
    return values


def _are(count: int) -> str:
    return "is 1" if count == 1 else f"are {count}"
