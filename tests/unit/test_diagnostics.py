"""Every mistake of a spec in words: what, where, expected, received and how to mend it."""

from __future__ import annotations

import pathlib
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, PositiveInt, Tag
from pydantic_core import PydanticCustomError
from rich.cells import cell_len

from dlrun.errors import SpecError
from dlrun.experiment import Experiment
from dlrun.spec.base import Spec
from dlrun.spec.diagnostics import problems_of, render, render_all, validate
from dlrun.spec.document import Document, parse_document
from dlrun.spec.hints import SYNONYMS, field_hint
from dlrun.spec.problem import Problem, path_text
from dlrun.spec.render import MOST_SHOWN, excerpt
from dlrun.spec.shape import Shape
from dlrun.spec.source import Place
from dlrun.spec.words import describe


def dense_of(value: Any) -> Any:
    return {"units": value} if isinstance(value, int) and not isinstance(value, bool) else value


def random_by_default(value: Any) -> Any:
    return {"kind": "random", **value} if isinstance(value, dict) and "kind" not in value else value


def size_tag(value: Any) -> str | None:
    return "<one>" if isinstance(value, int) else "<two>" if isinstance(value, list | tuple) else None


def even(value: int) -> int:
    if value % 2:
        raise ValueError("an odd number has no half")
    return value


def known_city(value: str) -> str:
    if value != "Berlin":
        raise PydanticCustomError("city", "nobody lives in {name}", {"name": value})
    return value


class Dense(Spec):
    units: PositiveInt
    activation: Literal["relu", "tanh", "linear"] = "relu"


DenseEntry = Annotated[Dense, BeforeValidator(dense_of, json_schema_input_type=int | Dense)]
Size = Annotated[
    Annotated[PositiveInt, Tag("<one>")] | Annotated[tuple[PositiveInt, PositiveInt], Tag("<two>")],
    Discriminator(size_tag),
]


class Random(Spec):
    kind: Literal["random"] = "random"
    validation: float = Field(default=0.1, gt=0, lt=1)


class Group(Spec):
    kind: Literal["group"]
    by: str


class Cnn(Spec):
    kind: Literal["cnn"]
    blocks: tuple[DenseEntry, ...] = Field(default=(), min_length=1)
    kernel_size: Size = 3


class Lstm(Spec):
    kind: Literal["lstm"]
    units: list[PositiveInt]
    dropout: float = Field(default=0.0, ge=0, lt=1)


class Stopping(Spec):
    patience: int = Field(default=3, ge=1, le=100)


class Training(Spec):
    epochs: int = Field(ge=1)
    batch_size: int = Field(default=32, multiple_of=8)
    shuffle: bool = True
    early_stopping: Stopping | None = None
    class_weight: Literal["balanced", "equal"] | dict[str, Annotated[float, Field(gt=0)]] | None = None


class Adam(Spec):
    kind: Literal["adam"]
    learning_rate: float = Field(default=1e-3, gt=0)


class Whole(Spec):
    name: Annotated[str, Field(pattern="^[a-z]+$", max_length=8)] = "run"
    half: Annotated[int, AfterValidator(even)] = 2
    city: Annotated[str, AfterValidator(known_city)] = "Berlin"
    rate: int | float | Literal["auto"] = "auto"
    range: tuple[float, str] = (0.0, "a")
    split: Annotated[Annotated[Random | Group, Field(discriminator="kind")], BeforeValidator(random_by_default)] = (
        Random()
    )
    architecture: Annotated[Cnn | Lstm, Field(discriminator="kind")]
    optimizer: Annotated[Adam | Group, Field(discriminator="kind")] = Adam(kind="adam")
    training: Training


GOOD = """\
name: mine
architecture:
  kind: cnn
  blocks: [32, {units: 64, activation: tanh}]
  kernel_size: [3, 3]
split: {validation: 0.2}
optimizer: {kind: adam, learning_rate: 1e-3}
training:
  epochs: 5
  early_stopping: {patience: 3}
  class_weight: {a: 1.5}
"""


def parse(text: str, *flags: str) -> Document:
    return parse_document(text, pathlib.Path("mine.yaml"), flags)


def mistakes(text: str, *flags: str) -> tuple[list[Problem], Document]:
    with pytest.raises(SpecError) as caught:
        validate(parse(text, *flags), Whole)
    return list(caught.value.problems), caught.value.document


def with_training(line: str) -> str:
    return f"architecture: {{kind: cnn}}\ntraining: {{epochs: 5, {line}}}\n"


def test_a_good_spec_is_read() -> None:
    spec = validate(parse(GOOD, "training.epochs=7"), Whole)
    assert spec.training.epochs == 7
    assert isinstance(spec.architecture, Cnn)
    assert [block.units for block in spec.architecture.blocks] == [32, 64]


ARCHITECTURE = "training: {epochs: 5}\narchitecture: "


@pytest.mark.parametrize(
    ("text", "path", "message", "expected", "received", "mend"),
    [
        # bounds and types
        (with_training("batch_size: 4.0"), "training.batch_size", "wrong type", "a whole number that 8 divides",
         "the number 4.0", "write `4`"),
        (with_training("batch_size: 12"), "training.batch_size", "not a multiple", "a whole number that 8 divides",
         "the number 12", None),
        (with_training("batch_size: '64'"), "training.batch_size", "wrong type", "a whole number that 8 divides",
         'the text "64"', "remove the quotes: 64"),
        (with_training("batch_size: 1_024"), "training.batch_size", "wrong type", "a whole number that 8 divides",
         'the text "1_024"', "write `1024`"),
        (with_training("batch_size: 0.1x"), "training.batch_size", "wrong type", "a whole number that 8 divides",
         'the text "0.1x"', None),
        (with_training("batch_size: [64]"), "training.batch_size", "wrong type", "a whole number that 8 divides",
         "the list [64]", "write the value alone: 64"),
        (with_training("batch_size: "), "training.batch_size", "there is no value", "a whole number that 8 divides",
         "nothing", "give a value, or leave the field out"),
        (with_training("batch_size: 0x1p"), "training.batch_size", "wrong type", "a whole number that 8 divides",
         'the text "0x1p"', None),
        (with_training("shuffle: yes"), "training.shuffle", "wrong type", "true or false", 'the text "yes"',
         "write `true`"),
        (with_training("shuffle: 'False'"), "training.shuffle", "wrong type", "true or false", 'the text "False"',
         "write `false`, without quotes"),
        (with_training("shuffle: 1"), "training.shuffle", "wrong type", "true or false", "the number 1",
         "write `true`"),
        (with_training("early_stopping: {patience: 0}"), "training.early_stopping.patience", "too small",
         "a whole number from 1 to 100", "the number 0", None),
        (with_training("early_stopping: {patience: 101}"), "training.early_stopping.patience", "too large",
         "a whole number from 1 to 100", "the number 101", None),
        (with_training("early_stopping: patience:3"), "training.early_stopping", "wrong type",
         "a mapping with the field patience, or null", 'the text "patience:3"', "write a space after the colon"),
        (with_training("early_stopping: [patience: 3]"), "training.early_stopping", "wrong type",
         "a mapping with the field patience, or null", "the list [patience: 3]",
         "write the mapping alone, without the `-` or the brackets around it"),
        (with_training("early_stopping: None"), "training.early_stopping", "wrong type",
         "a mapping with the field patience, or null", 'the text "None"', "write `null`"),
        # unions without kinds
        (with_training("class_weight: balance"), "training.class_weight", "unknown value",
         "balanced or equal, or a mapping from names to numbers above 0, or null", 'the text "balance"',
         "write `balanced`"),
        (with_training("class_weight: 3"), "training.class_weight", "wrong type",
         "balanced or equal, or a mapping from names to numbers above 0, or null", "the number 3", None),
        (with_training("class_weight: {a: -1}"), "training.class_weight.a", "too small", "a number above 0",
         "the number -1", None),
        # texts
        (GOOD.replace("name: mine", "name: 2024"), "name", "wrong type",
         "a text of the form ^[a-z]+$ of at most 8 characters",
         "the number 2024", 'put quotes around it, so that it is a text: "2024"'),
        (GOOD.replace("name: mine", "name: true"), "name", "wrong type",
         "a text of the form ^[a-z]+$ of at most 8 characters",
         "true", 'put quotes around it, so that it is a text: "true"'),
        (GOOD.replace("name: mine", "name: Mine"), "name", "not of the right form",
         "a text of the form ^[a-z]+$ of at most 8 characters", 'the text "Mine"', None),
        (GOOD.replace("name: mine", "name: minemine2"), "name", "too long",
         "a text of the form ^[a-z]+$ of at most 8 characters", 'the text "minemine2"', None),
        # messages of our own validators
        (GOOD + "half: 3\n", "half", "an odd number has no half", None, "the number 3", None),
        (GOOD + "city: Bonn\n", "city", "nobody lives in Bonn", None, 'the text "Bonn"', None),
        # lists
        (GOOD + "range: [1]\n", "range", "too few items", "a list of 2: a number; a text", "the list [1]", None),
        (GOOD + "range: [1, a, 2]\n", "range", "too many items", "a list of 2: a number; a text",
         "the list [1, a, 2]",
         None),
        (GOOD + "range: [1, 2]\n", "range[1]", "wrong type", "a text", "the number 2",
         'put quotes around it, so that it is a text: "2"'),
        (GOOD + "range: [50%, a]\n", "range[0]", "wrong type", "a number", 'the text "50%"', "write `0.5`"),
        (GOOD + "range: ['1,5', a]\n", "range[0]", "wrong type", "a number", 'the text "1,5"', "write `1.5`"),
        (ARCHITECTURE + "{kind: lstm, units: 64}", "architecture.units", "wrong type",
         "a list of whole numbers above 0", "the number 64", "write it as a list: [64]"),
        (ARCHITECTURE + "{kind: cnn, blocks: []}", "architecture.blocks", "too few items",
         "a list of items, each a whole number, or a mapping with the fields units, activation, at least 1 of them",
         "an empty list", None),
        (ARCHITECTURE + "{kind: cnn, blocks: {units: 3}}", "architecture.blocks", "wrong type",
         "a list of items, each a whole number, or a mapping with the fields units, activation, at least 1 of them",
         "a mapping with the field units", "make it a list: put brackets around it, or `- ` before it"),
        # shorthands and tags stand nowhere in the path
        (ARCHITECTURE + "{kind: cnn, blocks: [32, -5]}", "architecture.blocks[1]", "too small",
         "a whole number above 0",
         "the number -5", None),
        (ARCHITECTURE + "{kind: cnn, blocks: [x]}", "architecture.blocks[0]", "wrong type",
         "a whole number, or a mapping with the fields units, activation", 'the text "x"', None),
        (ARCHITECTURE + "{kind: cnn, kernel_size: [0, 3]}", "architecture.kernel_size[0]", "too small",
         "a whole number above 0", "the number 0", None),
        (ARCHITECTURE + "{kind: cnn, kernel_size: [1, 2, 3]}", "architecture.kernel_size", "too many items",
         "a list of 2 whole numbers above 0", "the list [1, 2, 3]", None),
        (ARCHITECTURE + "{kind: cnn, kernel_size: x}", "architecture.kernel_size", "wrong type",
         "a whole number above 0, or a list of 2 whole numbers above 0", 'the text "x"', None),
        (GOOD.replace("0.2", "2"), "split.validation", "too large", "a number above 0 and below 1", "the number 2",
         None),
        (GOOD.replace("validation: 0.2", "kind: random, validation: 2"), "split.validation", "too large",
         "a number above 0 and below 1", "the number 2", None),
        # kinds
        (GOOD.replace("kind: cnn", "kind: cnnn"), "architecture.kind", "unknown kind", "cnn or lstm",
         'the text "cnnn"',
         "write `cnn`"),
        (GOOD.replace("kind: cnn", "kind: 5"), "architecture.kind", "wrong type", "cnn or lstm", "the number 5",
         None),
        (GOOD.replace("kind: cnn", "kind: zzz"), "architecture.kind", "unknown kind", "cnn or lstm", 'the text "zzz"',
         None),
        (GOOD.replace("kind: cnn\n", "Kind: cnn\n"), "architecture.Kind", "unknown field", "kind",
         None, "write `kind`"),
        (GOOD.replace("kind: cnn\n", "type: cnn\n"), "architecture.type", "unknown field", "kind",
         None, "write `kind`"),
        (GOOD.replace("  kind: cnn\n", ""), "architecture.kind", "missing field", "cnn or lstm", None,
         "write `kind: cnn`, the one that has blocks and kernel_size"),
        (ARCHITECTURE + "{}", "architecture.kind", "missing field", "cnn or lstm", None, None),
        (GOOD.replace("{kind: adam, learning_rate: 1e-3}", "adam"), "optimizer", "wrong type",
         "a mapping with `kind`: adam or group", 'the text "adam"', "write `{kind: adam}`"),
        (GOOD.replace("{kind: adam, learning_rate: 1e-3}", "5"), "optimizer", "wrong type",
         "a mapping with `kind`: adam or group", "the number 5", None),
        # fields
        (with_training("epoch: 3"), "training.epoch", "unknown field",
         "one of epochs, batch_size, shuffle, early_stopping, class_weight", None,
         "`epochs` is there already: keep one of the two"),
        (with_training("Batch-Size: 8"), "training.Batch-Size", "unknown field",
         "one of epochs, batch_size, shuffle, early_stopping, class_weight", None, "write `batch_size`"),
        (with_training("bs: 8"), "training.bs", "unknown field",
         "one of epochs, batch_size, shuffle, early_stopping, class_weight", None, "write `batch_size`"),
        (with_training("learning_rate: 8"), "training.learning_rate", "unknown field",
         "one of epochs, batch_size, shuffle, early_stopping, class_weight",
          None, "write it as `optimizer.learning_rate`"),
        (with_training("lr: 8"), "training.lr", "unknown field",
         "one of epochs, batch_size, shuffle, early_stopping, class_weight",
          None, "write it as `optimizer.learning_rate`"),
        (with_training("qqq: 8"), "training.qqq", "unknown field",
         "one of epochs, batch_size, shuffle, early_stopping, class_weight", None, None),
        (with_training("shuffled_data: 8"), "training.shuffled_data", "unknown field",
         "one of epochs, batch_size, shuffle, early_stopping, class_weight", None, "did you mean `shuffle`?"),
        (GOOD.replace("  epochs: 5\n", ""), "training.epochs", "missing field", "a whole number of at least 1",
         None, None),
        (GOOD.replace("  epochs: 5\n", "  epoch: 5\n"), "training.epoch", "unknown field",
         "one of epochs, batch_size, shuffle, early_stopping, class_weight", None, "write `epochs`"),
        ("architecture: {kind: cnn}\ntraining: {epochs:5}", "training.epochs:5", "unknown field",
         "one of epochs, batch_size, shuffle, early_stopping, class_weight", None,
         "write a space after the colon: `epochs: 5`"),
        ("architecture: {kind: cnn}\nepochs: 5\ntraining: {}", "epochs", "unknown field",
         "one of name, half, city, rate, range, split, architecture, optimizer, training", None,
         "write it as `training.epochs`"),
        (ARCHITECTURE + "{kind: lstm, units: [3], blocks: [3]}", "architecture.blocks", "unknown field",
         "one of kind, units, dropout", None, "it is a field of kind cnn"),
        ("training: {epochs: 5}", "architecture", "missing field", "a mapping with `kind`: cnn or lstm", None, None),
    ],
)  # fmt: skip
def test_one_mistake_is_one_problem_in_words(
    text: str, path: str, message: str, expected: str | None, received: str | None, mend: str | None
) -> None:
    (problem,), document = mistakes(text)
    told = (path_text(problem.path), problem.message, problem.expected, problem.received, problem.hint)
    assert told == (path, message, expected, received, mend)
    shown = render(problem, document)
    assert shown.startswith(f"{document.place_of(problem)}  {path}: {message}\n")


class Words(Spec):
    least: int = Field(default=0, ge=1)
    above: float = Field(default=0, gt=0.5, le=1e6)
    text: str = Field(default="a", min_length=1)
    long: str = Field(default="a", min_length=3)
    letter: str = Field(default="a", min_length=1, max_length=1)
    short: str = Field(default="a", max_length=9)
    none: None = None
    anything: Any = None
    one: Literal["a"] = "a"
    numbers: Literal[1, 2, 3] = 1
    odd: Literal["no", "true", "1"] = "no"
    few: list[float] = Field(default=[], max_length=3)
    some: list[str] | None = Field(default=None, min_length=1, max_length=3)
    entries: dict[str, list[Dense]] = Field(default={})
    same: tuple[Literal["a", "b"], ...] = ()
    sections: list[Dense] = Field(default=[])
    kinds: list[Annotated[Cnn | Lstm, Field(discriminator="kind")]] = Field(default=[])
    empty: Stopping | bool = False


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("least", "a whole number of at least 1"),
        ("above", "a number above 0.5 and of at most 1e+06"),
        ("text", "a text that is not empty"),
        ("long", "a text of at least 3 characters"),
        ("letter", "a text of 1 character"),
        ("short", "a text of at most 9 characters"),
        ("none", "null"),
        ("anything", "any value"),
        ("one", "a"),
        ("numbers", "one of 1, 2, 3"),
        ("odd", 'one of no, "true", "1"'),
        ("few", "a list of numbers, at most 3 of them"),
        ("some", "a list of texts, 1 to 3 of them, or null"),
        ("entries", "a mapping from names to items, each a list of mappings"),
        ("same", "a list of values, each a or b"),
        ("sections", "a list of mappings"),
        ("kinds", "a list of mappings with `kind`"),
        ("empty", "a mapping with the field patience, or true or false"),
    ],
)
def test_what_is_expected_in_words(field: str, words: str) -> None:
    shape = Shape(Words)
    assert describe(shape.fields(shape.root)[field], shape) == words


def test_a_field_of_another_section_comes_before_a_synonym() -> None:
    elsewhere = [("a", "learning_rate"), ("b", "c", "lr")]
    assert field_hint(("x", "lr"), {}, ["y"], [], elsewhere).text == "write it as `b.c.lr`"
    assert field_hint(("x", "lr"), {}, ["y"], [], elsewhere[:1]).text == "write it as `a.learning_rate`"


def test_no_field_of_an_experiment_is_taken_for_another_name() -> None:
    schema = Experiment.model_json_schema()
    fields = {name for section in [schema, *schema["$defs"].values()] for name in section.get("properties", ())}
    assert not fields & SYNONYMS.keys()
    assert {name for names in SYNONYMS.values() for name in names} <= fields


def test_every_mistake_at_once_in_the_order_of_the_file_then_of_the_flags() -> None:
    text = """\
nam: mine
architecture:
  kind: cnnn
  blocks: [-1, {unit: 64, activation: rleu}]
trainng:
  epoch: "5"
  epoch: 6
  batch_size: .nan
"""
    problems, document = mistakes(text, "split.validation=2", "half=x", "a=")
    assert [(str(document.place_of(problem)), path_text(problem.path), problem.message) for problem in problems] == [
        ("mine.yaml:1:1", "nam", "unknown field"),
        ("mine.yaml:3:9", "architecture.kind", "unknown kind"),
        ("mine.yaml:4:12", "architecture.blocks[0]", "too small"),
        ("mine.yaml:4:17", "architecture.blocks[1].unit", "unknown field"),
        ("mine.yaml:4:39", "architecture.blocks[1].activation", "unknown value"),
        ("mine.yaml:5:1", "trainng", "unknown field"),
        ("mine.yaml:6:3", "trainng.epoch", "unknown field"),
        ("mine.yaml:6:10", "trainng.epoch", "wrong type"),
        ("mine.yaml:7:3", "trainng.epoch", "`epoch` is written twice, first on line 6"),
        ("mine.yaml:8:15", "trainng.batch_size", "not a finite number"),
        ("--set", "split.validation", "too large"),
        ("--set", "half", "wrong type"),
        ("--set", "", "there is no value after `=`"),
    ]


def test_problems_of_the_yaml_alone_make_a_good_spec_bad() -> None:
    (problem,), _ = mistakes(GOOD + "name: again\n")
    assert problem.message == "`name` is written twice, first on line 1"


def test_a_flag_that_makes_a_section_is_pointed_at() -> None:
    problems, document = mistakes(GOOD, "optimizer={kind: group}", "split.kind=grop")
    assert {(path_text(problem.path), document.place_of(problem).text) for problem in problems} == {
        ("split.validation", "split: {validation: 0.2}"),  # it is not a field of the kind that the flag chose
        ("split.by", "split: {validation: 0.2}"),
        ("optimizer.by", "--set optimizer={kind: group}"),
        ("split.kind", "--set split.kind=grop"),
    }


def test_problems_of_includes_those_of_the_yaml() -> None:
    document = parse(GOOD.replace("epochs: 5", "epochs: .nan"))
    with pytest.raises(ValueError) as caught:
        Whole.parse(document.value)
    (problem,) = problems_of(caught.value, document, Whole)  # type: ignore[arg-type]
    assert problem.message == "not a finite number"


def test_a_problem_is_drawn_with_its_line_and_a_caret() -> None:
    problems, document = mistakes(GOOD.replace("  epochs: 5", "  epoch: 5"), "half=[x]")
    assert render_all(problems, document, width=72) == (
        "mine.yaml:9:3  training.epoch: unknown field\n"
        "    9 |   epoch: 5\n"
        "      |   ^^^^^\n"
        "        expected  one of epochs, batch_size, shuffle, early_stopping,\n"
        "                  class_weight\n"
        "        mend      write `epochs`\n"
        "\n"
        "--set  half: wrong type\n"
        "      | --set half=[x]\n"
        "      |            ^^^\n"
        "        expected  a whole number\n"
        "        received  the list [x]\n"
        "\n"
        "2 mistakes in mine.yaml"
    )


def test_what_is_missing_at_the_top_has_no_line_to_show() -> None:
    problems, document = mistakes("training: {epochs: 5}")
    assert render_all(problems, document) == (
        "mine.yaml:1:1  architecture: missing field\n"
        "        expected  a mapping with `kind`: cnn or lstm\n"
        "\n"
        "1 mistake in mine.yaml"
    )


def test_of_many_mistakes_the_first_are_shown() -> None:
    problems, document = mistakes(GOOD + "".join(f"zz{number}: 1\n" for number in range(2000)))
    assert len(problems) == 2000
    shown = render_all(problems, document)
    assert shown.count("unknown field") == MOST_SHOWN
    assert shown.endswith("and 1,950 more\n\n2,000 mistakes in mine.yaml")


@pytest.mark.parametrize(
    ("text", "column", "length", "line", "caret"),
    [
        ("a: b", 4, 1, "a: b", "   ^"),
        ("\ta: b", 5, 1, "    a: b", "       ^"),
        ("\t\ta", 1, 2, "        a", "^^^^^^^^"),
        ("日本: 値", 5, 1, "日本: 値", "      ^^"),
        ("e\u0301: x", 5, 1, "e\u0301: x", "   ^"),
        ("a: \x1b[31m", 4, 1, "a: \\x1b[31m", "   ^^^^"),
        ("a: \xa0b", 5, 1, "a: \\xa0b", "       ^"),
        ("a:", 3, 1, "a:", "  ^"),
    ],
)
def test_the_caret_is_under_its_column(text: str, column: int, length: int, line: str, caret: str) -> None:
    drawn = excerpt(Place("f", 1, column, length, text))
    assert (drawn.text, drawn.caret) == (line, caret)


@pytest.mark.parametrize("filling", ["x", "値", "\t", "\x01"])
@pytest.mark.parametrize("before", [0, 10, 5000, 9990])
def test_a_long_line_is_shown_around_the_caret(filling: str, before: int) -> None:
    text = filling * before + "HERE" + filling * (9996 - before)
    drawn = excerpt(Place("f", 1, before + 1, 4, text), width=80)
    assert cell_len(drawn.text) <= 72
    start = drawn.text.index("HERE")
    assert cell_len(drawn.text[:start]) == drawn.start
    assert drawn.length == 4


@given(st.text(max_size=200), st.integers(1, 220), st.integers(1, 220), st.integers(1, 120))
@settings(deadline=None)
def test_any_place_can_be_drawn(text: str, column: int, length: int, width: int) -> None:
    line = text.replace("\n", "").replace("\r", "")
    drawn = excerpt(Place("f", 1, min(column, len(line) + 1), length, line), width)
    assert drawn.text.isprintable()
    assert drawn.start <= cell_len(drawn.text)
    assert drawn.length >= 1


PIECES = ["kind", "cnn", ": ", "- ", "[", "]", "{", "}", "\n", "  ", "'", '"', "&a ", "*a", "!t ", ".nan", "null",
    "#", "\t", "é",
          "<<", "5", "1e999", ",", "? ", "| ", "---\n", "\\", "\0", "yes", "epochs", "\u2028"]  # fmt: skip


@given(
    st.lists(st.tuples(st.integers(0, len(GOOD)), st.integers(0, 12), st.sampled_from(PIECES) | st.text(max_size=3)),
        max_size=6),
    st.lists(st.sampled_from(["training=1", "architecture.kind=lstm", "a[0]=1", "split={kind: group}", "x",
        "half=[1"]), max_size=2),
)  # fmt: skip
@settings(max_examples=400, deadline=None)
def test_a_spoilt_spec_gives_a_spec_error_that_can_be_drawn(cuts: list[tuple[int, int, str]], flags: list[str]) -> None:
    text = GOOD
    for at, length, piece in cuts:
        text = text[:at] + piece + text[at + length :]
    content = text.encode("utf-8", "surrogatepass")
    try:
        validate(parse_document(content, pathlib.Path("mine.yaml"), flags), Whole)
    except SpecError as error:
        check_drawing(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 200) | st.floats(allow_nan=False, allow_infinity=False)
        | st.sampled_from(PIECES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["units", "kind", "x", "epochs"]),
        inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@given(
    st.sampled_from(list(Whole.model_fields)),
    st.sampled_from(["", "kind", "units", "blocks", "epochs", "early_stopping"]),
    JSON,
)
@settings(max_examples=400, deadline=None)
def test_any_value_of_any_field_gives_words_of_ours(section: str, field: str, value: Any) -> None:
    document = parse(GOOD)
    tree: Any = document.value
    target, key = (tree[section], field) if field and isinstance(tree.get(section), dict) else (tree, section)
    target[key] = value
    try:
        validate(document, Whole)
    except SpecError as error:
        check_drawing(error)


def check_drawing(error: SpecError) -> None:
    shown = render_all(error.problems, error.document)
    for phrase in (
        "Input should",
        "pydantic",
        "errors.pydantic.dev",
        "Field required",
        "Extra inputs",
        "<one>",
        "<two>",
    ):
        assert phrase not in shown
    assert shown.replace("\n", "").isprintable()
    assert all(cell_len(line) <= 400 for line in shown.split("\n"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('url: "postgresql://me:hu/sh@host/db?x=1"', 'url: "postgresql://********@host/db?x=1"'),
        ("postgres://me@host/db?password=hush&sslmode=x", "postgres://me@host/db?password=****&sslmode=x"),
        ("{url: sqlite:///a.db, query: SELECT a FROM b}", "{url: sqlite:///a.db, query: SELECT a FROM b}"),
    ],
)
def test_a_password_in_a_spec_is_not_shown(text: str, shown: str) -> None:
    from dlrun.spec.render import without_secrets

    assert without_secrets(text) == shown
