"""The columns of a table with one value a row, as polars has them: all in memory, or made one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import polars


class Frame(Protocol):
    """What findings and drafts ask of a polars frame."""

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""

    def __getitem__(self, name: str, /) -> polars.Series:
        """A column, (rows,)."""


@dataclass(frozen=True)
class OneByOne:
    """Columns of which one alone is in memory at a time.

    Args:
        columns: their names.
        read: gives one of them.
    """

    columns: list[str]
    read: Callable[[str], polars.Series]

    def __getitem__(self, name: str, /) -> polars.Series:
        return self.read(name)


def without(frame: Frame, names: Sequence[str]) -> Frame:
    """The other columns."""
    import polars

    if isinstance(frame, polars.DataFrame):
        return frame.drop(names)
    return OneByOne([name for name in frame.columns if name not in names], frame.__getitem__)


def row_hashes(frame: Frame, names: Sequence[str]) -> np.ndarray:
    """A hash of what each row has in some columns, uint64 (rows,)."""
    import numpy as np
    import polars

    if isinstance(frame, polars.DataFrame):
        return frame.select(names).hash_rows(seed=0).to_numpy()
    first, *others = names
    found = np.asarray(frame[first].hash(seed=0).to_numpy())
    for name in others:
        found = mixed(found) ^ frame[name].hash(seed=0).to_numpy()
    return found


def mixed(numbers: np.ndarray) -> np.ndarray:
    """Hashes that are combined with others must not cancel out: those of equal columns would."""
    import numpy as np

    return numbers * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x632BE59BD9B4E019)
