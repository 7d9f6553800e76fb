"""Text: words, characters or pieces of words as token numbers, exactly as Keras's layers make them of the raw text.

Token 0 is padding, 1 an unknown token. Texts are worked on as UTF-8 bytes, as TensorFlow does: only the letters A to Z
are lower-cased, only ASCII punctuation is stripped, and words are parted at ASCII white space.
"""

from __future__ import annotations

import collections
import importlib.util
import pathlib
import string
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field

from dlrun.data.columns import Column
from dlrun.data.features import subword
from dlrun.data.features.values import Fault, missing_fault
from dlrun.data.signature import Input
from dlrun.data.vectors import VectorsField
from dlrun.errors import DataError
from dlrun.models.encoders import Encoder
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np
    from keras import KerasTensor

UNKNOWN = "[UNK]"
"""How Keras calls an unknown token; a word of that very name is unknown too."""

PUNCTUATION = string.punctuation.encode()


class Text(Spec):
    """A text, as a sequence of words, characters or pieces of words."""

    kind: Literal["text"]
    """A text."""
    vocabulary_size: Annotated[int, Field(ge=3)] = 10_000
    """How many different tokens there are at most: padding, unknown, and the most frequent ones of the train rows."""
    sequence_length: Annotated[int, Field(ge=1)] = 100
    """How many tokens of a text enter the network; shorter texts are padded, longer ones cut."""
    tokens: Literal["word", "character", "subword"] = "word"
    """What a token is. subword: a piece of a word, so that hardly any word is unknown; the pieces are learned from the
    train rows by byte-pair encoding, which needs the extra dlrun[subword]."""
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
    vectors: VectorsField | None = None
    """Vectors of others that the embedding of the tokens begins with: {path: glove.txt, trainable: false}."""
    encoder: Encoder | None = None
    """What reads this input in a combined architecture: an architecture, its last dense layers
    included. Left out: an lstm."""

    def takes(self, column: Column) -> bool:
        """Whether a column of that kind can be read so."""
        return column.kind in ("text", "category", "unknown") and column.shape == ()

    def check(self) -> Iterator[Problem]:
        """What is missing for it."""
        if self.tokens == "subword" and importlib.util.find_spec("tokenizers") is None:
            yield Problem(
                ("tokens",), "subword needs the package tokenizers, which is not installed", hint=subword.INSTALL
            )
        if self.tokens == "subword" and self.vectors is not None:
            yield Problem(
                ("vectors",),
                "vectors of others are for words, and the pieces are learned from these texts",
                expected="tokens: word",
                received="tokens: subword",
                hint="write `tokens: word`, or take vectors out",
                at="key",
            )

    def resolve(self, base: pathlib.Path) -> Self:
        """The same with nothing left out.

        Raises:
            DataError: the vectors cannot be read.
        """
        return self if self.vectors is None else self.model_copy(update={"vectors": self.vectors.resolve(base)})

    def input(self, name: str, column: Column) -> Input | None:
        """The network's input; the vocabulary is at its upper limit until the data is read."""
        return self.tokens_input(name, self.vocabulary_size)

    def tokens_input(self, name: str, vocabulary_size: int) -> Input:
        """The network's input for a vocabulary of that size."""
        size, trainable = (None, True) if self.vectors is None else (self.vectors.size, self.vectors.trainable)
        return Input(name, "tokens", (self.sequence_length,), vocabulary_size, size, trainable)

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
            MissingExtraError: pieces of words are wanted, and what learns them is not installed.
        """
        texts, most = (self.split(text) for text in values.tolist()), self.vocabulary_size - 2
        vocabulary = subword.learn_pieces(texts, most) if self.tokens == "subword" else _frequent(texts, most)
        if not vocabulary:
            raise DataError(
                "not one text of the train rows has a token in it",
                hint="strip_punctuation: false keeps punctuation",
            )
        return FittedText(kind="text", spec=self, vocabulary=vocabulary)

    def split(self, text: str | None) -> list[str]:
        """The words or characters of one text."""
        data = (text or "").encode("utf-8", errors="replace")
        if self.lowercase:
            data = data.lower()
        if self.strip_punctuation:
            data = data.translate(None, PUNCTUATION)
        if self.tokens == "character":
            return list(data.decode())
        return [word.decode() for word in data.split()]


def _frequent(texts: Iterable[Sequence[str]], most: int) -> tuple[str, ...]:
    """The most frequent tokens, those that are as frequent alphabetically."""
    counts = collections.Counter(token for tokens in texts for token in tokens)
    counts.pop(UNKNOWN, None)
    return tuple(sorted(counts, key=lambda token: (-counts[token], token))[:most])


class FittedText(Spec):
    """The state of a `Text` after it has seen the train rows."""

    kind: Literal["text"]
    """Which feature this is the state of."""
    spec: Text
    """How texts are parted into tokens, padded and cut."""
    vocabulary: tuple[str, ...]
    """The known tokens; the first has number 2."""

    def input(self, name: str) -> Input:
        return self.spec.tokens_input(name, 2 + len(self.vocabulary))

    def faults(self, values: np.ndarray) -> list[Fault]:
        """What keeps the values from being encoded."""
        return self.spec.faults(values)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """(rows,) to int32 (rows, sequence_length)."""
        import numpy as np

        length = self.spec.sequence_length
        numbers_of = self._numbers()
        encoded = np.zeros((len(values), length), np.int32)
        for row, text in zip(encoded, values.tolist(), strict=True):
            numbers = numbers_of(self.spec.split(text))
            kept = numbers[:length] if self.spec.truncation == "post" else numbers[-length:]
            start = length - len(kept) if self.spec.padding == "pre" else 0
            row[start : start + len(kept)] = kept
        return encoded

    def _numbers(self) -> Callable[[list[str]], list[int]]:
        """From the words or characters of a text to the numbers of its tokens."""
        if self.spec.tokens == "subword":
            return subword.Pieces(self.vocabulary).numbers
        index = {token: number for number, token in enumerate(self.vocabulary, 2)}
        return lambda tokens: [index.get(token, 1) for token in tokens]

    def raw_input(self, name: str) -> KerasTensor:
        import keras

        return keras.Input((1,), name=name, dtype="string")

    def preprocess(self, raw: KerasTensor) -> KerasTensor:
        """The tokens padded behind; the window of `sequence_length` that is wanted is then read out of them, with zeros
        put on both sides."""
        import numpy as np
        from keras import ops

        length, tokens = self.spec.sequence_length, self._token_tensor(raw)  # (batch, longest)
        count = ops.sum(ops.cast(ops.not_equal(tokens, 0), "int32"), axis=1, keepdims=True)  # (batch, 1)
        shift = ops.zeros_like(count)
        if self.spec.truncation == "pre":
            shift = ops.add(shift, ops.maximum(ops.subtract(count, length), 0))
        if self.spec.padding == "pre":
            shift = ops.subtract(shift, ops.maximum(ops.subtract(length, count), 0))
        padded = ops.pad(tokens, [[0, 0], [length, length]])
        positions = ops.add(shift, np.arange(length, 2 * length, dtype=np.int32)[None])  # (batch, length)
        return ops.take_along_axis(padded, positions, axis=1)

    def _token_tensor(self, raw: KerasTensor) -> KerasTensor:
        """The numbers of the tokens, int32 (batch, longest): all of them, or those that are wanted."""
        import keras

        if self.spec.tokens == "subword":
            is_end = self.spec.truncation == "pre"
            length = self.spec.sequence_length
            return subword.piece_tensor(raw, self.vocabulary, self._standardize(), length, last=is_end)
        vectorize = keras.layers.TextVectorization(
            standardize=self._standardize(),
            split="whitespace" if self.spec.tokens == "word" else "character",
            vocabulary=list(self.vocabulary),
        )
        return keras.ops.cast(vectorize(raw), "int32")

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
