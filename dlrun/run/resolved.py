"""resolved.yaml: every field of the spec with its value, written so that it can be read fast and safely."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import yaml

from dlrun.spec.problem import Path, path_text

SECTION = re.compile(r"^(?=[A-Za-z_])", re.MULTILINE)
"""Where a section begins: our own files have nothing else than keys, `- ` and comments at the left margin."""


_DUMPER: Any = type(
    "Dumper",
    (getattr(yaml, "CSafeDumper", yaml.SafeDumper),),
    {"ignore_aliases": lambda self, data: True},
)


def resolved_text(tree: Mapping[str, Any]) -> str:
    """The YAML of a resolved spec: the order of the fields kept, floats exact, no aliases."""
    text: str = yaml.dump(dict(tree), Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=120)
    return text


def parse_resolved(text: str) -> dict[str, Any]:
    """The resolved spec in a text.

    Raises:
        ValueError: if it is not YAML, is no mapping, or has aliases (which can make a small file huge).
    """
    try:
        if "&" in text and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=_loader())):
            raise ValueError("it has an alias, which dlrun never writes")
        tree = yaml.load(text, Loader=_loader())
    except yaml.MarkedYAMLError as error:
        place = f" at line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"it is not YAML: {error.problem or error.context}{place}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"it is not YAML: {error}") from error
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(tree, dict):
        raise ValueError(f"it holds a {type(tree).__name__} where a mapping was expected")
    return tree


def resolved_fields(text: str) -> dict[str, Any]:
    """Every value of the resolved spec in a text by its path, as in `architecture.blocks[0].filters`.

    A list of plain values is one value; so is an empty mapping. A hundred runs mostly have the same sections, so each
    section is parsed once per text of it, which makes this about ten times as fast as parsing whole files.

    Raises:
        ValueError: as `parse_resolved`.
    """
    fields: dict[str, Any] = {}
    for section in SECTION.split(text):
        fields.update(_section_fields(section))
    return fields


@lru_cache(maxsize=4096)
def _section_fields(text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    return dict(_flat((), parse_resolved(text)))


def _flat(path: Path, value: Any) -> list[tuple[str, Any]]:
    match value:
        case dict() if value:
            return [field for key, item in value.items() for field in _flat((*path, str(key)), item)]
        case list() if any(isinstance(item, dict | list) for item in value):
            return [field for index, item in enumerate(value) for field in _flat((*path, index), item)]
        case dict() | list() | str() | int() | float() | None:
            return [(path_text(path), value)]
        case _:  # a date or the like, which only a hand can have written
            return [(path_text(path), str(value))]


def _loader() -> type[yaml.SafeLoader]:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)
