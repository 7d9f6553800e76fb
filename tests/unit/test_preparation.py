"""The data section from file to examples: nothing leaks, everything wrong is told at once."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from dlrun.data.columns import Column, Table
from dlrun.data.content import content_hash
from dlrun.data.dataset import Dataset
from dlrun.data.features import Category, Number
from dlrun.data.fitted_target import FittedNumbers
from dlrun.data.new_data import load_file
from dlrun.data.preparation import Preparation
from dlrun.data.section import Data
from dlrun.data.signature import Input, Output
from dlrun.data.splits import AutoSplit, GroupSplit, RandomSplit, TimeSplit
from dlrun.errors import DataError, MisfitError
from dlrun.spec.problem import Problem

HERE = pathlib.Path()
ROWS = 60


def bundled(name: str, **section: Any) -> Data:
    return Data.parse({"source": {"kind": "bundled", "name": name}, **section})


def houses(folder: pathlib.Path, changed: dict[int, str] | None = None, rows: int = ROWS) -> Data:
    """A table of mixed columns in a CSV file; lines may be changed by their row."""
    rng = np.random.default_rng(0)
    lines = [
        f"{rng.normal(100, 20):.3f},{['brick', 'wood', 'clay'][index % 3]},{rng.integers(1900, 2000)},"
        f"a {'big' if index % 2 else 'small'} house number {index},{rng.normal(3e5, 1e4):.2f}"
        for index in range(rows)
    ]
    for row, line in (changed or {}).items():
        lines[row] = line
    (folder / "houses.csv").write_text("size,wall,built,text,price\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return Data.parse({"source": {"kind": "csv", "path": "houses.csv"}, "target": "price"})


def problems(data: Data, base: pathlib.Path = HERE, *, reconstructs: bool = False) -> list[tuple[Any, ...]]:
    return [problem.path for problem in data.check(base, reconstructs=reconstructs)]


def test_fitting_does_not_see_validation_and_test_rows(tmp_path: pathlib.Path) -> None:
    before = houses(tmp_path).load(tmp_path, seed=1)
    state = json.dumps(before.preparation.tree())
    hidden = np.concatenate([before.parts.validation, before.parts.test]).tolist()
    strange = {row: f"{row}e6,marble,1,entirely new words {row},9e9" for row in hidden}
    after = houses(tmp_path, strange).load(tmp_path, seed=1)
    assert json.dumps(after.preparation.tree()) == state
    assert np.array_equal(before.train.inputs["features"], after.train.inputs["features"])
    assert not np.array_equal(before.test.inputs["features"], after.test.inputs["features"])
    seen = {int(before.parts.train[0]): "1e6,marble,1,entirely new words,9e9"}
    assert json.dumps(houses(tmp_path, seen).load(tmp_path, seed=1).preparation.tree()) != state


LEARNING = {
    "size": {"kind": "number", "normalise": "quantile_normal", "clip": {"quantiles": [0.1, 0.9]}, "transform": "log"},
    "built": {"kind": "date", "format": "%Y", "parts": ["year"]},
    "wall": {"kind": "category", "min_count": 2},
    "text": {"kind": "text", "tokens": "subword", "vocabulary_size": 90},
}


@pytest.mark.parametrize("name", LEARNING)
def test_each_kind_learns_from_the_train_rows_alone(name: str, tmp_path: pathlib.Path) -> None:
    def load(changed: dict[int, str] | None = None) -> Dataset:
        source = {"kind": "csv", "path": "houses.csv", "types": {"built": "text"}}
        tree = {"source": source, "target": "price", "features": {name: LEARNING[name]}}
        houses(tmp_path, changed)
        return Data.parse(tree).load(tmp_path, seed=1)

    before = load()
    state = json.dumps(before.preparation.features[name].tree())
    hidden = np.concatenate([before.parts.validation, before.parts.test]).tolist()
    line = "1e6,marble,2500,quite unheard words,3e5"
    assert json.dumps(load(dict.fromkeys(hidden, line)).preparation.features[name].tree()) == state
    seen = dict.fromkeys(before.parts.train[:8].tolist(), line)
    assert json.dumps(load(seen).preparation.features[name].tree()) != state


def test_a_series_is_fitted_on_train_rows_only(tmp_path: pathlib.Path) -> None:
    def load(late: float) -> Dataset:
        rows = [
            f"2020-01-{day:02} {hour:02}:00,{hour + (late if day > 7 else 0)}"
            for day in range(1, 11)
            for hour in range(24)
        ]
        (tmp_path / "t.csv").write_text("date,temp\n" + "\n".join(rows) + "\n", encoding="utf-8")
        series = {"kind": "series", "window": 4, "horizon": 2}
        source = {"kind": "csv", "path": "t.csv", "time": "date"}
        return Data.parse({"source": source, "target": "temp", "features": {"temp": series}}).load(tmp_path, seed=0)

    cold, hot = load(0), load(1000)
    assert cold.preparation == hot.preparation
    assert (cold.parts.train[-1], cold.parts.validation[0]) == (165, 168)  # between them a gap of the horizon
    assert [len(part) for part in (cold.train, cold.validation, cold.test)] == [166 - 5, 22 - 5, 48 - 5]
    # the rows of an example, from its window's first to its horizon's last, lie in one part
    for (_, rows), examples in zip(cold.parts.items(), (cold.train, cold.validation, cold.test), strict=True):
        assert examples.rows.min() - 3 >= rows[0]
        assert examples.rows.max() + 2 <= rows[-1]
    values = cold.table.columns["temp"]
    assert cold.test.truth[0].tolist() == values[cold.test.rows[0] + 1 :][:2].tolist()
    assert isinstance(cold.preparation.target, FittedNumbers)
    np.testing.assert_allclose(cold.preparation.target.restore(cold.test.target), cold.test.truth, atol=1e-5)


def test_numbers_and_one_hot_categories_share_one_input(tmp_path: pathlib.Path) -> None:
    data = houses(tmp_path)
    dataset = data.load(tmp_path, seed=0)
    preparation = dataset.preparation
    assert preparation.signature.inputs == (
        Input("features", "vector", (6,)),
        Input("text", "tokens", (100,), vocabulary_size=preparation.signature.inputs[1].vocabulary_size),
    )
    assert preparation.signature.output == Output("price", "regression", (1,))
    assert preparation.vector_names == ("size", "wall=?", "wall=brick", "wall=clay", "wall=wood", "built")
    encoded = dataset.train.inputs["features"]
    assert encoded.dtype == np.float32
    np.testing.assert_allclose(encoded[:, [0, 5]].mean(axis=0), 0, atol=1e-5)
    assert (encoded[:, 1:5].sum(axis=1) == 1).all()
    np.testing.assert_allclose(dataset.train.target.std(), 1, rtol=1e-5)
    assert dataset.train.truth.tolist() == dataset.table.columns["price"][dataset.parts.train].tolist()


def test_what_was_inferred_is_a_spec_of_its_own(tmp_path: pathlib.Path) -> None:
    dataset = houses(tmp_path).load(tmp_path, seed=3)
    resolved = dataset.resolved
    assert resolved.features is not None
    assert [(name, each.kind) for name, each in resolved.features.items()] == [
        ("size", "number"),
        ("wall", "category"),
        ("built", "number"),
        ("text", "text"),
    ]
    assert resolved.target is not None
    assert resolved.target.kind == "number"
    assert resolved.split == RandomSplit()
    again = Data.parse(json.loads(json.dumps(resolved.tree()))).load(pathlib.Path("/elsewhere"), seed=3)
    assert again.preparation == dataset.preparation
    assert np.array_equal(again.test.inputs["text"], dataset.test.inputs["text"])


def test_a_preparation_goes_through_json_and_encodes_the_same(tmp_path: pathlib.Path) -> None:
    dataset = houses(tmp_path).load(tmp_path, seed=0)
    preparation = Preparation.parse(json.loads(json.dumps(dataset.preparation.tree())))
    assert preparation == dataset.preparation
    table = load_file(dataset.resolved.source, tmp_path / "houses.csv")
    examples = preparation.encode(table, dataset.parts.test)
    assert np.array_equal(examples.inputs["features"], dataset.test.inputs["features"])
    assert np.array_equal(examples.target, dataset.test.target)
    without = Table("t", {name: values for name, values in table.columns.items() if name != "price"})
    assert len(preparation.encode(without, target=False)) == ROWS


def test_new_data_that_does_not_fit_is_told_at_once(tmp_path: pathlib.Path) -> None:
    preparation = houses(tmp_path).load(tmp_path, seed=0).preparation
    lines = ["siize,built,text,price", "1,1990,a,5", "1,199O,,5", "1,old,,", "1,,b,x"]
    (tmp_path / "new.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = load_file(houses(tmp_path).source, tmp_path / "new.csv")
    with pytest.raises(DataError) as caught:
        preparation.encode(table)
    message = caught.value.message
    assert message.startswith("new.csv: ")
    assert "the column size is missing (did you mean siize?)" in message
    assert "the column wall is missing" in message
    assert "built is not a number in 2 rows (2, 3), such as '199O'" in message
    assert "text is missing" in message
    assert "2 rows (2, 3)" in message
    assert "price is not a number in row 4, such as 'x'" in message


def test_columns_that_are_there_are_listed_once(tmp_path: pathlib.Path) -> None:
    preparation = houses(tmp_path).load(tmp_path, seed=0).preparation
    with pytest.raises(DataError) as caught:
        preparation.encode(Table("new", {"q": np.zeros(2), "sizes": np.zeros(2)}))
    assert caught.value.message == (
        "new: the column size is missing (did you mean sizes?); the column wall is missing; "
        "the column built is missing; the column text is missing; the column price is missing; "
        "the columns are: q, sizes"
    )


def test_unknown_categories_in_new_data_are_counted(tmp_path: pathlib.Path) -> None:
    dataset = houses(tmp_path).load(tmp_path, seed=0)
    preparation, columns = dataset.preparation, dict(dataset.table.columns)
    assert preparation.unknown(dataset.table) == {}
    strange = ["steel", "wood", None, "glass", "steel", "tin", "straw"]
    columns["wall"] = np.array([*strange, *columns["wall"][len(strange) :]], object)
    table = Table("new", columns)
    assert preparation.unknown(table) == {"wall": (5, ("steel", "glass", "tin"))}
    assert preparation.unknown(table, np.array([0, 1, 2, 30])) == {"wall": (1, ("steel",))}
    assert preparation.unknown(Table("new", {"size": columns["size"]})) == {}


def test_an_unknown_class_in_new_data_is_told() -> None:
    dataset = bundled("iris").load(HERE, seed=0)
    columns = dict(dataset.table.columns)
    columns["species"] = np.where(np.arange(150) < 148, columns["species"], "virginca")
    with pytest.raises(DataError, match=r"species is a class that the train rows do not have \(virginca\) in 2 rows"):
        dataset.preparation.encode(Table("new", columns))


def test_a_class_that_only_the_test_has_is_told(tmp_path: pathlib.Path) -> None:
    rows = [f"{index},{'abc'[index // 45]}" for index in range(120)]
    (tmp_path / "t.csv").write_text("x,y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    source = {"kind": "csv", "path": "t.csv", "time": "x"}
    data = Data.parse(
        {"source": source, "target": "y", "split": {"kind": "time"}, "features": {"x": {"kind": "number"}}}
    )
    with pytest.raises(
        DataError, match=r"in the validation part, 6 rows \(91, .*\) of the target y has a class .*\(c\)"
    ):
        data.load(tmp_path, seed=0)


def test_a_missing_target_names_its_rows(tmp_path: pathlib.Path) -> None:
    changed = {3: "1,wood,1900,a,", 7: "1,wood,1900,a,"}
    with pytest.raises(DataError, match=r"the target price is missing in 2 rows \(4, 8\)"):
        houses(tmp_path, changed).load(tmp_path, seed=0)


def test_a_feature_that_cannot_read_its_column_names_the_rows(tmp_path: pathlib.Path) -> None:
    data = houses(tmp_path, {3: "big,wood,1900,a,1", 5: "1,wood,inf,,1"})
    features = {"size": {"kind": "number"}, "built": {"kind": "number"}, "text": {"kind": "text"}}
    with pytest.raises(DataError) as caught:
        Data.parse(data.tree() | {"features": features}).load(tmp_path, seed=0)
    assert "size is not a number in row 4, such as 'big'" in caught.value.message
    assert "built is infinite, or too large for 32 bits in row 6" in caught.value.message
    assert "text is missing" in caught.value.message


def test_an_autoencoder_gives_its_input_again() -> None:
    data = bundled("digits")
    assert problems(data, reconstructs=True) == []
    dataset = data.load(HERE, seed=0, reconstructs=True)
    assert dataset.resolved.target is None
    assert dataset.preparation.signature.output == Output("image", "reconstruction", (8, 8, 1))
    assert dataset.train.target is dataset.train.inputs["image"]
    assert dataset.train.target.max() == 1
    assert dataset.class_counts == {}


def test_a_speech_is_split_by_its_year() -> None:
    dataset = bundled("sotu_eras").load(HERE, seed=0)
    assert dataset.resolved.split == GroupSplit(kind="group", by="year")
    years = dataset.table.columns["year"]
    assert not set(years[dataset.parts.train]) & set(years[dataset.parts.test])
    assert dataset.class_counts == {
        name: int((dataset.table.columns["era"][dataset.parts.train] == name).sum())
        for name in ("before 1900", "since 1900")
    }


def test_the_summary_holds_what_data_json_keeps() -> None:
    dataset = bundled("seattle_temps").load(HERE, seed=0)
    assert dataset.resolved.split == TimeSplit(kind="time", gap=24)
    summary = json.loads(json.dumps(dataset.summary()))
    assert summary["rows"] == 8759
    assert summary["columns"]["date"] == {"kind": "time", "type": "datetime64[us]"}
    assert [summary["splits"][part]["rows"] for part in ("train", "validation", "test")] == [6107, 852, 1752]
    assert Preparation.parse(summary["preparation"]) == dataset.preparation


def test_the_hash_of_rows_is_of_their_content() -> None:
    def table(number: float, text: str | None) -> Table:
        return Table("t", {"x": np.array([1.0, number]), "t": np.array(["a", text], object)})

    rows = np.array([0, 1])
    first = content_hash(table(2.0, "b"), rows)
    assert first == content_hash(table(2.0, "b"), rows)
    others = [table(3.0, "b"), table(2.0, "c"), table(2.0, None), table(2.0, ""), table(np.nan, "b")]
    hashes = {content_hash(each, rows) for each in others} | {first, content_hash(table(2.0, "b"), rows[::-1])}
    assert len(hashes) == 7
    assert content_hash(table(3.0, "c"), rows[:1]) == content_hash(table(2.0, "b"), rows[:1])
    nothing, nothing_either = (Table("t", {"x": np.array([1.0, np.copysign(np.nan, sign)])}) for sign in (1, -1))
    assert nothing.columns["x"].tobytes() != nothing_either.columns["x"].tobytes()
    assert content_hash(nothing, rows[:2]) == content_hash(nothing_either, rows[:2])
    assert first == "b033e4250e3987ffda1eee569b1bf47d6cd1516e91652b44efa0ce3b5ff1174c"


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({}, []),
        ({"target": "specie"}, [("target",)]),
        ({"features": {"species": {"kind": "category"}}}, [("features", "species")]),
        ({"features": {"sepal": {"kind": "number"}}}, [("features", "sepal")]),
        ({"features": {"sepal_width": {"kind": "image"}}}, [("features", "sepal_width", "kind")]),
        ({"features": {"sepal_width": {"kind": "text"}}}, [("features", "sepal_width", "kind")]),
        ({"split": {"validation": 0.5, "test": 0.5}}, [("split", "validation")]),
        ({"split": {"kind": "group", "by": "genus"}}, [("split", "by")]),
        ({"split": {"kind": "time"}}, [("split", "kind")]),
        ({"target": "sepal_width", "split": {"stratify": True, "bins": 4}}, []),
        ({"split": {"stratify": True, "bins": 4}}, [("split", "bins")]),
        ({"target": "sepal_width", "split": {"bins": 4}}, [("split", "bins")]),
        ({"split": {"keep_together": ["duplicates", "genus"]}}, [("split", "keep_together")]),
        ({"split": {"kind": "group", "by": "species"}}, [("split", "by")]),
        ({"split": {"kind": "files", "test": "2.csv"}}, [("split", "kind")]),
        ({"split": {"kind": "files"}}, [("split", "kind")]),
        ({"split": {"kind": "column", "by": "part"}}, [("split", "by")]),
        ({"split": {"kind": "kfold", "folds": 3, "fold": 4}}, [("split", "fold")]),
        ({"split": {"stratify": True}}, []),
        (
            {"target": "genus", "features": {"sepal": {"kind": "number"}}, "split": {"validation": 0.9}},
            [("target",), ("features", "sepal"), ("split", "validation")],
        ),
        (
            {
                "features": {"sepal_width": {"kind": "number"}, "sepal_length": {"kind": "number"}},
                "split": {"kind": "group", "by": "sepal_width"},
            },
            [("features", "sepal_width")],
        ),
        (
            {"target": "sepal_width", "features": {"sepal_width": {"kind": "series", "window": 2}}},
            [("source",)],
        ),
    ],
)
def test_mistakes_are_found_without_the_data(section: dict[str, Any], expected: list[tuple[Any, ...]]) -> None:
    assert problems(bundled("iris", **section)) == expected


def test_a_series_needs_a_split_by_time_and_is_alone() -> None:
    series = {"kind": "series", "window": 4}
    data = bundled("seattle_temps", features={"temp": series}, split={"kind": "random"})
    assert problems(data) == [("split", "kind")]
    assert problems(bundled("seattle_temps", split={"validation": 0.1})) == []
    data = bundled("seattle_temps", features={"temp": series, "date": {"kind": "category"}})
    assert problems(data) == [("features", "date", "kind"), ("features", "date")]


def test_a_test_fraction_beside_an_own_test_part_and_a_target_beside_a_reconstruction() -> None:
    data = bundled("mnist", split={"test": 0.2}, target="label")
    found = list(data.check(HERE, reconstructs=True))
    assert [problem.path for problem in found] == [("target",), ("split", "test")]
    assert all(problem.hint for problem in found)


def test_a_near_name_is_suggested(tmp_path: pathlib.Path) -> None:
    data = Data.parse(houses(tmp_path).tree() | {"target": "prise"})
    [problem] = data.check(tmp_path)
    assert problem == Problem(("target",), "the source has no column prise", hint="did you mean price?")


def test_no_target_is_told(tmp_path: pathlib.Path) -> None:
    data = Data.parse({"source": houses(tmp_path).source.tree()})
    [problem] = data.check(tmp_path)
    assert problem.message.startswith("no target")


def test_what_only_the_data_shows_is_told_as_problems(tmp_path: pathlib.Path) -> None:
    data = Data.parse(houses(tmp_path).tree() | {"features": {"wall": {"kind": "image"}}})
    assert problems(data, tmp_path) == []
    with pytest.raises(MisfitError) as caught:
        data.load(tmp_path, seed=0)
    assert [problem.path for problem in caught.value.problems] == [("data", "features", "wall", "kind")]


@pytest.mark.parametrize("name", ["mnist", "digits", "iris", "wine", "breast_cancer", "diabetes", "seattle_temps"])
def test_the_preview_is_what_loading_gives(name: str) -> None:
    data = bundled(name)
    assert data.preview(HERE) == data.load(HERE, seed=0).preparation.signature


def test_a_preview_needs_what_is_known(tmp_path: pathlib.Path) -> None:
    data = houses(tmp_path)
    assert data.preview(tmp_path) is None
    section = data.tree() | {"target": {"column": "price", "kind": "number"}, "features": {"size": {"kind": "number"}}}
    preview = Data.parse(section).preview(tmp_path)
    assert preview is not None
    assert preview == Data.parse(section).load(tmp_path, seed=0).preparation.signature
    keras = Data.parse({"source": {"kind": "keras", "name": "cifar100"}}).preview(tmp_path)
    assert keras is not None
    assert keras.output.shape == (100,)


def test_shorthands() -> None:
    data = bundled("iris", target="species", split={"validation": 0.2})
    assert data.target is not None
    assert data.target.column == "species"
    assert data.split == AutoSplit(validation=0.2)
    assert data == bundled("iris", target={"column": "species"}, split={"kind": "auto", "validation": 0.2})
    assert data.load(pathlib.Path(), seed=0).resolved.split == RandomSplit(validation=0.2)


def test_a_split_without_a_kind_keeps_together_what_must_stay_together() -> None:
    speeches = bundled("sotu_eras", split={"validation": 0.1, "test": 0.3})
    loaded = speeches.load(pathlib.Path(), seed=0)
    assert loaded.resolved.split == GroupSplit(kind="group", by="year", validation=0.1, test=0.3)
    stratified = bundled("sotu_eras", split={"stratify": True})
    assert list(stratified.check(pathlib.Path())) == []
    assert stratified.load(pathlib.Path(), seed=0).resolved.split == GroupSplit(kind="group", by="year", stratify=True)


def test_whole_numbers_are_classes_unless_the_loss_is_for_numbers(tmp_path: pathlib.Path) -> None:
    rows = [f"{index / 7:.2f},{index % 3}" for index in range(60)]
    (tmp_path / "t.csv").write_text("x,y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    data = Data.parse({"source": {"kind": "csv", "path": "t.csv"}, "target": "y"})
    assert data.load(tmp_path, seed=0).preparation.signature.output.task == "multiclass"
    assert data.load(tmp_path, seed=0, loss="mse").preparation.signature.output.task == "regression"


def test_features_of_a_preparation_by_hand() -> None:
    table = Table("t", {"x": np.array([1.0, 3.0]), "c": np.array(["a", "b"], object), "e": np.array([5, 6])})
    features = {
        "c": Category(kind="category").fit(table.columns["c"], Column("unknown")),
        "e": Category(kind="category", encoding="embedding").fit(table.columns["e"], Column("unknown")),
        "x": Number(kind="number").fit(table.columns["x"], Column("unknown")),
    }
    preparation = Preparation(features=features)
    examples = preparation.encode(table, np.array([1]), target=False)
    assert [each.name for each in preparation.inputs] == list(examples.inputs) == ["features", "e"]
    assert examples.inputs["features"].tolist() == [[0, 0, 1, 1]]
    assert examples.inputs["e"].tolist() == [2]


def test_the_section_is_imported_without_numpy_and_friends() -> None:
    code = (
        "import sys, pathlib; from dlrun.data.section import Data;"
        "d = Data.parse({'source': {'kind': 'bundled', 'name': 'mnist'}});"
        "assert not list(d.check(pathlib.Path())); assert d.preview(pathlib.Path());"
        "print([name for name in ('numpy', 'polars', 'sklearn', 'tensorflow', 'keras') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
