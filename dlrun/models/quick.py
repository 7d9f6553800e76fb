"""Keras layers that compute faster than Keras lets them.

A layer stays Keras's own: its class, its weights and their names, its seed, and so what is saved of it. Only the method
that computes is another, on this one object and for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dlrun.models.recurrence import Tensor, gru, lstm
from dlrun.models.threefry import random_normal, random_words

RISING = frozenset({"elu", "leaky_relu", "linear", "relu", "selu", "sigmoid", "softplus", "tanh"})
"""Activations of which a larger input never gives a smaller output."""


@contextmanager
def quick_layers(model: Any, *, xla: bool) -> Iterator[None]:
    """Within it, some layers of a model compute in a faster way; to be used where the training's graph is made.

    - A convolution before max-pooling: bias and activation follow the pooling, on a quarter of the values. The results
      are the same, since the maximum stays where it is.
    - With XLA, LSTM and GRU, within Bidirectional too: the same results.
    - With XLA, Dropout, SpatialDropout and GaussianNoise: other random numbers of the same distribution and seed.

    A layer that is called in a way for which there is nothing faster computes as Keras does.

    Args:
        xla: whether XLA compiles the graph.
    """
    changed = []
    try:
        for layer in model._flatten_layers():
            for one, name, method in [*_pooled(layer, model), *(_compiled(layer) if xla else ())]:
                setattr(one, name, method)
                changed.append((one, name))
        yield
    finally:
        for one, name in changed:
            delattr(one, name)


Method = tuple[Any, str, Callable[..., Any]]
"""(layer, name of its method, what stands in for it)."""


def _pooled(pool: Any, model: Any) -> Iterator[Method]:
    """A pooling layer and the convolution before it, where nobody else reads what the convolution gives."""
    from keras import layers

    if not isinstance(pool, layers.MaxPooling1D | layers.MaxPooling2D) or len(pool._inbound_nodes) != 1:
        return
    conv = pool.input._keras_history.operation
    if (
        type(conv) in (layers.Conv1D, layers.Conv2D)
        and len(conv._inbound_nodes) == len(conv._outbound_nodes) == 1
        and all(conv.output is not output for output in model.outputs)
        and conv.data_format == pool.data_format == "channels_last"
        and conv.compute_dtype == pool.compute_dtype
        and getattr(conv.activation, "__name__", None) in RISING
        and conv.activity_regularizer is None
    ):

        def call(inputs: Tensor) -> Tensor:
            pooled = type(pool).call(pool, inputs)
            return conv.activation(pooled + conv.bias if conv.use_bias else pooled)

        yield conv, "call", lambda inputs: conv.convolution_op(inputs, conv.kernel)
        yield pool, "call", call


def _compiled(layer: Any) -> Iterator[Method]:
    """What XLA is faster at in another form."""
    from keras import layers

    match layer:
        case layers.LSTM() | layers.GRU() if _suits(layer):
            yield layer, "inner_loop", _inner_loop(layer)
        case layers.SpatialDropout1D() | layers.SpatialDropout2D() | layers.SpatialDropout3D():
            yield layer, "call", _dropout(layer, layer._get_noise_shape)
        case layers.Dropout():
            yield layer, "call", _dropout(layer, lambda inputs: layer.noise_shape)
        case layers.GaussianNoise():
            yield layer, "call", _noise(layer)


def _dropout(layer: Any, noise_shape: Callable[[Tensor], Any]) -> Callable[..., Tensor]:
    """`keras.layers.Dropout.call`."""
    import tensorflow as tf

    def call(inputs: Tensor, training: bool = False) -> Tensor:
        if not training or not 0 < layer.rate < 1:
            return type(layer).call(layer, inputs, training=training)
        shape = _shape(inputs)
        given = noise_shape(inputs) or [None] * len(shape)
        shape = [side if wanted is None else wanted for side, wanted in zip(shape, given, strict=True)]
        kept = random_words(layer.seed_generator.next(), shape) >= tf.constant(round(layer.rate * 2**32), tf.uint32)
        return tf.where(kept, inputs * (1 / (1 - layer.rate)), tf.zeros((), inputs.dtype))

    return call


def _noise(layer: Any) -> Callable[..., Tensor]:
    """`keras.layers.GaussianNoise.call`."""
    import tensorflow as tf

    def call(inputs: Tensor, training: bool = False) -> Tensor:
        if not training or not layer.stddev:
            return inputs
        drawn = random_normal(layer.seed_generator.next(), _shape(inputs))
        return inputs + tf.cast(layer.stddev * drawn, inputs.dtype)

    return call


def _shape(x: Tensor) -> list[Any]:
    """The sides of a tensor: numbers where they are known."""
    import tensorflow as tf

    return [tf.shape(x)[axis] if side is None else side for axis, side in enumerate(x.shape)]


def _inner_loop(layer: Any) -> Callable[..., Any]:
    """`keras.layers.RNN.inner_loop`."""

    def inner_loop(sequences: Tensor, initial_state: Any, mask: Tensor | None, training: bool = False) -> Any:
        if mask is not None:
            return type(layer).inner_loop(layer, sequences, initial_state, mask, training)
        return _recurrent(layer, sequences, initial_state)

    return inner_loop


def _suits(layer: Any) -> bool:
    """Whether the layer is the usual one, and Keras has nothing faster for it: cuDNN's kernels on a GPU."""
    import tensorflow as tf
    from keras import activations

    cell = layer.cell
    return (
        cell.activation is activations.tanh
        and cell.recurrent_activation is activations.sigmoid
        and cell.use_bias
        and not cell.dropout
        and not cell.recurrent_dropout
        and getattr(cell, "reset_after", True)
        and not layer.unroll
        and not tf.config.list_logical_devices("GPU")
    )


def _recurrent(layer: Any, sequences: Tensor, initial_state: Any) -> tuple[Tensor, Tensor, list[Tensor]]:
    """What `keras.layers.RNN.inner_loop` gives for (batch, time, features): last output, all outputs, last states."""
    import tensorflow as tf
    from keras import layers

    kernel, recurrent, bias = (
        tf.convert_to_tensor(weight) for weight in (layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias)
    )
    x = tf.transpose(sequences, (1, 0, 2))
    if layer.go_backwards:
        x = tf.reverse(x, [0])
    x = tf.tensordot(x, kernel, 1)
    if isinstance(layer, layers.LSTM):
        found = lstm(x + bias, recurrent, *initial_state, sequences=layer.return_sequences)
    else:
        found = gru(x + bias[0], recurrent, bias[1], *initial_state, sequences=layer.return_sequences)
    states = list(found[: len(initial_state)])
    outputs = tf.transpose(found[-1], (1, 0, 2)) if layer.return_sequences else states[0][:, None]
    return states[0], outputs, states
