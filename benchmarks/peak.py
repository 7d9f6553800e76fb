"""The most that this machine does: GFLOP/s of the fastest of twenty products of 2,048 × 2,048 matrices in float32."""

import time

import tensorflow as tf

SIDE = 2048
a, b = tf.random.normal((2, SIDE, SIDE))
tf.linalg.matmul(a, b).numpy()
seconds = []
for _ in range(20):
    started = time.perf_counter()
    tf.linalg.matmul(a, b).numpy()
    seconds.append(time.perf_counter() - started)
print("gflops", 2 * SIDE**3 / min(seconds) / 1e9)
