"""Which examples an epoch has where rare classes are seen more often: a pure function of seed and epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dlrun.seeds import generator

if TYPE_CHECKING:
    import numpy as np

Oversample = Literal["balanced"] | Mapping[str, float]
"""`balanced`, or how often the examples of a class are seen in an epoch, by its name."""


COPY = 1 << 25
"""What is added to the place of an example for each time that it occurred in the epoch before."""

MOST_COPIES = 1 << 6
"""So many are told apart, that places remain below 2^31."""


@dataclass(frozen=True)
class Oversampled:
    """Examples of which some occur several times in an epoch.

    Each example of a class with n examples, of which an epoch is to have m, occurs m // n times, and m % n of them,
    drawn anew in each epoch, once more.

    Args:
        labels: the class index of each example, (n,).
        wanted: how many examples of each class an epoch has, (classes,); at least as many as there are.
        told: whether an order of places is to say which copy of an example is which, since each is changed in its own
            way; by `COPY`.
    """

    labels: np.ndarray
    wanted: tuple[int, ...]
    told: bool = False

    @classmethod
    def of(cls, how: Oversample, labels: np.ndarray, classes: Sequence[str]) -> Oversampled:
        """As the spec says it.

        Args:
            how: `balanced`: each class as often as the most frequent one; or by what to multiply classes.
            labels: the class index of each example, (n,).
            classes: their names, in the order of their indexes.
        """
        import numpy as np

        counts = np.bincount(labels, minlength=len(classes)).tolist()
        if how == "balanced":
            return cls(labels, tuple(max(counts) if count else 0 for count in counts))
        factors = [how.get(name, 1.0) for name in classes]
        return cls(labels, tuple(round(count * factor) for count, factor in zip(counts, factors, strict=True)))

    def __len__(self) -> int:
        """How many examples an epoch has."""
        return sum(self.wanted)

    def rows(self, seed: int, epoch: int) -> np.ndarray:
        """The examples of an epoch, in rising order, (len(self),) int64."""
        import numpy as np

        counts = np.bincount(self.labels, minlength=len(self.wanted))
        times = np.zeros(len(self.labels), np.int64)
        random = generator(seed, "oversample", epoch)
        for index, (count, wanted) in enumerate(zip(counts.tolist(), self.wanted, strict=True)):
            if count:
                members = np.flatnonzero(self.labels == index)
                times[members] = wanted // count
                times[random.choice(members, wanted % count, replace=False)] += 1
        return np.repeat(np.arange(len(times)), times)

    def drawn(self, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The same, and what is added to the place of each of them to tell which copy it is, (len(self),) int64 both;
        0 where that is not to be told, or there are more examples than have room beside it."""
        import numpy as np

        rows = self.rows(seed, epoch)
        if not self.told or len(self.labels) > COPY:
            return rows, np.zeros(len(rows), np.int64)
        return rows, (np.arange(len(rows)) - np.searchsorted(rows, rows)) % MOST_COPIES * COPY
