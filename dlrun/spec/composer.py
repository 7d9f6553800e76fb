"""Makes a tree with positions of PyYAML's parser events, and refuses what would silently mean something else.

PyYAML's own composer and constructor are not used: they accept duplicate keys, unroll alias bombs, make objects of
tags and read `1e-3` as a text and `no` as false.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite
from typing import Any, Final, NamedTuple, NoReturn

import yaml
from yaml import events

from dlrun.spec.problem import Problem
from dlrun.spec.scalars import resolve
from dlrun.spec.source import Source, Span
from dlrun.spec.syntax import syntax_problem, unwanted_character

DEEPEST: Final = 50
"""Mappings and lists inside each other."""

MOST_NODES: Final = 100_000
"""Values, each alias counted with all that it stands for."""

Parser: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where PyYAML has it, some twenty times faster."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Node(NamedTuple):
    """A value, where it is written, and the nodes of what is in it.

    Args:
        value: plain data: a scalar, a dict or a list.
        span: where it is written.
        children: the nodes in a mapping or list, by key or index.
        keys: where the keys of a mapping are written.
        size: how many nodes it counts for, itself included.
        height: how many mappings and lists are inside each other in it, itself included.
        quoted: whether it is a text in quotes.
    """

    value: Any
    span: Span
    children: dict[str | int, Node] = {}  # noqa: RUF012 - never changed
    keys: dict[str, Span] = {}  # noqa: RUF012 - never changed
    size: int = 1
    height: int = 0
    quoted: bool = False


def mapping(children: dict[str | int, Node], keys: dict[str, Span], span: Span) -> Node:
    """The node of a mapping with these entries."""
    value = {key: child.value for key, child in children.items()}
    return Node(value, span, children, keys, *_extent(children))


def sequence(children: dict[str | int, Node], span: Span) -> Node:
    """The node of a list with these items, by index."""
    return Node([child.value for child in children.values()], span, children, {}, *_extent(children))


def _extent(children: dict[str | int, Node]) -> tuple[int, int]:
    """Size and height of a mapping or list with these children."""
    size, height = 1, 0
    for child in children.values():
        size += child.size
        height = max(height, child.height)
    return size, height + 1


class UnreadableError(Exception):
    """The text gives no tree. Caught where the text was read."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def compose(source: Source, start: int = 0, parser: Any = Parser) -> tuple[Node | None, list[Problem]]:
    """The tree of a source from the character `start` on, and the mistakes that leave a tree.

    Args:
        source: the text.
        start: where the YAML begins in it.
        parser: a PyYAML loader class; only its parser is used.

    Returns:
        The tree, or None where there is nothing but comments; and the mistakes.

    Raises:
        UnreadableError: there is no tree to go on with.
    """
    if problem := unwanted_character(source):
        raise UnreadableError(problem)
    return _Composer(source, start, parser).document()


class _Composer:
    def __init__(self, source: Source, start: int, parser: Any) -> None:
        self.source, self.start = source, start
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node | None] = {}  # None while the anchor's own value is being read
        self.path: list[str | int] = []
        self.brackets: list[int] = []
        self.nodes = 0
        with self._yaml_errors():
            self.next_event: Callable[[], Any] = parser(source.text[start:]).get_event

    def document(self) -> tuple[Node | None, list[Problem]]:
        with self._yaml_errors():
            self.next_event()  # the stream starts
            if isinstance(self.next_event(), events.StreamEndEvent):
                return None, self.problems
            root = self._node(self.next_event())
            self.next_event()  # the document ends
            following = self.next_event()
        if isinstance(following, events.DocumentStartEvent):
            hint = "keep one document in the file: remove the line `---` and what belongs to the other one"
            self._problem("a second YAML document begins here", following, hint=hint)
        empty = root.value is None and root.span.start == root.span.end
        return None if empty else root, self.problems

    @contextmanager
    def _yaml_errors(self) -> Iterator[None]:
        try:
            yield
        except (yaml.YAMLError, ValueError, OverflowError) as error:  # PyYAML's own parser lets the last two slip
            bracket = self.brackets[-1] if self.brackets else None
            raise UnreadableError(syntax_problem(error, self.source, self.start, bracket)) from None

    def _node(self, event: Any) -> Node:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            self._stop(f"there are more than {MOST_NODES:,} values", event, hint="a spec holds settings, not data")
        if isinstance(event, events.AliasEvent):
            return self._alias(event)
        if event.tag is not None:
            written = self._span(event).written.split()[0]
            hint = "leave the tag out; a text that begins with `!` needs quotes"
            self._problem(f"tags such as `{written}` have no meaning in a spec", event, hint=hint)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        match event:
            case events.ScalarEvent():
                node = self._scalar(event)
            case events.SequenceStartEvent():
                node = self._collection(event, self._sequence)
            case _:
                node = self._collection(event, self._mapping)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def _alias(self, event: Any) -> Node:
        name, span = event.anchor, self._span(event)
        if name not in self.anchors:
            hint = f'a text that begins with `*` needs quotes: "*{name}"'
            self._problem(f"`*{name}` refers to `&{name}`, which does not stand above it", event, hint=hint)
            return Node(None, span)
        target = self.anchors[name]
        if target is None:
            self._stop(f"`*{name}` stands inside `&{name}`: the value would contain itself", event)
        self.nodes += target.size - 1
        if self.nodes > MOST_NODES:
            self._stop(f"the aliases stand for more than {MOST_NODES:,} values", event, hint="write the values out")
        if len(self.path) + target.height > DEEPEST:
            self._too_deep(event)
        return target._replace(span=span)

    def _scalar(self, event: Any) -> Node:
        text, span = event.value, self._span(event)
        if event.style:
            if not text.isascii() and _SURROGATE.search(text):
                hint = "write the character itself"
                self._problem("a `\\u` escape gives half a character (a UTF-16 surrogate)", event, hint=hint)
                return Node(None, span)
            return Node(text, span, quoted=True)
        try:
            value = resolve(text) if event.tag is None else text
        except ValueError as error:
            self._problem(f"{error} is too long", event, hint="put quotes around it if a text is meant")
            return Node(None, span)
        if isinstance(value, float) and not isfinite(value):
            self._problem("not a finite number", event, expected="a finite number")
            return Node(None, span)
        return Node(value, span)

    def _collection(self, event: Any, read: Callable[[Any], Node]) -> Node:
        if len(self.path) >= DEEPEST:
            self._too_deep(event)
        if event.flow_style:
            self.brackets.append(event.start_mark.index + self.start)
        node = read(event)
        if event.flow_style:
            self.brackets.pop()
        return node

    def _sequence(self, event: Any) -> Node:
        children: dict[str | int, Node] = {}
        while not isinstance(item := self.next_event(), events.SequenceEndEvent):
            self.path.append(len(children))
            children[len(children)] = self._node(item)
            self.path.pop()
        return sequence(children, self._span(event, item))

    def _mapping(self, event: Any) -> Node:
        children: dict[str | int, Node] = {}
        keys: dict[str, Span] = {}
        while not isinstance(item := self.next_event(), events.MappingEndEvent):
            name, span = self._key(item, keys), self._span(item)
            self.path.append(name or "")
            child = self._node(self.next_event())
            self.path.pop()
            if name is not None:
                children[name], keys[name] = child, span
        return mapping(children, keys, self._span(event, item))

    def _key(self, event: Any, keys: dict[str, Span]) -> str | None:
        """The name of a field; None where its value is to be left out."""
        self.path.append("")
        node = self._node(event)
        self.path.pop()
        name = node.value
        if isinstance(name, dict | list):
            self._problem(
                f"a {'mapping' if isinstance(name, dict) else 'list'} cannot be a key", event, expected="a text"
            )
            return None
        if not isinstance(name, str):
            written = node.span.written or "null"
            name = written if len(written) <= 60 else written[:60]
            self._problem(f"the key {name} is not a text", event, hint=f'put quotes around it: "{name}"', field=name)
        if name == "<<" and not event.style:
            hint = "write the fields out, or give the whole section as an alias"
            self._problem("merge keys (`<<`) are not supported", event, hint=hint)
            return None
        if name in keys:
            line = keys[name].place.line
            first = "earlier in the same flag" if line is None else f"on line {line}"
            self._problem(
                f"`{name}` is written twice, first {first}", event, hint="keep the one that is meant", field=name
            )
            return None
        return str(name)

    def _span(self, event: Any, last: Any = None) -> Span:
        return Span(self.source, event.start_mark.index + self.start, (last or event).end_mark.index + self.start)

    def _problem(self, message: str, event: Any, field: str | None = None, **details: Any) -> None:
        path = (*self.path, field) if field is not None else tuple(self.path)
        self.problems.append(Problem(path, message, place=self._span(event).place, **details))

    def _stop(self, message: str, event: Any, hint: str | None = None) -> NoReturn:
        problem = Problem(tuple(self.path), message, hint=hint, place=self._span(event).place)
        raise UnreadableError(problem)

    def _too_deep(self, event: Any) -> NoReturn:
        message = f"more than {DEEPEST} mappings and lists are inside each other here"
        self._stop(message, event, hint="no setting needs that: see whether a bracket is missing")
