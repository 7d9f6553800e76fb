"""history.csv: one row an epoch, floats to the bit."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, float | int | None]
"""One epoch: a value by its column; None where there is none."""


def history_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """CSV of the rows, which all have the columns of the first.

    Raises:
        ValueError: if a row has other columns.
    """
    text = io.StringIO(newline="")
    if rows:
        columns = list(rows[0])
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            if row.keys() != rows[0].keys():
                raise ValueError(f"the columns of history.csv are {', '.join(columns)}; a row has {', '.join(row)}")
            writer.writerow({column: _cell(value) for column, value in row.items()})
    return text.getvalue()


def parse_history(text: str) -> list[Row]:
    """The rows in a CSV: whole numbers as int, others as float with the bits that were written.

    Raises:
        ValueError: says which line is wrong, and how.
    """
    try:
        header, *lines = list(csv.reader(io.StringIO(text, newline=""))) or [[]]
    except csv.Error as error:
        raise ValueError(str(error)) from error
    rows: list[Row] = []
    for number, cells in enumerate(lines, start=2):
        if len(cells) != len(header):
            raise ValueError(f"line {number} has {len(cells)} values, and there are {len(header)} columns")
        try:
            rows.append({column: _number(cell) for column, cell in zip(header, cells, strict=True)})
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
    return rows


def _cell(value: Any) -> str:
    value = value.item() if hasattr(value, "item") else value
    return "" if value is None else repr(value)


def _number(cell: str) -> float | int | None:
    if not cell:
        return None
    return int(cell) if cell.removeprefix("-").isdecimal() else float(cell)
