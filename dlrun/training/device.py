"""The `runtime` section: on what the training runs, and how."""

from __future__ import annotations

import os
import re
import shutil
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from dlrun.cluster.members import Cluster, read_cluster
from dlrun.errors import ClusterError, DeviceError, DlrunError
from dlrun.machine import SIZE
from dlrun.spec.base import Spec
from dlrun.spec.near import nearest
from dlrun.training.team import Team

LastWords = Callable[[DlrunError, float], AbstractContextManager[None]]
"""Within it the process may take so many seconds; then it ends with the error."""


MEMORY = rf"^(auto|in_memory|streamed|{SIZE})$".replace("?P<count>", "").replace("?P<unit>", "")
"""What the field `memory` may be; without names of groups, which JSON Schema does not know."""


def _check_memory(value: object) -> object:
    if isinstance(value, str) and re.match(MEMORY, value):
        return value
    near = nearest(value, ("auto", "in_memory", "streamed")) if isinstance(value, str) else None
    meant = f"; did you mean {near}?" if near else ""
    raise ValueError(f"auto, in_memory, streamed, or a size such as `500 MB` or `2 GB`{meant}")


@dataclass(frozen=True)
class Device:
    """What a run runs on, as environment.json records it.

    Args:
        kind: cpu or gpu.
        names: of the devices, as TensorFlow or the driver calls them.
        threads: how many threads an operation may use; 0 where TensorFlow chooses.
        precision: the Keras dtype policy.
        onednn: whether oneDNN's kernels are used, which round differently.
    """

    kind: Literal["cpu", "gpu"]
    names: tuple[str, ...]
    threads: int
    precision: str
    onednn: bool


class Runtime(Spec):
    """On what the training runs, and how. Changes speed and rounding, not what is learned."""

    device: Literal["auto", "cpu", "gpu"] = "auto"
    """auto takes a GPU if there is one; gpu fails where there is none."""
    mixed_precision: bool = False
    """Computes in 16 bits where that is safe: float16 on a GPU, bfloat16 on a CPU. Weights stay in 32."""
    compile: Literal["auto", "graph", "xla"] = "auto"
    """How the steps are compiled: as a plain graph or by XLA. auto takes the faster for the training as a whole, as
    measured on its first batches; it is written into the run, since the two round differently."""
    threads: int = Field(default=0, ge=0)
    """Threads for one operation; 0 leaves the choice to TensorFlow. Other numbers may round differently."""
    strategy: Literal["auto", "single", "mirrored", "multi_worker"] = "auto"
    """Where the steps run. single: on one device; mirrored: on all GPUs of this machine, each with its share of the
    batch; multi_worker: on the devices of all workers that TF_CONFIG or Slurm names. auto takes multi_worker where
    several are named, mirrored where there are several GPUs, and single otherwise."""
    memory: Annotated[str, BeforeValidator(_check_memory), Field(json_schema_extra={"pattern": MEMORY})] = "auto"
    """How much memory the data may take, such as 2 GB; data that would take more is streamed from disk while the
    training runs, in another order of examples. auto: a quarter of what is free, for tables, images in files and
    windows of series, and all of it for what is in memory anyway; in_memory and streamed decide it. What was decided is
    written into the run."""
    peer_timeout: float = Field(default=300.0, gt=0)
    """Seconds to wait at the start for the other workers."""

    def prepare(self) -> Device:
        """Sets TensorFlow up; to be called before anything else uses it in this process.

        Raises:
            DeviceError: a GPU was asked for and there is none, with the reason.
        """
        import keras
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        if self.device == "gpu" and not gpus:
            raise DeviceError(
                f"there is no GPU that TensorFlow can use: {why_no_gpu()}",
                hint="write `device: auto` to train on what there is, or `device: cpu`",
            )
        if self.device == "cpu":
            tf.config.set_visible_devices([], "GPU")
            gpus = []
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
        if self.threads:
            tf.config.threading.set_intra_op_parallelism_threads(self.threads)
        kind: Literal["cpu", "gpu"] = "gpu" if gpus else "cpu"
        precision = {"cpu": "mixed_bfloat16", "gpu": "mixed_float16"}[kind] if self.mixed_precision else "float32"
        keras.config.set_dtype_policy(precision)
        names = tuple(
            tf.config.experimental.get_device_details(device).get("device_name", device.name)
            for device in gpus or tf.config.list_physical_devices("CPU")
        )
        return Device(kind, names, self.threads, precision, os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") != "0")

    def cluster(self, environment: Mapping[str, str]) -> Cluster | None:
        """The workers to train with, which the environment names; None where this process trains by itself.

        Raises:
            ClusterError: it names none where the spec wants them, or is broken.
        """
        if self.strategy in ("single", "mirrored"):
            return None
        found = read_cluster(environment)
        if found is None and self.strategy == "multi_worker":
            raise ClusterError(
                "runtime.strategy is multi_worker, and neither TF_CONFIG nor Slurm names several workers",
                hint="start them on this machine with --workers, or with `srun`, or as a TFJob; or write "
                "`strategy: auto`",
            )
        return found

    def team(self, device: Device, cluster: Cluster | None, last_words: LastWords) -> Team:
        """The replicas that train together; to be called after `prepare`, and when the workers have met.

        Args:
            device: as `prepare` gave it.
            cluster: the workers; None for this process alone.
            last_words: ends the process where TensorFlow waits in vain.

        Raises:
            DeviceError: XLA was asked for, which cannot wait for other replicas.
        """
        import tensorflow as tf

        count = len(device.names)
        if cluster is not None:
            with last_words(no_start(cluster), self.peer_timeout):
                team = Team(multi_worker_strategy(cluster), cluster)
        elif self.strategy == "mirrored" or (self.strategy == "auto" and device.kind == "gpu" and count > 1):
            team = Team(tf.distribute.MirroredStrategy(tf.config.list_logical_devices(device.kind.upper())))
        else:
            team = Team.alone()
        if team.replicas > 1 and self.compile == "xla":
            raise DeviceError(
                f"runtime.compile is xla, which runs on one device, and there are {team.replicas}",
                hint="write `compile: graph`, or `strategy: single`",
            )
        return team


def multi_worker_strategy(cluster: Cluster) -> Any:
    """TensorFlow's strategy for the workers of a cluster; comes back when all have asked for it."""
    import tensorflow as tf

    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.addresses)}),
        task_type="worker",
        task_id=cluster.index,
        rpc_layer="grpc",
    )
    strategy = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    if threading.current_thread() is threading.main_thread():
        # TensorFlow has taken SIGTERM for itself, and does nothing with it.
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
    return strategy


def no_start(cluster: Cluster) -> ClusterError:
    """The error of workers that have met, and between which TensorFlow finds no way."""
    names = ", ".join(cluster.addresses)
    return ClusterError(
        f"the {cluster.num_workers} workers have met, but TensorFlow cannot connect them: {names}",
        hint="every worker must be able to reach every other one at its address, not only the chief",
    )


def why_no_gpu() -> str:
    """The reason why TensorFlow sees no GPU, in words."""
    import tensorflow as tf

    if not tf.test.is_built_with_cuda():
        return "this TensorFlow was built without GPU support (on Linux: pip install 'dlrun[cuda]')"
    if shutil.which("nvidia-smi") is None:
        return "no NVIDIA driver was found on this machine (nvidia-smi is missing)"
    return "the driver is there, but the CUDA libraries are not: pip install 'dlrun[cuda]', and see log.txt"
