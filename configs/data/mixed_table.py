"""Makes configs/mixed_table.csv: 4,000 rented flats, invented, with all that a table of people's has.

    python configs/data/mixed_table.py

What a rent follows from: size (with a diminishing share), district, year of construction, floor and lift, the month and
the year of the offer, the agent's habit; what the table has of it: skewed numbers, outliers, categories of few and of
many values, dates, and missing values, of which some tell something (an old house has no energy value).
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

ROWS = 4000
DISTRICTS = (
    "Altstadt",
    "Bahnhof",
    "Hafen",
    "Kirchberg",
    "Lindenau",
    "Neustadt",
    "Rosental",
    "Südpark",
    "Uferweg",
    "Weststadt",
)


def flats(seed: int = 0) -> dict[str, list[Any]]:
    """The columns, by name."""
    rng = np.random.default_rng(seed)
    district = rng.integers(0, len(DISTRICTS), ROWS)
    agent = rng.zipf(1.6, ROWS) % 300
    size = rng.lognormal(4.2, 0.45, ROWS).clip(14, 400)
    year = 1890 + (130 * rng.beta(1.6, 1.0, ROWS)).astype(int)
    floor = rng.poisson(1.8, ROWS)
    lift = rng.random(ROWS) < np.where(year > 1975, 0.7, 0.15)
    energy = np.where(year > 1960, rng.lognormal(4.3, 0.4, ROWS), np.nan)
    offered = np.datetime64("2021-01-01") + rng.integers(0, 1461, ROWS)
    months = offered.astype("datetime64[M]").astype(int)  # since 1970
    rent = 19 * size**0.82
    rent *= np.linspace(0.75, 1.35, len(DISTRICTS))[rng.permutation(len(DISTRICTS))][district]
    rent *= 1 + 0.25 * ((year - 1955) / 65) ** 2 + np.where(lift, 0.02, -0.015) * floor
    rent *= 1 + 0.004 * (months - months.min()) + 0.03 * np.sin(2 * np.pi * (months % 12) / 12)
    rent *= np.random.default_rng(seed + 1).normal(1, 0.08, 300)[agent] * rng.lognormal(0, 0.06, ROWS)
    size[rng.random(ROWS) < 0.005] *= 10  # a decimal point that somebody has forgotten
    floor_told = [None if miss else int(value) for miss, value in zip(rng.random(ROWS) < 0.08, floor, strict=True)]
    return {
        "offered": [str(day) for day in offered],
        "district": [
            None if miss else DISTRICTS[each] for miss, each in zip(rng.random(ROWS) < 0.02, district, strict=True)
        ],
        "agent": [f"A{each:03d}" for each in agent],
        "size": [round(value, 1) for value in size.tolist()],
        "built": year.tolist(),
        "floor": floor_told,
        "lift": [str(each).lower() for each in lift.tolist()],
        "energy": [None if value != value else round(value, 1) for value in energy.tolist()],
        "rent": [round(value) for value in rent.tolist()],
    }


def write(path: Path) -> None:
    """Writes the table."""
    columns = flats()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


if __name__ == "__main__":
    write(Path(__file__).parents[1] / "mixed_table.csv")
