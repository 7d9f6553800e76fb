"""What an error tells of the memory that was asked for. The messages are TensorFlow's and NumPy's own."""

from __future__ import annotations

import pytest

from dlrun.training.memory import Request, is_out_of_memory

PLACE = " on /job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc [Op:Conv2D]"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            f"{{{{function_node x}}}} OOM when allocating tensor with shape[4096,28,28,64] and type float{PLACE}",
            "784 MiB (shape [4096, 28, 28, 64], float)",
        ),
        (
            f"OOM when allocating tensor with shape[1024,1024] and type bfloat16{PLACE}",
            "2.00 MiB (shape [1024, 1024], bfloat16)",
        ),
        (f"OOM when allocating tensor with shape[] and type int64{PLACE}", "8 B (shape [], int64)"),
        ("Out of memory while trying to allocate 3.83GiB. [Op:__inference_run_1130]", "3.83 GiB"),
        ("Out of memory while trying to allocate 8589934592 bytes.", "8.00 GiB"),
        (
            "Unable to allocate 7.45 GiB for an array with shape (1000000, 1000) and data type float64",
            "7.45 GiB (shape [1000000, 1000], float64)",
        ),
        ("std::bad_alloc", ""),
    ],
)  # fmt: skip
def test_what_was_asked_for(message: str, told: str) -> None:
    assert str(Request.parse(message)) == told


def test_numpy_says_so_in_its_own_words() -> None:
    import numpy as np

    with pytest.raises(MemoryError) as raised:
        np.empty((1 << 30, 1 << 20), dtype=np.float64)
    assert is_out_of_memory(raised.value)
    assert Request.parse(str(raised.value)).bytes == 1 << 53


def test_another_error_is_none_of_memory() -> None:
    assert not is_out_of_memory(ValueError("out of memory"))
