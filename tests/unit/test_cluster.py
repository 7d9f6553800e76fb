"""Who trains together: TF_CONFIG and Slurm's variables, right and wrong; and how the workers meet."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlrun.cluster.local import free_ports
from dlrun.cluster.meeting import meet
from dlrun.cluster.members import TF_CONFIG, Cluster, endpoint, read_cluster
from dlrun.cluster.slurm import FIRST_PORT, LAST_PORT, expand_counts, expand_hosts, first_port
from dlrun.errors import ClusterError

TWO = ["a:1", "b:2"]


def config(cluster: Any, kind: Any = "worker", index: Any = 0, **more: Any) -> dict[str, str]:
    return {TF_CONFIG: json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}, **more})}


def test_kubeflow_names_the_workers() -> None:
    service = "mnist-{}-{}.default.svc:2222"
    cluster = {
        "chief": [service.format("chief", 0)],
        "worker": [service.format("worker", 0), service.format("worker", 1)],
    }
    addresses = (service.format("chief", 0), service.format("worker", 0), service.format("worker", 1))
    assert read_cluster(config(cluster, "chief", environment="cloud")) == Cluster(addresses, 0, TF_CONFIG)
    last = read_cluster(config(cluster, "worker", 1, environment="cloud"))
    assert last == Cluster(addresses, 2, TF_CONFIG)
    assert last is not None
    assert (last.num_workers, last.is_chief, last.port) == (3, False, 2222)
    assert last.title(2) == "worker 2 (mnist-worker-1.default.svc:2222)"


@pytest.mark.parametrize("index", [0, 1])
def test_a_worker_is_given_back_as_it_was_written(index: int) -> None:
    cluster = Cluster(("a:1", "b:2"), 0, TF_CONFIG)
    assert read_cluster({TF_CONFIG: cluster.config(index)}) == Cluster(("a:1", "b:2"), index, TF_CONFIG)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {TF_CONFIG: ""},
        config({"worker": ["a:1"]}),
        config({"chief": ["a:1"]}, "chief"),
        config({"worker": ["a:1"], "ps": []}),
        {"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_JOB_NODELIST": "a,b"},  # a batch script
        {"SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_NODELIST": "a", "SLURM_PROCID": "0"},
    ],
)
def test_one_alone_is_no_cluster(environment: dict[str, str]) -> None:
    assert read_cluster(environment) is None


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({TF_CONFIG: "{"}, "it is no JSON"),
        ({TF_CONFIG: "[1]"}, "it is a list, expected a mapping"),
        ({TF_CONFIG: '{"cluster": 3}'}, "its cluster is 3, expected a mapping"),
        ({TF_CONFIG: '{"cluster": {"worker": ["a:1"]}, "task": "worker"}'}, "its task is the text 'worker'"),
        ({TF_CONFIG: '{"cluster": {"worker": ["a:1", "b:1"]}}'}, "its task.type is None, expected worker or chief"),
        (config({}), "names no worker"),
        (config({"worker": "a:1"}), "its cluster.worker is the text 'a:1', expected a list of addresses"),
        (config({"worker": ["a:1", "b"]}), "its cluster.worker has 'b', expected an address such as host:2222"),
        (config({"worker": ["a:1", 5]}), "its cluster.worker has 5"),
        (config({"worker": ["a:1", "b:70000"]}), "has 'b:70000'"),
        (config({"worker": ["a:1", "a:1"]}), "names a:1 twice"),
        (config({"worker": TWO, "chief": ["c:1", "d:1"]}), "more than one chief"),
        (config({"worker": TWO}, "worker", 2), "its task.index is 2, and the cluster has 2 of the type worker"),
        (config({"worker": TWO}, "worker", True), "its task.index is True"),
        (config({"worker": TWO}, "chief"), "its task.index is 0, and the cluster has 0 of the type chief"),
        (config({"worker": TWO}, "driver"), "its task.type is 'driver', expected worker or chief"),
        (config({"worker": TWO}, "evaluator"), "a task of the type evaluator, which dlrun does not have: the chief"),
        (config({"worker": TWO, "ps": ["c:1"]}), "a task of the type ps, which dlrun does not have: a parameter"),
        (config({"worker": TWO}, "master"), "called chief"),
    ],
)
def test_a_broken_tf_config_is_told(environment: dict[str, str], told: str) -> None:
    with pytest.raises(ClusterError, match=re.escape(told)) as raised:
        read_cluster(environment)
    assert raised.value.hint
    assert "TF_CONFIG" in raised.value.message


def test_an_address_has_a_host_and_a_port() -> None:
    assert endpoint("gpu01.cluster.local:2222") == ("gpu01.cluster.local", 2222)
    assert endpoint("[fd00::1]:80") == ("fd00::1", 80)
    for wrong in ("", "a", "a:", ":1", "a:0", "a:b", "a:1:2", "fd00::1:80", "a:-1", "a:٣"):
        with pytest.raises(ValueError, match="is no address"):
            endpoint(wrong)


# Slurm


def step(nodes: str, counts: str, tasks: int, rank: int, **more: str) -> dict[str, str]:
    return {
        "SLURM_STEP_NODELIST": nodes,
        "SLURM_STEP_TASKS_PER_NODE": counts,
        "SLURM_STEP_NUM_TASKS": str(tasks),
        "SLURM_PROCID": str(rank),
    } | more


def test_slurm_names_the_workers() -> None:
    variables = step("node[01-02],gpu5", "2(x2),1", 5, 3, SLURM_JOB_ID="7", SLURM_STEP_ID="0", SLURM_NODEID="1")
    port = FIRST_PORT + 7 * 40
    hosts = [("node01", 0), ("node01", 1), ("node02", 0), ("node02", 1), ("gpu5", 0)]
    addresses = tuple(f"{host}:{port + local}" for host, local in hosts)
    assert read_cluster(variables) == Cluster(addresses, 3, "Slurm's variables")


def test_tf_config_goes_before_slurm() -> None:
    found = read_cluster(step("x,y", "1(x2)", 2, 1) | config({"worker": TWO}))
    assert found == Cluster(("a:1", "b:2"), 0, TF_CONFIG)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"}, "SLURM_STEP_NODELIST, SLURM_STEP_TASKS_PER_NODE are not"),
        (step("a,b", "1", 2, 0), "they contradict one another: SLURM_STEP_NUM_TASKS=2, SLURM_STEP_NODELIST=a,b"),
        (step("a,b", "1(x2)", 2, 2), "they contradict one another"),
        (step("a[1-", "1(x2)", 2, 0), "SLURM_STEP_NODELIST is 'a[1-': 'a[1-' is no name of nodes"),
        (step("a[3-1]", "1(x2)", 2, 0), "'3-1' is no range from a lower to a higher number"),
        (step("a[1--2]", "1(x2)", 2, 0), "'1--2' is no range of numbers"),
        (step("a[1-9999999999]", "1(x2)", 2, 0), "is no range"),
        (step("a[1-999][1-999]", "1(x2)", 2, 0), "is more than 100,000 nodes"),
        (step("a,,b", "1(x2)", 2, 0), "'' is no name of nodes"),
        (step("a,b", "1x2", 2, 0), "SLURM_STEP_TASKS_PER_NODE is '1x2'"),
        (step("a,b", "1(x2)", 2, 0) | {"SLURM_PROCID": "-1"}, "SLURM_PROCID is '-1': expected a whole number"),
        (step("a,b", "1(x2)", 2, 1, SLURM_NODEID="0"), "task 1 of the Slurm step runs on node 0, expected 1"),
    ],
)
def test_broken_variables_of_slurm_are_told(variables: dict[str, str], told: str) -> None:
    with pytest.raises(ClusterError, match=re.escape(told)) as raised:
        read_cluster(variables)
    assert "srun" in (raised.value.hint or "")


def test_ports_of_a_step_are_usable_and_its_own() -> None:
    ports = {first_port({"SLURM_JOB_ID": str(job), "SLURM_STEP_ID": "0"}) for job in range(5000, 5500)}
    assert len(ports) == 500
    assert min(ports) >= FIRST_PORT
    assert max(ports) + 40 <= LAST_PORT
    assert first_port({"SLURM_JOB_ID": "5", "SLURM_STEP_ID": "4294967290"}) >= FIRST_PORT


numbers = st.integers(0, 120)
widths = st.integers(1, 4)
names = st.from_regex(r"[a-z][a-z0-9-]{0,6}[a-z]", fullmatch=True)


@st.composite
def patterns(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A pattern of Slurm's and the hosts that it stands for, made from the hosts' side."""
    prefix = draw(names)
    if draw(st.booleans()):
        return prefix, [prefix]
    width, parts, hosts = draw(widths), [], []
    for _ in range(draw(st.integers(1, 3))):
        first = draw(numbers)
        last = first + draw(st.integers(0, 12))
        parts.append(f"{first:0{width}d}" + (f"-{last:0{width}d}" if last > first or draw(st.booleans()) else ""))
        # A number is as wide as the first one of its range.
        hosts += [f"{prefix}{number:0{max(width, len(str(first)))}d}" for number in range(first, last + 1)]
    suffix = draw(st.sampled_from(["", "-ib", ".local"]))
    return f"{prefix}[{','.join(parts)}]{suffix}", [host + suffix for host in hosts]


@given(st.lists(patterns(), min_size=1, max_size=4))
def test_lists_of_nodes_are_expanded(drawn: list[tuple[str, list[str]]]) -> None:
    text = ",".join(pattern for pattern, _ in drawn)
    assert expand_hosts(text) == [host for _, hosts in drawn for host in hosts]


def test_lists_of_nodes_as_slurm_documents_them() -> None:
    assert expand_hosts("node[01-03,07],gpu5") == ["node01", "node02", "node03", "node07", "gpu5"]
    assert expand_hosts("rack[0-1]node[08-10]") == [
        f"rack{rack}node{node}" for rack in (0, 1) for node in ("08", "09", "10")
    ]
    assert expand_hosts("tux[99-101]") == ["tux99", "tux100", "tux101"]


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 5)), min_size=1, max_size=5))
def test_counts_are_expanded(drawn: list[tuple[int, int]]) -> None:
    text = ",".join(f"{count}(x{times})" if times > 1 else str(count) for count, times in drawn)
    assert expand_counts(text) == [count for count, times in drawn for _ in range(times)]


@given(st.text(alphabet="ab01[]-,(x)", max_size=12))
def test_no_text_breaks_the_readers(text: str) -> None:
    for expand in (expand_hosts, expand_counts):
        with suppress(ValueError):
            assert expand(text)


# The meeting

FACTS = {"spec": "1f3a", "data": "77b0"}


def outcomes(
    count: int, *, facts: dict[int, dict[str, str]] | None = None, late: float = 0.0, **given: Any
) -> list[str]:
    """What each worker that comes is told: "" or an error. `come` says who does; the chief comes `late`."""
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(count))
    come: tuple[int, ...] = given.get("come", tuple(range(count)))
    told = dict.fromkeys(come, "nothing")

    def worker(index: int) -> None:
        time.sleep(late if index == 0 else 0)
        try:
            meet(Cluster(addresses, index, TF_CONFIG), (facts or {}).get(index, FACTS), given.get("seconds", 20))
            told[index] = ""
        except ClusterError as error:
            told[index] = f"{error.message} | {error.hint}".replace(addresses[0], "A0").replace(addresses[-1], "A-1")

    threads = [threading.Thread(target=worker, args=(index,)) for index in come]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return [told[index] for index in come]


@pytest.mark.parametrize("late", [0.0, 0.5])
def test_all_meet(late: float) -> None:
    assert outcomes(4, late=late) == [""] * 4


def test_who_does_not_come_is_named_to_all() -> None:
    chief, other = outcomes(3, come=(0, 1), seconds=0.5)
    assert chief == other
    assert chief.startswith("worker 2 (A-1) did not come within 0.5 s, and the training needs all 3 workers")
    assert "runtime.peer_timeout" in chief


def test_a_chief_that_does_not_come_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlrun.cluster.meeting.SECONDS_OF_GRACE", 0.2)
    (told,) = outcomes(2, come=(1,), seconds=0.3)
    assert told.startswith("the chief (A0) did not come within 0.3 s")
    assert "the last call: " in told


def test_what_differs_is_told_to_all() -> None:
    told = outcomes(3, facts={2: FACTS | {"data": "other"}})
    assert len(set(told)) == 1
    assert told[0].startswith("worker 2 (A-1) differs from the chief in its data | ")


def test_strangers_do_not_disturb_a_meeting() -> None:
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(2))
    ended: list[int] = []

    def worker(index: int) -> None:
        meet(Cluster(addresses, index, TF_CONFIG), FACTS, 20)
        ended.append(index)

    chief = threading.Thread(target=worker, args=(0,))
    chief.start()
    port = endpoint(addresses[0])[1]
    for words in (b"GET / HTTP/1.1\r\n\r\n", b"{}\n", b'{"index": [], "facts": 3}\n', b"\xff\n", b"[]\n", b""):
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1) as stranger:
                    stranger.sendall(words)
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
    other = threading.Thread(target=worker, args=(1,))
    other.start()
    for thread in (chief, other):
        thread.join(20)
    assert sorted(ended) == [0, 1]


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("", 0)) as taken:
        addresses = (f"127.0.0.1:{taken.getsockname()[1]}", "127.0.0.1:1")
        with pytest.raises(ClusterError, match="the chief cannot listen on its port"):
            meet(Cluster(addresses, 0, TF_CONFIG), FACTS, 1)
