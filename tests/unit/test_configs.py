"""Every file in configs/ is without a mistake, and opens with its command, its time and what to expect of it."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from dlrun.data.signature import Task
from dlrun.evaluation.names import METRICS
from dlrun.reading import read_experiment

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
HEADER = re.compile(r"# 2 cores: (?P<time>\d+(?:\.\d+)? (?:s|min)); (?P<metrics>[a-z][a-z0-9_]* \d.*)")
"""`# 2 cores: 25 s; accuracy 0.978, f1 0.977 (majority class 0.101)`"""

OF_FILES: dict[str, Task] = {
    "ann_csv": "multiclass",
    "parquet_streaming": "binary",
    "mixed_table": "regression",
    "multivariate_series": "forecast",
    "multi_input": "regression",
}
"""What is predicted from tables in files: what they hold, only reading them tells."""

MADE = {"image_folder": "mnist_png"}
"""Whose data a script in configs/data makes: which."""

DOWNLOADED = ("cnn_cifar10", "lstm_imdb")
"""Their data does not ship with dlrun, so no time and metric of theirs has been measured."""


def make_data(config: Path) -> None:
    """Runs the script that makes a config's data, where there is one and it has not run yet."""
    if script := MADE.get(config.stem):
        runpy.run_path(str(ROOT / "configs" / "data" / f"{script}.py"))["make"]()


def test_none_is_missing() -> None:
    assert len(CONFIGS) == 20


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
def test_it_has_no_mistake(config: Path) -> None:
    make_data(config)
    experiment, _ = read_experiment(config)
    assert experiment.name == config.stem


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
def test_it_opens_with_command_time_and_metric(config: Path) -> None:
    make_data(config)
    experiment, _ = read_experiment(config)
    command, expected = config.read_text(encoding="utf-8").splitlines()[:2]
    assert command == f"# dlrun train {config.relative_to(ROOT).as_posix()}"
    if config.stem in DOWNLOADED:
        assert re.fullmatch(r"# downloads \d+ MB at the first run; not measured without a network", expected)
        return
    found = HEADER.fullmatch(expected)
    assert found, f"{expected!r} is not like `# 2 cores: 25 s; accuracy 0.978`"
    signature = experiment.preview(config.parent)
    assert signature is not None or config.stem in OF_FILES
    metric = found["metrics"].split()[0].removeprefix("price_")  # the first of several targets
    assert metric in METRICS[signature.output.task if signature else OF_FILES[config.stem]]


def test_the_mixed_table_is_what_its_script_makes(tmp_path: Path) -> None:
    runpy.run_path(str(ROOT / "configs" / "data" / "mixed_table.py"))["write"](tmp_path / "made.csv")
    assert (tmp_path / "made.csv").read_bytes() == (ROOT / "configs" / "mixed_table.csv").read_bytes()


def test_the_parcels_are_what_their_script_makes() -> None:
    made = runpy.run_path(str(ROOT / "configs" / "data" / "parcels.py"))["parcels"]()
    with np.load(ROOT / "configs" / "parcels.npz") as kept:
        assert list(kept) == list(made)
        for name, values in made.items():
            np.testing.assert_array_equal(kept[name], values)
