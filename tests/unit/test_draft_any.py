"""Whatever the table, `dlrun init --from` drafts a spec that is read, or says what is wrong: never a traceback."""

from __future__ import annotations

import random
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars
from hypothesis import given, settings
from hypothesis import strategies as st

from dlrun.errors import DataError
from dlrun.init import init_from
from dlrun.reading import load_data, read_experiment

NAMES = ["target", "label", "y", "time", "user_id", "sold", "größe", "a b"]
VALUES: dict[str, Callable[[random.Random, int], Any]] = {
    "amount": lambda draw, row: draw.gauss(0, 1),
    "skewed": lambda draw, row: 2.0 ** draw.randint(0, 30),
    "huge": lambda draw, row: draw.choice([1e300, -4e38, 2.0, 3.0]),
    "infinite": lambda draw, row: float("inf") if draw.random() < 0.1 else float(row),
    "count": lambda draw, row: draw.randint(0, 9),
    "id": lambda draw, row: row,
    "constant": lambda draw, row: 7,
    "nothing": lambda draw, row: None,
    "yes or no": lambda draw, row: draw.random() < 0.5,
    "class": lambda draw, row: draw.choice("abc"),
    "rare class": lambda draw, row: "r" if row < 2 else draw.choice("op"),
    "number as text": lambda draw, row: f"{draw.randint(1, 9)},{draw.randint(100, 999)}",
    "share": lambda draw, row: f"{draw.randint(1, 99)} %",
    "stand-in": lambda draw, row: draw.choice(["1", "2", "n/a", ""]),
    "day": lambda draw, row: f"2020-{1 + row // 28 % 12:02}-{1 + row % 28:02}",
    "either day": lambda draw, row: f"{1 + row % 12:02}/{1 + row % 12:02}/2020",
    "sentence": lambda draw, row: " ".join(draw.choices(["the", "dog", "ran", "far"], k=draw.randint(0, 9))),
    "short text": lambda draw, row: f"n{row}@{draw.random():.2f}",
    "file": lambda draw, row: f"{row}.png",
}


@settings(max_examples=25)
@given(
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(list(VALUES)), min_size=1, max_size=5),
    st.integers(1, 60),
    st.sampled_from(["csv", "parquet", "jsonl"]),
    st.integers(0, 1 << 32),
)
def test_any_table_is_drafted_or_refused(kinds: dict[str, str], rows: int, ending: str, seed: int) -> None:
    draw = random.Random(seed)
    columns = {
        name: [None if draw.random() < 0.05 else VALUES[kind](draw, row) for row in range(rows)]
        for name, kind in kinds.items()
    }
    table = polars.DataFrame(columns, strict=False)
    with tempfile.TemporaryDirectory() as place:
        data = Path(place, f"a.{ending}")
        {"csv": table.write_csv, "parquet": table.write_parquet, "jsonl": table.write_ndjson}[ending](data)
        try:
            spec = init_from(data, Path(place, "draft.yaml"))
        except DataError:
            return
        experiment, document = read_experiment(spec)  # whatever is drafted is a valid spec
        try:
            _, dataset = load_data(experiment, document, spec)
        except DataError as error:  # a part has no row, or none of a class
            if not re.search("too few rows|class", str(error)):
                raise
        else:
            assert len(dataset.train) > 0
