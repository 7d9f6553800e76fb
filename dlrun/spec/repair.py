"""A tree in which a clear misspelling is mended, so that what stands behind it can be checked too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dlrun.spec.problem import Path


@dataclass(frozen=True)
class Repair:
    """Reads on as if `old` in the mapping at `section` were called `new`, or as if `new` were `value`."""

    section: Path
    new: str
    old: str | None = None
    value: Any = None


def repaired(tree: Any, repair: Repair) -> Any:
    """A copy of a tree with the repair in it; what it does not touch is shared."""
    return _at(tree, repair.section, repair)


def _at(tree: Any, path: Path, repair: Repair) -> Any:
    if not path:
        entries = {key: value for key, value in tree.items() if key not in (repair.old, repair.new)}
        return {**entries, repair.new: tree[repair.old] if repair.old is not None else repair.value}
    copy: Any = list(tree) if isinstance(tree, list) else dict(tree)
    copy[path[0]] = _at(tree[path[0]], path[1:], repair)
    return copy
