"""TFRecord files without TensorFlow: framing, checksums, and damage with the number of the record."""

from __future__ import annotations

import datetime
import gzip
import io
import pathlib
import random
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfrecords import field, framed, made

from dlrun.data.columns import Column
from dlrun.data.features import FittedImage, FittedNumber
from dlrun.data.new_data import NewData
from dlrun.data.on_disk import OnDisk
from dlrun.data.preparation import Preparation
from dlrun.data.section import Data
from dlrun.data.sources import TfRecord, tfrecord_file
from dlrun.data.sources.tfrecord_file import checksums, crc32c, example, verified
from dlrun.errors import DataError


def test_the_checksum_is_the_published_one() -> None:
    """RFC 3720, B.4; masked as TensorFlow's documentation says."""
    for data, crc in ((bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E)):
        assert crc32c(data) == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=12))
def test_checksums_of_several_at_once_are_those_of_each(blocks: list[bytes]) -> None:
    assert checksums(blocks) == [crc32c(block) for block in blocks]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5))
def test_whole_numbers(values: list[int]) -> None:
    data = b"".join(made(x=value) for value in values)
    assert example(data, "t", 1) == {"x": [values[-1]]}, "as protocol buffers have it, the last one counts"


ROWS = [made(label=row % 2, text=b"text %d" % row, size=row / 4) for row in range(20)]


def source(path: str = "data.tfrecord", **columns: object) -> TfRecord:
    given = columns or {"label": "integer", "text": "text", "size": "number"}
    return TfRecord.parse({"kind": "tfrecord", "path": path, "columns": given})


def test_numbers_that_a_record_does_not_have_are_missing(tmp_path: pathlib.Path) -> None:
    (tmp_path / "data.tfrecord").write_bytes(framed(made(one=0.5, word=b"a"), made(one=1.5), made(one=2.5, word=b"")))
    columns = {"one": "number", "three": {"kind": "number", "size": 3}, "word": "text"}
    table = source(**columns).load(tmp_path)
    assert table.columns["one"].tolist() == [0.5, 1.5, 2.5]
    assert table.columns["three"].shape == (3, 3)
    assert np.isnan(table.columns["three"]).all()
    assert table.columns["word"].tolist() == ["a", None, None], "an empty text is a missing one, as in a CSV file"


def test_records_are_numbered_and_held_some_at_a_time(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfrecord_file, "AT_ONCE", 2 * len(ROWS[0]))
    assert len(list(tfrecord_file._some((row, 0) for row in ROWS))) == 3
    content = bytearray(framed(*ROWS))
    content[len(framed(*ROWS[:14])) + 20] ^= 1
    (tmp_path / "data.tfrecord").write_bytes(content)
    with pytest.raises(DataError, match=r"^data\.tfrecord: record 15 is damaged: the checksum of its data is wrong"):
        source().load(tmp_path)


def test_there_is_no_field_of_number_0() -> None:
    with pytest.raises(DataError, match=r"t: record 3 is no tf\.train\.Example"):
        example(b"\x02\x00", "t", 3)


def test_times_are_columns_of_text(tmp_path: pathlib.Path) -> None:
    (tmp_path / "data.tfrecord").write_bytes(framed(made(when=b"2020-01-31 13:00", n=1), made(when=b"2020-02-01", n=2)))
    found = source(when="text", n="integer").model_copy(update={"time": "when"})
    assert list(found.check(tmp_path)) == []
    assert found.load(tmp_path).columns["when"].tolist() == [
        datetime.datetime(2020, 1, 31, 13), datetime.datetime(2020, 2, 1)
    ]  # fmt: skip
    for name in ("n", "then"):
        (problem,) = found.model_copy(update={"time": name}).check(tmp_path)
        assert (problem.path, problem.message) == (("time",), f"{name} is no column of text")


def test_a_table(tmp_path: pathlib.Path) -> None:
    (tmp_path / "1.tfrecord").write_bytes(framed(*ROWS[:12]))
    (tmp_path / "2.tfrecord.gz").write_bytes(gzip.compress(framed(*ROWS[12:])))
    found = source(".")
    assert list(found.check(tmp_path)) == []
    assert found.known(tmp_path)["size"] == Column("number")
    assert found.defaults(tmp_path).target == "label"
    table = found.resolve(tmp_path).load(pathlib.Path("/nowhere"))
    assert table.columns["label"].tolist() == [row % 2 for row in range(20)]
    assert table.columns["text"][19] == "text 19"
    assert table.columns["size"].tolist() == [row / 4 for row in range(20)]
    few = found.model_copy(update={"limit": 13}).load(tmp_path)
    assert len(few) == 13


@pytest.mark.parametrize(
    ("features", "hint"),
    [
        (["image"], "a TFRecord file with the image in image, or arrays of pixels: numpy.savez"),
        (["image", "mask"], "a TFRecord file with these features"),
    ],
)
def test_an_image_is_new_data_in_a_record(features: list[str], hint: str, tmp_path: pathlib.Path) -> None:
    pixels = FittedImage(kind="image", shape=(2, 2, 1), whole=True, scale=(1,), offset=(0,))
    (tmp_path / "new.png").write_bytes(b"")
    (new,) = NewData.at(source(), tmp_path / "new.png", Preparation(features=dict.fromkeys(features, pixels)))
    with pytest.raises(DataError) as told:
        list(new.batches(io.BytesIO()))
    assert told.value.hint == hint


def test_new_records_need_not_have_what_is_predicted(tmp_path: pathlib.Path) -> None:
    size = FittedNumber(kind="number", offset=(0,), scale=(1,), fill=(0,))
    (tmp_path / "new.tfrecord.gz").write_bytes(gzip.compress(framed(*(made(size=row / 4) for row in range(3)))))
    (new,) = NewData.at(source(), tmp_path / "new.tfrecord.gz", Preparation(features={"size": size}))
    (batch,) = new.batches(io.BytesIO())
    assert batch.table.columns["size"].tolist() == [0, 0.25, 0.5]
    (tmp_path / "bad.tfrecord").write_bytes(framed(*ROWS)[:-3])
    with pytest.raises(DataError, match=r"^bad\.tfrecord: record 20 is damaged"):
        list(NewData.at(source(), tmp_path / "bad.tfrecord", Preparation(features={"size": size})))


WHOLE = framed(*ROWS)


@pytest.mark.parametrize(
    ("content", "columns", "words"),
    [
        (b"", {}, "has no records"),
        (b"hello, this is text", {}, "is no TFRecord file: the checksum of its first record is wrong"),
        (gzip.compress(WHOLE), {}, "is no TFRecord file"),
        (WHOLE[:-1], {}, "record 20 is damaged: it was cut off"),
        (WHOLE[: len(framed(*ROWS[:3])) + 5], {}, "record 4 is damaged: it was cut off"),
        (framed(*ROWS[:3]) + b"\1" + framed(*ROWS[:3])[1:], {}, "record 4 is damaged: the checksum of its length"),
        (WHOLE[:20] + b"\xff" + WHOLE[21:], {}, "record 1 is damaged: the checksum of its data is wrong"),
        (struct.pack("<QI", 1 << 40, crc32c(struct.pack("<Q", 1 << 40))), {}, "it announces 1,099,511,627,776 bytes"),
        (framed(*ROWS[:4], b"hello"), {}, "record 5 is no tf.train.Example"),
        (framed(*ROWS[:4], field(1, field(1, field(1, b"\xff")))), {}, "record 5 is no tf.train.Example"),
        (framed(*ROWS[:4], made(text=b"x")), {}, "record 5: label has 0 values, and 1 is expected"),
        (WHOLE, {"text": "integer"}, "record 1: text holds bytes"),
        (WHOLE, {"size": "integer"}, "record 1: size holds floats"),
        (WHOLE, {"label": "text"}, "record 1: label holds whole numbers, and not bytes"),
        (WHOLE, {"size": {"kind": "number", "size": 3}}, "record 1: size has 1 values, and 3 are expected"),
        (WHOLE, {"text": {"kind": "image", "shape": [2, 2, 1]}}, "text has 6 bytes, and 2x2x1 pixels are 4"),
        (WHOLE, {"text": "image"}, "text of record 1 is no image"),
        (framed(made(text=b"\xff")), {"text": "text"}, "record 1: text is not UTF-8"),
    ],
)
def test_damage_has_the_number_of_its_record(
    content: bytes, columns: dict[str, object], words: str, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "data.tfrecord").write_bytes(content)
    with pytest.raises(DataError, match=words):
        source(**columns).load(tmp_path)


@pytest.mark.parametrize(
    ("columns", "path", "words"),
    [
        ({"lable": "integer"}, ("columns", "lable"), "no feature lable did you mean label"),
        ({"label": {"kind": "integer", "size": 2}}, ("columns", "label", "size"), "size is for numbers"),
        ({"label": {"kind": "integer", "shape": [1, 1, 1]}}, ("columns", "label", "shape"), "shape is for images"),
    ],
)
def test_mistakes(columns: dict[str, object], path: tuple[str, ...], words: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "data.tfrecord").write_bytes(WHOLE)
    (problem,) = source(**columns).check(tmp_path)
    assert problem.path == path
    assert words in f"{problem.message} {problem.hint}"
    (tmp_path / "data.tfrecord").write_bytes(b"")
    assert "is empty" in list(source().check(tmp_path))[-1].message


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=40))
def test_no_content_makes_a_traceback(data: bytes) -> None:
    for content in (data, framed(data), framed(field(1, field(1, data)))):
        try:
            for record in verified(io.BytesIO(content), "t"):
                example(record, "t", 1)
        except DataError:
            pass


def test_a_byte_that_changes_is_found() -> None:
    changed = random.Random(1)
    for _ in range(200):
        position = changed.randrange(len(WHOLE))
        content = WHOLE[:position] + bytes([WHOLE[position] ^ 1 << changed.randrange(8)]) + WHOLE[position + 1 :]
        with pytest.raises(DataError):
            list(verified(io.BytesIO(content), "t"))


def test_images_have_the_size_of_the_first(tmp_path: pathlib.Path) -> None:
    from PIL import Image

    def png(size: int) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(np.full((size, 4), 7, np.uint8)).save(stream, "PNG")
        return stream.getvalue()

    (tmp_path / "data.tfrecord").write_bytes(framed(made(image=png(3)), made(image=png(3))))
    assert source(image="image").load(tmp_path).columns["image"].shape == (2, 3, 4, 1)
    (tmp_path / "data.tfrecord").write_bytes(framed(made(image=png(3)), made(image=png(5))))
    with pytest.raises(DataError, match="image of record 2"):
        source(image="image").load(tmp_path)


@pytest.mark.parametrize("resize", ["fill", "fit", "crop", None])
def test_images_of_several_sizes_are_brought_to_one(resize: Any, tmp_path: pathlib.Path) -> None:
    """As the same files are from a folder, and as Pillow does it."""
    from PIL import Image, ImageOps

    pictures = [
        Image.fromarray(np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8))
        for height, width in ((6, 8), (20, 5), (3, 9))
    ]
    contents = []
    for picture in pictures:
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        contents.append(stream.getvalue())
    (tmp_path / "data.tfrecord").write_bytes(framed(*(made(image=content) for content in contents)))
    size: dict[str, Any] = {"height": 6, "width": 4} | ({"resize": resize} if resize else {})
    found = source(image={"kind": "image", **size})
    assert not list(found.check(tmp_path))
    bicubic = Image.Resampling.BICUBIC
    ways: dict[Any, Any] = {
        "fit": lambda picture: ImageOps.pad(picture, (4, 6), bicubic, color=0),
        "crop": lambda picture: ImageOps.fit(picture, (4, 6), bicubic),
    }
    way = ways.get(resize, lambda picture: picture.resize((4, 6), bicubic))
    expected = np.stack([np.asarray(way(picture)) for picture in pictures])
    np.testing.assert_array_equal(found.load(tmp_path).columns["image"], expected)
    with pytest.raises(DataError, match=r"image of record 2 is 20x5 \(height x width\), where 6x8 is needed") as raised:
        source(image="image").load(tmp_path)
    assert raised.value.hint == "bring all to one size: columns: {image: {kind: image, height: 6, width: 8}}"


@pytest.mark.parametrize(
    ("column", "field", "words"),
    [
        ({"kind": "image", "height": 4}, "height", "a picture has a height and a width"),
        ({"kind": "image", "resize": "fit"}, "resize", "a picture is brought to a size"),
        ({"kind": "image", "height": 4, "width": 4, "shape": [4, 4, 1]}, "height", "the size that shape says"),
        ({"kind": "number", "width": 4}, "width", "width is for images"),
    ],
)
def test_sizes_that_make_no_sense(column: dict[str, Any], field: str, words: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "data.tfrecord").write_bytes(framed(made(x=1)))
    [problem] = source(x=column).check(tmp_path)
    assert problem.path == ("columns", "x", field)
    assert words in problem.message


def test_pictures_that_do_not_fit_are_on_disk(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (20, 100, 100), np.uint8)
    records = []
    for index, each in enumerate(pixels // 100 * 100):
        Image.fromarray(each).save(stream := io.BytesIO(), "PNG")
        records.append(made(image=stream.getvalue(), label=index % 2))
    (tmp_path / "data.tfrecord").write_bytes(framed(*records))
    tree = {"source": source(image="image", label="integer").tree(), "target": {"column": "label", "kind": "category"}}
    whole = Data.parse(tree).load(tmp_path, 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("dlrun.data.sources.files.available_memory", lambda: 399_999)
    monkeypatch.setattr("dlrun.data.sources.record_pictures.AT_ONCE", 30_000)
    found = Data.parse(tree).load(tmp_path, 0)
    assert isinstance(found.table.columns["image"], OnDisk)
    assert found.streamed
    assert found.summary() == whole.summary()
    np.testing.assert_array_equal(np.asarray(found.train.inputs["image"]), whole.train.inputs["image"], strict=True)
    records[13] = made(image=b"no picture", label=1)
    (tmp_path / "data.tfrecord").write_bytes(framed(*records))
    with pytest.raises(DataError, match=r"data\.tfrecord: image of record 14 is no image"):
        Data.parse(tree).load(tmp_path, 0)


@pytest.mark.parametrize(
    ("column", "value", "most"),
    [("integer", 7, 40), ("text", b"four", 44), ({"kind": "number", "size": 1}, 0.5, 40), ("image", b"no", 42)],
)
def test_many_small_records_that_do_not_fit(
    column: Any, value: Any, most: int, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data.tfrecord.gz").write_bytes(gzip.compress(framed(*[made(x=value)] * 100)))
    found = source("data.tfrecord.gz", x=column)
    monkeypatch.setattr("dlrun.data.sources.tfrecord.available_memory", lambda: 2 * 100 * most - 2)
    with pytest.raises(DataError, match=r"data\.tfrecord\.gz unpacks to more than [34]"):
        found.load(tmp_path)
    found.model_copy(update={"limit": 99}).load(tmp_path) if column != "image" else None


def test_small_pictures_and_packed_records_that_become_large_ones(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    monkeypatch.setattr("dlrun.data.sources.files.available_memory", lambda: 32 << 20)
    stream = io.BytesIO()
    Image.new("L", (2000, 2000)).save(stream, "PNG")
    (tmp_path / "data.tfrecord").write_bytes(framed(*[made(image=stream.getvalue())] * 8))
    with pytest.raises(DataError, match=r"data\.tfrecord: image unpacks to more than 16\.0 MiB"):
        source(image="image").load(tmp_path, new=True)
    length = struct.pack("<Q", 100 << 20)
    content = length + struct.pack("<I", crc32c(length)) + bytes(1 << 20)
    (tmp_path / "data.tfrecord.gz").write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match=r"record 1 of data\.tfrecord\.gz unpacks to more than 16\.0 MiB"):
        source("data.tfrecord.gz").load(tmp_path)
