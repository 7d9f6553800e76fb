"""Data sets that come with dlrun, or with scikit-learn: no network is needed."""

from __future__ import annotations

import hashlib
import io
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from dlrun.data.columns import Table
from dlrun.data.sources.csv_text import Dialect, frame_of
from dlrun.data.sources.frames import columns_of, with_times
from dlrun.data.sources.known import BUNDLED, KnownSet
from dlrun.data.sources.named import NamedSource
from dlrun.errors import DataError

if TYPE_CHECKING:
    import numpy as np

FOLDER = pathlib.Path(__file__).parent.parent / "bundled"

SHA256 = {
    "mnist.npz": "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64",
    "sotu_eras.csv.gz": "29c98339583199eaefcf8693943203143348b32ca795ca60bdd0ea9f863ee4ad",
    "seattle_temps.csv.gz": "c75750efae9d60457e0de786dd7a054c4fb88c8677ecab11ac6c700e47ca5858",
}


class Bundled(NamedSource):
    """A data set that comes with dlrun."""

    sets: ClassVar[Mapping[str, KnownSet]] = BUNDLED
    kind: Literal["bundled"]
    """A data set that comes with dlrun."""
    name: Literal["mnist", "digits", "iris", "wine", "breast_cancer", "diabetes", "sotu_eras", "seattle_temps"]
    """Which: mnist and digits (images), iris, wine, breast_cancer and diabetes (tables), sotu_eras (text),
    seattle_temps (a time series)."""

    def load(self, base: pathlib.Path) -> Table:
        """Reads it.

        Raises:
            DataError: a file of the installation is damaged.
        """
        match self.name:
            case "mnist":
                return self._mnist()
            case "digits":
                return self._digits()
            case "sotu_eras" | "seattle_temps":
                frame = frame_of(_content(f"{self.name}.csv.gz", unpack=True), self.name, Dialect())
                if self.about.defaults.time is not None:
                    frame = with_times(frame, self.about.defaults.time, self.name)
                return Table(self.name, columns_of(frame, self.name), known=self.about.columns)
            case _:
                return self._sklearn()

    def _mnist(self) -> Table:
        import numpy as np

        with np.load(io.BytesIO(_content("mnist.npz")), allow_pickle=False) as arrays:
            images = np.concatenate([arrays["x_train"], arrays["x_test"]])[..., None]
            labels = np.concatenate([arrays["y_train"], arrays["y_test"]])
            tests = len(arrays["y_test"])
        return labelled(self.name, self.about, images, labels, tests)

    def _digits(self) -> Table:
        from sklearn.datasets import load_digits

        digits = load_digits()
        return labelled(self.name, self.about, digits.images.astype("uint8")[..., None], digits.target, 0)

    def _sklearn(self) -> Table:
        import numpy as np
        from sklearn import datasets

        match self.name:
            case "diabetes":  # scaled=True would give columns that are scaled with the test rows too
                numbers, target = datasets.load_diabetes(return_X_y=True, scaled=False)
            case "iris":
                numbers, target = datasets.load_iris(return_X_y=True)
            case "wine":
                numbers, target = datasets.load_wine(return_X_y=True)
            case _:
                numbers, target = datasets.load_breast_cancer(return_X_y=True)
        if self.about.labels:
            target = np.array(self.about.labels, object)[target]
        columns = [*np.ascontiguousarray(numbers.T, dtype=np.float64), target]
        return Table(self.name, dict(zip(self.about.columns, columns, strict=True)), known=self.about.columns)


def labelled(name: str, about: KnownSet, values: np.ndarray, labels: np.ndarray, tests: int) -> Table:
    """A table of examples and their labels by number, of which the last `tests` rows are the test part."""
    import numpy as np

    texts = np.array(about.labels, object)[labels.reshape(-1).astype(np.int64)]
    test_rows = np.arange(len(texts)) >= len(texts) - tests if tests else None
    return Table(name, dict(zip(about.columns, (values, texts), strict=True)), test_rows, about.columns)


def _content(name: str, *, unpack: bool = False) -> bytes:
    """A file of the installation, whose hash is right."""
    import gzip

    data = (FOLDER / name).read_bytes() if (FOLDER / name).is_file() else b""
    if hashlib.sha256(data).hexdigest() != SHA256[name]:
        state = "damaged" if data else "missing"
        raise DataError(f"{FOLDER / name}, which comes with dlrun, is {state}", hint="install dlrun again")
    return gzip.decompress(data) if unpack else data
