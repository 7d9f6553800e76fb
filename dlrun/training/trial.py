"""What TensorFlow says of this machine, and how fast it computes here: `python -m dlrun.training.trial` prints JSON.

A program of its own, since a TensorFlow that does not fit the machine may crash rather than fail.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

MATRIX_SIDE = 2048
MATRIX_SECONDS = 0.8
TRAINING_SECONDS = 1.2
"""After the first epoch, in which the steps are compiled."""

EXAMPLES, FEATURES, CLASSES, BATCH = 16_384, 784, 10, 64


@dataclass(frozen=True)
class Trial:
    """What TensorFlow has and does here.

    Args:
        tensorflow, keras: their versions as they say themselves.
        backend: what Keras computes with; dlrun needs tensorflow.
        gpus: the names of those that are seen.
        no_gpu: why none is; None where there is one.
        tensor_float_32: whether a GPU multiplies matrices in 19 bits.
        gflops: matrix products in single precision, thousand millions of operations a second.
        examples_per_second: of the training of a network of 784, 128 and 10 units, batch 64.
    """

    tensorflow: str
    keras: str
    backend: str
    gpus: tuple[str, ...]
    no_gpu: str | None
    tensor_float_32: bool
    gflops: float
    examples_per_second: float


def trial() -> Trial:
    """Asks TensorFlow, and measures for about two seconds.

    Raises:
        ImportError: and whatever else a broken installation may raise.
    """
    import keras
    import tensorflow as tf

    from dlrun.training.device import why_no_gpu

    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    details = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
    usable = keras.config.backend() == "tensorflow"
    return Trial(
        tf.__version__,
        keras.__version__,
        keras.config.backend(),
        tuple(details),
        None if gpus else why_no_gpu(),
        tf.config.experimental.tensor_float_32_execution_enabled(),
        gflops(),
        training_rate() if usable else 0.0,
    )


def gflops(seconds: float = MATRIX_SECONDS) -> float:
    """The best rate of (side, side) by (side, side) products, 2 · side³ operations each, in 10⁹ operations a second."""
    import tensorflow as tf

    matrix = tf.random.stateless_uniform((MATRIX_SIDE, MATRIX_SIDE), seed=(0, 0))
    tf.linalg.matmul(matrix, matrix).numpy()
    began, best = time.perf_counter(), float("inf")
    while time.perf_counter() - began < seconds:
        started = time.perf_counter()
        tf.reduce_sum(tf.linalg.matmul(matrix, matrix)).numpy()  # a number, so that a GPU must be waited for
        best = min(best, time.perf_counter() - started)
    return 2 * MATRIX_SIDE**3 / best / 1e9


def training_rate(seconds: float = TRAINING_SECONDS) -> float:
    """Examples a second of the best epoch, by dlrun's own loop."""
    import numpy as np

    from dlrun.training.loop import Loop
    from dlrun.training.progress import Progress
    from dlrun.training.settings import Training
    from dlrun.training.supply import Arrays, InMemory

    random = np.random.default_rng(0)
    images = random.random((EXAMPLES, FEATURES), dtype=np.float32)
    settings = Training(epochs=10_000, batch_size=BATCH)
    train = Arrays({"image": images}, random.integers(0, CLASSES, EXAMPLES).astype(np.int32))
    loop = Loop(_learner(), InMemory(train, shuffle=True), None, settings, xla=False)
    progress = Progress(BATCH)
    until = float("inf")
    while len(progress.rows) < 2 or time.perf_counter() < until:
        loop.advance(progress)
        if progress.step == loop.steps_per_epoch:
            loop.end_epoch(progress)
        if len(progress.rows) == 1 and progress.step == 0:
            until = time.perf_counter() + seconds
    return max(row["examples_per_second"] for row in progress.rows[1:])


def _learner() -> Any:
    import keras

    from dlrun.training.followed import Followed
    from dlrun.training.step import Learner

    keras.utils.set_random_seed(0)
    image = keras.Input((FEATURES,), name="image")
    hidden = keras.layers.Dense(128, "relu")(image)
    model = keras.Model({"image": image}, keras.layers.Dense(CLASSES)(hidden))
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return Learner(model, optimizer, loss, Followed("accuracy", keras.metrics.sparse_categorical_accuracy))


if __name__ == "__main__":
    json.dump(asdict(trial()), sys.stdout)
