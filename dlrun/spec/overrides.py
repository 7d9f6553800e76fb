"""`--set a.b[0].c=value`: values from the command line, put into the tree before it is validated."""

from __future__ import annotations

import re
from typing import Final

from dlrun.spec.composer import DEEPEST, Node, UnreadableError, compose, mapping, sequence
from dlrun.spec.problem import Path, Problem, path_text
from dlrun.spec.source import Source, Span

FLAG: Final = "--set"

# One step of a path: a name, a name in quotes, or an index; what stands between them is checked apart.
_STEP: Final = re.compile(
    r"""(?P<dot>\.)?(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<name>[^.\[\]="'\s]+))|\[(?P<index>\d{1,9})\]"""
)


def apply_override(root: Node, flag: str) -> tuple[Node, list[Problem]]:
    """The tree with one override in it; the old tree stays as it is.

    Sections on the way that are missing or empty are made; an index that is the length of a list appends to it.

    Args:
        root: the tree.
        flag: what stood behind `--set`: `a.b[0].c=value`. A name with a dot is put in quotes: `a."b.c"=1`. The value
            is YAML, by the same rules as in the file.

    Returns:
        The new tree, and what is wrong with the flag. Where something is, it changes nothing.
    """
    source = Source(FLAG, f"{FLAG} {flag}", is_flag=True)
    try:
        steps, start = _parse(source)
        value, problems = compose(source, start)
        if value is None:
            value = Node(None, Span(source, start, len(source.text)))
        prefix = tuple(key for key, _ in steps)
        if len(prefix) + value.height > DEEPEST:
            raise _malformed(source, len(FLAG) + 1, start - 1, f"it goes deeper than {DEEPEST} sections")
        return _put(root, steps, value, ()), [problem.under(*prefix) for problem in problems]
    except UnreadableError as error:
        return root, [error.problem]


_Steps = list[tuple[str | int, Span]]


def _parse(source: Source) -> tuple[_Steps, int]:
    """The steps of the path, each with where it is written, and where the value begins."""
    text, at = source.text, len(FLAG) + 1
    steps: _Steps = []
    while at < len(text) and text[at] != "=":
        found = _STEP.match(text, at)
        if not found or (found["index"] is None and bool(found["dot"]) == (not steps)):
            raise _wrong_step(source, at, bool(steps))
        if found["index"] is not None:
            if not steps:
                raise _malformed(source, at, found.end(), "a path begins with the name of a field")
            steps.append((int(found["index"]), Span(source, at, found.end())))
        else:
            group = "double" if found["double"] is not None else "single" if found["single"] is not None else "name"
            steps.append((found[group], Span(source, at + bool(found["dot"]), found.end())))
        at = found.end()
    if not steps:
        raise _malformed(source, len(FLAG) + 1, len(text), "the name of a field is missing")
    if at == len(text):
        raise _malformed(source, len(FLAG) + 1, at, "there is no `=`")
    if not text[at + 1 :].strip():
        raise _malformed(
            source, at, at + 1, "there is no value after `=`", "write `null` for no value, '\"\"' for an empty text"
        )
    return steps, at + 1


def _wrong_step(source: Source, at: int, inside: bool) -> UnreadableError:
    text = source.text
    if text[at] == "[":
        end = text.find("]", at) + 1 or len(text)
        message = f"`{text[at:end]}` is not the index of a list item"
        return _malformed(source, at, end, message, "count from 0: [0] is the first item")
    if text[at] in "\"'" and text.find(text[at], at + 1) < 0:
        return _malformed(source, at, len(text), "the quote is not closed")
    if text[at] == "." or (inside and text[at] not in " \t]"):
        return _malformed(
            source, at, at + 1, "a name is missing between the dots" if text[at] == "." else "a dot is missing here"
        )
    return _malformed(source, at, at + 1, f"`{text[at]}` cannot stand in a path")


def _malformed(source: Source, start: int, end: int, message: str, hint: str | None = None) -> UnreadableError:
    hint = hint or "write it as --set training.epochs=5 or --set architecture.blocks[0].filters=64"
    return UnreadableError(Problem((), message, "a.b[0].c=value", hint=hint, place=source.place(start, end)))


def _put(node: Node | None, steps: _Steps, value: Node, above: Path) -> Node:
    """The node with the value where the steps lead to."""
    if not steps:
        return value
    (key, span), *rest = steps
    if node is None or node.value is None:
        way = Span(span.source, len(FLAG) + 1, span.end)
        node = mapping({}, {}, way) if isinstance(key, str) else sequence({}, way)
    _check_step(node, key, span, above)
    child = _put(node.children.get(key), rest, value, (*above, key))
    children = {**node.children, key: child}
    if isinstance(key, int):
        return sequence(children, node.span)
    # Where a value of the file is replaced the flag is where its key stands now; a section that it only leads
    # through stays where it was.
    keys = node.keys if rest and key in node.keys else {**node.keys, key: span}
    return mapping(children, keys, node.span)


def _check_step(node: Node, key: str | int, span: Span, above: Path) -> None:
    """Refuses a step that the value on its way does not allow."""
    name, value = path_text(above), node.value
    hint = None
    if isinstance(key, str) and isinstance(value, dict):
        return
    if isinstance(key, int) and isinstance(value, list):
        if key <= len(value):
            return
        message = f"`{name}` has {len(value)} item{'' if len(value) == 1 else 's'}, so there is no [{key}]"
        hint = f"the last one is [{len(value) - 1}]; [{len(value)}] appends one" if value else "[0] appends one"
    elif isinstance(value, list):
        message = f"`{name}` is a list: its items have numbers, not names"
        hint = f"write {name}[0].{key} for the first one"
    elif isinstance(value, dict):
        message = f"`{name}` is a mapping: its fields have names, not numbers"
        hint = f"its fields are {', '.join(list(value)[:8])}" if value else None
    else:
        message = f"`{name}` is a single value with nothing inside"
        hint = f"it is {node.span.written}; set `{name}` itself"
    raise UnreadableError(Problem(above, message, hint=hint, place=span.place))
