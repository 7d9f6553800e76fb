"""The mistakes of YAML itself, in plain words.

libyaml and PyYAML's own parser word the same mistake differently; the patterns below match both.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import yaml

from dlrun.spec.problem import Problem
from dlrun.spec.source import Source

QUOTE_TEXT: Final = "put quotes around a text that contains `: ` or begins with a special character"

# What YAML calls not printable, and what it takes for a line break or skips though no editor shows it.
_UNWANTED: Final = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


class _Rule(NamedTuple):
    """What to say when PyYAML's problem matches `pattern`; the caret goes to `mark` ("problem" or "context")."""

    pattern: str
    message: str
    hint: str
    mark: str = "problem"


_RULES: Final = [
    _Rule(
        "nesting depth",  # libyaml's own limit, a thousand, which it may meet before ours
        "too many mappings and lists are inside each other here",
        "no setting needs that: see whether a bracket is missing",
    ),
    _Rule(
        "unexpected end of stream|unexpected document",
        "the quote that is opened here is never closed",
        "close it; a quote inside single quotes is written twice (''), inside double quotes as \\\"",
        "context",
    ),
    _Rule(
        "sequence entries are not allowed",
        "a list cannot begin on the line of its key",
        "begin it on the next line, or write it in brackets: [a, b]",
    ),
    _Rule(
        "undefined tag handle", "tags (`!…`) have no meaning in a spec", "put quotes around a text that begins with `!`"
    ),
    _Rule(
        "escape",
        "this escape is not known within double quotes",
        "use single quotes, or write a backslash twice: \\\\",
    ),
    _Rule("alphabetic or numeric", "a text cannot begin with `*` or `&`", "put quotes around it", "context"),
    _Rule(
        "comment or line break|chomping|indentation indicator",
        "the text after `|` or `>` begins on the next line",
        "put quotes around a text that begins with `|` or `>`",
    ),
    _Rule(
        "'-' indicator|<block end>",
        "a list item (`- …`) was expected here",
        "keep list items and fields apart, or mend the indentation",
    ),
    _Rule(
        "document start|directive|%YAML|incompatible YAML",
        "the spec ends before this",
        "a spec is one mapping; see whether a bracket is closed too early, and put quotes around a text with `%`",
    ),
]


def syntax_problem(error: Exception, source: Source, start: int, bracket: int | None) -> Problem:
    """What PyYAML's parser stumbled over.

    Args:
        error: what it raised.
        source: the text.
        start: where in it the YAML begins.
        bracket: where the innermost bracket is opened that is not yet closed.
    """
    problem, context = str(getattr(error, "problem", None) or error), str(getattr(error, "context", None) or "")
    at = _index(getattr(error, "problem_mark", None), source, start)
    opened = _index(getattr(error, "context_mark", None), source, start, otherwise=at)
    if bracket is None and not re.search("quoted|flow", context) and (tab := _tab(source, at)):
        return tab
    if "mapping values" in problem:
        return _second_colon(source, at)
    if "unexpected ':'" in problem:  # `{epochs:[5]}`, which only libyaml refuses
        name = source.text[opened : at + 1]
        return _problem(source, opened, "a space is missing after the colon", f"write `{name} …`", end=at + 1)
    if "could not find expected ':'" in problem:
        return _missing_colon(source, opened)
    if "cannot start any token" in problem or ("node content" in problem and bracket is None):
        character = source.text[at : at + 1]
        return _problem(source, at, f"a text cannot begin with `{character}`", "put quotes around it")
    if bracket is not None and not re.search("escape|nesting", problem) and "quoted" not in context:
        mark = getattr(error, "problem_mark", None)
        return _bracket(source, at, bracket, ended=mark is None or mark.index + start >= len(source.text.rstrip()))
    if re.search("expected key|<block end>", problem) and context != "while parsing a block collection":
        return _misplaced(source, at)
    for rule in _RULES:
        if re.search(rule.pattern, problem):
            if rule.pattern == "escape" and source.text[at : at + 1] != "\\":
                at = max(source.text.rfind("\\", 0, at), 0)
            return _problem(source, opened if rule.mark == "context" else at, rule.message, rule.hint)
    return _problem(source, at, "this is not valid YAML", "see whether a bracket, a quote or a colon is out of place")


def unwanted_character(source: Source) -> Problem | None:
    """The first character that no spec should hold."""
    if not (found := _UNWANTED.search(source.text)):
        return None
    code = ord(found[0])
    if code == 0 and source.text.count("\0") > len(source.text) // 4:
        return Problem((), "the file is not a text", "a text in UTF-8", "what looks like UTF-16 or a binary file",
                       "save the file as UTF-8", place=source.place(found.start()))  # fmt: skip
    message = f"the invisible character U+{code:04X} stands here"
    hint = f'remove it, or write it as an escape in double quotes: "\\u{code:04x}"'
    return Problem((), message, hint=hint, place=source.place(found.start()))


def _problem(source: Source, at: int, message: str, hint: str, end: int | None = None) -> Problem:
    return Problem((), message, hint=hint, place=source.place(at, end))


def _index(mark: yaml.Mark | None, source: Source, start: int, otherwise: int = 0) -> int:
    """A mark as an index into the source. libyaml may put it behind the end."""
    return otherwise if mark is None else min(mark.index + start, max(len(source.text.rstrip()) - 1, 0))


def _line(source: Source, at: int) -> tuple[int, str]:
    """The number of the line with this index, and its text."""
    place = source.place(at)
    return place.line or 1, place.text


def _tab(source: Source, at: int) -> Problem | None:
    number, text = _line(source, at)
    indentation = text[: len(text) - len(text.lstrip())]
    if "\t" not in indentation:
        return None
    first = source.line_starts[number - 1] + indentation.index("\t")
    last = source.line_starts[number - 1] + len(indentation)
    hint = "replace each tab by two spaces"
    place = source.place(first, last)
    return Problem((), "a tab is used for indentation, where YAML takes spaces only", hint=hint, place=place)


def _second_colon(source: Source, at: int) -> Problem:
    number, text = _line(source, at)
    before = text[: at - source.line_starts[number - 1]]
    if re.search(r":\s", before):
        message = "a second `: ` in one line"
        return _problem(
            source, at, message, "put quotes around a text that contains `: `; a section begins on a new line"
        )
    above = source.line(number - 1) if number > 1 else ""
    if missing := _missing_space(source, number - 1, above):
        return missing
    if not re.match(r"\s*[^\s#]", above):
        return _problem(
            source, at, "no key can stand before this colon", "keys have at most 1,024 characters, on one line"
        )
    first = source.line_starts[number - 1] + len(text) - len(text.lstrip())
    message = "this line is indented deeper than the one above, which already has a value"
    hint = "begin it in the same column as the line above"
    return _problem(source, first, message, hint, end=at)


def _missing_colon(source: Source, at: int) -> Problem:
    number, text = _line(source, at)
    if missing := _missing_space(source, number, text):
        return missing
    hint = "write `key: value`; a text that goes over several lines needs quotes"
    return _problem(source, at, "there is no colon in this line", hint, end=at + len(text))


def _missing_space(source: Source, number: int, text: str) -> Problem | None:
    """`epochs:5`, which is one text to YAML."""
    if not (found := re.match(r"\s*(?:- )?([\w.-]+:)(?=[^\s/\\])", text)):
        return None
    start = source.line_starts[number - 1]
    message = "a space is missing after the colon"
    return _problem(source, start + found.start(1), message, f"write `{found[1]} …`", end=start + found.end(1))


def _bracket(source: Source, at: int, bracket: int, ended: bool) -> Problem:
    opening = source.text[bracket]
    closing = "]" if opening == "[" else "}"
    if ended or source.place(at).line != source.place(bracket).line:
        message = f"the `{opening}` that is opened here is not closed before the next field begins"
        if ended:
            message = f"the `{opening}` that is opened here is never closed"
        return _problem(source, bracket, message, f"write `{closing}` at its end; items are parted by commas")
    hint = "items are parted by one comma; put quotes around a text with `,`, `:`, brackets or braces"
    return _problem(source, at, f"a comma or `{closing}` was expected here", hint)


def _misplaced(source: Source, at: int) -> Problem:
    number, text = _line(source, at)
    if text[: at - source.line_starts[number - 1]].strip():
        message = "there is something after the end of the value"
        return _problem(source, at, message, "put quotes around the whole text, or remove what is too much")
    message = "the indentation of this line fits none of the lines above"
    return _problem(source, at, message, "begin it in the same column as the other fields of its section")
