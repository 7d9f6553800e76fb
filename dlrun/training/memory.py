"""Out of memory: what an error says of it, how much a batch needs, and which batch would fit.

On a GPU TensorFlow raises an error when an allocation fails, and can go on. On a CPU it mostly cannot: Linux promises
more memory than there is and kills who uses it; and where an allocation does fail, oneDNN's kernels wait ten seconds
and crash, and the small allocations of others end the process. So what does not fit is to be found before it is tried
(`fits`, `shortage`), and errors are the second net.
"""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dlrun.errors import OutOfMemoryError
from dlrun.machine import available_memory, size

GRADIENTS = 2.0
"""The peak of a training step over the layers' outputs, which it keeps for the gradients: measured 1.4 to 2.3 as a
graph on a CPU, for dense, convolutional, recurrent and attention layers."""

MARGIN = 0.8
"""How much of the memory a batch may take that is advised."""

SIGNS = re.compile(
    r"OOM when allocating|out of memory|out_of_memory|failed to allocate|unable to allocate|bad_alloc|ALLOC_FAILED"
    r"|Dst tensor is not initialized",
    re.IGNORECASE,
)
"""What errors of TensorFlow, XLA, CUDA, cuDNN and cuBLAS say. The last one is a copy to a GPU that has no room
(https://github.com/tensorflow/tensorflow/issues/7025)."""

TENSOR = re.compile(r"shape\[(?P<shape>[\d,]*)\] and type (?P<dtype>\w+)")
ARRAY = re.compile(r"array with shape \((?P<shape>[\d, ]*)\) and data type (?P<dtype>\w+)")
AMOUNT = re.compile(r"allocate (?P<count>[\d.]+) ?(?P<unit>[KMGTP]?i?)B?(?:ytes?)?\b")
UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
ITEM_BYTES = {"float": 4, "double": 8, "half": 2, "bfloat16": 2, "bool": 1, "complex64": 8, "complex128": 16}
"""Bytes of the types whose names do not end with their bits."""

NVIDIA_SECONDS = 5.0


@dataclass(frozen=True)
class Request:
    """What was asked for when there was no more memory.

    Args:
        bytes: how many; None where the error does not say.
        shape: of the tensor, where it was one.
        dtype: of its elements, in TensorFlow's name.
    """

    bytes: int | None = None
    shape: tuple[int, ...] | None = None
    dtype: str | None = None

    def __str__(self) -> str:
        """`1.53 GiB (shape [4096, 64, 28, 28], float)`; empty where nothing is known."""
        amount = "" if self.bytes is None else size(self.bytes)
        return amount if self.shape is None else f"{amount} (shape {list(self.shape)}, {self.dtype})".lstrip()

    @classmethod
    def parse(cls, message: str) -> Request:
        """What the message of an error says."""
        if found := TENSOR.search(message) or ARRAY.search(message):
            shape = tuple(int(side) for side in found["shape"].replace(" ", "").split(",") if side)
            width = _item_bytes(found["dtype"])
            return cls(None if width is None else math.prod(shape) * width, shape, found["dtype"])
        if found := AMOUNT.search(message):
            return cls(round(float(found["count"]) * 1024 ** UNITS[found["unit"].rstrip("i").upper()]))
        return cls()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of NumPy or TensorFlow says that there was not enough memory.

    A full disk is none, though TensorFlow has the same class of error for it.
    """
    if isinstance(error, MemoryError | OutOfMemoryError):
        return True
    if "tensorflow" not in sys.modules:
        return False
    import tensorflow as tf

    return isinstance(error, tf.errors.OpError) and bool(SIGNS.search(str(error)))


def out_of_memory(error: BaseException, model: Any, batch_size: int, *, training: bool = True) -> OutOfMemoryError:
    """What a person is told of an error that `is_out_of_memory`.

    Args:
        error: as it was raised.
        model: the Keras model that did not fit.
        batch_size: examples that went through it at once.
        training: whether in training, or in evaluation and prediction.
    """
    if isinstance(error, OutOfMemoryError):
        return error
    asked = str(Request.parse(str(error)))
    return _told(model, batch_size, training, asked=f"asked for {asked}" if asked else "")


def shortage(model: Any, batch_size: int, *, training: bool = True) -> OutOfMemoryError | None:
    """The error that a batch is sure to end with, before it is tried; None where it may fit.

    Args:
        model: the Keras model.
        batch_size: examples that go through it at once.
        training: whether in training, or in evaluation and prediction.
    """
    free = free_memory()
    if free is None or least_bytes(model, batch_size, training=training) <= free:
        return None
    return _told(model, batch_size, training)


def fits(model: Any, batch_size: int, *, training: bool = True) -> bool:
    """Whether a batch is thought to fit with room to spare; True where the system does not say what there is.

    Between this and `shortage` lies what may fit or not.
    """
    free = free_memory()
    return free is None or needed_bytes(model, batch_size, training=training) <= MARGIN * free


def fitting_batch(model: Any, batch_size: int, *, training: bool = True) -> int | None:
    """The largest power of two below a batch size that did not fit that is thought to; None where not even 1 is."""
    tried = 1 << (batch_size - 1).bit_length() >> 1
    while tried and not fits(model, tried, training=training):
        tried >>= 1
    return tried or None


def needed_bytes(model: Any, batch_size: int, *, training: bool = True) -> int:
    """About how much a step takes beside the weights and the optimizer's variables, which are there already.

    A training step keeps the outputs of all layers, and makes a gradient for each weight; evaluation has only few
    outputs at once.
    """
    if not training:
        return 2 * least_bytes(model, batch_size, training=False)
    weights = sum(_bytes(each.shape, each.dtype) for each in model.trainable_variables)
    return round(GRADIENTS * batch_size * sum(_outputs(model))) + weights


def least_bytes(model: Any, batch_size: int, *, training: bool = True) -> int:
    """What a step takes at the very least: the outputs of all layers in training, and the largest one without."""
    outputs = list(_outputs(model))
    return batch_size * (sum(outputs) if training else max(outputs, default=0))


def free_memory() -> int | None:
    """Bytes that a step can have where TensorFlow computes: on its first GPU or in main memory; None if unknown."""
    import tensorflow as tf

    if not tf.config.list_logical_devices("GPU"):
        return available_memory()
    free = nvidia_memory("free")
    if not free:
        return None
    # What TensorFlow once had of a GPU it keeps, and uses again.
    kept = tf.config.experimental.get_memory_info("GPU:0")
    return int(free[0] + kept["peak"] - kept["current"])


def nvidia_memory(which: str) -> list[int]:
    """The `free` or `total` bytes of each NVIDIA GPU, as the driver says; empty without one."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, f"--query-gpu=memory.{which}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=NVIDIA_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [int(line) << 20 for line in done.stdout.split() if line.isdigit()]


def _told(model: Any, batch_size: int, training: bool, *, asked: str = "") -> OutOfMemoryError:
    what = f"{'training at batch_size' if training else 'evaluation at batch_size'} {batch_size:,}"
    needed, free = needed_bytes(model, batch_size, training=training), free_memory()
    if free is not None and needed > free:
        message = f"{what} needs about {size(needed)} of memory, and {size(free)} are free"
    else:
        message = f"{what} ran out of memory"
    fitting = fitting_batch(model, batch_size, training=training)
    field = "training.batch_size" if training else "evaluation.batch_size"
    if fitting is None:
        hint = "not even one example fits: make the network or its input smaller, or use a machine with more memory"
    else:
        hint = f"write `{field}: {fitting}`" + (", or `training.on_out_of_memory: halve`" if training else "")
    return OutOfMemoryError(f"{message}: {asked}" if asked else message, hint=hint, fitting=fitting)


def _outputs(model: Any) -> Iterator[int]:
    """The bytes of each layer's output for one example, and of what a layer keeps besides."""
    import keras

    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _outputs(layer)
            continue
        inputs, outputs = (keras.tree.flatten(each) for each in (layer.input, layer.output))  # masks among the inputs
        yield sum(_bytes(each.shape[1:], each.dtype) for each in outputs)
        width = _bytes((1,), outputs[0].dtype)
        both = isinstance(layer, keras.layers.Bidirectional)
        for part in (layer.forward_layer, layer.backward_layer) if both else (layer,):
            if isinstance(part, keras.layers.RNN):
                yield _steps(inputs[0]) * part.cell.kernel.shape[-1] * width  # the gates at each step of time
        if isinstance(layer, keras.layers.MultiHeadAttention):
            queries, keys = _steps(inputs[0]), _steps(inputs[1])
            yield 2 * layer.num_heads * queries * keys * width  # the scores, before and after softmax


def _steps(tensor: Any) -> int:
    return int(tensor.shape[1] or 1)


def _bytes(shape: Any, dtype: Any) -> int:
    """Of a tensor; a side that is not known counts as 1."""
    sides: list[int] = [side or 1 for side in shape]
    return math.prod(sides) * (_item_bytes(str(dtype)) or 4)


def _item_bytes(dtype: str) -> int | None:
    bits = re.search(r"\d+$", dtype)
    return ITEM_BYTES.get(dtype) or (int(bits[0]) // 8 if bits else None)
