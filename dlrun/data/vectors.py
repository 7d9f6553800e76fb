"""Vectors of tokens that others have trained, in the text format of GloVe and word2vec."""

from __future__ import annotations

import codecs
import pathlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Annotated, Any, Self

from pydantic import BeforeValidator, Field

from dlrun.errors import DataError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np

LONGEST = 1 << 20
"""Bytes of a line, at most."""

FORMAT = "each line is a token and its numbers, with spaces between, as in GloVe and in the text format of word2vec"


class Vectors(Spec):
    """Vectors of tokens, from a file; where there are many, only those of the vocabulary are kept."""

    path: Annotated[str, Field(min_length=1)]
    """The file, plain or packed (.gz, .bz2, .xz, .zst): on each line a token and its numbers, as GloVe and word2vec
    write them, with or without a first line that counts them. A relative path is relative to the spec file."""
    trainable: bool = True
    """Whether training goes on with them; false: they stay as they are."""
    size: Annotated[int, Field(ge=1)] | None = None
    """How many numbers a vector has. Left out: as the file says."""

    def check(self, base: pathlib.Path) -> Iterator[Problem]:
        """What is wrong with the file, as far as its beginning shows it."""
        from dlrun.data.sources.files import locate, near_file  # the sources themselves look at features

        path = locate(base, self.path)
        if not path.is_file():
            yield Problem(("path",), f"there is no file {path}", received=self.path, hint=near_file(path))
            return
        try:
            size = vector_size(path)
        except DataError as error:
            yield Problem(("path",), error.message, received=self.path, hint=error.hint)
            return
        if self.size not in (None, size):
            yield Problem(
                ("size",),
                f"the vectors of {path.name} have another size",
                expected=str(size),
                received=str(self.size),
                hint="leave it out",
            )

    def resolve(self, base: pathlib.Path) -> Self:
        """The same with nothing left out, and an absolute path.

        Raises:
            DataError: the size is not stated, and the file cannot be read.
        """
        from dlrun.data.sources.files import locate

        path = locate(base, self.path)
        return self.model_copy(update={"path": str(path), "size": self.size or vector_size(path)})


def _by_path(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


VectorsField = Annotated[Vectors, BeforeValidator(_by_path, json_schema_input_type=str | Vectors)]
"""`glove.txt`, or `{path: glove.txt, trainable: false}`."""


@dataclass(frozen=True)
class Found:
    """What a file has of a vocabulary.

    Args:
        rows: the vectors, float32 (tokens, size); zeros where there is none.
        known: true where there is one, (tokens,).
    """

    rows: np.ndarray
    known: np.ndarray


def vector_size(path: pathlib.Path) -> int:
    """How many numbers each vector of a file has, by its first line.

    Raises:
        DataError: the file cannot be read, or is none of vectors.
    """
    from dlrun.data.sources.files import opened

    with opened(path) as stream:
        header, line = _begin(stream, path)
    return header[1] if header else len(line.split()) - 1


def read_vectors(path: pathlib.Path, tokens: Sequence[str], size: int) -> Found:
    """The vectors of the given tokens; of one that stands there twice, the first. Nothing else is kept in memory.

    Args:
        size: how many numbers each has.

    Raises:
        DataError: the file cannot be read, a line of it is damaged, which is named, or it ends too early.
    """
    import numpy as np

    from dlrun.data.sources.files import opened

    places = {token.encode("utf-8", "replace"): place for place, token in enumerate(tokens)}
    rows, known = np.zeros((len(tokens), size), np.float32), np.zeros(len(tokens), bool)
    with opened(path) as stream:
        header, line = _begin(stream, path)
        number, count = 1 + (header is not None), 0
        while line:
            if text := line.strip():
                token, values = _parted(text, size, path, number)
                place = places.get(token)
                if place is not None and not known[place]:
                    rows[place], known[place] = _numbers(values, path, number), True
                count += 1
            line, number = _line(stream, path, number + 1), number + 1
    if header and count != header[0]:
        raise DataError(
            f"{path} says in its first line that it holds {header[0]:,} vectors, but it holds {count:,}",
            hint="it may be cut off: fetch it again",
        )
    return Found(rows, known)


def _begin(stream: IO[bytes], path: pathlib.Path) -> tuple[tuple[int, int] | None, bytes]:
    """What the first line counts, (vectors, size), where it does so, and the first line with a vector."""
    line = _line(stream, path, 1).removeprefix(codecs.BOM_UTF8)
    words = line.split()
    header = (int(words[0]), int(words[1])) if len(words) == 2 and all(word.isdigit() for word in words) else None
    if header:
        line = _line(stream, path, 2)
        words = line.split()
    size = header[1] if header else len(words) - 1
    if size < 1 or len(words) < 2:
        raise DataError(f"{path} holds no vectors", hint=FORMAT)
    if header:
        _parted(line.strip(), size, path, 2)
    _numbers(b" ".join(words[-min(size, len(words) - 1) :]), path, 1 + (header is not None))
    return header, line


def _line(stream: IO[bytes], path: pathlib.Path, number: int) -> bytes:
    line = stream.readline(LONGEST)
    if len(line) == LONGEST:
        raise DataError(f"{path}: line {number:,} is longer than {LONGEST:,} bytes: it holds no vectors", hint=FORMAT)
    return line


def _parted(text: bytes, size: int, path: pathlib.Path, number: int) -> tuple[bytes, bytes]:
    """A token, in which there may be spaces, and its numbers."""
    spaces = text.count(b" ")
    if spaces < size:
        raise DataError(
            f"{path}: line {number:,} is damaged: it has {spaces} numbers, where others have {size}", hint=FORMAT
        )
    if spaces == size:
        token, _, values = text.partition(b" ")
        return token, values
    token, *rest = text.rsplit(b" ", size)
    return token, b" ".join(rest)


def _numbers(values: bytes, path: pathlib.Path, number: int) -> np.ndarray:
    import numpy as np

    try:
        numbers = np.array([float(value) for value in values.split(b" ")], np.float32)
    except ValueError:
        numbers = np.array([np.nan], np.float32)
    if not np.isfinite(numbers).all():
        raise DataError(f"{path}: line {number:,} is damaged: it has something else than numbers", hint=FORMAT)
    return numbers
