"""What is written down of a training while it goes on: where it stands, its history, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from dlrun.errors import DlrunError, Interrupted, RunError, TrainingError
from dlrun.run.folder import RunFolder
from dlrun.training.progress import Progress

if TYPE_CHECKING:
    from dlrun.console import TrainingDisplay

SECONDS_BETWEEN_WRITES = 1.0
"""How often history.csv and status.json are written while training, at the most."""


@contextmanager
def recorded(run: RunFolder) -> Iterator[None]:
    """Keeps status.json true, whatever happens within."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt):
        run.interrupt()
        raise
    except BaseException as error:
        told = error if isinstance(error, DlrunError) else TrainingError(f"{type(error).__name__}: {error}")
        with suppress(RunError):  # of a full disk, say: what ended the run is what is to be told
            run.fail(told)
        raise
    run.finish()


class Scribe:
    """Tells the display how it goes, and writes history.csv and status.json, not too often."""

    def __init__(self, run: RunFolder, display: TrainingDisplay) -> None:
        self._run, self._display = run, display
        self._unwritten: Progress | None = None
        self._written = 0.0

    def on_chunk(self, epoch: int, step: int, metrics: dict[str, float], examples_per_second: float) -> None:
        """Some steps are done."""
        self._display.on_chunk(epoch, step, metrics, examples_per_second)

    def on_epoch(self, progress: Progress) -> None:
        """An epoch is done: the last row of the history."""
        self._display.on_epoch(progress.rows[-1])
        self._unwritten = progress
        if time.monotonic() - self._written > SECONDS_BETWEEN_WRITES:
            self.write()

    def on_event(self, kind: str, message: str, **facts: Any) -> None:
        """Something happened that is not as the spec would have it."""
        self._display.on_event(message)
        self._run.note(kind, message, **facts)

    def write(self, progress: Progress | None = None) -> None:
        """Writes what is not written yet: of a training that begins at `progress`, or since the last time."""
        current = progress or self._unwritten
        if current is not None and current.rows:
            self._run.write_history(current.rows)
            self._run.update_epoch(len(current.rows), current.best_epoch)
        self._unwritten, self._written = None, time.monotonic()
