"""A training from where it stands to its end, chunk after chunk, and what to do when it goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from dlrun.errors import NotFiniteError
from dlrun.training.loop import Loop
from dlrun.training.memory import fits, is_out_of_memory, out_of_memory, shortage
from dlrun.training.model import restore_weights, weights
from dlrun.training.optimizers import learning_rate, scale_learning_rate
from dlrun.training.patience import Watch
from dlrun.training.progress import Progress
from dlrun.training.settings import Training

MOST_REWINDS = 3


class Reporter(Protocol):
    """Whoever wants to know how the training goes."""

    def on_chunk(self, epoch: int, step: int, metrics: dict[str, float], examples_per_second: float) -> None:
        """`step` steps of the epoch are done; `metrics` are the means since its beginning."""

    def on_epoch(self, progress: Progress) -> None:
        """An epoch is done, validation included: the last row of the history."""

    def on_event(self, kind: str, message: str, **facts: Any) -> None:
        """Something happened that is not as the spec would have it."""


class Keeper(Protocol):
    """Whoever writes down where the training stands."""

    def after_chunk(self, progress: Progress) -> None:
        """Some steps are done, perhaps the last of an epoch."""

    def save(self, progress: Progress) -> None:
        """The training ends here, for now or for good."""

    def restore(self) -> Progress:
        """Puts the variables back as they were at the last checkpoint that follows from the spec, and says where."""


def fit(
    loop: Loop,
    progress: Progress,
    monitor: str,
    *,
    reporter: Reporter,
    keeper: Keeper,
    stopped: Callable[[], bool],
) -> Progress:
    """Trains to the last epoch, to where early stopping ends it, or until it is stopped.

    At the end the learner has the weights of the best epoch where early stopping is to restore them. What is decided
    at the end of an epoch follows from the history alone (`Watch`).

    Args:
        loop: runs the steps.
        progress: where the training stands; the learner's variables are as it says.
        monitor: the column of the history that tells the best epoch.
        reporter: is told of each chunk and epoch.
        keeper: writes checkpoints.
        stopped: asked after each chunk; when it says True, the training ends there, within the epoch.

    Returns:
        Where it stands now.

    Raises:
        NotFiniteError: when a loss becomes NaN or infinite, with epoch, step and advice.
        OutOfMemoryError: a batch does not fit in memory, with the batch size that would.
    """
    import tensorflow as tf

    settings = loop.settings
    watch = Watch.replay(settings, monitor, progress.rows)
    loop.compile(progress.batch_size)
    while progress.epoch <= settings.epochs and not watch.stops:
        try:
            ended = advance(loop, progress, watch, reporter)
        except NotFiniteError as error:
            if settings.on_not_finite != "rewind" or progress.rewinds == MOST_REWINDS:
                raise
            progress = rewind(loop, progress.rewinds + 1, error, reporter, keeper)
            watch = Watch.replay(settings, monitor, progress.rows)
            continue
        except (MemoryError, tf.errors.OpError) as error:
            progress = halve(loop, progress.batch_size, error, reporter, keeper)
            watch = Watch.replay(settings, monitor, progress.rows)
            continue
        keeper.after_chunk(progress)  # before the epoch is told: what is told can be gone on from
        if ended:
            reporter.on_epoch(progress)
        if loop.learner.team.agree(stopped()):
            break
    keeper.save(progress)
    if settings.early_stopping and settings.early_stopping.restore_best and progress.best_weights:
        restore_weights(loop.learner.model, progress.best_weights)
    return progress


def is_over(settings: Training, monitor: str, epoch: int, rows: Sequence[Mapping[str, float]]) -> bool:
    """Whether nothing is left to train: all epochs are done, or early stopping has ended it.

    Args:
        epoch: the next one.
        rows: the history.
    """
    return epoch > settings.epochs or Watch.replay(settings, monitor, rows).stops


def advance(loop: Loop, progress: Progress, watch: Watch, reporter: Reporter) -> bool:
    """A chunk of steps, and what is to be done when it was the last of its epoch; gives whether it was."""
    skipped = progress.skipped
    loop.advance(progress)
    if new := progress.skipped - skipped:
        steps = "1 step was" if new == 1 else f"{new} steps were"
        message = f"epoch {progress.epoch}: {steps} left out, whose loss or gradient was not finite"
        reporter.on_event("skipped", message, epoch=progress.epoch, steps=new)
    done = min(progress.step * loop.examples_per_step, loop.examples)
    reporter.on_chunk(progress.epoch, progress.step, loop.means(progress), done / progress.seconds)
    if progress.step < loop.steps_per_epoch:
        return False
    row = loop.end_epoch(progress)
    watch.see(row)
    if watch.is_best:
        progress.best_epoch, progress.best_weights = watch.best_epoch, weights(loop.learner.model)
    if watch.reduces:
        optimizer = loop.learner.optimizer
        optimizer.learning_rate = watch.reduced(learning_rate(optimizer))
    return True


def rewind(loop: Loop, rewinds: int, error: NotFiniteError, reporter: Reporter, keeper: Keeper) -> Progress:
    """Back to the last checkpoint, with half the learning rate for each time that the training went back."""
    progress = keeper.restore()
    scale_learning_rate(loop.learner.optimizer, 0.5 ** (rewinds - progress.rewinds))
    progress.rewinds = rewinds
    reporter.on_event(
        "rewound",
        f"{error.message}: back to epoch {progress.epoch}, step {progress.step}, with half the learning rate "
        f"({rewinds} of {MOST_REWINDS} times)",
        epoch=progress.epoch,
        step=progress.step,
        learning_rate=learning_rate(loop.learner.optimizer),
    )
    return progress


def halve(loop: Loop, batch_size: int, error: Exception, reporter: Reporter, keeper: Keeper) -> Progress:
    """Back to the last checkpoint, with half the examples through the network at once.

    Raises:
        Exception: the error, where it is none of memory.
        OutOfMemoryError: the spec does not want that, or not even one example fits.
    """
    if not is_out_of_memory(error):
        raise error
    alone = loop.learner.team.workers == 1  # the others have not run out of memory, and wait for this one
    if loop.settings.on_out_of_memory == "stop" or batch_size == 1 or not alone:
        raise out_of_memory(error, loop.learner.model, batch_size) from error
    progress = keeper.restore()
    progress.batch_size = (batch_size + 1) // 2
    loop.compile(progress.batch_size)
    tell_halved(batch_size, progress.batch_size, reporter)
    return progress


def fitting(loop: Loop, batch_size: int, reporter: Reporter) -> int:
    """The batch size to begin with: as given, or halved until it is thought to fit, where the spec wants that.

    A batch that does not fit is better found before it is tried: on a CPU few such errors can be caught.

    Raises:
        OutOfMemoryError: it is sure not to fit.
    """
    model, team, smaller = loop.learner.model, loop.learner.team, min(batch_size, loop.examples)
    if loop.settings.on_out_of_memory == "halve":
        while smaller > 1 and not fits(model, team.share_of(smaller)):
            smaller = (smaller + 1) // 2
        smaller = -int(team.agree(-smaller))  # what fits in the smallest of the workers
    if error := shortage(model, team.share_of(smaller)):
        raise error
    if smaller == loop.examples:
        return batch_size
    if smaller < batch_size:
        tell_halved(batch_size, smaller, reporter)
    return smaller


def tell_halved(before: int, after: int, reporter: Reporter) -> None:
    """What a batch became that did not fit."""
    message = f"{before:,} examples at once do not fit in memory: a step takes them in parts of {after:,}"
    reporter.on_event("halved", message, batch_size=after)
