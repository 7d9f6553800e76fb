"""A draft as YAML: a line for each field, its reason behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
"""Texts that YAML takes for themselves without quotes …"""

WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})
"""… but for these."""

COLUMN = 46
"""Where reasons stand, where the line before them is shorter."""

WIDTH = 120
"""A reason that does not fit behind its line stands above it."""


@dataclass(frozen=True)
class Line:
    """A line of a spec.

    Args:
        key: of a field; None: the reason alone.
        value: of the field; a section of several lines follows where it is None.
        reason: why.
        depth: how deep it stands.
        list_item: whether it is one of a list, and has no key.
    """

    key: str | None
    value: Any = None
    reason: str = ""
    depth: int = 0
    list_item: bool = False

    def text(self) -> str:
        margin = "  " * self.depth
        if self.key is None and not self.list_item:
            return f"{margin}# {clean(self.reason)}".rstrip() if self.reason else ""
        head = "- " + flow(self.value) if self.list_item else f"{flow(self.key)}:"
        if self.value is not None and not self.list_item:
            head += f" {flow(self.value)}"
        line = margin + head
        if not self.reason:
            return line
        whole = f"{line.ljust(COLUMN)}  # {clean(self.reason)}"
        return whole if len(whole) <= WIDTH else f"{margin}# {clean(self.reason)}\n{line}"


def flow(value: Any) -> str:
    """A value in one line, as YAML reads it back."""
    match value:
        case None | bool():
            return json.dumps(value)
        case int() | float():
            return f"{value:g}" if float(f"{value:g}") == value else repr(value)
        case str():
            if PLAIN.fullmatch(value) and value.lower() not in WORDS:
                return value
            return json.dumps(value, ensure_ascii=not value.isprintable())
        case Mapping():
            return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
        case Sequence():
            return "[" + ", ".join(map(flow, value)) + "]"
        case _:
            raise ValueError(f"no value of a spec: {value!r}")


def clean(text: str) -> str:
    """A text that stays in one line of comments."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def text_of_lines(lines: Sequence[Line]) -> str:
    """The file."""
    return "\n".join(_texts(lines)) + "\n"


def _texts(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        yield line.text()
