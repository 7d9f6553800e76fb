"""Pieces of words: learned by byte-pair encoding, and found in a text greedily, the longest first.

A word is worked on with a space before it, so that a piece that begins a word differs from one within it. Sennrich et
al. 2016 (arXiv:1508.07909) for the pieces; the longest first as in WordPiece (Wu et al. 2016, arXiv:1609.08144), which
does as well as replaying the merges (Uzan et al. 2024, arXiv:2403.01289) and can be computed for all places at once.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from dlrun.errors import MissingExtraError

if TYPE_CHECKING:
    import numpy as np
    from keras import KerasTensor

LONGEST = 16
"""Characters of a piece, at most."""

WHITE_SPACE = " \t\n\r\x0b\x0c"
"""What parts words."""

MOST_DOUBLINGS = 24
"""The tokens of a text are counted up to two to this power."""

INSTALL = "pip install 'dlrun[subword]'"


def learn_pieces(texts: Iterable[Sequence[str]], size: int) -> tuple[str, ...]:
    """The `size` pieces of the train texts at most: characters, the most frequent first, then what they are joined to.

    Args:
        texts: each as its words, without white space in them.

    Raises:
        MissingExtraError: the package `tokenizers` is not installed.
    """
    try:
        from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
    except ImportError:
        raise MissingExtraError(
            "tokens: subword needs the package tokenizers, which is not installed", hint=INSTALL
        ) from None
    lines = ["\n".join(f" {word}" for word in words) for words in texts]
    counts = collections.Counter(character for line in lines for character in line)
    if not counts:
        return ()
    ranked = sorted(counts.keys() - {"\n"}, key=lambda character: (-counts[character], character))
    rare = str.maketrans(dict.fromkeys(ranked[max(1, size // 2) :], "\n"))  # no piece reaches across them
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("\n"), "removed")
    trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=2, max_token_length=LONGEST, show_progress=False)
    tokenizer.train_from_iterator((line.translate(rare) for line in lines), trainer)
    numbers = tokenizer.get_vocab()
    return tuple(sorted(numbers, key=lambda piece: numbers[piece]))


class Pieces:
    """Finds the pieces of words. The first of them has number 2; 1 is a character with which none begins.

    Args:
        vocabulary: the pieces.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._index = {piece: number for number, piece in enumerate(vocabulary, 2)}
        self._longest = max(map(len, vocabulary), default=1)
        self._known: dict[str, list[int]] = {}

    def numbers(self, words: Iterable[str]) -> list[int]:
        """The numbers of the pieces of one text, given as its words."""
        found: list[int] = []
        for word in words:
            if word not in self._known:
                self._known[word] = self._of_word(f" {word}")
            found += self._known[word]
        return found

    def _of_word(self, word: str) -> list[int]:
        numbers, start = [], 0
        while start < len(word):
            for end in range(min(len(word), start + self._longest), start, -1):
                if number := self._index.get(word[start:end]):
                    break
            numbers.append(number or 1)
            start = end
        return numbers


def piece_tensor(
    raw: KerasTensor, vocabulary: Sequence[str], standardize: str | None, length: int, *, last: bool
) -> KerasTensor:
    """The same for texts, string (batch, 1), of Keras's layers: the numbers of their first or last pieces,
    int32 (batch, length), with zeros behind.

    All characters are looked up in a trie at once, each as the beginning of a piece. Where the next piece begins then
    gives a pointer for each character; following a pointer twice, four times and so on (pointer jumping) finds the
    beginning of the piece of any number without a loop.
    """
    from keras import ops

    characters = _characters(raw, vocabulary, standardize)  # (batch, time), with zeros behind
    numbers, sizes = _longest_pieces(characters, vocabulary)
    place = ops.cumsum(ops.ones_like(numbers), axis=1) - 1
    end = ops.max(place, axis=1, keepdims=True)  # the last place is padding, where every way ends
    following = ops.minimum(place + sizes, end)
    kth = ops.cumsum(ops.ones((1, length), "int32"), axis=1) - 1 + ops.zeros_like(end)  # (batch, length)
    jumps = [following]
    if last:
        counts = ops.cast(ops.not_equal(numbers, 0), "int32")
        for _ in range(MOST_DOUBLINGS):
            counts = counts + ops.take_along_axis(counts, jumps[-1], axis=1)
            jumps.append(ops.take_along_axis(jumps[-1], jumps[-1], axis=1))
        kth = kth + ops.maximum(counts[:, :1] - length, 0)
    while not last and 2 ** len(jumps) < length:
        jumps.append(ops.take_along_axis(jumps[-1], jumps[-1], axis=1))
    found = ops.zeros_like(kth)
    for power, jump in enumerate(jumps):
        taken = ops.equal(ops.mod(ops.floor_divide(kth, 2**power), 2), 1)
        found = ops.where(taken, ops.take_along_axis(jump, found, axis=1), found)
    return ops.take_along_axis(numbers, found, axis=1)


def _characters(raw: KerasTensor, vocabulary: Sequence[str], standardize: str | None) -> KerasTensor:
    """The characters of texts as numbers, white space as one space before each word: int32 (batch, time), zeros behind,
    at least one of them."""
    import keras
    from keras import ops

    alphabet = _alphabet(vocabulary)
    vectorize = keras.layers.TextVectorization(
        standardize=standardize, split="character", vocabulary=[*alphabet, *WHITE_SPACE[1:]]
    )
    given = ops.cast(vectorize(raw), "int32")
    space = _number_of(" ", alphabet)
    given = ops.where(ops.greater(given, len(alphabet) + 1), space, given)
    given = ops.pad(given, [[0, 0], [1, 0]], constant_values=space)
    after = ops.pad(given[:, 1:], [[0, 0], [0, 1]])
    is_gap = ops.logical_and(ops.equal(given, space), ops.logical_or(ops.equal(after, space), ops.equal(after, 0)))
    place = ops.cumsum(ops.ones_like(given), axis=1)
    order = ops.argsort(ops.where(is_gap, place + 2**30, place), axis=1)
    kept = ops.take_along_axis(ops.where(is_gap, ops.zeros_like(given), given), order, axis=1)
    return ops.pad(kept, [[0, 0], [0, 1]])


def _longest_pieces(characters: KerasTensor, vocabulary: Sequence[str]) -> tuple[KerasTensor, KerasTensor]:
    """The longest piece that begins at each place: its number and how many characters it has, both int32 (batch, time);
    0 and 1 at padding."""
    import keras
    from keras import ops

    alphabet = _alphabet(vocabulary)
    keys, pieces = _trie(vocabulary, alphabet)
    step = keras.layers.IntegerLookup(vocabulary=keys, num_oov_indices=1)
    is_text = ops.not_equal(characters, 0)
    numbers, sizes = ops.cast(is_text, "int32"), ops.ones_like(characters)
    node, ahead = ops.full_like(characters, len(keys) + 1), characters
    for depth in range(1, max(map(len, vocabulary)) + 1):
        key = ops.cast(node, "int64") * (len(alphabet) + 2) + ops.cast(ahead, "int64")
        node = ops.cast(step(key), "int32")
        piece = ops.take(pieces, node)
        numbers = ops.where(ops.greater(piece, 0), piece, numbers)
        sizes = ops.where(ops.greater(piece, 0), depth, sizes)
        ahead = ops.pad(ahead[:, 1:], [[0, 0], [0, 1]])
    return numbers, sizes


def _alphabet(vocabulary: Sequence[str]) -> list[str]:
    return sorted({" ", *"".join(vocabulary)})


def _number_of(character: str, alphabet: Sequence[str]) -> int:
    """The number that TextVectorization gives it: 0 is padding, 1 a character that no piece has."""
    return 2 + alphabet.index(character)


def _trie(vocabulary: Sequence[str], alphabet: Sequence[str]) -> tuple[list[int], np.ndarray]:
    """The edges of the trie of all pieces, each as `node * (alphabet + 2) + character`, and the number of the piece
    that ends at each node, 0 where none does. The edge of index i leads to node i + 1; the root is the last node, and
    node 0 a dead end."""
    import numpy as np

    numbers = {character: 2 + place for place, character in enumerate(alphabet)}
    prefixes = sorted({piece[:end] for piece in vocabulary for end in range(1, len(piece) + 1)})
    nodes = {prefix: node for node, prefix in enumerate(prefixes, 1)} | {"": len(prefixes) + 1}
    keys = [nodes[prefix[:-1]] * (len(alphabet) + 2) + numbers[prefix[-1]] for prefix in prefixes]
    pieces = np.zeros(len(nodes) + 1, np.int32)
    for number, piece in enumerate(vocabulary, 2):
        pieces[nodes[piece]] = number
    return keys, pieces
