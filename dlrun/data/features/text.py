"""Text: words or characters as token numbers, exactly as keras.layers.TextVectorization makes them.

Token 0 is padding, 1 an unknown token. Texts are worked on as UTF-8 bytes, as TensorFlow does: only the letters A to Z
are lower-cased, only ASCII punctuation is stripped, and words are parted at ASCII white space.
"""

from __future__ import annotations

import collections
import string
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from dlrun.data.columns import Column
from dlrun.data.features.values import Fault, missing_fault
from dlrun.data.signature import Input
from dlrun.errors import DataError
from dlrun.models.encoders import Encoder
from dlrun.spec.base import Spec

if TYPE_CHECKING:
    import numpy as np
    from keras import KerasTensor

UNKNOWN = "[UNK]"
"""How Keras calls an unknown token; a word of that very name is unknown too."""

PUNCTUATION = string.punctuation.encode()


class Text(Spec):
    """A text, as a sequence of words or characters."""

    kind: Literal["text"]
    """A text."""
    vocabulary_size: Annotated[int, Field(ge=3)] = 10_000
    """How many different tokens there are at most: padding, unknown, and the most frequent ones of the train rows."""
    sequence_length: Annotated[int, Field(ge=1)] = 100
    """How many tokens of a text enter the network; shorter texts are padded, longer ones cut."""
    tokens: Literal["word", "character"] = "word"
    """What a token is."""
    lowercase: bool = True
    """Whether the letters A to Z are lower-cased."""
    strip_punctuation: bool = True
    """Whether ASCII punctuation is taken out."""
    padding: Literal["pre", "post"] = "pre"
    """On which side a short text is padded."""
    truncation: Literal["pre", "post"] = "post"
    """On which side a long text is cut: pre keeps its end, post its start."""
    missing: Literal["error", "empty"] = "error"
    """What a missing text is: refused, or a text without words."""
    encoder: Encoder | None = None
    """What reads this input in a combined architecture: an architecture, its last dense layers
    included. Left out: an lstm."""

    def takes(self, column: Column) -> bool:
        """Whether a column of that kind can be read so."""
        return column.kind in ("text", "category", "unknown") and column.shape == ()

    def input(self, name: str, column: Column) -> Input | None:
        """The network's input; the vocabulary is at its upper limit until the data is read."""
        return Input(name, "tokens", (self.sequence_length,), vocabulary_size=self.vocabulary_size)

    def faults(self, values: np.ndarray) -> list[Fault]:
        """What keeps the values from being read so."""
        if values.dtype != object or values.ndim != 1:
            return [Fault("no text")]
        if self.missing == "empty":
            return []
        what = "missing (missing: empty in the feature would take it for a text without words)"
        return [Fault(what, fault.positions) for fault in missing_fault(values)]

    def fit(self, values: np.ndarray, column: Column) -> FittedText:
        """Learns the vocabulary from the texts of the train rows, (rows,): by frequency, then alphabetically.

        Raises:
            DataError: no text has any token.
        """
        counts = collections.Counter[str]()
        for text in values.tolist():
            counts.update(self.split(text))
        counts.pop(UNKNOWN, None)
        if not counts:
            raise DataError(
                "not one text of the train rows has a token in it",
                hint="strip_punctuation: false keeps punctuation",
            )
        ranked = sorted(counts, key=lambda token: (-counts[token], token))
        return FittedText(kind="text", spec=self, vocabulary=tuple(ranked[: self.vocabulary_size - 2]))

    def split(self, text: str | None) -> list[str]:
        """The tokens of one text."""
        data = (text or "").encode("utf-8", errors="replace")
        if self.lowercase:
            data = data.lower()
        if self.strip_punctuation:
            data = data.translate(None, PUNCTUATION)
        if self.tokens == "character":
            return list(data.decode())
        return [word.decode() for word in data.split()]


class FittedText(Spec):
    """The state of a `Text` after it has seen the train rows."""

    kind: Literal["text"]
    """Which feature this is the state of."""
    spec: Text
    """How texts are parted into tokens, padded and cut."""
    vocabulary: tuple[str, ...]
    """The known tokens; the first has number 2."""

    def input(self, name: str) -> Input:
        return Input(name, "tokens", (self.spec.sequence_length,), vocabulary_size=2 + len(self.vocabulary))

    def faults(self, values: np.ndarray) -> list[Fault]:
        """What keeps the values from being encoded."""
        return self.spec.faults(values)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """(rows,) to int32 (rows, sequence_length)."""
        import numpy as np

        length = self.spec.sequence_length
        index = {token: number for number, token in enumerate(self.vocabulary, 2)}
        encoded = np.zeros((len(values), length), np.int32)
        for row, text in zip(encoded, values.tolist(), strict=True):
            numbers = [index.get(token, 1) for token in self.spec.split(text)]
            kept = numbers[:length] if self.spec.truncation == "post" else numbers[-length:]
            start = length - len(kept) if self.spec.padding == "pre" else 0
            row[start : start + len(kept)] = kept
        return encoded

    def raw_input(self, name: str) -> KerasTensor:
        import keras

        return keras.Input((1,), name=name, dtype="string")

    def preprocess(self, raw: KerasTensor) -> KerasTensor:
        """TextVectorization gives the tokens padded behind to the longest text of the batch; the window of
        `sequence_length` that is wanted is then read out of them, with zeros put on both sides."""
        import keras
        import numpy as np
        from keras import ops

        length = self.spec.sequence_length
        vectorize = keras.layers.TextVectorization(
            standardize=self._standardize(),
            split="whitespace" if self.spec.tokens == "word" else "character",
            vocabulary=list(self.vocabulary),
        )
        tokens = ops.cast(vectorize(raw), "int32")  # (batch, longest)
        count = ops.sum(ops.cast(ops.not_equal(tokens, 0), "int32"), axis=1, keepdims=True)  # (batch, 1)
        shift = ops.zeros_like(count)
        if self.spec.truncation == "pre":
            shift = ops.add(shift, ops.maximum(ops.subtract(count, length), 0))
        if self.spec.padding == "pre":
            shift = ops.subtract(shift, ops.maximum(ops.subtract(length, count), 0))
        padded = ops.pad(tokens, [[0, 0], [length, length]])
        positions = ops.add(shift, np.arange(length, 2 * length, dtype=np.int32)[None])  # (batch, length)
        return ops.take_along_axis(padded, positions, axis=1)

    def _standardize(self) -> str | None:
        match self.spec.lowercase, self.spec.strip_punctuation:
            case True, True:
                return "lower_and_strip_punctuation"
            case True, False:
                return "lower"
            case False, True:
                return "strip_punctuation"
            case _:
                return None
