"""Each feature by values that were worked out by hand."""

from __future__ import annotations

import datetime as dt
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dlrun.data.columns import Column
from dlrun.data.features import (
    Category,
    Date,
    FittedCategory,
    FittedImage,
    FittedNumber,
    FittedText,
    Image,
    Number,
    Series,
    Text,
)
from dlrun.data.features.siphash import siphash
from dlrun.data.features.subword import Pieces, learn_pieces
from dlrun.data.features.times import as_times, parts_of
from dlrun.data.features.values import as_numbers, complaint, text_of
from dlrun.data.fitted_target import FittedClasses, FittedNumbers
from dlrun.data.inference import describe
from dlrun.data.layout import check_stamps
from dlrun.data.target import Target
from dlrun.errors import DataError, MissingExtraError

UNKNOWN = Column("unknown")


def texts(*values: str | None) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def hours(*numbers: int) -> np.ndarray:
    return np.array(numbers).astype("datetime64[h]").astype("datetime64[us]")


def test_a_standard_number() -> None:
    fitted = Number(kind="number").fit(np.array([2.0, 4.0, np.nan, 6.0]), UNKNOWN)
    assert fitted.offset == (4.0,)
    assert fitted.scale == (np.sqrt(8 / 3),)
    assert fitted.fill == (4.0,)
    encoded = fitted.encode(np.array([4.0, 4 + np.sqrt(8 / 3), np.nan]))
    assert encoded.dtype == np.float32
    np.testing.assert_allclose(encoded, [[0], [1], [0]], atol=1e-6)


@pytest.mark.parametrize(("missing", "fill"), [("mean", 4.0), ("median", 3.0), ("zero", 0.0)])
def test_missing_numbers_are_filled(missing: Any, fill: float) -> None:
    fitted = Number(kind="number", missing=missing, normalise="none").fit(np.array([2.0, 3.0, np.nan, 7.0]), UNKNOWN)
    assert fitted.encode(np.array([np.nan])).tolist() == [[fill]]


def test_missing_numbers_may_be_an_error() -> None:
    number = Number(kind="number", missing="error")
    fitted = number.fit(np.array([1.0, 2.0]), UNKNOWN)
    for faults in (number.faults(np.array([1.0, np.nan])), fitted.faults(np.array([1.0, np.nan]))):
        assert faults[0].what.startswith("missing")
        assert faults[0].positions is not None
        assert faults[0].positions.tolist() == [1]


def test_min_max_of_a_row_of_numbers_with_a_constant() -> None:
    fitted = Number(kind="number", normalise="min_max").fit(np.array([[1, 5.0], [3, 5.0]]), UNKNOWN)
    assert fitted.encode(np.array([[2, 5.0], [5, 6.0]])).tolist() == [[0.5, 0.0], [2.0, 1.0]]
    assert fitted.names("x") == ("x[0]", "x[1]")


@given(st.floats(-1e38, 1e38, allow_subnormal=False), st.integers(2, 50))
def test_a_constant_column_becomes_zero(value: float, rows: int) -> None:
    fitted = Number(kind="number").fit(np.full(rows, value), UNKNOWN)
    assert fitted.scale == (1.0,)


@pytest.mark.parametrize(("transform", "expected"), [("log", np.log), ("log1p", np.log1p), ("sqrt", np.sqrt)])
def test_a_number_is_transformed_before_it_is_scaled(transform: Any, expected: Any) -> None:
    values = np.array([1.0, 10.0, 1000.0, np.nan])
    fitted = Number(kind="number", transform=transform, missing="median").fit(values, UNKNOWN)
    assert fitted.fill == (10.0,)
    given = expected(values[:3])
    scaled = (expected([1.0, 10.0, 5.0]) - given.mean()) / given.std()
    np.testing.assert_allclose(fitted.encode(np.array([1.0, np.nan, 5.0]))[:, 0], scaled, atol=1e-6)


@pytest.mark.parametrize(
    ("transform", "bad", "word"), [("log", 0.0, "above 0"), ("log1p", -1.0, "above -1"), ("sqrt", -0.5, "at least 0")]
)
def test_what_a_transform_does_not_take_is_named_by_its_row(transform: Any, bad: float, word: str) -> None:
    number = Number(kind="number", transform=transform)
    [fault] = number.faults(np.array([3.0, np.nan, bad]))
    assert fault.positions is not None
    assert (fault.positions.tolist(), fault.example) == ([2], f"{bad:g}")
    assert word in fault.what
    fitted = number.fit(np.array([3.0, 4.0]), UNKNOWN)
    assert fitted.faults(np.array([bad]))[0].what == fault.what
    clipped = Number.parse({"kind": "number", "transform": transform, "clip": [0.5, None]})
    assert clipped.faults(np.array([bad])) == []
    assert np.isfinite(clipped.fit(np.array([3.0, 4.0]), UNKNOWN).encode(np.array([bad]))).all()


def test_numbers_are_clipped_to_the_quantiles_of_the_train_rows() -> None:
    number = Number.parse({"kind": "number", "clip": {"quantiles": [0.25, 0.75]}, "normalise": "none"})
    fitted = number.fit(np.array([0.0, 10.0, 20.0, 30.0, 1e6, np.nan]), UNKNOWN)
    assert (fitted.low, fitted.high, fitted.fill) == ((10.0,), (30.0,), (20.0,))
    assert fitted.encode(np.array([-5.0, 15.0, 1e9, np.nan]))[:, 0].tolist() == [10, 15, 30, 20]
    with pytest.raises(DataError, match=r"the least value that `clip` leaves is 0, and log takes numbers above 0"):
        Number.parse({"kind": "number", "clip": {"quantiles": [0, 1]}, "transform": "log"}).fit(np.arange(9.0), UNKNOWN)


def test_ranks_are_those_of_scikit_learn() -> None:
    from sklearn.preprocessing import QuantileTransformer

    rng = np.random.default_rng(0)
    values, new = rng.lognormal(3, 2, 500), rng.lognormal(3, 3, 300)
    fitted = Number(kind="number", normalise="quantile").fit(values, UNKNOWN)
    expected = QuantileTransformer(n_quantiles=200).fit(values[:, None]).transform(new[:, None])
    np.testing.assert_allclose(fitted.encode(new), expected, atol=1e-6)


def test_normal_ranks_are_those_of_the_middles_of_equal_shares() -> None:
    from scipy.stats import norm

    fitted = Number(kind="number", normalise="quantile_normal").fit(np.array([1.0, 2, 4, 8, 16]), UNKNOWN)
    middles = norm.ppf([0.1, 0.3, 0.5, 0.7, 0.9])
    np.testing.assert_allclose(
        fitted.encode(np.array([1.0, 2, 4, 8, 16, 99]))[:, 0], [*middles, middles[-1]], atol=1e-6
    )
    half_way = (middles[3] + middles[4]) / 2
    np.testing.assert_allclose(fitted.encode(np.array([12.0])), [[half_way]], atol=1e-6)


def test_normal_ranks_and_ties() -> None:
    values = np.concatenate([np.zeros(50), np.random.default_rng(0).lognormal(0, 1, 50)])
    fitted = Number(kind="number", normalise="quantile_normal").fit(values, UNKNOWN)
    encoded = fitted.encode(values)[:, 0]
    zero = encoded[0]
    assert -1.0 < zero < -0.6, "half of the rows share the mean of the lower half of a normal distribution: -0.798"
    order = np.argsort(values[50:])
    assert (np.diff(encoded[50:][order]) > 0).all()
    assert encoded.max() == fitted.encode(np.array([1e30]))[0, 0] < 3
    constant = Number(kind="number", normalise="quantile").fit(np.full(5, 7.0), UNKNOWN)
    assert constant.encode(np.array([7.0, 8.0])).tolist() == [[0], [0]]


@given(st.lists(st.floats(-(2.0**99), 2.0**99), min_size=1, max_size=40), st.lists(st.floats(-1e35, 1e35), min_size=1))
def test_ranks_keep_the_order_and_their_range(values: list[float], new: list[float]) -> None:
    fitted = Number(kind="number", normalise="quantile").fit(np.array(values), UNKNOWN)
    encoded = fitted.encode(np.sort(np.array(new)))[:, 0]
    assert (np.diff(encoded) >= 0).all()
    assert ((encoded >= 0) & (encoded <= 1)).all()


def test_a_missing_number_is_told_beside_it() -> None:
    fitted = Number(kind="number", missing_indicator=True).fit(np.array([[1, np.nan], [3, 4.0]]), UNKNOWN)
    assert fitted.encode(np.array([[np.nan, 4.0]])).tolist() == [[0, 0, 1, 0]]
    assert fitted.names("x") == ("x[0]", "x[1]", "x[0] is missing", "x[1] is missing")
    assert fitted.input("x").shape == (4,)


def test_hashes_are_those_of_the_paper() -> None:
    """Appendix A of the paper, and three of the reference implementation's vectors, for the key 00 01 … 0f."""
    key = (0x0706050403020100, 0x0F0E0D0C0B0A0908)
    given = [bytes(range(length)) for length in (15, 0, 8, 63)]
    expected = [0xA129CA6149BE45E5, 0x726FDB47DD0E0E31, 0x93F5F5799A932462, 0x958A324CEB064572]
    assert siphash(given, key).tolist() == expected
    assert len(siphash([], key)) == 0


def test_a_category_in_buckets() -> None:
    category = Category(kind="category", encoding="embedding", buckets=50)
    fitted = category.fit(texts("a", "b", None), UNKNOWN)
    encoded = fitted.encode(texts("a", "b", None, "", "never seen", "a"))
    assert encoded[2] == encoded[3] == 0
    assert encoded[0] == encoded[5]
    assert ((encoded[[0, 1, 4]] >= 1) & (encoded[[0, 1, 4]] <= 50)).all()
    assert fitted.input("x").vocabulary_size == 51
    assert fitted.unknown(texts("never seen")) == []
    spread = fitted.encode(texts(*map(str, range(5000))))
    assert np.bincount(spread, minlength=51)[1:].min() > 50, "100 are expected in each"
    one_hot = Category(kind="category", buckets=3).fit(texts("a"), UNKNOWN)
    assert one_hot.names("x") == ("x=?", "x=bucket 1", "x=bucket 2", "x=bucket 3")
    assert one_hot.encode(texts("a", None)).sum(axis=1).tolist() == [1, 1]


@given(st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)))
def test_the_parts_of_a_time_are_those_of_python(time: dt.datetime) -> None:
    microseconds = np.array([time], "datetime64[us]").astype(np.int64)
    parts = {name: int(values[0]) for name, values in parts_of(microseconds, np.floor_divide).items()}
    assert parts == {
        "year": time.year,
        "month": time.month - 1,
        "day": time.day - 1,
        "day_of_year": time.timetuple().tm_yday - 1,
        "weekday": time.weekday(),
        "hour": time.hour,
        "minute": time.minute,
    }


def test_texts_as_times() -> None:
    given = texts("2020-02-29", " 2020-02-29 13:05 ", "2020-02-29T13:05:06.5+02:00", None, "29.02.2020", "2021-02-29")
    times, bad = as_times(given, None)
    assert [str(time) for time in times[:4]] == [
        "2020-02-29T00:00:00.000000",
        "2020-02-29T13:05:00.000000",
        "2020-02-29T11:05:06.500000",
        "NaT",
    ]
    assert bad.tolist() == [4, 5]
    assert str(as_times(texts("02/03/2020 7 PM"), "%m/%d/%Y %I %p")[0][0]) == "2020-02-03T19:00:00.000000"
    assert as_times(np.array([20200203.0, np.nan]), "%Y%m%d")[0].astype(str).tolist()[0] == "2020-02-03T00:00:00.000000"


def test_a_date_on_its_circles() -> None:
    date = Date(kind="date", parts=("year", "month", "weekday"), missing_indicator=True)
    fitted = date.fit(texts("2019-01-01", "2021-12-31", None), UNKNOWN)
    assert (fitted.offset, fitted.scale) == (2020, 1)
    encoded = fitted.encode(texts("2021-04-05", None))  # April is a quarter of the way; a Monday
    np.testing.assert_allclose(encoded, [[1, 1, 0, 0, 1, 0], [0, 0, 0, 0, 0, 1]], atol=1e-6)
    assert fitted.names("d") == (
        *("d year", "d month sine", "d month cosine", "d weekday sine", "d weekday cosine", "d is missing"),
    )
    one_hot = Date(kind="date", parts=("weekday", "hour"), cyclic="one_hot").fit(texts("2019-01-01"), UNKNOWN)
    encoded = one_hot.encode(texts("2021-04-06 23:59"))
    assert [one_hot.names("d")[place] for place in np.flatnonzero(encoded[0])] == ["d weekday=Tue", "d hour=23"]
    assert encoded.shape == (1, 31) == (1, *one_hot.input("d").shape)


def test_what_is_no_time_is_named() -> None:
    [fault] = Date(kind="date").faults(texts("2020-01-01", "01/02/2020", None))
    assert fault.positions is not None
    assert (fault.what, fault.positions.tolist(), fault.example) == ("no time", [1], "'01/02/2020'")
    assert fault.mend == "mend the file"
    assert Date(kind="date", missing="error").faults(texts("2020-01-01", None))[0].what.startswith("missing")
    assert Date(kind="date").faults(np.array([20200101]))[0].positions is None


@pytest.mark.parametrize(
    ("given", "form", "mend"),
    [
        (("01/02/2020", "12/11/2020"), None, '"%d/%m/%Y" in the feature, or "%m/%d/%Y" where the month stands first'),
        (("01/02/2020", "12/31/2020"), None, '"%m/%d/%Y" in the feature'),
        (("12/31/2020 10:00 PM", None), "%d.%m.%Y", '"%m/%d/%Y %I:%M %p" in the feature'),
        (("01/02/2020", "1.2.2020"), None, None),
    ],
)
def test_the_formats_that_the_texts_allow_are_named(
    given: tuple[str | None, ...], form: str | None, mend: str | None
) -> None:
    [fault] = Date(kind="date", format=form).faults(texts(*given))
    assert fault.mend == (f"format: {mend}" if mend else "all have to be written in one way, which format says")


def test_text_that_reads_as_numbers_counts_as_numbers_and_the_rest_is_named() -> None:
    numbers, faults = as_numbers(texts("1", " 2.5 ", None, "-3e2"))
    np.testing.assert_array_equal(numbers, [1, 2.5, np.nan, -300])
    assert faults == []
    [fault] = as_numbers(texts("1", "1_000", "x", "1,5"))[1]
    assert (fault.what, fault.example) == ("not a number", "'1_000'")
    assert fault.positions is not None
    assert fault.positions.tolist() == [1, 2, 3]
    assert as_numbers(np.array([1, np.inf]))[1][0].what.startswith("infinite")
    assert as_numbers(hours(1))[1][0].what.startswith("a time")


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (3.0, "3"), (3.5, "3.5"), (True, "true"), (None, None), (float("nan"), None), ("3.0", "3.0")],
)
def test_values_as_text(value: Any, text: str | None) -> None:
    assert text_of(value) == text


def test_a_category_one_hot_with_an_unknown_bucket() -> None:
    fitted = Category(kind="category").fit(texts("b", "a", "b", None, "[UNK]"), UNKNOWN)
    assert fitted.categories == ("a", "b")
    expected = [[0, 1, 0], [0, 0, 1], [1, 0, 0], [1, 0, 0], [1, 0, 0]]
    assert fitted.encode(texts("a", "b", "new", None, "[UNK]")).tolist() == expected
    assert fitted.names("x") == ("x=?", "x=a", "x=b")


def test_categories_of_numbers_are_in_their_order_and_rare_ones_unknown() -> None:
    category = Category(kind="category", encoding="embedding", min_count=2)
    fitted = category.fit(np.array([10, 9, 10, 9, 2, 2, 1]), UNKNOWN)
    assert fitted.categories == ("2", "9", "10")
    assert fitted.encode(np.array([10.0, 1.0, 2.0, np.nan])).tolist() == [3, 0, 1, 0]
    assert fitted.input("x").vocabulary_size == 4


@pytest.mark.parametrize(
    ("values", "mend"),
    [
        (["1", "NA", "x", "-", "NA"], 'source: {missing: ["-", "NA"]} if it stands for no value'),
        (["165,3", "1", "x", "-2,5"], "source: {decimal_comma: true} if that is a decimal comma"),
        (["1", "x"], None),
    ],
)
def test_what_would_make_numbers_of_texts(values: list[str], mend: str | None) -> None:
    [fault] = as_numbers(texts(*values))[1]
    assert fault.mend == mend
    assert complaint("a", fault, np.arange(9)).endswith(f" ({mend})" if mend else "such as 'x'")


def test_truth_values_are_categories() -> None:
    fitted = Category(kind="category").fit(np.array([True, False]), UNKNOWN)
    assert fitted.categories == ("false", "true")
    assert fitted.encode(np.array([True])).tolist() == [[0, 0, 1]]


def test_words_by_frequency_then_alphabet() -> None:
    text = Text(kind="text", vocabulary_size=5, sequence_length=4)
    fitted = text.fit(texts("b b, a! c", "C c a d"), Column("text"))
    assert fitted.vocabulary == ("c", "a", "b")
    encoded = fitted.encode(texts("a B z", "", "a b c d e", "ÄB"))
    assert encoded.dtype == np.int32
    assert encoded.tolist() == [[0, 3, 4, 1], [0, 0, 0, 0], [3, 4, 2, 1], [0, 0, 0, 1]]


SPEECH = "the lowest of the low and the slowest of the slow show the new and the newest"


def test_pieces_of_words_are_learned_and_found_longest_first() -> None:
    text = Text(kind="text", tokens="subword", vocabulary_size=40, sequence_length=8, padding="post")
    fitted = text.fit(texts(*[SPEECH] * 3), Column("text"))
    assert len(fitted.vocabulary) <= 38
    assert {" the", "low", "est"} <= set(fitted.vocabulary)
    assert all(" " not in piece[1:] for piece in fitted.vocabulary)
    encoded = fitted.encode(texts("The  lowest!", "wést", ""))
    said = [[fitted.vocabulary[number - 2] if number > 1 else "??"[: 2 * number] for number in row] for row in encoded]
    assert "".join(said[0]) == " the lowest"
    assert said[0][0] == " the"
    assert "".join(said[1]) == " w??st", "a character that no piece has is one unknown token"
    assert encoded[2].tolist() == [0] * 8
    assert fitted == text.fit(texts(*[SPEECH] * 3), Column("text"))
    assert fitted == type(fitted).parse(fitted.tree())


def test_what_learns_the_pieces_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    text = Text(kind="text", tokens="subword")
    [problem] = text.check()
    assert problem.hint == "pip install 'dlrun[subword]'"
    with pytest.raises(MissingExtraError) as raised:
        text.fit(texts("a b"), Column("text"))
    assert raised.value.hint == problem.hint
    assert list(Text(kind="text").check()) == []


def test_half_of_the_pieces_at_most_are_characters() -> None:
    pieces = learn_pieces([["abcdefghij"]] * 3, 6)
    assert sorted(piece for piece in pieces if len(piece) == 1) == [" ", "a", "b"]
    assert " ab" in pieces


def test_pieces_are_found_greedily() -> None:
    """By hand: the longest piece at each place, though "a" and "bcd" would need one token less."""
    pieces = Pieces([" ", " a", "a", "b", "c", "d", "ab", "abc", "bcd", " x"])
    assert pieces.numbers(["abcd", "x", "z"]) == [3, 10, 11, 2, 1]
    assert pieces.numbers(["aabcd"]) == [3, 9, 7]
    assert pieces.numbers([]) == []


@given(st.lists(st.text(min_size=1).filter(lambda word: not set(word) & set(" \n")), min_size=1), st.integers(1, 200))
def test_any_words_make_no_more_pieces_than_are_wanted(words: list[str], size: int) -> None:
    vocabulary = learn_pieces([words], size)
    assert 1 <= len(vocabulary) <= size
    assert len(set(vocabulary)) == len(vocabulary)
    assert max(map(len, vocabulary)) <= 16
    if size > 2 * len(set("".join(words))) + 2:
        assert 1 not in Pieces(vocabulary).numbers(words), "every character of the train texts is a piece"


@pytest.mark.parametrize(
    ("padding", "truncation", "short", "long"),
    [
        ("pre", "post", [0, 0, 2], [2, 3, 4]),
        ("post", "post", [2, 0, 0], [2, 3, 4]),
        ("pre", "pre", [0, 0, 2], [3, 4, 5]),
        ("post", "pre", [2, 0, 0], [3, 4, 5]),
    ],
)
def test_padding_and_truncation(padding: Any, truncation: Any, short: list[int], long: list[int]) -> None:
    text = Text(kind="text", sequence_length=3, padding=padding, truncation=truncation)
    fitted = text.fit(texts("a a a a b b b c c d"), Column("text"))
    assert fitted.encode(texts("a", "a b c d")).tolist() == [short, long]


def test_only_ascii_is_lower_cased_and_stripped() -> None:
    assert Text(kind="text").split("ÄB\u2019s É, x-y\u00a0z") == ["Äb\u2019s", "É", "xy\u00a0z"]
    assert Text(kind="text", tokens="character").split("Aß.\n") == ["a", "ß", "\n"]
    assert Text(kind="text", lowercase=False, strip_punctuation=False).split(" A. b") == ["A.", "b"]


def test_texts_without_any_token_are_an_error() -> None:
    with pytest.raises(DataError, match="not one text"):
        Text(kind="text").fit(texts("...", ""), Column("text"))


def test_a_missing_text() -> None:
    assert Text(kind="text").faults(texts("a", None))[0].what.startswith("missing")
    assert Text(kind="text", missing="empty").faults(texts("a", None)) == []
    assert Text(kind="text").faults(np.array([1.0]))[0].what == "no text"


def test_whole_pixels_go_from_0_255_and_digits_from_0_16() -> None:
    pixels = np.array([[[[0], [51]]]], np.uint8)  # (1, 1, 2, 1)
    fitted = Image(kind="image").fit(pixels, Column("image", (1, 2, 1)))
    np.testing.assert_allclose(fitted.encode(pixels).ravel(), [0, 0.2], atol=1e-7)
    fitted = Image(kind="image", rescale=(-1.0, 1.0)).fit(pixels // 51 * 16, Column("image", (1, 2, 1), limits=(0, 16)))
    assert fitted.encode(np.array([[[[8], [16]]]], np.uint8)).ravel().tolist() == [0.0, 1.0]


def test_pixels_with_fractions_go_from_what_the_train_rows_have() -> None:
    fitted = Image(kind="image").fit(np.array([[[2.0, 4.0]]]), Column("image", (1, 2)))
    assert fitted.encode(np.array([[[2.0, 6.0]]])).ravel().tolist() == [0.0, 2.0]


def test_each_channel_is_standardised() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 4, 3, 2)).astype(np.uint8)
    pixels[..., 1] //= 3
    for values in (pixels, pixels.astype(np.float32)):
        encoded = Image(kind="image", standardise=True).fit(values, Column("image", (4, 3, 2))).encode(values)
        np.testing.assert_allclose(encoded.mean(axis=(0, 1, 2)), 0, atol=1e-5)
        np.testing.assert_allclose(encoded.std(axis=(0, 1, 2)), 1, atol=1e-5)


def test_a_range_must_rise() -> None:
    with pytest.raises(ValidationError, match="less than"):
        Image.parse({"kind": "image", "rescale": [1, 0]})


@pytest.mark.parametrize("shape", [(0, 4, 3), (5, 7, 3, 3), (3, 200, 300, 3), (2, 3, 40_000), (2, 2, 30_000, 3)])
@pytest.mark.parametrize("kind", ["uint8", "float64"])
@pytest.mark.parametrize(
    ("scales", "offsets"), [((0.01, 1.7), (-0.4, 0.4)), ((1 / 255,) * 2, (0, 0)), ((2, 3), (1, 1))]
)
def test_images_are_encoded_to_the_bit_as_each_pixel_alone(
    shape: tuple[int, ...], kind: str, scales: tuple[float, float], offsets: tuple[float, float]
) -> None:
    values = np.random.default_rng(4).integers(0, 256, shape).astype(kind)
    channels = shape[3] if len(shape) == 4 else 1
    scale, offset = np.linspace(*scales, channels), np.linspace(*offsets, channels)
    form = (*shape[1:3], channels)
    fitted = FittedImage(
        kind="image", shape=form, whole=True, scale=tuple(scale.tolist()), offset=tuple(offset.tolist())
    )
    plain = values.astype(np.float32).reshape(-1, *form) * scale.astype(np.float32) + offset.astype(np.float32)
    encoded = fitted.encode(values)
    assert encoded.dtype == np.float32
    np.testing.assert_array_equal(encoded, plain)
    out = np.full((len(values) + 1, *form), 7, np.float32)
    assert fitted.encode(values, out[:-1]).base is out
    np.testing.assert_array_equal(out, [*plain, np.full(form, 7)])


def test_windows_do_not_cross_a_hole() -> None:
    stamps = hours(0, 1, 2, 3, 10, 11, 12, 13)
    values = np.arange(8.0)
    series = Series(kind="series", window=2, horizon=1, normalise="none").fit(values, UNKNOWN, stamps)
    assert series.step == 3600
    origins = series.origins(stamps, ahead=1)
    assert origins.tolist() == [1, 2, 5, 6]
    assert series.windows(series.encode(values), origins)[:, :, 0].tolist() == [[0, 1], [1, 2], [4, 5], [5, 6]]
    target = FittedNumbers(kind="numbers", column="x", offset=0, scale=1, horizon=1)
    assert target.truth(values, origins).tolist() == [[2], [3], [6], [7]]
    assert series.origins(stamps, ahead=0).tolist() == [1, 2, 3, 5, 6, 7]


def test_holes_may_be_ignored() -> None:
    stamps = hours(0, 1, 10, 11)
    series = Series(kind="series", window=2, horizon=1, holes="ignore").fit(np.arange(4.0), UNKNOWN, stamps)
    assert series.origins(stamps, ahead=1).tolist() == [1, 2]


@given(st.integers(1, 6), st.integers(0, 4), st.lists(st.sampled_from([1, 1, 1, 5]), max_size=40))
def test_windows_are_all_those_without_a_hole(window: int, ahead: int, steps: list[int]) -> None:
    times = np.cumsum([0, *steps])
    series = Series(kind="series", window=window, horizon=max(ahead, 1)).fit(np.arange(3.0), UNKNOWN, hours(0, 1, 2))
    expected = [
        end
        for end in range(window - 1, len(times) - ahead)
        if all(step == 1 for step in steps[end - window + 1 : end + ahead])
    ]
    assert series.origins(hours(*times), ahead).tolist() == expected


@pytest.mark.parametrize(
    ("stamps", "message"),
    [
        (hours(0, 1, 1, 2), "row 3 has the same time as the row before, 1970-01-01 01:00:00"),
        (hours(0, 2, 1, 0), "row 3 has an earlier time, 1970-01-01 01:00:00, than the row before.*; 2 rows are like"),
        (np.array(["2020-01-01", "NaT"], "datetime64[us]"), "row 2 has no time"),
    ],
)
def test_times_that_do_not_rise_are_told(stamps: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_stamps(stamps, "time")


def test_classes_in_the_order_of_their_numbers() -> None:
    target = Target(column="y").fit(np.array([10, 9, 10, 2]), np.arange(4), "category", None, same=False)
    assert isinstance(target, FittedClasses)
    assert target.classes == ("2", "9", "10")
    assert target.encode(np.array([10, 2])).tolist() == [2, 0]
    [fault] = target.faults(np.array([10, 7, 8]))
    assert fault.what == "a class that the train rows do not have (7, 8)"


def test_a_number_is_standardised_for_the_network_and_restored_for_people() -> None:
    values = np.array([10.0, 20.0, 30.0])
    target = Target(column="y").fit(values, np.arange(3), "number", None, same=False)
    assert isinstance(target, FittedNumbers)
    assert target.truth(values).tolist() == [10, 20, 30]
    scaled = target.scaled(target.truth(values))
    assert scaled.shape == (3, 1)
    np.testing.assert_allclose(scaled.ravel(), [-np.sqrt(1.5), 0, np.sqrt(1.5)], rtol=1e-6)
    np.testing.assert_allclose(target.restore(scaled), values, rtol=1e-6)


def test_a_number_that_is_none_names_its_row() -> None:
    with pytest.raises(DataError, match="the target y is not a number in row 8, such as 'x'"):
        Target(column="y").fit(texts("1", "x"), np.array([6, 7]), "number", None, same=False)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([0, 1, 1]), "category"),
        (np.array([1.0, 2.0, 3.0]), "category"),
        (np.array([0, 2, 3]), "number"),
        (np.array([0.0, 0.5, 1.0]), "number"),
        (np.arange(21), "number"),
        (np.array([True, False]), "category"),
        (texts("a", "b"), "category"),
    ],
)
def test_the_kind_of_a_target_follows_from_its_values(values: np.ndarray, kind: str) -> None:
    assert Target(column="y").resolved_kind(describe(values), None) == kind


def test_a_loss_for_numbers_makes_labels_numbers_but_text_stays_text() -> None:
    assert Target(column="y").resolved_kind(describe(np.array([0, 1])), "number") == "number"
    assert Target(column="y").resolved_kind(describe(texts("a", "b")), "number") == "category"
    assert Target(column="y", kind="category").resolved_kind(describe(np.array([0.5, 1])), "number") == "category"


def test_one_class_only_is_an_error() -> None:
    with pytest.raises(DataError, match="one class only"):
        Target(column="y").fit(texts("a", "a"), np.arange(2), "category", None, same=False)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=2, max_size=30))
def test_fitted_numbers_go_through_json_to_the_last_bit(values: list[float]) -> None:
    fitted = Number(kind="number").fit(np.array(values, np.float64), UNKNOWN)
    assert FittedNumber.parse(fitted.tree()) == fitted


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"])), min_size=1))
def test_fitted_texts_and_categories_go_through_json(values: list[str]) -> None:
    category = Category(kind="category").fit(texts(*values), UNKNOWN)
    assert FittedCategory.parse(category.tree()) == category
    text = Text(kind="text", strip_punctuation=False, tokens="character")
    if any(token != "[UNK]" for value in values for token in text.split(value)):
        fitted = text.fit(texts(*values), Column("text"))
        assert FittedText.parse(fitted.tree()) == fitted
        assert 1 not in fitted.encode(texts(*values)) or len(fitted.vocabulary) == text.vocabulary_size - 2
