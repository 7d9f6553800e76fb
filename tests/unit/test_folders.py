"""Folders of classes, and texts in them."""

from __future__ import annotations

import io
import os
import pathlib
import re

import pytest
import yaml

from dlrun.data.columns import Column, Defaults
from dlrun.data.new_data import NewData, load_file
from dlrun.data.preparation import Preparation
from dlrun.data.section import Data
from dlrun.data.sources import TextFolder
from dlrun.data.sources.class_folders import class_folders
from dlrun.errors import DataError

NOTHING = Preparation(features={}, target=None, time=None)


def write(root: pathlib.Path, *names: str) -> pathlib.Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"the text of {name}", encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("names", "train", "test"),
    [
        (["b/2.txt", "b/10.txt", "a/1.txt", "a/deep/0.TXT"], ["a/1.txt", "a/deep/0.TXT", "b/10.txt", "b/2.txt"], None),
        (["train/a/1.txt", "train/b/1.txt", "test/a/2.txt"], ["train/a/1.txt", "train/b/1.txt"], ["test/a/2.txt"]),
        (["train/a/1.txt", "train/b/1.txt"], ["train/a/1.txt", "train/b/1.txt"], None),
        (["a/1.txt", "b/1.txt", "test/b/2.txt"], ["a/1.txt", "b/1.txt"], ["test/b/2.txt"]),
        (["test/1.txt", "train/1.txt"], ["test/1.txt", "train/1.txt"], None),  # these are the classes
        (["a/1.txt", "b/1.txt", ".git/x.txt", "a/.DS_Store", "README.txt"], ["a/1.txt", "b/1.txt"], None),
    ],
)
def test_which_file_is_of_which_class_and_part(
    names: list[str], train: list[str], test: list[str] | None, tmp_path: pathlib.Path
) -> None:
    found = class_folders(write(tmp_path, *names), (".txt",))
    told = [(file.path.relative_to(tmp_path).as_posix(), file.part) for file in found.files]
    assert told == [(name, "train") for name in train] + [(name, "test") for name in test or []]
    assert found.has_test == (test is not None)
    assert all(file.label in file.path.parts and file.regular for file in found.files)
    assert found.others == ()


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (["train/a/1.txt", "validation/a/2.txt", "test/a/3.txt"], {"a": "train validation test"}),
        (["train/a/1.txt", "val/a/2.txt"], {"a": "train validation"}),
        (["Train/a/1.txt", "Val/a/2.txt", "TEST/a/3.txt"], {"a": "train validation test"}),
        (["train/a/1.txt", "valid/a/2.txt", "test/3.txt"], {"a": "train validation"}),  # a test without classes
        (["a/1.txt", "b/1.txt", "dev/a/2.txt"], {"a": "train validation", "b": "train"}),
        (["valid/2020/1.txt", "invalid/2020/2.txt"], {"invalid": "train", "valid": "train"}),  # these are the classes
        (["Train/old/1.txt", "Plane/old/1.txt"], {"Plane": "train", "Train": "train"}),  # and these
        (["dev/1.txt", "ops/1.txt"], {"dev": "train", "ops": "train"}),  # and these
    ],
)
def test_folders_that_are_parts(names: list[str], parts: dict[str, str], tmp_path: pathlib.Path) -> None:
    found = class_folders(write(tmp_path, *names), (".txt",))
    told: dict[str, list[str]] = {}
    for file in found.files:
        told.setdefault(file.label, []).append(file.part)
    assert {label: " ".join(each) for label, each in told.items()} == parts
    assert set(found.parts) == {part for each in parts.values() for part in each.split()}


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["1.txt"], "no folder of a class in it"),
        (["a/1.txt", "b/1.md"], "the class b has no file that ends in .txt"),
        (["train/a/1.txt", "val/1.txt"], "has the folder val beside train.*it needs a folder for each class"),
        (["train/a/1.txt", "val/a/1.txt", "dev/a/1.txt"], "has two folders for validation: dev and val"),
        (["train/a/1.txt", "val/b/1.txt"], "the validation part has classes that the train part has not: b"),
        (["train/a/1.txt", "more/a/1.txt"], "has the folder more beside train.*move it into train"),
        (["a/1.txt", "b/1.txt", "dev/a/2.txt", "dev/B/2.txt"], "the validation part has classes that .* has not: B"),
        (["a/1.txt", "b/1.txt", "test/c/1.txt"], "the test part has classes that the train part has not: c"),
        (["train/a/1.txt", "test/b/1.txt"], "the test part has classes that the train part has not: b"),
    ],
)
def test_folders_that_are_none_of_classes(names: list[str], words: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(DataError) as raised:
        class_folders(write(tmp_path, *names), (".txt",))

    assert re.search(words, f"{raised.value.message} {raised.value.hint}"), raised.value.message


def test_links(tmp_path: pathlib.Path) -> None:
    write(tmp_path, "data/a/1.txt", "elsewhere/2.txt")
    (tmp_path / "data" / "b").symlink_to(tmp_path / "elsewhere")
    assert [file.label for file in class_folders(tmp_path / "data", (".txt",)).files] == ["a", "b"]
    (tmp_path / "elsewhere" / "up").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="a link leads back to a folder that it is in"):
        class_folders(tmp_path / "data", (".txt",))
    (tmp_path / "elsewhere" / "up").unlink()
    (tmp_path / "elsewhere" / "gone.txt").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"the link .*gone.txt leads nowhere"):
        class_folders(tmp_path / "data", (".txt",))


def test_a_folder_of_texts_is_a_table(tmp_path: pathlib.Path) -> None:
    write(tmp_path, "texts/neg/1.txt", "texts/pos/1.txt", "texts/test/neg/2.txt")
    (tmp_path / "texts" / "pos" / "ü.txt").write_bytes("\ufeffschön\r\n".encode())
    source = TextFolder(kind="text_folder", path="texts")
    assert list(source.check(tmp_path)) == []
    assert source.known(tmp_path) == {"text": Column("text"), "label": Column("category", classes=("neg", "pos"))}
    assert source.defaults(tmp_path) == Defaults(target="label", inputs=("text",))
    table = source.resolve(tmp_path).load(pathlib.Path("/nowhere"))
    assert table.columns["text"].tolist() == [
        *("the text of texts/neg/1.txt", "the text of texts/pos/1.txt", "schön\r\n", "the text of texts/test/neg/2.txt")
    ]
    assert table.columns["label"].tolist() == ["neg", "pos", "pos", "neg"]
    assert table.test_rows is not None
    assert table.test_rows.tolist() == [False, False, False, True]


def parts_of(section: str, folder: pathlib.Path) -> dict[str, list[str]]:
    """The texts of each part, as a section reads and splits them."""
    data = Data.parse(yaml.safe_load(section) | {"features": {"text": {"kind": "text"}}})
    assert [problem.message for problem in data.check(folder)] == []
    dataset = data.load(folder, 0)
    assert Data.parse(dataset.resolved.tree()).has_validation
    again = dataset.resolved.load(folder, 1)
    texts = dataset.table.columns["text"]
    assert [rows.tolist() for _, rows in again.parts.items()] == [rows.tolist() for _, rows in dataset.parts.items()]
    return {part: [text.removeprefix("the text of ") for text in texts[rows]] for part, rows in dataset.parts.items()}


def test_the_parts_of_folders_are_the_split(tmp_path: pathlib.Path) -> None:
    write(tmp_path, *(f"texts/{part}/{label}/{part}.txt" for part in ("train", "val", "test") for label in "ab"))
    section = "source: {kind: text_folder, path: texts}"
    assert parts_of(section, tmp_path) == {
        "train": ["texts/train/a/train.txt", "texts/train/b/train.txt"],
        "validation": ["texts/val/a/val.txt", "texts/val/b/val.txt"],
        "test": ["texts/test/a/test.txt", "texts/test/b/test.txt"],
    }
    (tmp_path / "texts" / "test").rename(tmp_path / "elsewhere")
    write(tmp_path, "texts/train/a/held.txt")
    by_pattern = parts_of(section + "\nsplit: {kind: files, test: 'train/*/held*'}", tmp_path)
    assert by_pattern["test"] == ["texts/train/a/held.txt"]
    assert by_pattern["validation"] == ["texts/val/a/val.txt", "texts/val/b/val.txt"]
    drawn = Data.parse(yaml.safe_load(section + "\nsplit: {kind: random}"))
    assert [problem.path for problem in drawn.check(tmp_path)] == [("split", "kind")]
    with pytest.raises(DataError, match="the source has a validation part of its own"):
        drawn.load(tmp_path, 0)


def test_files_of_folders_are_told_by_name_pattern_or_folder(tmp_path: pathlib.Path) -> None:
    write(tmp_path, *(f"texts/{label}/{name}.txt" for label in "ab" for name in ("old/1", "new/deep/1", "held_1")))
    section = "source: {kind: text_folder, path: texts}\nsplit: {kind: files, validation: new/, test: 'held_*'}"
    assert parts_of(section, tmp_path) == {
        "train": ["texts/a/old/1.txt", "texts/b/old/1.txt"],
        "validation": ["texts/a/new/deep/1.txt", "texts/b/new/deep/1.txt"],
        "test": ["texts/a/held_1.txt", "texts/b/held_1.txt"],
    }


@pytest.mark.parametrize(
    ("own", "split", "words"),
    [
        ("test", "validation: '2.txt'", "no file of the source fits 2.txt"),
        ("val", "validation: '1.txt'", "the source has a validation part of its own"),
        ("test", "validation: '*'", "no file is left to train on"),
    ],
)
def test_files_of_folders_that_are_parts_already(own: str, split: str, words: str, tmp_path: pathlib.Path) -> None:
    write(tmp_path, *(f"texts/{part}/{number}.txt" for number, part in enumerate(("train/a", f"{own}/a"), 1)))
    section = f"source: {{kind: text_folder, path: texts}}\nsplit: {{kind: files, {split}}}"
    data = Data.parse(yaml.safe_load(section) | {"features": {"text": {"kind": "text"}}})
    assert words in [problem.message for problem in data.check(tmp_path)]
    with pytest.raises(DataError, match=words):
        data.load(tmp_path, 0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "bad.txt is empty"),
        (b" \n\t", "bad.txt is empty"),
        ("Grüße\nan alle".encode("latin-1"), "bad.txt is not UTF-8: line 1, byte 0xfc"),
        ("hello\nyou".encode("utf-16-le"), "bad.txt is not UTF-8 text: line 1 holds a NUL byte, as UTF-16 does"),
        ("hello".encode("utf-16"), "bad.txt is not UTF-8: line 1, byte 0xff"),
    ],
)
def test_a_file_that_is_no_text_is_named(content: bytes, words: str, tmp_path: pathlib.Path) -> None:
    write(tmp_path, "a/1.txt", "b/1.txt")
    (tmp_path / "b" / "bad.txt").write_bytes(content)
    with pytest.raises(DataError, match=words):
        TextFolder(kind="text_folder", path=".").load(tmp_path)


def test_files_that_are_no_texts_are_an_error(tmp_path: pathlib.Path) -> None:
    write(tmp_path, "a/1.txt", "a/2.eml", "b/1.txt")
    (problem,) = TextFolder(kind="text_folder", path=".").check(tmp_path)
    assert problem.message.startswith("1 file in the folders of classes does not end in .txt, such as ")
    (tmp_path / "a" / "2.eml").unlink()
    os.mkfifo(tmp_path / "a" / "pipe.txt")
    with pytest.raises(DataError, match=r"pipe.txt is no file but a pipe or a device"):
        TextFolder(kind="text_folder", path=".").load(tmp_path)


def test_new_texts_are_files_folders_or_a_pipe(tmp_path: pathlib.Path) -> None:
    trained = TextFolder(kind="text_folder", path="gone")
    write(tmp_path, "new/b.txt", "new/in/a.txt")
    (one,) = NewData.at(trained, tmp_path / "new" / "b.txt", NOTHING)
    (batch,) = one.batches(io.BytesIO())
    assert batch.table.columns["text"].tolist() == ["the text of new/b.txt"]
    assert batch.rows.tolist() == [0]
    several = list(NewData.at(trained, tmp_path / "new", NOTHING))
    assert [pathlib.Path(each.name).name for each in several] == ["b.txt", "a.txt"]
    (batch,) = NewData.piped(trained, NOTHING).batches(io.BytesIO("grün".encode()))
    assert batch.table.columns["text"].tolist() == ["grün"]
    (tmp_path / "t.csv").write_text("text\nhello\n", encoding="utf-8")
    (table,) = NewData.at(trained, tmp_path / "t.csv", NOTHING)
    assert next(table.batches(io.BytesIO())).table.columns["text"].tolist() == ["hello"]
    with pytest.raises(DataError, match=r"no file .*gone\.txt"):
        list(NewData.at(trained, tmp_path / "gone.txt", NOTHING))
    labelled = load_file(trained, write(tmp_path, "more/x/1.txt", "more/y/1.txt") / "more")
    assert labelled.columns["label"].tolist() == ["x", "y"]
