"""One mistake in a spec, before it is shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dlrun.spec.source import Place

Path = tuple[str | int, ...]
"""Where a value stands in the spec: keys and list indexes from the top."""


@dataclass(frozen=True)
class Problem:
    """One mistake: where it is, what it is, and how to mend it.

    Args:
        path: the keys and list indexes that lead to the value, from the top of the spec.
        message: what is wrong, in one short sentence without a full stop.
        expected: what would have been right.
        received: what stands there.
        hint: what to write instead; shown as "mend".
        at: whether the caret points at the value or at its key.
        place: where it stands, for a mistake that no path leads to (a bracket left open, a key written twice).
    """

    path: Path
    message: str
    expected: str | None = None
    received: str | None = None
    hint: str | None = None
    at: Literal["value", "key"] = "value"
    place: Place | None = None

    def under(self, *prefix: str | int) -> Problem:
        """The same problem, seen from further up: a section names its own fields, its parent adds where it stands."""
        return replace(self, path=(*prefix, *self.path))


def path_text(path: Path) -> str:
    """`("architecture", "blocks", 0, "pool")` as `architecture.blocks[0].pool`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
