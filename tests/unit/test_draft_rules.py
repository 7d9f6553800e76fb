"""The rules by which `dlrun init --from` chooses, one by one: in the table of each test the rule decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
import yaml
from PIL import Image

from dlrun.drafting.material import read_material
from dlrun.drafting.plan import draft
from dlrun.errors import DataError, UsageError

ROWS = 400
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=ROWS).tolist()
SIDES = [["left", "right"][row % 2] for row in range(ROWS)]


def drafted(data: Path, target: str | None = None) -> tuple[str, dict[str, Any]]:
    """The text of a draft, and what it states."""
    spec = data.parent / "draft.yaml"
    text = draft(data, spec, read_material(data, spec.parent), target)
    return text, yaml.safe_load(text)


def of(folder: Path, wanted: str | None = None, **columns: Any) -> tuple[str, dict[str, Any]]:
    """That of a table."""
    polars.DataFrame(columns, strict=False).write_parquet(folder / "a.parquet")
    return drafted(folder / "a.parquet", wanted)


def line(text: str, name: str) -> str:
    """The line that says something of a column."""
    [found] = [each.strip() for each in text.splitlines() if each.strip().startswith((f"{name}:", f"# {name}:"))]
    return found


# Features


def test_what_is_mostly_missing_or_infinite_is_left_out(tmp_path: Path) -> None:
    columns = {
        "rare": [None if row % 5 < 3 else row / 7 for row in range(ROWS)],
        "often": [None if row % 5 < 2 else row / 7 for row in range(ROWS)],
        "huge": [1e39 if row == 3 else row / 7 for row in range(ROWS)],
        "deep": [-1e39 if row == 3 else row / 7 for row in range(ROWS)],
        "endless": [float("inf") if row == 3 else row / 7 for row in range(ROWS)],
    }
    text, tree = of(tmp_path, x=X, **columns, y=SIDES)
    assert line(text, "rare") == "# rare: left out, it is missing in 60% of the rows"
    assert line(text, "endless") == "# endless: left out, 1 of its values are infinite"
    for name in ("huge", "deep"):
        assert line(text, name) == f"# {name}: left out, some of its values are too large for 32 bits"
    assert tree["data"]["features"]["often"] == {"kind": "number", "missing": "median"}


def test_rows_are_split_by_the_first_group_that_has_enough_of_them(tmp_path: Path) -> None:
    groups = {
        "site": [f"s{row % 5}" for row in range(ROWS)],
        "patient_id": [row // 10 for row in range(ROWS)],
        "user_id": [row // 8 for row in range(ROWS)],
    }
    text, tree = of(tmp_path, x=X, **groups, y=SIDES)
    assert tree["data"]["split"] == {"kind": "group", "by": "patient_id", "validation": 0.15, "test": 0.2}
    assert line(text, "patient_id") == "# patient_id: left out, rows are split by it"
    assert list(tree["data"]["features"]) == ["x", "site", "user_id"]


def test_numbers_that_are_skewed_or_could_be_names(tmp_path: Path) -> None:
    columns = {
        "even": [float(row % 19 + 1) for row in range(ROWS)],
        "skewed": [float(row % 19 + 1) if row else 201.0 for row in range(ROWS)],
        "below": [float(row % 19 - 1) if row else 201.0 for row in range(ROWS)],
        "stars": [row // 3 % 5 for row in range(ROWS)],
        "age": [row // 3 % 11 for row in range(ROWS)],
    }
    text, tree = of(tmp_path, **columns, y=SIDES)
    logarithms = [name for name, each in tree["data"]["features"].items() if "transform" in each]
    assert logarithms == ["skewed"]
    assert line(text, "stars").endswith("kind: category, if they are names and not amounts")
    assert line(text, "age").endswith("# 0 to 10")


def test_texts_that_are_read_dealt_or_left_out(tmp_path: Path) -> None:
    counts = RANDOM.integers(4, 40, ROWS)
    columns = {
        "note": [None if row == 9 else " ".join(["word"] * count + [str(row)]) for row, count in enumerate(counts)],
        "town": [f"t{row % 60}" for row in range(ROWS)],
        "clerk": [f"n{row % 300}" for row in range(ROWS)],
    }
    text, tree = of(tmp_path, x=X, **columns, y=SIDES)
    length = int(np.quantile(np.delete(counts, 9) + 1, 0.95, method="nearest"))
    note = {"kind": "text", "vocabulary_size": 5000, "sequence_length": length, "missing": "empty"}
    assert tree["data"]["features"]["note"] == note
    assert tree["data"]["features"]["town"] == {"kind": "category", "buckets": 64}
    assert line(text, "clerk") == "# clerk: left out, 300 different short texts: nearly each row has its own"


def test_files_of_which_some_are_no_images_are_texts(tmp_path: Path) -> None:
    files = [f"scan{row % 9}.{'png' if row % 3 else 'pdf'}" for row in range(ROWS)]
    assert of(tmp_path, x=X, file=files, y=SIDES)[1]["data"]["features"]["file"] == {"kind": "category"}


@pytest.mark.parametrize(
    ("height", "width", "size"), [(200, 300, [128, 128]), (90, 300, [90, 128]), (40, 30, [40, 30])]
)
def test_files_of_images_are_brought_to_128_pixels_a_side_at_most(
    height: int, width: int, size: list[int], tmp_path: Path
) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(12):
            pixels = RANDOM.integers(0, 255, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{number}.png")
    text, tree = drafted(tmp_path / "pets")
    assert tree["data"]["features"]["image"]["size"] == size
    assert tree["data"]["target"] == {"column": "label", "kind": "category"}
    assert "the source's own; 2 classes" in text


@pytest.mark.parametrize(
    ("side", "blocks", "left", "pooling"),
    [(28, 2, 7, "flatten"), (128, 5, 4, "flatten"), (300, 5, 9, "global_average")],
)
def test_blocks_halve_an_image_to_few_pixels(side: int, blocks: int, left: int, pooling: str, tmp_path: Path) -> None:
    images = RANDOM.integers(0, 255, (24, side, side), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x=images, y=np.arange(24) % 2)
    text, tree = drafted(tmp_path / "a.npz")
    assert len(tree["architecture"]["blocks"]) == blocks
    assert tree["architecture"]["pooling"] == pooling
    assert f"each halves the image; {left} pixels a side are left" in text


# The target


def test_of_several_names_of_targets_the_surest_counts(tmp_path: Path) -> None:
    assert of(tmp_path, response=X, label=SIDES, target=SIDES[::-1], x=X)[1]["data"]["target"]["column"] == "target"
    assert of(tmp_path, response=X, label=SIDES, x=X)[1]["data"]["target"]["column"] == "label"


def test_what_cannot_be_predicted(tmp_path: Path) -> None:
    columns = {
        "few": [None if row % 3 == 0 else f"t{row % 70}" for row in range(ROWS)],
        "enough": [f"t{row % 70}" for row in range(ROWS)],
        "huge": [1e39 if row == 3 else row / 7 for row in range(ROWS)],
        "deep": [-1e39 if row == 3 else row / 7 for row in range(ROWS)],
        "endless": [float("inf") if row == 3 else row / 7 for row in range(ROWS)],
        "row": list(range(ROWS)),
    }
    for name, reason in (
        ("few", "it has 70 different texts in 400 rows"),
        ("huge", "it has values that are too large for 32 bits"),
        ("deep", "it has values that are too large for 32 bits"),
        ("endless", "it has infinite values"),
        ("row", "it looks like an id: it counts from 0 to 399"),
    ):
        with pytest.raises(UsageError) as caught:
            of(tmp_path, name, x=X, **columns)
        assert caught.value.message == f"{name} cannot be predicted: {reason}"
    assert of(tmp_path, "enough", x=X, **columns)[1]["data"]["target"]["kind"] == "category"
    named = of(tmp_path, x=X, y=list(range(ROWS)), z=X[::-1])  # all are different, but it is called so
    assert named[1]["data"]["target"] == {"column": "y", "kind": "number"}


# Rows that are left out


def test_classes_of_fewer_than_three_rows_are_left_out_where_two_are_left(tmp_path: Path) -> None:
    grades = [3 if row < 2 else row % 2 for row in range(ROWS)]
    text, tree = of(tmp_path, x=X, grade=grades)
    assert tree["data"]["source"]["where"] == [{"column": "grade", "none_of": [3]}]
    assert tree["loss"] == {"kind": "binary_crossentropy"}
    assert "for 2 classes" in text
    assert "where" not in of(tmp_path, x=X, y=["b" if row < 2 else "a" for row in range(ROWS)])[1]["data"]["source"]


def test_rows_without_target_are_left_out(tmp_path: Path) -> None:
    prices = [None if row == 7 else row / 9 - 20 for row in range(ROWS)]
    text, tree = of(tmp_path, x=X, price=prices)
    assert tree["data"]["source"]["where"] == [{"column": "price", "min": -20.0}]
    assert "without the 1 rows that have no price" in text
    grades = [None if row == 7 else row // 3 % 3 for row in range(ROWS)]
    assert of(tmp_path, x=X, grade=grades)[1]["data"]["source"]["where"] == [{"column": "grade", "any_of": [0, 1, 2]}]
    sold = [None if row == 7 else row % 2 == 0 for row in range(ROWS)]
    assert of(tmp_path, x=X, sold=sold)[1]["data"]["source"]["where"] == [{"column": "sold", "any_of": [True, False]}]
    sides = [None if row == 7 else side for row, side in enumerate(SIDES)]
    where = of(tmp_path, x=X, side=sides)[1]["data"]["source"]["where"]
    assert where == [{"column": "side", "any_of": ["left", "right"]}]


# Split and loss


@pytest.mark.parametrize(("count", "stratified"), [(4, False), (5, True)])
def test_a_class_is_dealt_to_all_parts_where_it_has_five_rows(count: int, stratified: bool, tmp_path: Path) -> None:
    _, tree = of(tmp_path, x=X, y=["rare" if row < count else "often" for row in range(ROWS)])
    assert ("stratify" in tree["data"]["split"]) is stratified


@pytest.mark.parametrize(("copies", "together"), [(0, False), (20, True), (80, False)])
def test_copies_of_rows_stay_together_unless_all_are_alike_by_chance(
    copies: int, together: bool, tmp_path: Path
) -> None:
    x = [*X[: ROWS - copies], *X[:copies]]
    text, tree = of(tmp_path, x=x, price=RANDOM.normal(size=ROWS).tolist())
    assert (tree["data"]["split"].get("keep_together") == "duplicates") is together
    assert (f"{copies:,} rows are there twice" in text) is together


@pytest.mark.parametrize(("alone", "together"), [(5, True), (4, False)])
def test_copies_stay_together_beside_classes_in_proportion(alone: int, together: bool, tmp_path: Path) -> None:
    rare = alone + 6  # of which six are two rows, three times each
    x = [*X[: ROWS - rare], *X[ROWS - rare : ROWS - 6], *[X[-1]] * 3, *[X[-2]] * 3]
    _, tree = of(tmp_path, x=x, y=["often"] * (ROWS - rare) + ["rare"] * rare)
    split = {"validation": 0.15, "test": 0.2, "stratify": True}
    assert tree["data"]["split"] == split | ({"keep_together": "duplicates"} if together else {})


def test_a_folder_of_one_class_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mails" / "ham").mkdir(parents=True)
    for number in range(9):
        (tmp_path / "mails" / "ham" / f"{number}.txt").write_text("see you at nine", encoding="utf-8")
    with pytest.raises(DataError, match="mails has one class only: there is nothing to tell apart"):
        drafted(tmp_path / "mails")


@pytest.mark.parametrize("counts", [{"a": 2, "b": 2, "c": 2}, {"a": 9, "b": 9, "c": 2}])
def test_rare_classes_that_cannot_be_left_out_are_trained(counts: dict[str, int], tmp_path: Path) -> None:
    for name, count in counts.items():
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(RANDOM.integers(0, 255, (9, 9, 3), dtype=np.uint8)).save(
                tmp_path / "pets" / name / f"{number}.png"
            )
    _, tree = drafted(tmp_path / "pets")
    assert tree["data"]["split"] == {"validation": 0.15, "test": 0.2}  # two rows are too few for three parts
    assert tree["loss"]["kind"] == "categorical_crossentropy"


@pytest.mark.parametrize(("often", "balanced"), [(100, False), (110, True)])
def test_classes_that_are_outnumbered_count_more(often: int, balanced: bool, tmp_path: Path) -> None:
    classes = ["rare"] * 10 + ["often"] * often
    _, tree = of(tmp_path, x=X[: len(classes)], y=classes)
    assert (tree["loss"].get("class_weights") == "balanced") is balanced


def test_a_test_part_of_the_source_is_kept(tmp_path: Path) -> None:
    x = RANDOM.normal(size=(60, 4))
    np.savez(tmp_path / "a.npz", x_train=x[:40], y_train=np.arange(40) % 2, x_test=x[:20], y_test=np.arange(20) % 2)
    text, tree = drafted(tmp_path / "a.npz")
    assert tree["data"]["split"] == {"validation": 0.15, "stratify": True}
    assert "the test part is the source's own" in text
