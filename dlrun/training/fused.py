"""Keras optimizers whose step is one operation of TensorFlow for each variable.

The formulas are Keras's own, and so is all the rest: the state's variables and their names, clipping, weight decay,
schedules. But Keras's Adam is a dozen operations one after the other, and as a plain graph each of them reads and
writes as much memory as the variable takes. XLA fuses them anyway, and is as fast with either form.
"""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def fused(kind: type) -> type:
    """The fused form of one of Keras's optimizers, under the same name; the class itself where there is none.

    RMSprop without momentum and Adagrad have no operation with Keras's formula.
    """
    import keras

    steps = {keras.optimizers.Adam: _adam_step, keras.optimizers.AdamW: _adam_step, keras.optimizers.SGD: _sgd_step}
    return type(kind.__name__, (kind,), {"update_step": steps[kind], "__module__": __name__}) if kind in steps else kind


def _adam_step(self: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
    """`keras.optimizers.Adam.update_step`."""
    import keras
    import tensorflow as tf

    if self.amsgrad:
        keras.optimizers.Adam.update_step(self, gradient, variable, learning_rate)
        return
    index = self._get_variable_index(variable)
    beta_1, beta_2 = tf.constant(self.beta_1, variable.dtype), tf.constant(self.beta_2, variable.dtype)
    step = tf.cast(self.iterations + 1, variable.dtype)
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=self._momentums[index].value.handle,
        v=self._velocities[index].value.handle,
        beta1_power=tf.pow(beta_1, step),
        beta2_power=tf.pow(beta_2, step),
        lr=tf.cast(learning_rate, variable.dtype),
        beta1=beta_1,
        beta2=beta_2,
        epsilon=tf.constant(self.epsilon, variable.dtype),
        grad=_dense(gradient, variable),
    )


def _sgd_step(self: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
    """`keras.optimizers.SGD.update_step`."""
    import tensorflow as tf

    rate, gradient = tf.cast(learning_rate, variable.dtype), _dense(gradient, variable)
    if not self.momentum:
        tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=gradient)
        return
    tf.raw_ops.ResourceApplyKerasMomentum(
        var=variable.handle,
        accum=self.momentums[self._get_variable_index(variable)].value.handle,
        lr=rate,
        grad=gradient,
        momentum=tf.constant(self.momentum, variable.dtype),
        use_nesterov=self.nesterov,
    )


def _dense(gradient: Any, variable: Any) -> Any:
    """The gradient in the variable's dtype; the rows of an embedding become a whole one, as they do in Keras."""
    import tensorflow as tf

    return tf.cast(tf.convert_to_tensor(gradient), variable.dtype)
