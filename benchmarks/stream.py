"""A Parquet table that is larger than memory: what training on it from disk takes, against the same rows in memory.

    python benchmarks/stream.py --rows 20000000 --fitting 2000000

Makes the table (20 columns; 3 GB for 20 million rows), trains an epoch of `--fitting` of its rows streamed and in
memory in turn, then one of all of them streamed, each in a process of its own. Prints examples/s and resident memory,
and writes JSON.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl
import yaml

COLUMNS, PART = 20, 1_000_000


def write_table(folder: Path, rows: int) -> None:
    """Parts of a million rows: 19 numbers, and a label that follows from five of them."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, start in enumerate(range(0, rows, PART)):
        random = np.random.default_rng(index)
        x = random.normal(size=(min(PART, rows - start), COLUMNS - 1))
        label = x[:, 0] + x[:, 1] * x[:, 2] - x[:, 3] * x[:, 4] + random.normal(scale=0.3, size=len(x)) > 0
        frame = pl.DataFrame({f"x{column}": x[:, column] for column in range(COLUMNS - 1)})
        frame.with_columns(label=pl.Series(label).cast(pl.Int8).replace_strict({0: "no", 1: "yes"})).write_parquet(
            folder / f"part-{index:03d}.parquet"
        )


def spec(data: Path, memory: str, rows: int) -> dict[str, Any]:
    return {
        "name": memory,
        "data": {"source": {"kind": "parquet", "path": str(data), "limit": rows}, "target": "label"},
        "architecture": {"kind": "ann", "dense": [64, 64]},
        "training": {"epochs": 1, "batch_size": 256},
        "evaluation": {"batch_size": 8192},
        "runtime": {"memory": memory, "compile": "graph"},
    }


def trained(folder: Path, data: Path, memory: str, rows: int) -> dict[str, float]:
    """The rate of an epoch, and how much memory the whole process and its training alone had."""
    file = folder / f"{memory}.yaml"
    file.write_text(yaml.safe_dump(spec(data, memory, rows)), encoding="utf-8")
    out = folder / f"runs-{time.time_ns()}"
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "dlrun", "train", str(file), "--out", str(out), "--json"],
        stdout=subprocess.DEVNULL,
        env=os.environ | {"XDG_CACHE_HOME": str(folder / "cache")},
    )
    peak = {"resident": 0, "anonymous": 0, "resident_at_the_epochs_end": 0}
    while process.poll() is None:
        found = memory_of(process.pid)
        peak["anonymous"] = max(peak["anonymous"], found.get("RssAnon", 0))
        peak["resident"] = max(peak["resident"], found.get("VmHWM", 0))
        if not list(out.glob("*/history.csv")):
            peak["resident_at_the_epochs_end"] = peak["resident"]
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{file} failed")
    (run,) = out.iterdir()
    with (run / "history.csv").open(encoding="utf-8", newline="") as history:
        (row,) = csv.DictReader(history)
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return {
        "rows": rows,
        "examples_per_second": float(row["examples_per_second"]),
        "epoch_seconds": float(row["seconds"]),
        "whole_seconds": time.perf_counter() - began,
        "accuracy": metrics["test"]["accuracy"],
        **{f"{name}_gb": count / 1e9 for name, count in peak.items()},
    }


def memory_of(process: int) -> dict[str, int]:
    """Bytes, by what Linux calls them."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    words = [line.split() for line in lines]
    return {word[0].rstrip(":"): int(word[1]) * 1024 for word in words if len(word) == 3 and word[2] == "kB"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000, help="of the table")
    parser.add_argument("--fitting", type=int, default=2_000_000, help="of those that are trained on in memory too")
    parser.add_argument("--rounds", type=int, default=2, help="how often both ways are measured")
    parser.add_argument("--json", type=Path, help="where the figures are written")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dlrun-stream-") as name:
        folder = Path(name)
        write_table(folder / "table", arguments.rows)
        measured: dict[str, Any] = {"in_memory": [], "streamed": []}
        for _ in range(arguments.rounds):
            for memory, found in measured.items():
                found.append(trained(folder, folder / "table", memory, arguments.fitting))
                print(memory, json.dumps(found[-1]), flush=True)
        rates = {memory: [each["examples_per_second"] for each in found] for memory, found in measured.items()}
        pairs = zip(rates["streamed"], rates["in_memory"], strict=True)
        measured["ratio"] = median(streamed / whole for streamed, whole in pairs)
        print(f"streamed / in memory: {measured['ratio']:.2f}", flush=True)
        if arguments.rows > arguments.fitting:
            measured["all"] = trained(folder, folder / "table", "streamed", arguments.rows)
            print("all, streamed", json.dumps(measured["all"]))
    if arguments.json:
        arguments.json.write_text(json.dumps(measured, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
