"""Makes the parts of configs/parquet_streaming.yaml: `python configs/data/table_parts.py [ROWS]`, 12,000 by default.

Eight readings of a machine, and whether it fails: where a hot and a fast one come together, or two pressures differ.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

PARTS = 3


def main(rows: int) -> None:
    import polars as pl

    folder = Path(__file__).parent / "table_parts"
    folder.mkdir(exist_ok=True)
    for part in range(PARTS):
        random = np.random.default_rng(part)
        x = random.normal(size=(rows // PARTS, 8)).round(1)
        fails = x[:, 0] * x[:, 1] + np.abs(x[:, 2] - x[:, 3]) + random.normal(scale=0.3, size=len(x)) > 1.5
        names = ["heat", "speed", "inlet", "outlet", "noise", "age", "load", "humidity"]
        frame = pl.DataFrame({name: x[:, index].astype(np.float32) for index, name in enumerate(names)})
        frame = frame.with_columns(
            mode=pl.Series(random.choice(["manual", "automatic", None], len(x), p=[0.3, 0.65, 0.05]).tolist()),
            fails=pl.Series(fails),
        )
        frame.write_parquet(folder / f"part-{part}.parquet")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 12_000)
