"""How the other workers follow the chief: they train the same steps, write nothing, and go back to where it does."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from dlrun.errors import RunError
from dlrun.training.progress import Progress
from dlrun.training.state import capture, restore
from dlrun.training.step import Learner

if TYPE_CHECKING:
    import numpy as np

PROGRESS, VARIABLES, BEST = "progress", "variables/", "best/"
"""What the parts of a message are called."""


class Silent:
    """A reporter that tells nobody: the chief reports the same."""

    def on_chunk(self, epoch: int, step: int, metrics: dict[str, float], examples_per_second: float) -> None:
        """Some steps are done."""

    def on_epoch(self, progress: Progress) -> None:
        """An epoch is done."""

    def on_event(self, kind: str, message: str, **facts: Any) -> None:
        """Something happened that is not as the spec would have it."""


class Follower:
    """A keeper that writes nothing, and gets from the chief what the chief has read.

    Args:
        learner: whose variables are put back.
    """

    def __init__(self, learner: Learner) -> None:
        self._learner = learner

    def begin(self, batch_size: int) -> Progress:
        """Where the training begins or goes on, with so many examples through the network at once at the most."""
        progress = self._receive() or Progress(batch_size)
        progress.batch_size = min(progress.batch_size, batch_size)
        return progress

    def after_chunk(self, progress: Progress) -> None:
        """The chief writes a checkpoint if one is due."""

    def save(self, progress: Progress) -> None:
        """The chief writes a checkpoint."""

    def restore(self) -> Progress:
        """Goes back to where the chief goes back.

        Raises:
            RunError: the chief has no such place.
        """
        progress = self._receive()
        if progress is None:
            raise RunError("the chief has no checkpoint to go back to")
        return progress

    def _receive(self) -> Progress | None:
        content = self._learner.team.broadcast(b"")
        if not content:
            self._learner.team.spread_seeds(self._learner.model)
            return None
        progress, variables = unpack(content)
        restore(self._learner, variables)
        return progress


def send(learner: Learner, progress: Progress | None) -> None:
    """From the chief to all: where the training stands, with the learner's variables; None where it begins."""
    if learner.team.cluster is not None:
        learner.team.broadcast(b"" if progress is None else pack(progress, capture(learner)))
    if progress is None:
        learner.team.spread_seeds(learner.model)


def pack(progress: Progress, variables: dict[str, np.ndarray]) -> bytes:
    """Both as one message."""
    import numpy as np

    parts = {PROGRESS: np.frombuffer(json.dumps(progress.tree()).encode(), np.uint8)}
    parts |= {VARIABLES + name: array for name, array in variables.items()}
    parts |= {BEST + name: array for name, array in (progress.best_weights or {}).items()}
    content = io.BytesIO()
    np.savez(content, **parts)  # type: ignore[arg-type]
    return content.getvalue()


def unpack(content: bytes) -> tuple[Progress, dict[str, np.ndarray]]:
    """What `pack` put together."""
    import numpy as np

    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        parts = dict(file.items())
    tree = json.loads(parts.pop(PROGRESS).tobytes())
    variables, best = (
        {name.removeprefix(kind): array for name, array in parts.items() if name.startswith(kind)}
        for kind in (VARIABLES, BEST)
    )
    return Progress.parse(tree, best or None), variables
