"""The texts that a spec is read from (a file, the `--set` flags) and places in them."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True)
class Place:
    """Where something stands, as a person looks for it.

    Args:
        name: the file as the user typed it, or `--set`.
        line: from 1; None for a flag, and for what concerns a whole file.
        column: in characters, from 1.
        length: how many characters of the line are meant; 0 where there is nothing to point at.
        text: the whole line, or the whole flag.
    """

    name: str
    line: int | None
    column: int = 1
    length: int = 0
    text: str = ""

    def __str__(self) -> str:
        return self.name if self.line is None else f"{self.name}:{self.line}:{self.column}"


@dataclass(frozen=True, eq=False)
class Source:
    """One text that values are read from: the file, or one `--set` flag."""

    name: str
    text: str
    is_flag: bool = False

    @cached_property
    def line_starts(self) -> list[int]:
        return [0, *(end.end() for end in LINE_END.finditer(self.text))]

    def line(self, number: int) -> str:
        """A line by its number from 1, without its end."""
        start = self.line_starts[number - 1]
        end = self.line_starts[number] if number < len(self.line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def place(self, start: int, end: int | None = None) -> Place:
        """The place of the characters from `start` to `end` (one by default), as far as the first line goes."""
        number = bisect_right(self.line_starts, start)
        text = self.line(number)
        column = min(start - self.line_starts[number - 1], len(text))
        length = len(text[column : column + (1 if end is None else end - start)].rstrip())
        return Place(self.name, None if self.is_flag else number, column + 1, max(length, 1), text)


class Span(NamedTuple):
    """A stretch of a source, in characters from 0."""

    source: Source
    start: int
    end: int

    @property
    def written(self) -> str:
        """The text itself, as the user wrote it."""
        return self.source.text[self.start : self.end].rstrip()

    @property
    def place(self) -> Place:
        return self.source.place(self.start, self.end)
