"""Which workers train together: read from TF_CONFIG, as Kubeflow's TFJob sets it, or from the variables of Slurm."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dlrun.cluster.slurm import in_step, step_members
from dlrun.errors import ClusterError

TF_CONFIG = "TF_CONFIG"

OTHER_TASKS = {
    "ps": "a parameter server holds weights for workers that do not wait for one another",
    "evaluator": "the chief evaluates at the end of the training",
    "master": "the task of that kind is called chief",
}
"""What a cluster of TensorFlow may also have, and why it has no place here."""


@dataclass(frozen=True)
class Cluster:
    """The workers that train together, and which of them this process is.

    Args:
        addresses: `host:port` of each worker, the chief's first.
        index: this process's place among them.
        source: where it was read, in words.
    """

    addresses: tuple[str, ...]
    index: int
    source: str

    @property
    def num_workers(self) -> int:
        return len(self.addresses)

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run's folder and talks to the user."""
        return self.index == 0

    @property
    def port(self) -> int:
        """On which this process is reached."""
        return endpoint(self.addresses[self.index])[1]

    def title(self, index: int) -> str:
        """A worker in words: `the chief (gpu01:2222)`, `worker 2 (gpu02:2222)`."""
        return f"{'the chief' if index == 0 else f'worker {index}'} ({self.addresses[index]})"

    def config(self, index: int) -> str:
        """The TF_CONFIG that makes a process one of these workers."""
        return json.dumps({"cluster": {"worker": self.addresses}, "task": {"type": "worker", "index": index}})


def read_cluster(environment: Mapping[str, str]) -> Cluster | None:
    """The cluster that the environment describes; None where it names no second worker.

    TF_CONFIG goes before Slurm: whoever sets it by hand in a Slurm job wants it.

    Raises:
        ClusterError: the description is broken, or has tasks that dlrun does not know.
    """
    if text := environment.get(TF_CONFIG, "").strip():
        cluster = _from_tf_config(text)
    elif in_step(environment):
        addresses, index = step_members(environment)
        cluster = Cluster(addresses, index, "Slurm's variables")
    else:
        return None
    return cluster if cluster.num_workers > 1 else None


def endpoint(address: str) -> tuple[str, int]:
    """Host and port of `host:port`; an IPv6 address stands in brackets.

    Raises:
        ValueError: it is no such address.
    """
    host, _, port = address.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    number = int(port) if port.isascii() and port.isdecimal() else 0
    if not bare or (":" in bare) != host.startswith("[") or not 0 < number < 65536:
        raise ValueError(f"{address!r} is no address")
    return bare, number


def _from_tf_config(text: str) -> Cluster:
    try:
        tree = json.loads(text)
    except json.JSONDecodeError as error:
        raise _broken(f"it is no JSON: {error.msg} at character {error.pos + 1}") from None
    if not isinstance(tree, dict):
        raise _broken(f"it is {_kind(tree)}, expected a mapping")
    cluster, task = tree.get("cluster") or {}, tree.get("task") or {}
    for name, value in (("cluster", cluster), ("task", task)):
        if not isinstance(value, dict):
            raise _broken(f"its {name} is {_kind(value)}, expected a mapping")
    kind, index = task.get("type"), task.get("index", 0)
    for name in (kind, *(name for name, values in cluster.items() if values)):
        if name in OTHER_TASKS:
            raise _unknown(name)
    addresses = {name: _addresses(name, values) for name, values in cluster.items()}
    workers = addresses.get("chief", ()) + addresses.get("worker", ())
    if not workers:
        raise _broken("its cluster names no worker")
    if len(addresses.get("chief", ())) > 1:
        raise _broken("its cluster names more than one chief")
    if len(set(workers)) < len(workers):
        double = next(address for address in workers if workers.count(address) > 1)
        raise _broken(f"its cluster names {double} twice")
    if kind not in ("chief", "worker"):
        raise _broken(f"its task.type is {kind!r}, expected worker or chief")
    own = addresses.get(kind, ())
    if isinstance(index, str) and index.isdecimal():
        index = int(index)
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(own):
        raise _broken(f"its task.index is {index!r}, and the cluster has {len(own)} of the type {kind}")
    return Cluster(workers, index + (len(addresses.get("chief", ())) if kind == "worker" else 0), TF_CONFIG)


def _addresses(name: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise _broken(f"its cluster.{name} is {_kind(values)}, expected a list of addresses")
    for value in values:
        try:
            endpoint(value if isinstance(value, str) else "")
        except ValueError:
            raise _broken(f"its cluster.{name} has {value!r}, expected an address such as host:2222") from None
    return tuple(values)


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case str():
            return f"the text {value!r}"
        case _:
            return json.dumps(value)


def _broken(what: str) -> ClusterError:
    return ClusterError(
        f"TF_CONFIG does not describe this worker: {what}",
        hint='it looks like {"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", '
        '"index": 0}}, with an index of its own for each worker; to train alone, unset it',
    )


def _unknown(kind: str) -> ClusterError:
    return ClusterError(
        f"TF_CONFIG names a task of the type {kind}, which dlrun does not have: {OTHER_TASKS[kind]}",
        hint=f"take {kind} out of the job: all its tasks are workers, of which one may be called chief",
    )
