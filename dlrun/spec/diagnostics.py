"""Turns what pydantic finds wrong into problems for a person: all of them, each one once, where it is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

from dlrun.errors import SpecError
from dlrun.spec.base import Spec
from dlrun.spec.document import Document
from dlrun.spec.hints import FieldHint, field_hint, value_hint
from dlrun.spec.near import LIKELY, nearest
from dlrun.spec.problem import Path, Problem
from dlrun.spec.render import render, render_all
from dlrun.spec.repair import Repair, repaired
from dlrun.spec.shape import Choice, Labels, Schema, Shape, Spot
from dlrun.spec.words import describe, one_of, received

__all__ = ["problems_of", "render", "render_all", "validate"]

MOST_HINTS: Final = 100
"""Unknown fields for which near names are looked for."""

_AGAIN: Final = 20
"""How often a tree is mended and validated again, at most."""

_MESSAGES: Final = {
    "enum": "unknown value",
    "finite_number": "not a finite number",
    "greater_than": "too small",
    "greater_than_equal": "too small",
    "less_than": "too large",
    "less_than_equal": "too large",
    "literal_error": "unknown value",
    "multiple_of": "not a multiple",
    "string_pattern_mismatch": "not of the right form",
    "string_too_long": "too long",
    "string_too_short": "too short",
    "too_long": "too many items",
    "too_short": "too few items",
}
_MISSING: Final = "missing field"
_OWN_WORDS: Final = ("value_error", "assertion_error")

S = TypeVar("S", bound=Spec)


def validate(document: Document, model: type[S]) -> S:
    """The spec that a document states.

    Raises:
        SpecError: with every mistake, those of the YAML included, in the order of the file.
    """
    try:
        spec = model.parse(document.value)
    except ValidationError as error:
        raise SpecError(document, problems_of(error, document, model)) from None
    if document.problems:
        raise SpecError(document, document.ordered(document.problems))
    return spec


def problems_of(error: ValidationError, document: Document, model: type[Spec]) -> list[Problem]:
    """What is wrong with a document, the mistakes of its YAML included, in the order of the file.

    Where a field or a kind is clearly misspelt, the tree is mended and validated again: so what stands inside it is
    checked too, and the field that it was meant to be is not missed.

    Args:
        error: what `model.parse(document.value)` raised.
        document: the document.
        model: the class that it is validated against.
    """
    shape = Shape(model)
    reading = _Reading(document, shape, document.value, {})
    problems: list[Problem] = []
    for _ in range(_AGAIN):
        findings = list(reading.findings(error))
        problems.extend(finding.problem for finding in findings if finding.repair)
        if not any(finding.repair for finding in findings):
            problems.extend(finding.problem for finding in findings)
            break
        reading = reading.mended([finding.repair for finding in findings if finding.repair])
        try:
            model.parse(reading.tree)
        except ValidationError as later:
            error = later
        else:
            break
    own = [problem for problem in problems if not _follows(problem, document)]
    return document.ordered([*document.problems, *own])


def _follows(problem: Problem, document: Document) -> bool:
    """Whether a problem only follows from one of the YAML, such as a NaN that has been taken out of the tree."""
    for earlier in document.problems:
        is_missing = problem.message == _MISSING and problem.path[:-1] == earlier.path
        node = document.node(earlier.path)
        if earlier.path and (is_missing or (problem.path == earlier.path and node is not None and node.value is None)):
            return True
    return False


@dataclass(frozen=True)
class _Finding:
    problem: Problem
    repair: Repair | None = None
    meant: Path | None = None


@dataclass(frozen=True)
class _Reading:
    """A tree that is being judged: the document's, some of its names mended.

    Args:
        document: the document.
        shape: the shape that the tree should have.
        tree: the tree.
        renamed: the names of the document for those that were mended, by their path in the tree.
    """

    document: Document
    shape: Shape
    tree: Any
    renamed: dict[Path, str]

    def findings(self, error: ValidationError) -> Iterator[_Finding]:
        """What is wrong with the tree."""
        errors = error.errors(include_url=False)
        labels: Labels = {}
        for entry in errors:
            for index, part in enumerate(entry["loc"]):
                following = labels.setdefault(entry["loc"][:index], {})
                following.setdefault(part, len(following))
        spots = [self.shape.follow(entry["loc"], labels) for entry in errors]
        findings: list[_Finding] = []
        for entry, spot in zip(errors, spots, strict=True):
            if self._is_miscounted(entry, spot):
                continue
            if spot.choice is None:
                findings.append(self._finding(entry, spot, hints=len(findings) < MOST_HINTS))
            elif chosen := self._chosen(entry, spot, spot.choice):
                findings.append(chosen)
        meant = {finding.meant for finding in findings}
        for finding in findings:
            if finding.problem.message != _MISSING or finding.problem.path not in meant:
                yield finding

    def _is_miscounted(self, entry: ErrorDetails, spot: Spot) -> bool:
        """Whether a list is only too short since pydantic does not count the items that are wrong."""
        value = self.value(spot.path, entry)
        return entry["type"] == "too_short" and isinstance(value, list) and len(value) >= entry["ctx"]["min_length"]

    def _chosen(self, entry: ErrorDetails, spot: Spot, choice: Choice) -> _Finding | None:
        """An error in one choice of a union without kinds, if that is the one which the value was meant for.

        The type of the value tells. Where that leaves it open the first one speaks for all.
        """
        value = self.value(choice.path, entry)
        choices = self.shape.choices(self.shape.bare(choice.union))
        fitting = [number for number, each in enumerate(choices) if type(value) in self.shape.json_types(each)]
        if choice.number != (fitting[0] if fitting else 0):
            return None
        if len(fitting) == 1 and isinstance(value, dict | list):
            return self._finding(entry, spot, hints=True)
        return _Finding(self._wrong_value(entry["type"] if fitting else "type", value, Spot(choice.path, choice.union)))

    def _finding(self, entry: ErrorDetails, spot: Spot, hints: bool) -> _Finding:
        match entry["type"]:
            case "extra_forbidden":
                return self._unknown_field(entry["loc"], spot, hints)
            case "missing" if isinstance(entry["loc"][-1], str):
                expected = describe(spot.schema, self.shape) if spot.schema else None
                return _Finding(Problem(self.original(spot.path), _MISSING, expected))
            case "missing":  # of a list with as many items as its shape says
                shorter = self.shape.follow(entry["loc"][:-1], {})
                return _Finding(self._wrong_value("too_short", self.value(shorter.path), shorter))
            case "union_tag_invalid" | "union_tag_not_found" if kinds := self.shape.kinds(spot.schema):
                return self._wrong_kind(spot.path, *kinds)
        value = self.value(spot.path, entry)
        if entry["type"] in _OWN_WORDS or entry["type"] not in get_args(ErrorType):
            message = str(entry.get("ctx", {}).get("error", entry["msg"]))
            return _Finding(Problem(self.written(spot.path), message, received=self._received(spot.path, value)))
        problem = self._wrong_value(entry["type"], value, spot)
        kinds = self.shape.kinds(spot.schema)
        if kinds and isinstance(value, str) and value in kinds[1]:
            *section, name = spot.path
            repair = Repair(tuple(section), str(name), value={kinds[0]: value}) if isinstance(name, str) else None
            return _Finding(replace(problem, hint=f"write `{{{kinds[0]}: {value}}}`"), repair)
        return _Finding(problem)

    def _wrong_value(self, error_type: str, value: Any, spot: Spot) -> Problem:
        message = _MESSAGES.get(
            error_type, "wrong type" if "type" in error_type or "union" in error_type else "not valid"
        )
        if value is None:
            message = "there is no value"
        expected = hint = None
        if spot.schema:
            expected = describe(spot.schema, self.shape)
            hint = value_hint(value, self.document.node(self.written(spot.path)), spot.schema, self.shape)
        return Problem(self.written(spot.path), message, expected, self._received(spot.path, value), hint)

    def _unknown_field(self, place: tuple[str | int, ...], spot: Spot, hints: bool) -> _Finding:
        *section, name = spot.path
        parent = self.shape.follow(place[:-1], {})
        fields = list(self.shape.fields(parent.schema))
        stated = self.value(tuple(section))
        stated = stated if isinstance(stated, dict) else {}
        hint = FieldHint()
        if hints:
            hint = field_hint(spot.path, stated, fields, self._other_kinds(spot.union, str(name)),
                              self.shape.all_fields(self.tree))  # fmt: skip
        expected = f"{'one of ' if len(fields) > 1 else ''}{', '.join(fields)}" if fields else "no field"
        problem = Problem(self.original(spot.path), "unknown field", expected, hint=hint.text, at="key")
        repair = Repair(tuple(section), hint.rename, old=str(name)) if hint.rename else None
        return _Finding(problem, repair, hint.meant)

    def _other_kinds(self, union: Schema | None, field: str) -> list[str]:
        """The kinds of a union that have a field of this name."""
        kinds = self.shape.kinds(union)
        return [kind for kind, section in kinds[1].items() if field in self.shape.fields(section)] if kinds else []

    def _wrong_kind(self, path: Path, key: str, kinds: dict[str, Schema]) -> _Finding:
        section = self.value(path)
        section = section if isinstance(section, dict) else {}
        stated = section.get(key)
        expected = one_of(kinds)
        if key in section:
            near = nearest(stated, kinds) if isinstance(stated, str) else None
            problem = Problem(
                self.original((*path, key)), f"unknown {key}" if isinstance(stated, str) else "wrong type", expected,
                self._received((*path, key), stated), f"write `{near}`" if near else None,
            )  # fmt: skip
            return _Finding(problem, Repair(path, key, value=near) if near else None)
        if misspelt := self._misspelt_kind(section, key, kinds):
            problem = Problem(self.original((*path, misspelt)), "unknown field", key, hint=f"write `{key}`", at="key")
            return _Finding(problem, Repair(path, key, old=misspelt))
        fitting = [kind for kind, shape in kinds.items() if section and set(section) <= set(self.shape.fields(shape))]
        problem = Problem(self.original((*path, key)), _MISSING, expected)
        if len(fitting) != 1:
            return _Finding(problem)
        hint = f"write `{key}: {fitting[0]}`, the one that has {' and '.join(list(section)[:3])}"
        return _Finding(replace(problem, hint=hint), Repair(path, key, value=fitting[0]))

    def _misspelt_kind(self, section: dict[str, Any], key: str, kinds: dict[str, Schema]) -> str | None:
        """The key whose value is a kind, or whose name is nearly that of the discriminator."""
        known = {field for kind in kinds.values() for field in self.shape.fields(kind)}
        for name, value in section.items():
            if name not in known and isinstance(value, str) and (value in kinds or nearest(name, [key], LIKELY)):
                return name
        return None

    def value(self, path: Path, entry: ErrorDetails | None = None) -> Any:
        """The value at a path of the tree; what pydantic saw where a shorthand has been written out."""
        value = self.tree
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return entry["input"] if entry else None
        return value

    def original(self, path: Path) -> Path:
        """A path of the tree as the document has it."""
        return tuple(self.renamed.get(path[: index + 1], part) for index, part in enumerate(path))

    def written(self, path: Path) -> Path:
        """As `original`, but no deeper than a single value of the document: a shorthand has no fields."""
        whole = self.original(path)
        for length in range(len(whole)):
            node = self.document.node(whole[:length])
            if node is not None and not isinstance(node.value, dict | list):
                return whole[:length]
        return whole

    def _received(self, path: Path, value: Any) -> str:
        node = self.document.node(self.written(path))
        return received(value, node if node and node.value == value else None)

    def mended(self, repairs: list[Repair]) -> _Reading:
        """The reading that goes on with a mended tree."""
        tree, renamed = self.tree, dict(self.renamed)
        for repair in repairs:
            tree = repaired(tree, repair)
            if repair.old is not None:
                renamed[(*repair.section, repair.new)] = renamed.get((*repair.section, repair.old), repair.old)
        return replace(self, tree=tree, renamed=renamed)
