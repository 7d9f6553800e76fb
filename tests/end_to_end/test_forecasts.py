"""Forecasts of several series with what is known in advance: training, `dlrun predict` and plain Keras agree."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from running import dlrun, plain, trained, write

from dlrun.data.preparation import Preparation

HOURS, WINDOW, HORIZON, SEASON = 500, 24, 5, 3
SHOPS = {"corner": 10.0, "mall": 4000.0}


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def table(path: Path, hours: int, given: int) -> Path:
    """Two shops hour by hour; of the last hours only price and time are written."""
    rng = np.random.default_rng(0)
    start = np.datetime64("2024-02-10T00")
    lines = ["time,shop,price,sold"]
    for hour in range(HOURS + HORIZON):
        price, noise = rng.uniform(1, 2), rng.normal(0, 0.05, 2)
        for (shop, size), off in zip(SHOPS.items(), noise, strict=True):
            sold = size * (5 + np.sin(hour / 4) - price + off)
            stamp = str(start + hour).replace("T", " ") + ":00"
            lines.append(f"{stamp},{shop},{price:.3f},{sold:.4f}" if hour < given else f"{stamp},{shop},{price:.3f},")
    path.write_text("\n".join(lines[: 1 + 2 * hours]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shops")
    table(folder / "shops.csv", HOURS, HOURS)
    features: dict[str, Any] = {
        "price": {"kind": "series", "known": True},
        "sold": {
            **{"kind": "series", "window": WINDOW, "horizon": HORIZON},
            **{"normalise_each": True, "difference": SEASON},
        },
        "time": {"kind": "date", "parts": ["hour", "weekday"]},
        "shop": {"kind": "category", "encoding": "embedding", "embedding_size": 3},
    }
    source = {"kind": "csv", "path": "shops.csv", "time": "time"}
    tree = {
        "name": "shops",
        "data": {"source": source, "target": "sold", "series_by": "shop", "features": features},
        "architecture": {"kind": "gru", "units": [4]},
        "training": {"epochs": 1, "batch_size": 32},
    }
    return trained(write(folder / "shops.yaml", tree), folder / "runs")


def keras_says(run: Path, frame: pl.DataFrame) -> dict[tuple[str, int], np.ndarray]:
    """What the saved model says with Keras alone, by shop and last known hour; raw input put together here."""
    import keras
    import tensorflow as tf

    model = keras.models.load_model(run / "model.keras")
    raw: dict[str, list[Any]] = {"sold": [], "price": [], "time": [], "shop": []}
    found = []
    for shop in SHOPS:
        own = frame.filter(pl.col("shop") == shop)
        sold, price = (own[name].cast(pl.Float64).to_numpy() for name in ("sold", "price"))
        times = own["time"].str.to_datetime(time_unit="us").to_numpy().astype(np.int64)
        for last in range(WINDOW + SEASON - 1, len(own) - HORIZON):
            raw["sold"].append(sold[last - WINDOW - SEASON + 1 : last + 1])
            raw["price"].append(price[last - WINDOW + 1 : last + HORIZON + 1])
            raw["time"].append(times[last + HORIZON - WINDOW + 1 : last + HORIZON + 1])
            raw["shop"].append([shop])
            found.append((shop, last))
    tensors = {
        "sold": tf.constant(np.array(raw["sold"], np.float32)[:, :, None]),
        "price": tf.constant(np.array(raw["price"], np.float32)[:, :, None]),
        "time": tf.constant(np.array(raw["time"])[:, :, None]),
        "shop": tf.constant(raw["shop"]),
    }
    return dict(zip(found, np.asarray(model(tensors)), strict=True))


def test_three_ways(run: Path, tmp_path: Path) -> None:
    new = table(tmp_path / "new.csv", HOURS + HORIZON, HOURS)
    keras = keras_says(run, pl.read_csv(new, infer_schema=False))
    done = dlrun("predict", run, new, "--every-window")
    assert (done.returncode, done.stderr) == (0, "")
    every = read_csv(done.stdout)
    assert list(every[0]) == ["row", "series", "step", "time", "prediction"]
    received = {
        (rows[0]["series"], (int(rows[0]["row"]) - 1) // 2): np.array([float(row["prediction"]) for row in rows])
        for rows in (every[at : at + HORIZON] for at in range(0, len(every), HORIZON))
    }
    assert received.keys() == keras.keys()
    for key, said in keras.items():
        np.testing.assert_allclose(received[key], said, rtol=1e-6, atol=1e-6 * SHOPS[key[0]])
    frame = pl.read_parquet(run / "predictions.parquet")
    assert frame["series"].unique().sort().to_list() == sorted(SHOPS)
    for row, shop, prediction in frame.select("row", "series", "prediction").iter_rows():
        np.testing.assert_allclose(received[shop, row // 2], prediction, rtol=1e-6, atol=1e-6 * SHOPS[shop])

    last = read_csv(dlrun("predict", run, new).stdout)
    assert [(row["row"], row["series"]) for row in last[::HORIZON]] == [("999", "corner"), ("1000", "mall")]
    assert [row["time"] for row in last[:HORIZON]] == [f"2024-03-01 {20 + step:02}:00:00" for step in range(4)] + [
        "2024-03-02 00:00:00"
    ]
    numbers = [float(row["prediction"]) for row in last]
    np.testing.assert_allclose(numbers[:HORIZON], keras["corner", HOURS - 1], rtol=1e-6, atol=1e-5)


def test_the_metrics_are_in_the_units_of_the_data(run: Path) -> None:
    frame = pl.read_parquet(run / "predictions.parquet").filter(pl.col("split") == "test")
    preparation = Preparation.parse(json.loads((run / "data.json").read_text(encoding="utf-8"))["preparation"])
    assert preparation.series_by == "shop"
    sold = np.array(
        [float(row["sold"]) for row in read_csv((run.parents[1] / "shops.csv").read_text(encoding="utf-8"))]
    )
    errors, naive, day_before = [], [], []
    for row, truth, said in frame.select("row", "truth", "prediction").iter_rows():
        assert truth == sold[row + 2 : row + 2 * HORIZON + 1 : 2].tolist()
        errors.append(np.abs(np.array(said) - truth).mean())
        naive.append(np.abs(sold[row] - truth).mean())
        day_before.append(np.abs(sold[row - 46 : row - 36 : 2] - truth).mean())
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["test"]["mae"] == pytest.approx(np.mean(errors), rel=1e-9)
    assert metrics["baseline"]["last value"]["mae"] == pytest.approx(np.mean(naive), rel=1e-9)
    seasonal = metrics["baseline"]["same hour of the day before"]["mae"]
    assert seasonal == pytest.approx(np.mean(day_before), rel=1e-9)


def test_what_is_missing_is_told(run: Path, tmp_path: Path) -> None:
    new = table(tmp_path / "short.csv", HOURS + HORIZON - 1, HOURS)
    done = dlrun("predict", run, new)
    assert done.returncode == 1
    told = "the forecast needs the next 5 rows of shop corner after row 999, with time and price, but there are 4"
    assert told in plain(done.stderr)
    assert "leave sold empty" in plain(done.stderr)
    lines = table(tmp_path / "new.csv", HOURS + HORIZON, HOURS).read_text(encoding="utf-8").splitlines()
    lines[700] = lines[700].replace("mall", "kiosk")
    (tmp_path / "strange.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = dlrun("predict", run, tmp_path / "strange.csv")
    assert done.returncode == 1
    assert "row 700: shop is a series that the train rows do not have, such as kiosk" in plain(done.stderr)
    lines = table(tmp_path / "new.csv", HOURS + HORIZON, HOURS).read_text(encoding="utf-8").splitlines()
    del lines[2 * HOURS - 4]  # of the mall
    (tmp_path / "hole.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = dlrun("predict", run, tmp_path / "hole.csv")
    assert done.returncode == 1
    told = "of shop mall, but after 2024-03-01 16:00:00 comes 2024-03-01 18:00:00"
    assert told in plain(done.stderr)
    done = dlrun("predict", run, tmp_path / "hole.csv", "--skip-bad-rows")
    assert done.returncode == 0
    assert [row["series"] for row in read_csv(done.stdout)] == ["corner"] * HORIZON
    assert told in plain(done.stderr)
    shown = json.loads(dlrun("show", run, "--json").stdout)
    assert shown["vector_names"][:4] == ["sold", "price", "price +5", "time hour sine +5"]
    [way] = [each for each in shown["ways"] if each["column"] == "shop"]
    assert way == {
        "column": "shop",
        "feature": "category: categories of 2, embedding_size 3",
        "input": f"shop: at each of {WINDOW} steps",
        "encoder": "embedding",
        "width": 3,
        "joined": "gru",
    }
