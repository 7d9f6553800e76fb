"""Data that is larger than memory: read by columns and by blocks it is what it is in memory, and in which order."""

from __future__ import annotations

import io
import math
import pathlib
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import PIL.Image
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfrecords import framed, made

from dlrun.data import streaming
from dlrun.data.dataset import Dataset
from dlrun.data.on_disk import Mapped, OnDisk, Selected, check_room
from dlrun.data.section import Data
from dlrun.data.sources import Arrays, Csv, Parquet, lazy
from dlrun.errors import DataError, MisfitError
from dlrun.init import init_from
from dlrun.machine import bytes_of
from dlrun.profile.look import look
from dlrun.profile.table import profile_dataset
from dlrun.training import streamed
from dlrun.training.streamed import Windows

N = 1000
WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "lazy", "dog", "again", "today"]
RANDOM = np.random.default_rng(4)


def frame(rows: int, seed: int) -> pl.DataFrame:
    """Columns of every type, with missing values here and there."""
    random = np.random.default_rng(seed)

    def with_missing(values: Any, share: float = 0.1) -> list[Any]:
        return [None if random.random() < share else value for value in values]

    return pl.DataFrame(
        {
            "number": with_missing(random.normal(size=rows).tolist()),
            "whole": random.integers(0, 1000, rows),
            "whole_or_none": with_missing(random.integers(0, 9, rows).tolist(), 2 / rows),
            "small": pl.Series(random.integers(0, 200, rows), dtype=pl.UInt8),
            "flag": random.integers(0, 2, rows).astype(bool),
            "flag_or_none": with_missing(random.integers(0, 2, rows).astype(bool).tolist(), 2 / rows),
            "colour": with_missing(random.choice(["red", "green", "blue"], rows).tolist()),
            "code": [f"{value:03d}" for value in random.integers(0, 300, rows)],
            "note": [" ".join(random.choice(WORDS, 3)) for _ in range(rows)],
            "like": [f"{value}.50" for value in random.integers(0, 9, rows)],
            "when": pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2030, 1, 1), eager=True)[:rows],
            "pair": random.normal(size=(rows, 2)),
            "label": random.choice(["yes", "no"], rows),
        }
    )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A folder with a table in two parts, read in blocks of 64 rows."""
    monkeypatch.setattr(lazy, "BLOCK", 64)
    monkeypatch.setattr("dlrun.profile.look.BLOCK", 64)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "parts").mkdir()
    frame(N, 1).write_parquet(tmp_path / "parts" / "a.parquet", row_group_size=100)
    other = frame(N // 2, 2).with_columns(whole=pl.col("whole") + 0.5)  # there the column is of another type
    other.select(other.columns[::-1]).write_parquet(tmp_path / "parts" / "b[1].parquet")
    yield tmp_path
    assert not list((tmp_path / "cache").rglob("*.*"))  # files there have no names


SOURCES: dict[str, dict[str, Any]] = {
    "plain": {},
    "types": {"types": {"whole_or_none": "text", "small": "number", "like": "number", "code": "integer"}},
    "text": {"types": {"small": "text", "flag_or_none": "text"}},
    "some": {"select": ["number", "colour", "label", "code"], "where": [{"column": "small", "min": 50}], "limit": 900},
    "where": {"where": [{"column": "colour", "any_of": ["red", "blue"]}, {"column": "whole", "max": 700}]},
    "limit": {"limit": 150},
    "times": {"time": "when"},
}


@pytest.mark.parametrize("fields", SOURCES.values(), ids=SOURCES)
def test_columns_that_are_read_one_by_one_are_those_of_the_table(fields: dict[str, Any], small: pathlib.Path) -> None:
    source = Parquet.parse({"kind": "parquet", "path": "parts", **fields})
    whole, lazily = source.load(small), source.lazily(small)
    assert (lazily.name, len(lazily), list(lazily.columns)) == (whole.name, len(whole), list(whole.columns))
    assert [pathlib.Path(file).name for file in lazily.files] == [pathlib.Path(file).name for file in whole.files]
    assert whole.file_of is not None
    assert lazily.file_of is not None
    np.testing.assert_array_equal(lazily.file_of, whole.file_of)
    blocks: dict[str, list[np.ndarray]] = {name: [] for name in whole.columns}
    for name, values in whole.columns.items():
        np.testing.assert_array_equal(lazily.columns[name], values, strict=True)
    for block in lazy.rows_of_table(lazily, list(whole.columns)):
        assert 0 < len(block) <= 64
        for name, values in block.columns.items():
            blocks[name].append(values)
    for name, values in whole.columns.items():
        np.testing.assert_array_equal(np.concatenate(blocks[name]), values, strict=True)


FEATURES = {
    "number": {"kind": "number", "missing": "mean"},
    "whole_or_none": {"kind": "category"},
    "flag_or_none": {"kind": "category", "encoding": "embedding"},
    "colour": {"kind": "category"},
    "like": {"kind": "category", "encoding": "target"},
    "small": {"kind": "number", "normalise": "min_max"},
    "note": {"kind": "text", "sequence_length": 4},
}


WITH_COLOUR = {"kind": "parquet", "path": "parts", "where": [{"column": "colour", "none_of": ["x"]}]}


def loaded(base: pathlib.Path, memory: str, **fields: Any) -> Dataset:
    tree = {"source": {"kind": "parquet", "path": "parts"}, "target": "label", "features": FEATURES, **fields}
    return Data.parse(tree).load(base, 5, memory=memory)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"target": "whole"},
        {"split": {"kind": "group", "by": "code"}, "source": WITH_COLOUR},
        {"split": {"stratify": True, "validation": 0}},
    ],
    ids=["classes", "numbers", "groups", "no validation"],
)  # fmt: skip
def test_what_is_on_disk_is_what_would_be_in_memory(fields: dict[str, Any], small: pathlib.Path) -> None:
    whole, streamed = (loaded(small, memory, **fields) for memory in ("in_memory", "streamed"))
    assert (whole.streamed, streamed.streamed) == (False, True)
    assert isinstance(streamed.table.columns, lazy.LazyColumns)
    assert streamed.table.columns._last is None
    assert streamed.summary() == whole.summary()
    assert streamed.table.columns._last is None, "no column stays in memory while a model is trained"
    assert streamed.resolved == whole.resolved
    profiles = [profile_dataset(each) for each in (whole, streamed)]
    assert profiles[0].tree() == profiles[1].tree()
    found, expected = (look(*each, weighted=False) for each in zip((streamed, whole), profiles, strict=True))
    assert [each.tree() for each in found] == [each.tree() for each in expected]
    assert streamed.splits.keys() == whole.splits.keys()
    for part, expected in whole.splits.items():
        found = streamed.splits[part]
        np.testing.assert_array_equal(found.rows, expected.rows)
        assert found.inputs.keys() == expected.inputs.keys()
        pairs = [(found.inputs[name], expected.inputs[name]) for name in expected.inputs]
        for mine, its in [*pairs, (found.target, expected.target), (found.truth, expected.truth)]:
            np.testing.assert_array_equal(np.asarray(mine), its, strict=True)
        ranges = [(7, 30), (0, 5)]
        some, rows = streaming.window(found, ranges, 40), [*range(7, 30), *range(5)]
        np.testing.assert_array_equal(some.rows[:28], expected.rows[rows])
        for name, values in expected.inputs.items():
            np.testing.assert_array_equal(some.inputs[name][:28], values[rows])
            assert not some.inputs[name][28:].any()


def test_the_input_of_an_autoencoder_is_on_disk_once(small: pathlib.Path) -> None:
    names = ["number", "colour", "small"]
    tree = {
        "source": {"kind": "parquet", "path": "parts"},
        "features": {name: FEATURES[name] for name in names},
    }
    whole, streamed = (
        Data.parse(tree).load(small, 5, reconstructs=True, memory=memory) for memory in ("in_memory", "streamed")
    )
    assert (whole.streamed, streamed.streamed) == (False, True)
    assert streamed.summary() == whole.summary()
    assert streamed.preparation == whole.preparation
    for part, expected in whole.splits.items():
        found = streamed.splits[part]
        given = found.inputs["features"]
        np.testing.assert_array_equal(np.asarray(given), expected.inputs["features"], strict=True)
        assert found.target is given
        assert found.truth is given
    assert streaming.row_bytes(streamed.train) == 4 * whole.train.inputs["features"].shape[1]
    some = streaming.window(streamed.train, [(5, 9)], 6)
    assert some.target is some.inputs["features"]
    both = tree | {"features": {name: FEATURES[name] for name in ("number", "note")}}
    for memory in ("in_memory", "streamed"):
        with pytest.raises(DataError, match="can reconstruct one input, but the features make 2: features, note"):
            Data.parse(both).load(small, 5, reconstructs=True, memory=memory)


SHOPS: dict[str, Any] = {
    "y": {"kind": "series", "window": 5, "horizon": 3, "difference": 2, "normalise_each": True},
    "x": {"kind": "series", "normalise": "min_max"},
    "price": {"kind": "series", "known": True},
    "time": {"kind": "date", "parts": ["hour", "weekday"]},
}


def shops(hours: int) -> pl.DataFrame:
    """Three shops hour by hour, mixed, each with holes of its own."""
    random = np.random.default_rng(8)
    time, shop = np.repeat(np.arange(hours), 3), np.tile(["a", "b", "c"], hours)
    frame = pl.DataFrame(
        {
            "time": np.datetime64("2024-01-01T00", "us") + time * np.timedelta64(1, "h"),
            "shop": shop,
            "price": random.integers(1, 9, 3 * hours),
            "x": random.normal(size=3 * hours).astype(np.float32),
            "y": random.normal(size=3 * hours) + 100.0 * (shop == "b"),
        }
    )
    return frame.filter(pl.Series(random.random(3 * hours) > 0.02))


@pytest.mark.parametrize(
    ("split", "encoding"),
    [({}, "one_hot"), ({"gap": 0}, "embedding"), ({"gap": 9, "validation": 0}, "one_hot")],
    ids=["gap", "no gap", "wide gap"],
)
def test_series_on_disk_are_those_in_memory(split: dict[str, Any], encoding: str, small: pathlib.Path) -> None:
    shops(200).write_parquet(small / "shops.parquet", row_group_size=100)
    fields = {
        "source": {"kind": "parquet", "path": "shops.parquet", "time": "time"},
        "series_by": "shop", "target": "y",
        "features": SHOPS | {"shop": {"kind": "category", "encoding": encoding}}, "split": {"kind": "time", **split},
    }  # fmt: skip
    whole, streamed = (loaded(small, memory, **fields) for memory in ("in_memory", "streamed"))
    assert (whole.streamed, streamed.streamed) == (False, True)
    assert isinstance(streamed.table.columns, lazy.LazyColumns)
    assert streamed.table.columns._last is None
    assert (streamed.summary(), streamed.resolved) == (whole.summary(), whole.resolved)
    assert streamed.splits.keys() == whole.splits.keys()
    for part, expected in whole.splits.items():
        found = streamed.splits[part]
        np.testing.assert_array_equal(found.rows, expected.rows)
        assert found.inputs.keys() == expected.inputs.keys()
        assert len(expected.inputs) == (2 if encoding == "embedding" else 1)
        pairs = [(found.inputs[name], expected.inputs[name]) for name in expected.inputs]
        pairs += [(found.target, expected.target)]
        for mine, its in [*pairs, (found.truth, expected.truth)]:
            np.testing.assert_array_equal(np.asarray(mine), its, strict=True)
        assert found.past is not None
        assert expected.past is not None
        assert found.past.ids is not None
        assert found.past.ids.tolist() == (expected.past.ids is not None and expected.past.ids.tolist())
        np.testing.assert_array_equal(found.past.time_index, expected.past.time_index)
    profiles = [profile_dataset(each) for each in (whole, streamed)]
    assert profiles[0].tree() == profiles[1].tree()
    findings = [look(*each, weighted=False) for each in zip((whole, streamed), profiles, strict=True)]
    assert [each.tree() for each in findings[0]] == [each.tree() for each in findings[1]]


def test_windows_that_would_be_too_large_are_made_of_steps_on_disk(small: pathlib.Path) -> None:
    """The table itself fits. A row counts as a window, and each number of it 8 bytes: twice those of float32."""
    shops(200).write_parquet(small / "shops.parquet")
    source = {"kind": "parquet", "path": "shops.parquet", "time": "time"}
    features = {"y": {"kind": "series", "window": 15, "horizon": 2}, "x": {"kind": "series"}}
    fields = {"source": source, "series_by": "shop", "target": "y", "features": features}
    rows = sum(len(part) for _, part in loaded(small, "in_memory", **fields).parts.items())
    needed = 8 * rows * 15 * 2
    assert Parquet.parse(source).memory_needed(small) < needed - 1
    whole, streamed = (loaded(small, f"{bytes_ / 1000} KB", **fields) for bytes_ in (needed, needed - 1))
    assert (whole.streamed, streamed.streamed) == (False, True)
    assert not isinstance(streamed.table.columns, lazy.LazyColumns)
    np.testing.assert_array_equal(np.asarray(streamed.test.inputs["series"]), whole.test.inputs["series"])


def test_findings_in_rows_are_those_of_the_table_in_memory(small: pathlib.Path) -> None:
    twice = frame(N, 1).head(60).with_columns(label=pl.Series(["no"] * 60), number=pl.lit(None, pl.Float64))
    both = pl.concat([frame(N, 1), twice, twice.with_columns(label=pl.lit("yes"))], how="vertical_relaxed")
    both = both.with_columns(gives_away=pl.col("label") + "!", one=pl.lit(3.5))
    both = both.with_columns(mostly_one=pl.Series([None if row % 10 == 0 else 1.0 for row in range(len(both))]))
    both.write_parquet(small / "twice.parquet")
    features = {name: each for name, each in FEATURES.items() if name != "like"} | {
        "one": {"kind": "number"},
        "mostly_one": {"kind": "number"},
    }
    kinds: set[str] = set()
    for more in ({}, {"gives_away": {"kind": "category"}}):
        found = []
        for memory in ("in_memory", "streamed"):
            source = {"kind": "parquet", "path": "twice.parquet"}
            dataset = loaded(small, memory, source=source, features=features | more)
            found.append([each.tree() for each in look(dataset, profile_dataset(dataset), weighted=False)])
        assert found[0] == found[1]
        kinds |= {each["kind"] for each in found[0]}
        # In a column of one value and a missing one something can be learned.
        assert [each["columns"] for each in found[0] if each["kind"] == "constant"] == [["one"]]
    assert kinds >= {"leak", "constant", "duplicates_across", "conflicting_labels"}


def test_a_draft_of_one_column_at_a_time_is_that_of_the_table(
    small: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = init_from(small / "parts", small / "draft.yaml").read_text(encoding="utf-8")
    (small / "draft.yaml").unlink()
    monkeypatch.setattr(streaming, "allowed_bytes", lambda memory: 0)
    monkeypatch.setattr(Parquet, "whole", None)
    assert init_from(small / "parts", small / "draft.yaml").read_text(encoding="utf-8") == whole


def test_a_budget_decides(small: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Parquet.parse({"kind": "parquet", "path": "parts", "select": ["number", "whole"]})
    needed = source.memory_needed(small)
    assert needed == 2 * 16 * (N + N // 2)  # 8 bytes in the table, and twice 4 encoded
    assert not streaming.is_streamed(source, small, f"{needed / 1000} KB")
    assert streaming.is_streamed(source, small, f"{(needed - 1) / 1000} KB")
    assert not streaming.is_streamed(source, small, "in_memory")
    for free, expected in ((4 * needed, False), (4 * needed - 4, True), (None, False)):
        monkeypatch.setattr(streaming, "available_memory", lambda free=free: free)
        assert streaming.is_streamed(source, small, "auto") is expected


def test_a_packed_file_needs_five_times_its_size_as_text_does(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a\n1\n2\n3\n")
    (tmp_path / "b.csv.gz").write_bytes(bytes(100))
    assert Csv(kind="csv", path="a.csv").memory_needed(tmp_path) == 4 * 8
    assert Csv(kind="csv", path="b.csv.gz").memory_needed(tmp_path) == 4 * 5 * 100
    assert Csv(kind="csv", path="*.csv*").memory_needed(tmp_path) == 4 * (8 + 5 * 100)


@pytest.mark.parametrize(
    ("text", "count"), [("500 MB", 500_000_000), ("2GiB", 2 << 30), ("1.5 KB", 1500), ("2", None), ("-1 GB", None)]
)
def test_sizes(text: str, count: int | None) -> None:
    assert bytes_of(text) == count


def test_what_cannot_be_streamed_is_told(small: pathlib.Path) -> None:
    assert not streaming.is_streamed(Arrays(kind="arrays", path="a.npz"), small, "1 KB")
    with pytest.raises(DataError, match=r"would take 1\.00 TiB of disk"):
        check_room(small, 1 << 40, "this")
    if sys.platform == "linux":
        with pytest.raises(DataError, match="/proc cannot be used to put this aside") as raised:
            check_room(pathlib.Path("/proc"), 0, "this")  # is there, and nobody can write to it
        assert raised.value.hint == "set the environment variable XDG_CACHE_HOME to a folder that can be written to"


HELD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "npz": ({"kind": "arrays", "path": "a.npz"}, {"target": "y"}),
    "npy": ({"kind": "arrays", "path": "arrays"}, {"target": "y", "features": {"image": {"kind": "image"}}}),
    "tfrecord": (
        {"kind": "tfrecord", "path": "a.tfrecord", "columns": {"image": "image", "size": "number", "label": "integer"}},
        {"target": {"column": "label", "kind": "category"}},
    ),
    "text_folder": ({"kind": "text_folder", "path": "texts"}, {"features": {"text": {"kind": "text"}}}),
}


@pytest.mark.parametrize("name", HELD)
def test_encoded_rows_of_what_is_held_in_memory_are_put_aside(
    name: str, small: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the spec says so or how much they may take, or they would not fit; not else, since the order is another."""
    pixels = RANDOM.integers(0, 256, (150, 5, 4), np.uint8)
    np.savez(small / "a.npz", x=pixels[:, 0].astype(float), z=pixels, y=np.arange(150) % 2)
    (small / "arrays").mkdir()
    np.save(small / "arrays" / "image.npy", pixels)
    np.save(small / "arrays" / "y.npy", np.arange(150) % 2)
    records = []
    for index, each in enumerate(pixels):
        PIL.Image.fromarray(each).save(stream := io.BytesIO(), "PNG")
        records.append(made(image=stream.getvalue(), size=index / 4, label=index % 3))
        place = small / "texts" / "ab"[index % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{index}.txt").write_text(" ".join(RANDOM.choice(WORDS, 3)))
    (small / "a.tfrecord").write_bytes(framed(*records))
    monkeypatch.setattr(lazy, "VALUES", 64)  # some rows at a time
    source, fields = HELD[name]
    data = Data.parse({"source": source, **fields})
    whole, asked = (data.load(small, 0, memory=memory) for memory in ("in_memory", "streamed"))
    values = 150 * sum(math.prod(each.shape[1:]) for each in whole.train.inputs.values())
    needed = (9 if name == "npy" else 8) * values
    by_budget = {size: data.load(small, 0, memory=f"{size / 1000} KB").streamed for size in (needed, needed - 1)}
    assert by_budget == {needed: False, needed - 1: True}
    for free, expected in ((needed, False), (needed - 1, True)):
        monkeypatch.setattr(streaming, "available_memory", lambda free=free: free)
        assert data.load(small, 0, memory="auto").streamed is expected
    assert (whole.streamed, asked.streamed) == (False, True)
    assert isinstance(asked.table.columns.get("image"), Mapped) is (name == "npy")
    assert asked.summary() == whole.summary()
    findings = [look(each, profile_dataset(each), weighted=False, watched=True) for each in (whole, asked)]
    assert findings[1] == findings[0]
    for part, expected_ in whole.splits.items():
        found = asked.splits[part]
        np.testing.assert_array_equal(np.asarray(found.target), expected_.target, strict=True)
        for each, values in expected_.inputs.items():
            np.testing.assert_array_equal(np.asarray(found.inputs[each]), values, strict=True)


def test_mistakes_are_those_of_the_table_in_memory(small: pathlib.Path) -> None:
    for fields in (
        {"select": ["numbr"]},
        {"where": [{"column": "whole", "min": 5000}]},
        {"where": [{"column": "colour", "min": 3}]},
    ):
        source = Parquet.parse({"kind": "parquet", "path": "parts", **fields})
        with pytest.raises((DataError, MisfitError)) as told:
            source.load(small)
        with pytest.raises(type(told.value)) as mine:
            source.lazily(small)
        assert str(mine.value) == str(told.value)
    bad = frame(N, 3).with_columns(number=pl.when(pl.col("whole") == pl.col("whole").max()).then(float("inf")))
    bad.write_parquet(small / "bad.parquet")
    tree = {"source": {"kind": "parquet", "path": "bad.parquet"}, "target": "label", "features": FEATURES}
    messages = []
    for memory in ("in_memory", "streamed"):
        with pytest.raises(DataError) as told:
            Data.parse(tree).load(small, 0, memory=memory)
        messages.append(str(told.value))
    assert messages[0] == messages[1]


def test_images_on_disk_are_those_in_memory(small: pathlib.Path) -> None:
    for index in range(50):
        folder = small / "pictures" / ("cat", "dog", "fox")[index % 3]
        folder.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(RANDOM.integers(0, 256, (6, 5, 3), np.uint8)).save(folder / f"{index}.png")
    tree = {
        "source": {"kind": "image_folder", "path": "pictures"},
        "features": {"image": {"kind": "image", "standardise": True}},
    }
    whole, on_disk = (Data.parse(tree).load(small, 5, memory=memory) for memory in ("41 KB", "40 KB"))
    assert (whole.streamed, on_disk.streamed) == (False, True)  # 50 x 6 x 5 x 3 values, 9 bytes each
    assert on_disk.summary() == whole.summary()
    assert on_disk.preparation == whole.preparation
    for part, expected in whole.splits.items():
        found = on_disk.splits[part]
        np.testing.assert_array_equal(np.asarray(found.inputs["image"]), expected.inputs["image"], strict=True)
        np.testing.assert_array_equal(np.asarray(found.target), expected.target, strict=True)
    some = streaming.window(on_disk.train, [(20, 30), (3, 4)], 16)
    np.testing.assert_array_equal(some.inputs["image"][:11], whole.train.inputs["image"][[*range(20, 30), 3]])
    assert not some.inputs["image"][11:].any()
    assert streaming.row_bytes(on_disk.train) == 6 * 5 * 3 * 4 + 4
    again = Data.parse(tree).load(small, 5, reconstructs=True, memory="streamed")
    assert streaming.row_bytes(again.train) == 6 * 5 * 3 * 4
    for examples in again.splits.values():
        assert examples.target is examples.inputs["image"]
        assert examples.truth is examples.inputs["image"]
    np.testing.assert_array_equal(np.asarray(again.test.inputs["image"]), whole.test.inputs["image"], strict=True)


def test_texts_that_repeat_are_kept_once() -> None:
    texts = [None, "a", "b", "a", None, "b"] * 10
    found = lazy.shared_texts(pl.Series(texts), "t")
    assert found is not None
    assert found.tolist() == texts
    assert len({id(text) for text in found}) == 3
    assert lazy.shared_texts(pl.Series(["a", "b"]), "t") is None
    assert lazy.shared_texts(pl.Series([1, 1, 1, 1]), "t") is None


@given(st.integers(1, 3000), st.integers(1, 64), st.integers(1, 70), st.integers(0, 5))
@settings(deadline=None)
def test_each_epoch_has_every_example_once_in_an_order_of_its_own(
    count: int, row_bytes: int, batch: int, seed: int
) -> None:
    least = streamed.LEAST_BYTES
    streamed.LEAST_BYTES = 1000
    try:
        windows = Windows(count, row_bytes, batch)
    finally:
        streamed.LEAST_BYTES = least
    assert windows.rows == windows.steps * batch
    for random in (None, seed):
        seen = []
        for window in range(windows.number):
            ranges = windows.ranges(window, None if random is None else np.random.default_rng(random))
            rows = np.concatenate([np.arange(*each) for each in ranges])
            assert len(rows) == windows.size(window) <= windows.rows
            assert len(ranges) <= streamed.SHARDS + 3
            batches, rest = windows.order(window, None if random is None else np.random.default_rng(random))
            assert batches.shape == (windows.steps, batch)
            whole = len(rows) // batch
            places = [*batches[:whole].ravel(), *rest.ravel()]
            assert sorted(places) == list(range(len(rows)))
            seen += rows[places].tolist()
        assert sorted(seen) == list(range(count))
        assert (seen == list(range(count))) or random is not None


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.data())
@settings(deadline=None, max_examples=25)
def test_an_array_on_disk_is_that_in_memory(sizes: list[int], data: st.DataObject) -> None:
    blocks = [RANDOM.integers(-9, 9, (size, 3, 2)).astype(np.int16) for size in sizes]
    stored = OnDisk(pathlib.Path(tempfile.gettempdir()), (3, 2), np.dtype("i2"))
    for block in blocks:
        stored.append(block)
    whole = np.concatenate(blocks)
    assert (len(stored), stored.shape, stored.dtype) == (len(whole), whole.shape, whole.dtype)
    np.testing.assert_array_equal(np.asarray(stored), whole, strict=True)
    first, last = data.draw(st.integers(-20, 60)), data.draw(st.integers(-20, 60))
    np.testing.assert_array_equal(stored[first:last], whole[first:last])
    rows = np.array(data.draw(st.lists(st.integers(0, len(whole) - 1))), np.int64)
    some, expected = stored[rows], whole[rows]
    assert (len(some), some.shape, some.dtype) == (len(rows), expected.shape, expected.dtype)
    np.testing.assert_array_equal(np.asarray(some), expected)
    np.testing.assert_array_equal(some[first:last], expected[first:last])
    doubled = Selected(stored, rows, lambda values, out=None: np.multiply(values, 2.0, out))
    np.testing.assert_array_equal(doubled[:], expected * 2.0, strict=True)
