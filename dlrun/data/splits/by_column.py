"""A column says which part each row is of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from dlrun.data.columns import Table
from dlrun.data.features.values import as_text, row_list
from dlrun.data.splits.parts import Parts, Roles, check_own_test, complete
from dlrun.errors import DataError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np

PartName = Literal["train", "validation", "test"]
PARTS: tuple[PartName, ...] = ("train", "validation", "test")


class ColumnSplit(Spec):
    """A column says which part each row is of."""

    kind: Literal["column"]
    """A column says which part each row is of: train, validation or test."""
    by: str
    """The column."""
    values: Annotated[dict[str, PartName], Field(min_length=1)] | None = None
    """What other names of the column stand for, such as {dev: validation, holdout: test}. Every row must have a name
    that is known."""

    @property
    def has_validation(self) -> bool:
        return True  # as far as can be told without the data

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """The columns that it names, each with the field that names it."""
        return ((self.by, "by"),)

    def check(self, own_test: bool | None) -> Iterator[Problem]:
        """What is wrong with the fields."""
        yield from check_own_test(own_test, "kind", self.kind)

    def parts(self, table: Table, *, seed: int, roles: Roles) -> Parts:
        """Splits the rows of a table.

        Raises:
            DataError: a row has no name or one that is not known; or none is for training.
        """
        import numpy as np

        names = np.array(as_text(complete(table, self.by)), dtype=str)
        known: dict[str, str] = {**{name: name for name in PARTS}, **(self.values or {})}
        strange = np.flatnonzero(~np.isin(names, list(known)))
        if len(strange):
            found = ", ".join(np.unique(names[strange])[:5])
            raise DataError(
                f"{table.name}: {self.by} says {found} in {row_list(strange)}, which is none of {', '.join(known)}",
                hint=f"split: {{kind: column, by: {self.by}, values: {{{names[strange[0]]}: validation}}}}",
            )
        rows = {part: _rows(names, [name for name in known if known[name] == part]) for part in PARTS}
        if not len(rows["train"]):
            raise DataError(
                f"{table.name}: {self.by} says of no row that it is for training",
                hint="values: {<name in the column>: train}",
            )
        return Parts(**rows)


def _rows(names: np.ndarray, wanted: list[str]) -> np.ndarray:
    import numpy as np

    return np.flatnonzero(np.isin(names, wanted)).astype(np.int64)
