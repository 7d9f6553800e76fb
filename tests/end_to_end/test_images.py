"""Image files, from a folder or named by a table: training, evaluation and predictions agree."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import polars as pl
import pytest
from PIL import Image
from running import dlrun, history, plain, trained, write

SIZE = (12, 10)
TRAINING = {"epochs": 1, "batch_size": 16}
NETWORK = {"kind": "cnn", "blocks": [{"filters": 4, "pool": 2}], "dense": [8]}


def make(folder: Path) -> list[Path]:
    """60 pictures of two classes, in several formats, sizes and orientations."""
    rng = np.random.default_rng(0)
    files = []
    for index in range(60):
        label, ending = "ab"[index % 2], ("png", "jpg", "webp", "bmp")[index % 4]
        blots = rng.integers(0, 120, (5, 6, 3), dtype=np.uint8) + np.uint8(100 * (index % 2))
        image = Image.fromarray(blots).resize((20 + index % 7, 24), Image.Resampling.BICUBIC)
        exif = Image.Exif()
        exif[0x0112] = 1 + index % 8
        file = folder / label / f"{index:02}.{ending}"
        file.parent.mkdir(parents=True, exist_ok=True)
        image.save(file, **({} if ending == "bmp" else {"exif": exif}))
        files.append(file)
    return sorted(files)


def seen(file: Path) -> np.ndarray:
    """A picture as the model is to see it, by Pillow alone."""
    from PIL import ImageOps

    with Image.open(file) as image:
        turned = ImageOps.exif_transpose(image).convert("RGB")
    return np.asarray(turned.resize(SIZE[::-1], Image.Resampling.BICUBIC))


def said(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images") / "pets"
    make(folder)
    return folder


@pytest.fixture(scope="module")
def run(pets: Path) -> Path:
    tree: dict[str, Any] = {
        "name": "pets",
        "data": {
            "source": {"kind": "image_folder", "path": "pets"},
            "features": {"image": {"kind": "image", "size": list(SIZE)}},
        },
        "architecture": NETWORK,
        "training": TRAINING,
    }
    return trained(write(pets.parent / "pets.yaml", tree), pets.parent / "runs")


def test_image_files_three_ways(run: Path, pets: Path) -> None:
    done = dlrun("predict", run, pets)
    assert (done.returncode, done.stderr) == (0, "")
    rows = said(done.stdout)
    files = sorted(file for file in pets.rglob("*.*"))
    assert [row["file"] for row in rows] == list(map(str, files))
    received = np.array([float(row["probability_b"]) for row in rows])

    model = keras.models.load_model(run / "model.keras")
    by_keras = np.asarray(model({"image": np.stack([seen(file) for file in files])}))[:, 0]
    np.testing.assert_allclose(received, by_keras, rtol=0, atol=1e-6)

    expected = pl.read_parquet(run / "predictions.parquet")
    assert len(expected) > 10
    np.testing.assert_allclose(received[expected["row"].to_numpy()], expected["score_b"].to_numpy(), rtol=0, atol=1e-6)


def test_images_folders_and_tables_in_one_call(run: Path, pets: Path, tmp_path: Path) -> None:
    first, second = sorted((pets / "b").iterdir())[:2]
    table = tmp_path / "list.csv"
    table.write_text(f"image,other\n{second},1\n", encoding="utf-8")
    done = dlrun("predict", run, first, pets / "a", table)
    assert (done.returncode, done.stderr) == (0, "")
    rows = said(done.stdout)
    assert [row["file"] for row in rows] == [str(first), *map(str, sorted((pets / "a").iterdir())), str(table)]
    model = keras.models.load_model(run / "model.keras")
    expected = np.asarray(model({"image": np.stack([seen(first), seen(second)])}))[:, 0]
    received = [float(rows[position]["probability_b"]) for position in (0, -1)]
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-6)


def test_bad_images_are_named_or_left_out(run: Path, pets: Path, tmp_path: Path) -> None:
    good = sorted((pets / "b").iterdir())[0]
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "good.png").write_bytes(good.read_bytes())
    (tmp_path / "new" / "cut.png").write_bytes(sorted((pets / "a").glob("*.png"))[0].read_bytes()[:200])
    (tmp_path / "new" / "empty.jpg").touch()
    done = dlrun("predict", run, tmp_path / "new")
    assert (done.returncode, done.stdout) == (1, "")
    assert "new/cut.png is damaged" in plain(done.stderr)
    assert "new/empty.jpg is empty" in plain(done.stderr)
    done = dlrun("predict", run, tmp_path / "new", "--skip-bad-rows")
    assert done.returncode == 0
    assert [row["file"] for row in said(done.stdout)] == [str(tmp_path / "new" / "good.png")]
    table = tmp_path / "list.jsonl"
    rows = [{"image": name} for name in ("new/good.png", "new/cut.png", None, "new/none.png")]
    table.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    done = dlrun("predict", run, table)
    assert done.returncode == 1
    for told in ("row 2: image is damaged", "(new/cut.png)", "row 3: image is missing", "row 4: image is not there"):
        assert told in plain(done.stderr)
    done = dlrun("predict", run, tmp_path / "gone.png")
    assert done.returncode == 1
    assert f"there is no file {tmp_path / 'gone.png'}" in plain(done.stderr)


def test_augmented_folds_are_the_same_one_by_one_and_streamed(pets: Path) -> None:
    """What a fold of a k-fold run learns in memory, and the same fold alone from disk: in the order of the files."""
    augment = {"flip": "horizontal", "rotation": 20, "noise": 0.1, "mixup": 0.5}
    tree: dict[str, Any] = {
        "seed": 2,
        "data": {
            "source": {"kind": "image_folder", "path": "pets"},
            "split": {"kind": "kfold", "folds": 2, "test": 0.2},
            "features": {"image": {"kind": "image", "size": list(SIZE), "augment": augment}},
        },
        "architecture": NETWORK,
        "training": {"epochs": 2, "batch_size": 7, "shuffle": False},
        "evaluation": {"plots": False},
        "runtime": {"compile": "graph"},
    }
    folds = trained(write(pets.parent / "folds.yaml", tree), pets.parent / "folds")
    tree["data"]["split"]["fold"] = 2
    tree["runtime"]["memory"] = "streamed"
    alone = trained(write(pets.parent / "fold.yaml", tree), pets.parent / "fold")
    assert "memory: streamed" in (alone / "resolved.yaml").read_text(encoding="utf-8")
    one, two = folds / "folds" / "2", alone
    assert history(one) == history(two)
    for name in ("model/weights.npz", "augmented.npz", "metrics.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    other = folds / "folds" / "1"
    assert (one / "augmented.npz").read_bytes() != (other / "augmented.npz").read_bytes()


def test_an_autoencoder_of_image_files_is_the_same_streamed(pets: Path) -> None:
    tree: dict[str, Any] = {
        "data": {
            "source": {"kind": "image_folder", "path": "pets"},
            "features": {"image": {"kind": "image", "size": list(SIZE), "augment": {"flip": "horizontal"}}},
        },
        "architecture": {"kind": "autoencoder", "encoder": [8], "latent": 4, "output_activation": "sigmoid"},
        "training": {"epochs": 2, "batch_size": 7, "shuffle": False},
        "evaluation": {"plots": False},
    }
    runs = []
    for memory in ("in_memory", "streamed"):
        tree["runtime"] = {"memory": memory, "compile": "graph"}
        runs.append(trained(write(pets.parent / f"{memory}.yaml", tree), pets.parent / f"coder_{memory}"))
        assert f"memory: {memory}" in (runs[-1] / "resolved.yaml").read_text(encoding="utf-8")
    one, two = runs
    assert history(one) == history(two)
    for name in ("model/weights.npz", "augmented.npz", "metrics.json", "samples.npz"):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def test_evaluation_on_another_folder(run: Path, pets: Path) -> None:
    done = dlrun("eval", run, "--data", pets, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["examples"] == 60


def test_a_table_of_images_and_numbers(pets: Path, tmp_path: Path) -> None:
    files = sorted(file for file in pets.rglob("*.*"))
    lines = [f"{file.relative_to(pets)},{index * 0.5},{index % 7}" for index, file in enumerate(files)]
    (pets.parent / "list.csv").write_text("\n".join(["photo,price,rooms", *lines]) + "\n", encoding="utf-8")
    tree: dict[str, Any] = {
        "data": {
            "source": {"kind": "csv", "path": "list.csv"},
            "target": "price",
            "features": {"photo": {"kind": "image", "size": list(SIZE), "resize": "crop", "folder": "pets"}},
        },
        "architecture": NETWORK,
        "training": TRAINING,
    }
    run = trained(write(pets.parent / "table.yaml", tree), tmp_path)
    done = dlrun("predict", run, pets.parent / "list.csv")
    assert (done.returncode, done.stderr) == (0, "")
    received = np.array([float(row["prediction"]) for row in said(done.stdout)])
    expected = pl.read_parquet(run / "predictions.parquet")
    np.testing.assert_allclose(
        received[expected["row"].to_numpy()], expected["prediction"].to_numpy(), rtol=1e-6, atol=1e-6
    )
