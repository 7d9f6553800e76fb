"""Which rows must not be parted: those that share a value, or whose features are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dlrun.data.columns import Table
from dlrun.data.features.values import as_text
from dlrun.data.splits.parts import DUPLICATES, complete

if TYPE_CHECKING:
    import numpy as np


def together(table: Table, rows: np.ndarray, names: Sequence[str], features: Sequence[str]) -> np.ndarray | None:
    """The group of each row, counted from 0, (rows,) int64; None where every row stands alone.

    Two rows that share a value of one column, and two that share a value of another, are all of one group where they
    have a row in common.

    Args:
        rows: of the table, which are split.
        names: columns, and `duplicates` for rows whose features are the same.
        features: the columns that enter the network.

    Raises:
        DataError: a row has no value in such a column.
    """
    found = [
        equal_rows(table, rows, features) if name == DUPLICATES else codes_of(complete(table, name)[rows])
        for name in names
    ]
    if len(found) < 2:
        return found[0] if found else None
    return connected(found)


def codes_of(values: np.ndarray) -> np.ndarray:
    """A number from 0 for each different value, (rows,) int64."""
    import numpy as np

    return np.asarray(np.unique(np.array(as_text(values), dtype=str), return_inverse=True)[1], np.int64)


def equal_rows(table: Table, rows: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The same number for rows with the same content in every one of some columns, (rows,) int64; missing values are
    the same as one another."""
    import numpy as np

    codes = np.zeros(len(rows), np.int64)
    for name in names:
        contents = _contents(table.columns[name][rows])
        paired = codes * len(rows) + np.unique(contents, return_inverse=True)[1]
        codes = np.asarray(np.unique(paired, return_inverse=True)[1], np.int64)
    return codes


def _contents(values: np.ndarray) -> np.ndarray:
    """One value a row that is the same where the content is."""
    import numpy as np

    if values.dtype == object:
        # A text that is there is told from a missing one by its first letter.
        return np.array(["" if text is None else f"={text}" for text in as_text(values)], dtype=str)
    if values.ndim == 1:
        return values
    return np.array([hashlib.sha256(np.ascontiguousarray(each).tobytes()).digest() for each in values], dtype="S32")


def connected(groupings: Sequence[np.ndarray]) -> np.ndarray:
    """The groups that several groupings of the same rows make together, (rows,) int64: the connected components of
    the graph of rows and groups."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows = len(groupings[0])
    nodes, first = [], rows
    for codes in groupings:
        nodes.append(codes + first)
        first += int(codes.max(initial=-1)) + 1
    ends = np.concatenate(nodes), np.tile(np.arange(rows), len(groupings))
    graph = coo_array((np.ones(len(ends[0]), bool), ends), shape=(first, first))
    labels = connected_components(graph, directed=False)[1][:rows]
    return np.asarray(np.unique(labels, return_inverse=True)[1], np.int64)
