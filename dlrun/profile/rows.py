"""Rows that are there twice: within a part, in several parts, or with another target."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from dlrun.data.columns import Table
from dlrun.data.features.values import SHOWN
from dlrun.data.splits import Parts
from dlrun.profile.finding import Finding, counted, examples
from dlrun.profile.frame import Frame, mixed, row_hashes

if TYPE_CHECKING:
    import numpy as np
    import polars

Call = Callable[[int], str]
"""What a row is called."""

BY_CHANCE = 20
"""Pairs of equal rows are worth a word where there are so many times more than independent columns would have."""

SAMPLE = 20_000
"""Rows from which it is estimated how often two rows agree in a column."""


def look_at_rows(
    table: Table, frame: Frame, parts: Parts, features: Sequence[str], targets: Mapping[str, bool]
) -> Iterator[Finding]:
    """Rows that are equal in all features.

    Rows of few columns with few values agree by chance; that is no finding.

    Args:
        frame: the columns of the table with one value a row.
        targets: what is predicted, and whether it is a class; empty where the input is given again.
    """
    import numpy as np

    inputs = hashes(table, frame, features)
    known = np.concatenate([parts.train, parts.validation, parts.test])
    if _pairs(inputs[known]) <= BY_CHANCE * _expected(table, frame, features):
        return
    examples_of = inputs
    for target in targets:
        examples_of = mixed(examples_of) ^ frame[target].hash(seed=1).to_numpy()
    yield from _within(examples_of, parts, table.call)
    yield from _across(inputs, parts, table.call)
    for target in (name for name, is_class in targets.items() if is_class):
        yield from _conflicts(inputs, frame[target], target, known, table.call)


def hashes(table: Table, frame: Frame, features: Sequence[str]) -> np.ndarray:
    """A hash of each row's features, uint64 (rows,): equal rows have equal ones, and two different rows of a million
    have the same one once in 37 million such tables."""
    import numpy as np

    flat = [name for name in features if name in frame.columns]
    found = np.zeros(len(table), np.uint64)
    if flat:
        found ^= row_hashes(frame, flat)
    for name in features:
        if name not in flat:
            found = mixed(found) ^ contents(table.columns[name])
    return found


def contents(values: np.ndarray) -> np.ndarray:
    """A hash of each row's bytes, uint64 (rows,)."""
    import numpy as np

    digests = (hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in values)
    return np.array([int.from_bytes(digest) for digest in digests], np.uint64)


def _pairs(found: np.ndarray) -> int:
    """How many pairs of equal values there are."""
    import numpy as np

    counts = np.unique(found, return_counts=True)[1]
    return int((counts * (counts - 1) // 2).sum())


def _expected(table: Table, frame: Frame, features: Sequence[str]) -> float:
    """How many pairs of equal rows there would be if the columns were independent of one another: the number of pairs
    times, for each column, the chance that two rows agree in it. Texts and arrays do not agree by chance."""
    import polars

    rows = len(table)
    step = max(1, rows // SAMPLE)
    chance = 1.0
    for name in features:
        if name not in frame.columns:
            return 0.0
        column = frame[name].gather_every(step)
        counts = column.value_counts()["count"]
        pairs = len(column) * (len(column) - 1) / 2
        if not pairs or (column.dtype == polars.String and 5 * len(counts) > len(column)):
            return 0.0
        chance *= max(float((counts * (counts - 1) / 2).sum()), 1.0) / pairs
    return chance * rows * (rows - 1) / 2


def _first_of(found: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """For each of some rows the first of them that is equal to it, (rows,)."""
    import numpy as np

    _, first, inverse = np.unique(found[rows], return_index=True, return_inverse=True)
    return np.asarray(rows[first[inverse]])


def _within(found: np.ndarray, parts: Parts, call: Call) -> Iterator[Finding]:
    counts: dict[str, int] = {}
    pairs: list[tuple[int, int]] = []
    for part, rows in parts.items():
        first = _first_of(found, rows)
        copies = first != rows
        counts[part] = int(copies.sum())
        pairs += [*zip(rows[copies].tolist(), first[copies].tolist(), strict=True)][:SHOWN]
    total = sum(counts.values())
    if total:
        verb = "is a copy" if total == 1 else "are copies"
        shown = _pairs_told(pairs, call)
        what = f"{counted(total, 'row')} {verb} of another row of the same part: {_told(counts)} ({shown})"
        mend = "take the copies out of the file, if nobody saw the same twice"
        yield Finding("duplicates", what, mend, total, tuple(row + 1 for row, _ in pairs[:SHOWN]))


def _across(found: np.ndarray, parts: Parts, call: Call) -> Iterator[Finding]:
    import numpy as np

    counts: dict[str, int] = {}
    pairs: list[tuple[int, int]] = []
    seen = parts.train
    for part, rows in (("validation", parts.validation), ("test", parts.test)):
        kept, first = np.unique(found[seen], return_index=True)
        place = np.minimum(np.searchsorted(kept, found[rows]), max(len(kept) - 1, 0))
        there = kept[place] == found[rows] if len(kept) else np.zeros(len(rows), bool)
        counts[part] = int(there.sum())
        pairs += [*zip(rows[there].tolist(), seen[first[place[there]]].tolist(), strict=True)][:SHOWN]
        seen = np.concatenate([seen, rows])
    total = sum(counts.values())
    if total:
        verb = "is" if total == 1 else "are"
        shares = {part: 100 * counts[part] / len(rows) for part, rows in parts.items() if counts.get(part)}
        told = ", ".join(f"{share:.2g}% of {part}" for part, share in shares.items())
        what = (
            f"{counted(total, 'row')} {verb} in two parts, with the same features: {_told(counts)} ({told}; "
            f"{_pairs_told(pairs, call)}): what is measured there is better than on new data"
        )
        mend = "split: {keep_together: duplicates} where rows are drawn, or take the copies out of the data"
        yield Finding("duplicates_across", what, mend, total, tuple(row + 1 for row, _ in pairs[:SHOWN]))


def _conflicts(
    inputs: np.ndarray, truth: polars.Series, target: str, known: np.ndarray, call: Call
) -> Iterator[Finding]:
    """Rows with the same features and different classes."""
    import numpy as np

    known = np.sort(known)
    first = _first_of(inputs, known)
    codes = np.unique(truth.hash(seed=1).to_numpy(), return_inverse=True)[1]
    differ = codes[known] != codes[first]
    groups = np.unique(first[differ])
    if not len(groups):
        return
    rows = known[np.isin(first, groups)]
    one, other = int(known[differ][0]), int(first[differ][0])
    what = (
        f"{counted(len(rows), 'row')} have a twin with the same features and another {target}, such as {call(other)} "
        f"({truth[other]}) and {call(one)} ({truth[one]})"
    )
    yield Finding("conflicting_labels", what, "mend the labels, or add a column that tells them apart", len(rows),
                  examples(rows))  # fmt: skip


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} in {part}" for part, count in counts.items() if count)


def _pairs_told(pairs: Sequence[tuple[int, int]], call: Call) -> str:
    shown = ", ".join(f"{call(row)} = {call(other)}" for row, other in pairs[:SHOWN])
    return shown + (", …" if len(pairs) > SHOWN else "")
