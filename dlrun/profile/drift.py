"""Parts that differ from the train part: what is learned there may not hold for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dlrun.data.splits import Parts
from dlrun.profile.finding import Finding, listed
from dlrun.profile.frame import Frame

if TYPE_CHECKING:
    import numpy as np

SAMPLE = 10_000
"""Rows of a part that are compared, at most."""

FAR = 0.25
"""The distance of two distributions, from 0 to 1, that is worth a word."""

CERTAIN = 1.95
"""Times sqrt((n + m) / nm) it is a distance that chance reaches once in a thousand times (Kolmogorov, Smirnov)."""


def look_for_drift(frame: Frame, parts: Parts, columns: Sequence[str]) -> Iterator[Finding]:
    """Columns of numbers that are distributed otherwise in the test than in the train part.

    Args:
        frame: with the columns.
        columns: of numbers; the target may be among them.
    """
    train, test = _some(parts.train), _some(parts.test)
    found: dict[str, float] = {}
    for name in columns:
        column = frame[name]
        one, other = (column.gather(rows).drop_nulls().to_numpy() for rows in (train, test))
        limit = max(FAR, CERTAIN * ((1 / max(len(one), 1)) + 1 / max(len(other), 1)) ** 0.5)
        if len(one) and len(other) and (far := distance(one, other)) > limit:
            found[name] = far
    if not found:
        return
    worst = max(found, key=found.__getitem__)
    column = frame[worst]
    means = [column.gather(rows).mean() for rows in (parts.train, parts.test)]
    told = " and ".join(f"{mean:,.4g}" for mean in means if isinstance(mean, int | float))
    verb = "is" if len(found) == 1 else "are"
    what = (
        f"{listed(sorted(found, key=lambda name: -found[name]))} {verb} distributed otherwise in test than in train "
        f"(the means of {worst} are {told} in train and test)"
    )
    mend = "accept it where the future is meant to differ from the past; else split in another way"
    yield Finding("drift", what, mend, len(found), columns=tuple(found))


def _some(rows: np.ndarray) -> np.ndarray:
    return rows[:: max(1, len(rows) // SAMPLE)]


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """The greatest difference of the distribution functions of two samples (Kolmogorov, Smirnov), from 0 to 1."""
    import numpy as np

    points = np.concatenate([one, other])
    shares = [np.searchsorted(np.sort(sample), points, side="right") / len(sample) for sample in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())
