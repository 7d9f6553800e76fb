"""The shape that a Spec class gives to the tree, walked alongside it.

Pydantic's core schema (https://docs.pydantic.dev/latest/internals/architecture/) is what validation itself goes by,
so the place of an error can be followed in it exactly: which part of the place is a key, which an index, which the tag
of a union that stands nowhere in the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from dlrun.spec.base import Spec
from dlrun.spec.problem import Path

Schema = dict[str, Any]
Labels = dict[tuple[str | int, ...], dict[str | int, int]]

_WRAPPERS: Final = {
    "default": "schema",
    "definitions": "schema",
    "function-before": "schema",
    "function-after": "schema",
    "function-wrap": "schema",
    "json-or-python": "json_schema",
    "lax-or-strict": "strict_schema",
    "model": "schema",
    "model-field": "schema",
    "nullable": "schema",
}
_JSON_TYPES: Final[dict[str, set[type]]] = {
    "any": {str, int, float, bool, type(None), list, dict},
    "bool": {bool},
    "dict": {dict},
    "float": {int, float},
    "int": {int},
    "list": {list},
    "model-fields": {dict},
    "none": {type(None)},
    "str": {str},
    "tuple": {list},
}


class Choice(NamedTuple):
    """One choice of a union whose choices have no kinds (`int | str`)."""

    path: Path
    union: Schema
    number: int


@dataclass(frozen=True)
class Spot:
    """Where following a place through the shape has led to.

    Args:
        path: the keys and indexes on the way; tags and labels of unions left out.
        schema: what is expected there; None behind an unknown field.
        union: where the path ends in a field of one of several kinds, the union of these.
        choice: where the outermost union without kinds was met, and which of its choices was followed.
    """

    path: Path
    schema: Schema | None
    union: Schema | None = None
    choice: Choice | None = None


class Shape:
    """The shape of a Spec class."""

    def __init__(self, model: type[Spec]) -> None:
        model.model_rebuild()
        core: Any = model.__pydantic_core_schema__
        self.definitions: dict[str, Schema] = {entry["ref"]: entry for entry in core.get("definitions", ())}
        self.root: Schema = core

    def bare(self, schema: Schema) -> Schema:
        """A schema without what is wrapped around it: defaults, validator functions, null."""
        while True:
            if schema["type"] == "definition-ref":
                schema = self.definitions[schema["schema_ref"]]
            elif schema["type"] in _WRAPPERS:
                schema = schema[_WRAPPERS[schema["type"]]]
            else:
                return schema

    def stated(self, schema: Schema) -> Schema:
        """What a file may state: as `bare`, but a shorthand is still there, as a union with what it stands for."""
        while True:
            if schema.get("json_schema_input_schema"):
                schema = schema["json_schema_input_schema"]
            elif schema["type"] == "definition-ref":
                schema = self.definitions[schema["schema_ref"]]
            elif schema["type"] in _WRAPPERS and schema["type"] != "nullable":
                schema = schema[_WRAPPERS[schema["type"]]]
            else:
                return schema

    def choices(self, schema: Schema) -> list[Schema]:
        """The choices of a union, tagged or not."""
        choices = schema["choices"]
        listed = choices.values() if isinstance(choices, dict) else choices
        return [choice[0] if isinstance(choice, tuple) else choice for choice in listed]

    def fields(self, schema: Schema | None) -> dict[str, Schema]:
        """The fields of a section by name; none where the schema is no section."""
        bare = self.bare(schema) if schema else None
        fields: dict[str, Schema] = bare["fields"] if bare and bare["type"] == "model-fields" else {}
        return fields

    def kinds(self, schema: Schema | None) -> tuple[str, dict[str, Schema]] | None:
        """The discriminator ("kind") and the sections by kind; None where the schema is no union of kinds."""
        bare = self.bare(schema) if schema else None
        if not bare or bare["type"] != "tagged-union" or not isinstance(bare["discriminator"], str):
            return None
        choices: dict[str, Schema] = bare["choices"]
        return bare["discriminator"], choices

    def json_types(self, schema: Schema) -> set[type]:
        """The types of plain data that may be stated for a schema."""
        schema = self.stated(schema)
        if schema["type"] == "nullable":
            return {type(None)} | self.json_types(schema["schema"])
        if schema["type"] in ("union", "tagged-union"):
            return set().union(*(self.json_types(choice) for choice in self.choices(schema)))
        if schema["type"] == "literal":
            return {type(value) for value in schema["expected"]}
        return _JSON_TYPES.get(schema["type"], {str})

    def item_types(self, schema: Schema) -> set[type]:
        """The types of plain data that may be items where a list of any length may be stated."""
        schema = self.stated(schema)
        if schema["type"] == "nullable":
            return self.item_types(schema["schema"])
        if schema["type"] in ("union", "tagged-union"):
            return set().union(*(self.item_types(choice) for choice in self.choices(schema)))
        items = schema.get("items_schema")
        if isinstance(items, list):
            items = None if schema.get("variadic_item_index") is None else items[0]
        return self.json_types(items) if items else set()

    def follow(self, place: Sequence[str | int], labels: Labels) -> Spot:
        """Follows the place (`loc`) of an error.

        Args:
            place: the error's.
            labels: for every beginning of a place, what follows it in the errors and the order of that: pydantic names
                the choices of a union without kinds by labels of its own, which only their order tells apart.
        """
        path: list[str | int] = []
        schema: Schema | None = self.root
        entered: Schema | None = None  # the union of kinds whose section is entered, but none of its fields yet
        union: Schema | None = None
        choice: Choice | None = None
        for index, part in enumerate(place):
            bare = self.bare(schema) if schema else None
            if part == "[key]":
                schema = bare
            elif bare and bare["type"] == "tagged-union":
                entered, schema = bare, bare["choices"].get(part)
            elif bare and schema and bare["type"] == "union":
                seen, choices = labels[tuple(place[:index])], self.choices(bare)
                choice = choice or Choice(tuple(path), schema, seen[part])
                schema = choices[seen[part]] if len(seen) == len(choices) else None
            else:
                path.append(part)
                union, entered = entered, None
                schema = self._inside(bare, part) if bare else None
        return Spot(tuple(path), schema, union, choice)

    def _inside(self, schema: Schema, part: str | int) -> Schema | None:
        """The schema of a field, entry or item."""
        inside: Schema | None = None
        match schema["type"]:
            case "model-fields":
                inside = schema["fields"].get(part)
            case "dict":
                inside = schema.get("values_schema")
            case "list":
                inside = schema.get("items_schema")
            case "tuple":
                items = schema["items_schema"]
                variadic = schema.get("variadic_item_index")
                at = part if variadic is None or not isinstance(part, int) else min(part, variadic)
                inside = items[at] if isinstance(at, int) and at < len(items) else None
        return inside

    def all_fields(self, value: Any, schema: Schema | None = None, path: Path = ()) -> Iterator[Path]:
        """The paths of all fields that the tree `value` has or could have, the shallow ones of a section first."""
        bare = self.bare(schema or self.root)
        inside = value if isinstance(value, dict) else {}
        if len(path) > 6:
            return
        if bare["type"] == "model-fields":
            for name in bare["fields"]:
                yield (*path, name)
            for name, field in bare["fields"].items():
                yield from self.all_fields(inside.get(name), field, (*path, name))
        elif bare["type"] == "tagged-union":
            kinds = self.kinds(bare)
            stated = inside.get(kinds[0]) if kinds else None
            chosen = bare["choices"].get(stated) if isinstance(stated, str) else None
            for choice in [chosen] if chosen else self.choices(bare):
                yield from self.all_fields(value, choice, path)
        elif bare["type"] in ("list", "tuple"):
            items = bare["items_schema"]
            first = value[0] if isinstance(value, list) and value else None
            for item in (items if isinstance(items, list) else [items])[:1]:
                yield from self.all_fields(first, item, (*path, 0))
