"""Series of several variables and of several ids: their windows, what is known in advance, changes, and new data."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlrun.data import on_disk, streaming
from dlrun.data.bad_rows import BadRows, with_ends
from dlrun.data.columns import Batch, Column, Table
from dlrun.data.dataset import Dataset
from dlrun.data.fitted_target import FittedNumbers
from dlrun.data.fitting import fit
from dlrun.data.on_disk import Made
from dlrun.data.preparation import Preparation
from dlrun.data.section import Data
from dlrun.data.shared_window import resolve_series
from dlrun.data.splits import Parts
from dlrun.data.streaming import encoded_parts
from dlrun.errors import DataError

START = np.datetime64("2024-01-01T00", "us")
HOUR = np.timedelta64(1, "h")
COLUMNS = {"time": Column("time"), "shop": Column("category")}


def hours(count: int) -> np.ndarray:
    return START + np.arange(count) * HOUR


def texts(values: list[Any]) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def section(features: dict[str, Any], **more: Any) -> Data:
    source = {"kind": "csv", "path": "t.csv", "time": "time"}
    data = Data.parse({"source": source, "target": "y", "features": features, **more})
    return data.model_copy(update={"features": resolve_series(data.features or {})})


def fitted(
    features: dict[str, Any], columns: dict[str, np.ndarray], train: int | None = None, **more: Any
) -> Preparation:
    table = Table("t", columns)
    rows = np.arange(len(table))
    parts = Parts(rows[:train], rows[:0], rows[:0])
    return fit(section(features, **more), table, COLUMNS, parts, 0)[0]


def plain(**more: Any) -> dict[str, Any]:
    return {"kind": "series", "normalise": "none", **more}


def problems(features: dict[str, Any], **more: Any) -> list[tuple[Any, ...]]:
    source = {"kind": "bundled", "name": "seattle_temps"}
    data = Data.parse({"source": source, "target": "temp", "features": features, **more})
    return [problem.path for problem in data.check(pathlib.Path())]


def test_several_variables_by_hand() -> None:
    """The target comes first, each is scaled by its own train rows, and the window is said once."""
    columns = {"x": np.arange(8.0) * 10, "y": np.arange(8.0), "time": hours(8)}
    preparation = fitted({"x": plain(), "y": {"kind": "series", "window": 2, "horizon": 3}}, columns, train=5)
    examples = preparation.encode(Table("t", columns))
    assert [each.name for each in preparation.inputs] == list(examples.inputs) == ["series"]
    assert preparation.inputs[0].variables == ("y", "x")
    assert examples.rows.tolist() == [1, 2, 3, 4]
    scaled = (np.arange(8) - 2) / np.std(np.arange(5))
    expected = [[[scaled[row - 1], 10 * (row - 1)], [scaled[row], 10 * row]] for row in (1, 2, 3, 4)]
    np.testing.assert_allclose(examples.inputs["series"], expected, rtol=1e-6)
    assert examples.truth.tolist() == [[2, 3, 4], [3, 4, 5], [4, 5, 6], [5, 6, 7]]


def test_what_is_known_ends_with_the_horizon() -> None:
    columns = {"x": np.arange(8.0) * 10, "y": np.arange(8.0), "time": hours(8)}
    features = {
        "y": plain(window=3, horizon=2),
        "x": plain(known=True),
        "time": {"kind": "date", "parts": ["hour"]},
    }
    preparation = fitted(features, columns)
    assert preparation.inputs[0].variables == ("y", "x", "x +2", "time hour sine +2", "time hour cosine +2")
    examples = preparation.encode(Table("t", columns))
    assert examples.rows.tolist() == [2, 3, 4, 5]
    first = examples.inputs["series"][0]
    assert first[:, :3].tolist() == [[0, 0, 20], [1, 10, 30], [2, 20, 40]]
    np.testing.assert_allclose(first[:, 3], np.sin(np.array([2, 3, 4]) * np.pi / 12), atol=1e-6)
    np.testing.assert_allclose(first[:, 4], np.cos(np.array([2, 3, 4]) * np.pi / 12), atol=1e-6)


@given(st.integers(1, 30), st.integers(1, 12), st.integers(1, 6))
def test_changes_are_summed_up_again(season: int, horizon: int, count: int) -> None:
    """The units of the data come back, to the rounding of the network's 32 bits."""
    values = np.random.default_rng(season).normal(1000, 5, season + horizon + count + 3)
    columns = {"y": values, "time": hours(len(values))}
    preparation = fitted({"y": {"kind": "series", "window": 2, "horizon": horizon, "difference": season}}, columns)
    examples = preparation.encode(Table("t", columns))
    assert isinstance(preparation.target, FittedNumbers)
    first = int(examples.rows[0])
    assert first == season + 1
    series = preparation.series
    assert series is not None
    expected = [(values[row] - values[row - season] - series.offset) / series.scale for row in (first - 1, first)]
    np.testing.assert_allclose(examples.inputs["y"][0, :, 0], expected, atol=2e-4)
    ahead = (values[first + 1] - values[first + 1 - season] - series.offset) / series.scale
    np.testing.assert_allclose(examples.target[0, 0], ahead, atol=1e-5)
    restored = preparation.target.restore(examples.target, examples.past)
    np.testing.assert_allclose(restored, examples.truth, rtol=1e-6)
    assert examples.truth[0].tolist() == values[first + 1 : first + 1 + horizon].tolist()


def test_changes_over_a_hole_or_into_another_series_are_not_learned_from() -> None:
    """Each value is 1 more than the one before, but for one jump: where there is a hole, or another shop begins."""
    y = np.array([0.0, 1, 2, 3, 500, 501, 502, 503])
    times = np.concatenate([hours(4), hours(4) + 50 * HOUR])
    feature = {"kind": "series", "window": 1, "difference": 1}
    over = fitted({"y": feature | {"holes": "ignore"}}, {"y": y, "time": times}).series
    assert over is not None
    assert over.offset == np.mean(np.diff(y))
    within = fitted({"y": feature}, {"y": y, "time": times}).series
    assert within is not None
    assert (within.offset, within.scale) == (1, 1)
    shops = {"y": y, "time": np.tile(hours(4), 2), "shop": texts(["a"] * 4 + ["b"] * 4)}
    by_shop = fitted({"y": feature}, shops, series_by="shop").series
    assert by_shop is not None
    assert (by_shop.offset, by_shop.scale) == (1, 1)


def test_the_step_is_that_within_each_series() -> None:
    shops = texts(["a", "a", "b", "c", "d"])
    times = START + np.array([0, 1, 50, 100, 150]) * HOUR
    series = fitted(
        {"y": plain(window=1)}, {"y": np.arange(5.0), "time": times, "shop": shops}, series_by="shop"
    ).series
    assert series is not None
    assert series.step == 3600


def test_the_changes_of_a_whole_are_whole() -> None:
    columns = {"y": np.array([1.0, 3, 6, 10, 15, 21]), "time": hours(6)}
    preparation = fitted({"y": plain(window=1, horizon=4, difference=1)}, columns)
    assert isinstance(preparation.target, FittedNumbers)
    examples = preparation.encode(Table("t", columns))
    assert examples.target.tolist() == [[3, 4, 5, 6]]
    assert preparation.target.restore(examples.target, examples.past).tolist() == [[6, 10, 15, 21]]


@st.composite
def panels(draw: st.DrawFn) -> dict[str, np.ndarray]:
    """Rows of up to three series, mixed as they like, each with holes of its own."""
    count = draw(st.integers(1, 3))
    steps = [draw(st.lists(st.sampled_from([1, 1, 1, 1, 4]), max_size=25)) for _ in range(count)]
    waiting = {
        name: np.cumsum([draw(st.integers(0, 5)), *each]).tolist() for name, each in zip("abc", steps, strict=False)
    }
    rows = []
    while waiting:
        name = draw(st.sampled_from(sorted(waiting)))
        rows.append((name, waiting[name].pop(0)))
        if not waiting[name]:
            del waiting[name]
    names, times = zip(*rows, strict=True)
    known = np.random.default_rng(0).permutation(len(rows)).astype(float)
    return {
        "y": np.arange(len(rows)) + 100.0, "known": known, "shop": texts(list(names)),
        "time": START + np.array(times) * HOUR,
    }  # fmt: skip


TRAIN = {
    "y": np.arange(30.0),
    "known": np.arange(30.0),
    "shop": texts(["a", "b", "c"] * 10),
    "time": hours(10).repeat(3),
}


@settings(max_examples=60)
@given(panels(), st.integers(2, 5), st.integers(1, 2))
def test_windows_reach_over_no_hole_and_into_no_other_series(
    columns: dict[str, np.ndarray], window: int, horizon: int
) -> None:
    """All windows are found that are whole, and what is known of the future is that of exactly the next rows."""
    features = {"y": plain(window=window, horizon=horizon), "known": plain(known=True)}
    preparation = fitted(features, TRAIN, series_by="shop")
    expected = {}
    for name in set(columns["shop"].tolist()):
        own = np.flatnonzero(columns["shop"] == name)
        for end in range(window - 1, len(own) - horizon):
            rows = own[end - window + 1 : end + horizon + 1]
            if (np.diff(columns["time"][rows]) == HOUR).all():
                expected[int(own[end])] = rows
    try:
        examples = preparation.encode(Table("t", columns))
    except DataError:
        assert not expected
        return
    assert examples.rows.tolist() == sorted(expected)
    for row, given_input, truth in zip(examples.rows.tolist(), examples.inputs["series"], examples.truth, strict=True):
        rows = expected[row]
        past, future = rows[:window], rows[window:]
        assert given_input[:, 0].tolist() == columns["y"][past].tolist()
        assert given_input[:, 1].tolist() == columns["known"][past].tolist()
        assert given_input[-horizon:, 2].tolist() == columns["known"][future].tolist()
        assert truth.tolist() == columns["y"][future].tolist()
    assert examples.past is not None
    assert examples.past.ids is not None
    assert examples.past.ids.tolist() == columns["shop"][examples.rows].tolist()


@settings(max_examples=40, deadline=None)
@given(panels(), st.integers(2, 4), st.integers(1, 2), st.sampled_from([None, 1, 2]), st.data())
def test_windows_made_of_steps_on_disk_are_those_in_memory(
    tmp_path_factory: pytest.TempPathFactory,
    columns: dict[str, np.ndarray],
    window: int,
    horizon: int,
    difference: int | None,
    data: st.DataObject,
) -> None:
    features = {
        "y": {"kind": "series", "window": window, "horizon": horizon, "difference": difference, "normalise_each": True},
        "known": {"kind": "series", "known": True},
        "time": {"kind": "date", "parts": ["hour", "weekday"]},
        "shop": {"kind": "category"},
    }
    preparation, table = fitted(features, TRAIN, series_by="shop"), Table("t", columns)
    rows = np.arange(len(table))
    try:
        expected = preparation.encode(table)
    except DataError:
        return
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp()))
        patched.setattr(on_disk, "AT_ONCE", 200)  # bytes: a few windows
        found = encoded_parts(table, Parts(rows, rows[:0], rows[:0]), preparation, "streamed")["train"]
        assert found.rows.tolist() == expected.rows.tolist()
        ends = st.integers(0, len(expected))
        ranges = [tuple(sorted(pair)) for pair in data.draw(st.lists(st.tuples(ends, ends), min_size=1, max_size=4))]
        chosen = np.concatenate([np.arange(*each) for each in ranges])
        some = streaming.window(found, ranges, len(chosen) + 2)
        for mine, taken, its in (
            (found.inputs["series"], some.inputs["series"], expected.inputs["series"]),
            (found.target, some.target, expected.target),
            (found.truth, found.truth[chosen], expected.truth),
        ):
            assert isinstance(mine, Made)
            np.testing.assert_array_equal(np.asarray(mine), its, strict=True)
            np.testing.assert_array_equal(taken[: len(chosen)], its[chosen])
            assert not taken[len(chosen) :].any()
        assert some.rows[: len(chosen)].tolist() == expected.rows[chosen].tolist()
        assert found.past is not None
        assert found.past.last(window).tolist() == (expected.past and expected.past.last(window).tolist())


def test_nothing_of_the_unknown_future_enters() -> None:
    """Whatever comes after the last past step changes what is known in advance only."""
    columns = {"x": np.arange(20.0), "known": np.arange(20.0), "y": np.arange(20.0), "time": hours(20)}
    features = {"y": plain(window=4, horizon=3, difference=1), "x": plain(), "known": plain(known=True)}
    preparation = fitted(features, columns)
    before = preparation.encode(Table("t", columns))
    row = 10
    changed = {name: np.where(np.arange(20) > row, 77.0, values) for name, values in columns.items() if name != "time"}
    after = preparation.encode(Table("t", {**changed, "time": columns["time"]}))
    at = before.rows.tolist().index(row)
    now, then = (each.inputs["series"][at] for each in (before, after))
    assert now[:, :3].tolist() == then[:, :3].tolist()
    assert (now[-3:, 3] != then[-3:, 3]).all()
    assert now[:-3, 3].tolist() == then[:-3, 3].tolist()


def test_a_window_has_what_is_compared_with_of_every_variable() -> None:
    columns = {"x": np.arange(12.0) ** 2, "y": np.arange(12.0), "time": hours(12)}
    preparation = fitted({"y": plain(window=2), "x": plain(difference=5)}, columns)
    examples = preparation.encode(Table("t", columns))
    assert examples.rows.tolist() == [6, 7, 8, 9, 10]
    assert examples.inputs["series"][0].tolist() == [[5, 25], [6, 35]]


def shops(late: float = 0) -> dict[str, np.ndarray]:
    """Two shops of very different size, hour by hour, `late` added behind the train rows."""
    time = np.repeat(hours(100), 2)
    wave = 10 + np.sin(np.arange(200) // 2 / 4) + np.where(np.arange(200) >= 160, late, 0)
    return {"y": wave * np.tile([1.0, 1000.0], 100), "shop": texts(["small", "large"] * 100), "time": time}


def test_each_series_by_its_own_train_rows() -> None:
    features = {"y": {"kind": "series", "window": 4, "horizon": 2, "normalise_each": True}}
    columns = shops()
    preparation = fitted(features, columns, train=160, series_by="shop")
    assert preparation == fitted(features, shops(late=500), train=160, series_by="shop")
    series = preparation.series
    assert series is not None
    assert series.each is not None
    for place, name in enumerate(["small", "large"]):
        own = columns["y"][:160][place::2]
        assert series.each[name] == (own.mean(), own.std())
    examples = preparation.encode(Table("t", columns))
    np.testing.assert_allclose(examples.inputs["y"][0], examples.inputs["y"][1], atol=1e-5)
    small = columns["y"][::2]
    np.testing.assert_allclose(
        examples.inputs["y"][0, :, 0], (small[:4] - small[:80].mean()) / small[:80].std(), atol=1e-5
    )
    np.testing.assert_allclose(examples.target[0], examples.target[1], atol=1e-5)
    assert isinstance(preparation.target, FittedNumbers)
    np.testing.assert_allclose(preparation.target.restore(examples.target, examples.past), examples.truth, rtol=1e-5)
    strange = {**columns, "shop": texts(["small", "new"] * 100)}
    with pytest.raises(DataError, match=r"shop is a series that the train rows do not have in 100 rows .*such as new"):
        preparation.encode(Table("t", strange))
    assert len(fitted({"y": plain(window=4)}, columns, series_by="shop").encode(Table("t", strange))) == 192


def test_the_name_of_a_series_enters_at_each_step() -> None:
    columns = shops()
    features = {"y": plain(window=3), "shop": {"kind": "category"}}
    preparation = fitted(features, columns, series_by="shop")
    assert preparation.inputs[0].variables == ("y", "shop=?", "shop=large", "shop=small")
    given = preparation.encode(Table("t", columns)).inputs["series"]
    assert given[0, :, 1:].tolist() == [[0, 0, 1]] * 3
    assert given[1, :, 1:].tolist() == [[0, 1, 0]] * 3
    strange = Table("t", {**columns, "shop": texts(["small", "new"] * 100)})
    assert preparation.encode(strange).inputs["series"][1, :, 1:].tolist() == [[1, 0, 0]] * 3
    assert preparation.unknown(strange) == {"shop": (100, ("new",))}


def named(columns: dict[str, np.ndarray], **more: Any) -> Preparation:
    """Shops whose names the network embeds."""
    features = {"y": plain(window=3), "shop": {"kind": "category", "encoding": "embedding", **more}}
    return fitted(features, columns, series_by="shop")


def test_an_embedded_name_is_one_number_a_window() -> None:
    columns = shops()
    preparation = named(columns)
    series, shop = preparation.inputs
    assert (series.name, series.shape, series.variables) == ("y", (3, 1), ("y",))
    assert (shop.name, shop.kind, shop.shape, shop.vocabulary_size, shop.embedding_size) == (
        "shop",
        "index",
        (),
        3,
        None,
    )
    assert preparation.vector_names == ()
    examples = preparation.encode(Table("t", columns))
    assert examples.inputs["shop"].dtype == np.int32
    assert examples.inputs["shop"][:4].tolist() == [2, 1, 2, 1]  # small, large, …, sorted by name
    assert examples.inputs["y"].shape == (len(examples), 3, 1)
    assert named(columns, embedding_size=7).inputs[1].embedding_size == 7
    assert named(columns, buckets=40).inputs[1].vocabulary_size == 41


def test_a_name_that_is_not_learned_is_not_forecast() -> None:
    """In new data; a part of the split may have series that begin behind the train rows."""
    columns = shops()
    strange = Table("new.csv", {**columns, "shop": texts(["small", "new"] * 100)})
    told = r"new.csv: shop is a series that the train rows do not have in 100 rows \(2, 4, .*, such as new"
    for encoding in ("embedding", "one_hot"):
        preparation = named(columns, encoding=encoding)
        with pytest.raises(DataError, match=told):
            preparation.encode(strange, target=False)
        assert preparation.unknown(strange) == {"shop": (100, ("new",))}
        assert len(preparation.encode(strange)) == 194
    assert named(columns).encode(strange).inputs["shop"][:4].tolist() == [2, 0, 2, 0]
    rare = {**columns, "shop": texts(["small", "large"] * 90 + ["small", "kiosk"] * 10)}
    preparation = named(rare, min_count=11)
    assert preparation.inputs[1].vocabulary_size == 3
    assert preparation.encode(strange, target=False).inputs["shop"][:4].tolist() == [2, 0, 2, 0]


def test_a_part_without_rows_has_no_windows_whatever_the_series_are() -> None:
    """As the test part of folds, where no rows are set apart."""
    features = {
        "y": {"kind": "series", "window": 4, "horizon": 2, "normalise_each": True},
        "shop": {"kind": "category"},
    }
    preparation = fitted(features, shops(), series_by="shop")
    examples = preparation.encode(Table("t", shops()), np.zeros(0, np.int64))
    assert examples.inputs["series"].shape == (0, 4, 4)
    assert examples.target.shape == (0, 2)


def test_no_window_crosses_a_split(tmp_path: pathlib.Path) -> None:
    rows = [
        f"2024-01-{day:02} {hour:02}:00,{shop},{day},{hour}"
        for day in range(1, 21)
        for hour in range(24)
        for shop in "ab"
    ]
    (tmp_path / "t.csv").write_text("time,shop,day,y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    features = {"y": {"kind": "series", "window": 5, "horizon": 3}, "day": {"kind": "series", "known": True}}
    source = {"kind": "csv", "path": "t.csv", "time": "time"}
    data = Data.parse({"source": source, "target": "y", "features": features, "series_by": "shop"})
    loaded: Dataset = data.load(tmp_path, seed=0)
    assert loaded.unused == ()
    assert Data.parse(loaded.resolved.tree()).load(tmp_path, seed=0).preparation == loaded.preparation
    stamps = loaded.table.columns["time"]
    for (_, part), examples in zip(loaded.parts.items(), (loaded.train, loaded.validation, loaded.test), strict=True):
        assert not set(stamps[part]) & set(np.delete(stamps, part)), "both shops are cut at one time"
        assert len(examples) == len(part) - 2 * (5 + 3 - 1)
        inside = set(part.tolist())
        for row in examples.rows.tolist():
            assert {row - 2 * step for step in range(5)} | {row + 2 * step for step in range(4)} <= inside


def ahead(known: list[float | None], y: list[float | None], shops: str | None = None) -> Table:
    columns = {"known": np.array(known, float), "y": np.array(y, float), "time": hours(len(y))}
    if shops is not None:
        columns |= {"shop": texts(list(shops)), "time": hours(len(y) // 2).repeat(2)}
    return Table("new.csv", columns)


def test_new_data_with_the_known_part_of_the_horizon() -> None:
    features = {"y": plain(window=2, horizon=2), "known": plain(known=True)}
    preparation = fitted(features, TRAIN | {"time": hours(30)})
    table = ahead([1, 2, 3, 4, 5], [10, 20, 30, None, None])
    assert preparation.faults(table, np.arange(5)) == []
    examples = preparation.encode(table, target=False, last=True)
    assert examples.rows.tolist() == [2]
    assert examples.inputs["series"].tolist() == [[[20, 2, 4], [30, 3, 5]]]
    assert examples.past is not None
    assert preparation.series is not None
    assert examples.past.next_times(preparation.series, given=True).tolist() == [hours(5)[3:].tolist()]
    every = preparation.encode(table, target=False)
    assert every.rows.tolist() == [1, 2]
    further = ahead([1, 2, 3, 4, 5, 6, 7], [10, 20, 30, None, None, None, None])
    assert preparation.encode(further, target=False).rows.tolist() == [1, 2], "none begins where y is not known"
    with pytest.raises(DataError) as caught:
        preparation.encode(ahead([1, 2, 3, 4], [10, 20, 30, None]), target=False, last=True)
    assert caught.value.message == (
        "new.csv: the forecast needs the next 2 rows after row 3, with time and known, but there is 1"
    )
    assert "leave y empty" in str(caught.value.hint)
    [(name, fault)] = preparation.faults(ahead([1, 2, 3, None, 5], [10, None, 30, None, None]), np.arange(5))[:1]
    assert (name, fault.what, fault.positions is not None and fault.positions.tolist()) == ("y", "missing", [1])
    with pytest.raises(DataError, match="known is missing in row 4"):
        preparation.encode(ahead([1, 2, 3, None, 5], [10, 20, 30, None, None]), target=False)


def test_new_data_of_several_series() -> None:
    features = {"y": plain(window=2, horizon=1), "known": plain(known=True)}
    preparation = fitted(features, TRAIN, series_by="shop")
    table = ahead([1, 2, 3, 4, 5, 6], [10, 20, 30, 40, None, None], shops="abbaab")
    examples = preparation.encode(table, target=False, last=True)
    assert examples.rows.tolist() == [2, 3]
    assert examples.past is not None
    assert examples.past.ids is not None
    assert examples.past.ids.tolist() == ["b", "a"]
    assert examples.inputs["series"].tolist() == [[[20, 2, 3], [30, 3, 6]], [[10, 1, 4], [40, 4, 5]]]
    behind = {"known": np.arange(8.0), "y": np.array([1, 2, 3, None] * 2, float), "time": np.tile(hours(4), 2)}
    one_after_the_other = Table("new.csv", {**behind, "shop": texts(list("aaaabbbb"))})
    assert preparation.faults(one_after_the_other, np.arange(8)) == []
    assert preparation.encode(one_after_the_other, target=False, last=True).rows.tolist() == [2, 6]
    cut = Table("new.csv", {name: values[:5] for name, values in table.columns.items()})
    with pytest.raises(DataError, match="the next row of shop b after row 3, with time and known, but there is none"):
        preparation.encode(cut, target=False, last=True)
    with pytest.raises(
        DataError,
        match=r"new.csv: the times .* row 4 has the same time as the row before of shop a, 2024-01-01 01:00:00",
    ):
        preparation.encode(ahead([1] * 6, [1] * 6, shops="abaabb"), target=False)


def test_series_with_a_hole_or_too_short_at_the_end_are_left_out() -> None:
    columns = {"y": np.arange(30.0), "time": hours(10).repeat(3), "shop": texts(list("abc" * 10))}
    preparation = fitted({"y": plain(window=3)}, columns, series_by="shop")
    kept = [row for row in range(30) if row not in (22, 25) and not (row % 3 == 2 and row < 24)]
    table = Table("new.csv", {name: values[kept] for name, values in columns.items()})
    batch, bad = Batch(table, np.arange(len(table))), BadRows()
    good = with_ends(preparation, batch, np.arange(len(table)), "new.csv", bad)
    assert set(table.columns["shop"][good].tolist()) == {"a"}
    assert list(bad.reasons()) == [
        "new.csv: the forecast needs the last 3 rows without a hole of shop b, "
        "but after 2024-01-01 06:00:00 comes 2024-01-01 09:00:00",
        "new.csv: the forecast needs the last 3 rows without a hole of shop c, but there are 2, "
        "the last of them row 20",
    ]
    assert not any("window" in hint and "every" not in hint for hint in bad.hints)
    assert preparation.encode(table, good, target=False, last=True).rows.tolist() == [len(table) - 3]


@pytest.mark.parametrize("more", [{"shop": {"kind": "category"}}, {"time": {"kind": "date", "parts": ["hour"]}}])
def test_where_no_row_is_left_there_is_no_end_of_a_series(more: dict[str, Any]) -> None:
    columns = {"y": np.arange(30.0), "time": hours(15).repeat(2), "shop": texts(list("ab" * 15))}
    preparation = fitted({"y": plain(window=3), **more}, columns, series_by="shop")
    bad = BadRows()
    table = Table("new.csv", columns)
    good = with_ends(preparation, Batch(table, np.arange(30)), np.arange(0), "new.csv", bad)
    assert (len(good), list(bad.reasons())) == (0, [])


def test_a_name_among_the_features_is_no_calendar() -> None:
    """Only times go on by themselves: rows behind the last one are not made up for a name."""
    columns = {"y": np.arange(30.0), "time": hours(15).repeat(2), "shop": texts(list("ab" * 15))}
    preparation = fitted({"y": plain(window=3), "shop": {"kind": "category"}}, columns, series_by="shop")
    past = preparation.encode(Table("new.csv", columns), target=False, last=True).past
    assert past is not None
    assert past.layout.rows.min() >= 0


def test_a_time_that_is_not_named_is_told_once(tmp_path: pathlib.Path) -> None:
    (tmp_path / "t.csv").write_text("time,y\n" + "".join(f"2024-01-{day:02},{day}\n" for day in range(1, 29)))
    features = {"y": plain(window=3), "time": {"kind": "date", "parts": ["weekday"]}}
    tree = {"source": {"kind": "csv", "path": "t.csv"}, "target": "y", "features": features}
    [problem] = Data.parse(tree).check(tmp_path)
    assert problem.message == "a series needs a time column"


def test_new_data_is_to_be_mended_and_not_the_spec() -> None:
    preparation = fitted({"y": plain(window=9)}, {"y": np.arange(30.0), "time": hours(30)})
    table = Table("new.csv", {"y": np.arange(5.0), "time": hours(5)})
    with pytest.raises(DataError) as caught:
        preparation.encode(table, new=True)
    assert caught.value.hint == "more rows, or those that are missing between others"
    with pytest.raises(DataError) as caught:
        preparation.encode(table)
    assert "a smaller window" in str(caught.value.hint)


def test_a_calendar_goes_on_by_itself() -> None:
    features = {"y": plain(window=2, horizon=2), "time": {"kind": "date", "parts": ["hour"]}}
    columns = {"y": np.arange(6.0), "time": hours(6)}
    preparation = fitted(features, columns)
    last = preparation.encode(Table("t", columns), target=False, last=True)
    assert last.rows.tolist() == [5]
    np.testing.assert_allclose(last.inputs["series"][0, :, 1], np.sin(np.array([6, 7]) * np.pi / 12), atol=1e-6)
    assert preparation.encode(Table("t", columns), target=False).rows.tolist() == [1, 2, 3, 4, 5]
    features = {"y": plain(window=2, horizon=2, holes="ignore"), "time": {"kind": "date", "parts": ["hour"]}}
    with pytest.raises(DataError, match="the next 2 rows after row 6, with time, but there is none"):
        fitted(features, columns).encode(Table("t", columns), target=False, last=True)


@pytest.mark.parametrize(
    ("features", "more", "expected"),
    [
        ({"temp": plain()}, {}, [("features", "temp")]),
        ({"temp": plain(window=4), "date": {"kind": "date", "parts": ["hour"]}}, {}, []),
        (
            {"temp": plain(window=4, horizon=6), "date": {"kind": "date", "parts": ["hour"]}},
            {},
            [("features", "date")],
        ),
        ({"temp": plain(window=4, known=True)}, {}, [("features",), ("features", "temp", "known")]),
        ({"temp": plain(window=4, normalise_each=True)}, {}, [("features", "temp", "normalise_each")]),
        ({"temp": plain(window=4)}, {"series_by": "temp"}, [("series_by",)]),
        ({"temp": plain(window=4)}, {"series_by": "shop"}, [("series_by",)]),
        (
            {"temp": plain(window=4), "shop": {"kind": "category", "encoding": "target"}},
            {"series_by": "shop"},
            [("features", "shop"), ("series_by",), ("features", "shop", "encoding")],
        ),
        (
            {"temp": plain(window=4), "shop": {"kind": "category", "encoder": {"kind": "ann"}}},
            {"series_by": "shop"},
            [("features", "shop"), ("series_by",), ("features", "shop", "encoder")],
        ),
        (
            {"temp": plain(window=4), "shop": {"kind": "category", "embedding_size": 4}},
            {"series_by": "shop"},
            [("features", "shop"), ("series_by",), ("features", "shop", "embedding_size")],
        ),
        (
            {"temp": plain(window=4, encoder={"kind": "gru"}), "shop": {"kind": "category", "encoding": "embedding"}},
            {"series_by": "shop"},
            [("features", "shop"), ("series_by",)],
        ),
        (
            {
                "temp": plain(window=4),
                "date": {"kind": "date"},
                "series": {"kind": "category", "encoding": "embedding"},
            },
            {"series_by": "series"},
            [("features", "series"), ("series_by",), ("features", "series")],
        ),
        ({"temp": plain(window=4), "shop": {"kind": "category"}}, {}, [("features", "shop"), ("features", "shop")]),
        (
            {"temp": plain(window=4), "wind": plain(window=5)},
            {},
            [("features", "wind"), ("features", "wind", "window")],
        ),
    ],
)
def test_mistakes(features: dict[str, Any], more: dict[str, Any], expected: list[tuple[Any, ...]]) -> None:
    assert problems(features, **more) == expected


def test_a_preparation_of_several_series_goes_through_json() -> None:
    features = {"y": {"kind": "series", "window": 4, "normalise_each": True, "difference": 2}}
    preparation = fitted(features, shops(), series_by="shop")
    assert Preparation.parse(preparation.tree()) == preparation
