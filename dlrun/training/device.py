"""The `runtime` section: on what the training runs, and how."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from dlrun.errors import DeviceError
from dlrun.spec.base import Spec


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


def why_no_gpu() -> str:
    """The reason why TensorFlow sees no GPU, in words."""
    import tensorflow as tf

    if not tf.test.is_built_with_cuda():
        return "this TensorFlow was built without GPU support (on Linux: pip install 'dlrun[cuda]')"
    if shutil.which("nvidia-smi") is None:
        return "no NVIDIA driver was found on this machine (nvidia-smi is missing)"
    return "the driver is there, but the CUDA libraries are not: pip install 'dlrun[cuda]', and see log.txt"
