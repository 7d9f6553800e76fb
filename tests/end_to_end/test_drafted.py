"""`dlrun init --from` and then `dlrun train`, as a stranger would: it ends, and knows more than the baseline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars
from running import dlrun, read, trained
from sklearn.datasets import load_digits


def test_a_table(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    area, floor = random.normal(80, 25, 600).round(1), random.integers(0, 9, 600)
    city = random.choice(["Rom", "Bern", "Köln"], 600)
    price = 3000 * area + 9000 * floor + np.select([city == "Bern"], [150_000], 0) + random.normal(0, 9000, 600)
    frame = polars.DataFrame(
        {"Nr.": np.arange(600), "Fläche in m²": area, "Stock": floor, "Stadt": city, "Preis: €": price.round(2)}
    )
    frame.write_csv(tmp_path / "häuser.csv", separator=";", decimal_comma=True)
    done = dlrun("init", "--from", "häuser.csv", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "dlrun check --deep h_user.yaml" in done.stdout
    run = trained(tmp_path / "h_user.yaml", tmp_path / "runs", "--set", "training.epochs=30")
    metrics = read(run / "metrics.json")
    assert metrics["test"]["mae"] < 0.5 * min(each["mae"] for each in metrics["baseline"].values())
    assert read(run / "data.json")["profile"]["columns"]["Stadt"]["distinct"] == 3
    assert dlrun("init", "--from", "häuser.csv", folder=tmp_path).returncode == 2


def test_images(tmp_path: Path) -> None:
    digits = load_digits()
    np.savez(tmp_path / "digits.npz", x=digits.images.astype(np.uint8), y=digits.target)
    assert dlrun("init", "--from", "digits.npz", folder=tmp_path).returncode == 0
    run = trained(tmp_path / "digits.yaml", tmp_path / "runs", "--set", "training.epochs=4")
    metrics = read(run / "metrics.json")
    assert metrics["test"]["accuracy"] > 3 * max(each["accuracy"] for each in metrics["baseline"].values())
