"""TFRecord files as TensorFlow writes them."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from dlrun.data.sources import TfRecord

ROWS = 40


def write(file: pathlib.Path, compression: str | None, pixels: np.ndarray) -> None:
    def feature(value: object) -> tf.train.Feature:
        if isinstance(value, bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        if isinstance(value, int):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        return tf.train.Feature(float_list=tf.train.FloatList(value=value))

    with tf.io.TFRecordWriter(str(file), options=compression) as writer:
        for row in range(ROWS):
            features = {
                "picture": feature(tf.io.encode_png(pixels[row]).numpy()),
                "raw": feature(pixels[row].tobytes()),
                "label": feature(row * 3 - 50 if row else -(2**63)),
                "text": feature("größer".encode() * (row % 3)),
                "numbers": feature([row / 3, -row * 1e30]),
                "one": feature([row / 7] if row % 5 else []),
                "when": feature(f"2020-01-{row % 28 + 1:02} 10:00".encode()),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


@pytest.mark.parametrize(("name", "compression"), [("data.tfrecord", None), ("data.tfrecord.gz", "GZIP")])
def test_what_tensorflow_writes_is_read(name: str, compression: str | None, tmp_path: pathlib.Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (ROWS, 7, 5, 3), np.uint8)
    write(tmp_path / name, compression, pixels)
    columns = {
        **{"picture": "image", "raw": {"kind": "image", "shape": [7, 5, 3]}, "label": "integer", "text": "text"},
        **{"numbers": {"kind": "number", "size": 2}, "one": "number", "when": "text"},
    }
    source = TfRecord.parse({"kind": "tfrecord", "path": name, "columns": columns, "time": "when"})
    assert list(source.check(tmp_path)) == []
    table = source.load(tmp_path).columns
    assert np.array_equal(table["picture"], pixels)
    assert np.array_equal(table["raw"], pixels)
    assert table["label"].tolist() == [-(2**63), *(row * 3 - 50 for row in range(1, ROWS))]
    assert table["text"].tolist()[:3] == [None, "größer", "größergrößer"]
    single = np.float32([[row / 3, -row * 1e30] for row in range(ROWS)])
    assert np.array_equal(table["numbers"], single.astype(np.float64))
    assert np.isnan(table["one"][::5]).all()
    assert table["one"][1] == np.float32(1 / 7)
    assert str(table["when"][1]) == "2020-01-02T10:00:00.000000"
