"""Which rows of a table are kept: plain conditions on its columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from dlrun.data.features.values import text_of
from dlrun.errors import MisfitError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import polars

Value = bool | int | float | str
Values = Annotated[tuple[Value, ...], Field(min_length=1)]
Bound = int | float | str

TESTS = ("equals", "any_of", "none_of", "min", "max")
"""The fields of a condition that ask something."""


class Condition(Spec):
    """Keeps the rows whose value in a column meets all that is asked; a row where it is missing is left out."""

    column: str
    """The column; it need not be one of those that `select` names."""
    equals: Value | None = None
    """The value."""
    any_of: Values | None = None
    """One of these values."""
    none_of: Values | None = None
    """None of these values."""
    min: Bound | None = None
    """At least this number, or this time, such as 2010-01-31."""
    max: Bound | None = None
    """At most this number, or this time."""

    def check(self) -> Iterator[Problem]:
        """What is wrong with it whatever the table is."""
        if all(getattr(self, test) is None for test in TESTS):
            yield Problem(
                ("column",),
                f"nothing is asked of {self.column}",
                expected=f"one of {', '.join(TESTS)} beside it",
                at="key",
            )

    def mask(self, frame: polars.DataFrame) -> polars.Series:
        """Which rows of a table meet it, (rows,).

        Raises:
            MisfitError: the column does not hold what the values are.
        """
        import polars

        column = frame[self.column]
        found = column.is_not_null()
        compare: Mapping[str, Any] = {
            "equals": lambda value: column == value,
            "any_of": lambda values: column.is_in(values),
            "none_of": lambda values: ~column.is_in(values),
            "min": lambda value: column >= value,
            "max": lambda value: column <= value,
        }
        for test in TESTS:
            asked = getattr(self, test)
            if asked is None:
                continue
            if isinstance(asked, tuple):
                values = [self._value(column, test, (index,), value) for index, value in enumerate(asked)]
                found &= compare[test](polars.Series(values, dtype=column.dtype))
            else:
                found &= compare[test](self._value(column, test, (), asked))
        return found.fill_null(value=False)

    def _value(self, column: polars.Series, test: str, path: tuple[int, ...], value: Value) -> Any:
        """A value as the column has it."""
        import polars

        ordered = test in ("min", "max")
        match column.dtype:
            case polars.String() if not ordered:
                return text_of(value)
            case polars.Boolean() if isinstance(value, bool):
                return value
            case dtype if dtype.is_temporal() and isinstance(value, str):
                try:
                    return polars.Series([value]).str.to_datetime(time_unit="us").cast(dtype)[0]
                except polars.exceptions.PolarsError:
                    pass
            case dtype if dtype.is_numeric() and isinstance(value, int | float) and not isinstance(value, bool):
                return value
        raise MisfitError(
            Problem(
                (test, *path),
                f"the column {self.column} holds {_kind(column.dtype)}",
                expected=_fitting(column.dtype, ordered=ordered),
                received=text_of(value),
            )
        )


def _kind(dtype: polars.DataType) -> str:
    import polars

    if dtype == polars.Boolean:
        return "truth values"
    return "texts" if dtype == polars.String else "times" if dtype.is_temporal() else "numbers"


def _fitting(dtype: polars.DataType, *, ordered: bool) -> str:
    import polars

    if dtype in (polars.String, polars.Boolean) and ordered:
        return "equals, any_of or none_of"
    if dtype == polars.Boolean:
        return "true or false"
    return "a time, such as 2010-01-31 13:00" if dtype.is_temporal() else "a number"
