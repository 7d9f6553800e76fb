"""Real shortages of memory, each in a process of its own that may have only so much."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from dlrun.training.memory import is_out_of_memory, least_bytes

START = """
import resource, sys
from pathlib import Path
import keras, numpy as np, tensorflow as tf
from dlrun.console import print_error
from dlrun.errors import DlrunError
from dlrun.training.memory import is_out_of_memory, out_of_memory, shortage
from dlrun.training.model import Forward
layers = keras.layers

def leave(mebibytes):
    "From here on no more than this can be had."
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + (mebibytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
"""

WIDE = """
inputs = keras.Input((4,), name="x")
model = keras.Model({"x": inputs}, layers.Dense(1)(layers.Dense(4096, "relu")(inputs)))
x = np.ones((65536, 4), np.float32)
"""
"""Of one example the wide layer makes 16 KiB, and of all 1 GiB."""

TRAINING = """
model.compile("adam", keras.losses.MeanSquaredError())
model.optimizer.build(model.trainable_variables)
step = tf.function(lambda x: model.train_step(({"x": x}, x[:, :1]))["loss"], autograph=False)
step(tf.constant(x[:8]))
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits on a process are Linux's")


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "always", "-c", START + program],
        capture_output=True, text=True, env=os.environ | {"COLUMNS": "200"} | environment, timeout=300, check=False,
    )  # fmt: skip


def test_an_error_of_tensorflow_in_training_is_told_with_the_batch_that_would_fit() -> None:
    # Without oneDNN, whose kernels crash where an allocation fails.
    done = run(
        f"""{WIDE}{TRAINING}
leave(768)
try:
    step(tf.constant(x))
except Exception as error:
    assert isinstance(error, tf.errors.ResourceExhaustedError), error
    assert is_out_of_memory(error)
    print_error(out_of_memory(error, model, 65536))
    sys.exit(1)
""",
        TF_ENABLE_ONEDNN_OPTS="0",
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert re.search(
        r"error: training at batch_size 65,536 needs about [\d.]+ GiB of memory, and \d+ MiB are free: asked for "
        r"1.00 GiB \(shape \[65536, 4096\], float\)",
        done.stderr,
    )
    advice = re.search(r"mend: write `training.batch_size: (\d+)`, or `training.on_out_of_memory: halve`", done.stderr)
    assert advice is not None
    # 768 MiB, of which some go to gradients, and 0.8 are used: 16 KiB an example, twice.
    assert int(advice[1]) == 16384


def test_the_batch_that_is_advised_fits() -> None:
    done = run(f"{WIDE}{TRAINING}leave(768)\nprint(float(step(tf.constant(x[:16384]))) > 0)", TF_ENABLE_ONEDNN_OPTS="0")
    assert done.stdout == "True\n", done.stderr


def test_what_is_sure_not_to_fit_is_found_before_it_is_tried() -> None:
    done = run(
        f"""{WIDE}{TRAINING}
leave(768)
assert shortage(model, 8192) is None
found = shortage(model, 65536)
assert found.fitting == 16384, found.fitting
print_error(found)
"""
    )
    assert done.returncode == 0, done.stderr
    assert "error: training at batch_size 65,536 needs about 2.00 GiB of memory, and " in done.stderr


@pytest.mark.parametrize("known", [True, False], ids=["seen before", "raised by TensorFlow"])
def test_prediction_goes_on_with_smaller_batches_and_says_so(known: bool) -> None:
    blind = "" if known else "from dlrun.training import memory\nmemory.available_memory = lambda: None\n"
    done = run(
        f"""{WIDE}{blind}
x[:, 0] = np.arange(len(x)) / len(x)
expected = np.concatenate([model({{"x": part}}).numpy() for part in np.split(x, 64)])
leave(896)
forward = Forward(model, 65536)
np.testing.assert_allclose(forward({{"x": x}}), expected, rtol=1e-5, atol=1e-6)
print(forward.batch_size)
assert str(forward.batch_size) in forward.note
np.testing.assert_allclose(forward({{"x": x}}), expected, rtol=1e-5, atol=1e-6)
""",
        TF_ENABLE_ONEDNN_OPTS="0",
    )
    assert done.returncode == 0, done.stderr
    batch = int(done.stdout)
    assert batch == (16384 if known else 32768)
    assert done.stderr.count("RuntimeWarning: 65536 examples at once did not fit in memory: went on with") == 1
    assert f"(write `evaluation.batch_size: {batch}`)" in done.stderr


def test_not_even_one_example() -> None:
    done = run(
        """
inputs = keras.Input((4,), name="x")
model = keras.Model({"x": inputs}, layers.RepeatVector(1 << 28)(inputs))
leave(768)
try:
    Forward(model, 1)({"x": np.ones((1, 4), np.float32)})
except DlrunError as error:
    print(error.message)
    print(error.hint)
""",
        TF_ENABLE_ONEDNN_OPTS="0",
    )
    message, hint = done.stdout.splitlines()
    assert message.startswith("evaluation at batch_size 1 needs about 8.00 GiB of memory, and ")
    assert ": asked for 4.00 GiB (shape [1, " in message
    assert hint.startswith("not even one example fits: make the network")


def test_a_full_disk_is_no_shortage_of_memory() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    with pytest.raises(tf.errors.OpError) as raised:
        tf.io.write_file("/dev/full", tf.constant("x" * 100_000))
    assert "No space left" in str(raised.value)
    assert not is_out_of_memory(raised.value)


def test_masks_are_no_sequences() -> None:
    layers = keras.layers
    tokens = keras.Input((6,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True)(tokens)  # 6 × 4
    x = layers.MultiHeadAttention(2, 3)(x, x)  # 6 × 4, and 2 heads of 6 × 6 scores twice
    model = keras.Model(tokens, layers.GRU(5)(x))  # 5, and 3 × 5 gates at each of 6 steps
    made_of_the_mask = sum(
        np.prod(layer.output.shape[1:]) for layer in model.layers if layer.output.dtype in ("bool", "int32")
    )
    of_numbers = 6 * 4 + 6 * 4 + 2 * 2 * 6 * 6 + 5 + 3 * 5 * 6
    assert 4 * of_numbers < least_bytes(model, 1) <= 4 * (of_numbers + made_of_the_mask)


def test_bytes_of_a_batch_by_hand() -> None:
    layers = keras.layers
    inputs = keras.Input((10, 6))
    x = layers.LSTM(5, return_sequences=True)(inputs)  # 10 × 5, and 4 × 5 gates at each of 10 steps
    x = layers.MultiHeadAttention(2, 3)(x, x)  # 10 × 5, and 2 heads of 10 × 10 scores twice
    x = layers.Bidirectional(layers.GRU(4))(x)  # 8, and 3 × 4 gates at each of 10 steps, twice
    model = keras.Model(inputs, layers.Dense(3)(x))
    numbers = 10 * 6 + 10 * 5 + 200 + 10 * 5 + 400 + 8 + 240 + 3
    assert least_bytes(model, 7) == 4 * 7 * numbers
    assert least_bytes(model, 7, training=False) == 4 * 7 * 400
    assert np.prod(model.output_shape[1:]) == 3
