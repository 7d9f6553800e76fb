"""A catalogue of damaged inputs: each ends in an error that says what, where and what to do, or is read as it is meant.

Everything goes through what `dlrun check --deep` and `dlrun train` do before TensorFlow is needed.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import pathlib
import random
import re
import resource
import sqlite3
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from PIL import Image
from tfrecords import framed, made

from dlrun.data.dataset import Dataset
from dlrun.data.sources.files import PACKED
from dlrun.errors import DataError, DlrunError, SpecError
from dlrun.reading import load_data, read_experiment

Make = Callable[[pathlib.Path], object]

MOST = 400 << 20
"""Bytes that a damaged input may make the process grow by."""

ROWS = [f"{n / 4},{'no' if n % 3 else 'yes'}" for n in range(60)]

TABLE = "x,y\n" + "\n".join(ROWS) + "\n"

ANN: dict[str, Any] = {"kind": "ann"}
CNN: dict[str, Any] = {"kind": "cnn", "blocks": [{"filters": 2, "padding": "same"}]}
LSTM: dict[str, Any] = {"kind": "lstm"}


def csv(**fields: Any) -> dict[str, Any]:
    return {"source": {"kind": "csv", "path": "data.csv", **fields}, "target": "y"}


def of(kind: str, **fields: Any) -> dict[str, Any]:
    return {"source": {"kind": kind, **fields}, "target": "y"}


def folder(kind: str, **feature: Any) -> dict[str, Any]:
    names = {"image_folder": "image", "text_folder": "text"}
    section: dict[str, Any] = {"source": {"kind": kind, "path": "data"}}
    return section | {"features": {names[kind]: {"kind": names[kind], **feature}}}


def write(content: bytes | str, name: str = "data.csv") -> Make:
    data = content if isinstance(content, bytes) else content.encode()

    def made(place: pathlib.Path) -> None:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)

    return made


def rows(*more: str, header: str = "x,y", name: str = "data.csv") -> Make:
    return write("\n".join([header, *ROWS, *more]) + "\n", name)


def column(values: list[Any], name: str = "x") -> Make:
    """A table whose column x holds these values in turn."""
    lines = [f"{values[n % len(values)]},{'no' if n % 3 else 'yes'}" for n in range(60)]
    return write("\n".join([f"{name},y", *lines]) + "\n")


def both(*makes: Make) -> Make:
    return lambda place: [make(place) for make in makes]


def frame(**columns: Any) -> bytes:
    stream = io.BytesIO()
    pl.DataFrame(
        {"x": [n / 4 for n in range(60)], "y": ["no" if n % 3 else "yes" for n in range(60)]} | columns
    ).write_parquet(stream)
    return stream.getvalue()


def lines(*more: str) -> Make:
    good = [json.dumps({"x": n / 4, "y": "no" if n % 3 else "yes"}) for n in range(60)]
    return write("\n".join([*good, *more]) + "\n", "data.jsonl")


def arrays(compress: bool = False, **values: Any) -> Make:
    given = {"x": np.arange(60.0), "y": np.arange(60) % 3} | values
    save = np.savez_compressed if compress else np.savez
    return lambda place: save(place / "data.npz", **given)


def npy_header(shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return stream.getvalue()


def packed(name: str, content: bytes) -> Make:
    def made(place: pathlib.Path) -> None:
        with zipfile.ZipFile(place / "data.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, content)

    return made


def images(*names: str, size: tuple[int, int] = (6, 5), mode: str = "RGB", form: str = "PNG") -> Make:
    def made(place: pathlib.Path) -> None:
        for number in range(12):
            name = f"data/{'ab'[number % 2]}/{number}.{form.lower()}"
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray(np.full((size[1], size[0], 3), number * 20, np.uint8))
            picture.convert(mode).save(place / name, form)

    return made


def texts(count: int = 12) -> Make:
    def made(place: pathlib.Path) -> None:
        for number in range(count):
            write(f"a text of class {number % 2}, number {number}", f"data/{'ab'[number % 2]}/{number}.txt")(place)

    return made


def png(width: int, height: int, depth: int = 1) -> bytes:
    """A black PNG that is small as a file."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer = zlib.compressobj(9)
    line = bytes(1 + (width * depth + 7) // 8)
    content = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()
    begin = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", begin) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def gif(width: int, height: int) -> bytes:
    """A GIF that announces more than it holds."""
    stream = io.BytesIO()
    Image.new("P", (4, 4)).save(stream, "GIF")
    data = bytearray(stream.getvalue())
    data[6:10] = struct.pack("<HH", width, height)
    place = data.index(b",")
    data[place + 5 : place + 9] = struct.pack("<HH", width, height)
    return bytes(data)


def jpeg(size: tuple[int, int] = (64, 64)) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


def sales(place: pathlib.Path) -> bytes:
    with sqlite3.connect(place / "data.db") as database:
        database.execute("CREATE TABLE t (x REAL, y TEXT)")
        database.executemany("INSERT INTO t VALUES (?, ?)", [(n / 4, "yes" if n % 3 else "no") for n in range(3000)])
    database.close()
    return (place / "data.db").read_bytes()


def half(name: str) -> Make:
    return lambda place: (place / name).write_bytes((place / name).read_bytes()[: (place / name).stat().st_size // 2])


def packed_bytes(content: bytes, ending: str) -> bytes:
    stream = io.BytesIO()
    with PACKED[ending](stream, "wb") as packer:
        packer.write(content)
    return stream.getvalue()


GZ, XZ, BZ2, ZST = (packed_bytes(TABLE.encode(), ending) for ending in (".gz", ".xz", ".bz2", ".zst"))

JSON, PARQUET, NPZ = of("json", path="data.jsonl"), of("parquet", path="data.parquet"), of("arrays", path="data.npz")

IDX: dict[str, Any] = {"source": {"kind": "idx", "images": "images", "labels": "labels"}}

SQL = of("sql", url="sqlite:///data.db", table="t")

TIMES = csv(time="t") | {"split": {"kind": "time", "validation": 0.2, "test": 0.2}}


def idx(images: int = 30, labels: int = 30) -> Make:
    pixels = struct.pack(">IIII", 0x803, images, 4, 4) + bytes(16 * 30)
    numbers = struct.pack(">II", 0x801, labels) + bytes([n % 3 for n in range(30)])
    return both(write(pixels, "images"), write(numbers, "labels"))


def database(*rows: tuple[Any, Any]) -> Make:
    def made(place: pathlib.Path) -> None:
        with sqlite3.connect(place / "data.db") as opened:
            opened.execute("CREATE TABLE t (x, y TEXT)")
            opened.executemany("INSERT INTO t VALUES (?, ?)", rows)
        opened.close()

    return made


def record_file(*records: bytes) -> Make:
    return write(framed(*records), "data.tfrecord")


TFRECORD = of("tfrecord", path="data.tfrecord", columns={"x": "number", "y": "integer"})

RECORDED_IMAGES = of("tfrecord", path="data.tfrecord", columns={"image": "image", "y": "integer"}) | {
    "features": {"image": {"kind": "image"}}
}

VECTORS = folder("text_folder", vectors="v.txt")


ERRORS: dict[str, tuple[Make, dict[str, Any], str]] = {
    # texts with a delimiter
    "csv: nothing": (write(""), csv(), "data.csv is empty"),
    "csv: blank lines": (write("\n\n\n"), csv(), "begins with an empty line"),
    "csv: no rows": (write("x,y\n"), csv(), "no rows below the names of its columns"),
    "csv: one row": (write("x,y\n1,yes\n"), csv(), "with 1 in all, there are too few rows"),
    "csv: two rows": (write("x,y\n1,yes\n2,no\n"), csv(), "with 2 in all, there are too few rows"),
    "csv: one class": (write("x,y\n" + "1.5,yes\n" * 60), csv(), "has one class only"),
    "csv: target all missing": (write("x,y\n" + "1.5,\n" * 60), csv(), "the target y is missing in 60 rows"),
    "csv: target missing in a row": (rows("3,"), csv(), "the target y is missing in row 61"),
    "csv: latin-1": (
        write(TABLE.encode() + "1,größer\n".encode("latin-1")),
        csv(),
        "not UTF-8: line 62, byte 0xf6",
    ),
    "csv: UTF-16": (write(TABLE.encode("utf-16")), csv(), "is not UTF-8"),
    "csv: UTF-16 without a mark": (write(TABLE.encode("utf-16-le")), csv(), "holds NUL bytes, as UTF-16 does"),
    "csv: cut within a character": (write(TABLE.encode() + "1,ü".encode()[:-1]), csv(), "not UTF-8: line 62"),
    "csv: NUL bytes": (rows("1,y\0es"), csv(), "line 62 holds a NUL byte"),
    "csv: a row too long": (rows("1,yes,3"), csv(), "line 62 has 3 values, but there are 2 columns"),
    "csv: a row too short": (rows("1"), csv(), "line 62 has 1 value, but there are 2 columns"),
    "csv: a delimiter in a number": (rows("1,234,yes"), csv(), "line 62 has 3 values"),
    "csv: a quote left open": (
        rows('1,"yes', *ROWS),
        csv(),
        "the row in line 62 cannot be read: unexpected end of data / mend: a quote may be left open",
    ),
    "csv: a quote left open in the first line": (
        rows(header='x,"y'),
        csv(),
        "the first line of .* unexpected end of data.*a quote may be left open",
    ),
    "csv: carriage returns alone": (write(TABLE.replace("\n", "\r")), csv(), "end in carriage returns alone"),
    "csv: two columns of a name": (rows(header="y,y"), csv(), "two columns of the same name: y"),
    "csv: a column without a name": (rows(header=",y"), csv(), "column 1 has no name in the first line"),
    "csv: another delimiter": (write(TABLE.replace(",", ";")), csv(), 'delimiter: ";"'),
    "csv: a word among numbers": (column([*range(59), "many"]), csv(), "x is not a number in row 60, such as 'many'"),
    "csv: infinities": (column([1, 2, "inf"]), csv(), "x is infinite"),
    "csv: numbers beyond 32 bits": (column([1, 2, "1e300"]), csv(), "infinite, or too large for 32 bits"),
    "csv: whole numbers without end": (column([1, 2, "9" * 400]), csv(), "infinite, or too large for 32 bits"),
    "csv: times in two ways": (
        write("t,y\n" + "2020-01-01,1.5\n" * 30 + "02.01.2020,1.5\n"),
        TIMES,
        "t is no time in row 31: '02.01.2020'",
    ),
    "csv: a time that is none": (
        write("t,x,y\n" + "2020-01-01,1,1.5\n" * 30 + "2020-02-30,1,1.5\n"),
        TIMES,
        "t is no time in row 31: '2020-02-30'",
    ),
    "csv: no column of that name": (rows(header="x,z"), csv(), "no column y"),
    "csv: a picture": (write(png(8, 8)), csv(), "not UTF-8: line 1, byte 0x89"),
    "csv: Parquet": (write(frame()), csv(), "not UTF-8"),
    "csv: bytes by chance": (write(random.Random(1).randbytes(5000)), csv(), "not UTF-8: line 1"),
    "csv: a class in the test alone": (
        write("x,y,part\n" + "".join(f"{n},{'ab'[n % 2]},train\n" for n in range(60)) + "1,c,test\n" * 5),
        csv() | {"split": {"kind": "column", "by": "part"}},
        "in the test part, 5 rows .* has a class that the train rows do not have .c.",
    ),
    # packed files
    "gz: cut": (write(GZ[:-20], "data.csv.gz"), csv(path="data.csv.gz"), "data.csv.gz is damaged"),
    "gz: no gz": (write(TABLE, "data.csv.gz"), csv(path="data.csv.gz"), "data.csv.gz is damaged"),
    "gz: a byte is another": (
        write(GZ[:40] + bytes([GZ[40] ^ 255]) + GZ[41:], "data.csv.gz"),
        csv(path="data.csv.gz"),
        "is damaged",
    ),
    "xz: cut": (write(XZ[:-20], "data.csv.xz"), csv(path="data.csv.xz"), "data.csv.xz is damaged"),
    "bz2: cut": (write(BZ2[:-20], "data.csv.bz2"), csv(path="data.csv.bz2"), "data.csv.bz2 is damaged"),
    "zst: no zst": (write(TABLE, "data.csv.zst"), csv(path="data.csv.zst"), "data.csv.zst is damaged"),
    "zst: a frame that announces a terabyte, and has one block that repeats a byte": (
        write(
            b"\x28\xb5\x2f\xfd\xe0" + (1 << 40).to_bytes(8, "little") + struct.pack("<I", 1000 << 3 | 3)[:3] + b"x",
            "data.csv.zst",
        ),
        csv(path="data.csv.zst"),
        "data.csv.zst is damaged",
    ),
    "zst: one long line": (
        write(packed_bytes(b"x,y" + b"y" * (1 << 24), ".zst"), "data.csv.zst"),
        csv(path="data.csv.zst"),
        "the first line of .* has more than 16,777,216 characters",
    ),
    "json: an array in one long line": (
        write("[" + '{"x": 1, "y": 2}, ' * (1 << 20), "data.jsonl"),
        JSON,
        "the first line of .* has more than 16,777,216 characters",
    ),
    "zst: cut": (write(ZST[: len(ZST) // 2], "data.csv.zst"), csv(path="data.csv.zst"), "data.csv.zst is damaged"),
    # what is no file
    "path: nothing": (lambda place: None, csv(), "there is no file .*data.csv"),
    "path: a near name": (write(TABLE, "date.csv"), csv(), "did you mean date.csv"),
    "path: an empty folder": (lambda place: (place / "data.csv").mkdir(), csv(), "no file in .*data.csv ends in .csv"),
    "path: a pipe": (lambda place: os.mkfifo(place / "data.csv"), csv(), "is no file but a pipe or a device"),
    "path: a device": (lambda place: None, csv(path="/dev/zero"), "is no file but a pipe or a device"),
    "path: a link to itself": (
        lambda place: (place / "data.csv").symlink_to(place / "data.csv"),
        csv(),
        "cannot be read: Too many levels",
    ),
    "path: a link to nothing": (
        lambda place: (place / "data.csv").symlink_to(place / "gone"),
        csv(),
        "there is no file",
    ),
    "path: below a file": (write(TABLE), csv(path="data.csv/part.csv"), "cannot be read: Not a directory"),
    "path: too long": (write(TABLE), csv(path="x" * 5000), "x… cannot be read: File name too long"),
    "parts: other columns": (
        both(rows(name="data/1.csv"), rows(header="x,z", name="data/2.csv")),
        csv(path="data"),
        "2.csv has other columns than 1.csv",
    ),
    "parts: one is empty": (both(rows(name="data/1.csv"), write("", "data/2.csv")), csv(path="data"), "2.csv"),
    # JSON lines
    "json: a broken line": (lines('{"x": 1, "y": '), JSON, "line 61 is no JSON"),
    "json: a number in a line": (lines("7"), JSON, "line 61 holds a number, not an object"),
    "json: an array of all rows": (write('[\n{"x": 1, "y": "yes"}\n]\n', "data.jsonl"), JSON, "an array of all rows"),
    "json: a key twice": (lines('{"x": 1, "x": 2, "y": "yes"}'), JSON, "line 61 .*the key x stands there twice"),
    "json: nested without end": (
        lines('{"x": ' + "[" * 100_000 + "]" * 100_000 + ', "y": "no"}'),
        JSON,
        "line 61|nested",
    ),
    "json: objects where numbers were": (lines('{"x": {"a": 1}, "y": "no"}'), JSON, "x is not a number in row 61"),
    "json: empty objects": (write("{}\n{}\n", "data.jsonl"), JSON, "has no columns: its objects are empty"),
    "json: half a surrogate": (lines('{"x": 1, "y": "\\ud800"}'), JSON, "line 61 holds half a character"),
    # Parquet
    "parquet: nothing": (write("", "data.parquet"), PARQUET, "data.parquet is empty"),
    "parquet: a CSV": (write(TABLE, "data.parquet"), PARQUET, "is no Parquet file: it does not begin with PAR1"),
    "parquet: cut": (write(frame()[:-300], "data.parquet"), PARQUET, "it was cut off"),
    "parquet: nothing between": (write("PAR1PAR1", "data.parquet"), PARQUET, "it was cut off"),
    "parquet: cut in the middle": (write(frame()[:200] + frame()[-100:], "data.parquet"), PARQUET, "is damaged"),
    "parquet: no rows": (
        lambda place: pl.DataFrame({"x": [], "y": []}).write_parquet(place / "data.parquet"),
        PARQUET,
        "has no rows",
    ),
    "parquet: bytes": (
        write(frame(x=[b"\xff"] * 60), "data.parquet"),
        PARQUET,
        "the column x holds values of the type Binary",
    ),
    "parquet: lists of lists": (write(frame(x=[[[1.0], [2.0]]] * 60), "data.parquet"), PARQUET, "x"),
    "parquet: lists of several lengths": (
        write(frame(x=[[1.0] * (1 + n % 2) for n in range(60)]), "data.parquet"),
        PARQUET,
        "x",
    ),
    # arrays
    "npz: no archive": (write("text", "data.npz"), NPZ, "is no .npz file, or damaged"),
    "npz: cut": (both(arrays(), half("data.npz")), NPZ, "is no .npz file, or damaged"),
    "npz: Python objects": (arrays(x=np.array([{}] * 60, object)), NPZ, "x holds Python objects"),
    "npz: a header that lies": (
        packed("x.npy", npy_header((10**12,)) + bytes(80)),
        NPZ,
        "its header announces 8,000,000,000,",
    ),
    "npz: arrays of several lengths": (arrays(y=np.arange(59) % 3), NPZ, "differ in their rows: x 60, y 59"),
    "npz: no rows": (arrays(x=np.zeros(0), y=np.zeros(0, int)), NPZ, "no rows"),
    "npz: a class of the test alone": (
        lambda place: np.savez(
            place / "data.npz",
            x_train=np.arange(60.0),
            y_train=np.arange(60) % 3,
            x_test=np.arange(6.0),
            y_test=np.arange(6),
        ),
        NPZ | {"target": {"column": "y", "kind": "category"}},
        "3|4|5",
    ),
    "npy: cut": (
        both(lambda place: [np.save(place / f"{name}.npy", np.arange(60)) for name in "xy"], half("x.npy")),
        of("arrays", files={"x": "x.npy", "y": "y.npy"}),
        "x.npy is damaged: its header announces 608 bytes, and there are 304",
    ),
    "npz: one row": (arrays(x=np.arange(1.0), y=np.arange(1)), NPZ, "there are too few rows"),
    "npz: structures": (arrays(x=np.zeros(60, [("a", "f4")])), NPZ, "x has the type"),
    "npz: whole numbers beyond 64 bits": (arrays(x=np.full(60, 2**63, np.uint64)), NPZ, "too large for 64 bits"),
    "idx: a bomb": (
        both(
            write(gzip.compress(struct.pack(">IIII", 0x803, 30, 4, 4) + bytes(64 << 20), 1), "images.gz"),
            idx(),
        ),
        {"source": {"kind": "idx", "images": "images.gz", "labels": "labels"}},
        "its header announces 496 bytes, and there are more",
    ),
    "idx: one class": (
        both(idx(), write(struct.pack(">II", 0x801, 30) + bytes(30), "labels")),
        IDX,
        "has one class only",
    ),
    "idx: changed over": (
        idx(),
        {"source": {"kind": "idx", "images": "labels", "labels": "images"}},
        "this file has 1 axes, and images have 3 or 4",
    ),
    "idx: more images than labels": (idx(labels=29), IDX, "header announces|30 images and 29 labels"),
    "idx: fewer bytes than images": (idx(images=31), IDX, "31 images and 30 labels|header announces"),
    # databases
    "sqlite: no database": (write(TABLE, "data.db"), SQL, "data.db is no SQLite database"),
    "sqlite: cut": (both(sales, half("data.db")), SQL, "data.db.*malformed"),
    "sqlite: another table": (
        sales,
        of("sql", url="sqlite:///data.db", table="tt"),
        "no table tt .*did you mean t",
    ),
    "sqlite: no rows": (database(), SQL, "the table has no rows"),
    "sqlite: one row": (database((1.5, "yes")), SQL, "with 1 in all, there are too few rows"),
    "sqlite: one class": (database(*[(n / 4, "yes") for n in range(60)]), SQL, "has one class only"),
    "sqlite: one class of a long name": (database(*[(n / 4, "yes" * 999) for n in range(60)]), SQL, "one class only"),
    "sqlite: target all missing": (
        database(*[(n / 4, None) for n in range(60)]),
        SQL,
        "the target y is missing in 60 rows",
    ),
    "sqlite: blobs": (database(*[(b"\xff", "yes")] * 60), SQL, "the column x holds values of the type Binary"),
    "sqlite: a word among numbers": (
        database(*[(n / 4, "ab"[n % 2]) for n in range(60)], ("many", "a")),
        SQL,
        "x is not a number in row 61",
    ),
    "sqlite: infinities": (database(*[(math.inf, "ab"[n % 2]) for n in range(60)]), SQL, "x is infinite"),
    "sqlite: a folder": (lambda place: (place / "data.db").mkdir(), SQL, "this is a folder"),
    "sqlite: nothing": (write("", "data.db"), SQL, "is no SQLite database: it is empty"),
    "sqlite: two columns of a name": (sales, of("sql", url="sqlite:///data.db", query="SELECT x, x, y FROM t"), "x"),
    # records
    "tfrecord: nothing": (write("", "data.tfrecord"), TFRECORD, "data.tfrecord is empty"),
    "tfrecord: a text": (write(TABLE, "data.tfrecord"), TFRECORD, "is no TFRecord file"),
    "tfrecord: one": (record_file(made(x=1.5, y=1)), TFRECORD, "with 1 in all, there are too few rows"),
    "tfrecord: cut": (
        both(record_file(*[made(x=n / 4, y=n % 3) for n in range(61)]), half("data.tfrecord")),
        TFRECORD,
        "record 31 .*cut off",
    ),
    "tfrecord: bytes among numbers": (
        record_file(*[made(x=n / 4, y=n % 3) for n in range(60)], made(x=b"a", y=1)),
        TFRECORD,
        "record 61: x holds bytes",
    ),
    "tfrecord: infinities": (
        record_file(*[made(x=math.inf, y=n % 3) for n in range(60)]),
        TFRECORD,
        "x is infinite",
    ),
    "tfrecord: 100 megapixels in 20 kB": (
        record_file(*[made(image=png(10_000, 10_000), y=n % 2) for n in range(2)]),
        RECORDED_IMAGES,
        "image of record 1 has 100,000,000 pixels",
    ),
    "tfrecord: a GIF of 4 gigapixels": (
        record_file(*[made(image=gif(65_000, 65_000), y=n % 2) for n in range(2)]),
        RECORDED_IMAGES,
        "image of record 1 has 4,225,000,000 pixels",
    ),
    "tfrecord: no pictures": (
        record_file(*[made(image=b"hello", y=n % 2) for n in range(12)]),
        RECORDED_IMAGES,
        "image of record 1 is no image",
    ),
    # vectors
    "vectors: nothing": (both(texts(), write("", "v.txt")), VECTORS, "v.txt holds no vectors"),
    "vectors: words": (both(texts(), write("text a b\n", "v.txt")), VECTORS, "line 1 is damaged"),
    "vectors: a head that lies": (both(texts(), write("1 999999\ntext 1 2\n", "v.txt")), VECTORS, "line 2 is damaged"),
    "vectors: a bomb": (
        both(texts(), write(gzip.compress(b"text " + b"1" * (64 << 20), 1), "v.txt.gz")),
        folder("text_folder", vectors="v.txt.gz"),
        "line 1 is longer than",
    ),
    # folders of texts
    "texts: a NUL byte": (both(texts(), write("a\0b", "data/a/n.txt")), folder("text_folder"), "holds a NUL byte"),
    "texts: UTF-16": (
        both(texts(), write("hello".encode("utf-16"), "data/a/n.txt")),
        folder("text_folder"),
        "n.txt is not UTF-8",
    ),
    "texts: a pipe": (
        both(texts(), lambda place: os.mkfifo(place / "data/a/n.txt")),
        folder("text_folder"),
        "is no file but a pipe",
    ),
    "texts: no folder of a class": (write("hello", "data/1.txt"), folder("text_folder"), "no folder of a class"),
    "texts: one class": (write("hello you", "data/a/1.txt"), folder("text_folder"), "too few rows"),
    "texts: a class without files": (
        both(texts(), lambda place: (place / "data/c").mkdir()),
        folder("text_folder"),
        "class c has no file",
    ),
    "texts: latin-1": (
        both(texts(), write("größer".encode("latin-1"), "data/a/l.txt")),
        folder("text_folder"),
        "l.txt is not UTF-8: line 1",
    ),
    "texts: nothing in a file": (both(texts(), write("", "data/a/n.txt")), folder("text_folder"), "n.txt is empty"),
    "texts: a circle of links": (
        both(texts(), lambda place: (place / "data/a/up").symlink_to(place / "data")),
        folder("text_folder"),
        "a link leads back",
    ),
    "texts: a name that is no text": (
        both(texts(), lambda place: (place / "data/a").rename(place / "data" / os.fsdecode(b"\xff"))),
        folder("text_folder"),
        "the name of a folder is not UTF-8",
    ),
    # images
    "images: nothing in a file": (both(images(), write("", "data/a/n.png")), folder("image_folder"), "n.png"),
    "images: a text": (both(images(), write("hello", "data/a/n.png")), folder("image_folder"), "n.png"),
    "images: a JPEG cut in the middle": (
        both(images(form="JPEG", size=(64, 64)), write(jpeg()[:1500], "data/a/n.jpeg")),
        folder("image_folder"),
        "n.jpeg",
    ),
    "images: a PNG cut": (both(images(), write(png(600, 500)[:60], "data/a/n.png")), folder("image_folder"), "n.png"),
    "images: 100 megapixels in 20 kB": (
        both(images(), write(png(10_000, 10_000), "data/a/n.png")),
        folder("image_folder", size=[8, 8]),
        "n.png.*pixels",
    ),
    "images: a GIF of 4 gigapixels": (
        both(images(), write(gif(65_000, 65_000), "data/a/n.gif")),
        folder("image_folder", size=[8, 8]),
        "n.gif.*pixels",
    ),
    "images: several sizes": (both(images(), images(size=(9, 9), form="GIF")), folder("image_folder"), "size"),
    "images: a folder of others": (texts(), folder("image_folder"), "no file that ends in"),
    "images: a pipe": (
        both(images(), lambda place: os.mkfifo(place / "data/a/n.png")),
        folder("image_folder"),
        "n.png",
    ),
    "images: one is missing": (
        both(
            images(),
            write(
                "image,y\n"
                + "".join(f"data/{'ab'[n % 2]}/{n}.png,{n % 2}\n" for n in range(12))
                + "data/a/gone.png,1\n"
            ),
        ),
        csv() | {"features": {"image": {"kind": "image"}}},
        "gone.png",
    ),
    "images: labels that are not UTF-8": (
        both(images(), write(b"image,y\ndata/a/0.png,gr\xfcn\n")),
        csv() | {"features": {"image": {"kind": "image"}}},
        "not UTF-8: line 2",
    ),
}
"""By name: what makes the input, the section `data`, and words that the answer has (a pattern)."""


def load(place: pathlib.Path, data: dict[str, Any], between: Make | None = None) -> Dataset:
    kinds = {"image_folder": CNN, "idx": CNN, "text_folder": LSTM}
    features = data.get("features", {})
    architecture = CNN if "image" in features else kinds.get(data["source"]["kind"], ANN)
    spec = place / "spec.yaml"
    spec.write_text(yaml.safe_dump({"data": data, "architecture": architecture}, allow_unicode=True), encoding="utf-8")
    experiment, document = read_experiment(spec)
    if between is not None:
        between(place)
    return load_data(experiment, document, spec)[1]


def words_of(error: DlrunError) -> str:
    problems = error.problems if isinstance(error, SpecError) else []
    told = [f"{each.message} / expected: {each.expected} / mend: {each.hint}" for each in problems]
    return "; ".join(told) or f"{error.message} / mend: {error.hint}"


@pytest.fixture(autouse=True)
def bounded() -> Any:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST >> 10


def test_there_are_enough_of_them() -> None:
    assert len(ERRORS) + len(WARNINGS) + len(SOUND) >= 100


@pytest.mark.parametrize("name", ERRORS)
def test_damaged_input_is_told(name: str, tmp_path: pathlib.Path) -> None:
    make, data, words = ERRORS[name]
    make(tmp_path)
    with pytest.raises(DlrunError) as raised:
        load(tmp_path, data)
    text = words_of(raised.value)
    assert re.search(words, text), text
    assert "Error" not in text
    assert len(text) < 900


WARNINGS: dict[str, tuple[Make, dict[str, Any], str]] = {
    "a column that is all missing": (
        write("x,z,y\n" + "".join(f"{n / 4},,{'no' if n % 3 else 'yes'}\n" for n in range(60))),
        csv(),
        "z",
    ),
    "values that are missing": (column([1.25, 2.5, ""]), csv(), "x is missing in 20"),
    "NaN written out": (column([1.25, 2.5, "NaN"]), csv(), "x is missing in 20"),
    "N/A": (column([1, 2, "N/A"]), csv(), "N/A"),
    "numbers with thousands": (column(['"1,234"', '"12,345"']), csv(), "1,234"),
    "numbers with a decimal comma": (column(['"1,5"', '"2,25"']), csv(), "1,5"),
    "a constant": (column([1.5]), csv(), "x"),
    "the target again": (
        write("x,y\n" + "".join(f"{'b' if n % 3 else 'a'},{'no' if n % 3 else 'yes'}\n" for n in range(60))),
        csv(),
        "x",
    ),
    "NaN in an array": (
        arrays(x=np.where(np.arange(60) == 7, np.nan, np.arange(60) * 1.5)),
        NPZ,
        "x is missing in row 8",
    ),
    "images that look alike": (both(images(), images(form="GIF")), folder("image_folder"), "."),
}
"""Inputs that a training takes, and of which a deep check says something."""


@pytest.mark.parametrize("name", WARNINGS)
def test_doubtful_input_is_warned_of(name: str, tmp_path: pathlib.Path) -> None:
    from dlrun.profile.look import look
    from dlrun.profile.table import profile_dataset

    make, data, words = WARNINGS[name]
    make(tmp_path)
    dataset = load(tmp_path, data)
    found = look(dataset, profile_dataset(dataset), weighted=False)
    text = "; ".join([*(f"{each.what} / mend: {each.mend}" for each in found), *dataset.table.notes])
    assert re.search(words, text), text


WIDE = [f"c{n}" for n in range(10_000)]

X = [n / 4 for n in range(60)]

SOUND: dict[str, tuple[Make, dict[str, Any]]] = {
    "csv: a mark of UTF-8": (write("\ufeff" + TABLE), csv()),
    "csv: CRLF": (write(TABLE.replace("\n", "\r\n")), csv()),
    "csv: no line end at the end": (write(TABLE[:-1]), csv()),
    "csv: ten thousand columns": (
        write(",".join(["x", "y", *WIDE]) + "\n" + "".join(f"{row}{',1' * len(WIDE)}\n" for row in ROWS)),
        csv(select=["x", "y"]),
    ),
    "csv: a name with a line break, a space and an umlaut": (write(TABLE, "a \nü.csv"), csv(path="a \nü.csv")),
    "csv: a name that looks like a pattern": (write(TABLE, "[x]*.csv"), csv(path="[x]*.csv")),
    "csv: names in capitals": (write(TABLE, "DATA.CSV"), csv(path="DATA.CSV")),
    "csv.gz: two in one": (
        write(gzip.compress(TABLE[:20].encode()) + gzip.compress(TABLE[20:].encode()), "d.csv.gz"),
        csv(path="d.csv.gz"),
    ),
    "csv.zst": (write(ZST, "data.csv.zst"), csv(path="data.csv.zst")),
    "csv: quoted": (write("x,y\n" + "".join(f'"{n / 4}","{"no" if n % 3 else "yes"}"\n' for n in range(60))), csv()),
    "json: whole numbers and others": (lines(), JSON),
    "json: blank lines between": (
        both(
            lines(),
            lambda place: (place / "data.jsonl").write_text((place / "data.jsonl").read_text().replace("\n", "\n\n")),
        ),
        JSON,
    ),
    "parquet": (write(frame(), "data.parquet"), PARQUET),
    "parquet: a name that looks like a pattern": (
        write(frame(), "[x].parquet"),
        of("parquet", path="[x].parquet"),
    ),
    "npz: big-endian": (arrays(x=np.array(X, ">f4")), NPZ),
    "npz: Fortran's order": (arrays(x=np.asfortranarray(X)), NPZ),
}
"""Inputs that look strange and are read as they are meant."""


@pytest.mark.parametrize("name", SOUND)
def test_strange_input_is_read_as_it_is_meant(name: str, tmp_path: pathlib.Path) -> None:
    make, data = SOUND[name]
    make(tmp_path)
    assert load(tmp_path, data).table.columns["x"].tolist() == X


@pytest.mark.parametrize("mode", ["CMYK", "P", "L", "LA", "RGBA", "1", "I;16"])
def test_pictures_of_every_mode(mode: str, tmp_path: pathlib.Path) -> None:
    form = "JPEG" if mode == "CMYK" else "PNG"
    images(mode=mode if mode != "I;16" else "L", form=form)(tmp_path)
    if mode == "I;16":
        for file in (tmp_path / "data").rglob("*.png"):
            value = int(Image.open(file).getpixel((0, 0)))  # type: ignore[arg-type]
            Image.fromarray(np.full((5, 6), value * 257, np.uint16)).save(file)
    pixels = load(tmp_path, folder("image_folder")).table.columns["image"]
    assert pixels.shape[:3] == (12, 5, 6)
    found = pixels[:, 0, 0, 0].tolist()  # a, then b: those of even numbers first, by name
    expected = [0, 200, 40, 80, 120, 160, 20, 220, 60, 100, 140, 180]
    if mode == "1":
        expected = [0 if value < 128 else 255 for value in expected]
    assert np.abs(np.array(found) - expected).max() <= {"P": 26, "CMYK": 2}.get(mode, 0)


def test_pictures_of_one_pixel(tmp_path: pathlib.Path) -> None:
    images(size=(1, 1))(tmp_path)
    assert load(tmp_path, folder("image_folder")).table.columns["image"].shape == (12, 1, 1, 3)


def swap(name: str, content: str) -> Make:
    return lambda place: (place / name).write_text(content, encoding="utf-8")


@pytest.mark.parametrize(
    ("make", "data", "between", "words"),
    [
        (write(TABLE), csv(), swap("data.csv", "x,z\n1,2\n"), "no column y"),
        (write(TABLE), csv(), swap("data.csv", TABLE + "1\n"), "line 62 has 1 value"),
        (write(TABLE), csv(), lambda place: (place / "data.csv").unlink(), "there is no file .*data.csv"),
        (
            texts(),
            folder("text_folder"),
            lambda place: [each.unlink() for each in (place / "data/a").iterdir()],
            "class a",
        ),
        (images(), folder("image_folder"), swap("data/a/0.png", ""), "a/0.png is empty"),
    ],
)
def test_a_file_that_changes_after_it_was_checked(
    make: Make, data: dict[str, Any], between: Make, words: str, tmp_path: pathlib.Path
) -> None:
    make(tmp_path)
    with pytest.raises(DlrunError) as raised:
        load(tmp_path, data, between)
    assert re.search(words, words_of(raised.value)), words_of(raised.value)


def test_a_folder_that_changes_while_it_is_read(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlrun.data.sources import text_folder

    def walked(*arguments: Any) -> Any:
        found = walk(*arguments)
        found.files[3].path.unlink(missing_ok=True)
        return found

    texts()(tmp_path)
    walk = text_folder.class_folders
    monkeypatch.setattr(text_folder, "class_folders", walked)
    with pytest.raises(DataError, match=r"there is no file .*txt"):
        text_folder.TextFolder(kind="text_folder", path="data").load(tmp_path)


def test_a_file_that_must_not_be_read(tmp_path: pathlib.Path) -> None:
    """As another user than root, whom nothing keeps out."""
    write(TABLE)(tmp_path)
    (tmp_path / "data.csv").chmod(0)
    program = (
        "import os, pathlib; from dlrun.data.sources.files import check_file; os.getuid() or os.setuid(65534)\n"
        f"print([each.message for each in check_file(pathlib.Path('/'), {str(tmp_path / 'data.csv')!r})])"
    )
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.getuid() and "pytest" in parent.name:
            parent.chmod(0o755)
    tmp_path.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "Permission denied" in done.stdout, done.stderr


@pytest.mark.parametrize("name", ["data.csv.gz", "data.csv.xz", "data.csv.zst", "data.jsonl.gz", "data.jsonl.zst"])
def test_a_bomb_is_not_unpacked(name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlrun.data.sources.files.available_memory", lambda: 100 << 20)
    head, row = (b"x,y\n", b"0.25,yes\n") if ".csv" in name else (b"", b'{"x": 1, "y": 1}\n')
    content = head + row * ((80 << 20) // len(row))
    (tmp_path / name).write_bytes(packed_bytes(content, pathlib.Path(name).suffix))
    with pytest.raises(DataError, match=r"unpacks to more than 50\.0 MiB, and 100 MiB of memory are free"):
        load(tmp_path, csv(path=name) if ".csv" in name else of("json", path=name))


@pytest.mark.parametrize("seed", range(12))
def test_files_cut_at_random(seed: int, tmp_path: pathlib.Path) -> None:
    """Whatever is cut is told; or the rows that are left are those that stood there."""
    random_ = random.Random(seed)
    whole = {
        "data.csv": TABLE.encode(),
        "data.csv.gz": GZ,
        "data.csv.xz": XZ,
        "data.parquet": frame(),
        "data.db": sales(tmp_path),
    }
    for name, content in whole.items():
        (tmp_path / name).write_bytes(content[: random_.randrange(len(content))])
        kind = {"data.parquet": PARQUET, "data.db": SQL}.get(name, csv(path=name))
        try:
            table = load(tmp_path, kind).table
        except DlrunError:
            continue
        assert name == "data.csv", "only of plain text the beginning is a table too"
        assert table.columns["x"].tolist()[:-1] == X[: len(table) - 1]


@pytest.mark.parametrize("name", ["csv: a row too long", "npz: Python objects", "images: 100 megapixels in 20 kB"])
def test_the_program_says_it_and_no_traceback(name: str, tmp_path: pathlib.Path) -> None:
    make, data, words = ERRORS[name]
    make(tmp_path)
    spec = {"data": data, "architecture": CNN if "image" in name else ANN}
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    program = [sys.executable, "-m", "dlrun", "train", "spec.yaml"]
    environment = {**os.environ, "COLUMNS": "1000"}
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode in (1, 2)
    assert re.search(words, " ".join(done.stderr.split())), done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())
