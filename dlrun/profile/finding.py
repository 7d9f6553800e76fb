"""Something about the data that a careful colleague would say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dlrun.data.features.values import SHOWN
from dlrun.data.findings import FindingKind

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Finding:
    """What was found.

    Args:
        kind: as `data: {accept: […]}` names it.
        what: in a sentence, with counts and examples.
        mend: what to write in the spec, or to do to the file.
        count: rows, columns or classes that it is about.
        rows: some of the rows, counted from 1.
        columns: the columns.
        severity: an error stops a deep check, a warning is printed.
    """

    kind: FindingKind
    what: str
    mend: str
    count: int
    rows: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()
    severity: Literal["error", "warning"] = "warning"

    def tree(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "message": self.what,
            "mend": self.mend,
            "count": self.count,
            "rows": list(self.rows),
            "columns": list(self.columns),
        }


def examples(rows: np.ndarray) -> tuple[int, ...]:
    """The first of some rows, counted from 1."""
    return tuple(int(row) + 1 for row in rows[:SHOWN])


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b, c, d, e and 12 more`."""
    shown = list(names[:SHOWN])
    if len(names) > SHOWN:
        return f"{', '.join(shown)} and {len(names) - SHOWN:,} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def counted(count: int, one: str, several: str | None = None) -> str:
    """`1 row`, `1,234 rows`."""
    return f"1 {one}" if count == 1 else f"{count:,} {several or one + 's'}"
