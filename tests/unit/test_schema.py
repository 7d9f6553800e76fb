"""The JSON Schema of a spec, as an editor reads it."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dlrun.errors import UsageError
from dlrun.experiment import Experiment
from dlrun.init import TEMPLATES
from dlrun.schema import schema, schema_text, write_schema
from dlrun.spec.document import read_document

ROOT = Path(__file__).parents[2]
SPECS = sorted([*(ROOT / "configs").rglob("*.yaml"), *(ROOT / "dlrun" / "templates").glob("*.yaml")])


def mistakes(tree: Any) -> list[str]:
    return [error.message for error in validator().iter_errors(tree)]


@functools.cache
def validator() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(schema())


def test_it_is_draft_7() -> None:
    assert schema()["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(schema())
    assert json.loads(schema_text()) == schema()


def objects(entry: Any) -> Iterator[dict[str, Any]]:
    """Every section of a schema: whatever has properties."""
    if isinstance(entry, dict):
        if "properties" in entry:
            yield entry
        for each in entry.values():
            yield from objects(each)
    elif isinstance(entry, list):
        for each in entry:
            yield from objects(each)


def test_every_field_of_every_section_is_described_and_no_other_is_allowed() -> None:
    found = list(objects(schema()))
    assert len(found) > 30
    assert set(schema()["properties"]) == set(Experiment.model_fields)
    for section in found:
        assert section["additionalProperties"] is False
        for field, entry in section["properties"].items():
            assert len(entry.get("description", "")) > 3, (field, section)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.parent.name}/{spec.stem}")
def test_every_spec_of_ours_fits(spec: Path, tmp_path: Path) -> None:
    text = spec.read_text(encoding="utf-8").replace("{name}", "mine").replace("{file}", "mine.yaml")
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    assert mistakes(read_document(tmp_path / "mine.yaml").value) == []


def test_there_is_a_spec_for_each_template() -> None:
    assert {spec.stem for spec in SPECS if spec.parent.name == "templates"} == set(TEMPLATES.values())


@pytest.mark.parametrize(
    "path", [("trainin",), ("training", "epoch"), ("data", "features", "image", "rescal"), ("architecture", "block")]
)
def test_a_misspelt_key_does_not_fit(path: tuple[str, ...]) -> None:
    right = read_document(ROOT / "configs" / "cnn_mnist.yaml").value
    wrong = copy.deepcopy(right)
    section = wrong
    for part in path[:-1]:
        section = section[part]
    section[path[-1]] = 1
    assert not mistakes(right)
    assert mistakes(wrong)


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("training", "epochs", 0),
        ("training", "epochs", "3"),
        ("training", "shuffle", 1),
        ("optimizer", "kind", "adamm"),
        ("regularization", "dropout", 1),
    ],
)
def test_a_wrong_value_does_not_fit(section: str, field: str, value: object) -> None:
    wrong = copy.deepcopy(read_document(ROOT / "configs" / "cnn_mnist.yaml").value)
    wrong[section][field] = value
    assert mistakes(wrong)


def test_the_shorthands_fit() -> None:
    tree = copy.deepcopy(read_document(ROOT / "configs" / "cnn_mnist.yaml").value)
    tree["architecture"] |= {"dense": [64, {"units": 32}], "blocks": [{"filters": 8, "kernel_size": [3, 5]}]}
    assert not mistakes(tree)
    tree["architecture"]["blocks"] = [{"filters": 8, "kernel_size": [3, 5, 7]}]
    assert mistakes(tree)


def test_it_replaces_only_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "dlrun.schema.json"
    write_schema(path)
    write_schema(path)
    assert path.read_text(encoding="utf-8") == schema_text()
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="no schema of dlrun's"):
        write_schema(path)
    assert path.read_text(encoding="utf-8") == "mine"
    with pytest.raises(UsageError, match="cannot be written"):
        write_schema(tmp_path / "nowhere" / "schema.json")
