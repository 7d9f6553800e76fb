"""The tree of a spec: what scalars mean, where things are written, and what is refused."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import sys
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlrun.errors import SpecError, UsageError
from dlrun.spec.composer import Node, UnreadableError, compose
from dlrun.spec.document import Document, parse_document, read_document
from dlrun.spec.problem import Path, Problem
from dlrun.spec.source import Source

FILE = pathlib.Path("configs/mine.yaml")
PARSERS = [pytest.param(yaml.SafeLoader, id="python")]
if hasattr(yaml, "CSafeLoader"):
    PARSERS.append(pytest.param(yaml.CSafeLoader, id="libyaml"))


def parse(text: str | bytes, *overrides: str) -> Document:
    return parse_document(text, FILE, overrides)


def refused(text: str | bytes) -> tuple[Problem, str]:
    """The last problem of a text that gives no tree, and where it stands."""
    with pytest.raises(SpecError) as caught:
        parse(text)
    problem = caught.value.problems[-1]
    return problem, str(caught.value.document.place_of(problem))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-3", 0.001), ("1E5", 1e5), (".5", 0.5), ("5.", 5.0), ("-0.0", -0.0), ("+1.5e+2", 150.0), ("1e3", 1000.0),
        ("5", 5), ("010", 10), ("0o17", 15), ("0x1F", 31), ("-7", -7), ("+7", 7),
        ("12345678901234567890", 12345678901234567890),
        ("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False), ("FALSE", False),
        ("null", None), ("Null", None), ("NULL", None), ("~", None), ("", None),
        ("yes", "yes"), ("no", "no"), ("on", "on"),
        ("off", "off"), ("y", "y"), ("1_000", "1_000"), ("2024-01-31", "2024-01-31"),
        ("12:30:45", "12:30:45"), ("tRUE", "tRUE"), ("'5'", "5"), ('"true"', "true"), ("0x", "0x"), ("1e", "1e"),
        ("-x", "-x"), (".", "."), ("1.2.3", "1.2.3"), ("=", "="),
        ("'null'", "null"), ("٣", "٣"), ("inf", "inf"), ("nan", "nan"), ("0b1", "0b1"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("parser", PARSERS)
def test_scalars_mean_what_yaml_1_2_says(written: str, value: Any, parser: Any) -> None:
    root, problems = compose(Source("f", f"a: {written}\n"), 0, parser)
    assert root is not None
    assert problems == []
    assert root.value == {"a": value}
    assert type(root.value["a"]) is type(value)


@pytest.mark.parametrize("written", [".inf", "-.inf", "+.INF", ".nan", ".NaN", "1e999", "-1e999"])
def test_what_is_not_finite_is_told_with_its_place(written: str) -> None:
    document = parse(f"a: 1\nb: [2, {written}]\n")
    (problem,) = document.problems
    assert problem.message == "not a finite number"
    assert problem.path == ("b", 1)
    place = document.place_of(problem)
    assert (str(place), place.length) == ("configs/mine.yaml:2:8", len(written))


def test_a_number_of_many_digits_is_told() -> None:
    (problem,) = parse(f"a: {'9' * 5000}").problems
    assert problem.message == "a number of 5,000 characters is too long"


def test_duplicate_keys_name_both_lines_and_all_are_told() -> None:
    document = parse("a: 1\nb:\n  c: 1\n  c: 2\na: 3\nd: .nan\n")
    assert [(problem.path, problem.message, str(document.place_of(problem))) for problem in document.problems] == [
        (("b", "c"), "`c` is written twice, first on line 3", "configs/mine.yaml:4:3"),
        (("a",), "`a` is written twice, first on line 1", "configs/mine.yaml:5:1"),
        (("d",), "not a finite number", "configs/mine.yaml:6:4"),
    ]


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("1: a", "the key 1 is not a text", "1:1"),
        ("null: a", "the key null is not a text", "1:1"),
        ("true: a", "the key true is not a text", "1:1"),
        ("? [a, b]\n: 1", "a list cannot be a key", "1:3"),
        ("{a: 1}: 1", "a mapping cannot be a key", "1:1"),
        ("a: &x {b: 1}\nc: {<<: *x, d: 2}", "merge keys (`<<`) are not supported", "2:5"),
        ("a: !!python/object:os.system x", "tags such as `!!python/object:os.system` have no meaning in a spec", "1:4"),
        ("a: !foo {b: 1}", "tags such as `!foo` have no meaning in a spec", "1:4"),
        ("a: *b", "`*b` refers to `&b`, which does not stand above it", "1:4"),
        ("a: 1\n---\nb: 2\n", "a second YAML document begins here", "2:1"),
    ],
)
@pytest.mark.parametrize("parser", PARSERS)
def test_what_leaves_a_tree_is_collected(text: str, message: str, place: str, parser: Any) -> None:
    root, problems = compose(Source("f", text), 0, parser)
    assert root is not None
    assert [(problem.message, str(problem.place)) for problem in problems] == [(message, f"f:{place}")]


def test_a_tagged_value_makes_no_object_and_is_read_on() -> None:
    document = parse("a: !!python/tuple [1, .nan]\nb: !!int '5'\n")
    assert [problem.path for problem in document.problems] == [("a",), ("a", 1), ("b",)]
    assert document.value == {"a": [1, None], "b": "5"}


@pytest.mark.parametrize(
    ("text", "message", "place", "mend"),
    [
        ("a:\n\tb: 1\n", "a tab is used for indentation, where YAML takes spaces only", "2:1", "two spaces"),
        ("a:\n  b: 1\n\tc: 2\n", "a tab is used for indentation, where YAML takes spaces only", "3:1", "two spaces"),
        ("a:\n  b: 1\n  \tc: 2\n", "a tab is used for indentation, where YAML takes spaces only", "3:3", "two spaces"),
        ("a: 'x\nb: 1\n", "the quote that is opened here is never closed", "1:4", "close it"),
        ('a: "x\nb: 1\n', "the quote that is opened here is never closed", "1:4", "close it"),
        ("a: [1, 2\nb: 1\n", "the `[` that is opened here is not closed before the next field begins", "1:4", "`]`"),
        ("a: {b: 1\nc: 2\n", "the `{` that is opened here is not closed before the next field begins", "1:4", "`}`"),
        ("a: [1, {b: 2", "the `{` that is opened here is never closed", "1:8", "`}`"),
        ("a: [1, 2,", "the `[` that is opened here is never closed", "1:4", "`]`"),
        ("a: {b: [1, 2}\nc: 1\n", "a comma or `]` was expected here", "1:13", "quotes"),
        ("a: {b: 1,, c: 2}", "a comma or `}` was expected here", "1:10", "one comma"),
        ("a: b: c\n", "a second `: ` in one line", "1:5", "quotes"),
        ("t:\n  e:5\n  b: 6\n", "a space is missing after the colon", "2:3", "`e: …`"),
        ("t:\n  b: 6\n  e:5\n", "a space is missing after the colon", "3:3", "`e: …`"),
        ("t:\n  b: 6\n  e 5\n", "there is no colon in this line", "3:3", "key: value"),
        ("t:\n  a: 1\n b: 2\n", "the indentation of this line fits none of the lines above", "3:2", "same column"),
        ("t:\n  a: 1\n   b: 2\n", "this line is indented deeper than the one above, which already has a value", "3:4",
         "column"),
        ("a: *.csv\n", "a text cannot begin with `*` or `&`", "1:4", "quotes"),
        ("a: @x\n", "a text cannot begin with `@`", "1:4", "quotes"),
        ("a: `x`\n", "a text cannot begin with ```", "1:4", "quotes"),
        ("b: ]\n", "a text cannot begin with `]`", "1:4", "quotes"),
        ('a: "C:\\data"\n', "this escape is not known within double quotes", "1:7", "single quotes"),
        ("a: !x!y 1\n", "tags (`!…`) have no meaning in a spec", "1:4", "quotes"),
        ("a: - 1\n", "a list cannot begin on the line of its key", "1:4", "next line"),
        ("a:\n  - 1\n  b: 2\n", "a list item (`- …`) was expected here", "3:3", "apart"),
        ('a: "x" y\n', "there is something after the end of the value", "1:8", "whole text"),
        ("a: |x\n  b\n", "the text after `|` or `>` begins on the next line", "1:5", "quotes"),
        ("%x\n", "the spec ends before this", "1:2", "one mapping"),
        (f"{'x' * 2000}: 1\n", "no key can stand before this colon", "1:2001", "1,024"),
        ("a: &x [1, *x]", "`*x` stands inside `&x`: the value would contain itself", "1:11", ""),
        ("[" * 1000, "more than 50 mappings and lists are inside each other here", "1:51", "bracket"),
        ("a: " + "{a: " * 1000, "more than 50 mappings and lists are inside each other here", "1:200", "bracket"),
        ("- " * 1000, "more than 50 mappings and lists are inside each other here", "1:101", "bracket"),
        ("a: b\x07c", "the invisible character U+0007 stands here", "1:5", "\\u0007"),
        ("a: b\ufeffc", "the invisible character U+FEFF stands here", "1:5", "\\ufeff"),
        ("a: b\u2028c", "the invisible character U+2028 stands here", "1:5", "\\u2028"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("parser", PARSERS)
def test_mistakes_of_yaml_are_told_in_plain_words(text: str, message: str, place: str, mend: str, parser: Any) -> None:
    with pytest.raises(UnreadableError) as caught:
        compose(Source("f", text), 0, parser)
    problem = caught.value.problem
    assert problem.message == message
    assert str(problem.place) == f"f:{place}"
    assert mend in (problem.hint or "")


def test_a_space_is_missing_in_braces() -> None:
    if yaml.__with_libyaml__:
        problem, place = refused("a: {epochs:[5]}")
        assert (problem.message, place) == ("a space is missing after the colon", "configs/mine.yaml:1:5")
    assert parse("a: {epochs:5}").value == {"a": {"epochs:5": None}}


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("escape", ["\\ud83d\\ude00", "\\ud800", "\\UFFFFFFFF"])
def test_half_a_character_is_refused(escape: str, parser: Any) -> None:
    try:
        _, problems = compose(Source("f", f'a: "{escape}"'), 0, parser)
    except UnreadableError as error:
        problems = [error.problem]
    assert len(problems) == 1


def test_an_alias_stands_for_its_value_at_its_own_place() -> None:
    document = parse("a: &x {n: 1}\nb: *x\n")
    assert document.value == {"a": {"n": 1}, "b": {"n": 1}}
    assert str(document.place(("b",))) == "configs/mine.yaml:2:4"
    assert str(document.place(("b", "n"))) == "configs/mine.yaml:1:11"


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    problem, place = refused("\n".join(lines))
    assert problem.message == "the aliases stand for more than 100,000 values"
    assert place.startswith("configs/mine.yaml:6:")  # 10 + 91 + 820 + 7,381 + 66,430 are below


def test_aliases_cannot_go_round_the_depth() -> None:
    lines = ["a0: &a0 " + "[" * 40 + "]" * 40, "a1: " + "[" * 20 + "*a0" + "]" * 20]
    problem, place = refused("\n".join(lines))
    assert problem.message == "more than 50 mappings and lists are inside each other here"
    assert place == "configs/mine.yaml:2:25"


def test_too_many_values_are_refused() -> None:
    problem, _ = refused("a: [" + "1," * 100_001 + "]")
    assert problem.message == "there are more than 100,000 values"


@pytest.mark.parametrize("text", ["", "\n\n", "# only\n# comments\n", "---\n", "---\n...\n"])
def test_an_empty_file_is_told(text: str) -> None:
    problem, place = refused(text)
    assert problem.message == "the file is empty"
    assert place == "configs/mine.yaml:1:1"


@pytest.mark.parametrize(
    ("text", "message"), [("- a\n- b\n", "the file holds a list"), ("epochs:5", "the file holds a single value")]
)
def test_the_top_is_a_mapping(text: str, message: str) -> None:
    problem, place = refused(text)
    assert (problem.message, place) == (message, "configs/mine.yaml:1:1")
    assert problem.hint


@pytest.mark.parametrize(
    ("content", "message", "received"),
    [
        ("größe: 1".encode("latin-1"), "byte 3 (0xf6, on line 1) is not UTF-8", "what looks like Latin-1"),
        (b"a: 1\nb: \xff\x00\x01", "byte 9 (0xff, on line 2) is not UTF-8", "what looks like a binary file"),
        ("a: 1".encode("utf-16"), "byte 1 (0xff, on line 1) is not UTF-8", "what looks like UTF-16"),
        ("a: 1".encode("utf-16-le"), "the file is not a text", "what looks like UTF-16"),
        (b"a: " + b"x" * 10_000_000, "the file is larger than 1 MB", ""),
    ],
)
def test_what_is_no_text_is_told(content: bytes, message: str, received: str) -> None:
    problem, _ = refused(content)
    assert problem.message == message
    assert received in (problem.received or "")


def test_a_byte_order_mark_and_windows_line_ends_are_fine() -> None:
    document = parse(b"\xef\xbb\xbfa: 1\r\nb:\r\n  c: |\r\n    x\r\n    y\r\n  d: 2\r\n")
    assert document.value == {"a": 1, "b": {"c": "x\ny\n", "d": 2}}
    place = document.place(("b", "d"))
    assert (str(place), place.text) == ("configs/mine.yaml:6:6", "  d: 2")


def test_places_of_values_keys_sections_and_what_is_missing() -> None:
    document = parse("a: 1   # one\nb:\n  c: 'x y'\n  d:\ne: [1, {f: [2,\n 3]}]\n")
    at = document.place
    assert (str(at(("a",))), at(("a",)).length) == ("configs/mine.yaml:1:4", 1)
    assert (str(at(("a",), "key")), at(("a",), "key").length) == ("configs/mine.yaml:1:1", 1)
    assert str(at(("b",))) == "configs/mine.yaml:2:1"  # of several lines: its key
    assert (str(at(("b", "c"))), at(("b", "c")).length) == ("configs/mine.yaml:3:6", 5)
    assert str(at(("b", "d"))) == "configs/mine.yaml:4:3"  # nothing is written: its key
    assert str(at(("b", "missing", "deeper"))) == "configs/mine.yaml:2:1"
    assert str(at(("e", 1, "f", 1))) == "configs/mine.yaml:6:2"
    assert str(at(("e", 1), "key")) == "configs/mine.yaml:5:8"  # a list item has no key
    assert (str(at(("missing",))), at(("missing",)).length) == ("configs/mine.yaml:1:1", 0)


def test_read_document_names_the_file_as_it_was_typed(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pathlib.Path("mine.yaml").write_text("a: 1\n", encoding="utf-8")
    document = read_document(pathlib.Path("mine.yaml"), ["a=2"])
    assert (document.name, document.value, document.overrides) == ("mine.yaml", {"a": 2}, ("a=2",))


def test_a_missing_file_is_answered_with_a_near_one(tmp_path: pathlib.Path) -> None:
    (tmp_path / "cnn_mnist.yaml").touch()
    for typed in ("cnn_mnits.yaml", "cnn_mnist", "cnn_mnist.yml", "CNN-MNIST.yaml"):
        with pytest.raises(UsageError, match="does not exist") as caught:
            read_document(tmp_path / typed)
        assert caught.value.hint == f"did you mean {tmp_path / 'cnn_mnist.yaml'}?"
        assert caught.value.exit_code == 2
    with pytest.raises(UsageError) as caught:
        read_document(tmp_path / "zzz.yaml")
    assert caught.value.hint == "`dlrun init` writes a spec to start from"
    with pytest.raises(UsageError, match="there is no folder"):
        read_document(tmp_path / "nowhere" / "a.yaml")


def test_a_folder_is_told(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UsageError, match="is a folder, not a spec file") as caught:
        read_document(tmp_path)
    assert caught.value.hint is None
    (tmp_path / "b.yaml").touch()
    with pytest.raises(UsageError) as caught:
        read_document(tmp_path)
    assert caught.value.hint == f"name one of the specs in it: {tmp_path / 'b.yaml'}"
    (tmp_path / "resolved.yaml").touch()
    with pytest.raises(UsageError, match="is the folder of a run") as caught:
        read_document(tmp_path)
    assert caught.value.hint == f"its spec is {tmp_path / 'resolved.yaml'}"


def test_what_cannot_be_opened_is_told(tmp_path: pathlib.Path) -> None:
    for path in (tmp_path / ("x" * 5000), pathlib.Path("a\0b")):
        with pytest.raises(UsageError):
            read_document(path)
    file = tmp_path / "a.yaml"
    file.touch()
    with pytest.raises(UsageError):
        read_document(file / "b.yaml")
    if sys.platform != "win32" and os.geteuid() != 0:
        file.chmod(0)
        with pytest.raises(UsageError, match="cannot be read: Permission denied"):
            read_document(file)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no /dev")
def test_devices_are_read_to_the_limit_at_most() -> None:
    for device, message in (("/dev/null", "the file is empty"), ("/dev/zero", "the file is larger than 1 MB")):
        with pytest.raises(SpecError) as caught:
            read_document(pathlib.Path(device))
        assert caught.value.problems[0].message == message


def trees(texts: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
    inside = st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
    )
    return st.dictionaries(texts, inside, max_size=5)


TREES = trees(st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
# Beyond the first 65,536 characters JSON writes surrogates, which YAML has not.
JSON_TREES = trees(st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=12))


def leaves(node: Node, path: Path = ()) -> list[tuple[Path, Node]]:
    if not node.children:
        return [(path, node)]
    return [leaf for key, child in node.children.items() for leaf in leaves(child, (*path, key))]


@given(JSON_TREES, st.booleans())
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_what_json_writes_is_read_back(tree: dict[str, Any], indented: bool) -> None:
    text = json.dumps(tree, indent=2 if indented else None)
    document = parse(text)
    assert document.problems == ()
    assert document.value == tree


@given(TREES, st.booleans())
@settings(deadline=None)
def test_what_pyyaml_writes_is_read_back_with_places_that_are_true(tree: dict[str, Any], flow: bool) -> None:
    # With every text in quotes there is no difference between YAML 1.1 and 1.2 to mind.
    text = yaml.dump(tree, Dumper=Quoted, default_flow_style=flow)
    document = parse(text)
    assert document.problems == ()
    assert document.value == tree
    for path, leaf in leaves(document.root):
        place = document.place(path)
        if leaf.span.written:
            start = sum(len(line) + 1 for line in text.split("\n")[: (place.line or 1) - 1]) + place.column - 1
            assert yaml.safe_load(text[start : leaf.span.end]) == leaf.value


class Quoted(yaml.SafeDumper):
    """Writes every text in double quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


Quoted.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


@given(st.binary(max_size=80))
@settings(max_examples=300, deadline=None)
def test_bytes_of_any_kind_give_a_document_or_a_spec_error(content: bytes) -> None:
    with contextlib.suppress(SpecError):
        assert isinstance(parse(content).value, dict)
