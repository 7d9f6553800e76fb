"""Splits: disjoint, complete, seeded; groups whole, time in order, classes in proportion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlrun.data.columns import Table
from dlrun.data.splits import AutoSplit, FixedSplit, GroupSplit, Parts, RandomSplit, Roles, TimeSplit
from dlrun.errors import DataError

fractions = st.floats(0.01, 0.45)


def table(rows: int, own_test: int = 0, **columns: np.ndarray) -> Table:
    test_rows = np.arange(rows) >= rows - own_test if own_test else None
    return Table("t", {"row": np.arange(rows), **columns}, test_rows)


def split(split: FixedSplit, table: Table, seed: int = 0) -> Parts:
    return split.parts(table, seed=seed, roles=Roles(target="label", time="time"))


def assert_disjoint_and_complete(parts: Parts, rows: int) -> None:
    for _, part in parts.items():
        assert part.dtype == np.int64
        assert len(part) >= 1
        assert (np.diff(part) > 0).all()
    together = np.concatenate([part for _, part in parts.items()])
    assert sorted(together.tolist()) == list(range(rows))


@given(rows=st.integers(12, 300), validation=fractions, test=fractions, seed=st.integers(0, 2**32 - 1))
def test_random_parts_are_disjoint_complete_and_of_the_asked_size(
    rows: int, validation: float, test: float, seed: int
) -> None:
    parts = split(RandomSplit(validation=validation, test=test), table(rows), seed)
    assert_disjoint_and_complete(parts, rows)
    assert len(parts.validation) == max(1, round(validation * rows))
    assert len(parts.test) == max(1, round(test * rows))


@given(seed=st.integers(0, 2**32 - 2))
def test_the_seed_alone_decides(seed: int) -> None:
    first, again = (split(RandomSplit(), table(200), seed) for _ in range(2))
    other = split(RandomSplit(), table(200), seed + 1)
    for (_, one), (_, two) in zip(first.items(), again.items(), strict=True):
        assert np.array_equal(one, two)
    assert not np.array_equal(first.test, other.test)


@given(
    counts=st.lists(st.integers(3, 60), min_size=2, max_size=6),
    validation=st.floats(0.05, 0.4),
    test=st.floats(0.05, 0.4),
    seed=st.integers(0, 1000),
)
def test_stratified_parts_have_each_class_in_proportion(
    counts: list[int], validation: float, test: float, seed: int
) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    names = np.array(["abcdef"[label] for label in labels], object)
    parts = split(RandomSplit(validation=validation, test=test, stratify=True), table(len(labels), label=names), seed)
    assert_disjoint_and_complete(parts, len(labels))
    for _, part in parts.items():
        expected = len(part) * np.array(counts) / len(labels)
        assert np.abs(np.bincount(labels[part], minlength=len(counts)) - expected).max() < 2


def test_classes_are_the_same_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 7 rows, of which some do not have the rare class, and others not the frequent one."""
    labels = np.array(["b"] * 40 + ["a"] * 7 + ["ccc"] * 20, object)
    whole = split(RandomSplit(stratify=True), table(67, label=labels), 5)
    monkeypatch.setattr("dlrun.data.features.values.BLOCK", 7)
    for part, rows in split(RandomSplit(stratify=True), table(67, label=labels), 5).items():
        np.testing.assert_array_equal(rows, getattr(whole, part))


def test_a_rare_class_is_as_often_in_the_test_part_as_its_proportion_says() -> None:
    """Of 4 rows 0.8 are expected there: one, and in a fifth of all cases none."""
    labels = np.array(["a"] * 96 + ["b"] * 4, object)
    several = [split(RandomSplit(stratify=True), table(100, label=labels), seed) for seed in range(200)]
    counts = [int((parts.test >= 96).sum()) for parts in several]
    assert set(counts) == {0, 1}
    assert np.mean(counts) == pytest.approx(0.8, abs=0.1)


def test_stratify_tells_which_class_is_too_rare() -> None:
    labels = np.array(["a"] * 50 + ["b"] * 2, object)
    with pytest.raises(DataError, match=r"needs 3 rows, but these have fewer: b \(2\)"):
        split(RandomSplit(stratify=True), table(52, label=labels))


@given(
    groups=st.lists(st.integers(0, 12), min_size=12, max_size=200).filter(lambda groups: len(set(groups)) >= 3),
    validation=fractions,
    test=fractions,
    seed=st.integers(0, 1000),
)
def test_groups_stay_whole(groups: list[int], validation: float, test: float, seed: int) -> None:
    by = np.array(groups)
    parts = split(GroupSplit(kind="group", by="by", validation=validation, test=test), table(len(by), by=by), seed)
    assert_disjoint_and_complete(parts, len(by))
    train, held_out, tested = (set(by[part].tolist()) for _, part in parts.items())
    assert not train & held_out
    assert not train & tested
    assert not held_out & tested


def test_group_sizes_come_near_to_the_fractions() -> None:
    by = np.repeat(np.arange(200), 10)
    parts = split(GroupSplit(kind="group", by="by", validation=0.1, test=0.25), table(2000, by=by))
    assert (len(parts.validation), len(parts.test)) == (200, 500)


@pytest.mark.parametrize("seed", range(20))
def test_each_part_has_a_group_where_there_are_as_many_as_parts(seed: int) -> None:
    by = np.repeat([0, 1, 2], [1, 5, 6])
    parts = split(GroupSplit(kind="group", by="by", validation=0.1, test=0.45), table(12, by=by), seed)
    assert_disjoint_and_complete(parts, 12)
    assert [len(set(by[part].tolist())) for _, part in parts.items()] == [1, 1, 1]


@given(
    hours=st.lists(st.integers(0, 50), min_size=12, max_size=200).filter(lambda hours: len(set(hours)) >= 3),
    validation=fractions,
    test=fractions,
)
def test_time_goes_from_train_to_test_and_ties_stay_together(hours: list[int], validation: float, test: float) -> None:
    time = np.array(hours).astype("datetime64[h]").astype("datetime64[us]")
    parts = split(TimeSplit(kind="time", validation=validation, test=test), table(len(time), time=time))
    assert_disjoint_and_complete(parts, len(time))
    assert time[parts.train].max() < time[parts.validation].min()
    assert time[parts.validation].max() < time[parts.test].min()


def test_time_without_ties_is_cut_at_the_row() -> None:
    time = np.arange(100).astype("datetime64[h]").astype("datetime64[us]")
    parts = split(TimeSplit(kind="time", validation=0.1, test=0.2), table(100, time=time))
    assert parts.train.tolist() == list(range(70))
    assert parts.validation.tolist() == list(range(70, 80))
    assert parts.test.tolist() == list(range(80, 100))


@pytest.mark.parametrize(
    "kind", [RandomSplit(), RandomSplit(stratify=True), GroupSplit(kind="group", by="by"), TimeSplit(kind="time")]
)
def test_the_own_test_part_is_kept(kind: FixedSplit) -> None:
    time = np.arange(100).astype("datetime64[h]").astype("datetime64[us]")
    labels = np.array(["a", "b"] * 50, object)
    parts = split(kind, table(100, 30, time=time, by=np.arange(100) // 2, label=labels))
    assert_disjoint_and_complete(parts, 100)
    assert parts.test.tolist() == list(range(70, 100))
    assert len(parts.validation) in (6, 7, 8)  # a tenth of the 70 others, in whole groups


@pytest.mark.parametrize("seed", range(5))
def test_rows_are_stratified_by_their_own_classes_wherever_the_own_test_part_stands(seed: int) -> None:
    labels = np.array(["a", "b"] * 20 + ["a"] * 60 + ["b"] * 20, object)
    own = Table("t", {"label": labels, "number": np.where(labels == "a", 0.0, 1.0)}, np.arange(120) < 40)
    for roles in (Roles(target="label"), Roles(target="number", numeric=True)):
        parts = RandomSplit(validation=0.25, stratify=True, bins=2).parts(own, seed=seed, roles=roles)
        assert (labels[parts.validation] == "a").sum() == 15
        assert parts.test.tolist() == list(range(40))


def test_groups_stay_whole_wherever_the_own_test_part_stands() -> None:
    by = np.concatenate([np.arange(20), np.arange(40) // 4])
    own = Table("t", {"by": by}, np.arange(60) < 20)
    parts = GroupSplit(kind="group", by="by", validation=0.3).parts(own, seed=0, roles=Roles())
    assert not set(by[parts.train].tolist()) & set(by[parts.validation].tolist())
    assert len(parts.validation) == 12


def test_too_few_rows_groups_and_times_are_told() -> None:
    with pytest.raises(DataError, match="with 2 in all, there are too few rows"):
        split(RandomSplit(), table(2))
    with pytest.raises(DataError, match="3 values of by are needed, one for each part, but there are 2"):
        split(GroupSplit(kind="group", by="by"), table(20, by=np.arange(20) % 2))
    with pytest.raises(DataError, match="but there is 1"):
        split(TimeSplit(kind="time"), table(20, time=np.zeros(20, "datetime64[us]")))


def test_a_row_without_group_is_told() -> None:
    by = np.array(["a", None, "b", "c"], object)
    with pytest.raises(DataError, match="by, by which rows are split, is missing in row 2"):
        split(GroupSplit(kind="group", by="by"), table(4, by=by))


def test_stratify_without_target_is_told() -> None:
    with pytest.raises(DataError, match="no target"):
        RandomSplit(stratify=True).parts(table(20), seed=0, roles=Roles())


def test_auto_hands_on_what_it_is_told() -> None:
    told = {"stratify": True, "bins": 4, "keep_together": ("duplicates", "visit"), "validation": 0.0}
    auto = AutoSplit(**told)
    assert auto.choose(series=False, group="year") == GroupSplit(kind="group", by="year", **told)
    assert auto.choose(series=False, group=None) == RandomSplit(**told)


def test_auto_follows_the_source() -> None:
    auto = AutoSplit(kind="auto", validation=0.3, test=0.1)
    assert auto.choose(series=True, group="year") == TimeSplit(kind="time", validation=0.3, test=0.1)
    assert auto.choose(series=False, group="year") == GroupSplit(kind="group", by="year", validation=0.3, test=0.1)
    assert auto.choose(series=False, group=None) == RandomSplit(validation=0.3, test=0.1)


@pytest.mark.parametrize(
    ("validation", "test", "own_test", "path"),
    [
        (0.1, None, False, None),
        (0.79, None, False, None),
        (0.8, None, False, ("validation",)),
        (0.5, 0.5, False, ("validation",)),
        (0.5, 0.4, None, None),
        (0.9, None, True, None),
        (0.1, 0.2, True, ("test",)),
    ],
)
def test_fractions_are_checked_before_the_data(
    validation: float, test: float | None, own_test: bool | None, path: tuple[str] | None
) -> None:
    problems = list(RandomSplit(validation=validation, test=test).check(own_test))
    assert [problem.path for problem in problems] == ([] if path is None else [path])
    assert all(problem.hint for problem in problems)


@pytest.mark.parametrize(
    "without",
    [
        RandomSplit(validation=0, test=0.25),
        RandomSplit(validation=0, test=0.25, stratify=True),
        GroupSplit(kind="group", by="label", validation=0, test=0.25),
        TimeSplit(kind="time", validation=0, test=0.25),
    ],
)
def test_without_validation_the_rows_are_split_in_two(without: FixedSplit) -> None:
    hours = np.datetime64("2020-01-01", "us") + np.arange(80) * np.timedelta64(1, "h")
    parts = split(without, table(80, label=np.arange(80) % 4, time=hours))
    assert [len(part) for _, part in parts.items()] == [60, 0, 20]
    assert sorted([*parts.train.tolist(), *parts.test.tolist()]) == list(range(80))


@pytest.mark.parametrize(("last", "dtype"), [(2**31 - 1, np.int32), (2**31, np.int64)])
def test_row_numbers_take_no_more_room_than_they_need(last: int, dtype: type) -> None:
    parts = Parts(np.array([0, 2]), np.array([], np.int64), np.array([1, last]))
    narrow = parts.narrow()
    assert [part.tolist() for _, part in narrow.items()] == [part.tolist() for _, part in parts.items()]
    assert {part.dtype for _, part in narrow.items()} == {np.dtype(dtype)}
