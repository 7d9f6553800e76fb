"""Folders of classes, and texts in them."""

from __future__ import annotations

import io
import os
import pathlib
import re

import pytest

from dlrun.data.columns import Column, Defaults
from dlrun.data.new_data import NewData, load_file
from dlrun.data.preparation import Preparation
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
    told = [(file.path.relative_to(tmp_path).as_posix(), file.test) for file in found.files]
    assert told == [(name, False) for name in train] + [(name, True) for name in test or []]
    assert found.has_test == (test is not None)
    assert all(file.label in file.path.parts and file.regular for file in found.files)
    assert found.others == ()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["1.txt"], "no folder of a class in it"),
        (["a/1.txt", "b/1.md"], "the class b has no file that ends in .txt"),
        (["train/a/1.txt", "val/a/1.txt"], "has the folder val beside train.*split: {validation"),
        (["train/a/1.txt", "more/a/1.txt"], "has the folder more beside train.*move it into train"),
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
    assert problem.message.startswith("1 file in the folders of classes do not end in .txt, such as ")
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
