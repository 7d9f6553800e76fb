"""Writes 3,000 of the bundled MNIST digits as PNG files: configs/data/mnist_png/train/7/00012.png, … and test/…

python configs/data/mnist_png.py
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from dlrun.data.sources.bundled import Bundled

FOLDER = Path(__file__).parent / "mnist_png"
TRAIN, TEST = 2000, 1000


def make(folder: Path = FOLDER) -> Path:
    """The folder; it is there once all of it is."""
    from PIL import Image

    if folder.exists():
        return folder
    table = Bundled(kind="bundled", name="mnist").load(Path())
    images, labels = table.columns["image"], table.columns["label"]
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".mnist_png"))
    for part, rows in (("train", range(TRAIN)), ("test", range(60_000, 60_000 + TEST))):
        for row in rows:
            file = unfinished / part / labels[row] / f"{row:05}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(images[row, :, :, 0]).save(file)
    try:
        unfinished.rename(folder)
    except OSError:  # another process was first
        shutil.rmtree(unfinished)
    return folder


if __name__ == "__main__":
    print(make())
