"""What of the vectors of others reaches a network before it is trained."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlrun.data.features import FittedText
from dlrun.data.signature import input_name
from dlrun.data.vectors import read_vectors
from dlrun.errors import DataError
from dlrun.seeds import generator

if TYPE_CHECKING:
    import numpy as np

    from dlrun.data.preparation import Preparation
    from dlrun.data.vectors import Found


@dataclass(frozen=True)
class Coverage:
    """How much of a vocabulary stands in a file of vectors.

    Args:
        column: the text's.
        file: the name of the file.
        tokens: how many there are, padding and unknown not counted.
        found: how many of them have a vector in the file.
        examples: some that have none, the most frequent.
    """

    column: str
    file: str
    tokens: int
    found: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        without = f"; without one: {', '.join(self.examples)}" if self.examples else ""
        share = f"{self.found:,} of {self.tokens:,} tokens ({self.found / self.tokens:.0%})"
        return f"{self.column}: {share} have a vector in {self.file}{without}"

    def tree(self) -> dict[str, Any]:
        """As data.json keeps it."""
        return {"file": self.file, "tokens": self.tokens, "found": self.found, "without": list(self.examples)}


def begin_with_vectors(model: Any, preparation: Preparation, seed: int) -> tuple[Coverage, ...]:
    """Puts the vectors that the spec names into the embeddings of a new model.

    Raises:
        DataError: a file cannot be read or is damaged, or has no token of the vocabulary.
    """
    from dlrun.models.pretrained import put_vectors

    inputs = {each.name: each for each in preparation.inputs}
    told: list[Coverage] = []
    for name, feature in preparation.features.items():
        if not isinstance(feature, FittedText) or feature.spec.vectors is None:
            continue
        entry, file = inputs[input_name(name)], pathlib.Path(feature.spec.vectors.path)
        found = read_vectors(file, feature.vocabulary, entry.vector_size or 0)
        if not found.known.any():
            raise DataError(
                f"{name}: {file} has a vector for none of its {len(feature.vocabulary):,} tokens, such as "
                f"{', '.join(feature.vocabulary[:5])}",
                hint="another language, or capitalised words? lowercase: false in the feature keeps capitals",
            )
        put_vectors(model, entry, first_rows(found, seed, name))
        without = [token for token, known in zip(feature.vocabulary, found.known, strict=True) if not known]
        told.append(Coverage(name, file.name, len(found.known), int(found.known.sum()), tuple(without[:5])))
    return tuple(told)


def first_rows(found: Found, seed: int, column: str) -> np.ndarray:
    """The first weights of an embedding, float32 (2 + tokens, size): zeros for padding; tokens without a vector get
    random ones of the mean and the spread of the others (as in Kim 2014, arXiv:1408.5882)."""
    import zlib

    import numpy as np

    known = found.rows[found.known]
    shape = (2 + len(found.rows), found.rows.shape[1])
    rows = generator(seed, "vectors", zlib.crc32(column.encode())).normal(known.mean(), known.std(), shape)
    rows[0] = 0
    rows[2:][found.known] = known
    return rows.astype(np.float32)
