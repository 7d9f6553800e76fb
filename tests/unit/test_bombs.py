"""Small files that unpack to very much: what they need is known, and refused, before any of it is unpacked."""

from __future__ import annotations

import contextlib
import io
import itertools
import pathlib
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlrun.data.sources.parquet_file import Parquet
from dlrun.data.sources.parquet_pages import Compact, _pages, unpacked
from dlrun.errors import DataError

FREE = 64 << 20

LETTERS = 48 << 20


@pytest.fixture(autouse=True)
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlrun.data.sources.files.available_memory", lambda: FREE)


def parquet(frame: pl.DataFrame, **options: Any) -> bytes:
    stream = io.BytesIO()
    frame.write_parquet(stream, **options)
    return stream.getvalue()


BOMBS = {
    "one number in many rows": pl.DataFrame({"x": np.zeros(5_000_000)}),
    "one text in many rows": pl.DataFrame({"x": pl.Series(["a" * 1_000_000]).gather([0] * 100)}),
    "one long text": pl.DataFrame({"x": ["a" * LETTERS]}),
    "texts within lists": pl.DataFrame({"x": [["a" * LETTERS]]}),
    "texts within structures": pl.DataFrame({"x": [{"a": "a" * LETTERS}]}),
}


def _whole(source: Parquet, place: pathlib.Path) -> None:
    source.load(place)


def _by_columns(source: Parquet, place: pathlib.Path) -> None:
    table = source.lazily(place)
    assert table is not None
    _ = table.columns["x"]


def _in_batches(source: Parquet, place: pathlib.Path) -> None:
    with (place / "x.parquet").open("rb") as stream:
        list(source.batches(stream, "x.parquet", 1 << 20))


@pytest.mark.parametrize(
    ("name", "read"),
    [
        (name, read)
        for name in BOMBS
        for read in (_whole, _by_columns, _in_batches)
        if (name, read) != ("one number in many rows", _in_batches)  # of which some rows fit
    ],
)
def test_a_bomb_of_parquet_is_not_unpacked(
    name: str, read: Callable[[Parquet, pathlib.Path], None], tmp_path: pathlib.Path
) -> None:
    BOMBS[name].write_parquet(tmp_path / "x.parquet")
    assert (tmp_path / "x.parquet").stat().st_size < 100_000
    with pytest.raises(DataError, match=r"unpacks to more than 32\.0 MiB, and 64\.0 MiB of memory are free"):
        read(Parquet(kind="parquet", path="x.parquet"), tmp_path)


def test_columns_that_are_not_read_do_not_count(tmp_path: pathlib.Path) -> None:
    pl.DataFrame({"x": [1.5, 2.5], "bomb": ["a" * LETTERS, "b"]}).write_parquet(tmp_path / "x.parquet")
    table = Parquet(kind="parquet", path="x.parquet", select=("x",)).lazily(tmp_path)
    assert table is not None
    assert table.columns["x"].tolist() == [1.5, 2.5]


@pytest.mark.parametrize(
    ("compression", "statistics"), list(itertools.product(["zstd", "snappy", "gzip", "uncompressed"], [0, 1]))
)
def test_what_a_file_unpacks_to(compression: Any, statistics: int) -> None:
    """A number takes 8 bytes, a truth value 1, a text its letters and 16; in lists and structures too."""
    frame = pl.DataFrame(
        {
            "number": np.random.default_rng(1).normal(size=5000),
            "truth": [n % 3 == 0 for n in range(5000)],
            "text": [f"{n:032d}" for n in range(5000)],
            "list": [[float(n), 2.0] for n in range(5000)],
            "missing": [None if n % 2 else 1 for n in range(5000)],
        }
    )
    data = parquet(frame, compression=compression, statistics=bool(statistics), row_group_size=1500)
    groups = unpacked(data)
    assert len(groups) == 4
    assert groups[0]["number"] == 8 * 1500
    found = {name: sum(group[name] for group in groups) for name in frame.columns}
    assert found["number"] == found["missing"] == 8 * 5000
    assert found["truth"] == 5000
    assert found["list"] == 2 * 8 * 5000
    assert (32 + 16) * 5000 <= found["text"] < 1.2 * (32 + 16) * 5000


def _numbers_of_rows(data: bytes) -> list[int]:
    """Where the footer says 60, as Thrift writes a number of 64 bits."""
    return [place for place in range(len(data) - 2) if data[place : place + 2] == b"\x16\x78"]


def test_rows_that_are_not_there(tmp_path: pathlib.Path) -> None:
    data = parquet(pl.DataFrame({"a": np.arange(60.0)}), statistics=False)
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    many = b"\x16\x80\x80\x80\x80\x80\x40"
    footer = data[start:-8]
    told = 0
    for place in _numbers_of_rows(footer):
        changed = footer[:place] + many + footer[place + 2 :]
        (tmp_path / "x.parquet").write_bytes(data[:start] + changed + struct.pack("<I", len(changed)) + b"PAR1")
        try:
            values = Parquet(kind="parquet", path="x.parquet").load(tmp_path).columns["a"]
        except DataError as error:
            told += "values in" in error.message or "more or fewer rows" in error.message
        else:
            assert values.tolist() == list(range(60))
    assert told == 2
    changed = footer.replace(b"\x16\x78", b"\x16\x7a")
    (tmp_path / "x.parquet").write_bytes(data[:start] + changed + data[-8:])
    with pytest.raises(DataError, match="the column a has 60 values in 61 rows"):
        Parquet(kind="parquet", path="x.parquet").load(tmp_path)


@pytest.mark.parametrize("seed", range(40))
def test_headers_that_are_damaged(seed: int) -> None:
    """None makes anything but an error of the value; none takes long, or memory."""
    random = np.random.default_rng(seed)
    frame = pl.DataFrame({"a": np.arange(60.0), "b": [f"{n}" for n in range(60)], "c": [[1, 2]] * 60})
    data = bytearray(parquet(frame))
    for place in random.integers(4, len(data) - 8, 3):
        data[place] = random.integers(256)
    with contextlib.suppress(ValueError):
        unpacked(bytes(data))


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_pages_are_as_their_checksums_say(version: str, tmp_path: pathlib.Path) -> None:
    """polars reads another number without a word."""
    pyarrow = pytest.importorskip("pyarrow.parquet")
    table = pl.DataFrame({"a": np.arange(60.0), "x": [f"{n}" for n in range(60)]}).to_arrow()
    options = {"compression": "none", "use_dictionary": ["x"], "data_page_version": version}
    pyarrow.write_table(table, tmp_path / "x.parquet", write_page_checksum=True, **options)
    assert Parquet(kind="parquet", path="x.parquet").load(tmp_path).columns["a"].tolist() == list(range(60))
    data = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(data.replace(struct.pack("<d", 17), struct.pack("<d", 8.5)))
    for read in (_whole, _by_columns, _in_batches):
        with pytest.raises(DataError, match="is damaged: a page is not as its checksum says"):
            read(Parquet(kind="parquet", path="x.parquet"), tmp_path)


@given(st.binary(max_size=200))
def test_anything_as_a_structure(data: bytes) -> None:
    with contextlib.suppress(ValueError, IndexError, struct.error):
        Compact(data, 0).structure()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\x1c" * 10_000, "structures without end"),
        (b"\x19\x19" * 10_000, "structures without end"),
        (b"\x15" + b"\xff" * 10_000, "a number without end"),
        (b"\x18\x7fabc", "a text that goes beyond the end"),
    ],
)
def test_structures_that_are_none(data: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Compact(data, 0).structure()
    with pytest.raises(ValueError, match="nothing before a file"):
        Compact(data, -1)


@pytest.mark.parametrize(
    ("sizes", "told"),
    [(b"\x01\x15\x00", "less than no"), (b"\x00\x15\x01", "less than no"), (b"\x00\x15\x7e", "beyond")],
)
def test_sizes_of_pages_that_cannot_be(sizes: bytes, told: str) -> None:
    """A page of -1 bytes would be read again and again."""
    with pytest.raises(ValueError, match=told):
        list(_pages(b"\x15\x00\x15" + sizes + b"\x00" + bytes(20), {7: 8, 9: 0}))


def test_texts_of_one_length(tmp_path: pathlib.Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(
        pyarrow.table({"a": pyarrow.array([b"x" * 1000] * 50, pyarrow.binary(1000))}), tmp_path / "x.parquet"
    )
    assert unpacked((tmp_path / "x.parquet").read_bytes()) == [{"a": 50 * 1000}]
