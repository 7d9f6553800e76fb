"""How a mistake is probably mended."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from dlrun.spec.composer import Node
from dlrun.spec.near import LIKELY, likeness, nearest
from dlrun.spec.problem import Path, path_text
from dlrun.spec.scalars import resolve
from dlrun.spec.shape import Schema, Shape

SYNONYMS: Final[dict[str, tuple[str, ...]]] = {
    "activation_function": ("activation",),
    "bs": ("batch_size",),
    "dropout_rate": ("dropout", "rate"),
    "embedding_dim": ("embedding_size",),
    "hidden_size": ("units",),
    "hidden_units": ("units",),
    "lr": ("learning_rate",),
    "max_epochs": ("epochs",),
    "maxlen": ("sequence_length",),
    "n_epochs": ("epochs",),
    "normalize": ("normalise",),
    "num_epochs": ("epochs",),
    "random_state": ("seed",),
    "type": ("kind",),
    "val_split": ("validation",),
    "validation_split": ("validation",),
    "vocab_size": ("vocabulary_size",),
}
"""What other tools call a field that has another name here, and that no field here is called; used only where that
field exists."""

_TRUE: Final = ("yes", "y", "on", "true")
_FALSE: Final = ("no", "n", "off", "false")


@dataclass(frozen=True)
class FieldHint:
    """What an unknown field was probably meant to be.

    Args:
        text: how to mend it.
        rename: the field of the same section that this is a misspelling of.
        meant: the path of another field that is meant.
    """

    text: str | None = None
    rename: str | None = None
    meant: Path | None = None


def field_hint(
    path: Path, section: dict[str, Any], fields: Iterable[str], others: Iterable[str], elsewhere: Iterable[Path]
) -> FieldHint:
    """What an unknown field was probably meant to be.

    Args:
        path: where it stands.
        section: the section that it stands in.
        fields: the fields that the section has.
        others: the kinds of the section that have a field of this name.
        elsewhere: the paths of all fields of the spec.
    """
    name = str(path[-1])
    if ":" in name and section.get(name) is None:
        key, value = name.split(":", 1)
        return FieldHint(f"write a space after the colon: `{key}: {value}`", meant=(*path[:-1], key))
    fields = list(fields)
    near = _same_field(name, fields) or nearest(name, fields)
    if near and (likeness(name, near) >= LIKELY or near in SYNONYMS.get(name, ())):
        if near in section:
            return FieldHint(f"`{near}` is there already: keep one of the two")
        return FieldHint(f"write `{near}`", rename=near)
    if others := list(others):
        return FieldHint(f"it is a field of kind {' and '.join(others)}")
    if meant := _elsewhere(name, elsewhere):
        return FieldHint(f"write it as `{path_text(meant)}`", meant=meant)
    if near and near not in section:
        return FieldHint(f"did you mean `{near}`?")
    return FieldHint()


def _same_field(name: str, fields: list[str]) -> str | None:
    return next((field for field in SYNONYMS.get(name.casefold(), ()) if field in fields), None)


def _elsewhere(name: str, paths: Iterable[Path]) -> Path | None:
    """The field of another section with this name, or else with a synonym; the one that is least deep."""
    names = {name.casefold(), *SYNONYMS.get(name.casefold(), ())} - {"kind", "name"}
    found = [path for path in paths if str(path[-1]) in names]
    return min(found, key=lambda path: (path[-1] != name, len(path))) if found else None


def value_hint(value: Any, node: Node | None, schema: Schema, shape: Shape) -> str | None:
    """How a value that is not accepted is probably meant."""
    types = shape.json_types(schema)
    match value:
        case None:
            optional = schema["type"] == "model-field" and schema["schema"]["type"] == "default"
            return "give a value, or leave the field out" if optional else "give a value"
        case bool():
            return _as_text(value, node, schema, shape)
        case str():
            return _text_hint(value, node, schema, types, shape)
        case int() | float():
            return (
                _number_hint(value, types)
                or _as_text(value, node, schema, shape)
                or _listed(value, node, schema, shape)
            )
        case list():
            return _list_hint(value, types)
        case _:
            return _listed(value, node, schema, shape)


def _as_text(value: Any, node: Node | None, schema: Schema, shape: Shape) -> str | None:
    """That quotes make a text of a value, where any text is taken."""
    if type(value) in shape.json_types(schema) or not _takes_text(schema, shape):
        return None
    written = node.span.written if node else json.dumps(value)
    return f'put quotes around it, so that it is a text: "{written}"'


def _takes_text(schema: Schema, shape: Shape) -> bool:
    schema = shape.stated(schema)
    if schema["type"] == "nullable":
        return _takes_text(schema["schema"], shape)
    if schema["type"] in ("union", "tagged-union"):
        return any(_takes_text(choice, shape) for choice in shape.choices(schema))
    return bool(schema["type"] == "str")


def _number_hint(value: float, types: set[type]) -> str | None:
    if int in types and isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return f"write `{int(value)}`"
    if bool in types and type(value) not in types and value in (0, 1):
        return f"write `{'true' if value else 'false'}`"
    return None


def _listed(value: Any, node: Node | None, schema: Schema, shape: Shape) -> str | None:
    """That a list is expected, where the value could be an item of it."""
    if type(value) in shape.json_types(schema) or type(value) not in shape.item_types(schema):
        return None
    if isinstance(value, dict):
        return "make it a list: put brackets around it, or `- ` before it"
    return f"write it as a list: [{node.span.written if node else json.dumps(value)}]"


def _list_hint(value: list[Any], types: set[type]) -> str | None:
    if list in types or len(value) != 1 or type(value[0]) not in types:
        return None
    if isinstance(value[0], dict):
        return "write the mapping alone, without the `-` or the brackets around it"
    return f"write the value alone: {json.dumps(value[0], ensure_ascii=False)}"


def _text_hint(value: str, node: Node | None, schema: Schema, types: set[type], shape: Shape) -> str | None:
    plain = value.strip()
    number = _number_in(plain) if types & {int, float} else None
    if number is not None:
        if node and node.quoted and number == plain:
            return f"remove the quotes: {number}"
        return _number_hint(float(number), types) or f"write `{number}`"
    unquoted = ", without quotes" if node and node.quoted else ""
    if bool in types and plain.casefold() in _TRUE + _FALSE:
        return f"write `{'true' if plain.casefold() in _TRUE else 'false'}`{unquoted}"
    if plain.casefold() in ("none", "nil", "null"):
        return f"write `null`{unquoted}" if type(None) in types else "leave the field out"
    stated = shape.stated(schema)
    if near := nearest(plain, _literals(stated, shape)):
        return f"write `{near}`"
    if dict in types and re.match(r"[\w.-]+:\S", plain):
        return "write a space after the colon"
    return _listed(value, node, schema, shape)


def _number_in(text: str) -> str | None:
    """The number that a text was meant to be: in quotes, with `_` between digits, with a decimal comma, in percent."""
    for attempt in (text, text.replace("_", ""), text.replace(",", ".")):
        if isinstance(_resolved(attempt), int | float):
            return attempt
    share = _resolved(text.removesuffix("%").strip()) if text.endswith("%") else None
    return f"{share / 100:g}" if isinstance(share, int | float) else None


def _resolved(text: str) -> Any:
    try:
        value = resolve(text)
    except ValueError:
        return None
    return None if isinstance(value, bool) else value


def _literals(schema: Schema, shape: Shape) -> list[str]:
    """The texts that a schema takes word by word."""
    if schema["type"] == "nullable":
        return _literals(shape.stated(schema["schema"]), shape)
    if schema["type"] == "union":
        return [text for choice in shape.choices(schema) for text in _literals(shape.stated(choice), shape)]
    return [value for value in schema.get("expected", ()) if isinstance(value, str)]
