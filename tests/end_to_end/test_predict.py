"""`dlrun predict`: the same numbers as the training's own and as plain Keras, and an answer to everything odd."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from running import IMAGE, ROOT, dlrun, plain, trained, write

WORDS = ["red", "green", "=SUM(A1)", 'two "quoted"', "line\nbreak", "Öl, ÄRGER", "semi;colon", "007"]
WALLS = ["brick", "wood", "clay"]
TRAINING = {"epochs": 1, "batch_size": 32}


def texts(path: Path, columns: dict[str, list[Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def keras_says(run: Path, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """What the saved model says, with Keras alone."""
    import keras
    import tensorflow as tf

    model = keras.models.load_model(run / "model.keras")
    tensors = {
        name: tf.constant(values.tolist() if values.dtype == object else values) for name, values in inputs.items()
    }
    return np.asarray(model(tensors))


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("houses")
    rng = np.random.default_rng(0)
    size = [f"{value:.3f}" if index % 17 else "" for index, value in enumerate(rng.normal(100, 20, 240))]
    columns = {
        "size": size,
        "wall": [WALLS[index % 3] if index % 23 else "" for index in range(240)],
        "text": [f"{WORDS[index % 8]} {WORDS[index * 5 % 8]} {index}" for index in range(240)],
        "sold": [("=yes", "no")[index % 7 % 2] for index in range(240)],
    }
    return texts(folder / "houses.csv", columns)


@pytest.fixture(scope="module")
def table_run(houses: Path) -> Path:
    tree = {
        "name": "table",
        "data": {
            "source": {"kind": "csv", "path": "houses.csv"},
            "target": "sold",
            "features": {"size": {"kind": "number"}, "wall": {"kind": "category"}},
        },
        "architecture": {"kind": "ann", "dense": [4]},
        "training": TRAINING,
    }
    return trained(write(houses.parent / "table.yaml", tree), houses.parent / "runs")


@pytest.fixture(scope="module")
def text_run(houses: Path) -> Path:
    tree = {
        "name": "text",
        "data": {
            "source": {"kind": "csv", "path": "houses.csv"},
            "target": "sold",
            "features": {"text": {"kind": "text", "sequence_length": 6, "vocabulary_size": 30}},
        },
        "architecture": {"kind": "lstm", "embedding_size": 4, "units": [4]},
        "training": TRAINING,
    }
    return trained(write(houses.parent / "text.yaml", tree), houses.parent / "runs")


def test_numbers_and_categories_three_ways(table_run: Path, houses: Path) -> None:
    done = dlrun("predict", table_run, houses)
    assert (done.returncode, done.stderr) == (0, "")
    said = read_csv(done.stdout)
    rows = read_csv(houses.read_text(encoding="utf-8"))
    assert list(said[0]) == ["row", "prediction", "probability_=yes", "probability_no"]
    assert [int(row["row"]) for row in said] == list(range(1, len(rows) + 1))
    by_row = {row["row"]: row for row in pl.read_parquet(table_run / "predictions.parquet").to_dicts()}
    assert len(by_row) > 50
    size = np.array([[float(row["size"] or "nan")] for row in rows], np.float32)
    wall = np.array([[row["wall"]] for row in rows], object)
    keras = keras_says(table_run, {"size": size, "wall": wall})[:, 0]
    for position, row in enumerate(said):
        if trained_says := by_row.get(position):
            assert row["prediction"].removeprefix("'") == trained_says["prediction"]
            assert float(row["probability_no"]) == pytest.approx(trained_says["score_no"], abs=1e-6)
        assert float(row["probability_no"]) == pytest.approx(keras[position], abs=1e-6)
        assert float(row["probability_no"]) + float(row["probability_=yes"]) == pytest.approx(1)
    assert {row["prediction"] for row in said} <= {"'=yes", "no"}, "a spreadsheet must not take it for a formula"
    as_json = dlrun("predict", table_run, houses, "--format", "jsonl")
    assert {json.loads(line)["prediction"] for line in as_json.stdout.splitlines()} <= {"=yes", "no"}


def test_texts_three_ways(text_run: Path, houses: Path) -> None:
    said = read_csv(dlrun("predict", text_run, houses).stdout)
    rows = read_csv(houses.read_text(encoding="utf-8"))
    keras = keras_says(text_run, {"text": np.array([[row["text"]] for row in rows], object)})[:, 0]
    frame = pl.read_parquet(text_run / "predictions.parquet").sort("row")
    received = [float(row["probability_no"]) for row in said]
    seen = [received[row] for row in frame["row"].to_list()]
    np.testing.assert_allclose(seen, frame["score_no"].to_list(), rtol=0, atol=1e-6)
    np.testing.assert_allclose(received, keras, rtol=0, atol=1e-6)


def test_texts_that_are_all_numbers_are_texts(text_run: Path, tmp_path: Path) -> None:
    """`007` must be looked up as it stands there, not as 7."""
    new = texts(tmp_path / "new.csv", {"text": ["007", "007", "12"]})
    done = dlrun("predict", text_run, new)
    assert done.returncode == 0, done.stderr
    keras = keras_says(text_run, {"text": np.array([["007"], ["007"], ["12"]], object)})[:, 0]
    received = [float(row["probability_no"]) for row in read_csv(done.stdout)]
    np.testing.assert_allclose(received, keras, rtol=0, atol=1e-6)


def test_images_three_ways(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    tree = {
        "name": "image",
        "data": IMAGE,
        "architecture": {"kind": "cnn", "blocks": [{"filters": 4, "pool": 2}], "dense": [8]},
        "training": TRAINING,
    }
    run = trained(write(tmp_path / "image.yaml", tree), tmp_path / "runs")
    images = load_digits().images.astype(np.uint8)[..., None]
    np.savez(tmp_path / "new.npz", image=images)
    out = tmp_path / "out.parquet"
    done = dlrun("predict", run, tmp_path / "new.npz", "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    frame = pl.read_parquet(out)
    assert frame["row"].to_list() == list(range(1, len(images) + 1))
    expected = pl.read_parquet(run / "predictions.parquet").sort("row")
    seen = frame[expected["row"].to_list()]
    assert seen["prediction"].to_list() == expected["prediction"].to_list()
    received, scores = (each.select(pl.col(r"^(probability|score)_.*$")).to_numpy() for each in (seen, expected))
    np.testing.assert_allclose(received, scores, rtol=0, atol=1e-6)
    received = frame.select(pl.col("^probability_.*$")).to_numpy()
    np.testing.assert_allclose(received, keras_says(run, {"image": images}), rtol=0, atol=1e-6)
    np.savez(tmp_path / "small.npz", image=images[:, :4])
    done = dlrun("predict", run, tmp_path / "small.npz")
    assert done.returncode == 1
    assert "image is 4x8x1, where the model takes images of 8x8x1" in plain(done.stderr)


def test_series_three_ways(tmp_path: Path) -> None:
    hours = np.arange(np.datetime64("2020-01-01T00"), np.datetime64("2020-02-10T00"))
    values = 10 + 5 * np.sin(np.arange(len(hours)) * math.tau / 24)
    stamps = [str(hour).replace("T", " ") + ":00" for hour in hours]
    texts(tmp_path / "temps.csv", {"date": stamps, "temp": [f"{value:.4f}" for value in values]})
    tree = {
        "name": "series",
        "data": {
            "source": {"kind": "csv", "path": "temps.csv", "time": "date"},
            "target": "temp",
            "features": {"temp": {"kind": "series", "window": 24, "horizon": 3}},
        },
        "architecture": {"kind": "lstm", "units": [4]},
        "training": TRAINING,
    }
    run = trained(write(tmp_path / "series.yaml", tree), tmp_path / "runs")
    rounded = np.array([round(value, 4) for value in values])
    raw = np.lib.stride_tricks.sliding_window_view(rounded, 24).astype(np.float32)[:, :, None]
    keras = keras_says(run, {"temp": raw})  # (windows, 3)

    last = read_csv(dlrun("predict", run, tmp_path / "temps.csv").stdout)
    assert [row["time"] for row in last] == ["2020-02-10 00:00:00", "2020-02-10 01:00:00", "2020-02-10 02:00:00"]
    assert [(row["row"], row["step"]) for row in last] == [(str(len(hours)), str(step)) for step in (1, 2, 3)]
    np.testing.assert_allclose([float(row["prediction"]) for row in last], keras[-1], rtol=1e-6, atol=1e-6)

    every = read_csv(dlrun("predict", run, tmp_path / "temps.csv", "--every-window").stdout)
    received = np.array([float(row["prediction"]) for row in every]).reshape(-1, 3)
    np.testing.assert_allclose(received, keras, rtol=1e-6, atol=1e-6)
    of_row = dict(zip((int(row["row"]) - 1 for row in every[::3]), received, strict=True))
    frame = pl.read_parquet(run / "predictions.parquet")
    assert len(frame) > 200
    for row, prediction in frame.select("row", "prediction").iter_rows():
        np.testing.assert_allclose(of_row[row], prediction, rtol=0, atol=1e-6)

    texts(tmp_path / "hole.csv", {"date": [*stamps[:30], stamps[40]], "temp": [*rounded[:30], rounded[40]]})
    done = dlrun("predict", run, tmp_path / "hole.csv")
    assert done.returncode == 1
    told = "needs the last 24 rows without a hole, but after 2020-01-02 05:00:00 comes 2020-01-02 16:00:00"
    assert told in plain(done.stderr)
    texts(tmp_path / "bad.csv", {"date": [*stamps[:24], "soon", ""], "temp": [*rounded[:24], 1, 2]})
    done = dlrun("predict", run, tmp_path / "bad.csv")
    assert done.returncode == 1
    assert "row 25: date is no time: 'soon'" in plain(done.stderr)
    assert "row 26: date is missing" in plain(done.stderr)
    done = dlrun("predict", run, tmp_path / "bad.csv", "--skip-bad-rows")
    assert [row["row"] for row in read_csv(done.stdout)] == ["24"] * 3


def test_reconstruction_errors(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    tree = {
        "name": "auto",
        "data": IMAGE,
        "architecture": {"kind": "autoencoder", "encoder": [16], "latent": 4},
        "training": TRAINING,
    }
    run = trained(write(tmp_path / "auto.yaml", tree), tmp_path / "runs")
    np.savez(tmp_path / "new.npz", image=load_digits().images.astype(np.uint8)[..., None])
    said = read_csv(dlrun("predict", run, tmp_path / "new.npz").stdout)
    expected = pl.read_parquet(run / "predictions.parquet")
    received = [float(said[row]["error"]) for row in expected["row"].to_list()]
    np.testing.assert_allclose(received, expected["error"].to_list(), rtol=0, atol=1e-6)


BAD = {
    "size": ["1", "x", "3", "inf", "5", "6"],
    "wall": ["brick", "wood", "straw", "wood", "straw", "mud"],
}


def test_bad_rows_are_all_named_or_left_out(table_run: Path, tmp_path: Path) -> None:
    file = texts(tmp_path / "bad.csv", BAD)
    file.write_text(file.read_text(encoding="utf-8") + "7\n8,clay\n\n9,clay,0\n", encoding="utf-8")
    done = dlrun("predict", table_run, file)
    assert (done.returncode, done.stdout) == (1, "")
    for told in (
        f"{file}: row 2: size is not a number, such as 'x'",
        "row 4: size is infinite, or too large for 32 bits",
        "row 7: has 1 value, but there are 2 columns",
        "row 9: is empty",
        "row 10: has 3 values, but there are 2 columns",
    ):
        assert told in plain(done.stderr)
    out = tmp_path / "out.csv"
    assert dlrun("predict", table_run, file, "-o", out).returncode == 1
    assert not list(tmp_path.glob("*out*")), "half a file would be taken for a whole one"
    done = dlrun("predict", table_run, file, "-o", out, "--skip-bad-rows")
    assert done.returncode == 0
    assert [row["row"] for row in read_csv(out.read_text(encoding="utf-8"))] == ["1", "3", "5", "6", "8"]
    assert f"left out: {file}: row 2: size is not a number" in plain(done.stderr)
    assert f"note: {file}: 3 values of wall unknown to the model, such as straw, mud" in plain(done.stderr)
    before = out.read_bytes()
    done = dlrun("predict", table_run, file, "-o", out, "--skip-bad-rows")
    assert done.returncode == 2
    assert "exists already" in plain(done.stderr)
    assert out.read_bytes() == before


def test_a_pipe_and_several_files(table_run: Path, houses: Path, tmp_path: Path) -> None:
    few = texts(tmp_path / "few.csv", {"wall": ["wood", "brick"], "size": [80, 90]})
    done = subprocess.run(
        [sys.executable, "-m", "dlrun", "predict", table_run, "-", few],
        input=few.read_bytes(), capture_output=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = read_csv(done.stdout.decode())
    assert [(row["file"], row["row"]) for row in said] == [
        *(("stdin", "1"), ("stdin", "2")),
        *((str(few), "1"), (str(few), "2")),
    ]
    assert said[0]["probability_no"] == said[2]["probability_no"]


def test_a_table_in_parts_and_its_rows_in_other_forms(tmp_path: Path) -> None:
    """Trained on Parquet in parts, cut by conditions; predicted as JSON lines, as Parquet and as CSV."""
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "zip": [f"{index % 5:03}" for index in range(200)],
            "size": rng.normal(100, 20, 200),
            "year": [2000 + index % 20 for index in range(200)],
            "price": rng.normal(10, 2, 200),
        }
    )
    (tmp_path / "parts").mkdir()
    for start in (0, 100):
        frame[start : start + 100].write_parquet(tmp_path / "parts" / f"{start:03}.parquet")
    source = {"kind": "parquet", "path": "parts", "where": [{"column": "year", "max": 2014}]}
    tree = {
        "name": "parts",
        "data": {"source": {**source, "select": ["zip", "size", "price"]}, "target": "price"},
        "architecture": {"kind": "ann", "dense": [4]},
        "training": TRAINING,
    }
    run = trained(write(tmp_path / "parts.yaml", tree), tmp_path / "runs")
    data = json.loads((run / "data.json").read_text(encoding="utf-8"))
    assert (data["rows"], list(data["columns"])) == (150, ["zip", "size", "price"])
    assert "zip: text" in (run / "resolved.yaml").read_text(encoding="utf-8")
    again = dlrun("eval", run, "--json")
    assert json.loads(again.stdout)["metrics"] == json.loads((run / "metrics.json").read_text())["test"]

    new = frame.select("size", "zip")
    new.write_csv(tmp_path / "new.csv")
    new.write_ndjson(tmp_path / "new.jsonl")
    new.write_parquet(tmp_path / "new.parquet")
    said = {}
    for form in ("csv", "jsonl", "parquet"):
        done = dlrun("predict", run, tmp_path / f"new.{form}")
        assert (done.returncode, done.stderr) == (0, "")
        said[form] = done.stdout
    assert said["csv"] == said["jsonl"] == said["parquet"]
    parts = read_csv(dlrun("predict", run, tmp_path / "parts").stdout)
    # What a row of a product comes to may depend, in its last bits, on how many rows there are.
    of_parts, whole = ([float(row["prediction"]) for row in rows] for rows in (parts, read_csv(said["csv"])))
    assert of_parts == pytest.approx(whole, rel=1e-6)
    assert [(Path(row["file"]).name, row["row"]) for row in (parts[0], parts[100], parts[199])] == [
        *(("000.parquet", "1"), ("100.parquet", "1"), ("100.parquet", "100")),
    ]
    expected = pl.read_parquet(run / "predictions.parquet")
    kept = [row for row in range(200) if frame["year"][row] <= 2014]
    received = [float(parts[kept[row]]["prediction"]) for row in expected["row"].to_list()]
    np.testing.assert_allclose(received, expected["prediction"].to_list(), rtol=0, atol=1e-6)


def test_what_does_not_fit_is_told(table_run: Path, houses: Path, tmp_path: Path) -> None:
    answers = {
        texts(tmp_path / "few.csv", {"siz": [1], "wall": ["wood"]}): "the column size is missing (did you mean siz?)",
        texts(tmp_path / "times.csv", {"size": ["2020-01-01"], "wall": ["wood"]}): "size is not a number",
        tmp_path / "fewer.csv": "did you mean few.csv?",
        houses.parent / "table.yaml": "size is missing",
        tmp_path / "gone" / "new.csv": f"the folder {tmp_path / 'gone'} is missing too",
    }
    for file, answer in answers.items():
        done = dlrun("predict", table_run, file)
        assert (done.returncode, done.stdout) == (1, ""), file
        assert answer in plain(done.stderr)
        assert "Traceback" not in plain(done.stderr)
    for arguments in (["-o", "out.txt"], ["--format", "parquet"], ["-o", tmp_path / "nowhere" / "out.csv"]):
        done = dlrun("predict", table_run, houses, *arguments)
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
