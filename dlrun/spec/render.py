"""How a problem looks: its place, what is wrong, the line with a caret under the mistake, and how to mend it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dlrun.spec.document import Document
from dlrun.spec.problem import Problem, path_text
from dlrun.spec.source import Place

SECRET = re.compile(r"""(?<=://)[^\s/@:"']*:[^\s"']+(?=@)|(?<=password=)[^\s&"']+""")
"""User and password in a URL, or the password among its parameters."""

WIDTH: Final = 100
"""Columns."""

MOST_SHOWN: Final = 50
"""Problems."""

_TAB: Final = "    "
_CUT: Final = "..."


@dataclass(frozen=True)
class Excerpt:
    """One line of the source as a terminal can show it.

    Args:
        number: of the line; empty for a flag.
        text: the line, or the part of it around the mistake; tabs as spaces, what cannot be printed as escapes.
        start: how many columns of the terminal stand before the mistake.
        length: how many columns it takes.
    """

    number: str
    text: str
    start: int
    length: int

    @property
    def caret(self) -> str:
        return " " * self.start + "^" * self.length


@dataclass(frozen=True)
class Report:
    """A problem in the parts that are shown, for `console.py` to colour.

    Args:
        place: `configs/mine.yaml:12:3`, or `--set`.
        path: `training.epochs`; empty for the whole spec.
        message: what is wrong.
        excerpt: the line; None where there is none to point at.
        details: what was expected, what was received, how to mend it, as (label, text).
    """

    place: str
    path: str
    message: str
    excerpt: Excerpt | None
    details: tuple[tuple[str, str], ...]


def report(problem: Problem, document: Document, width: int = WIDTH) -> Report:
    """The parts of a problem as they are shown."""
    place = document.place_of(problem)
    labelled = (("expected", problem.expected), ("received", problem.received), ("mend", problem.hint))
    return Report(
        printable(str(place)),
        shortened(printable(path_text(problem.path)), width),
        shortened(printable(problem.message), 2 * width),
        excerpt(place, width) if place.length else None,
        tuple((label, printable(text)) for label, text in labelled if text),
    )


def render(problem: Problem, document: Document, width: int = WIDTH) -> str:
    """A problem as plain text of several lines, without an end of line at the end."""
    shown = report(problem, document, width)
    lines = [f"{shown.place}  {shown.path}: {shown.message}" if shown.path else f"{shown.place}  {shown.message}"]
    if line := shown.excerpt:
        lines.append(f"{line.number:>5} | {line.text}".rstrip())
        lines.append(f"{'':>5} | {line.caret}")
    for label, text in shown.details:
        head = f"{'':8}{label:<10}"
        lines.append(textwrap.fill(text, max(width, 40), initial_indent=head, subsequent_indent=" " * len(head)))
    return "\n".join(lines)


def render_all(problems: Sequence[Problem], document: Document, width: int = WIDTH) -> str:
    """Problems one below the other in the order of the file, and how many there are."""
    problems = document.ordered(problems)
    parts = [render(problem, document, width) for problem in problems[:MOST_SHOWN]]
    if len(problems) > MOST_SHOWN:
        parts.append(f"and {len(problems) - MOST_SHOWN:,} more")
    count = "1 mistake" if len(problems) == 1 else f"{len(problems):,} mistakes"
    return "\n\n".join((*parts, f"{count} in {printable(document.name)}"))


def excerpt(place: Place, width: int = WIDTH) -> Excerpt:
    """The line of a place, cut to the part around the mistake where it is too long for the terminal."""
    from rich.cells import cell_len

    room = max(width - 8, 20)
    shown = [_shown(character) for character in without_secrets(place.text)]
    first = place.column - 1
    last = min(first + place.length, len(shown)) if shown else 0
    begin, end = _window(shown, first, last, room)
    head = _CUT if begin else ""
    tail = _CUT if end < len(shown) else ""
    before = cell_len(head + "".join(shown[begin:first]))
    length = cell_len("".join(shown[first : min(last, end)]))
    number = "" if place.line is None else str(place.line)
    return Excerpt(number, head + "".join(shown[begin:end]) + tail, before, max(length, 1))


def without_secrets(text: str) -> str:
    """A text of the same length with asterisks for the passwords of URLs: what is shown may end up in a log."""
    return SECRET.sub(lambda found: "*" * len(found[0]), text)


def _window(shown: list[str], first: int, last: int, room: int) -> tuple[int, int]:
    """Which characters of a line to show: all, or so many that the mistake and some of what is before it fit."""
    from rich.cells import cell_len

    widths = [cell_len(text) for text in shown]
    if sum(widths) <= room:
        return 0, len(shown)
    room -= 2 * len(_CUT)
    begin, before = first, 0
    budget = max(room // 3, room - sum(widths[first:last]))
    while begin and before + widths[begin - 1] <= budget:
        begin -= 1
        before += widths[begin]
    end = begin
    while end < len(shown) and sum(widths[begin : end + 1]) <= room:
        end += 1
    return begin, end


def _shown(character: str) -> str:
    if character == "\t":
        return _TAB
    return character if character.isprintable() else ascii(character)[1:-1]


def printable(text: str) -> str:
    """A text with everything escaped that a terminal would not show or would obey."""
    return text if text.isprintable() else "".join(_shown(character) for character in text)


def shortened(text: str, width: int) -> str:
    """A text of at most `width` characters."""
    return text if len(text) <= width else text[: width - len(_CUT)] + _CUT
