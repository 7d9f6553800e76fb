"""Rows in groups that stay whole, with what they are stratified by, put in an order and dealt out to parts or folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from dlrun.data.columns import Table
from dlrun.data.features.values import as_numbers, complaint, objects, text_of
from dlrun.data.splits.parts import Parts, Roles, are, nearest, part_sizes
from dlrun.data.splits.together import together
from dlrun.errors import DataError

if TYPE_CHECKING:
    import numpy as np

MOST_BINS = 10
"""Into how many a number is binned to stratify by it, where the spec does not say."""

ROWS_A_BIN = 5
"""How many rows of a bin each part should have then, on average."""


@dataclass(frozen=True)
class Deal:
    """The rows that are dealt out.

    Args:
        name: of the table.
        what: the groups in words, as in "3 values of year are needed".
        rows: which of the table, (n,) int64.
        groups: the group of each, counted from 0, (n,); None where each row stands alone.
        classes: what each is stratified by, counted from 0, (n,); None where it is not.
    """

    name: str
    what: str
    rows: np.ndarray
    groups: np.ndarray | None
    classes: np.ndarray | None

    @cached_property
    def codes(self) -> np.ndarray:
        """The group of each row, (n,)."""
        import numpy as np

        return np.arange(len(self.rows)) if self.groups is None else self.groups

    @cached_property
    def weights(self) -> np.ndarray:
        """How many rows each group has, (groups,)."""
        import numpy as np

        if self.groups is None:
            return np.broadcast_to(np.int64(1), len(self.rows))
        return np.bincount(self.groups)

    @property
    def unit(self) -> str:
        """What is dealt out, in words."""
        return "rows" if self.groups is None else self.what

    @property
    def count(self) -> int:
        """How many groups there are."""
        return len(self.rows) if self.groups is None else len(self.weights)

    @cached_property
    def group_classes(self) -> np.ndarray:
        """The class of each group, the most frequent one of its rows, (groups,)."""
        import numpy as np

        if self.classes is None:
            return np.zeros(len(self.weights), np.int64)
        if self.groups is None:
            return self.classes
        count = int(self.classes.max()) + 1
        pairs, rows = np.unique(self.groups * count + self.classes, return_counts=True)
        pairs = pairs[np.lexsort((-rows, pairs // count))]
        first = np.unique(pairs // count, return_index=True)[1]
        return np.asarray(pairs[first] % count)

    def order(self, random: np.random.Generator) -> np.ndarray:
        """The groups in random order; stratified such that any stretch has each class in proportion.

        Each class is spread evenly over 0 … 1 in random order, each from a start of its own: whatever stretch is cut
        out of that line has each class in proportion, to a row where every row stands alone.
        """
        import numpy as np

        shuffled = random.permutation(self.count)
        if self.classes is None:
            return shuffled
        classes = self.group_classes
        shuffled = shuffled[np.argsort(classes[shuffled], kind="stable")]  # by class, in random order within it
        place = np.empty(len(shuffled))
        counts = np.bincount(classes)
        last = 0
        for start, count in zip(random.random(len(counts)).tolist(), counts.tolist(), strict=True):
            of_class = slice(last, last := last + count)
            weights = self.weights[shuffled[of_class]]
            place[of_class] = (np.cumsum(weights) - weights + start) / max(1, weights.sum())
        return np.asarray(shuffled[np.argsort(place, kind="stable")])

    def part(
        self,
        order: np.ndarray,
        validation: float,
        test: float | None,
        own: np.ndarray | None,
        gap: int = 0,
    ) -> Parts:
        """Parts of whole groups taken in order, first for the test, then for validation, then for training.

        Args:
            order: the groups.
            validation, test: the fractions.
            own: the source's own test part.
            gap: how many groups are left out where a later part ends and an earlier one begins.

        Raises:
            DataError: there are too few rows or groups.
        """
        import numpy as np

        needed = 1 + (own is None) + (validation > 0)
        if self.groups is not None and len(order) < needed:
            raise DataError(
                f"{self.name}: {needed} {self.what} are needed, one for each part, but there {are(len(order))}",
                hint="split: {kind: random}",
            )
        tests, validations = part_sizes(validation, test, self.name, len(self.rows), own)
        reached = None if self.groups is None else np.cumsum(self.weights[order])
        last = len(order) - 1  # one group at least is left for training
        first = 0 if own is not None else nearest(reached, tests, 1, last - (validation > 0))
        before = first if reached is None else int(reached[first - 1]) if first else 0
        second = nearest(reached, before + validations, first + 1, last) if validation else first
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        at = place if self.groups is None else place[self.groups]
        after_test = first + (gap if first else 0)
        after_validation = second + (gap if second else 0)
        return Parts(
            train=self.rows[at >= after_validation],
            validation=self.rows[(at >= after_test) & (at < second)],
            test=self.rows[at < first] if own is None else own,
        )

    def without(self, rows: np.ndarray) -> Deal:
        """What is left when some rows, whole groups, are taken away."""
        import numpy as np

        kept = ~np.isin(self.rows, rows)
        groups = None if self.groups is None else np.unique(self.groups[kept], return_inverse=True)[1]
        return Deal(self.name, self.what, self.rows[kept], groups, None if self.classes is None else self.classes[kept])

    def folds(self, count: int, random: np.random.Generator) -> np.ndarray:
        """Into which of so many folds each row falls, (n,): whole groups, each class spread evenly, and the folds as
        large as one another.

        One class after the other, the largest groups first, each group goes to the fold with the fewest rows of its
        class so far, and of those to the one with the fewest rows. Where every row stands alone no two folds differ
        by more than one row, in all and of any class.

        Raises:
            DataError: there are fewer groups than folds.
        """
        import numpy as np

        if len(self.weights) < count:
            raise DataError(
                f"{self.name}: {count} {self.unit} are needed, one for each fold, but there {are(len(self.weights))}",
                hint=f"folds: {max(2, len(self.weights))}" if len(self.weights) > 1 else None,
            )
        shuffled = random.permutation(len(self.weights))
        order = shuffled[np.lexsort((-self.weights[shuffled], self.group_classes[shuffled]))]
        fold = np.empty(len(order), np.int64)
        if self.groups is None:
            fold[order] = np.arange(len(order)) % count
            return fold
        rows, of_class, last = [0] * count, [0] * count, -1
        for group, cls, weight in zip(
            order.tolist(), self.group_classes[order].tolist(), self.weights[order].tolist(), strict=True
        ):
            if cls != last:
                of_class, last = [0] * count, cls
            chosen = min(range(count), key=lambda each: (of_class[each], rows[each]))
            fold[group] = chosen
            rows[chosen] += weight
            of_class[chosen] += weight
        return np.asarray(fold[self.groups])


def deal(
    table: Table,
    rows: np.ndarray,
    roles: Roles,
    names: Sequence[str],
    *,
    stratify: bool,
    bins: int | None,
    needed: int,
    what: str | None = None,
) -> Deal:
    """Rows that are to be dealt out.

    Args:
        rows: which of the table.
        names: what keeps rows together, as `together` takes it.
        stratify: whether parts are to have each class of the target, or each bin of it, in proportion.
        bins: how many; None: as many as make sense.
        needed: how many groups of rows each class must have.
        what: the groups in words.

    Raises:
        DataError: rows have no group, or a class has too few.
    """
    groups = together(table, rows, names, roles.features)
    plain = Deal(table.name, what or "groups of rows that stay together", rows, groups, None)
    if not stratify:
        return plain
    if roles.target is None:
        raise DataError("stratify needs a target with classes, but there is no target")
    if roles.numeric:
        return _binned(plain, table, roles.target, bins, needed)
    return _by_class(plain, table, roles.target, needed)


def _by_class(plain: Deal, table: Table, target: str, needed: int) -> Deal:
    """Rows that are stratified by a class."""
    import numpy as np

    values, codes = table.columns[target][plain.rows], dict[str, int]()
    # One by one: the texts of all rows at once would take more memory than all else of a split.
    coded = (codes.setdefault(str(text_of(value)), len(codes)) for value in objects(values))
    of_row = np.fromiter(coded, np.int32, len(values))
    names, classes = np.unique(list(codes), return_inverse=True)
    found = replace(plain, classes=classes.astype(np.min_scalar_type(len(names)))[of_row])
    counts = _counts(found, len(names))
    if counts.min() < needed:
        few = ", ".join(f"{name} ({count})" for name, count in zip(names, counts, strict=True) if count < needed)
        raise DataError(
            f"{plain.name}: to stratify, each class of {target} needs {needed} {plain.unit}, "
            f"but these have fewer: {few}",
            hint="stratify: false, or join rare classes with others",
        )
    return found


def _binned(plain: Deal, table: Table, target: str, bins: int | None, needed: int) -> Deal:
    """Rows that are stratified by the quantiles of a number."""
    numbers, faults = as_numbers(table.columns[target][plain.rows])
    for fault in faults:
        raise DataError(f"{table.name}: to stratify, " + complaint(f"the target {target}", fault, plain.rows))
    most = bins or max(2, min(MOST_BINS, len(plain.weights) // (ROWS_A_BIN * needed)))
    for count in range(most, most - 1 if bins else 1, -1):
        classes, limits = quantile_bins(numbers, count)
        found = replace(plain, classes=classes)
        counts = _counts(found, len(limits))
        if counts.min() >= needed:
            return found
    few = ", ".join(
        f"{low:g} to {high:g} ({count})" for (low, high), count in zip(limits, counts, strict=True) if count < needed
    )
    raise DataError(
        f"{table.name}: to stratify by {target} in {most} bins, each bin needs {needed} {plain.unit}, "
        f"but these have fewer: {few}",
        hint="fewer bins, or stratify: false" if most > 2 else "stratify: false",
    )


def quantile_bins(numbers: np.ndarray, bins: int) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """The bin of each number, (rows,) int64, and the least and the greatest number of each bin.

    The limits are the quantiles, so that bins have the same number of rows as near as equal numbers allow, which stay
    in one bin: that of the middle one of them. Bins that would be empty do not exist.
    """
    import numpy as np

    _, place, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - counts / 2) / len(numbers)  # 0 … 1
    codes = np.unique(np.floor(middle * bins)[place], return_inverse=True)[1]
    ranges = [(float(numbers[codes == code].min()), float(numbers[codes == code].max())) for code in np.unique(codes)]
    return np.asarray(codes, np.int64), ranges


def _counts(deal: Deal, classes: int) -> np.ndarray:
    """How many groups there are of each class."""
    import numpy as np

    return np.bincount(deal.group_classes, minlength=classes)
