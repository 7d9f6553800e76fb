"""Files of vectors: what is read of them, and what is wrong with damaged ones."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from dlrun.data.signature import Input, Output, Signature
from dlrun.data.vectors import Found, Vectors, read_vectors, vector_size
from dlrun.errors import DataError
from dlrun.models.encoders import check_encoder, default_encoder
from dlrun.models.pretrained import check_size, sized
from dlrun.models.rnn import Recurrent
from dlrun.models.transformer import Transformer
from dlrun.pretraining import Coverage, first_rows

GLOVE = "the 0.5 -1 2e-1\n. . . 7 8 9\nÖl 1 2 3 \nthe 9 9 9\n"


@pytest.mark.parametrize("header", ["", "4 3\n", "\ufeff", "\ufeff4 3\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_the_vectors_of_a_vocabulary(header: str, packed: bool, tmp_path: Path) -> None:
    path = tmp_path / ("vectors.txt.gz" if packed else "vectors.txt")
    path.write_bytes((gzip.compress if packed else bytes)((header + GLOVE).encode()))
    assert vector_size(path) == 3
    found = read_vectors(path, ["Öl", "not there", "the", ". . ."], 3)
    assert found.known.tolist() == [True, False, True, True]
    expected = np.array([[1, 2, 3], [0, 0, 0], [0.5, -1, 0.2], [7, 8, 9]], np.float32)
    np.testing.assert_array_equal(found.rows, expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("the 1 2 3\ncat 1 2\ndog 1 2 3\n", "line 2 is damaged: it has 2 numbers, where others have 3"),
        ("the 1 2 3\nout x y z\ncat 1 two 3\n", "line 3 is damaged: it has something else than numbers"),
        ("the 1 2 3\ncat 1 nan 3\n", "line 2 is damaged"),
        ("3 2\nthe 1 2\ncat 1 2\n", "says in its first line that it holds 3 vectors, but it holds 2"),
        ("", "holds no vectors"),
        ("1 999999\nthe 1 2\n", "line 2 is damaged: it has 2 numbers, where others have 999999"),
        ("just words here\n", "line 1 is damaged: it has something else than numbers"),
        ("the 1 2\n" + "x" * (1 << 20), "line 2 is longer than 1,048,576 bytes"),
    ],
)
def test_what_is_damaged_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_vectors(tmp_path / "v.txt", ["the", "cat", "dog"], vector_size(tmp_path / "v.txt"))


def test_the_file_is_looked_at_before_training(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text(GLOVE, encoding="utf-8")
    assert list(Vectors(path="v.txt").check(tmp_path)) == []
    [problem] = Vectors(path="w.txt").check(tmp_path)
    assert problem.hint == "did you mean v.txt?"
    [problem] = Vectors(path="v.txt", size=4).check(tmp_path)
    assert (problem.path, problem.expected, problem.received) == (("size",), "3", "4")
    resolved = Vectors(path="v.txt").resolve(tmp_path)
    assert (resolved.size, resolved.path) == (3, str(tmp_path / "v.txt"))
    (tmp_path / "v.txt").unlink()
    assert resolved.resolve(Path("elsewhere")) == resolved, "a run does not need the file any more"
    (tmp_path / "v.txt").write_text("1 999999\nthe 1 2\n")
    with pytest.raises(DataError, match="line 2 is damaged"):  # before there is room for so many numbers
        vector_size(tmp_path / "v.txt")


def test_tokens_without_a_vector_get_random_ones_of_the_same_spread() -> None:
    rows = np.random.default_rng(0).normal(0.1, 3, (1000, 50)).astype(np.float32)
    known = np.arange(1000) < 500
    first = first_rows(Found(np.where(known[:, None], rows, 0), known), 7, "text")
    assert first.dtype == np.float32
    assert not first[0].any()
    np.testing.assert_array_equal(first[2:502], rows[:500])
    assert first[502:].std() == pytest.approx(3, rel=0.05)
    np.testing.assert_array_equal(first, first_rows(Found(np.where(known[:, None], rows, 0), known), 7, "text"))
    assert (first[502:] != first_rows(Found(rows, known), 8, "text")[502:]).all()
    assert (first[502:] != first_rows(Found(rows, known), 7, "title")[502:]).all()


def test_the_size_of_the_vectors_is_that_of_the_embedding() -> None:
    entry = Input("text", "tokens", (9,), 100, vector_size=50)
    open_size, stated = Recurrent(kind="lstm"), Recurrent(kind="lstm", embedding_size=64)
    assert sized(open_size, entry).embedding_size == 50
    assert sized(stated, entry) == stated
    assert list(check_size(sized(open_size, entry), entry)) == []
    [problem] = check_size(stated, entry)
    assert (problem.path, problem.expected, problem.received) == (("embedding_size",), "50", "64")
    [problem] = check_size(sized(Transformer(kind="transformer", heads=4), entry), entry)
    assert (problem.path, problem.expected) == (("heads",), "a divisor of 50")
    assert default_encoder(entry) == sized(open_size, entry)
    signature = Signature((entry,), Output("y", "regression", (1,)))
    assert [each.path for each in check_encoder(stated, entry, signature)] == [("embedding_size",)]


def test_coverage_in_words() -> None:
    told = str(Coverage("text", "glove.txt", 5000, 4000, ("cannot", "thereof")))
    assert told == "text: 4,000 of 5,000 tokens (80%) have a vector in glove.txt; without one: cannot, thereof"
