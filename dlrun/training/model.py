"""What is done with a Keras model besides training it: outputs for many examples, weights out and in, export."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from dlrun.data.fitted_target import FittedNumbers
from dlrun.data.preparation import Preparation
from dlrun.errors import RunError
from dlrun.models.quick import quick_layers
from dlrun.training.supply import tensor

if TYPE_CHECKING:
    import numpy as np

BATCH_SIZE = 512
"""Examples that go through the network at once where nothing else is said."""


class Forward:
    """A model in evaluation mode, compiled once for batches of any size.

    A batch that does not fit in memory is halved until it does, with a warning.

    Args:
        model: the Keras model, its inputs by name.
        batch_size: how many examples go through at once; changes speed and memory, not the result.
    """

    def __init__(self, model: Any, batch_size: int | None = None) -> None:
        import tensorflow as tf

        self.batch_size = batch_size or BATCH_SIZE
        """Smaller than it was after it did not fit."""
        self.note: str | None = None
        """What is to be said of it then."""
        self._model = model
        shapes = {each.name: tf.TensorSpec((None, *each.shape[1:]), each.dtype, each.name) for each in model.inputs}
        self._run = tf.function(self._forward, input_signature=[shapes], autograph=False)

    def __call__(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """The outputs of a network with one target for all examples: (n, …) each by name to (n, …) in float32.

        Raises:
            OutOfMemoryError: not even one example fits in memory.
        """
        return self.each(inputs)[0]

    def each(self, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The network's outputs for all examples, for each target (n, …) in float32.

        Raises:
            OutOfMemoryError: not even one example fits in memory.
        """
        import numpy as np

        from dlrun.training.memory import fits

        count, asked = len(next(iter(inputs.values()))), self.batch_size
        while self.batch_size > 1 and not fits(self._model, min(self.batch_size, count), training=False):
            self.batch_size //= 2
        found: list[np.ndarray] = []
        start = 0
        while start < count:
            part = self._outputs({name: values[start : start + self.batch_size] for name, values in inputs.items()})
            if part is None:
                continue
            found = found or [np.empty((count, *each.shape[1:]), np.float32) for each in part]
            for whole, each in zip(found, part, strict=True):
                whole[start : start + len(each)] = each
            start += len(part[0])
        if self.batch_size < asked:
            self.note = f"{asked} examples at once did not fit in memory: went on with {self.batch_size} "
            self.note += f"(write `evaluation.batch_size: {self.batch_size}`)"
            warnings.warn(self.note, RuntimeWarning, stacklevel=2)
        return found

    def _forward(self, batch: dict[str, Any]) -> Any:
        with quick_layers(self._model, xla=False):
            outputs = self._model(batch, training=False)
        return outputs if isinstance(outputs, list) else [outputs]

    def _outputs(self, batch: dict[str, np.ndarray]) -> list[np.ndarray] | None:
        """Those of one batch; None where it did not fit, after which the batches are smaller."""
        import tensorflow as tf

        from dlrun.training.memory import is_out_of_memory, out_of_memory

        try:
            found = self._run({name: tensor(values) for name, values in batch.items()})
            outputs: list[np.ndarray] = [each.numpy() for each in found]
        except (MemoryError, tf.errors.OpError) as error:
            if not is_out_of_memory(error):
                raise
            examples = len(next(iter(batch.values())))
            if examples == 1:
                raise out_of_memory(error, self._model, 1, training=False) from None
            self.batch_size = examples // 2
            return None
        return outputs


def weights(model: Any) -> dict[str, np.ndarray]:
    """All weights by path, batch normalization's moving statistics included."""
    return {variable.path: variable.value.numpy() for variable in model.weights}


def restore_weights(model: Any, saved: dict[str, np.ndarray]) -> None:
    """Puts saved weights into a model that was built from the same spec.

    Raises:
        RunError: if a name, a shape or a dtype differs; the first that does is named.
    """
    put(saved, {variable.path: variable for variable in model.weights})


def put(saved: dict[str, np.ndarray], variables: dict[str, Any]) -> None:
    """Puts saved arrays into the Keras variables of the same names.

    Raises:
        RunError: if a name, a shape or a dtype differs; the first that does is named. None is changed then.
    """
    import numpy as np

    for name in variables.keys() | saved.keys():
        if name not in saved:
            raise RunError(f"the saved weights have no {name}, which the model of the spec has")
        if name not in variables:
            raise RunError(f"the saved weights have {name}, which the model of the spec has not")
    for name, variable in variables.items():
        new = saved[name]
        if new.shape != tuple(variable.shape) or new.dtype != np.dtype(variable.dtype):
            raise RunError(
                f"the weight {name} is {new.dtype} {new.shape} in the run, and {variable.dtype} "
                f"{tuple(variable.shape)} in the model of its spec"
            )
    for name, variable in variables.items():
        variable.assign(saved[name])


def raw_model(model: Any, preparation: Preparation, *losses: str) -> Any:
    """The whole model for use from Keras alone: raw columns in, probabilities or numbers in units of the data out,
    of several targets by name.

    Args:
        model: the trained network.
        preparation: the fitted features and target.
        losses: the kind of loss of each target, which says whether a reconstruction comes in logits.
    """
    import keras

    raw = preparation.raw_inputs()
    # The same layers without what `compile` gave them: Keras would write down a loss and a metric that only dlrun has.
    several = bool(preparation.further)
    outputs = model.outputs if several else model.outputs[0]
    network = keras.Model({each.name: each for each in model.inputs}, outputs, name=model.name)
    y = network(preparation.preprocess(raw))
    if not several:
        return keras.Model(raw, _meaning(y, raw, preparation, losses[0]), name=model.name)
    parts = enumerate(zip(y, preparation.each, losses, strict=True), 1)
    found = {each.signature.output.name: _meaning(own, raw, each, loss, f"{n}_") for n, (own, each, loss) in parts}
    return keras.Model(raw, found, name=model.name)


def _meaning(y: Any, raw: Any, preparation: Preparation, loss: str, prefix: str = "") -> Any:
    """Probabilities, or numbers in units of the data, of the outputs of one target.

    Args:
        raw: the inputs by name, as the data has them.
        prefix: of the layer's name.
    """
    from keras import layers

    if preparation.signature.output.is_classification:
        activation = "sigmoid" if y.shape[-1] == 1 else "softmax"
        return layers.Activation(activation, dtype="float32", name=f"{prefix}probability")(y)
    if loss == "binary_crossentropy":
        return layers.Activation("sigmoid", dtype="float32", name=f"{prefix}reconstruction")(y)
    if isinstance(preparation.target, FittedNumbers):
        return preparation.restore_raw(y, raw)
    return y
