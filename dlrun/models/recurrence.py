"""LSTM and GRU over a whole sequence, with gradients of their own.

What does not depend on the step before is taken out of the loop over time: the input's product with the kernel
beforehand, the gradients of the kernels afterwards, each as one large matrix product. In the loop stays the state's
product with the recurrent kernel. The results are those of Keras's layers, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Tensor = Any
"""A tensor of TensorFlow, which is not imported to say so."""

Step = Callable[[Sequence[Tensor], Sequence[Tensor]], tuple[Sequence[Tensor], Sequence[Tensor]]]
"""(slices of this time step, states) to (new states, outputs of this time step)."""


def scan(
    step: Step, sequences: Sequence[Tensor], states: Sequence[Tensor], sizes: Sequence[int], *, reverse: bool = False
) -> tuple[list[Tensor], list[Tensor]]:
    """Runs `step` over the time steps, and gives (last states, outputs).

    Args:
        step: what is done at one time step.
        sequences: (time, batch, …) each; a step gets the slices of its time.
        states: those before the first step, (batch, …) each.
        sizes: of the outputs, which are (batch, size) at each step and (time, batch, size) together.
        reverse: from the last time step to the first; the outputs stand where their inputs stood.
    """
    import tensorflow as tf

    first = sequences[0]
    time = first.shape[0] or tf.shape(first)[0]
    read = [tf.TensorArray(x.dtype, time, element_shape=x.shape[1:]).unstack(x) for x in sequences]
    write = [tf.TensorArray(first.dtype, time, element_shape=(first.shape[1], size)) for size in sizes]

    def body(index: Tensor, states: Sequence[Tensor], arrays: Sequence[Any]) -> tuple[Tensor, Any, Any]:
        at = time - 1 - index if reverse else index
        states, outputs = step([array.read(at) for array in read], states)
        return index + 1, list(states), [array.write(at, y) for array, y in zip(arrays, outputs, strict=True)]

    _, last, arrays = tf.while_loop(
        lambda index, *_: index < time, body, (0, list(states), write), maximum_iterations=time
    )
    return last, [array.stack() for array in arrays]


def lstm(z: Tensor, recurrent: Tensor, h: Tensor, c: Tensor, *, sequences: bool) -> tuple[Tensor, ...]:
    """An LSTM (Hochreiter and Schmidhuber 1997): (last state, last carry), and with `sequences` all states.

    i, f, g, o = z[t] + h R;  c = sigmoid(f) c + sigmoid(i) tanh(g);  h = sigmoid(o) tanh(c)

    Args:
        z: the input's part of the gates, bias included, (time, batch, 4 units) in Keras's order i, f, g, o.
        recurrent: the recurrent kernel R, (units, 4 units).
        h, c: state and carry before the first step, (batch, units).
        sequences: whether the states of all steps, (time, batch, units), are wanted too; without, less is computed.
    """
    import tensorflow as tf

    units = recurrent.shape[0]

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def run(z: Tensor, recurrent: Tensor, h: Tensor, c: Tensor) -> Any:
        # sigmoid(x) = tanh(x / 2) / 2 + 1 / 2: one tanh over all gates takes half the time of two functions over parts.
        half = tf.constant([0.5] * (2 * units) + [1.0] * units + [0.5] * units, z.dtype)
        kernel, halved = recurrent * half, z * half

        def forward(slices: Sequence[Tensor], states: Sequence[Tensor]) -> Any:
            h, c = states
            # (1 - half) is 1/2 where a sigmoid stands and 0 where the tanh does
            gates = tf.tanh(slices[0] + tf.matmul(h, kernel)) * half + (1 - half)
            i, f, g, o = tf.split(gates, 4, axis=1)
            c = f * c + i * g
            h = o * tf.tanh(c)
            return (h, c), (h, c, gates)

        (last_h, last_c), (hs, cs, gates) = scan(forward, [halved], [h, c], [units, units, 4 * units])

        def gradient(d_last_h: Tensor, d_last_c: Tensor, *d_hs: Tensor) -> tuple[Tensor, ...]:
            i, f, g, o = tf.split(gates, 4, axis=2)
            squashed = tf.tanh(cs)
            before = tf.concat([c[None], cs[:-1]], 0)
            to_carry = o * (1 - squashed * squashed)
            to_gates = tf.concat(
                [g * i * (1 - i), before * f * (1 - f), i * (1 - g * g), squashed * o * (1 - o)], axis=2
            )

            def backward(slices: Sequence[Tensor], states: Sequence[Tensor]) -> Any:
                (to_carry, to_gates, f, *d_h_here), (d_h, d_c) = slices, states
                d_h = sum(d_h_here, start=d_h)
                d_c = d_c + d_h * to_carry
                d_z = tf.concat([d_c, d_c, d_c, d_h], 1) * to_gates
                return (tf.matmul(d_z, recurrent, transpose_b=True), d_c * f), (d_z,)

            (d_h, d_c), (d_z,) = scan(
                backward, [to_carry, to_gates, f, *d_hs], [d_last_h, d_last_c], [4 * units], reverse=True
            )
            d_recurrent = _product_over_time(tf.concat([h[None], hs[:-1]], 0), d_z)
            return d_z, d_recurrent, d_h, d_c

        return (last_h, last_c, *([hs] if sequences else [])), gradient

    return run(z, recurrent, h, c)  # type: ignore[no-any-return]


def gru(z: Tensor, recurrent: Tensor, bias: Tensor, h: Tensor, *, sequences: bool) -> tuple[Tensor, ...]:
    """A GRU (Cho et al. 2014) whose reset gate follows the product: (last state), and with `sequences` all states.

    u, r, p = h R + b;  u = sigmoid(z_u + u);  r = sigmoid(z_r + r);  n = tanh(z_n + r p);  h = u h + (1 - u) n

    Args:
        z: the input's part of the gates, its bias included, (time, batch, 3 units) in Keras's order u, r, n.
        recurrent: the recurrent kernel R, (units, 3 units).
        bias: of the recurrent product, (3 units).
        h: the state before the first step, (batch, units).
        sequences: whether the states of all steps, (time, batch, units), are wanted too; without, less is computed.
    """
    import tensorflow as tf

    units = recurrent.shape[0]

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def run(z: Tensor, recurrent: Tensor, bias: Tensor, h: Tensor) -> Any:
        def forward(slices: Sequence[Tensor], states: Sequence[Tensor]) -> Any:
            z, h = slices[0], states[0]
            product = tf.matmul(h, recurrent) + bias
            u, r = tf.split(tf.tanh(0.5 * (z + product)[:, : 2 * units]) * 0.5 + 0.5, 2, axis=1)
            p = product[:, 2 * units :]
            n = tf.tanh(z[:, 2 * units :] + r * p)
            h = n + u * (h - n)
            return (h,), (h, tf.concat([u, r, n, p], 1))

        (last,), (hs, gates) = scan(forward, [z], [h], [units, 4 * units])

        def gradient(d_last: Tensor, *d_hs: Tensor) -> tuple[Tensor, ...]:
            u, r, n, p = tf.split(gates, 4, axis=2)
            before = tf.concat([h[None], hs[:-1]], 0)
            to_n = (1 - u) * (1 - n * n)
            to_r = to_n * p * r * (1 - r)
            to_product = tf.concat([(before - n) * u * (1 - u), to_r, to_n * r], axis=2)

            def backward(slices: Sequence[Tensor], states: Sequence[Tensor]) -> Any:
                to_product, u, *d_h_here = slices
                d_h = sum(d_h_here, start=states[0])
                d_product = tf.concat([d_h, d_h, d_h], 1) * to_product
                return (tf.matmul(d_product, recurrent, transpose_b=True) + d_h * u,), (d_product, d_h)

            (d_h,), (d_product, d_states) = scan(
                backward, [to_product, u, *d_hs], [d_last], [3 * units, units], reverse=True
            )
            d_z = tf.concat([d_product[..., : 2 * units], d_states * to_n], axis=2)
            d_recurrent = _product_over_time(before, d_product)
            return d_z, d_recurrent, tf.reduce_sum(d_product, [0, 1]), d_h

        return (last, *([hs] if sequences else [])), gradient

    return run(z, recurrent, bias, h)  # type: ignore[no-any-return]


def _product_over_time(x: Tensor, y: Tensor) -> Tensor:
    """The sum of x^T y over all steps and examples: (time, batch, n) and (time, batch, m) to (n, m)."""
    import tensorflow as tf

    rows = (tf.reshape(each, (-1, each.shape[-1])) for each in (x, y))
    return tf.matmul(*rows, transpose_a=True)
