"""The replicas that train together: the same network on several devices, of this machine or of several.

Each replica takes its share of every batch; what all shares add up to moves the weights of all, so that they stay the
same, and are those that one replica would have reached with the whole batch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dlrun.errors import ClusterError, DlrunError, Interrupted

if TYPE_CHECKING:
    from dlrun.cluster.members import Cluster

Tensor = Any

SEED_STRIDE = 2**31
"""Between the seeds of two replicas' dropout, so that no two draw the same numbers."""

TASK = re.compile(r"/job:worker/(?:replica:\d+/)?task:(\d+)")
"""How TensorFlow names a worker."""


def share(count: int, replica: int, replicas: int) -> tuple[int, int, float]:
    """Which rows of a batch a replica takes, first and last, and how much its mean counts in that of the batch.

    Shares differ by one row at most. A batch with fewer rows than there are replicas is taken whole by each: no
    replica is left without rows, whose mean would be none, and batch normalization sees the same rows as ever.
    """
    if count < replicas:
        return 0, count, 1 / replicas
    first, last = replica * count // replicas, (replica + 1) * count // replicas
    return first, last, (last - first) / count


@dataclass(frozen=True)
class Team:
    """The replicas that train together.

    Args:
        strategy: TensorFlow's, which holds the variables of each replica.
        cluster: the workers; None where this process is the only one.
    """

    strategy: Any
    cluster: Cluster | None = None

    @classmethod
    def alone(cls) -> Team:
        """One replica on one device."""
        import tensorflow as tf

        return cls(tf.distribute.get_strategy())

    @property
    def replicas(self) -> int:
        return int(self.strategy.num_replicas_in_sync)

    @property
    def workers(self) -> int:
        """How many processes."""
        return self.cluster.num_workers if self.cluster else 1

    def __str__(self) -> str:
        """As in `4 devices of 2 workers`."""
        return f"{self.replicas} devices" + (f" of {self.workers} workers" if self.cluster else "")

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run's folder and talks to the user."""
        return self.cluster is None or self.cluster.is_chief

    def share_of(self, examples: int) -> int:
        """How many of so many examples a replica takes, at the most."""
        return -(-examples // self.replicas)

    def scope(self) -> AbstractContextManager[Any]:
        """Within it, variables are made for every replica."""
        scope: AbstractContextManager[Any] = self.strategy.scope()
        return scope

    def summed_here(self, optimizer: Any) -> Any:
        """The optimizer, to be given gradients that `total` has summed up.

        Keras's own sums them up after clipping, so that the shares' gradients would be clipped instead of the batch's.
        """
        if self.replicas > 1:
            inner = getattr(optimizer, "inner_optimizer", optimizer)
            inner._all_reduce_sum_gradients = lambda gradients_and_variables: gradients_and_variables
        return optimizer

    # Within a step, on each replica

    def share(self, rows: Tensor) -> tuple[Tensor, float]:
        """This replica's part of the row numbers of a batch, (n,), and how much its mean counts in the batch's."""
        import tensorflow as tf

        if self.replicas == 1:
            return rows, 1.0
        replica = int(tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group))
        first, last, weight = share(rows.shape[0], replica, self.replicas)
        return rows[first:last], weight

    def total(self, parts: Sequence[Tensor | None]) -> list[Tensor]:
        """What the parts of all replicas add up to, of each tensor; they travel together."""
        import tensorflow as tf

        if self.replicas == 1:
            return list(parts)
        context = tf.distribute.get_replica_context()
        totals = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, [part for part in parts if part is not None]))
        return [None if part is None else next(totals) for part in parts]

    def repeat(self, count: int, body: Callable[..., tuple[Any, ...]], state: tuple[Any, ...]) -> tuple[Any, ...]:
        """`state = body(index, *state)` so many times, one after the other: side by side they would need the memory
        of all."""
        import tensorflow as tf

        def following(index: Tensor, *state: Any) -> tuple[Any, ...]:
            return index + 1, *body(index, *state)

        if self.replicas == 1:
            start = (tf.constant(0), *state)
            _, *end = tf.while_loop(lambda index, *_: index < count, following, start, parallel_iterations=1)
            return tuple(end)
        for index in range(count):  # a loop of the graph's may not wait for other replicas, as batch normalization does
            with tf.control_dependencies(tf.nest.flatten(state)):
                state = body(index, *state)
        return state

    def run_if(self, condition: Tensor, function: Callable[[Any], Any], argument: Any) -> None:
        """Calls a function that sets variables, if a condition holds that is the same on all replicas."""
        import tensorflow as tf

        def conditionally(strategy: Any, condition: Tensor, argument: Any) -> None:
            holds = strategy.experimental_local_results(condition)[0]
            each = strategy.extended.call_for_each_replica
            tf.cond(holds, lambda: each(function, args=(argument,)), lambda: None)

        if self.replicas == 1:
            tf.cond(condition, lambda: function(argument), lambda: None)
        else:
            # A condition within a replica may not set variables: they are set together.
            tf.distribute.get_replica_context().merge_call(conditionally, args=(condition, argument))

    def run(self, step: Any, rows: Tensor) -> Tensor:
        """What a step gives that gives the same on all replicas, each of which runs it on the same row numbers."""
        return self.strategy.experimental_local_results(self.strategy.run(step, args=(rows,)))[0]

    # Between the steps, in each process

    def agree(self, value: float) -> float:
        """The largest of the workers' values, for all of them: what follows from it is the same everywhere."""
        if self.cluster is None:
            return value
        values = [0.0] * self.cluster.num_workers
        values[self.cluster.index] = value
        return float(max(self._sum(values, "float64")))

    def broadcast(self, content: bytes) -> bytes:
        """The chief's bytes, for all workers; the others' own do not matter."""
        import numpy as np

        if self.cluster is None:
            return content
        length = int(self._sum([len(content) if self.is_chief else 0], "int64")[0])
        if length == 0:  # of which TensorFlow would make a crash
            return b""
        words = np.zeros(-(-length // 4), np.int32)
        if self.is_chief:
            words.view(np.uint8)[:length] = np.frombuffer(content, np.uint8)
        total: np.ndarray = self._sum(words, "int32")
        return total.tobytes()[:length]

    @contextmanager
    def dismissed(self) -> Iterator[None]:
        """Within it the chief works alone; the others wait for its end.

        An error ends it at once: the others notice that the chief is gone.
        """
        try:
            yield
        except Interrupted:
            self._part()
            raise
        self._part()

    @contextmanager
    def until_dismissed(self) -> Iterator[None]:
        """Within it a worker follows the chief, and waits at the end until the chief is done.

        What ends all of them is the chief's to tell, so it may do so first.
        """
        try:
            yield
        except ClusterError:
            raise
        except DlrunError:
            self._part()
            raise
        with self.noticing_loss():
            self.agree(0.0)

    def _part(self) -> None:
        """Waits for the others, or until they are gone: there is nothing more to do together."""
        with suppress(ClusterError), self.noticing_loss():
            self.agree(0.0)

    @contextmanager
    def noticing_loss(self) -> Iterator[None]:
        """Within it, what TensorFlow says when a worker is gone becomes an error that names the worker.

        Raises:
            ClusterError: instead.
        """
        import tensorflow as tf

        errors = tf.errors
        gone = (errors.UnavailableError, errors.AbortedError, errors.CancelledError, errors.DeadlineExceededError)
        try:
            yield
        except gone as error:
            if self.cluster is None:
                raise
            raise lost(self.cluster, str(error)) from error

    def spread_seeds(self, model: Any) -> None:
        """Gives the dropout of each replica numbers of its own; to be called when the model's variables were set."""
        import tensorflow as tf

        if self.replicas == 1:
            return
        first = self.cluster.index * self._local if self.cluster else 0
        for variable in model.variables:
            if variable.name != "seed_generator_state":
                continue
            for index, copy in enumerate(self.strategy.experimental_local_results(variable.value)):
                offset = tf.constant([(first + index) * SEED_STRIDE, 0], tf.int64)
                copy.assign(copy + tf.cast(offset, copy.dtype))

    @property
    def _local(self) -> int:
        """How many of the replicas are in this process."""
        return self.replicas // self.workers

    def _sum(self, values: Any, dtype: str) -> Any:
        import tensorflow as tf

        return self._reduction(tf.constant(values, dtype)).numpy()

    @cached_property
    def _reduction(self) -> Any:
        import tensorflow as tf

        def reduced(values: Tensor) -> Tensor:
            context = tf.distribute.get_replica_context()
            replica = int(tf.get_static_value(context.replica_id_in_sync_group))
            # `identity` puts the values on the replica's device, which a collective asks for.
            mine = tf.zeros_like(values) if replica % self._local else tf.identity(values)
            return context.all_reduce(tf.distribute.ReduceOp.SUM, mine)

        return tf.function(lambda values: self.run(reduced, values), reduce_retracing=True, autograph=False)


def lost(cluster: Cluster, message: str) -> ClusterError:
    """The error of a worker that is gone, from what TensorFlow says."""
    found = [int(number) for number in TASK.findall(message)]
    others = [index for index in found if index != cluster.index and index < cluster.num_workers]
    who = cluster.title(others[0]) if others else "another worker"
    return ClusterError(
        f"{who} is gone, and the training needs all {cluster.num_workers} workers",
        hint="its own log says why; start all workers again with `dlrun resume` to go on from the last checkpoint",
    )


@contextmanager
def synchronized(model: Any, team: Team) -> Iterator[None]:
    """Within it, batch normalization takes its statistics from the whole batch instead of a replica's share.

    Afterwards it is as the spec built it, so that the saved model is the one that a single replica would have saved.
    """
    from keras import layers

    found = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    for layer in found:
        layer.synchronized = team.replicas > 1
    try:
        yield
    finally:
        for layer in found:
            layer.synchronized = False
