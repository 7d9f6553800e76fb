"""What is expected and what was received, in words."""

from __future__ import annotations

import json
from typing import Any

from dlrun.spec.composer import Node
from dlrun.spec.scalars import resolve
from dlrun.spec.shape import Schema, Shape

LONGEST_QUOTE = 60
"""Characters of a received value that are shown."""


def describe(schema: Schema, shape: Shape) -> str:
    """What a schema takes: "a whole number of at least 1", "one of adam, sgd"."""
    schema = shape.stated(schema)
    match schema["type"]:
        case "nullable":
            words = f"{describe(schema['schema'], shape)}, or null"
        case "bool":
            words = "true or false"
        case "none":
            words = "null"
        case "int" | "float":
            words = _number("a whole number" if schema["type"] == "int" else "a number", schema)
        case "str":
            words = _text("a text", schema)
        case "literal":
            words = one_of(schema["expected"])
        case "list" | "tuple":
            words = _list(schema, shape)
        case "dict":
            values = schema.get("values_schema")
            words = f"a mapping from names to {_plural(values, shape)}" if values else "a mapping"
        case "model-fields":
            words = f"a mapping with {_fields(list(schema['fields']))}"
        case "union" | "tagged-union":
            words = _union(schema, shape)
        case "any":
            words = "any value"
        case _:
            words = "another value"
    return words


def one_of(names: Any) -> str:
    """ "a", "a or b", "one of a, b, c"."""
    shown = [name if isinstance(name, str) and _is_plain(name) else json.dumps(name) for name in names]
    return f"one of {', '.join(shown)}" if len(shown) > 2 else " or ".join(shown)


def _is_plain(text: str) -> bool:
    """Whether YAML reads a text as a text without quotes."""
    return isinstance(resolve(text), str) and text.isprintable()


def _fields(names: list[str]) -> str:
    return f"the field {names[0]}" if len(names) == 1 else f"the fields {', '.join(names)}" if names else "no fields"


def _number(noun: str, schema: Schema) -> str:
    bounds = []
    if "ge" in schema and "le" in schema:
        bounds.append(f"from {schema['ge']:,} to {schema['le']:,}")
    else:
        phrases = {"ge": "of at least", "gt": "above", "le": "of at most", "lt": "below"}
        for bound in ("ge", "gt", "le", "lt"):
            if bound in schema:
                value = schema[bound]
                bounds.append(
                    f"{phrases[bound]} {value:g}" if isinstance(value, float) else f"{phrases[bound]} {value:,}"
                )
    if "multiple_of" in schema:
        bounds.append(f"that {schema['multiple_of']} divides")
    return " ".join((noun, " and ".join(bounds))) if bounds else noun


def _text(noun: str, schema: Schema) -> str:
    if "pattern" in schema:
        pattern = schema["pattern"]
        noun += f" of the form {pattern if isinstance(pattern, str) else pattern.pattern}"
    least, most = schema.get("min_length"), schema.get("max_length")
    if most is not None:
        start = "" if least == most else f"{least} to " if least else "at most "
        return f"{noun} of {start}{most:,} {'character' if most == 1 else 'characters'}"
    if least == 1:
        return f"{noun} that is not empty"
    return noun if least is None else f"{noun} of at least {least} characters"


def _list(schema: Schema, shape: Shape) -> str:
    items = schema.get("items_schema")
    if isinstance(items, list):
        if schema.get("variadic_item_index") is None:
            parts = [describe(item, shape) for item in items]
            if len(set(parts)) == 1:
                return f"a list of {len(parts)} {_plural(items[0], shape)}"
            return f"a list of {len(parts)}: {'; '.join(parts)}"
        items = items[0]
    words = f"a list of {_plural(items, shape)}" if items else "a list"
    least, most = schema.get("min_length"), schema.get("max_length")
    if least and most:
        return f"{words}, {least} to {most} of them"
    if least or most:
        return f"{words}, at {'least' if least else 'most'} {least or most} of them"
    return words


def _plural(schema: Schema, shape: Shape) -> str:
    schema = shape.stated(schema)
    match schema["type"]:
        case "int" | "float":
            return _number("whole numbers" if schema["type"] == "int" else "numbers", schema)
        case "str":
            return _text("texts", schema)
        case "model-fields":
            return "mappings"
        case "tagged-union" if kinds := shape.kinds(schema):
            return f"mappings with `{kinds[0]}`"
        case "literal":
            return f"values, each {describe(schema, shape)}"
        case _:
            return f"items, each {describe(schema, shape)}"


def _union(schema: Schema, shape: Shape) -> str:
    if kinds := shape.kinds(schema):
        return f"a mapping with `{kinds[0]}`: {one_of(kinds[1])}"
    parts: list[str] = []
    for choice in shape.choices(schema):
        words = describe(choice, shape)
        if words not in parts:
            parts.append(words)
    return ", or ".join(parts)


def received(value: Any, node: Node | None = None) -> str:
    """A value as the user wrote it, with its type: `the text "0.1x"`, "the number 5".

    Args:
        value: the value.
        node: its node, for how it is written; without one it is written as JSON.
    """
    written = " ".join(node.span.written.split()) if node else ""
    match value:
        case None:
            return "null" if written else "nothing"
        case bool():
            return written or json.dumps(value)
        case str():
            return f"the text {_shortened(json.dumps(value, ensure_ascii=False))}"
        case int() | float():
            return f"the number {_shortened(written or json.dumps(value))}"
        case list():
            noun = f"a list of {len(value)}" if value else "an empty list"
        case _:
            noun = f"a mapping with {_shortened(_fields(list(value)))}" if value else "an empty mapping"
    if value and isinstance(value, list) and written.startswith("[") and len(written) <= LONGEST_QUOTE:
        return f"the list {written}"
    return noun


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 3]}..."
