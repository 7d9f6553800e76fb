"""How a batch is shared out among replicas."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlrun.cluster.members import TF_CONFIG, Cluster
from dlrun.training.team import lost, share

CLUSTER = Cluster(("a:1", "b:1", "c:1"), 1, TF_CONFIG)


@given(replicas=st.integers(1, 70), more=st.integers(0, 500))
def test_shares_are_the_batch_and_nearly_equal(replicas: int, more: int) -> None:
    count = replicas + more
    shares = [share(count, replica, replicas) for replica in range(replicas)]
    assert [row for first, last, _ in shares for row in range(first, last)] == list(range(count))
    sizes = [last - first for first, last, _ in shares]
    assert max(sizes) - min(sizes) <= 1
    for size, (*_, weight) in zip(sizes, shares, strict=True):
        assert weight * count == pytest.approx(size)


@given(replicas=st.integers(2, 70), data=st.data())
def test_each_takes_a_batch_whole_that_is_too_small(replicas: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, replicas - 1))
    assert {share(count, replica, replicas) for replica in range(replicas)} == {(0, count, 1 / replicas)}


@pytest.mark.parametrize(
    ("message", "who"),
    [
        (
            "Connection reset by peer … remote target /job:worker/replica:0/task:2 while calling",
            "worker 2 (c:1) is gone",
        ),
        ("Error reported from /job:worker/task:1: unhealthy:\n/job:worker/replica:0/task:0", "the chief (a:1) is gone"),
        ("Collective ops is aborted by: something", "another worker is gone"),
        ("/job:worker/task:7", "another worker is gone"),
    ],
)
def test_who_is_gone_is_read_from_what_tensorflow_says(message: str, who: str) -> None:
    error = lost(CLUSTER, message)
    assert error.message == f"{who}, and the training needs all 3 workers"
    assert "dlrun resume" in (error.hint or "")
