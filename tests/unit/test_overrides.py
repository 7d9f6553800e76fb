"""`--set`: what is set, what is made on the way, and how mistakes in it are told."""

from __future__ import annotations

import contextlib
import json
import pathlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlrun.errors import SpecError
from dlrun.spec.document import Document, parse_document
from dlrun.spec.problem import Path

TEXT = """\
training: {epochs: 5}
architecture:
  blocks:
    - {filters: 32}
  dense:
"""


def parse(*flags: str) -> Document:
    return parse_document(TEXT, pathlib.Path("mine.yaml"), flags)


def at(document: Document, path: Path) -> Any:
    value: Any = document.value
    for part in path:
        value = value[part]
    return value


@pytest.mark.parametrize(
    ("flag", "path", "value"),
    [
        ("training.epochs=7", ("training", "epochs"), 7),
        ("training.rate=1e-3", ("training", "rate"), 0.001),
        ("training.rate= yes ", ("training", "rate"), "yes"),
        ("training.rate='5'", ("training", "rate"), "5"),
        ("training.rate=null", ("training", "rate"), None),
        ("training.rate=~", ("training", "rate"), None),
        ("training.rate=''", ("training", "rate"), ""),
        ("training.rate=a=b", ("training", "rate"), "a=b"),
        ("training.rate=C:\\data", ("training", "rate"), "C:\\data"),
        ("units=[64, 32]", ("units",), [64, 32]),
        ("optimizer={kind: sgd, rate: .1}", ("optimizer",), {"kind": "sgd", "rate": 0.1}),
        ("optimizer.schedule.kind=cosine", ("optimizer", "schedule"), {"kind": "cosine"}),
        ("architecture.blocks[0].filters=64", ("architecture", "blocks"), [{"filters": 64}]),
        ("architecture.blocks[1].filters=64", ("architecture", "blocks"), [{"filters": 32}, {"filters": 64}]),
        ("architecture.dense[0]=8", ("architecture", "dense"), [8]),
        ("architecture.dense.units=8", ("architecture", "dense"), {"units": 8}),
        ('data.features."a.b c"=1', ("data", "features"), {"a.b c": 1}),
        ("data.features.'a=b'[0][0]=1", ("data", "features"), {"a=b": [[1]]}),
        ("data.weights.5=1", ("data", "weights"), {"5": 1}),
        ("größe=1", ("größe",), 1),
    ],
)
def test_what_is_set_is_there(flag: str, path: Path, value: Any) -> None:
    document = parse(flag)
    assert document.problems == ()
    assert at(document, path) == value
    assert at(document, ("training", "epochs")) == (7 if "epochs" in flag else 5)


def test_the_last_of_two_wins_and_the_kind_keeps_the_other_fields() -> None:
    document = parse("training.epochs=6", "training.epochs=7", "training.kind=other")
    assert document.value["training"] == {"epochs": 7, "kind": "other"}


def test_places_lead_to_the_flag() -> None:
    document = parse("training.epochs=70", "optimizer.schedule.kind=cosine", "architecture.blocks[0]={n: [1, 2]}")
    for path, where, column, length, text in (
        (("training", "epochs"), "value", 23, 2, "--set training.epochs=70"),
        (("training", "epochs"), "key", 16, 6, "--set training.epochs=70"),
        (("optimizer", "schedule", "kind"), "key", 26, 4, "--set optimizer.schedule.kind=cosine"),
        (("optimizer", "schedule", "steps"), "value", 17, 8, "--set optimizer.schedule.kind=cosine"),
        (("architecture", "blocks", 0, "n", 1), "value", 38, 1, "--set architecture.blocks[0]={n: [1, 2]}"),
    ):
        place = document.place(path, where)  # type: ignore[arg-type]
        assert (str(place), place.column, place.length, place.text) == ("--set", column, length, text)
    assert str(document.place(("training",), "key")) == "mine.yaml:1:1"
    assert str(document.place(("training", "missing"))) == "mine.yaml:1:1"


@pytest.mark.parametrize(
    ("flag", "message", "pointed"),
    [
        ("training.epochs", "there is no `=`", "training.epochs"),
        ("", "the name of a field is missing", ""),
        ("=5", "the name of a field is missing", "=5"),
        ("a=", "there is no value after `=`", "="),
        ("a= ", "there is no value after `=`", "="),
        ("a..b=1", "a name is missing between the dots", "."),
        (".a=1", "a name is missing between the dots", "."),
        ("a.=1", "a name is missing between the dots", "."),
        ("[0]=1", "a path begins with the name of a field", "[0]"),
        ("a[x]=1", "`[x]` is not the index of a list item", "[x]"),
        ("a[-1]=1", "`[-1]` is not the index of a list item", "[-1]"),
        ("a[0=1", "`[0=1` is not the index of a list item", "[0=1"),
        ("a[0]b=1", "a dot is missing here", "b"),
        ("a b=1", "` ` cannot stand in a path", ""),
        ('a."b=1', "a name is missing between the dots", "."),
        ("training.epochs.x=1", "`training.epochs` is a single value with nothing inside", "x"),
        ("training[0]=1", "`training` is a mapping: its fields have names, not numbers", "[0]"),
        (
            "architecture.blocks.filters=1",
            "`architecture.blocks` is a list: its items have numbers, not names",
            "filters",
        ),
        ("architecture.blocks[2]=1", "`architecture.blocks` has 1 item, so there is no [2]", "[2]"),
        ("architecture.dense[1]=1", "`architecture.dense` has 0 items, so there is no [1]", "[1]"),
        ("a=[1, 2", "the `[` that is opened here is never closed", "["),
        ("a=*.csv", "a text cannot begin with `*` or `&`", "*"),
        ("a=" + "[" * 60, "more than 50 mappings and lists are inside each other here", "["),
        ("a" + ".a" * 60 + "=1", "it goes deeper than 50 sections", "a" + ".a" * 60),
        ("a=x\udcff", "the invisible character U+DCFF stands here", "\udcff"),
    ],
)
def test_a_wrong_flag_is_told_with_the_part_that_is_wrong(flag: str, message: str, pointed: str) -> None:
    document = parse(flag)
    (problem,) = document.problems
    place = document.place_of(problem)
    assert problem.message == message
    assert place.text == f"--set {flag}"
    assert place.text[place.column - 1 :][: place.length].strip() == pointed
    assert document.value == parse().value


def test_lesser_mistakes_in_a_value_are_collected() -> None:
    document = parse("training={a: .nan, b: 1, b: 2}", "x.y=!t 1")
    assert [(problem.path, problem.message) for problem in document.problems] == [
        (("training", "a"), "not a finite number"),
        (("training", "b"), "`b` is written twice, first earlier in the same flag"),
        (("x", "y"), "tags such as `!t` have no meaning in a spec"),
    ]
    assert document.value["training"] == {"a": None, "b": 1}


def test_the_document_without_overrides_stays_as_it_is() -> None:
    document = parse()
    before = json.dumps(document.value)
    parse_document(TEXT, pathlib.Path("mine.yaml"), ["architecture.blocks[0].filters=64"])
    assert json.dumps(document.value) == before


NAMES = st.text(
    st.characters(categories=["L", "N", "P", "Zs"], exclude_characters="\"'", max_codepoint=0xD7FF),
    min_size=1,
    max_size=6,
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(max_codepoint=0xD7FF), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(NAMES, min_size=1, max_size=5), st.booleans(), VALUES)
@settings(deadline=None)
def test_what_is_set_is_got(names: list[str], in_list: bool, value: Any) -> None:
    path: Path = ("new", *names, *((0,) if in_list else ()))
    flag = "new" + "".join(f'."{name}"' for name in names) + ("[0]" if in_list else "")
    document = parse(f"{flag}={json.dumps(value)}")
    assert document.problems == ()
    assert at(document, path) == value
    assert {key: document.value[key] for key in ("training", "architecture")} == parse().value
    assert document.place(path).line is None


@given(st.text(st.sampled_from("ab.[]=\"'0 {}:,-&*!#\\\n") | st.characters(), max_size=20))
@settings(max_examples=300, deadline=None)
def test_any_flag_gives_a_document_or_problems(flag: str) -> None:
    with contextlib.suppress(SpecError):
        document = parse(flag)
        for problem in document.problems:
            place = document.place_of(problem)
            assert place.length >= 1
            assert place.column <= len(place.text) + 1
