"""When the state of a training is written down, what belongs to it, and how it is put back."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from dlrun.errors import RunError
from dlrun.experiment import Experiment
from dlrun.run.folder import RunFolder
from dlrun.training.progress import Progress

if TYPE_CHECKING:
    from dlrun.run.checkpoints import Checkpoint
    from dlrun.training.step import Learner

MOST_TIME = 0.05
"""The share of the time that checkpoints at the ends of epochs take at the most."""

MINUTE = 60.0


class Keeper:
    """Writes the checkpoints of a training, and goes back to them.

    Args:
        run: where to.
        experiment: the resolved experiment, as it is trained.
        learner: whose variables are kept.
    """

    def __init__(self, run: RunFolder, experiment: Experiment, learner: Learner) -> None:
        self._run, self._learner = run, learner
        self._settings = experiment.training
        self._identity = {"experiment": experiment.tree(), "spec_sha256": hashlib.sha256(run.spec()).hexdigest()}
        self._saved = time.monotonic()
        self._cost = 0.0
        """Seconds that the last checkpoint took."""

    def begin(self, checkpoint: Checkpoint | None, batch_size: int) -> Progress:
        """Puts the variables as they were at a checkpoint; without one the training begins.

        Args:
            checkpoint: where to go on.
            batch_size: how many examples are thought to fit through the network at once.

        Raises:
            RunError: the checkpoint is of another network.
        """
        if checkpoint is not None:
            progress = self._put(checkpoint)
            progress.batch_size = min(progress.batch_size, batch_size)
            return progress
        from dlrun.training.following import send

        send(self._learner, None)
        progress = Progress(batch_size)
        if self._goes_back:
            self.save(progress)
        return progress

    def after_chunk(self, progress: Progress) -> None:
        """Writes a checkpoint if one is due."""
        if self._is_due(progress):
            self.save(progress)

    def save(self, progress: Progress) -> None:
        """Writes a checkpoint.

        Raises:
            RunError: it cannot be written; those before are as they were.
        """
        from dlrun.training.state import capture

        started = time.monotonic()
        state = {**self._identity, "progress": progress.tree()}
        place = progress.epoch, progress.step
        checkpoints = self._run.checkpoints
        begun = (progress.epoch, 0)  # what `restore` goes back to, should it come to that
        protected = begun if self._goes_back else None
        best = (progress.best_epoch, progress.best_weights) if progress.best_weights else None
        checkpoints.save(place, state, capture(self._learner), best, protected=protected)
        self._saved = time.monotonic()
        self._cost = self._saved - started

    def restore(self) -> Progress:
        """Puts the variables back as they were at the beginning of the epoch, or as near before it as there are
        checkpoints; later ones may depend on a clock, or be of weights that are on their way to infinity.

        Raises:
            RunError: there is none that is as it was written.
        """
        checkpoints = self._run.checkpoints
        for place in checkpoints.places():
            if place[1] == 0 and (checkpoint := checkpoints.load(place)):
                return self._put(checkpoint)
        raise RunError(f"{self._run.path} has no checkpoint to go back to")

    def _put(self, checkpoint: Checkpoint) -> Progress:
        from dlrun.training.following import send
        from dlrun.training.state import restore

        restore(self._learner, checkpoint.arrays)
        progress = Progress.parse(checkpoint.state["progress"], checkpoint.best)
        send(self._learner, progress)
        return progress

    @property
    def _goes_back(self) -> bool:
        """Whether the training may have to go back, to the beginning of an epoch: each must then be written down."""
        return self._settings.on_not_finite == "rewind" or self._settings.on_out_of_memory == "halve"

    def _is_due(self, progress: Progress) -> bool:
        settings, passed = self._settings.checkpoint, time.monotonic() - self._saved
        if settings.minutes is not None and passed >= settings.minutes * MINUTE:
            return True
        if progress.step:
            return settings.steps is not None and progress.step % settings.steps == 0
        return self._goes_back or passed * MOST_TIME >= self._cost
