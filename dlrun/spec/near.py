"""What a misspelt name was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Final

LONGEST: Final = 64
"""Characters. Nobody misspells a longer name, and comparing takes time with the square."""

LIKELY: Final = 0.75
"""A likeness from which a name is taken for a misspelling of another, and reading goes on as if it were that."""


def nearest(name: str, candidates: Iterable[str], least: float = 0.55) -> str | None:
    """The candidate that is most like a name, whatever the case and whether `-`, `_` or a space parts the words."""
    best, most = None, least
    for candidate in candidates:
        if (score := likeness(name, candidate)) >= most and (best is None or score > most):
            best, most = candidate, score
    return best


def likeness(name: str, other: str) -> float:
    """From 0 to 1: the share of characters that two names have in common, in order (difflib)."""
    one, two = _plain(name), _plain(other)
    if one == two:
        return 1.0
    if max(len(one), len(two)) > LONGEST:
        return 0.0
    return SequenceMatcher(None, one, two, autojunk=False).ratio()


def _plain(name: str) -> str:
    return name.strip().casefold().replace("-", "_").replace(" ", "_")
