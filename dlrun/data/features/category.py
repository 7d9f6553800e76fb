"""Categories: one of a few values, or of many that share buckets, as a one-hot vector, an index for an embedding, or
what the target is like where they stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from dlrun.data.columns import Column
from dlrun.data.features.siphash import siphash
from dlrun.data.features.target_encoding import Smoothing
from dlrun.data.features.values import Fault, as_text
from dlrun.data.signature import Input
from dlrun.models.encoders import Encoder
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np
    from keras import KerasTensor

UNKNOWN = "[UNK]"
"""How Keras's StringLookup calls what it does not know; a value of that very name is unknown too."""

Encoding = Literal["one_hot", "embedding", "target"]

DEFAULT_SMOOTHING = 10.0

SALT = (0x6F64656C7275, 0x6275636B657473)
"""The key of the hash; another one would deal values into other buckets, and old models would be wrong."""


class FittedCategory(Spec):
    """The state of a `Category` after it has seen the train rows. Index 0 is for unknown and missing values,
    and an empty text is a missing one; with target encoding it is a value like others, where train rows miss one."""

    kind: Literal["category"]
    """Which feature this is the state of."""
    encoding: Encoding
    """How a value enters the network."""
    categories: tuple[str, ...]
    """The known values as text; the first has index 1."""
    buckets: int | None = None
    """Into how many buckets values are dealt instead, by their hash; the first has index 1."""
    embedding_size: int | None = None
    """Size of the embedding, where the feature says it."""
    has_unknown: bool = True
    """Whether train rows had values that count as unknown, without which a network learns nothing of such; true where
    that is not known."""
    means: dict[str, tuple[float, ...]] | None = None
    """With target encoding: what each index becomes, for each number that it becomes; in standard deviations of what
    is predicted from its mean over the train rows."""

    @property
    def count(self) -> int:
        """How many indexes there are but 0."""
        return self.buckets or len(self.categories)

    def input(self, name: str) -> Input:
        if self.means is not None:
            return Input(name, "vector", (len(self.means),))
        return _input(name, self.encoding, self.count, self.embedding_size)

    def names(self, name: str) -> tuple[str, ...]:
        """What each number of the encoded vector is called."""
        if self.means is not None:
            return tuple(f"{name}: {mean}" for mean in self.means)
        values = self.categories if self.buckets is None else [f"bucket {index + 1}" for index in range(self.buckets)]
        return (f"{name}=?", *(f"{name}={value}" for value in values))

    def faults(self, values: np.ndarray) -> list[Fault]:
        """What keeps the values from being encoded; unknown ones do not."""
        return _faults(values)

    def unknown(self, values: np.ndarray) -> list[str]:
        """The values that have no index of their own, each as often as it stands there; missing ones are not among
        them."""
        if self.buckets is not None:
            return []
        known = frozenset(self.categories)
        return [text for text in as_text(values) if text and text not in known]

    def encode(self, values: np.ndarray) -> np.ndarray:
        """(rows,) to float32 (rows, 1 + count), or (rows, means); or, for an embedding, to int32 (rows,)."""
        import numpy as np

        indexes = self.indexes(values)
        if self.encoding == "embedding":
            return indexes
        if self.means is not None:
            return np.asarray(self._mean_table()[indexes])
        encoded = np.zeros((len(indexes), 1 + self.count), np.float32)
        encoded[np.arange(len(indexes)), indexes] = 1
        return encoded

    def indexes(self, values: np.ndarray) -> np.ndarray:
        """The index of each value, int32 (rows,)."""
        import numpy as np

        texts = [text or "" for text in as_text(values)]
        if self.buckets is None:
            index = {category: position for position, category in enumerate(self.categories, 1)}
            return np.array([index.get(text, 0) for text in texts], np.int32)
        hashes = siphash([text.encode("utf-8", "replace") for text in texts], SALT)
        indexes = (hashes % np.uint64(self.buckets)).astype(np.int32) + 1
        indexes[[not text for text in texts]] = 0
        return indexes

    def _mean_table(self) -> np.ndarray:
        """float32 (1 + count, means)."""
        import numpy as np

        return np.array([*(self.means or {}).values()], np.float32).T

    def raw_input(self, name: str) -> KerasTensor:
        import keras

        return keras.Input((1,), name=name, dtype="string")

    def preprocess(self, raw: KerasTensor) -> KerasTensor:
        import keras

        if self.buckets is None:
            lookup = keras.layers.StringLookup(vocabulary=list(self.categories), num_oov_indices=1, oov_token=UNKNOWN)
        else:
            lookup = keras.layers.Hashing(1 + self.buckets, mask_value="", salt=list(SALT))
        indexes = keras.ops.squeeze(keras.ops.cast(lookup(raw), "int32"), axis=-1)
        if self.encoding == "embedding":
            return indexes
        if self.means is not None:
            return keras.ops.take(self._mean_table(), indexes, axis=0)
        return keras.ops.one_hot(indexes, 1 + self.count, dtype="float32")


class Category(Spec):
    """One of a few values: text, whole numbers or truth values."""

    kind: Literal["category"]
    """One of a few values."""
    encoding: Encoding = "one_hot"
    """one_hot: a vector with a 1 at the value's place, its first place for unknown values; embedding: a learned vector
    for each value; target: the mean of the target over the train rows that have the value (of classes the share of
    each, of two that of the second), a missing value being one too. A train row is shown a mean in which neither it nor
    the others of its fold, of 5, have a part."""
    embedding_size: Annotated[int, Field(ge=1)] | None = None
    """With `encoding: embedding`, how many numbers a value's vector has. Left out: as the architecture's
    `embedding_size` says for categories, or else min(50, (categories + 1) / 2)."""
    smoothing: Smoothing = DEFAULT_SMOOTHING
    """With `encoding: target`, how many rows with the mean of all train rows are added to those of each value, so that
    few rows do not say much; auto: by how much the target varies among the rows of a value (empirical Bayes)."""
    min_count: Annotated[int, Field(ge=1)] = 1
    """A value that stands in fewer train rows than this counts as unknown."""
    buckets: Annotated[int, Field(ge=2, le=1_000_000)] | None = None
    """For a column of very many values: into how many buckets they are dealt by their hash (SipHash-2-4), so that none
    is unknown and some share a bucket. Left out: each value of the train rows is told apart."""
    encoder: Encoder | None = None
    """What reads this input in a combined architecture: an ann. Left out: the embedding alone; a one-hot
    vector shares one input with all numbers."""

    def takes(self, column: Column) -> bool:
        """Whether a column of that kind can be read so."""
        return column.kind in ("category", "text", "number", "unknown") and column.shape == ()

    def check(self) -> Iterator[Problem]:
        """Fields that contradict one another."""
        if self.buckets is not None and self.min_count > 1:
            yield Problem(
                ("min_count",),
                "values that are dealt into buckets are not counted",
                expected="buckets or min_count",
                received="both",
                hint="take one of them out",
                at="key",
            )
        if self.encoding != "embedding" and self.embedding_size is not None:
            yield Problem(
                ("embedding_size",),
                "only an embedding has a size of its own",
                expected="encoding: embedding",
                received=f"encoding: {self.encoding}",
                hint="write `encoding: embedding`, or take embedding_size out",
                at="key",
            )
        if self.encoding != "target" and self.smoothing != DEFAULT_SMOOTHING:
            yield Problem(
                ("smoothing",),
                "only the means of target encoding are smoothed",
                expected="encoding: target",
                received=f"encoding: {self.encoding}",
                hint="write `encoding: target`, or take smoothing out",
                at="key",
            )
        if self.encoding == "target" and self.encoder is not None:
            yield Problem(
                ("encoder",),
                "target encoding makes numbers of the values, which need no encoder: they share one input with others",
                expected="encoding: target or an encoder",
                received="both",
                hint="take the encoder out, or write `encoding: embedding`",
                at="key",
            )

    def input(self, name: str, column: Column) -> Input | None:
        """The network's input as far as it is known without the data."""
        if self.encoding == "target":
            return None
        if self.buckets is not None:
            return _input(name, self.encoding, self.buckets, self.embedding_size)
        count = len(column.classes) if isinstance(column.classes, tuple) else column.classes
        if count is None or self.min_count > 1:
            return None
        return _input(name, self.encoding, count, self.embedding_size)

    def faults(self, values: np.ndarray) -> list[Fault]:
        """What keeps the values from being read so."""
        return _faults(values)

    def fit(self, values: np.ndarray, column: Column) -> FittedCategory:
        """Learns from the values of the train rows, (rows,); the means of target encoding come later, from their
        targets too."""
        import collections

        size = self.embedding_size
        if self.buckets is not None:
            return FittedCategory(
                kind="category", encoding=self.encoding, categories=(), buckets=self.buckets, embedding_size=size
            )
        counts = collections.Counter(text or "" for text in as_text(values) if text != UNKNOWN)
        missing = counts.pop("", 0)
        categories = sort_texts([text for text, count in counts.items() if count >= self.min_count])
        if self.encoding == "target" and missing >= self.min_count:
            categories = ["", *categories]
        return FittedCategory(
            kind="category",
            encoding=self.encoding,
            categories=tuple(categories),
            embedding_size=size,
            has_unknown=sum(counts.get(each, missing) for each in categories) < len(values),
        )


def _faults(values: np.ndarray) -> list[Fault]:
    return [] if values.ndim == 1 else [Fault("not one value a row")]


def _input(name: str, encoding: str, count: int, embedding_size: int | None) -> Input:
    if encoding == "embedding":
        return Input(name, "index", (), vocabulary_size=1 + count, embedding_size=embedding_size)
    return Input(name, "vector", (1 + count,))


def sort_texts(texts: list[str]) -> list[str]:
    """Sorted: by value where all are whole numbers, else as text."""
    try:
        return sorted(texts, key=lambda text: (int(text), text))
    except ValueError:
        return sorted(texts)
