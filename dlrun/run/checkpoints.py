"""The checkpoints of a run: each one file, whole or not there, that says itself whether it is as it was written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.errors import RunError
from dlrun.run.files import broken
from dlrun.run.weights import is_intact, load_arrays, save_arrays

if TYPE_CHECKING:
    import numpy as np

Place = tuple[int, int]
"""The epoch that is being trained, from 1, and how many of its steps are done."""

VERSION = 1
"""Of what is in a checkpoint."""

KEPT = 2
"""How many checkpoints are kept: the last, and the one before in case that the last is damaged."""

STATE = "state"
"""The name of the array that holds, as UTF-8 bytes of JSON, what is no array."""

NAME = re.compile(r"^epoch_(\d+)_step_(\d+)_[0-9a-f]{16}\.npz$")
BEST = re.compile(r"^best_epoch_\d+_[0-9a-f]{16}\.npz$")


@dataclass(frozen=True)
class Checkpoint:
    """What was written down at a place of a training.

    Args:
        path: the file.
        state: what is no array, as JSON can hold it.
        arrays: the variables by name.
        best: the weights of the best epoch so far by name; None before the first epoch's end.
    """

    path: Path
    state: dict[str, Any]
    arrays: dict[str, np.ndarray]
    best: dict[str, np.ndarray] | None


class Checkpoints:
    """The folder with the checkpoints of a run.

    A file's name ends in the SHA-256 (its first 16 digits) of what is in it, so it cannot be changed without being
    found out, and there is no second file that it could disagree with. The weights of the best epoch are a file of
    their own, written when they change.

    Args:
        folder: is made when the first checkpoint is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged: list[Path] = []
        """What `load` found not to be as it was written."""
        self._best: tuple[Mapping[str, np.ndarray] | None, str | None] = (None, None)
        """The weights of the best epoch that were written or read last, and their file."""

    def save(
        self,
        place: Place,
        state: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
        best: tuple[int, Mapping[str, np.ndarray]] | None = None,
        *,
        protected: Place | None = None,
    ) -> Path:
        """Writes a checkpoint, then removes all but this one and the one before.

        Args:
            place: (epoch, step), where the training stands.
            state: what is no array.
            arrays: the variables.
            best: the best epoch so far and its weights, which are not written again where they are those of the last
                call.
            protected: the place of one more that is kept.

        Raises:
            RunError: it cannot be written, for example since the disk is full; those before are as they were.
        """
        import numpy as np

        self.folder.mkdir(exist_ok=True)
        if best is not None and best[1] is not self._best[0]:
            self._best = best[1], self._save(f"best_epoch_{best[0]:05d}", best[1]).name
        tree = {"version": VERSION, "best": self._best[1] if best is not None else None, **state}
        content = np.frombuffer(json.dumps(tree, allow_nan=False).encode(), np.uint8)
        path = self._save(f"epoch_{place[0]:05d}_step_{place[1]:07d}", {STATE: content, **arrays})
        self._prune(path, protected)
        return path

    def load(self, place: Place | None = None) -> Checkpoint | None:
        """The last checkpoint that is as it was written, or the last at a place; None where there is none.

        Those that are not are in `damaged` afterwards.
        """
        self.damaged.clear()
        for path in self.paths():
            if place in (None, place_of(path)) and (found := self._load(path)):
                return found
        return None

    def places(self) -> list[Place]:
        """Where there are checkpoints, the last first."""
        return [place_of(path) for path in self.paths()]

    def paths(self) -> list[Path]:
        """The checkpoints, the last first."""
        return sorted((path for path in self._files() if NAME.match(path.name)), key=place_of, reverse=True)

    def clear_unfinished(self) -> None:
        """Removes what a process left that was killed while it wrote."""
        for path in self.folder.glob(".*.tmp"):
            path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return list(self.folder.iterdir()) if self.folder.is_dir() else []

    def _save(self, stem: str, arrays: Mapping[str, np.ndarray]) -> Path:
        return save_arrays(self.folder / f"{stem}.npz", arrays, hashed=True)

    def _load(self, path: Path) -> Checkpoint | None:
        file = path
        try:
            arrays = _verified(path)
            state = _parse(path, arrays.pop(STATE))
            name = state.pop("best")
            file = self.folder / name if name else path
            best = _verified(file) if name else None
        except RunError:
            self.damaged.append(file)
            return None
        self._best = best, name
        return Checkpoint(path, state, arrays, best)

    def _prune(self, newest: Path, protected: Place | None) -> None:
        """Removes what is older than the checkpoint before the newest, and what is of a future that will not be: the
        training went back since, or was resumed before it."""
        place = place_of(newest)
        before = [path for path in self.paths() if place_of(path) < place]
        kept = {newest, *before[: KEPT - 1], *(path for path in before if place_of(path) == protected)}
        kept |= {self.folder / name for name in map(_best_of, kept) if name}
        for path in self._files():
            if path not in kept and (NAME.match(path.name) or BEST.match(path.name)):
                path.unlink(missing_ok=True)


def place_of(path: Path) -> Place:
    """The epoch and the step that a checkpoint's name tells."""
    match = NAME.match(path.name)
    if match is None:
        raise ValueError(f"{path} is not the name of a checkpoint")
    return int(match[1]), int(match[2])


def _parse(path: Path, content: np.ndarray) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(content.tobytes())
    if state.pop("version") > VERSION:
        raise broken(path, "it is of a later dlrun")
    return state


def _best_of(path: Path) -> str | None:
    """The file with the best weights at the time of a checkpoint; None where there is none, or it cannot be read."""
    try:
        name: str | None = _parse(path, load_arrays(path, only=STATE)[STATE])["best"]
    except RunError:
        return None
    return name


def _verified(path: Path) -> dict[str, np.ndarray]:
    """The arrays in a file whose name tells the hash of its content.

    Raises:
        RunError: it is missing, or not as it was written.
    """
    if not is_intact(path):
        raise broken(path, "it is not as it was written")
    return load_arrays(path)
