"""A hash of rows by what they hold, not by how a file writes them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dlrun.data.columns import Table
from dlrun.data.features.values import as_text

if TYPE_CHECKING:
    import numpy as np

CHUNK, CHUNK_BYTES = 4096, 16 << 20
"""Rows that are hashed at once, fewer where they are large: images are then not copied whole."""


def content_hash(table: Table, rows: np.ndarray) -> str:
    """SHA-256 over the given rows of every column, in the table's order, see `content_hashes`."""
    return content_hashes(table, {"": rows})[""]


def content_hashes(table: Table, parts: Mapping[str, np.ndarray]) -> dict[str, str]:
    """SHA-256 over the rows of each part, of every column in the table's order; each column is read once.

    Each column starts with its name, type and shape. Numbers go in as little-endian bytes, every NaN the same; each
    text as its length in bytes and its UTF-8 bytes, a missing one as length -1.
    """
    import numpy as np

    digests = {part: hashlib.sha256() for part in parts}
    for name in table.columns:
        values = table.columns[name]
        kind = "text" if values.dtype == object else values.dtype.newbyteorder("<").str
        for part, rows in parts.items():
            digests[part].update(f"{name}\0{kind}\0{values.shape[1:]}\0{len(rows)}\0".encode())
            chunk = max(1, min(CHUNK, CHUNK_BYTES // max(1, math.prod(values.shape[1:]))))
            for start in range(0, len(rows), chunk):
                digests[part].update(_bytes(np.asarray(values[rows[start : start + chunk]])))
    return {part: digest.hexdigest() for part, digest in digests.items()}


def _bytes(values: np.ndarray) -> bytes:
    import numpy as np

    if values.dtype == object:
        encoded = [None if text is None else text.encode("utf-8", "surrogatepass") for text in as_text(values)]
        return b"".join(b"-1:" if text is None else b"%d:%b" % (len(text), text) for text in encoded)
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.array(np.nan, values.dtype), values)
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
