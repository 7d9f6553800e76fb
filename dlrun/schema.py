"""`dlrun schema`: the JSON Schema of the spec, for editors."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from dlrun.errors import RunError, UsageError
from dlrun.experiment import Experiment
from dlrun.run.files import write_text

DIALECT = "http://json-schema.org/draft-07/schema#"
"""What VS Code's YAML extension reads."""


def schema() -> dict[str, Any]:
    """The JSON Schema of a spec file, with a description for every field."""
    found = plain(Experiment.model_json_schema(mode="validation"))
    return {"$schema": DIALECT, "title": "dlrun spec", **found}


@cache
def schema_text() -> str:
    """The same as text."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def write_schema(path: Path) -> None:
    """Writes the schema to a file, over an older one of ours only.

    Raises:
        UsageError: the file is something else, or cannot be written.
    """
    try:
        if path.exists() and "dlrun spec" not in path.read_text(encoding="utf-8")[:200]:
            raise UsageError(f"{path} exists and is no schema of dlrun's", hint="name another file with -o")
        write_text(path, schema_text())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be written: {error}") from None
    except RunError as error:
        raise UsageError(error.message) from None


def plain(schema: Any) -> Any:
    """The same schema in the words of draft 7, without the titles that pydantic makes of names.

    OpenAPI's `discriminator` goes; `prefixItems` becomes `items`; a `$ref` that has something beside it moves into
    `allOf`, since draft 7 ignores what stands beside a `$ref`.
    """
    if isinstance(schema, list):
        return [plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {
        key: {name: plain(each) for name, each in value.items()} if key in ("properties", "$defs") else plain(value)
        for key, value in schema.items()
        if key != "discriminator" and not (key == "title" and isinstance(value, str))
    }
    if "prefixItems" in result:
        result["items"] = result.pop("prefixItems")
    if "$ref" in result and len(result) > 1:
        result["allOf"] = [{"$ref": result.pop("$ref")}]
    return result
