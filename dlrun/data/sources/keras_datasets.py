"""The data sets of keras.datasets, in the folder where Keras keeps them."""

from __future__ import annotations

import importlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Mapping
from typing import ClassVar, Literal

from dlrun.data.columns import Table
from dlrun.data.sources.bundled import labelled
from dlrun.data.sources.files import matches
from dlrun.data.sources.known import KERAS, KnownSet
from dlrun.data.sources.named import NamedSource
from dlrun.errors import DataError

GOOGLE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
TORONTO = "https://www.cs.toronto.edu/~kriz/"

FILES = {
    "fashion_mnist": (
        ("fashion-mnist/train-images-idx3-ubyte.gz", GOOGLE, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("fashion-mnist/train-labels-idx1-ubyte.gz", GOOGLE, "25c81989df183df01b3e8a0aad5dffbe"),
        ("fashion-mnist/t10k-images-idx3-ubyte.gz", GOOGLE, "bef4ecab320f06d8554ea6380940ec79"),
        ("fashion-mnist/t10k-labels-idx1-ubyte.gz", GOOGLE, "bb300cfdad3c16e7a12a480ee83cd310"),
    ),
    "cifar10": (
        (
            "cifar-10-batches-py-target_archive",
            f"{TORONTO}cifar-10-python.tar.gz",
            "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        ),
    ),
    "cifar100": (
        (
            "cifar-100-python-target_archive",
            f"{TORONTO}cifar-100-python.tar.gz",
            "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
        ),
    ),
    "imdb": (
        ("imdb.npz", GOOGLE, "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"),
        ("imdb_word_index.json", GOOGLE, "bfafd718b763782e994055a2d397834f"),
    ),
    "reuters": (
        ("reuters.npz", GOOGLE, "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916"),
        ("reuters_word_index.json", GOOGLE, "4d44cc38712099c9e383dc6e5f11a921"),
    ),
    "california_housing": (
        ("california_housing.npz", GOOGLE, "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f"),
    ),
}
"""Of each set the files in the cache, where they come from (a folder, or the file itself), and the SHA-256 or MD5.

Those of Keras 3.15; it has none for fashion_mnist, whose authors give them
(https://github.com/zalandoresearch/fashion-mnist).
"""

AS_IT_WAS = {"num_words": 10**9, "start_char": None, "index_from": 0, "oov_char": None}
"""What makes Keras leave every word in place, under the number that the word index has for it."""

SECONDS = 30
"""How long the network may be silent."""


class KerasSource(NamedSource):
    """A data set that Keras downloads once and keeps in ~/.keras/datasets (or KERAS_HOME)."""

    sets: ClassVar[Mapping[str, KnownSet]] = KERAS
    kind: Literal["keras"]
    """A data set that Keras downloads once and keeps in ~/.keras/datasets (or KERAS_HOME)."""
    name: Literal["fashion_mnist", "cifar10", "cifar100", "imdb", "reuters", "california_housing"]
    """Which: fashion_mnist, cifar10 and cifar100 (images), imdb and reuters (text), california_housing (a table)."""

    def missing_files(self) -> list[pathlib.Path]:
        """The files that are not in the cache, and would be downloaded."""
        return [file for file in (cache() / name for name, _, _ in FILES[self.name]) if not file.is_file()]

    def load(self, base: pathlib.Path) -> Table:
        """Reads it, after downloading what is not in the cache yet.

        Raises:
            DataError: a file is missing or damaged, and cannot be downloaded.
        """
        import numpy as np

        for name, origin, digest in FILES[self.name]:
            url = origin if "archive" in name else origin + pathlib.PurePosixPath(name).name
            _fetch(cache() / name, url, digest)
        module = importlib.import_module(f"keras.datasets.{self.name}")
        match self.name:
            case "california_housing":
                (numbers, target), (test_numbers, test_target) = module.load_data(version="large")
                columns = [*np.concatenate([numbers, test_numbers]).astype(np.float64).T]
                columns.append(np.concatenate([target, test_target]).astype(np.float64))
                test_rows = np.arange(len(columns[0])) >= len(target)
                return Table(
                    self.name, dict(zip(self.about.columns, columns, strict=True)), test_rows, self.about.columns
                )
            case "imdb" | "reuters":
                (train, labels), (test, test_labels) = module.load_data(**AS_IT_WAS)
                words = {number: word for word, number in module.get_word_index().items()}
                values = np.array([_sentence(text, words) for text in (*train, *test)], object)
            case _:
                (train, labels), (test, test_labels) = module.load_data()
                values = np.concatenate([train, test])
                values = values.reshape(len(values), *self.about.columns["image"].shape)
        return labelled(self.name, self.about, values, np.concatenate([labels, test_labels]), len(test_labels))


def _sentence(numbers: list[int], words: dict[int, str]) -> str:
    return " ".join(words[number] for number in numbers if number in words)


def cache() -> pathlib.Path:
    """The folder in which Keras keeps data sets (keras.utils.get_file)."""
    home = pathlib.Path(os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras").expanduser()
    parent = home if home.exists() else home.parent
    if not os.access(parent, os.W_OK):
        temporary = pathlib.Path("/tmp")
        home = (temporary if temporary.is_dir() else pathlib.Path(tempfile.gettempdir())) / ".keras"
    return home / "datasets"


def _fetch(file: pathlib.Path, url: str, digest: str) -> None:
    """Downloads a file that is not in the cache, or is not what it should be there."""
    import urllib.request

    if file.is_file() and matches(file, digest):
        return
    state = "has the wrong content" if file.is_file() else "is not there"
    algorithm = "SHA-256" if len(digest) == 64 else "MD5"
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer, part.open("wb") as handle:
            shutil.copyfileobj(answer, handle)
        if not matches(part, digest):
            raise DataError(f"{url} gave another file than it should: its {algorithm} is not {digest}")
        part.replace(file)
    except OSError as error:  # urllib's errors are OSErrors too
        reason = getattr(error, "reason", None) or error
        raise DataError(
            f"{file} {state}, and cannot be downloaded: {reason}",
            hint=f"download {url} elsewhere and put it there under that name ({algorithm} {digest})",
        ) from None
    finally:
        part.unlink(missing_ok=True)
