"""Rows of new data that cannot be predicted: which, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dlrun.data.columns import Batch
from dlrun.data.features import FittedImage
from dlrun.data.preparation import Preparation
from dlrun.errors import DataError

if TYPE_CHECKING:
    import numpy as np

MOST_RANGES = 500
"""Row numbers, or ranges of them, that a message lists for one reason."""


@dataclass
class BadRows:
    """All rows that cannot be predicted, by file and reason; what is told of them names each by its number, from 1.
    `hints` say what mends them, where that is more than to correct the row."""

    found: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)
    hints: dict[str, None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len({(file, row) for (file, _), rows in self.found.items() for row in rows or [-1]})

    def add(self, file: str, row: int | None, why: str, example: str | None = None) -> None:
        """One row of a file, counted from 0; None: the file is the row."""
        rows = self.found.setdefault((file, why), [])
        if row is not None:
            rows.append(row)
        if example is not None:
            self.examples.setdefault((file, why), example)

    def reasons(self) -> Iterator[str]:
        """`new.csv: rows 2, 7-9: age is not a number, such as 'x'`, file by file."""
        for (file, why), rows in self.found.items():
            example = self.examples.get((file, why))
            place = f"{file}: {numbered(rows)}:" if rows else file
            yield f"{place} {why}" + (f", such as {example}" if example else "")


def numbered(rows: Sequence[int]) -> str:
    """`row 3`, or `rows 2, 7-9`: all of them, counted from 1, where the given ones count from 0."""
    ranges: list[list[int]] = []
    for row in sorted(set(rows)):
        if ranges and ranges[-1][1] == row:
            ranges[-1][1] = row + 1
        else:
            ranges.append([row + 1, row + 1])
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in ranges[:MOST_RANGES]]
    more = f" and {len(ranges) - MOST_RANGES:,} more" if len(ranges) > MOST_RANGES else ""
    return f"{'row' if len(rows) == 1 else 'rows'} {', '.join(shown)}{more}"


def sort_out(preparation: Preparation, batch: Batch, file: str, bad: BadRows) -> np.ndarray:
    """The positions of the rows of a batch that can be predicted, (rows,) int64; the others are added to `bad`.

    Raises:
        DataError: columns are missing, or no value of a column is of the needed form.
    """
    import numpy as np

    table = batch.table
    for row, why in batch.unreadable.items():
        if batch.names:
            bad.add(batch.names[row], None, why)
        else:
            bad.add(file, row, why)
    if missing := preparation.missing(table):
        raise DataError(f"{file}: " + "; ".join(missing), hint=wanted(preparation))
    good = np.arange(len(table), dtype=np.int64)
    while faults := preparation.faults(
        table, good
    ):  # a column tells one fault at a time: the other rows are asked again
        if fatal := [f"{name} is {fault.what}" for name, fault in faults if fault.positions is None]:
            raise DataError(f"{file}: " + "; ".join(fatal))
        faulty = np.zeros(len(good), bool)
        for name, fault in faults:
            for row in batch.rows[good[fault.positions]].tolist():
                bad.add(file, row, f"{name} is {fault.what}", fault.example)
            faulty[fault.positions] = True
        good = good[~faulty]
    return _timed(preparation, batch, good, file, bad)


def wanted(preparation: Preparation) -> str | None:
    """What a model takes that was trained on image files; None for others."""
    if not any(isinstance(each, FittedImage) and each.form for each in preparation.features.values()):
        return None
    return "the model takes image files, a folder of them, or a table (.csv, .parquet, .jsonl) that names them"


def with_ends(preparation: Preparation, batch: Batch, good: np.ndarray, file: str, bad: BadRows) -> np.ndarray:
    """The positions of the rows of the series that can be forecast from their end; the others are added to `bad`, a
    series each. A table of one series is left as it is.

    Raises:
        DataError: the times of a series do not rise.
    """
    import numpy as np

    series = preparation.series_input
    if series is None or series.by is None or not len(good):
        return good
    left_out = [np.zeros(0, np.int64)]
    for rows, fault in series.without_end(batch.table, good):
        bad.add(f"{file}:", None, fault.told)
        bad.hints[fault.hint] = None
        left_out.append(rows)
    return np.setdiff1d(good, np.concatenate(left_out))


def _timed(preparation: Preparation, batch: Batch, good: np.ndarray, file: str, bad: BadRows) -> np.ndarray:
    """Without the rows that have no time, where times are needed."""
    import numpy as np

    time = preparation.time
    if preparation.series is None or time is None or batch.table.columns[time].dtype.kind != "M":
        return good
    without = np.isnat(batch.table.columns[time][good])
    for row in batch.rows[good[without]].tolist():
        bad.add(file, row, f"{time} is missing")
    return np.asarray(good[~without])
