"""What a network's outputs mean: logits as probabilities, and numbers as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from dlrun.data.signature import Output
from dlrun.training.losses import Loss

if TYPE_CHECKING:
    import numpy as np

BLOCK = 1 << 16
"""Examples whose outputs are made probabilities at once: bounds the memory, not the result."""


def scores(outputs: np.ndarray, output: Output, loss: Loss) -> np.ndarray:
    """What the network's outputs mean: class probabilities (n, classes), or the numbers themselves.

    Args:
        outputs: (n, …), logits for classes and for a reconstruction under binary cross-entropy.
    """
    import numpy as np

    if output.is_classification:
        return cast("np.ndarray", Probabilities(outputs))
    if loss.kind == "binary_crossentropy":
        return np.asarray((1 + np.tanh(outputs.astype(np.float64) / 2)) / 2)  # the sigmoid, without overflow
    return outputs


class Probabilities:
    """The probabilities of classes, (n, classes) float64, each made when it is looked at: of millions of examples the
    logits take a half of the room, of two classes an eighth.

    Rows are taken like those of an array, with or without one column (`[rows]`, `[rows, column]`), and
    `numpy.asarray` makes all.

    Args:
        logits: (n, classes), of two classes also (n, 1).
    """

    def __init__(self, logits: np.ndarray) -> None:
        self._logits = logits
        self.shape = len(logits), max(logits.shape[-1], 2)

    def __len__(self) -> int:
        return len(self._logits)

    def __getitem__(self, key: Any) -> np.ndarray:
        import numpy as np

        rows, *column = key if isinstance(key, tuple) else (key,)
        logits = self._logits[rows]
        found = np.empty((len(logits), *(() if column else self.shape[1:])))
        for start in range(0, len(logits), BLOCK):
            found[start : start + BLOCK] = _probabilities(logits[start : start + BLOCK])[:, *column]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype, copy=False)


def _probabilities(logits: np.ndarray) -> np.ndarray:
    """Logits (n, classes), of two classes also (n, 1), as probabilities (n, classes) in float64."""
    import numpy as np

    logits = logits.astype(np.float64)
    if logits.shape[-1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=-1)  # softmax([0, z]) is the sigmoid of z
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))
