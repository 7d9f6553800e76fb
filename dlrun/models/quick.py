"""Keras layers that compute faster than Keras lets them, with the same results.

A layer stays Keras's own: its class, its weights and their names, and so what is saved of it. Only the method that
computes is another, on this one object.
"""

from __future__ import annotations

from typing import Any

from dlrun.models.recurrence import Tensor, gru, lstm


def quicken(model: Any) -> None:
    """Gives the layers of a built model their faster methods: LSTM and GRU, also within Bidirectional.

    A layer that is called in a way that has no faster one computes as Keras does.
    """
    from keras import layers

    for layer in model.layers:
        if isinstance(layer, layers.Bidirectional):
            _quicken_recurrent(layer.forward_layer)
            _quicken_recurrent(layer.backward_layer)
        else:
            _quicken_recurrent(layer)


def _quicken_recurrent(layer: Any) -> None:
    from keras import layers

    if isinstance(layer, layers.LSTM | layers.GRU) and _suits(layer):
        keras_loop = layer.inner_loop

        def inner_loop(sequences: Tensor, initial_state: Any, mask: Tensor | None, training: bool = False) -> Any:
            if mask is not None:
                return keras_loop(sequences, initial_state, mask, training)
            return _recurrent(layer, sequences, initial_state)

        layer.inner_loop = inner_loop


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
