"""The specs that the benchmarks train have no mistake, and each has a script or a peer to be measured against."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlrun.reading import read_experiment

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SPECS = sorted((BENCHMARKS / "specs").glob("*.yaml"))
GIVEN = {"ann": "hour_1,warmer\n71.5,0\n68,1\n", "table": "number_1,label\n0.5,yes\n-1,no\n"}
"""The beginnings of the files that the benchmark makes, and gives with --set."""


def test_none_is_missing() -> None:
    scripts = {path.stem for path in (BENCHMARKS / "scripts").glob("*.py")} - {"report"}
    assert {path.stem for path in SPECS} == {*scripts, "table"}  # Ludwig trains the table, from a config of its own


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_it_has_no_mistake(spec: Path, tmp_path: Path) -> None:
    overrides = []
    if spec.stem in GIVEN:
        data = tmp_path / "data.csv"
        data.write_text(GIVEN[spec.stem], encoding="utf-8")
        overrides.append(f"data.source.path={data.as_posix()}")
    read_experiment(spec, overrides)
