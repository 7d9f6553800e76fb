"""Each feature by values that were worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dlrun.data.columns import Column
from dlrun.data.features import Category, FittedCategory, FittedNumber, FittedText, Image, Number, Series, Text
from dlrun.data.features.series import check_stamps
from dlrun.data.features.values import as_numbers, complaint, text_of
from dlrun.data.inference import describe
from dlrun.data.target import FittedClasses, FittedNumbers, Target
from dlrun.errors import DataError

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


def test_windows_do_not_cross_a_hole() -> None:
    stamps = hours(0, 1, 2, 3, 10, 11, 12, 13)
    values = np.arange(8.0)
    series = Series(kind="series", window=2, horizon=1, normalise="none").fit(values, UNKNOWN, stamps)
    assert series.step == 3600
    origins = series.origins(stamps, ahead=1)
    assert origins.tolist() == [1, 2, 5, 6]
    assert series.encode(values, origins)[:, :, 0].tolist() == [[0, 1], [1, 2], [4, 5], [5, 6]]
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
