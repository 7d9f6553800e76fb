"""The types of the columns of a CSV file, by all of its rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars

FIRST = 1000
"""Rows that are looked at first: of which type a column is not that has a value of no such type there."""

INTEGER = r"^-?[0-9]+$"
NUMBER = rf"^[-+]?([0-9]*\.[0-9]+([eE][-+]?[0-9]+)?|inf|NaN|[0-9]+[eE][-+]?[0-9]+|[0-9]+\.)$|{INTEGER}"
LONG = ("[0-9]+$", "[0-9]{1,18}$")
"""How many digits a whole number has, and how many of 64 bits always have."""
BOOLEAN = r"^(?i:true|false)$"
"""What polars takes for whole numbers, numbers and truth values where it looks at each value."""

Question = tuple[str, str]
"""A column, and a type of which all its values may be."""


def found_types(
    data: bytes, given: Collection[str], options: Mapping[str, Any]
) -> dict[str, type[polars.DataType]] | None:
    """What `polars.read_csv` finds with `infer_schema_length=None`, in a fourth of its time: it matches each value with
    all patterns, in one thread; here they are matched column by column, with the patterns that fit the first rows.

    Args:
        given: the columns that are not asked for.
        options: how the file is written, as polars calls it.

    Returns:
        The types of the other columns; None where there are so few rows that polars is as fast, or very long whole
        numbers among others, of which it depends on their size what polars takes the column for.

    Raises:
        PolarsError: the content cannot be read so.
    """
    import polars

    head = polars.read_csv(data, n_rows=FIRST, infer_schema=False, **options)
    names = [name for name in head.columns if name not in given]
    if head.height < FIRST:
        return None
    kinds = {"boolean": polars.Boolean, "integer": polars.Int64, "number": polars.Float64}
    number = NUMBER.replace(r"\.", ",") if options["decimal_comma"] else NUMBER
    patterns = {"boolean": BOOLEAN, "integer": INTEGER, "number": number}
    whole = polars.scan_csv(data, schema=head.schema, **options)
    open_ones = _fitting(head.lazy(), [(name, kind) for name in names for kind in kinds], patterns, empty=True)
    fitting = _fitting(whole, open_ones, patterns | {"number": number.replace(*LONG)}, empty=False)
    found = dict.fromkeys(names, polars.String) | {name: kinds[kind] for name, kind in reversed(fitting)}
    doubtful = [(name, kind) for name, kind in open_ones if kind == "number" and found[name] == polars.String]
    return None if _fitting(whole, doubtful, patterns, empty=False) else found


def _fitting(
    texts: polars.LazyFrame, questions: Sequence[Question], patterns: Mapping[str, str], *, empty: bool
) -> list[Question]:
    """The questions that are answered with yes: all values of the column are of the type.

    Args:
        empty: what is answered of a column without values.
    """
    import polars

    if not questions:
        return []
    matches = [polars.col(name).str.contains(patterns[kind]) for name, kind in questions]
    asked = [(each.all() & (each.any() | empty)).alias(str(number)) for number, each in enumerate(matches)]
    answers = texts.select(asked).collect(engine="streaming").row(0)
    return [question for question, answer in zip(questions, answers, strict=True) if answer]
