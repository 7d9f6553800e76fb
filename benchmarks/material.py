"""The data that both sides read, and the hundred runs that are compared."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from processes import DLRUN, PYTHON, wait_for

HERE = Path(__file__).parent
BUNDLED = HERE.parent / "dlrun" / "data" / "bundled"
HOURS = 10
TRAIN_IMAGES, TEST_IMAGES = 20_000, 2_000
ROWS, COLUMNS = 20_000, 20


@dataclass(frozen=True)
class Material:
    """A temporary folder, in which each piece is made when it is first asked for."""

    folder: Path

    @property
    def hours(self) -> Path:
        """A CSV file of the temperatures of ten hours, and whether the next one is warmer."""
        path = self.folder / "hours.csv"
        if not path.exists():
            lines = gzip.decompress((BUNDLED / "seattle_temps.csv.gz").read_bytes()).decode().splitlines()[1:]
            series = np.array([float(line.split(",")[1]) for line in lines])
            windows = np.lib.stride_tricks.sliding_window_view(series, HOURS + 1)
            rows = [[*map(str, row[:-1]), str(int(row[-1] > row[-2]))] for row in windows]
            header = [*(f"hour_{index}" for index in range(1, HOURS + 1)), "warmer"]
            path.write_text("".join(",".join(row) + "\n" for row in [header, *rows]), encoding="utf-8", newline="\n")
        return path

    @property
    def table(self) -> Path:
        """A CSV file of twenty random numbers a row, and which side of a plane they are on, more or less."""
        path = self.folder / "table.csv"
        if not path.exists():
            random = np.random.default_rng(0)
            numbers = random.standard_normal((ROWS, COLUMNS))
            sides = numbers @ random.standard_normal(COLUMNS) + random.standard_normal(ROWS) > 0
            header = ",".join([*(f"number_{index}" for index in range(1, COLUMNS + 1)), "label"])
            rows = np.column_stack([numbers.round(5).astype(str), np.where(sides, "yes", "no")])
            np.savetxt(path, rows, fmt="%s", delimiter=",", header=header, comments="", encoding="utf-8")
        return path

    @property
    def iris(self) -> Path:
        """A CSV file of the flowers, with their species as a number and without a header."""
        path = self.folder / "iris.csv"
        if not path.exists():
            from sklearn.datasets import load_iris

            np.savetxt(path, np.column_stack(load_iris(return_X_y=True)), delimiter=",")
        return path

    @property
    def mnist(self) -> Path:
        """All of MNIST, as Keras has it."""
        return BUNDLED / "mnist.npz"

    @property
    def some_mnist(self) -> Path:
        """A third of MNIST in the same form, so that a round is short."""
        path = self.folder / "mnist.npz"
        if not path.exists():
            with np.load(self.mnist) as data:
                parts = {"train": TRAIN_IMAGES, "test": TEST_IMAGES}
                arrays = {f"{name}_{part}": rows for part, rows in parts.items() for name in "xy"}
                np.savez(path, **{name: data[name][:rows] for name, rows in arrays.items()})
        return path

    @property
    def tokens(self) -> Path:
        """The train texts of specs/lstm.yaml as dlrun encodes them, and their targets."""
        path = self.folder / "tokens.npz"
        if not path.exists():
            wait_for([*PYTHON, str(HERE / "tokens.py"), str(path)])
        return path

    @property
    def hundred_runs(self) -> Path:
        """One small run a hundred times, each with other fields and other metrics."""
        runs = self.folder / "runs"
        if not runs.exists():
            flags = ["--set", "training.epochs=3", "--set", "evaluation.plots=false", "--out", str(self.folder / "one")]
            wait_for([*DLRUN, "train", "configs/ann_breast_cancer.yaml", *flags])
            (one,) = (self.folder / "one").iterdir()
            for index in range(100):
                _vary(shutil.copytree(one, runs / f"{one.name}-{index + 1}"), index)
        return runs


def _vary(run: Path, index: int) -> None:
    """Gives a copied run a spec and metrics of its own."""
    resolved = yaml.safe_load((run / "resolved.yaml").read_text(encoding="utf-8"))
    resolved["seed"] = index
    resolved["optimizer"]["learning_rate"] = 0.001 * (1 + index % 10)
    resolved["regularization"]["dropout"] = 0.1 * (index % 5)
    (run / "resolved.yaml").write_text(yaml.safe_dump(resolved, sort_keys=False), encoding="utf-8", newline="\n")
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    metrics["test"]["accuracy"] = 0.9 + 0.0005 * index
    (run / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8", newline="\n")
