"""NumPy's own files and MNIST's: mapped into memory, and what is wrong with them."""

from __future__ import annotations

import gzip
import io
import pathlib
import struct
import zipfile

import numpy as np
import pytest

from dlrun.data.columns import Column
from dlrun.data.sources import Arrays, Idx
from dlrun.data.sources.npy import values_of
from dlrun.errors import DataError

PIXELS = np.random.default_rng(1).integers(0, 256, (12, 5, 4), np.uint8)
LABELS = np.arange(12) % 3


def save(folder: pathlib.Path, **arrays: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)


def test_npy_files_are_mapped(tmp_path: pathlib.Path) -> None:
    save(tmp_path / "data", image=PIXELS, y=LABELS, row=np.asfortranarray(PIXELS[:, 0].astype(">f4")))
    files = {"image": "data/image.npy", "y": "data/y.npy", "row": "data/row.npy"}
    for source in (Arrays(kind="arrays", path="data"), Arrays(kind="arrays", files=files)):
        assert list(source.check(tmp_path)) == []
        known = source.known(tmp_path)
        assert known is not None
        assert known["image"] == Column("image", (5, 4))
        table = source.resolve(tmp_path).load(pathlib.Path("/nowhere"))
        assert set(table.columns) == {"image", "y", "row"}
        assert isinstance(table.columns["image"], np.memmap), "it is not read before it is needed"
        assert np.array_equal(table.columns["image"], PIXELS)
        assert table.columns["y"].dtype == np.int64
        assert np.array_equal(table.columns["row"], PIXELS[:, 0])
    alone = Arrays(kind="arrays", path="data/image.npy").load(tmp_path)
    assert list(alone.columns) == ["image"]


def test_npy_files_make_a_test_part(tmp_path: pathlib.Path) -> None:
    save(tmp_path, x_train=PIXELS[:9], x_test=PIXELS[9:], y_train=LABELS[:9], y_test=LABELS[9:])
    source = Arrays(kind="arrays", path=str(tmp_path))
    assert source.has_test(tmp_path)
    table = source.load(tmp_path)
    assert np.array_equal(table.columns["x"], PIXELS)
    assert table.test_rows is not None
    assert table.test_rows.sum() == 3
    np.save(tmp_path / "x_test.npy", PIXELS[9:].astype(np.float32))
    with pytest.raises(DataError, match="x_train and x_test have the types uint8 and float32"):
        source.load(tmp_path)


def header_of(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no .npy file, or damaged"),
        (b"text", "no .npy file, or damaged"),
        (header_of((10**12,)), "is damaged: its header announces 8,000,000,000,128 bytes, and there are 128"),
        (header_of((4, 2)) + bytes(63), "is damaged: its header announces 192 bytes, and there are 191"),
        (header_of((4, 2)) + bytes(65), "is damaged: its header announces 192 bytes, and there are 193"),
        (header_of((-4, 2)) + bytes(64), "is damaged|no .npy file"),
        (header_of((4, 2)).replace(b"),", b"(,") + bytes(64), "no .npy file, or damaged: its header cannot be read"),
        (header_of((4, 2)).replace(b" 'fort", b"''fort") + bytes(64), "no .npy file, or damaged"),
        (header_of((2,), "|O") + bytes(16), "y holds Python objects"),
        (header_of((), "<f8") + bytes(8), "y is a single value"),
        (header_of((2,), "|V8") + bytes(16), "y has the type |V8"),
        (
            header_of((1,), "<u8") + b"\xff" * 8,
            "whole numbers that are too large for 64 bits, such as 18446744073709551615",
        ),
    ],
)
def test_damaged_npy_files(content: bytes, words: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "y.npy").write_bytes(content)
    source = Arrays(kind="arrays", files={"y": "y.npy"})
    with pytest.raises(DataError, match=words):
        source.load(tmp_path)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "arrays have neither path nor files"),
        ({"path": "data", "files": {"y": "y.npy"}}, "arrays have both path and files"),
        ({"files": {"y": "data/yy.npy"}}, "there is no file .*yy.npy"),
        ({"path": "empty"}, r"no file in .*empty ends in \.npy"),
        ({"path": "data", "time": "image"}, None),
        ({"path": "data", "time": "when"}, "there is no array when"),
        ({"path": "odd"}, "make pairs, and x_test is missing"),
    ],
)
def test_mistakes_in_arrays(fields: dict[str, object], words: str | None, tmp_path: pathlib.Path) -> None:
    save(tmp_path / "data", image=PIXELS, y=LABELS)
    save(tmp_path / "odd", x_train=PIXELS)
    (tmp_path / "empty").mkdir()
    problems = list(Arrays.parse({"kind": "arrays", **fields}).check(tmp_path))
    assert len(problems) == (words is not None)
    for problem in problems:
        with pytest.raises(DataError, match=words):
            raise DataError(problem.message)


def test_a_bomb_is_not_unpacked(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((1000, 1000)), y=LABELS)
    monkeypatch.setattr("dlrun.data.sources.npy.available_memory", lambda: 1 << 20)
    source = Arrays(kind="arrays", path="bomb.npz")
    (problem,) = source.check(tmp_path)
    assert "bomb.npz unpacks to 7.63 MiB, and 1.00 MiB of memory are free" in problem.message
    with pytest.raises(DataError, match="unpacks to"):
        source.load(tmp_path)
    with zipfile.ZipFile(tmp_path / "lies.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header_of((10**9,)) + bytes(1000))
    (problem,) = Arrays(kind="arrays", path="lies.npz").check(tmp_path)
    assert "is damaged: its header announces 8,000,000,128 bytes, and there are 1,128" in problem.message


@pytest.mark.parametrize(
    ("byte", "value"), [(8, 1), (10, 99)]
)  # in the entry of the array: encrypted; how it is packed
def test_archives_that_cannot_be_unpacked(byte: int, value: int, tmp_path: pathlib.Path) -> None:
    np.savez(tmp_path / "data.npz", x=LABELS)
    content = bytearray((tmp_path / "data.npz").read_bytes())
    content[content.index(b"PK\x01\x02") + byte] |= value
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"is no \.npz file, or damaged"):
        Arrays(kind="arrays", path="data.npz").load(tmp_path)


def idx_of(values: np.ndarray, code: int = 8) -> bytes:
    dtype = {8: ">u1", 11: ">i2", 13: ">f4"}[code]
    sizes = struct.pack(f">{values.ndim}I", *values.shape)
    return bytes([0, 0, code, values.ndim]) + sizes + values.astype(dtype).tobytes()


def write_idx(folder: pathlib.Path) -> Idx:
    (folder / "images").write_bytes(idx_of(PIXELS[:9]))
    (folder / "labels.gz").write_bytes(gzip.compress(idx_of(LABELS[:9])))
    (folder / "test.gz").write_bytes(gzip.compress(idx_of(PIXELS[9:])))
    (folder / "test_labels").write_bytes(idx_of(LABELS[9:], 11))
    fields = {"images": "images", "labels": "labels.gz", "test_images": "test.gz", "test_labels": "test_labels"}
    return Idx.parse({"kind": "idx", **fields})


def test_idx_files(tmp_path: pathlib.Path) -> None:
    source = write_idx(tmp_path)
    assert list(source.check(tmp_path)) == []
    assert source.known(tmp_path) == {"image": Column("image", (5, 4, 1)), "label": Column("category")}
    table = source.resolve(tmp_path).load(pathlib.Path("/nowhere"))
    assert np.array_equal(table.columns["image"][..., 0], PIXELS)
    assert table.columns["label"].tolist() == LABELS.tolist()
    assert table.known["label"].classes == ("0", "1", "2")
    assert table.test_rows is not None
    assert table.test_rows.tolist() == [False] * 9 + [True] * 3
    alone = Idx(kind="idx", images="images", labels="labels.gz")
    assert not alone.has_test(tmp_path)
    assert isinstance(alone.load(tmp_path).columns["image"], np.memmap)


def test_idx_files_are_those_of_mnist() -> None:
    """Against the bytes that Fashion-MNIST's first file begins with."""
    begin = bytes.fromhex("00000803 0000ea60 0000001c 0000001c")
    assert idx_of(np.zeros((60_000, 28, 28), np.uint8))[:16] == begin


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("images", b"", "is no IDX file: it begins with nothing"),
        ("images", gzip.compress(idx_of(PIXELS)), "is no IDX file: it begins with 1f 8b 08 00"),
        ("images", idx_of(PIXELS)[:9], "cut off within its header"),
        ("images", idx_of(PIXELS[:9])[:-1], "header announces 196 bytes, and there are 195"),
        ("images", idx_of(PIXELS[:9]) + b"\0", "header announces 196 bytes, and there are more"),
        ("images", idx_of(PIXELS[:8]), "there are 8 images and 9 labels"),
        ("images", idx_of(LABELS[:9]), "images have 3 or 4"),
        ("labels.gz", gzip.compress(idx_of(LABELS[:9]))[:-9], "damaged"),
        ("labels.gz", gzip.compress(idx_of(LABELS[:9])[:-1]), "header announces 17 bytes, and there are 16"),
        ("labels.gz", gzip.compress(idx_of(PIXELS[:9])), "labels are single numbers"),
        ("test.gz", gzip.compress(idx_of(PIXELS[9:, :2])), r"its images are of \(2, 4\)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "content",  # that of packed files has a time in it
)
def test_damaged_idx_files(file: str, content: bytes, words: str, tmp_path: pathlib.Path) -> None:
    source = write_idx(tmp_path)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(DataError, match=words):
        source.load(tmp_path)


def test_mistakes_in_idx(tmp_path: pathlib.Path) -> None:
    source = write_idx(tmp_path).model_copy(update={"test_labels": None, "labels": "lables.gz"})
    assert [(problem.path, problem.hint) for problem in source.check(tmp_path)] == [
        (("test_images",), "add test_labels, or take test_images out"),
        (("labels",), "did you mean labels.gz?"),
    ]


def test_times_keep_their_fractions_of_a_second() -> None:
    times = np.array(["2020-01-01T00:00:00.123456789", "NaT"], "datetime64[ns]")
    read = values_of(times, "when", "a.npy")
    assert read.dtype == "datetime64[us]"
    assert str(read[0]) == "2020-01-01T00:00:00.123456"
    assert np.isnat(read[1])
