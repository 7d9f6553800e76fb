"""Examples that come from disk a window at a time: the loop makes of them what it makes of those in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from dlrun.data.buffers import aligned
from dlrun.training import streamed
from dlrun.training.followed import Followed
from dlrun.training.loop import Loop
from dlrun.training.order import COPY, Oversampled
from dlrun.training.progress import Progress
from dlrun.training.settings import Training
from dlrun.training.step import Learner
from dlrun.training.streamed import Ranges, Streamed
from dlrun.training.supply import Arrays, InMemory, Supply, tensor

EXAMPLES, FEATURES, BATCH = 1009, 5, 16
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(EXAMPLES, FEATURES)).astype(np.float32)
ALL = Arrays({"x": X}, (X @ RANDOM.normal(size=(FEATURES, 1))).astype(np.float32), RANDOM.random(EXAMPLES, np.float32))


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of eight batches or so: eight windows, the last of them smaller and with a smaller batch at its end."""
    monkeypatch.setattr(streamed, "LEAST_BYTES", 1)


def read(ranges: Ranges, room: int) -> Arrays:
    rows = np.concatenate([np.arange(*each) for each in ranges])

    def taken(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values[rows], np.full((room - len(rows), *values.shape[1:]), np.nan, values.dtype)])

    return Arrays({"x": taken(X)}, taken(ALL.target), taken(ALL.weights))  # type: ignore[arg-type]


def from_disk(shuffle: bool, oversampled: Oversampled | None = None) -> Streamed:
    return Streamed(read, EXAMPLES, 4 * (FEATURES + 2), seed=3, shuffle=shuffle, oversampled=oversampled)


def loop_of(train: Supply, validation: Supply, *, xla: bool = False) -> Loop:
    keras.utils.set_random_seed(1)
    x = inputs = keras.Input((FEATURES,), name="x")
    x = layers.Dropout(0.2, seed=2)(layers.Dense(8, "relu")(x))
    model = keras.Model({"x": inputs}, layers.Dense(1)(x))
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)
    metric = Followed("mae", lambda y, said: keras.ops.abs(y - said))
    learner = Learner(model, optimizer, keras.losses.MeanSquaredError(), metric)
    return Loop(learner, train, validation, Training(epochs=2, batch_size=BATCH), xla=xla)


@pytest.mark.parametrize(
    ("count", "first", "kind", "shared"),
    [(1 << 18, 0, "float32", True), (1 << 18, 1, "float32", False), (9, 0, "float32", False), (1 << 20, 0, "?", False)],
)
def test_a_large_aligned_array_is_not_copied(count: int, first: int, kind: str, shared: bool) -> None:
    values = aligned((count + first,), np.dtype(kind))[first:]
    values[:] = 1
    found = tensor(values)
    assert (found.dtype.as_numpy_dtype, tuple(found.shape)) == (values.dtype.type, values.shape)
    assert bool(found.numpy().all())
    values[0] = 0  # which nobody does
    assert (not found.numpy()[0]) is shared


def test_memory_that_tensorflow_has_is_not_used_again() -> None:
    shape, kind = (1 << 10, 1 << 10), np.dtype("float32")
    values = aligned(shape, kind)
    values[:] = 1
    place = values.ctypes.data
    found = tensor(values)
    del values
    other = aligned(shape, kind)
    other[:] = 2
    assert bool((found.numpy() == 1).all())
    del found
    assert aligned(shape, kind).ctypes.data == place


def test_an_array_that_cannot_be_shared_is_copied() -> None:
    values = aligned((1 << 10, 1 << 10), np.dtype("float32"))
    values[:] = np.arange(1 << 10)
    turned = values.T
    np.testing.assert_array_equal(tensor(turned).numpy(), turned)
    values.flags.writeable = False
    np.testing.assert_array_equal(tensor(values).numpy(), values)


def trained(loop: Loop, chunks: int | None = None) -> tuple[list[np.ndarray], list[dict[str, float]]]:
    """Weights and history after two epochs, of calls of `chunks` steps at most."""
    progress = Progress(BATCH)
    for _ in range(2):
        while progress.step < loop.steps_per_epoch:
            if chunks:
                loop._chunk = chunks
            loop.advance(progress)
        loop.end_epoch(progress)
    clock = ("seconds", "examples_per_second")
    rows = [{name: value for name, value in row.items() if name not in clock} for row in progress.rows]
    return loop.learner.model.get_weights(), rows


def assert_same(one: tuple[Any, Any], two: tuple[Any, Any]) -> None:
    for mine, other in zip(one[0], two[0], strict=True):
        np.testing.assert_array_equal(mine, other)
    assert one[1] == two[1]


@pytest.mark.parametrize("xla", [False, True])
def test_in_order_they_end_as_those_in_memory(xla: bool) -> None:
    whole = trained(loop_of(InMemory(ALL), InMemory(ALL), xla=xla))
    assert_same(trained(loop_of(from_disk(False), from_disk(False), xla=xla)), whole)


def test_shuffled_they_end_the_same_however_the_steps_are_cut_and_wherever_they_begin() -> None:
    whole = trained(loop_of(from_disk(True), from_disk(False)))
    assert_same(trained(loop_of(from_disk(True), from_disk(False)), chunks=3), whole)
    in_order = trained(loop_of(from_disk(False), from_disk(False)))
    assert in_order[1] != whole[1]
    one, other = from_disk(True), from_disk(True)
    steps = loop_of(one, one).steps_per_epoch
    places = [(epoch, step) for epoch in (1, 2, 3) for step in range(steps)]
    found = {place: batch_of(one, *place) for place in places}
    for index in RANDOM.permutation(len(places)):  # as after a resume, or when the training goes back
        np.testing.assert_array_equal(batch_of(other, *places[index]), found[places[index]])
    for epoch in (1, 2, 3):
        rows = np.concatenate([found[epoch, step] for step in range(steps)])
        np.testing.assert_array_equal(rows[np.lexsort(rows.T)], X[np.lexsort(X.T)])


def test_oversampled_from_disk_they_are_those_in_memory() -> None:
    labels = RANDOM.choice(3, EXAMPLES, p=[0.7, 0.2, 0.1])
    rare = Oversampled.of({"b": 2.5, "c": 7.3}, labels, ("a", "b", "c"))
    whole = trained(loop_of(InMemory(ALL, 3, oversampled=rare), InMemory(ALL)))
    assert_same(trained(loop_of(from_disk(False, rare), from_disk(False))), whole)

    one, other = from_disk(True, rare), from_disk(True, rare)
    places = [(epoch, step) for epoch in (1, 2) for step in range(-(-len(one) // BATCH))]
    found = {place: batch_of(one, *place) for place in places}
    for index in RANDOM.permutation(len(places)):  # as after a resume
        np.testing.assert_array_equal(batch_of(other, *places[index]), found[places[index]])
    for epoch in (1, 2):
        rows = np.concatenate([batch for place, batch in found.items() if place[0] == epoch])
        expected = X[rare.rows(3, epoch)]
        np.testing.assert_array_equal(rows[np.lexsort(rows.T)], expected[np.lexsort(expected.T)])
    in_order = [
        tensors[0]["x"].numpy()[order[first:last].ravel()] for tensors, order, first, last in one.in_order(BATCH)
    ]
    np.testing.assert_array_equal(np.concatenate(in_order), X, "each once, as they are")


def test_copies_are_told_apart_in_memory_and_from_disk_alike() -> None:
    labels = RANDOM.choice(2, EXAMPLES, p=[0.9, 0.1])
    rare = Oversampled(labels, tuple(np.bincount(labels, minlength=2) * (1, 5) + (0, 3)), told=True)
    plain = replace(rare, told=False)
    for shuffle in (False, True):
        order = np.asarray(InMemory(ALL, 3, shuffle=shuffle, oversampled=rare).order(2))
        without = np.asarray(InMemory(ALL, 3, shuffle=shuffle, oversampled=plain).order(2))
        np.testing.assert_array_equal(order % COPY, without, "who is trained on is not another one")
        told = set(zip((order % COPY).tolist(), (order // COPY).tolist(), strict=True))
        assert len(told) == len(order) == len(rare)
        assert max(copy for _, copy in told) == 5
        supply = from_disk(shuffle, rare)
        read_from_disk = []
        for step in range(-(-len(supply) // BATCH)):
            tensors, batches, first, _ = supply.stretch(2, step, BATCH)
            x = tensors[0]["x"].numpy()[batches[first] % COPY]
            numbers = [int(np.flatnonzero((one == X).all(1))[0]) for one in x]
            read_from_disk += zip(numbers, (batches[first] // COPY).tolist(), strict=True)
        assert set(read_from_disk) == told
        assert len(read_from_disk) == len(told)


def test_each_window_epoch_and_seed_has_an_order_of_its_own() -> None:
    supply, other = from_disk(True), Streamed(read, EXAMPLES, 4 * (FEATURES + 2), seed=4, shuffle=True)
    steps = streamed.Windows(EXAMPLES, 4 * (FEATURES + 2), BATCH).steps
    starts = [supply.stretch(1, 0, BATCH), supply.stretch(1, steps, BATCH), supply.stretch(2, 0, BATCH)]
    starts.append(other.stretch(1, 0, BATCH))
    places = {each.order.tobytes() for each in starts}
    assert len(places) == len(starts), "examples are shuffled in a window, each time in another way"
    read_together = {frozenset(each.tensors[0]["x"].numpy()[:, 0].tolist()) for each in starts}
    assert len(read_together) == len(starts), "and windows are made of other examples in each epoch"


def test_steps_in_memory_follow_the_order_of_their_epoch() -> None:
    labels = np.repeat([0, 1], [EXAMPLES - 9, 9])
    oversampled = Oversampled.of({"b": 2.5}, labels, ("a", "b"))
    for supply in (InMemory(ALL, 3, shuffle=True), InMemory(ALL, 3, shuffle=True, oversampled=oversampled)):
        steps = -(-len(supply) // BATCH)
        for epoch in (1, 2, 1):
            batches = [batch_of(supply, epoch, step) for step in range(steps)]
            np.testing.assert_array_equal(np.concatenate(batches), X[supply.order(epoch)])
        assert supply.order(1).tolist() != supply.order(2).tolist()  # type: ignore[union-attr]
    counts = np.bincount(np.asarray(supply.order(2)))
    np.testing.assert_array_equal(np.repeat(np.arange(EXAMPLES), counts), oversampled.rows(3, 2))


def batch_of(supply: Supply, epoch: int, step: int) -> np.ndarray:
    tensors, order, first, last = supply.stretch(epoch, step, BATCH)
    assert first < last <= len(order)
    return np.asarray(tensors[0]["x"].numpy()[order[first]])


def test_an_error_while_reading_ends_the_training() -> None:
    def broken(ranges: Ranges, room: int) -> Arrays:
        if ranges[0][0] > 300:
            raise OSError("gone")
        return read(ranges, room)

    loop = loop_of(Streamed(broken, EXAMPLES, 4 * (FEATURES + 2)), from_disk(False))
    with pytest.raises(OSError, match="gone"):
        trained(loop)
