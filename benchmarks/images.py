"""Reading image files: dlrun's way to the model against a bare tf.data pipeline, tuned by hand.

python benchmarks/images.py [--count 20000] [--side 224] [--rounds 10] [-o images.json]

The files are made first: textures in colour, JPEG at quality 90. They are parted into as many shares as there are
rounds. In each round all sides go through one share in batches of 64, in float32 from 0 to 1, as a network takes them,
in turns that begin with another one each time, so that what else runs disturbs them alike. A round gives one ratio of
the rates; shown are the median, the least and the greatest of all rounds:

- tf.data: files are read and decoded in parallel, with its default, the fast and less exact inverse cosine transform;
- decode: the same with dlrun's reader, with the exact transform, to Pillow's pixels;
- first: what a training that does not fit into memory does before its first epoch and in it: the files' headers are
  looked at, all is decoded and put on disk as pixels, and read from there;
- later: an epoch after that, which decodes nothing: the windows that the training loop is given, shuffled, and their
  batches.

The ratio of several epochs follows from the last two: with tf.data each decodes again, and so does an evaluation.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 64
EPOCHS = (2, 10)
"""For which the ratio of all together is told. Any training reads its examples twice: in an epoch, and to be judged."""


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


def batches(blocks: Iterable[np.ndarray]) -> int:
    """Takes blocks in batches; how many numbers there were."""
    return sum(block[first : first + BATCH].size for block in blocks for first in range(0, len(block), BATCH))


class Dlrun:
    """dlrun's three sides, for one share of the files after the other.

    Args:
        folder: of the files.
        side: of the pictures, in pixels.
    """

    def __init__(self, folder: Path, side: int) -> None:
        from dlrun.data.columns import Column
        from dlrun.data.decode import Form
        from dlrun.data.features import Image

        self._folder, self._form = folder, Form(height=side, width=side, channels=3)
        self._encode = Image(kind="image").fit(np.zeros((1, side, side, 3), np.uint8), Column("image")).encode
        self._stored: Any = None

    def decode(self, names: list[str]) -> int:
        from dlrun.data.image_files import AT_ONCE
        from dlrun.data.pictures import Pictures

        return batches(
            map(self._encode, Pictures(np.array(names, object), self._folder, self._form).in_blocks(AT_ONCE))
        )

    def first(self, names: list[str]) -> int:
        from dlrun.data.columns import Column, Table
        from dlrun.data.features import Image
        from dlrun.data.image_files import with_pixels

        table, known = Table("images", {"image": np.array(names, object)}), {"image": Column("image")}
        decoded, _, _ = with_pixels(table, {"image": Image(kind="image")}, known, self._folder, allowed=0)
        self._stored = decoded.columns["image"]
        return self.later(names)

    def later(self, names: list[str]) -> int:
        from dlrun.data.on_disk import Selected
        from dlrun.training.streamed import Streamed
        from dlrun.training.supply import Arrays, gathered

        rows = Selected(self._stored, np.arange(len(names)), self._encode)
        supply = Streamed(
            lambda ranges, room: Arrays({"image": rows.taken(ranges, room)}, None),
            len(names), rows.row_bytes, shuffle=True,
        )  # fmt: skip
        numbers = 0
        for step in range(-(-len(names) // BATCH)):
            tensors, order, first, _ = supply.stretch(1, step, BATCH)
            numbers += int(np.prod(gathered(tensors, order[first])[0]["image"].shape))
        return numbers


def with_tensorflow(folder: Path, side: int) -> Callable[[list[str]], int]:
    """The same with tf.data."""
    import tensorflow as tf

    def decoded(file: Any) -> Any:
        pixels = tf.io.decode_jpeg(tf.io.read_file(file), channels=3)
        return tf.cast(tf.ensure_shape(pixels, (side, side, 3)), tf.float32) / 255

    def run(names: list[str]) -> int:
        files = tf.data.Dataset.from_tensor_slices([str(folder / name) for name in names])
        ready = files.map(decoded, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(tf.data.AUTOTUNE)
        return sum(int(np.prod(batch.shape)) for batch in ready)

    return run


def measure(count: int, side: int, rounds: int) -> dict[str, Any]:
    """Rates in images a second, processor seconds for 1,000 images, and their ratios in each round."""
    load = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        names = make(folder, count, side)
        shares = [part.tolist() for part in np.array_split(np.array(names, object), rounds)]
        dlrun, bare = Dlrun(folder, side), with_tensorflow(folder, side)
        sides = [("tf.data", bare), ("decode", dlrun.decode), ("first", dlrun.first), ("later", dlrun.later)]
        seconds: dict[str, list[float]] = {name: [] for name, _ in sides}
        used: dict[str, list[float]] = {name: [] for name, _ in sides}
        for turn, share in enumerate([shares[0], *shares]):
            for name, run in sides if turn % 2 else [*sides[1:], sides[0]]:
                began, cpu = time.perf_counter(), time.process_time()
                if run(share) != len(share) * side * side * 3:
                    raise SystemExit(f"{name} has not read all")
                if turn:  # the first warms up
                    seconds[name].append((time.perf_counter() - began) / len(share))
                    used[name].append((time.process_time() - cpu) / len(share))
        size = sum((folder / name).stat().st_size for name in names) / count
    for epochs in EPOCHS:
        seconds[f"{epochs} epochs"] = together(seconds, epochs)
        used[f"{epochs} epochs"] = together(used, epochs)
    load.append(os.getloadavg()[0])
    return {
        "images": count,
        "side": side,
        "bytes_per_file": round(size),
        "processors": os.cpu_count(),
        "load": [round(each, 1) for each in load],
        "images_per_second": {name: round(1 / statistics.median(each)) for name, each in seconds.items()},
        "cpu_seconds_per_1000": {name: round(1000 * statistics.median(each), 3) for name, each in used.items()},
        "ratio": ratios(seconds),
        "cpu_ratio": ratios(used),
    }


def together(found: dict[str, list[float]], epochs: int) -> list[float]:
    """The seconds for an image and epoch in a training of so many, by round."""
    pairs = zip(found["first"], found["later"], strict=True)
    return [(first + (epochs - 1) * later) / epochs for first, later in pairs]


def ratios(seconds: dict[str, list[float]]) -> dict[str, list[float]]:
    """How many times as fast as tf.data: the median of the rounds, the least and the greatest."""
    found = {}
    for name, each in seconds.items():
        if name != "tf.data":
            of_rounds = [bare / mine for bare, mine in zip(seconds["tf.data"], each, strict=True)]
            found[name] = [round(take(of_rounds), 3) for take in (statistics.median, min, max)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("-o", type=Path, dest="out")
    arguments = parser.parse_args()
    answer = json.dumps(measure(arguments.count, arguments.side, arguments.rounds), indent=2)
    print(answer)
    if arguments.out:
        arguments.out.write_text(answer + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
