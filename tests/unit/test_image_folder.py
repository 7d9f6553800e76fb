"""Folders of image files, and image files that a table names."""

from __future__ import annotations

import io
import os
import pathlib
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dlrun.data.bad_rows import BadRows, sort_out
from dlrun.data.columns import Batch, Column, Table
from dlrun.data.decode import Form
from dlrun.data.features import Image as ImageFeature
from dlrun.data.image_files import folder_of, pixels_of
from dlrun.data.image_header import Channels, Header
from dlrun.data.new_data import NewData
from dlrun.data.pictures import Pictures, common_form
from dlrun.data.preparation import Preparation
from dlrun.data.section import Data
from dlrun.data.sources.image_folder import ImageFolder
from dlrun.errors import DataError, MisfitError, SpecError
from dlrun.reading import read_experiment


def save(file: pathlib.Path, height: int = 4, width: int = 5, mode: str = "RGB", value: int = 9) -> np.ndarray:
    """Makes a picture that no other value makes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = (np.arange(height * width).reshape(height, width) + value).astype(np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    image.save(file)
    return np.asarray(image).reshape(height, width, -1)


def source(path: pathlib.Path) -> ImageFolder:
    return ImageFolder.parse({"kind": "image_folder", "path": str(path)})


def data(path: pathlib.Path, **more: Any) -> Data:
    return Data.parse({"source": {"kind": "image_folder", "path": str(path)}, **more})


WALKED: list[str] = []
"""Folders of this process that were listed."""


def test_a_check_walks_a_folder_once_and_the_next_one_again(tmp_path: pathlib.Path) -> None:
    sys.addaudithook(lambda event, given: WALKED.append(str(given[0])) if event == "os.scandir" else None)
    for name in ("train/cat/a.png", "train/dog/b.png", "test/cat/c.png", "test/dog/d.png"):
        save(tmp_path / "pets" / name)
    (tmp_path / "a.yaml").write_text(
        "data:\n  source: {kind: image_folder, path: pets}\n  features: {image: {kind: image, size: [4, 4]}}\n"
        "  split: {kind: files, validation: [train/cat/a.png]}\narchitecture: {kind: cnn, blocks: [{filters: 2}]}\n",
        encoding="utf-8",
    )
    WALKED.clear()
    read_experiment(tmp_path / "a.yaml")
    assert sorted(WALKED) == [
        str(tmp_path / "pets" / part / label) for part in ("test", "train") for label in ("cat", "dog")
    ]
    save(tmp_path / "pets" / "test" / "cow" / "e.png")
    with pytest.raises(SpecError) as raised:
        read_experiment(tmp_path / "a.yaml")
    assert "the test part has classes that the train part has not: cow" in raised.value.problems[0].message


def test_classes_are_folders(tmp_path: pathlib.Path) -> None:
    for index, name in enumerate(["dog/b.png", "dog/deeper/a.PNG", "a cat/ü\n.jpg", "a cat/x.gif", "dog/c.webp"]):
        save(tmp_path / "pets" / name, value=index)
    (tmp_path / "pets" / ".hidden").mkdir()
    (tmp_path / "pets" / "dog" / ".DS_Store").touch()
    (tmp_path / "pets" / "dog" / "notes.txt").touch()
    found = source(tmp_path / "pets")
    assert list(found.check(tmp_path)) == []
    assert found.has_test(tmp_path) is False
    known = found.known(tmp_path)
    assert known is not None
    assert known["label"].classes == ("a cat", "dog")
    table = found.load(tmp_path)
    names = ["a cat/x.gif", "a cat/ü\n.jpg", "dog/b.png", "dog/c.webp", "dog/deeper/a.PNG"]
    assert table.columns["image"].tolist() == names
    assert table.columns["label"].tolist() == ["a cat", "a cat", "dog", "dog", "dog"]
    assert table.test_rows is None
    assert len(table.notes) == 1
    assert table.notes[0].startswith("left out: 1 file whose names do not end as those of images do: ")
    assert table.notes[0].endswith("notes.txt")


def test_a_test_part_and_no_classes(tmp_path: pathlib.Path) -> None:
    for part in ("train", "test"):
        for label in "ab":
            save(tmp_path / part / label / "1.png")
    found = source(tmp_path)
    assert found.has_test(tmp_path) is True
    table = found.load(tmp_path)
    assert table.columns["image"].tolist() == ["train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/1.png"]
    assert table.test_rows is not None
    assert table.test_rows.tolist() == [False, False, True, True]
    loose = source(tmp_path / "train" / "a")
    assert list(loose.known(tmp_path) or ()) == ["image"]
    assert list(loose.load(tmp_path).columns) == ["image"]


def test_folders_that_are_not_as_they_should_be(tmp_path: pathlib.Path) -> None:
    save(tmp_path / "pets" / "dog" / "a.png")

    def told(path: pathlib.Path) -> str:
        with pytest.raises(DataError) as caught:
            source(path).load(tmp_path)
        return f"{caught.value.message} ({caught.value.hint})"

    assert "did you mean pets?" in told(tmp_path / "pet")
    assert "is a file, where a folder of classes is needed" in told(tmp_path / "pets" / "dog" / "a.png")
    (tmp_path / "pets" / "cat").mkdir()
    assert "the class cat has no file that ends in .png, .jpg" in told(tmp_path / "pets")
    assert "has no folder of a class in it (one folder for each class: cats/1.png," in told(tmp_path / "pets" / "cat")
    save(tmp_path / "pets" / "cat" / "a.png")
    (tmp_path / "pets" / "cat" / "again").symlink_to(tmp_path / "pets")
    assert "a link leads back to a folder that it is in" in told(tmp_path / "pets")
    (tmp_path / "pets" / "cat" / "again").unlink()
    (tmp_path / "pets" / "cat" / "self").symlink_to(tmp_path / "pets" / "cat" / "self")
    assert "Too many levels of symbolic links" in told(tmp_path / "pets")
    (tmp_path / "pets" / "cat" / "self").unlink()
    save(tmp_path / "pets" / "loose.png")
    assert "images beside them: loose.png" in told(tmp_path / "pets")
    assert [problem.path for problem in source(tmp_path / "pets").check(tmp_path)] == [("path",)]
    (tmp_path / "pets" / "loose.png").unlink()
    save(tmp_path / "pets" / "train" / "dog" / "a.png")
    assert "has the folder cat beside train" in told(tmp_path / "pets")
    with open(os.fsencode(tmp_path / "pets" / "train" / "dog") + b"/\xff.png", "wb"):  # noqa: PTH123 - no text
        pass
    assert "the name of a file is not UTF-8" in told(tmp_path / "pets" / "train")


def test_a_folder_that_may_not_be_read(tmp_path: pathlib.Path) -> None:
    save(tmp_path / "dog" / "a.png")
    (tmp_path / "dog").chmod(0)
    try:
        if os.access(tmp_path / "dog", os.R_OK):
            pytest.skip("this user may read everything")
        with pytest.raises(DataError, match="cannot be read: Permission denied"):
            source(tmp_path).load(tmp_path)
    finally:
        (tmp_path / "dog").chmod(0o700)


def test_pixels_reach_the_network(tmp_path: pathlib.Path) -> None:
    pixels = {}
    for index in range(20):
        name = f"{'ab'[index % 2]}/{index}.png"
        pixels[name] = save(tmp_path / "pets" / name, value=index)
    spec = data(tmp_path / "pets")
    assert spec.preview(tmp_path) is None
    loaded = spec.load(tmp_path, seed=1)
    names = source(tmp_path / "pets").load(tmp_path).columns["image"]
    for (_, rows), examples in zip(loaded.parts.items(), (loaded.train, loaded.validation, loaded.test), strict=True):
        expected = np.stack([pixels[name] for name in names[rows]])
        np.testing.assert_allclose(examples.inputs["image"], expected / 255, atol=1e-7)
    feature = (loaded.resolved.features or {})["image"]
    assert feature.tree()["channels"] == 3
    again = loaded.resolved.load(tmp_path / "elsewhere", seed=1)
    assert again.summary() == loaded.summary()


def test_pictures_of_several_kinds_are_all_in_colour() -> None:
    kinds: list[Channels] = [1, 4, 4]
    found = [Header(2, 3, channels, deep=False) for channels in kinds]
    form, [note] = common_form(["a", "b", "c"], found, None, None, None)
    assert form.channels == 3
    assert "1 grey, 2 with transparency" in note


def test_new_names_are_looked_up_where_the_feature_says() -> None:
    feature = ImageFeature(kind="image", folder="/pictures")
    assert folder_of(feature, pathlib.Path("/data")) == pathlib.Path("/pictures")
    assert folder_of(ImageFeature(kind="image"), pathlib.Path("/data")) == pathlib.Path("/data")


def test_sizes_and_channels_that_differ(tmp_path: pathlib.Path) -> None:
    for index in range(8):
        save(tmp_path / "ab"[index % 2] / f"{index}.png", value=index)
    save(tmp_path / "a" / "tall.png", 9, 5)
    save(tmp_path / "a" / "grey.png", mode="L")
    with pytest.raises(DataError, match=r"2 different sizes: 9 of 4x5, 1 of 9x5; a/tall.png is one") as caught:
        data(tmp_path).load(tmp_path, seed=0)
    assert "size: [4, 5]" in str(caught.value.hint)
    sized = data(tmp_path, features={"image": {"kind": "image", "size": [2, 3]}})
    loaded = sized.load(tmp_path, seed=0)
    assert loaded.train.inputs["image"].shape[1:] == (2, 3, 3)
    assert loaded.table.notes == (
        "image: the images differ in their channels (1 grey, 9 in colour): all are taken as colour, channels: 3",
    )
    assert (loaded.resolved.features or {})["image"].tree()["resize"] == "fill"
    grey = data(tmp_path, features={"image": {"kind": "image", "size": [2, 3], "channels": 1}})
    signature = grey.preview(tmp_path)
    assert signature is not None
    assert signature.inputs[0].shape == (2, 3, 1)
    assert grey.load(tmp_path, seed=0).preparation.inputs[0].shape == (2, 3, 1)


def test_all_bad_images_are_named(tmp_path: pathlib.Path) -> None:
    for index in range(8):
        save(tmp_path / "ab"[index % 2] / f"{index}.png", value=index)
    (tmp_path / "a" / "0.png").write_text("no")
    (tmp_path / "b" / "1.png").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        data(tmp_path).load(tmp_path, seed=0)
    assert "image: 2 images cannot be read: a/0.png is no image" in caught.value.message
    assert "b/1.png is empty" in caught.value.message


def test_a_table_names_its_images(tmp_path: pathlib.Path) -> None:
    lines = ["photo,price"]
    for index in range(12):
        save(tmp_path / "photos" / f"{index}.jpg", 6 + index, 8)
        lines.append(f"photos/{index}.jpg,{index * 1.5}")
    (tmp_path / "houses.csv").write_text("\n".join(lines) + "\n")
    features: dict[str, Any] = {"photo": {"kind": "image", "size": [4, 4], "resize": "crop"}}
    tree: dict[str, Any] = {"source": {"kind": "csv", "path": "houses.csv"}, "target": "price", "features": features}
    assert list(Data.parse(tree).check(tmp_path)) == []
    loaded = Data.parse(tree).load(tmp_path, seed=0)
    assert loaded.train.inputs["photo"].shape[1:] == (4, 4, 3)
    moved = tmp_path / "moved.csv"
    moved.write_text("\n".join(lines).replace("photos/", "") + "\n")
    with pytest.raises(DataError, match=r"photo: 12 images cannot be read: 0.jpg, .* is not there"):
        Data.parse({**tree, "source": {"kind": "csv", "path": "moved.csv"}}).load(tmp_path, seed=0)
    features["photo"]["folder"] = "photos"
    again = Data.parse({**tree, "source": {"kind": "csv", "path": "moved.csv"}}).load(tmp_path, seed=0)
    np.testing.assert_array_equal(again.table.columns["photo"], loaded.table.columns["photo"])
    assert (again.resolved.features or {})["photo"].tree()["folder"] == str(tmp_path / "photos")
    number = {**tree, "features": {"photo": {"kind": "number"}}}
    with pytest.raises(MisfitError) as caught:
        Data.parse(number).load(tmp_path, seed=0)
    assert "if its texts name image files, write {kind: image}" in str(caught.value.problems[0].hint)


def test_a_model_of_images_says_that_it_takes_files(tmp_path: pathlib.Path) -> None:
    for index in range(8):
        save(tmp_path / "ab"[index % 2] / f"{index}.png")
    preparation = data(tmp_path).load(tmp_path, seed=0).preparation
    piped = io.BytesIO((tmp_path / "a" / "0.png").read_bytes())
    with pytest.raises(DataError, match="stdin is not UTF-8") as caught:
        list(NewData.piped(source(tmp_path), preparation).batches(piped))
    assert "the model takes image files" in str(caught.value.hint)
    (tmp_path / "note.txt").write_text("A cat,\nand a dog,\n")
    with pytest.raises(DataError) as caught:
        list(NewData.at(source(tmp_path), tmp_path / "note.txt", preparation))
    assert "the model takes image files" in str(caught.value.hint)
    (tmp_path / "list.txt").write_text("cat\ndog\n")
    [names] = NewData.at(source(tmp_path), tmp_path / "list.txt", preparation)
    [batch] = names.batches(piped)
    with pytest.raises(DataError, match="the column image is missing") as caught:
        sort_out(preparation, batch, names.name, BadRows())
    assert "the model takes image files" in str(caught.value.hint)


def test_new_pictures_are_decoded_in_parts_and_stay_beside_their_other_columns(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlrun.data.image_files.MOST_PIXELS", 8)  # two pictures of 2x2
    names = [f"{index}.png" for index in range(5)]
    for index, name in enumerate(names):
        Image.fromarray(np.full((2, 2), index, np.uint8)).save(tmp_path / name)
    (tmp_path / "2.png").write_bytes(b"no picture")
    form = Form(height=2, width=2, channels=1)
    column = Column("image", form.shape, form=form)
    fitted = ImageFeature(kind="image", rescale=None).fit(np.zeros((2, *form.shape), np.uint8), column)
    table = Table("new", {"picture": np.array(names, object), "number": np.arange(5)})
    batch = Batch(table, np.arange(5) + 100, {99: "damaged"})
    parts = list(pixels_of(Preparation(features={"picture": fitted}), batch, tmp_path, {}))
    assert [part.rows.tolist() for part in parts] == [[100, 101], [103], [104]]
    for part in parts:
        assert part.table.columns["number"].tolist() == (part.rows - 100).tolist()
        assert part.table.columns["picture"][:, 0, 0, 0].tolist() == (part.rows - 100).tolist()
    assert [sorted(part.unreadable) for part in parts] == [[99], [102], []]


def test_what_is_for_files_alone(tmp_path: pathlib.Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((9, 4, 4), np.uint8), y=np.arange(9) % 2)
    tree = {
        "source": {"kind": "arrays", "path": "a.npz"},
        "features": {"x": {"kind": "image", "size": [2, 2]}},
    }
    with pytest.raises(MisfitError, match="x holds pixels, not the names of image files"):
        Data.parse(tree).load(tmp_path, seed=0)


def test_rows_are_decoded_as_they_are_asked_for(tmp_path: pathlib.Path) -> None:
    pixels = [save(tmp_path / f"{index}.png", value=index) for index in range(40)]
    (tmp_path / "7.png").write_bytes(b"x")
    names = np.array([f"{index}.png" for index in range(40)], object)
    files = Pictures(names, tmp_path, Form(height=4, width=5, channels=3))
    rows = np.array([39, 0, 0, 12])
    np.testing.assert_array_equal(files.read(rows), np.stack([pixels[row] for row in rows]))
    assert files.read(rows[:0]).shape == (0, 4, 5, 3)
    found, bad = files.try_read(np.arange(40))
    assert list(bad) == [7]
    assert not found[7].any()
    with pytest.raises(DataError, match=r"1 image cannot be read: 7.png is no image"):
        files.read(np.array([7]))


@pytest.mark.parametrize("size", [1, 7, 16, 40, 100])
def test_blocks_are_in_order_and_name_what_cannot_be_decoded(
    tmp_path: pathlib.Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = [save(tmp_path / f"{index}.png", value=index) for index in range(40)]
    files = Pictures(
        np.array([f"{index}.png" for index in range(40)], object), tmp_path, Form(height=4, width=5, channels=3)
    )
    blocks = list(files.in_blocks(size))
    assert {len(block) for block in blocks[:-1]} <= {size}
    np.testing.assert_array_equal(np.concatenate(blocks), np.stack(pixels))
    assert list(replace(files, files=files.files[:0]).in_blocks(size)) == []
    begun: list[int] = []
    begin = Pictures._begin
    with monkeypatch.context() as patch:
        patch.setattr(Pictures, "_begin", lambda self, rows, out: begun.append(len(rows)) or begin(self, rows, out))
        next(files.in_blocks(size))
    assert begun == [len(block) for block in blocks[:2]], "the next one is decoded while this one is used"
    (tmp_path / "21.png").write_bytes(b"x")
    sound = iter(files.in_blocks(size))
    for _ in range(21 // size):
        next(sound)
    with pytest.raises(DataError, match=r"1 image cannot be read: 21.png is no image"):
        next(sound)
