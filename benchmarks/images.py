"""Reading image files: dlrun's reader against a bare tf.data pipeline, tuned by hand.

python benchmarks/images.py [--count 20000] [--side 224] [--repeats 3] [-o images.json]

The files are made first: textures in colour, JPEG at quality 90. Both then read and decode all of them into batches of
64, uint8, in turns; the ratio is that of the medians of their rates. tf.data decodes with its default, the fast and
less exact inverse cosine transform; dlrun with the exact one, to Pillow's pixels.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 64
BLOCK = 8 * BATCH
"""Rows that dlrun's reader is asked for at once."""


def make(folder: Path, count: int, side: int) -> list[str]:
    """Writes textured JPEG files, a few of which differ from each other only in their noise."""
    from PIL import Image

    rng = np.random.default_rng(0)
    names = []
    for index in range(count):
        blots = rng.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
        image = np.asarray(Image.fromarray(blots).resize((side, side), Image.Resampling.BICUBIC)).astype(np.int16)
        image += rng.integers(-12, 13, (side, side, 1), dtype=np.int16)
        names.append(f"{index:06}.jpg")
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / names[-1], quality=90)
    return names


def with_dlrun(folder: Path, names: list[str], side: int) -> Callable[[], int]:
    """A function that reads all, and says how many bytes of pixels there were."""
    from dlrun.data.decode import Form
    from dlrun.data.pictures import Pictures

    files = Pictures(np.array(names, object), folder, Form(height=side, width=side, channels=3))

    def run() -> int:
        seen = 0
        for start in range(0, len(files), BLOCK):
            pixels = files.read(np.arange(start, min(start + BLOCK, len(files))))
            for first in range(0, len(pixels), BATCH):
                seen += pixels[first : first + BATCH].nbytes
        return seen

    return run


def with_tensorflow(folder: Path, names: list[str], side: int) -> Callable[[], int]:
    """The same with tf.data."""
    import tensorflow as tf

    def decoded(file: Any) -> Any:
        return tf.ensure_shape(tf.io.decode_jpeg(tf.io.read_file(file), channels=3), (side, side, 3))

    files = tf.data.Dataset.from_tensor_slices([str(folder / name) for name in names])
    batches = files.map(decoded, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(tf.data.AUTOTUNE)

    def run() -> int:
        return sum(int(np.prod(batch.shape)) for batch in batches)

    return run


def measure(count: int, side: int, repeats: int) -> dict[str, Any]:
    """Rates in images a second, processor seconds for 1,000 images, and the ratio of the rates."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        names = make(folder, count, side)
        ways = {"dlrun": with_dlrun(folder, names, side), "tf.data": with_tensorflow(folder, names, side)}
        rates: dict[str, list[float]] = {name: [] for name in ways}
        used: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(repeats + 1):
            for name, run in ways.items():
                began, cpu = time.perf_counter(), time.process_time()
                if run() != count * side * side * 3:
                    raise SystemExit(f"{name} has not read all")
                if turn:  # the first warms up
                    rates[name].append(count / (time.perf_counter() - began))
                    used[name].append((time.process_time() - cpu) / count * 1000)
        size = sum((folder / name).stat().st_size for name in names) / count
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "images": count,
        "side": side,
        "bytes_per_file": round(size),
        "processors": os.cpu_count(),
        "images_per_second": {name: [round(value) for value in values] for name, values in rates.items()},
        "cpu_seconds_per_1000": {name: round(statistics.median(values), 3) for name, values in used.items()},
        "ratio": round(medians["dlrun"] / medians["tf.data"], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("-o", type=Path, dest="out")
    arguments = parser.parse_args()
    answer = json.dumps(measure(arguments.count, arguments.side, arguments.repeats), indent=2)
    print(answer)
    if arguments.out:
        arguments.out.write_text(answer + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
