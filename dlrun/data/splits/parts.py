"""What all splits share: the parts that they make, what they may know of the columns, and fractions of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field

from dlrun.data.columns import Table
from dlrun.data.features.values import is_missing, row_list
from dlrun.errors import DataError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np

DEFAULT_TEST = 0.2

DUPLICATES = "duplicates"
"""What stands in `keep_together` for rows whose features are the same."""

Fraction = Annotated[float, Field(gt=0, lt=1)]
FractionOrNone = Annotated[float, Field(ge=0, lt=1)]


def _one_or_several(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


Names = Annotated[
    tuple[str, ...], Field(min_length=1), BeforeValidator(_one_or_several, json_schema_input_type=str | tuple[str, ...])
]
"""One name, or several in a list."""

Bins = Annotated[int, Field(ge=2, le=100)]


@dataclass(frozen=True)
class Parts:
    """The row numbers of each part, counted from 0, sorted, int64 or int32."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def items(self) -> tuple[tuple[str, np.ndarray], ...]:
        return ("train", self.train), ("validation", self.validation), ("test", self.test)

    def narrow(self) -> Parts:
        """The same in int32 where they fit: they are in memory as long as the run lasts."""
        import numpy as np

        if max((int(rows[-1]) for _, rows in self.items() if len(rows)), default=0) > np.iinfo(np.int32).max:
            return self
        return Parts(*(rows.astype(np.int32) for _, rows in self.items()))


@dataclass(frozen=True)
class Roles:
    """What a split may ask of the columns.

    Args:
        target: the column that is predicted; None where there is none.
        numeric: whether it is a number.
        time: the column with the time of each row.
        features: the columns that enter the network.
        horizon: of a series, how many times it predicts at the most; 0 where there is no series.
    """

    target: str | None = None
    numeric: bool = False
    time: str | None = None
    features: tuple[str, ...] = ()
    horizon: int = 0


class DealtSplit(Spec):
    """Fractions of rows that are drawn, with what they are stratified by and what of them stays together."""

    kind: str
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

    @property
    def together(self) -> tuple[str, ...]:
        """What it never parts: columns, and `duplicates`."""
        return self.keep_together or ()

    def check(self, own_test: bool | None) -> Iterator[Problem]:
        """What is wrong with the fields."""
        yield from check_fractions(self.validation, self.test, own_test)


def kept_columns(names: tuple[str, ...] | None) -> tuple[tuple[str, str], ...]:
    """The columns among what is kept together, as `columns` gives them."""
    return tuple((name, "keep_together") for name in names or () if name != DUPLICATES)


def check_fractions(validation: float, test: float | None, own_test: bool | None) -> Iterator[Problem]:
    """Fractions that leave nothing to train on, and a test fraction where the source has its own test part.

    Args:
        own_test: whether the source has a test part; None where that is not known yet.
    """
    if own_test and test is not None:
        yield from check_own_test(own_test, "test", str(test))
        return
    least = 0.0 if own_test is not False and test is None else test or DEFAULT_TEST
    if validation + least >= 1:
        default = " (0.2 where it is left out)" if test is None else ""
        yield Problem(
            ("validation",),
            "the fractions leave no rows to train on",
            expected="validation and test that sum to less than 1",
            received=f"validation {validation} and test {least}{default}",
            hint="validation: 0.1, test: 0.2",
        )


def own_validation(field: str, received: str) -> Problem:
    """That a split makes a validation part where the source has one.

    Args:
        field: that makes it.
        received: its value.
    """
    return Problem(
        (field,), "the source has a validation part of its own", received=received,
        hint=f"leave {'split' if field == 'kind' else field} out: the source's validation part is used",
    )  # fmt: skip


def check_own_test(own_test: bool | None, field: str, received: str) -> Iterator[Problem]:
    """That a split makes no second test part where the source has one.

    Args:
        field: that makes it.
        received: its value.
    """
    if own_test:
        yield Problem(
            (field,),
            "the source has a test part of its own",
            received=received,
            hint="leave test out: the source's test part is used"
            if field == "test"
            else "split: {validation: 0.1}: the source's test part is used",
        )


def split_rows(table: Table) -> tuple[np.ndarray, np.ndarray | None]:
    """The rows that are to be split, and those of the source's own test part."""
    import numpy as np

    if table.test_rows is None:
        return np.arange(len(table), dtype=np.int64), None
    return np.flatnonzero(~table.test_rows).astype(np.int64), np.flatnonzero(table.test_rows).astype(np.int64)


def part_sizes(validation: float, test: float | None, name: str, count: int, own: np.ndarray | None) -> tuple[int, int]:
    """How many rows the test and the validation part get.

    Raises:
        DataError: that leaves none for training.
    """
    tests = 0 if own is not None else max(1, round((test or DEFAULT_TEST) * count))
    validations = max(1, round(validation * count)) if validation else 0
    if tests + validations >= count:
        raise DataError(f"{name}: with {count} in all, there are too few rows for at least one in each part")
    return tests, validations


def nearest(reached: np.ndarray | None, wanted: int, least: int, most: int) -> int:
    """How many groups, from `least` to `most`, come nearest to the wanted number of rows.

    Args:
        reached: rows in the first, first two, … groups; None where each group is one row.
    """
    import numpy as np

    if reached is None:
        return min(max(wanted, least), most)
    return least + int(np.argmin(np.abs(reached[least - 1 : most] - wanted)))


def complete(table: Table, name: str) -> np.ndarray:
    """A column that must be there and have no missing value.

    Raises:
        DataError: with the rows where it is missing.
    """
    import numpy as np

    values = table.columns[name]
    missing = np.flatnonzero(is_missing(values))
    if len(missing):
        raise DataError(f"{table.name}: {name}, by which rows are split, is missing in {row_list(missing)}")
    return values


def are(count: int) -> str:
    return "is 1" if count == 1 else f"are {count}"
