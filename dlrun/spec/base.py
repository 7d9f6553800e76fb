"""The base of every section of the spec: closed, frozen and strict."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import textwrap
from collections.abc import Callable
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Spec(BaseModel):
    """One section or entry of the spec.

    A subclass holds the fields, what they mean and the method that makes the real thing of them (`build`, `load`,
    `fit`). The string under a field is its documentation and its description in the JSON Schema.

    Strict: a text is never taken for a number, nor `yes` for true. Closed: an unknown key is an error. Frozen: what
    was validated stays so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, tree: Any) -> Self:
        """Validates plain data (mappings, lists, scalars) as it comes from YAML or JSON.

        It goes through JSON since strict validation of JSON takes a list where a tuple is declared, as a spec file
        must, and of Python values does not.

        Raises:
            pydantic.ValidationError: with every mistake in it at once.
        """
        return cls.model_validate_json(json.dumps(tree))

    def tree(self) -> dict[str, Any]:
        """The plain data that `parse` takes, every default filled in."""
        return self.model_dump(mode="json")

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core_schema))
        descriptions = field_descriptions(cls)
        for field, entry in schema.get("properties", {}).items():
            if field in descriptions:
                entry["description"] = descriptions[field]
        return schema


def with_kind(default: str) -> Callable[[Any], Any]:
    """A validator to stand before a union, that names the kind of a section which does not.

    What follows a validator in Python is validated as Python, where strict means that a list is no tuple: so lists
    become tuples here.
    """

    def named(section: Any) -> Any:
        if isinstance(section, dict) and "kind" not in section:
            section = {"kind": default, **section}
        return tuples(section)

    return named


def tuples(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: tuples(value) for key, value in tree.items()}
    return tuple(tuples(value) for value in tree) if isinstance(tree, list) else tree


def field_descriptions(cls: type[Spec]) -> dict[str, str]:
    """The strings under the fields of a class and of its parents, by field name.

    Pydantic can do this when a class is made (`use_attribute_docstrings`), but that reads and parses the source of
    every class at each start; the JSON Schema and the templates alone need it.
    """
    descriptions: dict[str, str] = {}
    for parent in reversed(cls.__mro__):
        if not (issubclass(parent, Spec) and parent is not Spec):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(parent))).body[0].body  # type: ignore[attr-defined]
        for statement, following in itertools.pairwise(body):
            match statement, following:
                case ast.AnnAssign(target=ast.Name(id=field)), ast.Expr(value=ast.Constant(value=str(text))):
                    descriptions[field] = " ".join(text.split())
    return descriptions
