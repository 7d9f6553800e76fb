"""Splits that keep rows together, stratify numbers, follow a column or files, leave a gap, or make folds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold, TimeSeriesSplit

from dlrun.data.columns import Table
from dlrun.data.sources.csv_file import Csv
from dlrun.data.splits import (
    ColumnSplit,
    FilesSplit,
    GroupSplit,
    KFoldSplit,
    Parts,
    RandomSplit,
    Roles,
    TimeSplit,
)
from dlrun.data.splits.dealing import Deal, quantile_bins
from dlrun.data.splits.together import connected, equal_rows
from dlrun.errors import DataError

seeds = st.integers(0, 1000)


def assert_a_partition(parts: Parts, rows: int) -> None:
    together = np.concatenate([part for _, part in parts.items()])
    assert sorted(together.tolist()) == list(range(rows))


def number_table(label: np.ndarray) -> Table:
    return Table("t", {"label": label})


# stratified by a number


@given(values=st.lists(st.integers(0, 40) | st.floats(-5, 5), min_size=40, max_size=200), seed=seeds)
def test_numbers_are_stratified_by_their_quantiles(values: list[float], seed: int) -> None:
    label = np.array(values, float)
    split = RandomSplit(validation=0.25, test=0.25, stratify=True, bins=2)
    codes, limits = quantile_bins(label, 2)
    roles = Roles(target="label", numeric=True)
    if np.bincount(codes).min() < 3:
        with pytest.raises(DataError, match="in 2 bins, each bin needs 3 rows, but these have fewer"):
            split.parts(number_table(label), seed=seed, roles=roles)
        return
    parts = split.parts(number_table(label), seed=seed, roles=roles)
    assert_a_partition(parts, len(label))
    for _, part in parts.items():
        expected = len(part) * np.bincount(codes) / len(label)
        assert np.abs(np.bincount(codes[part], minlength=len(limits)) - expected).max() < 2


def test_bins_have_the_same_number_of_rows_and_equal_numbers_share_one() -> None:
    codes, limits = quantile_bins(np.arange(100.0), 4)
    assert np.bincount(codes).tolist() == [25, 25, 25, 25]
    assert limits == [(0, 24), (25, 49), (50, 74), (75, 99)]
    codes, limits = quantile_bins(np.array([0.0] * 80 + [1.0, 2.0, 3.0, 4.0] * 5), 4)
    assert np.unique(codes[:80]).tolist() == [0]
    assert limits[0] == (0, 0)
    codes, limits = quantile_bins(np.repeat([1.0, 0.0], [6, 4]), 2)  # the middle of the ones is the 7th of 10
    assert codes.tolist() == [1] * 6 + [0] * 4
    assert limits == [(0, 0), (1, 1)]


def test_fewer_bins_are_chosen_for_few_rows_and_more_than_there_can_be_are_refused() -> None:
    roles = Roles(target="label", numeric=True)
    few = RandomSplit(validation=0.2, test=0.2, stratify=True)
    assert_a_partition(few.parts(number_table(np.arange(9.0)), seed=0, roles=roles), 9)
    with pytest.raises(DataError, match=r"in 30 bins, each bin needs 3 rows.*0 to 1 \(2\)") as raised:
        RandomSplit(stratify=True, bins=30).parts(number_table(np.arange(60.0)), seed=0, roles=roles)
    assert raised.value.hint == "fewer bins, or stratify: false"


# rows that stay together

small = st.integers(0, 3)


@given(rows=st.lists(st.tuples(small, small, small), min_size=30, max_size=120), seed=seeds, stratify=st.booleans())
def test_rows_with_the_same_features_are_never_parted(
    rows: list[tuple[int, int, int]], seed: int, stratify: bool
) -> None:
    words = np.array([[None, "", "a", "b"][first] for first, _, _ in rows], object)
    numbers = np.array([[np.nan, 0.0, -0.0, 1.5][second] for _, second, _ in rows])
    images = np.array([np.full((2, 2, 1), third) for _, _, third in rows], np.uint8)
    table = Table("t", {"words": words, "numbers": numbers, "images": images, "label": np.arange(len(rows)) % 2})
    roles = Roles(target="label", features=("words", "numbers", "images"))
    contents = [(first, min(second, 1) if second in (1, 2) else second, third) for first, second, third in rows]
    if len(set(contents)) < 8:
        return
    split = RandomSplit(validation=0.2, test=0.2, keep_together=("duplicates",), stratify=stratify)
    try:
        parts = split.parts(table, seed=seed, roles=roles)
    except DataError as error:
        if stratify and "to stratify, each class of label needs 3 groups of rows" in error.message:
            return
        raise
    assert_a_partition(parts, len(rows))
    held = [{contents[row] for row in part.tolist()} for _, part in parts.items()]
    assert all(held)
    assert not held[0] & held[1]
    assert not held[0] & held[2]
    assert not held[1] & held[2]
    again = split.parts(table, seed=seed, roles=roles)
    assert all(np.array_equal(one, two) for (_, one), (_, two) in zip(parts.items(), again.items(), strict=True))


@given(pairs=st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), min_size=1, max_size=40))
def test_groupings_are_joined_where_they_share_a_row(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs).T
    codes = connected([np.unique(each, return_inverse=True)[1] for each in (first, second)])
    # by hand: whatever can be reached from a row over equal values
    for start in range(len(pairs)):
        reached, before = {start}, set[int]()
        while reached != before:
            before = set(reached)
            lefts, rights = {pairs[row][0] for row in reached}, {pairs[row][1] for row in reached}
            reached = {row for row, (left, right) in enumerate(pairs) if left in lefts or right in rights}
        assert set(np.flatnonzero(codes == codes[start]).tolist()) == reached


def test_a_group_and_duplicates_are_kept_together_at_once() -> None:
    patient = np.repeat(np.arange(30), 4)
    value = np.arange(120.0)
    value[4::8] = value[3::8]  # a row of each second patient is the same as one of the patient before
    table = Table("t", {"patient": patient, "value": value})
    split = GroupSplit(kind="group", by="patient", keep_together=("duplicates",), test=0.3)
    parts = split.parts(table, seed=3, roles=Roles(features=("value",)))
    assert_a_partition(parts, 120)
    for _, part in parts.items():
        pairs = Counter((patient[part] // 2).tolist())
        assert set(pairs.values()) == {8}
    assert split.columns == (("patient", "by"),)


@given(
    sizes=st.lists(st.integers(1, 6), min_size=30, max_size=60), classes=st.integers(2, 3), seed=seeds,
)  # fmt: skip
def test_stratified_groups_stay_whole_and_near_to_proportion(sizes: list[int], classes: int, seed: int) -> None:
    by = np.repeat(np.arange(len(sizes)), sizes)
    label = by % classes
    table = Table("t", {"by": by, "label": label})
    split = GroupSplit(kind="group", by="by", validation=0.2, test=0.2, stratify=True)
    parts = split.parts(table, seed=seed, roles=Roles(target="label"))
    assert_a_partition(parts, len(by))
    held = [set(by[part].tolist()) for _, part in parts.items()]
    assert sum(map(len, held)) == len(sizes)
    for _, part in parts.items():
        expected = len(part) * np.bincount(label) / len(by)
        assert np.abs(np.bincount(label[part], minlength=classes) - expected).max() <= 2 * max(sizes)


@given(rows=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=60))
def test_a_group_is_stratified_by_the_most_frequent_class_of_its_rows(rows: list[tuple[int, int]]) -> None:
    names, groups = np.unique([group for group, _ in rows], return_inverse=True)
    classes = np.array([cls for _, cls in rows])
    found = Deal("t", "groups", np.arange(len(rows)), groups, classes).group_classes
    assert len(found) == len(names)
    for group, cls in enumerate(found.tolist()):
        counts = np.bincount(classes[groups == group], minlength=4)
        assert counts[cls] == counts.max()


@given(rows=st.lists(st.tuples(small, small), min_size=1, max_size=30))
def test_two_rows_are_equal_where_all_their_columns_are(rows: list[tuple[int, int]]) -> None:
    numbers = np.array([first for first, _ in rows])
    words = np.array([[None, "", "a", "=a"][second] for _, second in rows], object)
    codes = equal_rows(Table("t", {"a": numbers, "b": words}), np.arange(len(rows)), ("a", "b"))
    equal = [[one == other for other in rows] for one in rows]
    assert (codes[:, None] == codes[None]).tolist() == equal


def test_hundreds_of_thousands_of_rows_are_compared_in_no_time() -> None:
    numbers = np.random.default_rng(0).integers(0, 1000, 300_000)
    codes = equal_rows(Table("t", {"a": numbers, "b": numbers % 7}), np.arange(300_000), ("a", "b"))
    assert codes.max() == 999


# by a column, by files


def test_a_column_says_which_part_each_row_is_of() -> None:
    part = np.array(["train", "dev", "train", "holdout", "test"], object)
    values = {"dev": "validation", "holdout": "test"}
    parts = ColumnSplit.parse({"kind": "column", "by": "part", "values": values}).parts(
        Table("t", {"part": part}), seed=0, roles=Roles()
    )
    assert [rows.tolist() for _, rows in parts.items()] == [[0, 2], [1], [3, 4]]
    with pytest.raises(DataError, match=r"part says dev, holdout in 2 rows \(2, 4\), which is none of train") as raised:
        ColumnSplit(kind="column", by="part").parts(Table("t", {"part": part}), seed=0, roles=Roles())
    assert raised.value.hint == "split: {kind: column, by: part, values: {dev: validation}}"
    split, missing, tests = ColumnSplit(kind="column", by="part"), ["train", None], ["test"] * 3
    with pytest.raises(DataError, match="part, by which rows are split, is missing in row 2"):
        split.parts(Table("t", {"part": np.array(missing, object)}), seed=0, roles=Roles())
    with pytest.raises(DataError, match="says of no row that it is for training"):
        split.parts(Table("t", {"part": np.array(tests, object)}), seed=0, roles=Roles())


def test_files_of_a_source_are_parts(tmp_path: Path) -> None:
    for year, rows in ((2018, 3), (2019, 2), (2020, 4), (2021, 1)):
        lines = [f"{index},{year}" for index in range(rows)]
        (tmp_path / f"{year}.csv").write_text("\n".join(["x,year", *lines]) + "\n", encoding="utf-8")
    source = Csv.parse({"kind": "csv", "path": ".", "where": [{"column": "x", "min": 1}]})
    table = source.load(tmp_path)
    split = FilesSplit.parse({"kind": "files", "validation": "2019.csv", "test": ["202?.csv"]})
    assert split.has_validation
    with pytest.raises(DataError, match="no file of the source fits 2022"):
        FilesSplit.parse({"kind": "files", "test": "2022.csv"}).parts(table, seed=0, roles=Roles())
    years = [set(table.columns["year"][rows].tolist()) for _, rows in split.parts(table, seed=0, roles=Roles()).items()]
    assert years == [{2018}, {2019}, {2020}]  # of 2021 no row is left
    assert [problem.path for problem in split.check_files(["a/2018.csv"])] == [("validation", 0), ("test", 0)]
    paths = ["d/train/1.csv", "d/held/2.csv", "d/held/more/3.csv"]
    folder = FilesSplit.parse({"kind": "files", "test": "held"})
    assert list(folder.check_files(paths)) == []
    by_folder = Table("t", {"x": np.arange(3)}, files=tuple(paths), file_of=np.arange(3))
    assert folder.parts(by_folder, seed=0, roles=Roles()).test.tolist() == [1, 2]
    with pytest.raises(DataError, match="the files for train have no rows"):
        FilesSplit(kind="files").parts(replace(by_folder, test_rows=np.arange(3)), seed=0, roles=Roles())
    both = FilesSplit.parse({"kind": "files", "validation": "held", "test": "*.csv"})
    assert {problem.message for problem in both.check_files(paths)} == {
        "d/held/2.csv, d/held/more/3.csv are for validation and for the test",
        "no file is left to train on",
    }  # fmt: skip
    [problem, _] = both.check_files([f"held/{number}.csv" for number in range(1012)])
    assert problem.message.endswith("held/9.csv and 1,002 more are for validation and for the test")


# a gap


@given(
    hours=st.lists(st.integers(0, 60), min_size=40, max_size=200).filter(lambda hours: len(set(hours)) >= 25),
    gap=st.integers(0, 3), own_test=st.booleans(),
)  # fmt: skip
def test_a_gap_of_times_lies_between_the_parts(hours: list[int], gap: int, own_test: bool) -> None:
    times = np.sort(np.array(hours)).astype("datetime64[h]").astype("datetime64[us]")
    tests = times >= np.unique(times)[-5] if own_test else None
    split = TimeSplit(kind="time", validation=0.25, test=None if own_test else 0.25, gap=gap)
    try:
        parts = split.parts(Table("t", {"time": times}, tests), seed=0, roles=Roles(time="time"))
    except DataError as error:
        if f"a gap of {gap} times leaves no rows for" in error.message:
            return
        raise
    different = np.unique(times)
    ends = [np.searchsorted(different, [times[rows].min(), times[rows].max()]) for _, rows in parts.items()]
    between = [int(later[0] - earlier[1] - 1) for earlier, later in pairwise(ends)]
    assert between == [gap, 0 if own_test else gap]


def test_a_gap_that_eats_a_part_is_told() -> None:
    times = np.arange(20).astype("datetime64[h]").astype("datetime64[us]")
    with pytest.raises(DataError, match="a gap of 2 times leaves no rows for validation"):
        TimeSplit(kind="time", gap=2).parts(Table("t", {"time": times}), seed=0, roles=Roles(time="time"))


# folds


@given(
    rows=st.integers(20, 150), folds=st.integers(2, 7), repeats=st.integers(1, 2), test=st.none() | st.just(0.2),
    seed=seeds,
)  # fmt: skip
def test_each_row_is_held_out_exactly_once_in_each_repeat(
    rows: int, folds: int, repeats: int, test: float | None, seed: int
) -> None:
    table = Table("t", {"x": np.arange(rows)})
    split = KFoldSplit(kind="kfold", folds=folds, repeats=repeats, test=test)
    held: list[np.ndarray] = []
    tests = set()
    for fold in range(1, split.trainings + 1):
        parts = split.model_copy(update={"fold": fold}).parts(table, seed=seed, roles=Roles())
        assert_a_partition(parts, rows)
        held.append(parts.validation)
        tests.add(tuple(parts.test.tolist()))
    assert len(tests) == 1
    for repeat in range(repeats):
        together = np.concatenate(held[repeat * folds : (repeat + 1) * folds])
        assert sorted([*together.tolist(), *tests.copy().pop()]) == list(range(rows))
    sizes = [len(each) for each in held]
    assert max(sizes) - min(sizes) <= 1
    if repeats == 2:
        assert not all(np.array_equal(one, two) for one, two in zip(held[:folds], held[folds:], strict=True))


@given(counts=st.lists(st.integers(5, 40), min_size=2, max_size=4), seed=seeds)
def test_stratified_folds_have_the_classes_that_those_of_scikit_learn_have(counts: list[int], seed: int) -> None:
    label = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    table = Table("t", {"label": np.array(["abcd"[each] for each in label], object)})
    ours = []
    for fold in range(1, 6):
        split = KFoldSplit(kind="kfold", stratify=True, fold=fold)
        rows = split.parts(table, seed=seed, roles=Roles(target="label")).validation
        ours.append(np.bincount(label[rows], minlength=len(counts)).tolist())
    theirs = [
        np.bincount(label[rows], minlength=len(counts)).tolist()
        for _, rows in StratifiedKFold(5, shuffle=True, random_state=0).split(label, label)
    ]
    for one, two in zip(np.array(ours).T, np.array(theirs).T, strict=True):
        assert sorted(one.tolist()) == sorted(two.tolist())
    assert np.ptp(np.sum(ours, axis=1)) <= 1


@given(sizes=st.lists(st.integers(1, 9), min_size=6, max_size=40), seed=seeds, stratify=st.booleans())
@example(sizes=[9, 1, 1, 1, 1, 1, 1, 1], seed=0, stratify=True)
def test_folds_of_groups_are_whole_and_even(sizes: list[int], seed: int, stratify: bool) -> None:
    by = np.repeat(np.arange(len(sizes)), sizes)
    table = Table("t", {"by": by, "label": by % 2})
    held = []
    for fold in (1, 2, 3):
        split = KFoldSplit(kind="kfold", folds=3, by="by", stratify=stratify, fold=fold)
        parts = split.parts(table, seed=seed, roles=Roles(target="label"))
        assert not set(by[parts.train].tolist()) & set(by[parts.validation].tolist())
        held.append(parts.validation)
    assert sorted(np.concatenate(held).tolist()) == list(range(len(by)))
    rows = [len(each) for each in held]
    assert max(rows) - min(rows) <= max(sizes) * (2 if stratify else 1)
    for cls in (0, 1) if stratify else ():
        of_class = [int((by[each] % 2 == cls).sum()) for each in held]
        assert max(of_class) - min(of_class) <= max(sizes[cls::2])


def test_folds_leave_the_own_test_part_of_a_source_alone() -> None:
    own = np.arange(30) % 3 == 0
    for fold in (1, 2):
        split = KFoldSplit(kind="kfold", folds=2, fold=fold)
        parts = split.parts(Table("t", {"x": np.arange(30)}, own), seed=0, roles=Roles())
        assert_a_partition(parts, 30)
        assert parts.test.tolist() == np.flatnonzero(own).tolist()
        assert len(parts.validation) == 10


def test_folds_beside_a_test_part_are_stratified_too() -> None:
    label = np.array(["a"] * 75 + ["b"] * 25, object)
    for fold in range(1, 6):
        split = KFoldSplit(kind="kfold", stratify=True, test=0.2, fold=fold)
        parts = split.parts(Table("t", {"label": label}), seed=1, roles=Roles(target="label"))
        assert [int((label[rows] == "b").sum()) for _, rows in parts.items()] == [16, 4, 5]


@pytest.mark.parametrize("seed", range(10))
def test_a_large_group_does_not_make_a_fold_larger_than_it_must_be(seed: int) -> None:
    by = np.repeat(np.arange(9), [8, *[1] * 8])
    table = Table("t", {"by": by})
    split = KFoldSplit(kind="kfold", folds=2, by="by")
    assert len(split.parts(table, seed=seed, roles=Roles()).validation) == 8


@given(
    times=st.integers(4, 80), folds=st.integers(2, 6), horizon=st.integers(1, 5), series=st.integers(1, 2), seed=seeds
)
def test_the_folds_of_a_series_are_stretches_with_what_is_before_them(
    times: int, folds: int, horizon: int, series: int, seed: int
) -> None:
    hours = np.repeat(np.arange(times), series)
    time = np.datetime64("2020-01-01", "us") + hours.astype("timedelta64[h]")
    table, roles = Table("t", {"time": time}), Roles(time="time", horizon=horizon)
    split = KFoldSplit(kind="kfold", folds=folds)
    try:
        found = [
            split.model_copy(update={"fold": fold + 1}).parts(table, seed=seed, roles=roles) for fold in range(folds)
        ]
    except DataError:
        with pytest.raises(ValueError, match=r"Cannot have number of folds|Too many splits"):
            next(TimeSeriesSplit(folds, gap=horizon).split(np.arange(times)))
        return
    expected = TimeSeriesSplit(folds, gap=horizon).split(np.arange(times))
    for parts, (train, validation) in zip(found, expected, strict=True):
        assert parts.train.tolist() == np.flatnonzero(np.isin(hours, train)).tolist()
        assert parts.validation.tolist() == np.flatnonzero(np.isin(hours, validation)).tolist()
        assert not len(parts.test)


def test_the_folds_of_a_series_lie_before_the_test_part() -> None:
    time = np.datetime64("2020-01-01", "us") + np.arange(50).astype("timedelta64[h]")
    split = KFoldSplit(kind="kfold", folds=3, fold=3, test=0.2)
    parts = split.parts(Table("t", {"time": time}), seed=0, roles=Roles(time="time", horizon=2))
    # 10 of 50 times for the test, a gap of 2, three stretches of 38 // 4 = 9 times, a gap of 2 before the last of them
    ranges = [(int(rows[0]), int(rows[-1]), len(rows)) for _, rows in parts.items()]
    assert ranges == [(0, 26, 27), (29, 37, 9), (40, 49, 10)]


def test_too_few_for_the_folds_is_told() -> None:
    table = Table("t", {"by": np.array([1, 1, 2, 2, 3]), "label": np.array(list("aaaab"), object)})
    with pytest.raises(DataError, match="5 values of by are needed, one for each fold, but there are 3") as raised:
        KFoldSplit(kind="kfold", by="by").parts(table, seed=0, roles=Roles())
    assert raised.value.hint == "folds: 3"
    with pytest.raises(DataError, match=r"each class of label needs 2 rows, but these have fewer: b \(1\)"):
        KFoldSplit(kind="kfold", folds=2, stratify=True).parts(table, seed=0, roles=Roles(target="label"))
    table = Table("t", {"label": np.array(["a"] * 20 + ["b"] * 5, object)})
    with pytest.raises(DataError, match=r"each class of label needs 6 rows, but these have fewer: b \(5\)"):
        KFoldSplit(kind="kfold", stratify=True, test=0.2).parts(table, seed=0, roles=Roles(target="label"))


def test_a_gap_before_the_sources_own_test_part_takes_no_rows() -> None:
    times = np.arange("2020-01-01", "2020-01-09", dtype="datetime64[D]").astype("datetime64[us]")
    own = np.arange(8) >= 6
    parts = TimeSplit(kind="time", validation=0.5, gap=1).parts(
        Table("t", {"time": times}, own), seed=0, roles=Roles(time="time")
    )
    assert [rows.tolist() for _, rows in parts.items()] == [[0, 1], [3, 4, 5], [6, 7]]


def test_each_fold_needs_a_row() -> None:
    with pytest.raises(DataError, match="t: 5 rows are needed, one for each fold, but there are 4"):
        Deal("t", "rows", np.arange(4), None, None).folds(5, np.random.default_rng(0))
