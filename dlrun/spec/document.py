"""A spec file as a tree in which every key and value knows where it is written."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from dlrun.errors import SpecError, UsageError
from dlrun.spec.composer import Node, UnreadableError, compose, mapping
from dlrun.spec.near import nearest
from dlrun.spec.overrides import FLAG, apply_override
from dlrun.spec.problem import Path, Problem
from dlrun.spec.source import Place, Source, Span

LARGEST: Final = 1_000_000
"""Bytes."""


@dataclass(frozen=True)
class Document:
    """The text of a spec and what it says.

    Args:
        name: the file as the user typed it.
        path: the file.
        text: its text.
        root: the tree with positions, the overrides in it.
        overrides: the `--set` flags.
        problems: mistakes that leave a tree to go on with (a key written twice, NaN); `diagnostics.validate` tells
            them together with those that it finds.
    """

    name: str
    path: pathlib.Path
    text: str = field(repr=False)
    root: Node = field(repr=False)
    overrides: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def value(self) -> dict[str, Any]:
        """The plain data: mappings, lists and scalars."""
        value: dict[str, Any] = self.root.value
        return value

    def node(self, path: Path) -> Node | None:
        """The node that a path leads to, or None."""
        node: Node | None = self.root
        for part in path:
            node = node.children.get(part) if node else None
        return node

    def place(self, path: Path, at: Literal["value", "key"] = "value") -> Place:
        """Where the value at a path, or its key, is written.

        A path that leads nowhere (a field that is missing) is answered with the place of the nearest section above,
        and at the top with the beginning of the file.
        """
        nodes = [self.root]
        for part in path:
            if part not in nodes[-1].children:
                break
            nodes.append(nodes[-1].children[part])
        found = path[: len(nodes) - 1]
        if not found:
            return Place(self.name, 1)
        key = nodes[-2].keys.get(str(found[-1])) if isinstance(found[-1], str) else None
        value = nodes[-1].span
        wants_key = at == "key" or len(found) < len(path) or not value.written or _is_block(nodes[-1])
        return key.place if key and wants_key else value.place

    def place_of(self, problem: Problem) -> Place:
        """Where a problem stands."""
        return problem.place or self.place(problem.path, problem.at)

    def ordered(self, problems: Iterable[Problem]) -> list[Problem]:
        """Problems in the order of the file, then of the command line; each one once."""
        flags = {f"{FLAG} {flag}": number for number, flag in enumerate(self.overrides, start=1)}

        def position(problem: Problem) -> tuple[int, int, int]:
            place = self.place_of(problem)
            return flags.get(place.text, 0) if place.line is None else 0, place.line or 0, place.column

        return sorted(dict.fromkeys(problems), key=position)


def _is_block(node: Node) -> bool:
    """Whether a mapping or list goes over several lines, so that no caret can be under all of it."""
    return isinstance(node.value, dict | list) and "\n" in node.span.written


def read_document(path: pathlib.Path, overrides: Sequence[str] = ()) -> Document:
    """Reads a spec file and sets what `--set` flags give.

    Raises:
        UsageError: there is no file to read.
        SpecError: the text gives no tree. Lesser mistakes are collected in the document's `problems`.
    """
    return parse_document(_read(path), path, overrides)


def parse_document(content: bytes | str, path: pathlib.Path, overrides: Sequence[str] = ()) -> Document:
    """The document of a text that is already there; `path` names it."""
    name = str(path)
    text = ""
    problems: list[Problem] = []
    try:
        text = content if isinstance(content, str) else _decode(content, name)
        source = Source(name, text)
        found, problems = compose(source)
        root = _top(found, source)
    except UnreadableError as error:
        empty = mapping({}, {}, Span(Source(name, text), 0, 0))
        document = Document(name, path, text, empty, tuple(overrides))
        raise SpecError(document, [*problems, error.problem]) from None
    for flag in overrides:
        root, more = apply_override(root, flag)
        problems.extend(more)
    return Document(name, path, text, root, tuple(overrides), tuple(problems))


def _top(root: Node | None, source: Source) -> Node:
    """The root, if it is a mapping."""
    if root is not None and isinstance(root.value, dict):
        return root
    message, hint, place = "the file is empty", "`dlrun init` writes a spec to start from", Place(source.name, 1)
    if root is not None:
        is_list = isinstance(root.value, list)
        message, place = f"the file holds {'a list' if is_list else 'a single value'}", root.span.place
        hint = (
            "remove the `-` or the brackets around it"
            if is_list
            else "write `name: value`, with a space after the colon"
        )
    expected = "a mapping, such as `name: my_run`, with the sections of a spec"
    raise UnreadableError(Problem((), message, expected, hint=hint, place=place))


def _read(path: pathlib.Path) -> bytes:
    try:
        if path.is_dir():
            raise _folder(path)
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except FileNotFoundError:
        raise _missing(path) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{path} cannot be read: {reason}") from None


def _missing(path: pathlib.Path) -> UsageError:
    folder = path.parent
    if not folder.is_dir():
        return UsageError(f"{path} does not exist: there is no folder {folder}")
    names: list[str] = []
    with contextlib.suppress(OSError):  # a folder may be entered and yet not be listed
        names = sorted(entry.name for entry in folder.iterdir() if entry.suffix in (".yaml", ".yml"))
    files = {pathlib.Path(name).stem: name for name in names}  # the ending is what all of them have in common
    near = nearest(path.stem, files)
    hint = f"did you mean {folder / files[near]}?" if near else "`dlrun init` writes a spec to start from"
    return UsageError(f"{path} does not exist", hint=hint)


def _folder(path: pathlib.Path) -> UsageError:
    if (path / "resolved.yaml").is_file():
        return UsageError(f"{path} is the folder of a run", hint=f"its spec is {path / 'resolved.yaml'}")
    names = sorted(str(entry) for pattern in ("*.yaml", "*.yml") for entry in path.glob(pattern))
    hint = None
    if names:
        hint = f"name one of the specs in it: {', '.join(names[:5])}{', …' if len(names) > 5 else ''}"
    return UsageError(f"{path} is a folder, not a spec file", hint=hint)


def _decode(content: bytes, name: str) -> str:
    """The text of a file, its byte order mark left out."""
    if len(content) > LARGEST:
        message = f"the file is larger than {LARGEST // 1_000_000} MB"
        hint = "a spec holds settings, not data: name the right file"
        raise UnreadableError(Problem((), message, hint=hint, place=Place(name, None)))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"byte {error.start + 1} (0x{content[error.start]:02x}, on line {line}) is not UTF-8"
        guess = "UTF-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else _likely_latin(content)
        received = f"what looks like {guess or 'a binary file'}"
        hint = "save the file as UTF-8" if guess else "name a YAML file"
        raise UnreadableError(
            Problem((), message, "a text in UTF-8", received, hint, place=Place(name, None))
        ) from None


def _likely_latin(content: bytes) -> str | None:
    """Text in Latin-1 has bytes above 0x9f for its letters and no control characters."""
    control = any(byte < 0x20 and byte not in b"\t\n\r\f" for byte in content)
    return None if control else "Latin-1 or Windows-1252"
