"""How long the profile of a CSV file takes, beside polars alone reading it.

    python benchmarks/csv_profile.py                      # 1 GB, 20 columns, three rounds: some five minutes
    python benchmarks/csv_profile.py --megabytes 100 --rounds 5 --json profile.json

Four sides run in turn, each as a process of its own that times itself without its imports:

- default: `polars.read_csv` as it is: types by the first hundred rows, which is an error where a later one is another;
- polars: the same with types by all rows (`infer_schema_length=None`), times left text;
- reading: dlrun's source: types by all rows, times found, with the checks of encoding and row widths;
- profile: what `dlrun init --from` does: delimiter, stand-ins and decimal commas found, all columns profiled.

Shown are the medians, and the ratios to polars within each round with the least and the greatest: seconds by the
clock, and of all processors. The load of the computer at the beginning and at the end is shown with them: what else
runs disturbs the clock more than the processors' seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
import polars

BLOCK = 200_000
"""Rows that are made at once."""

TIMED = """
import json, sys, time, resource
from pathlib import Path
import polars
from dlrun.drafting.material import read_material
from dlrun.data.sources.csv_file import Csv
side, file = sys.argv[1], Path(sys.argv[2])
start, used = time.perf_counter(), time.process_time()
if side == "default":
    polars.read_csv(file)
elif side == "polars":
    polars.read_csv(file, infer_schema_length=None)
elif side == "reading":
    Csv.parse({"kind": "csv", "path": str(file)}).whole(Path())
else:
    read_material(file, Path())
seconds, cpu = time.perf_counter() - start, time.process_time() - used
megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "cpu": cpu, "megabytes": megabytes}))
"""

SIDES = ("default", "polars", "reading", "profile")


def make(file: Path, megabytes: int) -> int:
    """Writes a table of 20 columns: ten of numbers, four of whole numbers, a time, a truth value, four of texts.

    Returns:
        How many rows it has.
    """
    random, rows = np.random.default_rng(0), 0
    words = np.array([f"word{number}" for number in range(500)])
    with file.open("wb") as out:
        while out.tell() < megabytes * 1_000_000:
            columns: dict[str, object] = {f"x{index}": random.normal(size=BLOCK).round(6) for index in range(10)}
            columns |= {f"n{index}": random.integers(0, 10**index * 9, BLOCK) for index in range(1, 5)}
            columns["at"] = np.datetime64("2020-01-01", "us") + np.arange(rows, rows + BLOCK) * np.timedelta64(1, "s")
            columns["flag"] = random.random(BLOCK) < 0.3
            columns["city"] = random.choice(np.array(["Rome", "Oslo", "Bern", "Paris"]), BLOCK)
            columns["word"] = random.choice(words, BLOCK)
            columns["code"] = np.char.add("k", random.integers(0, 10**7, BLOCK).astype(str))
            columns["text"] = [" ".join(row) for row in random.choice(words, (BLOCK, 3))]
            polars.DataFrame(columns).write_csv(out, include_header=rows == 0)
            rows += BLOCK
    return rows


def timed(side: str, file: Path) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", TIMED, side, str(file)], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    load = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "table.csv")
        rows = make(file, options.megabytes)
        print(f"{file.stat().st_size / 1e6:,.0f} MB, {rows:,} rows of 20 columns")
        rounds = [{side: timed(side, file) for side in SIDES} for _ in range(options.rounds)]
        load.append(os.getloadavg()[0])
    found = {side: {field: spread(rounds, side, field) for field in ("seconds", "cpu", "megabytes")} for side in SIDES}
    print(f"{'':10}{'seconds':>9}{'ratio':>8}{'min … max':>14}{'of CPU':>8}{'min … max':>14}{'peak MB':>9}")
    for side, of_side in found.items():
        middle, peak = of_side["seconds"]["median"], of_side["megabytes"]["median"]
        print(f"{side:10}{middle:9.2f}{ratios(of_side['seconds'])}{ratios(of_side['cpu'])}{peak:9,.0f}")
    print(f"load {load[0]:.1f} … {load[1]:.1f} on {os.cpu_count()} processors")
    if options.json:
        record = {"rows": rows, "rounds": rounds, "found": found, "load": load, "processors": os.cpu_count()}
        options.json.write_text(json.dumps(record, indent=1), encoding="utf-8")


def spread(rounds: list[dict[str, dict[str, float]]], side: str, field: str) -> dict[str, float]:
    """The median, and of the ratios to polars in each round the median, the least and the greatest."""
    against = [each[side][field] / each["polars"][field] for each in rounds]
    middle = median(each[side][field] for each in rounds)
    return {"median": middle, "ratio": median(against), "least": min(against), "greatest": max(against)}


def ratios(of_field: dict[str, float]) -> str:
    extent = f"{of_field['least']:.2f} … {of_field['greatest']:.2f}"
    return f"{of_field['ratio']:8.2f}{extent:>14}"


if __name__ == "__main__":
    main()
