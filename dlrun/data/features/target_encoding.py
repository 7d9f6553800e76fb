"""Target encoding: a value becomes the mean of the target over the train rows that have it, drawn towards that of all
rows (D. Micci-Barreca, A preprocessing scheme for high-cardinality categorical attributes in classification and
prediction problems, ACM SIGKDD Explorations 3 (1), 2001)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

if TYPE_CHECKING:
    import numpy as np

Smoothing = Literal["auto"] | Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class Sums:
    """What is summed up of the rows that have each value.

    Args:
        counts: how many there are, (values,).
        sums: of what is predicted, (values, numbers): a number, or of each class how often it occurs.
        squares: the same of its squares, (values, numbers).
    """

    counts: np.ndarray
    sums: np.ndarray
    squares: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Over all rows, (numbers,)."""
        import numpy as np

        return np.asarray(self.sums.sum(axis=0) / self.counts.sum())

    @property
    def variance(self) -> np.ndarray:
        """Over all rows, (numbers,)."""
        import numpy as np

        return np.asarray(np.maximum(self.squares.sum(axis=0) / self.counts.sum() - self.mean**2, 0))

    def smoothed(self, smoothing: Smoothing) -> np.ndarray:
        """The mean of each value, drawn towards that of all rows, (values, numbers); that of all rows for a value
        that no row has.

        Args:
            smoothing: how many rows with the mean of all are added to those of a value; auto: the share of a value's
                own mean is n v / (n v + w), with n its rows, v the variance over all rows and w that among its own
                (empirical Bayes, equations 5 and 6 of the paper).
        """
        import numpy as np

        counts = self.counts[:, None]
        rows = np.maximum(counts, 1)
        own = self.sums / rows
        if smoothing == "auto":
            spread = np.maximum(self.squares / rows - own**2, 0)
            shares, of = counts * self.variance, counts * self.variance + spread
        else:
            shares, of = counts, counts + smoothing
        share = np.divide(shares, of, out=np.zeros_like(own), where=of > 0)
        return np.asarray(self.mean + share * (own - self.mean))


@dataclass(frozen=True)
class OutOfFold:
    """What train rows are shown: means in which the rows of their own fold have no part.

    Args:
        fold: of each row, (rows,) int8.
        means: by column, float32 (folds, values, numbers).
    """

    fold: np.ndarray
    means: dict[str, np.ndarray]

    def part(self, first: int, last: int) -> OutOfFold:
        """That of some rows which follow one another."""
        return replace(self, fold=self.fold[first:last])

    def encode(self, name: str, indexes: np.ndarray) -> np.ndarray:
        """(rows,) to float32 (rows, numbers).

        Args:
            name: the column.
            indexes: of its values.
        """
        import numpy as np

        return np.asarray(self.means[name][self.fold, indexes])
