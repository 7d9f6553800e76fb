"""What the network was trained on and what a saved Keras model makes of raw input are the same numbers."""

from __future__ import annotations

import pathlib
import typing

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlrun.data.columns import Column, Table
from dlrun.data.features import Category, Fitted, Image, Number, Series, Text
from dlrun.data.fitting import fit
from dlrun.data.preparation import Preparation
from dlrun.data.section import Data
from dlrun.data.shared_window import resolve_series
from dlrun.data.splits import Parts
from dlrun.data.target import FittedNumbers

NASTY = [
    *("", " ", "...", "?! \t\n\r\x0b\x0c", "Öl ÄRGER straße ÉCOLE", "the cat THE Cat, the; (cat)"),
    *(
        "a b c d e f g h i j k l m n o p",
        "[UNK] unk [unk]",
        "x\u00a0y\u2003z",
        "日本語 テキスト",
        "don't can't _under_",
    ),
    *("\U0001f600 smile \U0001f600", "e\u0301 é", "1,234.5 -7 +8", "back\\slash `tick` ~tilde~ {brace}|pipe|"),
]
STRANGE = [*NASTY, "never seen before", "the never cat", "Z" * 300, "w " * 500]


def saved(preparation: Preparation, folder: pathlib.Path) -> typing.Any:
    """The preparation alone as a Keras model, written and read again by Keras."""
    import keras

    raw = preparation.raw_inputs()
    model = keras.Model(raw, preparation.preprocess(raw))
    model.save(folder / "model.keras")
    keras.backend.clear_session()
    return keras.models.load_model(folder / "model.keras")


def of_raw(model: typing.Any, raw: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    import tensorflow as tf

    tensors = {name: tf.constant(values.tolist() if values.dtype == object else values) for name, values in raw.items()}
    return {name: np.asarray(values) for name, values in model(tensors).items()}


def check(preparation: Preparation, table: Table, folder: pathlib.Path) -> None:
    expected = preparation.encode(table, target=False).inputs
    received = of_raw(saved(preparation, folder), preparation.raw(table))
    assert list(received) == list(expected) == [each.name for each in preparation.inputs]
    for name, values in expected.items():
        assert received[name].dtype == values.dtype
        np.testing.assert_allclose(received[name], values, rtol=0, atol=1e-6)


def texts(values: list[str | None]) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


@pytest.mark.parametrize("tokens", ["word", "character"])
@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("strip_punctuation", [True, False])
def test_text_is_tokenized_as_keras_does(
    tokens: typing.Literal["word", "character"], lowercase: bool, strip_punctuation: bool, tmp_path: pathlib.Path
) -> None:
    text = Text(
        kind="text",
        tokens=tokens,
        lowercase=lowercase,
        strip_punctuation=strip_punctuation,
        sequence_length=9,
        vocabulary_size=40,
    )
    preparation = Preparation(features={"text": text.fit(texts(list(NASTY)), Column("text"))})
    check(preparation, Table("t", {"text": texts(list(STRANGE))}), tmp_path)


LEARNED = [*NASTY, *["the cats chatter, the chattering cats chat; Ärger ärgert die Ärgernisse"] * 3]


@pytest.fixture(scope="module", params=[("pre", "post", 9), ("post", "pre", 5)])
def subword(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Preparation, typing.Any]:
    import tensorflow as tf

    padding, truncation, length = request.param
    text = Text(
        kind="text",
        tokens="subword",
        padding=padding,
        truncation=truncation,
        sequence_length=length,
        vocabulary_size=90,
        lowercase=length == 9,
        strip_punctuation=length == 9,
    )
    preparation = Preparation(features={"text": text.fit(texts(list(LEARNED)), Column("text"))})
    model = saved(preparation, tmp_path_factory.mktemp("subword"))
    signature = [{"text": tf.TensorSpec((None, 1), tf.string)}]
    return preparation, tf.function(model, input_signature=signature, autograph=False)


def compare_texts(preparation: Preparation, model: typing.Any, batch: list[str]) -> None:
    table = Table("t", {"text": texts(list(batch))})
    received = of_raw(model, preparation.raw(table))["text"]
    np.testing.assert_array_equal(received, preparation.encode(table, target=False).inputs["text"])


def test_pieces_of_words(subword: tuple[Preparation, typing.Any]) -> None:
    compare_texts(*subword, list(STRANGE))
    for each in STRANGE:
        compare_texts(*subword, [each])


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batch=st.lists(
        st.text(st.characters(codec="utf-8"))
        | st.text(st.sampled_from("the catrinäÄr, \t\n\x0b\x1c\x85\u00a0\u2581"), max_size=60),
        min_size=1,
        max_size=8,
    )
)
def test_pieces_of_any_text(subword: tuple[Preparation, typing.Any], batch: list[str]) -> None:
    compare_texts(*subword, batch)


@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("truncation", ["pre", "post"])
@pytest.mark.parametrize("batch", [[""], ["a b c d e f g h i"], ["a", "", "a b c d", "a b c d e f g h i"]])
def test_padding_and_truncation(
    padding: typing.Literal["pre", "post"],
    truncation: typing.Literal["pre", "post"],
    batch: list[str],
    tmp_path: pathlib.Path,
) -> None:
    text = Text(kind="text", padding=padding, truncation=truncation, sequence_length=4)
    preparation = Preparation(features={"text": text.fit(texts(["a b c d e f g h i"]), Column("text"))})
    check(preparation, Table("t", {"text": texts(list(batch))}), tmp_path)


@pytest.mark.parametrize("standardise", [True, False])
@pytest.mark.parametrize("rescale", [(0.0, 1.0), (-1.0, 1.0), None])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_images(standardise: bool, rescale: tuple[float, float] | None, dtype: str, tmp_path: pathlib.Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 5, 4, 3)).astype(dtype)
    image = Image(kind="image", rescale=rescale, standardise=standardise)
    preparation = Preparation(features={"image": image.fit(pixels[:15], Column("image", (5, 4, 3)))})
    check(preparation, Table("t", {"image": pixels}), tmp_path)


def test_a_table_with_slashes_spaces_and_missing_values(tmp_path: pathlib.Path) -> None:
    rng = np.random.default_rng(0)
    size = rng.normal(1e4, 20, 30)
    size[[3, 7]] = np.nan
    colour = texts([["red", "blue", "[UNK]", None, ""][index % 5] for index in range(30)])
    table = Table(
        "t",
        {
            "od280/od315 (ratio)": size,
            "colour": colour,
            "row": rng.normal(size=(30, 3)),
            "count": rng.integers(0, 4, 30),
            "flag": rng.integers(0, 2, 30).astype(bool),
        },
    )
    features = {
        "od280/od315 (ratio)": Number(kind="number"),
        "colour": Category(kind="category"),
        "row": Number(kind="number", normalise="min_max"),
        "count": Category(kind="category", encoding="embedding"),
        "flag": Category(kind="category"),
    }
    fitted: dict[str, Fitted] = {
        name: each.fit(table.columns[name][:20], Column("unknown")) for name, each in features.items()
    }
    preparation = Preparation(features=fitted)
    columns = dict(table.columns) | {"colour": texts(["violet", None, "red"] * 10)}
    check(preparation, Table("t", columns), tmp_path)


def test_numbers_dates_and_buckets_of_every_kind(tmp_path: pathlib.Path) -> None:
    rng = np.random.default_rng(0)
    amounts = rng.lognormal(3, 2, 400)
    amounts[::7] = np.nan
    stamps = rng.integers(-(10**17), 10**17, 400).astype("datetime64[us]")  # the years -1199 to 5138
    stamps[::11] = np.datetime64("NaT")
    columns = {f"amount {index}": amounts for index in range(6)}
    columns |= {"pair": np.stack([amounts, np.arange(400.0)], axis=1), "when": stamps, "again": stamps}
    names = texts([*NASTY, None, "", *(f"street {index}" for index in range(400 - len(NASTY) - 2))])
    columns |= {
        "street": names,
        "house": np.arange(400),
        "day": texts(["2020-02-29", None, "1969-12-31 23:59"] * 134)[:400],
    }
    parts = ["year", "month", "day", "day_of_year", "weekday", "hour", "minute"]
    features = {
        "amount 0": {"kind": "number", "transform": "log", "missing_indicator": True},
        "amount 1": {"kind": "number", "transform": "log1p", "clip": {"quantiles": [0.01, 0.9]}},
        "amount 2": {"kind": "number", "transform": "sqrt", "clip": [1, None], "normalise": "min_max"},
        "amount 3": {"kind": "number", "normalise": "quantile", "missing": "median"},
        "amount 4": {"kind": "number", "normalise": "quantile_normal", "clip": [None, 50], "transform": "log"},
        "amount 5": {"kind": "number", "clip": [7, 8], "missing": "zero", "missing_indicator": True},
        "pair": {"kind": "number", "normalise": "quantile", "missing_indicator": True},
        "when": {"kind": "date", "parts": parts, "missing_indicator": True},
        "again": {"kind": "date", "parts": parts, "cyclic": "one_hot"},
        "street": {"kind": "category", "buckets": 7},
        "house": {"kind": "category", "buckets": 1000, "encoding": "embedding"},
        "day": {"kind": "date"},
    }
    parsed = Data.parse({"source": {"kind": "csv", "path": "none"}, "features": features}).features or {}
    fitted = {name: each.fit(columns[name][:300], Column("unknown")) for name, each in parsed.items()}  # type: ignore[call-arg]
    preparation = Preparation.parse(Preparation(features=fitted).tree())  # type: ignore[arg-type]
    check(preparation, Table("t", columns), tmp_path)
    assert len(preparation.vector_names) == preparation.inputs[0].shape[0]


@pytest.mark.parametrize("buckets", [None, 5])
def test_target_encoding(buckets: int | None, tmp_path: pathlib.Path) -> None:
    """Missing and unknown values too, of two targets."""
    rng = np.random.default_rng(0)
    names = texts([*NASTY, None, "", *(f"street {index % 9}" for index in range(98 - len(NASTY)))])
    columns = {"street": names, "size": rng.normal(size=100), "price": rng.normal(50, 9, 100)}
    table = Table("t", columns | {"colour": texts(["red", "green", "blue", "red"] * 25)})
    street = {"kind": "category", "encoding": "target", "buckets": buckets}
    data = Data.parse(
        {
            "source": {"kind": "csv", "path": "none"},
            "target": {"price": {"kind": "number"}, "colour": {"kind": "category"}},
            "features": {"size": {"kind": "number"}, "street": street},
            "split": {"kind": "random"},
        }
    )
    described = dict.fromkeys(table.columns, Column("unknown"))
    fitted, _ = fit(data, table, described, Parts(np.arange(5, 80), np.arange(5), np.arange(80, 100)), 0)
    preparation = Preparation.parse(fitted.tree())
    check(preparation, table, tmp_path)
    assert preparation.inputs[0].shape == (1 + 4,)
    assert len(np.unique(preparation.encode(table, target=False).inputs["features"][:, 1])) > 4


def test_windows_of_a_series(tmp_path: pathlib.Path) -> None:
    values = np.random.default_rng(0).normal(50, 10, 40)
    stamps = np.arange(40).astype("datetime64[h]").astype("datetime64[us]")
    series = Series(kind="series", window=6, horizon=2).fit(values[:30], Column("number"), stamps[:30])
    preparation = Preparation(features={"temp": series}, time="time")
    encoded = preparation.encode(Table("t", {"temp": values, "time": stamps}), target=False)
    raw = np.lib.stride_tricks.sliding_window_view(values, 6).astype(np.float32)[:, :, None]
    received = of_raw(saved(preparation, tmp_path), {"temp": raw})["temp"]
    np.testing.assert_allclose(received, encoded.inputs["temp"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("difference", [None, 1, 5])
@pytest.mark.parametrize("each", [False, True])
def test_several_variables_of_several_series(difference: int | None, each: bool, tmp_path: pathlib.Path) -> None:
    """Two shops side by side, with a price that is known in advance and the calendar across a leap day."""
    rng = np.random.default_rng(0)
    stamps = np.repeat(np.datetime64("2024-02-27T05", "us") + np.arange(40) * np.timedelta64(5, "h"), 2)
    columns = {"sold": rng.normal(50, 10, 80), "price": rng.normal(3, 1, 80), "time": stamps}
    columns |= {"shop": texts(["a", "b"] * 40)}
    table = Table("t", columns)
    spec = {
        "source": {"kind": "csv", "path": "t.csv", "time": "time"},
        "target": "sold",
        "series_by": "shop",
        "features": {
            "price": {"kind": "series", "known": True, "difference": difference},
            "time": {"kind": "date", "parts": ["hour", "weekday", "month", "day_of_year"]},
            "sold": {"kind": "series", "window": 6, "horizon": 4, "difference": difference, "normalise_each": each},
            **({"shop": {"kind": "category"}} if difference else {}),
        },
    }
    data = Data.parse(spec)
    data = data.model_copy(update={"features": resolve_series(data.features or {})})
    preparation, _ = fit(
        data,
        table,
        {"time": Column("time"), "shop": Column("category")},
        Parts(np.arange(60), np.arange(60, 70), np.arange(70, 80)),
        0,
    )
    check(preparation, table, tmp_path)


def test_every_kind_of_feature_is_compared_here() -> None:
    """A new kind needs a test above."""
    union, _ = typing.get_args(Fitted)
    names = {each.__name__ for each in typing.get_args(union)}
    assert names == {"FittedImage", "FittedText", "FittedNumber", "FittedCategory", "FittedDate", "FittedSeries"}


def test_changes_are_summed_up_from_the_last_values_that_are_known() -> None:
    target = FittedNumbers(kind="numbers", column="y", offset=1.0, scale=2.0, horizon=3, difference=2)
    outputs = np.array([[0.0, 1.0, 2.0]], np.float32)  # changes of 1, 3 and 5
    past = np.array([7.0, 8.0, 10.0, 20.0], np.float32).reshape(1, 4, 1)
    restored = target.restore_raw(outputs, past, None)
    assert np.asarray(restored).tolist() == [[11, 23, 16]]
