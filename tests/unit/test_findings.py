"""What a deep check finds: each fault is planted once, and told with its count and row; without it nothing is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dlrun.data.columns import Table
from dlrun.data.dataset import Dataset
from dlrun.data.section import Data
from dlrun.data.splits import Parts
from dlrun.profile import written
from dlrun.profile.classes import look_at_classes
from dlrun.profile.drift import look_for_drift
from dlrun.profile.finding import Finding
from dlrun.profile.leaks import look_for_leaks
from dlrun.profile.look import look
from dlrun.profile.pictures import shrink, similar
from dlrun.profile.rows import hashes
from dlrun.profile.table import frame_of, profile_dataset
from dlrun.reading import load_data, read_experiment
from dlrun.training.settings import Training

ROOT = Path(__file__).parents[2]
ROWS = 200


def sound() -> dict[str, list[Any]]:
    """A table in which nothing is odd."""
    random = np.random.default_rng(1)
    x, y = random.normal(size=ROWS), random.normal(size=ROWS)
    label = np.where(x + 0.5 * random.normal(size=ROWS) > 0, "yes", "no")
    city = random.choice(["Rome", "Oslo", "Bern"], ROWS)
    return {"x": x.round(6).tolist(), "y": y.round(6).tolist(), "city": city.tolist(), "label": label.tolist()}


def loaded(folder: Path, columns: dict[str, list[Any]], target: str = "label", **fields: Any) -> Dataset:
    polars.DataFrame(columns, strict=False).write_csv(folder / "a.csv")
    source = {"kind": "csv", "path": "a.csv", **fields.pop("source", {})}
    data = {"source": source, "target": target, "split": {"kind": "random", "stratify": True}, **fields}
    return Data.parse(data).load(folder, 3)


def found(dataset: Dataset, *, weighted: bool = False) -> dict[str, Finding]:
    findings = look(dataset, profile_dataset(dataset), weighted=weighted)
    assert len({finding.kind for finding in findings}) == len(findings)
    return {finding.kind: finding for finding in findings}


def test_in_a_sound_table_nothing_is_found(tmp_path: Path) -> None:
    assert found(loaded(tmp_path, sound())) == {}


def only(dataset: Dataset, kind: str) -> Finding:
    findings = found(dataset)
    assert list(findings) == [kind]
    assert kind in Data.model_json_schema()["properties"]["accept"]["items"]["enum"]
    accepting = dataset.resolved.model_copy(update={"accept": (kind,)})
    assert look(Dataset(**{**vars(dataset), "resolved": accepting}), profile_dataset(dataset), weighted=False) == []
    return findings[kind]


def test_a_constant_column(tmp_path: Path) -> None:
    finding = only(loaded(tmp_path, sound() | {"unit": [5.0] * ROWS}), "constant")
    assert (finding.columns, finding.count, finding.severity) == (("unit",), 1, "warning")
    assert finding.what == "unit has one value in all train rows: nothing can be learned from that"


def test_a_column_without_any_value(tmp_path: Path) -> None:
    columns = sound() | {"void": [None] * ROWS}
    features = {"x": {"kind": "number"}, "void": {"kind": "category"}}
    assert only(loaded(tmp_path, columns, features=features), "constant").columns == ("void",)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (list(range(100, 100 + ROWS)), "it counts from 100 to 299"),
        ([f"u{number}" for number in range(ROWS)], "all 200 texts are different"),
    ],
    ids=["counting", "texts"],
)
def test_an_id(values: list[Any], reason: str, tmp_path: Path) -> None:
    features = {"x": {"kind": "number"}, "key": {"kind": "category"}}
    finding = only(loaded(tmp_path, sound() | {"key": values}, features=features), "id")
    assert finding.what.startswith(f"key looks like an id ({reason})")
    assert finding.mend == "leave it out of data.features"


def test_numbers_that_are_all_different_are_an_id_by_their_name_only(tmp_path: Path) -> None:
    numbers = [7 * number**2 for number in range(ROWS)]
    assert "id" in found(loaded(tmp_path, sound() | {"user_id": numbers}))
    assert "id" not in found(loaded(tmp_path, sound() | {"area": numbers}))
    assert "id" not in found(loaded(tmp_path, sound() | {"humid": numbers}))


def test_a_copy_of_a_class(tmp_path: Path) -> None:
    columns = sound()
    columns["code"] = [{"yes": "Y", "no": "N"}[label] for label in columns["label"]]
    finding = only(loaded(tmp_path, columns), "leak")
    assert (finding.columns, finding.severity) == (("code",), "error")
    assert "each of its 2 values goes with one value of the target" in finding.what
    columns["code"][17] = "N" if columns["code"][17] == "Y" else "Y"
    assert found(loaded(tmp_path, columns)) == {}


@pytest.mark.parametrize(
    ("copy", "reason"),
    [
        (lambda price: price, "equal"),
        (lambda price: 1.8 * price + 32, "the same on another scale"),
        (lambda price: np.exp(price), "sorted by the one, the other is sorted too"),
    ],
    ids=["equal", "affine", "monotone"],
)
def test_a_copy_of_a_number(copy: Any, reason: str, tmp_path: Path) -> None:
    price = np.random.default_rng(2).normal(size=ROWS)
    columns = {"x": sound()["x"], "copy": copy(price).tolist(), "price": price.tolist()}
    split = {"kind": "random"}
    assert reason in only(loaded(tmp_path, columns, "price", split=split), "leak").what
    columns["copy"][5] += 9.0
    assert found(loaded(tmp_path, columns, "price", split=split)) == {}


@pytest.mark.parametrize(
    ("rows", "given", "factor", "leaks"),
    [(40, 40, -2.0, 1), (40, 20, 1.0, 1), (42, 20, 1.0, 0), (19, 19, 1.0, 0), (20, 20, 1.0, 1)],
)
def test_a_copy_is_one_in_half_of_the_rows_and_in_twenty(rows: int, given: int, factor: float, leaks: int) -> None:
    price = np.random.default_rng(0).normal(size=rows)
    copy = [factor * value if row < given else None for row, value in enumerate(price)]
    frame = polars.DataFrame({"copy": copy, "price": price})
    assert len(list(look_for_leaks(frame, ["copy"], "price"))) == leaks


def test_missing_numbers_unless_the_spec_says_what_stands_in(tmp_path: Path) -> None:
    columns = sound()
    columns["x"][4] = columns["x"][9] = None
    finding = only(loaded(tmp_path, columns), "missing")
    assert (finding.count, finding.rows, finding.columns) == (2, (5, 10), ("x",))
    assert "x is missing in 2 rows (5, 10), 1% of it" in finding.what
    assert found(loaded(tmp_path, columns, features={"x": {"kind": "number", "missing": "median"}})) == {}


@pytest.mark.parametrize(
    ("written", "row", "mend"),
    [
        (lambda number: f"{number:,}", 1, "take the commas between thousands out of the file"),
        (lambda number: f"{number} kg", 1, "take the units out of the file"),
        (lambda number: "N/A" if number == 1007 else str(number), 8, 'source: {missing: ["N/A"]}'),
        (lambda number: f"{number},25", 1, "source: {decimal_comma: true}"),
    ],
    ids=["thousands", "unit", "stand-in", "comma"],
)
def test_numbers_as_text(written: Any, row: int, mend: str, tmp_path: Path) -> None:
    columns = sound() | {"weight": [written(1000 + number) for number in range(ROWS)]}
    features = {"x": {"kind": "number"}, "weight": {"kind": "category"}}
    finding = found(loaded(tmp_path, columns, features=features))["number_text"]
    assert (finding.rows, finding.mend) == ((row,), mend)
    assert f"in row {row}" in finding.what


def test_how_numbers_are_written() -> None:
    points = written.written(polars.Series(["1.234,50", "2.345.678"]))
    assert (points.points, points.commas, points.units) == (2, 0, 0)
    mend = "take the points between thousands out of the file; source: {decimal_comma: true}"
    assert written.mend_numbers(points) == mend
    assert written.written(polars.Series(["5 kg"] * 9 + ["heavy"])).are_numbers
    assert not written.written(polars.Series(["5 kg"] * 8 + ["heavy"] * 2)).are_numbers
    assert written.text_among_numbers(polars.Series(["1", "2", "s/d", "s/d"])) == "s/d"
    assert written.text_among_numbers(polars.Series(["1", "2", "s/d", "s/d", "s/d"])) is None


def test_mixed_types(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    columns = sound() | {"grade": random.choice(["1", "2", "3", "4"], ROWS).tolist()}
    columns["grade"][7] = columns["grade"][11] = "late"
    finding = only(loaded(tmp_path, columns, features={"x": {"kind": "number"}, "y": {"kind": "number"},
                                                       "grade": {"kind": "category"}}), "mixed")  # fmt: skip
    assert (finding.count, finding.rows) == (2, (8, 12))
    assert "grade mixes 198 numbers with 2 other texts, such as 'late': 2 rows (8, 12)" in finding.what


@pytest.mark.parametrize("form", ["%m/%d/%Y", "%b %d, %Y"])
def test_times_as_text(form: str, tmp_path: Path) -> None:
    first = np.datetime64("2020-01-01T12:00")
    stamps = [(first + np.timedelta64(day % 60, "D")).item().strftime(form) for day in range(ROWS)]
    columns = sound() | {"day": [f"{stamp}" for stamp in stamps]}
    features = {"x": {"kind": "number"}, "day": {"kind": "category"}}
    finding = only(loaded(tmp_path, columns, features=features), "time_text")
    assert (finding.count, finding.rows) == (ROWS, (1,))
    assert finding.mend == f'features: {{day: {{kind: date, format: "{form}"}}}}'
    columns["day"] = [f"0{day % 9 + 1}/0{day % 7 + 1}/2020" for day in range(ROWS)]
    finding = only(loaded(tmp_path, columns, features=features), "time_text")
    assert finding.mend.endswith('{kind: date, format: "%d/%m/%Y"}}, or "%m/%d/%Y" where the month stands first')


def test_texts_without_a_token(tmp_path: Path) -> None:
    columns = {"text": [f"the word {number} of it" for number in range(ROWS)], "label": sound()["label"]}
    columns["text"][30] = "…!?".replace("…", "-")
    finding = only(loaded(tmp_path, columns, features={"text": {"kind": "text"}}), "empty_text")
    assert (finding.count, finding.rows) == (1, (31,))


@pytest.mark.parametrize("kind", ["duplicates", "duplicates_across"])
def test_a_row_that_is_there_twice(kind: str, tmp_path: Path) -> None:
    columns, split = sound(), {"kind": "random"}  # which is the same whatever the rows hold
    parts = loaded(tmp_path, columns, split=split).parts
    other = parts.train if kind == "duplicates" else parts.test
    one, two = int(parts.train[0]), int(other[1])
    for values in columns.values():
        values[two] = values[one]
    finding = only(loaded(tmp_path, columns, split=split), kind)
    assert (finding.count, finding.rows) == (1, (two + 1,))
    assert f"row {two + 1} = row {one + 1}" in finding.what


def test_a_column_that_is_constant_in_the_train_rows_alone(tmp_path: Path) -> None:
    columns, split = sound(), {"kind": "random"}
    parts = loaded(tmp_path, columns, split=split).parts
    columns["x"] = np.where(np.isin(np.arange(ROWS), parts.train), 1.5, 2.5).tolist()
    assert found(loaded(tmp_path, columns, split=split))["constant"].columns == ("x",)


def test_a_twin_of_another_class_is_no_copy_and_one_in_validation_and_test_is_in_two_parts(tmp_path: Path) -> None:
    columns, split = sound(), {"kind": "random"}
    parts = loaded(tmp_path, columns, split=split).parts
    one, two = map(int, parts.train[:2])
    for name in ("x", "y", "city"):
        columns[name][two] = columns[name][one]
    columns["label"][one], columns["label"][two] = "yes", "no"
    assert set(found(loaded(tmp_path, columns, split=split))) == {"conflicting_labels"}
    columns = sound()
    one, two = int(parts.validation[0]), int(parts.test[0])
    for values in columns.values():
        values[two] = values[one]
    finding = only(loaded(tmp_path, columns, split=split), "duplicates_across")
    assert (finding.count, finding.rows) == (1, (two + 1,))


def test_the_same_input_with_another_class(tmp_path: Path) -> None:
    columns = sound()
    for name in ("x", "y", "city"):
        columns[name][40] = columns[name][20]
    columns["label"][20], columns["label"][40] = "yes", "no"
    finding = found(loaded(tmp_path, columns))["conflicting_labels"]
    assert (finding.count, finding.rows) == (2, (21, 41))
    assert "row 21 (yes) and row 41 (no)" in finding.what


def test_the_same_input_with_another_class_of_any_target(tmp_path: Path) -> None:
    columns = sound() | {"size": [f"s{row % 3}" for row in range(ROWS)]}
    for name in ("x", "y", "city", "label"):
        columns[name][41] = columns[name][20]
    columns["size"][41] = "s1"
    target: Any = {"label": {}, "size": {}}
    findings = found(loaded(tmp_path, columns, target, split={"kind": "random"}))
    assert set(findings) <= {"conflicting_labels", "duplicates_across"}
    what = "2 rows have a twin with the same features and another size, such as row 21 (s2) and row 42 (s1)"
    assert findings["conflicting_labels"].what == what
    assert findings["conflicting_labels"].rows == (21, 42)
    columns["size"][41] = "s2"
    again = found(loaded(tmp_path, columns, target, split={"kind": "random"}))
    assert list(again) in (["duplicates"], ["duplicates_across"])


def test_rows_of_few_values_agree_by_chance(tmp_path: Path) -> None:
    columns = {name: sound()[name] for name in ("city", "label")}
    columns["size"] = np.random.default_rng(0).integers(1, 5, ROWS).tolist()
    assert found(loaded(tmp_path, columns)) == {}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 1.5, None]), st.sampled_from(["a", "", None]), st.integers(0, 1), st.booleans()
        ),
        min_size=1,
        max_size=40,
    )
)
def test_equal_rows_have_equal_hashes_and_others_do_not(rows: list[tuple[Any, ...]]) -> None:
    number, text, pixel, truth = zip(*rows, strict=True)
    columns = {
        "number": np.array(number, np.float64),
        "text": np.array([*text, None], object)[:-1],
        "image": np.array(pixel, np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8),
        "truth": np.array(truth, bool),
    }
    table = Table("a", columns)
    made = hashes(table, frame_of(table), list(columns))
    for one, first in enumerate(rows):
        for other, second in enumerate(rows):
            assert (made[one] == made[other]) == (first == second)


def test_a_class_that_a_part_lacks_and_one_with_a_single_row(tmp_path: Path) -> None:
    columns = sound()
    train = loaded(tmp_path, columns, split={"kind": "random"}).parts.train
    columns["label"][int(train[0])] = "rare"
    findings = found(loaded(tmp_path, columns, split={"kind": "random"}))
    assert findings["rare_class"].what.startswith("there is a single train row of the class rare")
    assert "imbalance" in findings
    assert "imbalance" not in found(loaded(tmp_path, columns, split={"kind": "random"}), weighted=True)
    accepted = loaded(tmp_path, columns, split={"kind": "random"}, accept=["rare_class", "imbalance", "absent_class"])
    assert found(accepted) == {}


@pytest.mark.parametrize(
    ("train", "kinds"),
    [
        ({"a": 20, "b": 2}, set()),
        ({"a": 21, "b": 2}, {"imbalance"}),
        ({"a": 5, "b": 1}, {"rare_class"}),
        ({"a": 11, "b": 1}, {"imbalance", "rare_class"}),
    ],
)
def test_classes_are_rare_with_one_row_and_outnumbered_beyond_ten_to_one(
    train: dict[str, int], kinds: set[str]
) -> None:
    assert {each.kind for each in look_at_classes({"train": train}, random=True, weighted=False)} == kinds


@pytest.mark.parametrize(("times", "names"), [(1, []), (20, ["x"])])
def test_few_rows_that_differ_by_chance_are_no_drift(times: int, names: list[str]) -> None:
    """The distance is 0.6; chance reaches 1.95 √(1/10 + 1/4) = 1.15, and with 20 times as many rows 0.26."""
    frame = polars.DataFrame({"x": [*range(10)] * times + [*range(4)] * times})
    rows = np.arange(14 * times)
    parts = Parts(rows[: 10 * times], rows[:0], rows[10 * times :])
    assert [name for each in look_for_drift(frame, parts, ["x"]) for name in each.columns] == names


def test_holes_of_a_series(tmp_path: Path) -> None:
    stamps = np.datetime64("2020-01-01T00:00") + np.arange(400) * np.timedelta64(1, "h")
    values = np.random.default_rng(0).normal(size=400)
    fields = {"source": {"time": "at"}, "split": {"kind": "time"},
              "features": {"v": {"kind": "series", "window": 4}}}  # fmt: skip
    whole = loaded(tmp_path, {"at": list(map(str, stamps)), "v": values.tolist()}, "v", **fields)
    assert found(whole) == {}
    fields = {"source": {"time": "at"}, "split": {"kind": "time"},
              "features": {"v": {"kind": "series", "window": 4}}}  # fmt: skip
    kept = np.delete(np.arange(400), [100, 101, 250])
    holed = loaded(tmp_path, {"at": list(map(str, stamps[kept])), "v": values[kept].tolist()}, "v", **fields)
    finding = only(holed, "holes")
    assert (finding.count, finding.rows) == (2, (100, 248))
    assert "after row 100, 2020-01-05 03:00:00, after row 248, 2020-01-11 09:00:00" in finding.what


def test_few_validation_examples_that_training_looks_at(tmp_path: Path) -> None:
    few = loaded(tmp_path, sound(), split={"kind": "random", "validation": 0.14, "stratify": True})
    [finding] = look(few, profile_dataset(few), weighted=False, watched=True)
    assert (finding.kind, finding.count, finding.severity) == ("few_validation", 28, "warning")
    assert look(few, profile_dataset(few), weighted=False) == []
    enough = loaded(tmp_path, sound(), split={"kind": "random", "validation": 0.15, "stratify": True})
    assert look(enough, profile_dataset(enough), weighted=False, watched=True) == []


def test_what_training_looks_at() -> None:
    for section, watches in [
        ({}, False),
        ({"early_stopping": {"patience": 2}}, True),
        ({"early_stopping": {"monitor": "loss"}}, False),
        ({"reduce_on_plateau": {"patience": 2}}, True),
    ]:
        assert Training.parse({"epochs": 1, **section}).watches_validation is watches


def test_drift(tmp_path: Path) -> None:
    columns = sound()
    stamps = [f"2020-01-01 {row // 60:02}:{row % 60:02}" for row in range(ROWS)]
    fields = {"source": {"time": "at"}, "split": {"kind": "time"}}
    assert found(loaded(tmp_path, {"at": stamps, **columns}, **fields)) == {}
    columns["x"] = [x + row / 100 for row, x in enumerate(columns["x"])]
    fields = {"source": {"time": "at"}, "split": {"kind": "time"}}
    assert only(loaded(tmp_path, {"at": stamps, **columns}, **fields), "drift").columns == ("x",)


def pictures(count: int, side: int = 48) -> np.ndarray:
    """Images that are smooth, as photographs are, and all different."""
    random = np.random.default_rng(0)
    rough = random.integers(0, 255, (count, 8, 8, 3)).astype(np.uint8)
    return rough.repeat(side // 8, axis=1).repeat(side // 8, axis=2)


def test_images_that_look_alike() -> None:
    images = pictures(300)
    assert similar(images).shape == (0, 2)
    images[200] = (images[10] * 0.9 + 10).astype(np.uint8)  # lighter, with less contrast
    images[7] = images[150]
    images[7] += np.random.default_rng(1).integers(0, 3, images[7].shape, np.uint8)  # saved with other rounding
    assert similar(images).tolist() == [[7, 150], [10, 200]]


def test_images_of_one_colour_are_no_copies_of_one_another() -> None:
    assert similar(np.stack([np.full((40, 40), shade, np.uint8) for shade in range(20)])).shape == (0, 2)


def test_near_duplicates_are_told_across_parts(tmp_path: Path) -> None:
    images = pictures(120)
    labels = np.arange(120) % 2
    np.savez(tmp_path / "a.npz", x=images, y=np.array(["a", "b"])[labels])
    data = {"source": {"kind": "arrays", "path": "a.npz"}, "split": {"kind": "random"},
            "features": {"x": {"kind": "image"}}}  # fmt: skip
    dataset = Data.parse(data).load(tmp_path, 0)
    assert found(dataset) == {}
    train, test = int(dataset.parts.train[0]), int(dataset.parts.test[0])
    images[test] = (images[train] * 0.95).astype(np.uint8)
    np.savez(tmp_path / "a.npz", x=images, y=np.array(["a", "b"])[labels])
    finding = only(Data.parse(data).load(tmp_path, 0), "near_duplicates")
    assert (finding.count, finding.rows) == (1, (test + 1,))
    images[test] = images[train]
    np.savez(tmp_path / "a.npz", x=images, y=np.array(["a", "b"])[labels])
    assert "duplicates_across" in found(Data.parse(data).load(tmp_path, 0))


def test_images_are_called_by_their_files(tmp_path: Path) -> None:
    images = pictures(120)
    for number, image in enumerate(images):
        folder = tmp_path / "pets" / ("cat" if number % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number:03}.png")
    data = {"source": {"kind": "image_folder", "path": "pets"}, "split": {"kind": "random"}}
    data["features"] = {"image": {"kind": "image"}}
    dataset = Data.parse(data).load(tmp_path, 0)
    train, test = (dataset.table.call(int(rows[0])) for rows in (dataset.parts.train, dataset.parts.test))
    (tmp_path / "pets" / test).write_bytes((tmp_path / "pets" / train).read_bytes())
    findings = found(Data.parse(data).load(tmp_path, 0))
    assert f"{test} = {train}" in findings["duplicates_across"].what


def test_an_image_is_shrunk_by_means() -> None:
    grey = np.arange(2 * 6 * 4, dtype=np.float32).reshape(2, 6, 4)
    assert np.allclose(shrink(grey, 3, 2), grey.reshape(2, 3, 2, 2, 2).mean(axis=(2, 4)))


SILENT = ["ae_mnist", "ann_breast_cancer", "ann_csv", "ann_diabetes", "cnn_digits"]


@pytest.mark.parametrize("config", SILENT)
def test_no_false_alarm_on_what_ships(config: str) -> None:
    assert found(of_config(config)) == {}


def of_config(name: str) -> Dataset:
    path = ROOT / "configs" / f"{name}.yaml"
    experiment, document = read_experiment(path)
    return load_data(experiment, document, path)[1]


def test_what_is_known_of_the_temperatures_is_found() -> None:
    """The file lacks the hour that is skipped in March; and its last months are colder than those before."""
    findings = found(of_config("lstm_seattle"))
    assert list(findings) == ["holes", "drift"]
    assert findings["holes"].rows == (1731,)


def test_what_is_known_of_the_speeches_is_found() -> None:
    """A few passages are said again in another year, word for word."""
    dataset = of_config("lstm_sotu")
    texts = dataset.table.columns["text"]
    seen = set(texts[dataset.parts.train].tolist())
    again = [row + 1 for rows in (dataset.parts.validation, dataset.parts.test) for row in rows if texts[row] in seen]
    findings = found(dataset)
    assert list(findings) == ["duplicates_across"]
    assert findings["duplicates_across"].rows == tuple(again)


@pytest.mark.parametrize("pattern", ["NUMBER", "THOUSANDS", "DECIMAL_COMMA", "UNIT"])
@given(st.data())
@settings(max_examples=40)
def test_what_is_a_number_begins_like_one(pattern: str, data: st.DataObject) -> None:
    assert re.match(written.LIKE_NUMBER, data.draw(st.from_regex(getattr(written, pattern))))
