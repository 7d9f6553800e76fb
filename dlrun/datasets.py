"""`dlrun datasets`: what is bundled, what is cached, what would be downloaded."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from dlrun.data.sources.keras_datasets import KerasSource
from dlrun.data.sources.known import BUNDLED, KERAS, KnownSet


@dataclass(frozen=True)
class Entry:
    """A named data set.

    Args:
        source: the `kind` to write in the spec.
        name: the `name` to write in the spec.
        about: what it is, in one line.
        rows: how many there are.
        target: the column that is predicted where the spec names none.
        state: bundled, cached on this machine, or downloaded at the first use.
    """

    source: Literal["bundled", "keras"]
    name: str
    about: str
    rows: int
    target: str | None
    state: Literal["bundled", "cached", "download"]

    def tree(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return asdict(self)


def datasets() -> list[Entry]:
    """All data sets that a spec can name, bundled ones first."""
    bundled = [_entry("bundled", name, known, "bundled") for name, known in BUNDLED.items()]
    keras = [
        _entry("keras", name, known, "download" if _source(name).missing_files() else "cached")
        for name, known in KERAS.items()
    ]
    return bundled + keras


def _source(name: str) -> KerasSource:
    return KerasSource.parse({"kind": "keras", "name": name})


def _entry(
    source: Literal["bundled", "keras"], name: str, known: KnownSet, state: Literal["bundled", "cached", "download"]
) -> Entry:
    return Entry(source, name, known.about, known.rows, known.defaults.target, state)
