"""The values of a column, seen as text or as numbers, and what is wrong with them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

BLOCK = 1 << 16
"""Values that are made objects of Python at once."""

SHOWN = 5
"""How many rows a message names as examples."""

STAND_INS = frozenset({"na", "n/a", "n.a.", "nan", "-", "?", "null", "none"})
"""What is often written for a missing value, in small letters."""

DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")

LARGEST = 3.4e38
"""What float32, in which networks compute, can hold."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with some values of a column.

    Args:
        what: the fault, as in "not a number".
        positions: of the values that have it, along the first axis, (faults,); None where the whole column has it.
        example: one such value, as text.
        mend: how to mend it, in a few words.
    """

    what: str
    positions: np.ndarray | None = None
    example: str | None = None
    mend: str | None = None


def row_list(rows: np.ndarray) -> str:
    """`row 3`, or `12 rows (3, 7, 9, 10, 11, …)`. Rows count from 1, the header of a file not counted."""
    if len(rows) == 1:
        return f"row {rows[0] + 1}"
    shown = ", ".join(str(row + 1) for row in rows[:SHOWN])
    return f"{len(rows)} rows ({shown}{', …' if len(rows) > SHOWN else ''})"


def complaint(name: str, fault: Fault, rows: np.ndarray) -> str:
    """One fault of a column as a clause: `age is not a number in row 3 ('x')`."""
    place = "" if fault.positions is None else f" in {row_list(rows[fault.positions])}"
    example = f", such as {fault.example}" if fault.example else ""
    mend = f" ({fault.mend})" if fault.mend else ""
    return f"{name} is {fault.what}{place}{example}{mend}"


def text_of(value: Any) -> str | None:
    """One value as the text that stands for it in classes and categories: `3` for 3 and 3.0, `true` for True."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case float():
            if value != value:
                return None
            return str(int(value)) if value.is_integer() else repr(value)
        case _:
            return str(value)


def objects(values: np.ndarray) -> Iterator[Any]:
    """The values as Python has them, of which never all are made."""
    return chain.from_iterable(values[start : start + BLOCK].tolist() for start in range(0, len(values), BLOCK))


def as_text(values: np.ndarray) -> list[str | None]:
    """The values as text, None where missing."""
    return [text_of(value) for value in objects(values)]


def as_numbers(values: np.ndarray) -> tuple[np.ndarray, list[Fault]]:
    """The values as float64 of the same shape, NaN where missing, and those that are none.

    Text that reads as a number counts as that number: a file with one stray word in a column of numbers makes text of
    the whole column, and the message should name that word.
    """
    import numpy as np

    if values.dtype.kind == "M":
        return np.full(values.shape, np.nan), [Fault("a time, where a number is needed")]
    if values.dtype != object:
        numbers = values.astype(np.float64)
    else:
        numbers = np.array([_number(value) for value in values.tolist()], np.float64).reshape(values.shape)
        given = np.array([value is not None for value in values.tolist()], bool)
        bad = np.flatnonzero(given & np.isnan(numbers))
        if len(bad):
            return numbers, [Fault("not a number", bad, repr(values[bad[0]]), _mend(values[bad].tolist()))]
    infinite = np.abs(numbers) > LARGEST
    if infinite.any():
        return numbers, [Fault("infinite, or too large for 32 bits", np.unique(np.nonzero(infinite)[0]))]
    return numbers, []


def _mend(texts: Sequence[object]) -> str | None:
    """What in the source would make numbers, or missing ones, of texts that are none."""
    if missing := sorted({str(text) for text in texts if str(text).casefold() in STAND_INS}):
        return f"source: {{missing: [{', '.join(json.dumps(text) for text in missing)}]}} if it stands for no value"
    if has_decimal_commas(texts):
        return "source: {decimal_comma: true} if that is a decimal comma"
    return None


def has_decimal_commas(texts: Sequence[object]) -> bool:
    """Whether most of the texts are numbers with a comma, such as 165,3."""
    return 2 * sum(DECIMAL_COMMA.fullmatch(str(text)) is not None for text in texts) > len(texts)


def _number(value: Any) -> float:
    try:
        return float("nan") if value is None or "_" in str(value) else float(value)
    except ValueError:
        return float("nan")


def is_missing(values: np.ndarray) -> np.ndarray:
    """True where a value is missing, (rows,)."""
    import numpy as np

    match values.dtype.kind:
        case "O":
            return np.fromiter((value is None for value in objects(values)), bool, len(values))
        case "f":
            return np.asarray(np.isnan(values).any(axis=tuple(range(1, values.ndim))), bool)
        case "M":
            return np.asarray(np.isnat(values), bool)
        case _:
            return np.zeros(len(values), bool)


def missing_fault(values: np.ndarray) -> list[Fault]:
    """That values are missing, where they are."""
    import numpy as np

    positions = np.flatnonzero(is_missing(values))
    return [Fault("missing", positions)] if len(positions) else []


def one_number_faults(values: np.ndarray) -> list[Fault]:
    """What keeps values from being one number a row, none missing."""
    if values.ndim != 1:
        return [Fault("not one number a row")]
    numbers, faults = as_numbers(values)
    return faults or missing_fault(numbers)
