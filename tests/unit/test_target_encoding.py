"""Target encoding: the numbers of scikit-learn, and no way from a train row's target to what the network sees of it."""

from __future__ import annotations

import functools
import json
import pathlib
from typing import Any

import jsonschema
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import TargetEncoder

from dlrun.data import cross_fitting
from dlrun.data.columns import Table
from dlrun.data.cross_fitting import deal_out
from dlrun.data.dataset import Dataset
from dlrun.data.features import FittedCategory
from dlrun.data.preparation import Preparation
from dlrun.data.section import Data
from dlrun.errors import DataError
from dlrun.schema import schema

ROWS = 400
SEED = 3


def frame(rows: int = ROWS, seed: int = 0) -> pl.DataFrame:
    """Sales by city, a few cities with very many of them, some without one."""
    random = np.random.default_rng(seed)
    number = np.minimum(random.geometric(0.15, rows), 30)
    effect = random.normal(size=31)
    score = effect[number] + random.normal(size=rows)
    return pl.DataFrame(
        {
            "city": [None if each == 2 else f"city {each}" for each in number],
            "plan": random.choice(["small", "large", "none"], rows),
            "id": [f"id {each}" for each in range(rows)],
            "group": [f"group {each // 4}" for each in range(rows)],
            "sold": np.where(score > 0.5, "yes", "no"),
            "colour": np.array(["red", "green", "blue"])[np.digitize(score, [-0.5, 0.8])],
            "price": 250_000 + 40_000 * score,
        }
    )


def load(folder: pathlib.Path, target: Any, table: pl.DataFrame | None = None, **section: Any) -> Dataset:
    (frame() if table is None else table).write_parquet(folder / "sales.parquet")
    tree = {"source": {"kind": "parquet", "path": "sales.parquet"}, "target": target, **section}
    return Data.parse(tree).load(folder, SEED)


def folds_of(dataset: Dataset, *names: str) -> np.ndarray:
    return deal_out(dataset.table, dataset.parts.train, names, tuple(dataset.preparation.features), SEED)


def scaled(encodings: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Means of the target (numbers, or each class as 0 and 1) in its standard deviations from its mean."""
    return (encodings - codes.mean(axis=0)) / codes.std(axis=0)


def codes_of(dataset: Dataset, column: str) -> tuple[np.ndarray, np.ndarray, str]:
    """A target of the train rows as scikit-learn takes it, as numbers, (rows, numbers), and what kind it is to it."""
    values = dataset.table.columns[column][dataset.parts.train]
    if column == "price":
        return values, values[:, None], "continuous"
    classes, codes = np.unique(values.astype(str), return_inverse=True)
    if len(classes) == 2:
        return codes, codes[:, None].astype(float), "binary"
    return codes, np.eye(len(classes))[codes], "multiclass"


@pytest.mark.parametrize("smoothing", ["auto", 0, 2.5, None])
@pytest.mark.parametrize("target", ["sold", "colour", "price"])
def test_the_means_are_those_of_scikit_learn(target: str, smoothing: Any, tmp_path: pathlib.Path) -> None:
    """A missing value is one of its own there too; a row is shown what is fitted on the other folds."""
    feature = {"kind": "category", "encoding": "target", **({} if smoothing is None else {"smoothing": smoothing})}
    dataset = load(tmp_path, {"column": target, "kind": "number" if target == "price" else "category"},
                   features={"city": feature})  # fmt: skip
    y, codes, kind = codes_of(dataset, target)
    cities = np.array(dataset.table.columns["city"], object)[:, None]

    def fitted(rows: np.ndarray) -> TargetEncoder:
        encoder = TargetEncoder(target_type=kind, smooth=10.0 if smoothing is None else smoothing)
        return encoder.fit(cities[dataset.parts.train][rows], y[rows])

    everything = fitted(np.arange(len(y)))
    for rows, examples in ((dataset.parts.validation, dataset.validation), (dataset.parts.test, dataset.test)):
        expected = scaled(everything.transform(cities[rows]), codes)
        np.testing.assert_allclose(examples.inputs["features"], expected, rtol=0, atol=1e-6)
    fold = folds_of(dataset)
    for number in range(5):
        own = fold == number
        expected = scaled(fitted(np.flatnonzero(~own)).transform(cities[dataset.parts.train][own]), codes)
        np.testing.assert_allclose(dataset.train.inputs["features"][own], expected, rtol=0, atol=1e-6)


def test_by_hand(tmp_path: pathlib.Path) -> None:
    """a: 1 of 2, b: 3 of 4, of all 4 of 6; two rows with the mean of all are added; c is unknown, and so missing."""
    table = pl.DataFrame(
        {
            "letter": ["a", "a", "b", "b", "b", "b", "c", None, "a", "b"],
            "sold": ["no", "yes", "yes", "yes", "yes", "no", "yes", "no", "no", "yes"],
            "part": [*["train"] * 6, *["test"] * 4],
        }
    )
    dataset = load(tmp_path, "sold", table, split={"kind": "column", "by": "part"},
                   features={"letter": {"kind": "category", "encoding": "target", "smoothing": 2}})  # fmt: skip
    mean, deviation = 4 / 6, (4 / 6 * 2 / 6) ** 0.5
    a, b = (1 + 2 * mean) / 4, (3 + 2 * mean) / 6
    expected = [0, 0, (a - mean) / deviation, (b - mean) / deviation]
    np.testing.assert_allclose(dataset.test.inputs["features"][:, 0], expected, rtol=0, atol=1e-6)
    assert dataset.preparation.vector_names == ("letter: share of sold=yes",)


def test_an_id_tells_no_row_its_target(tmp_path: pathlib.Path) -> None:
    """Every train row is shown the mean of the other folds, the same for all rows of its own."""
    for smoothing in ("auto", 0, 10):
        dataset = load(tmp_path, "sold", features={"id": {"kind": "category", "encoding": "target",
                                                          "smoothing": smoothing}})  # fmt: skip
        y, codes, _ = codes_of(dataset, "sold")
        fold, shown = folds_of(dataset), dataset.train.inputs["features"][:, 0]
        assert np.bincount(fold).tolist() == [len(y) // 5] * 5
        for number in range(5):
            expected = scaled(y[fold != number].mean(), codes[:, 0])
            np.testing.assert_allclose(shown[fold == number], expected, rtol=0, atol=1e-6)
            assert len(np.unique(shown[fold == number])) == 1
        assert not dataset.test.inputs["features"].any(), "what training has not seen is the mean of all"


@settings(deadline=None, max_examples=25)
@given(
    indexes=st.lists(st.integers(0, 4), min_size=12, max_size=12),
    targets=st.lists(st.floats(-50, 50), min_size=12, max_size=12),
    others=st.lists(st.floats(-50, 50), min_size=12, max_size=12),
    smoothing=st.sampled_from(["auto", 0, 3]),
    own=st.integers(0, 2),
)
def test_the_targets_of_a_fold_change_nothing_that_it_is_shown(
    indexes: list[int], targets: list[float], others: list[float], smoothing: Any, own: int
) -> None:
    """But for the unit, which is the same for all rows."""
    fold = np.arange(12, dtype=np.int8) % 3

    def shown(y: np.ndarray) -> np.ndarray:
        sums = [
            cross_fitting.Sums(*(np.bincount(np.array(indexes)[fold == each], weights, 5)[:, None] if index else
                                 np.bincount(np.array(indexes)[fold == each], minlength=5).astype(float)
                                 for index, weights in enumerate((None, y[fold == each], y[fold == each] ** 2))))
            for each in range(3)
        ]  # fmt: skip
        means = cross_fitting._means(sums, smoothing)[1][own].astype(np.float64)
        deviation = y.std() if y.std() > 1e-3 else 1.0
        return np.asarray(means * deviation + y.mean())

    before = np.array(targets)
    after = np.where(fold == own, others, before)
    if min(before.std(), after.std()) > 1e-3:
        np.testing.assert_allclose(shown(after), shown(before), rtol=0, atol=1e-3)


@pytest.mark.parametrize("split", [{}, {"kind": "kfold", "folds": 3, "fold": 2}])
def test_nothing_is_learned_from_other_rows(split: dict[str, Any], tmp_path: pathlib.Path) -> None:
    features = {"city": {"kind": "category", "encoding": "target", "smoothing": "auto"}}
    before = load(tmp_path, "price", features=features, split=split)
    again = load(tmp_path, "price", features=features, split=split)
    hidden = np.concatenate([before.parts.validation, before.parts.test])
    assert len(hidden)
    price = frame()["price"].to_numpy().copy()
    price[hidden] = 9e9
    after = load(tmp_path, "price", frame().with_columns(price=price), features=features, split=split)
    assert json.dumps(after.preparation.tree()) == json.dumps(before.preparation.tree())
    for other in (after, again):
        assert other.splits.keys() == before.splits.keys()
        for part, examples in before.splits.items():
            np.testing.assert_array_equal(other.splits[part].inputs["features"], examples.inputs["features"])


@pytest.mark.parametrize(
    ("split", "names"),
    [
        ({"kind": "group", "by": "group"}, ("group",)),
        ({"keep_together": ["duplicates"]}, ("duplicates",)),
        ({"kind": "kfold", "by": "group", "keep_together": "duplicates"}, ("group", "duplicates")),
        ({"kind": "random"}, ()),
    ],
)
def test_rows_that_stay_together_are_in_one_fold(
    split: dict[str, Any], names: tuple[str, ...], tmp_path: pathlib.Path
) -> None:
    """Each row is there twice."""
    one = frame().with_row_index("twin")
    features = {"city": {"kind": "category", "encoding": "target"}, "twin": {"kind": "number"}}
    dataset = load(tmp_path, "sold", pl.concat([one, one]), features=features, split=split)
    assert cross_fitting.kept_together(dataset.resolved.split) == names
    fold, rows = folds_of(dataset, *names), dataset.parts.train
    for column, together in (("twin", bool(names)), ("group", "group" in names)):
        groups = dataset.table.columns[column][rows]
        assert all(len(set(fold[groups == each])) == 1 for each in set(groups)) is together
    y, codes, _ = codes_of(dataset, "sold")
    cities = dataset.table.columns["city"][rows]
    for row in (0, 50, 100):
        others = (fold != fold[row]) & (cities == cities[row])
        mean = y[fold != fold[row]].mean()
        expected = (y[others].sum() + 10 * mean) / (others.sum() + 10)
        assert dataset.train.inputs["features"][row, 0] == pytest.approx(scaled(expected, codes[:, 0]), abs=1e-6)


def test_folds_follow_the_seed_and_are_never_one() -> None:
    table = Table("t", {"same": np.array(["x"] * 7, object), "two": np.array(list("aabbbbb"), object)})
    rows = np.arange(7)
    fold = deal_out(table, rows, (), ("same",), 1)
    assert np.bincount(fold).tolist() == [2, 2, 1, 1, 1]
    np.testing.assert_array_equal(deal_out(table, rows, (), ("same",), 1), fold)
    assert any(deal_out(table, rows, (), ("same",), seed).tolist() != fold.tolist() for seed in (2, 3))
    assert sorted(np.bincount(deal_out(table, rows, ("two",), ("same",), 1)).tolist()) == [2, 5]
    assert np.bincount(deal_out(table, rows, ("duplicates",), ("same",), 1)).tolist() == [2, 2, 1, 1, 1]


def test_every_target_has_its_means(tmp_path: pathlib.Path) -> None:
    features = {"plan": {"kind": "category"}, "city": {"kind": "category", "encoding": "target"}}
    both = load(tmp_path, {"price": {}, "colour": {}}, features=features)
    alone = [load(tmp_path, name, features={"city": features["city"]}) for name in ("price", "colour")]
    expected = np.concatenate([each.train.inputs["features"] for each in alone], axis=1)
    np.testing.assert_array_equal(both.train.inputs["features"][:, 4:], expected)
    assert both.preparation.vector_names[4:] == (
        "city: mean of price",
        *(f"city: share of colour={each}" for each in ("blue", "green", "red")),
    )


def test_rare_values_and_unknown_ones_share_a_mean_and_buckets_have_theirs(tmp_path: pathlib.Path) -> None:
    target = {"encoding": "target", "smoothing": 0, "kind": "category"}
    dataset = load(tmp_path, "sold", features={"city": {**target, "min_count": 20}, "id": {**target, "buckets": 4}})
    preparation = Preparation.parse(json.loads(json.dumps(dataset.preparation.tree())))
    assert preparation == dataset.preparation
    y, codes, _ = codes_of(dataset, "sold")
    cities = np.array([each or "" for each in dataset.table.columns["city"][dataset.parts.train]])
    names, counts = np.unique(cities, return_counts=True)
    rare = np.isin(cities, names[counts < 20])
    assert 0 < rare.sum() < len(y)
    new = Table("new", {"city": np.array(["Rome", None], object), "id": np.array(["id 7", None], object)})
    said = preparation.encode(new, target=False).inputs["features"]
    assert said[0, 0] == pytest.approx(scaled(y[rare].mean(), codes[:, 0]), abs=1e-6)
    assert said[1, 0] == pytest.approx(scaled(y[cities == ""].mean(), codes[:, 0]), abs=1e-6)
    by_id = preparation.features["id"]
    assert isinstance(by_id, FittedCategory)
    bucket = by_id.indexes(dataset.table.columns["id"][dataset.parts.train])
    of_seven = bucket == by_id.indexes(np.array(["id 7"], object))[0]
    assert said[0, 1] == pytest.approx(scaled(y[of_seven].mean(), codes[:, 0]), abs=1e-6)
    assert said[1, 1] == 0, "none is missing in the train rows"


def test_a_target_that_is_constant_or_far_from_zero(tmp_path: pathlib.Path) -> None:
    features = {"city": {"kind": "category", "encoding": "target", "smoothing": "auto"}}
    one = {"column": "price", "kind": "number"}
    same = load(tmp_path, one, frame().with_columns(price=pl.lit(5.1)), features=features)
    assert not same.train.inputs["features"].any()
    near = load(tmp_path, one, frame().with_columns(price=pl.col("price") / 1e6), features=features)
    far = load(tmp_path, one, frame().with_columns(price=pl.col("price") / 1e6 + 1e9), features=features)
    np.testing.assert_allclose(far.test.inputs["features"], near.test.inputs["features"], rtol=0, atol=1e-5)


def test_what_cannot_be_encoded_so_is_told(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features = {"city": {"kind": "category", "encoding": "target"}}
    table = frame(4).with_columns(part=pl.Series(["train", "test", "test", "test"]))
    with pytest.raises(DataError, match="two train rows at least"):
        load(tmp_path, {"column": "price", "kind": "number"}, table, features=features,
             split={"kind": "column", "by": "part"})  # fmt: skip
    monkeypatch.setattr(cross_fitting, "MOST_MEANS", 50)
    with pytest.raises(DataError, match=r"city has \d+ values, with 3 means of the target for each"):
        load(tmp_path, "colour", features=features)


@pytest.mark.parametrize(
    ("entry", "right"),
    [
        ({"encoding": "target"}, True),
        ({"encoding": "target", "smoothing": "auto"}, True),
        ({"encoding": "target", "smoothing": 2.5, "buckets": 9}, True),
        ({"encoding": "targets"}, False),
        ({"encoding": "target", "smoothing": -1}, False),
        ({"encoding": "target", "smoothing": "none"}, False),
    ],
)
def test_the_schema_knows_it(entry: dict[str, Any], right: bool) -> None:
    tree = {
        "data": {
            "source": {"kind": "csv", "path": "a.csv"},
            "target": "y",
            "features": {"city": {"kind": "category", **entry}},
        },
        "architecture": {"kind": "ann"},
    }
    assert validator().is_valid(tree) is right


@functools.cache
def validator() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(schema())
