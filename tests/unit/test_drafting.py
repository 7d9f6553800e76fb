"""The specs that `dlrun init --from` drafts: each passes its check, and fits its data, as TensorFlow would get it."""

from __future__ import annotations

import datetime as dt
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dlrun.data.dataset import Dataset
from dlrun.data.new_data import of_path
from dlrun.data.sources.csv_file import Csv
from dlrun.drafting.yaml_text import Line, flow, text_of_lines
from dlrun.errors import DataError, UsageError
from dlrun.experiment import Experiment
from dlrun.init import SCHEMA, init_from
from dlrun.profile.frame import OneByOne, without
from dlrun.reading import load_data, read_experiment
from dlrun.spec.document import read_document

ROOT = Path(__file__).parents[2]
BUNDLED = ROOT / "dlrun" / "data" / "bundled"
ROWS = 240


def drafted(data: Path, target: str | None = None) -> tuple[str, Experiment, Dataset]:
    """The text of a draft, and what comes of it when its data is read."""
    spec = init_from(data, data.parent / "draft.yaml", target)
    experiment, document = read_experiment(spec)
    return spec.read_text(encoding="utf-8"), *load_data(experiment, document, spec)


def mixed() -> dict[str, list[Any]]:
    random = np.random.default_rng(3)
    age = random.integers(18, 90, ROWS).astype(float)
    income = np.exp(random.normal(8, 2, ROWS)).round(2)
    city = random.choice(["Rome", "Oslo", "Bern"], ROWS)
    day = np.datetime64("2020-01-01") + random.integers(0, 900, ROWS)
    columns: dict[str, list[Any]] = {
        "id": list(range(ROWS)), "age": age.tolist(), "income": income.tolist(), "city": city.tolist(),
        "joined": [str(each) for each in day], "country": ["IT"] * ROWS, "empty": [None] * ROWS,
        "target": np.where(age + random.normal(0, 10, ROWS) > 50, "old", "young").tolist(),
        "last": random.normal(size=ROWS).tolist(),
    }  # fmt: skip
    for row in range(0, ROWS, 9):
        columns["age"][row] = None
    return columns


def test_a_table_of_all_kinds(tmp_path: Path) -> None:
    polars.DataFrame(mixed(), strict=False).write_csv(tmp_path / "people.csv")
    text, experiment, dataset = drafted(tmp_path / "people.csv")
    features = {name: feature.tree() for name, feature in (dataset.resolved.features or {}).items()}
    assert list(features) == ["age", "income", "city", "joined", "last"]
    assert (features["age"]["missing"], features["income"]["transform"]) == ("median", "log1p")
    assert [features[name]["kind"] for name in ("city", "joined")] == ["category", "date"]
    assert dataset.resolved.target
    assert (dataset.resolved.target.column, dataset.resolved.target.kind) == (
        "target", "category",
    )  # fmt: skip
    assert experiment.architecture.kind == "ann"
    assert experiment.objective.kind == "binary_crossentropy"
    assert dataset.resolved.split.tree()["stratify"] is True
    for reason in (
        "# id: left out, it looks like an id: it counts from 0 to 239", "# country: left out, it has one value",
        "# empty: left out, it has no value", "# by its name; 2 classes", "missing in 11%",
    ):  # fmt: skip
        assert reason in text
    assert (tmp_path / SCHEMA).exists()


def test_the_target_is_as_asked_for_or_the_last(tmp_path: Path) -> None:
    columns = mixed()
    del columns["target"]
    polars.DataFrame(columns, strict=False).write_csv(tmp_path / "people.csv")
    _, experiment, dataset = drafted(tmp_path / "people.csv")
    assert dataset.resolved.target
    assert dataset.resolved.target.column == "last"
    assert experiment.objective.kind == "mse"
    (tmp_path / "draft.yaml").unlink()
    _, _, dataset = drafted(tmp_path / "people.csv", "city")
    assert dataset.preparation.signature.output.classes == ("Bern", "Oslo", "Rome")


def test_a_german_table(tmp_path: Path) -> None:
    """Semicolons, decimal commas, a byte order mark, stand-ins, and names that YAML has plans for."""
    random = np.random.default_rng(0)
    size, flag = random.normal(170, 10, ROWS).round(1), random.choice(["ja", "nein"], ROWS)
    lines = ['Größe in cm;null;"yes: no";# 1;Straße "A";Art']
    for row in range(ROWS):
        number = "n/a" if row in (5, 6) else str(size[row]).replace(".", ",")
        lines.append(
            f"{number};{flag[row]};{row % 7};0,{row * 37 % 999:03};{'abc'[row % 3]};{'xy'[int(size[row] > 170)]}"
        )
    text = "\n".join(lines)
    (tmp_path / "maße.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    _, experiment, dataset = drafted(tmp_path / "maße.csv")
    source = dataset.resolved.source.tree()
    assert (source["delimiter"], source["decimal_comma"], source["missing"]) == (";", True, ["n/a"])
    kinds = {name: feature.kind for name, feature in (dataset.resolved.features or {}).items()}
    assert kinds == {
        "Größe in cm": "number", "null": "category", "yes: no": "number", "# 1": "number", 'Straße "A"': "category",
    }  # fmt: skip
    assert np.nanmean(dataset.table.columns["Größe in cm"]) == pytest.approx(170, abs=3)
    assert dataset.resolved.target
    assert dataset.resolved.target.column == "Art"
    assert experiment.name == "draft"


@pytest.mark.parametrize(("delimiter", "ending"), [("\t", "tsv"), ("|", "csv"), (";", "csv"), (",", "csv")])
def test_delimiters(delimiter: str, ending: str, tmp_path: Path) -> None:
    columns = {name: values for name, values in mixed().items() if name in ("age", "city", "target")}
    polars.DataFrame(columns, strict=False).write_csv(tmp_path / f"a.{ending}", separator=delimiter)
    _, _, dataset = drafted(tmp_path / f"a.{ending}")
    assert list(dataset.resolved.features or {}) == ["age", "city"]


def test_a_series_is_forecast(tmp_path: Path) -> None:
    (tmp_path / "temps.csv").write_bytes(gzip.decompress((BUNDLED / "seattle_temps.csv.gz").read_bytes()))
    _, experiment, dataset = drafted(tmp_path / "temps.csv")
    assert experiment.architecture.kind == "lstm"
    assert dataset.preparation.series is not None
    assert (dataset.preparation.series.window, dataset.preparation.series.horizon) == (72, 24)
    assert dataset.resolved.split.kind == "time"


@pytest.mark.parametrize(("days", "window", "horizon"), [(69, 3, 1), (70, 7, 1), (279, 13, 1), (280, 14, 7)])
def test_a_series_is_seen_a_week_at_a_time_where_it_has_some(
    days: int, window: int, horizon: int, tmp_path: Path
) -> None:
    when = [str(np.datetime64("2024-01-01") + day) for day in range(days)]
    table = {"day": when, "sold": np.sin(np.arange(days) / 7 * 2 * np.pi)}
    polars.DataFrame(table).write_csv(tmp_path / "sales.csv")
    _, _, dataset = drafted(tmp_path / "sales.csv")
    assert dataset.preparation.series is not None
    assert (dataset.preparation.series.window, dataset.preparation.series.horizon) == (window, horizon)


@pytest.mark.parametrize("id_first", [True, False])
def test_several_series_are_told_apart(id_first: bool, tmp_path: Path) -> None:
    hours = [str(np.datetime64("2020-01-01T00") + hour).replace("T", " ") + ":00" for hour in range(100)]
    rows = [(hour, site) for site in ("east", "west") for hour in hours]
    rows = rows if id_first else sorted(rows)
    load = [round(np.sin(index) + 2, 3) for index in range(200)]
    columns = {"time": [hour for hour, _ in rows], "site": [site for _, site in rows], "load": load}
    polars.DataFrame(columns).write_csv(tmp_path / "load.csv")
    text, _, dataset = drafted(tmp_path / "load.csv")
    assert "series_by: site" in text
    assert "# 2 series, each with times in even steps" in text
    assert dataset.resolved.series_by == "site"
    assert [feature.kind for feature in (dataset.resolved.features or {}).values()] == ["series"]


def test_many_series_are_told_apart_by_an_embedding(tmp_path: Path) -> None:
    days = [str(np.datetime64("2020-01-01") + day) for day in range(70)]
    rows = [(day, store) for day in days for store in range(20)]
    sold = [round(np.sin(index / 9) + store, 3) for index, (_, store) in enumerate(rows)]
    columns = {"day": [day for day, _ in rows], "store": [f"s{store}" for _, store in rows], "sold": sold}
    polars.DataFrame(columns).write_csv(tmp_path / "sold.csv")
    text, _, dataset = drafted(tmp_path / "sold.csv")
    assert "# a learned vector tells which series it is; one-hot, each step would have 21 numbers more" in text
    assert [each.name for each in dataset.preparation.inputs] == ["sold", "store"]
    assert dataset.preparation.inputs[1].vocabulary_size == 21
    assert "# store: left out" not in text


def test_months_are_a_series_too_and_visits_are_none(tmp_path: Path) -> None:
    months = np.datetime64("2000-01") + np.arange(180)
    value = np.sin(np.arange(180) / 2)
    days = [f"{month}-01" for month in months]
    polars.DataFrame({"month": days, "value": value}).write_csv(tmp_path / "a.csv")
    _, _, dataset = drafted(tmp_path / "a.csv")
    assert dataset.preparation.series is not None
    random = np.random.default_rng(0)
    visits = [str(np.datetime64("2020-01-01") + day) for day in np.sort(random.integers(0, 999, 180))]
    polars.DataFrame({"day": visits, "x": random.normal(size=180), "value": value}).write_csv(tmp_path / "b.csv")
    (tmp_path / "draft.yaml").unlink()
    _, _, dataset = drafted(tmp_path / "b.csv")
    assert dataset.preparation.series is None
    assert {name: feature.kind for name, feature in (dataset.resolved.features or {}).items()} == {
        "day": "date", "x": "number",
    }  # fmt: skip


def steps(first: str, unit: str, count: int) -> list[dt.datetime]:
    return (np.datetime64(first, unit) + np.arange(count)).astype("datetime64[us]").tolist()


@pytest.mark.parametrize(
    ("form", "stamps"),
    [
        ("%d/%m/%Y", steps("2023-01-01", "D", 90)),
        ("%m/%d/%Y", steps("2023-01-01", "D", 90)),
        ("%d.%m.%y", steps("2023-01-01", "D", 90)),
        ("%d-%b-%Y", steps("2023-01-01", "D", 90)),
        ("%d.%m.%Y %H:%M", steps("2024-12-30", "h", 90)),
        ("%m/%d/%Y %I:%M %p", steps("2024-12-30", "h", 90)),
        ("%Y-%m", steps("2015-01", "M", 90)),
        ("%d/%m/%Y", steps("2015-01", "M", 90)),
        ("%m/%d/%Y", steps("2015-01", "M", 90)),
        ("%d/%m/%Y %H:%M", steps("2024-02-03", "h", 72)),
        ("%m/%d/%Y %H:%M", steps("2024-02-03", "h", 72)),
    ],
)
def test_times_as_text_are_forecast_in_the_order_in_which_they_are_even(
    form: str, stamps: list[dt.datetime], tmp_path: Path
) -> None:
    columns = {"when": [f"{each:{form}}" for each in stamps], "load": [round(np.sin(n), 3) for n in range(len(stamps))]}
    polars.DataFrame(columns).write_csv(tmp_path / "a.csv")
    text, _, dataset = drafted(tmp_path / "a.csv")
    assert dataset.resolved.split.kind == "time"
    assert list(dataset.resolved.features or {}) == ["load"]
    assert dataset.table.columns["when"].tolist() == stamps
    source = yaml.safe_load(text)["data"]["source"]
    assert list(source)[-2:] == ["types", "time"]
    assert source["types"] == {"when": {"time": form}}
    ambiguous = all(each.day <= 12 for each in stamps) and form.startswith(("%d", "%m"))
    other = form.replace("%d", "%").replace("%m", "%d").replace("%/", "%m/")
    assert (f"# when could be written as {other}, where its steps are less even" in text) is ambiguous


def test_a_series_that_is_as_even_in_both_orders_says_so(tmp_path: Path) -> None:
    stamps = steps("2024-02-03T00:00", "m", 90)
    columns = {"when": [f"{each:%d/%m/%Y %H:%M}" for each in stamps], "load": [n % 13 + 0.5 for n in range(90)]}
    polars.DataFrame(columns).write_csv(tmp_path / "a.csv")
    text, _, _ = drafted(tmp_path / "a.csv")
    assert "# when could be written as %m/%d/%Y %H:%M, in even steps too: see which is meant" in text


@pytest.mark.parametrize("other", [None, "%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d"])
def test_a_date_that_can_be_two_days_is_no_feature_unless_another_column_tells(
    other: str | None, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    columns: dict[str, list[Any]] = {
        "seen": [f"{day:02}/{month:02}/2020" for day, month in random.integers(1, 13, (ROWS, 2))],
        "x": random.normal(size=ROWS).tolist(), "y": [row % 2 for row in range(ROWS)],
    }  # fmt: skip
    if other:
        columns["paid"] = [f"{stamp:{other}}" for stamp in random.permutation(steps("2020-01-05", "D", ROWS)).tolist()]
    polars.DataFrame(columns).write_csv(tmp_path / "a.csv")
    text, _, dataset = drafted(tmp_path / "a.csv")
    features = {name: each.tree() for name, each in (dataset.resolved.features or {}).items()}
    if other in ("%d/%m/%Y", "%m/%d/%Y"):
        assert features["seen"]["format"] == features["paid"]["format"] == other
    else:
        assert "seen" not in features
        assert (
            "# seen: left out, nothing says whether its day or its month stands first; to use it, {kind: date" in text
        )
        assert '"%d/%m/%Y"} or {kind: date, format: "%m/%d/%Y"}' in text


def test_a_date_with_even_steps_in_one_order_is_read_so(tmp_path: Path) -> None:
    stamps = steps("2010-01", "M", 72)
    columns = {"month": [f"{each:%m/%d/%Y}" for each in stamps], "x": [n**2 % 71 for n in range(72)],
               "y": ["ab"[n * 7 % 3 // 2] for n in range(72)]}  # fmt: skip
    polars.DataFrame(columns).write_csv(tmp_path / "a.csv")
    _, _, dataset = drafted(tmp_path / "a.csv")
    assert (dataset.resolved.features or {})["month"].tree()["format"] == "%m/%d/%Y"


def test_hours_of_times_as_text_enter_the_network(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    stamps = random.permutation(steps("2020-01-05", "h", ROWS)).tolist()
    columns = {"at": [f"{each:%d.%m.%Y %H:%M}" for each in stamps], "day": [f"{each:%d.%m.%Y}" for each in stamps],
               "y": random.normal(size=ROWS)}  # fmt: skip
    polars.DataFrame(columns).write_csv(tmp_path / "a.csv")
    text, _, _ = drafted(tmp_path / "a.csv")
    parts = {name: each["parts"] for name, each in yaml.safe_load(text)["data"]["features"].items()}
    assert parts["at"] == [*parts["day"], "hour"]
    assert "# 2020-01-05 to 2020-01-14 23:00:00" in text


def test_working_days_are_a_series_without_holes(tmp_path: Path) -> None:
    days = [day for day in steps("2020-01-01", "D", 400) if day.weekday() < 5 and day.day != 25]
    columns = {"Date": [str(day.date()) for day in days], "Close": [round(np.sin(n), 3) for n in range(len(days))]}
    polars.DataFrame(columns).write_csv(tmp_path / "a.csv")
    _, _, dataset = drafted(tmp_path / "a.csv")
    feature = (dataset.resolved.features or {})["Close"].tree()
    assert (feature["horizon"], feature["holes"]) == (5, "ignore")
    six = [day for day in steps("2020-01-01", "D", 400) if day.weekday() < 6]
    gaps = [day for day in steps("2020-01-01", "D", 600) if day.weekday() < 5 and day.day % 5]
    for others in (six, gaps):
        columns["Date"] = [str(day.date()) for day in others[: len(days)]]
        polars.DataFrame(columns).write_csv(tmp_path / "a.csv")
        (tmp_path / "draft.yaml").unlink()
        _, _, dataset = drafted(tmp_path / "a.csv")
        assert (dataset.resolved.features or {})["Date"].kind == "date"


@pytest.mark.parametrize(("name", "of"), [("kind", str), ("label", int)])
def test_many_classes(name: str, of: type, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    columns = {"x": random.normal(size=360).tolist(), name: [of(1000 + row % 60) for row in range(360)]}
    polars.DataFrame(columns).write_parquet(tmp_path / "a.parquet")
    text, experiment, dataset = drafted(tmp_path / "a.parquet")
    assert experiment.objective.kind == "categorical_crossentropy"
    assert len(dataset.preparation.signature.output.classes) == 60
    assert "60 classes" in text
    assert dataset.resolved.split.tree()["stratify"] is True


def test_whole_numbers_of_many_values_are_numbers_unless_they_are_called_classes(tmp_path: Path) -> None:
    columns = {"x": np.random.default_rng(0).normal(size=360), "age": [20 + row % 60 for row in range(360)]}
    polars.DataFrame(columns).write_csv(tmp_path / "a.csv")
    assert drafted(tmp_path / "a.csv")[1].objective.kind == "mse"


def test_a_table_of_all_types_that_parquet_has(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    columns = {
        "city": polars.Series(random.choice(["Rome", "Oslo"], ROWS), dtype=polars.Categorical),
        "price": polars.Series(random.random(ROWS).round(2)).cast(polars.Decimal(10, 2)),
        "row": random.random((ROWS, 4)).tolist(),
        "holed": [[0.5, None if n == 3 else 1.5] for n in range(ROWS)],
        "ragged": [[0.5] * (1 + n % 3) for n in range(ROWS)],
        "tags": [["a", "b"]] * ROWS,
        "user": [{"age": n, "sex": "f"} for n in range(ROWS)],
        "clock": [dt.time(n % 24) for n in range(ROWS)],
        "zone": polars.Series(steps("2020-01-01", "h", ROWS)).dt.replace_time_zone("Europe/Rome", ambiguous="earliest"),
        "wait": [dt.timedelta(seconds=n) for n in range(ROWS)],
        "y": random.choice(["a", "b"], ROWS),
    }
    polars.DataFrame(columns).write_parquet(tmp_path / "a.parquet")
    text, _, dataset = drafted(tmp_path / "a.parquet")
    kinds = {name: feature.kind for name, feature in (dataset.resolved.features or {}).items()}
    assert kinds == {"city": "category", "price": "number", "row": "number", "clock": "category", "zone": "date"}
    for reason in (
        "# ragged: left out, it has not as many numbers in each row",
        "# tags: left out, its values are of the type List(String)",
        "# user: left out, it holds objects; to use it, write a column for each of age and sex",
        "# holed: left out, numbers are missing in its rows",
    ):  # fmt: skip
        assert reason in text
    assert "4 numbers a row" in text
    prices = columns["price"].cast(polars.Float64)
    assert f"{prices.min():.6g} to {prices.max():.6g}" in text
    assert yaml.safe_load(text)["data"]["source"]["select"] == [
        "city", "price", "row", "holed", "user", "clock", "zone", "y",
    ]  # fmt: skip


def test_points_between_thousands_are_no_units(tmp_path: Path) -> None:
    pay = [f"{n // 10 % 9 + 1}.{n * 37 % 1000:03},{n % 100:02}" for n in range(ROWS)]
    lines = ["pay;x;y", *(f"{each};{n * 7 % 91},5;{'ab'[n % 2]}" for n, each in enumerate(pay))]
    (tmp_path / "a.csv").write_text("\n".join(lines), encoding="utf-8")
    text, _, dataset = drafted(tmp_path / "a.csv")
    assert "# pay: left out, numbers as text; to use it, take the points between thousands out of the file" in text
    assert dataset.resolved.source.tree()["decimal_comma"] is True


def test_a_target_that_its_name_tells_stands_anywhere(tmp_path: Path) -> None:
    columns = {"Survived": [row % 2 for row in range(ROWS)], "age": np.random.default_rng(0).normal(size=ROWS)}
    polars.DataFrame(columns | {"port": ["abc"[row % 3] for row in range(ROWS)]}).write_csv(tmp_path / "a.csv")
    assert yaml.safe_load(drafted(tmp_path / "a.csv")[0])["data"]["target"] == {
        "column": "Survived", "kind": "category",
    }  # fmt: skip


def test_one_column_alone_predicts_nothing(tmp_path: Path) -> None:
    polars.DataFrame({"x": np.random.default_rng(0).normal(size=ROWS)}).write_csv(tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"no column of a\.csv is left to predict x from, which is its only one"):
        init_from(tmp_path / "a.csv", tmp_path / "draft.yaml")


def test_texts(tmp_path: Path) -> None:
    words = np.random.default_rng(0).choice(["good", "bad", "film", "the", "a", "very", "so"], (ROWS, 9))
    polars.DataFrame(
        {"review": [" ".join(row) for row in words], "label": np.where((words == "good").sum(1) > 1, "+", "-")}
    ).write_ndjson(tmp_path / "a.jsonl")
    text, experiment, dataset = drafted(tmp_path / "a.jsonl")
    assert experiment.architecture.kind == "lstm"
    assert dataset.preparation.inputs[0].kind == "tokens"
    assert "95 % of the texts have at most 9 words" in text
    assert dataset.resolved.source.kind == "json"


def test_a_text_beside_numbers(tmp_path: Path) -> None:
    columns = mixed()
    columns["note"] = [f"a note of some words about {row % 17} and {row % 13}, {row}" for row in range(ROWS)]
    polars.DataFrame(columns, strict=False).write_parquet(tmp_path / "a.parquet")
    _, experiment, dataset = drafted(tmp_path / "a.parquet")
    assert experiment.architecture.kind == "combined"
    assert "note" in dataset.preparation.features


def test_numbers_with_units_are_left_out_with_the_reason(tmp_path: Path) -> None:
    columns = mixed() | {"weight": [f"{50 + row % 90} kg" for row in range(ROWS)]}
    polars.DataFrame(columns, strict=False).write_csv(tmp_path / "a.csv")
    text, _, dataset = drafted(tmp_path / "a.csv")
    assert "weight" not in (dataset.resolved.features or {})
    assert "# weight: left out, numbers as text; to use it, take the units out of the file" in text


@pytest.mark.parametrize("text", ["k.A.", "keine Angabe", "s/d"])
def test_the_one_text_among_numbers_stands_for_no_value(text: str, tmp_path: Path) -> None:
    values = [text if row % 4 == 0 else f"{20 + row % 50}" for row in range(ROWS)]
    other = ["unknown" if row == 3 else f"{row % 50}" for row in range(ROWS)]  # once: a mistake, which is not hidden
    columns = {"age": values, "other": other, "y": [str(row % 2) for row in range(ROWS)]}
    polars.DataFrame(columns).write_csv(tmp_path / "people.csv")
    draft, _, dataset = drafted(tmp_path / "people.csv")
    assert yaml.safe_load(draft)["data"]["source"]["missing"] == [text]
    assert f"# {text}: no value, where others are numbers" in draft
    features = {name: feature.tree() for name, feature in (dataset.resolved.features or {}).items()}
    assert (features["age"]["kind"], features["age"]["missing"]) == ("number", "median")


def test_one_impossible_date_is_named_with_its_row(tmp_path: Path) -> None:
    days = [f"{1 + row % 28:02}.{1 + row % 12:02}.2020" for row in range(ROWS)]
    days[16] = "31.02.2020"
    columns = {"day": days, "x": [row % 37 for row in range(ROWS)], "y": [row % 2 for row in range(ROWS)]}
    polars.DataFrame(columns).write_csv(tmp_path / "visits.csv")
    text, _, _ = drafted(tmp_path / "visits.csv")
    assert "# day: left out, times, as text; to use it, mend row 17, '31.02.2020', which is no time written as" in text


@pytest.mark.parametrize(("form", "written"), [("%m/%d/%Y", "%m/%d/%Y"), ("%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M")])
def test_dates_as_text(form: str, written: str, tmp_path: Path) -> None:
    stamps = [np.datetime64("2020-01-01T10:00") + np.timedelta64(25 * row, "h") for row in range(ROWS)]
    columns = mixed() | {"joined": [stamp.item().strftime(form) for stamp in stamps]}
    random = np.random.default_rng(0).permutation(ROWS)
    polars.DataFrame(columns, strict=False)[random.tolist()].write_csv(tmp_path / "a.csv")
    _, _, dataset = drafted(tmp_path / "a.csv")
    joined = dataset.table.columns["joined"]
    feature = (dataset.resolved.features or {})["joined"].tree()
    assert feature["kind"] == "date"
    assert joined.dtype.kind == "M" or feature["format"] == written


def test_what_gives_the_target_away_is_left_out_and_rare_classes_and_rows_without_a_target(tmp_path: Path) -> None:
    columns = mixed()
    columns["target"][:2] = ["dead", "dead"]
    columns["copy"] = [label[0] for label in columns["target"]]
    columns["target"][7] = None
    polars.DataFrame(columns, strict=False).write_csv(tmp_path / "a.csv")
    text, _, dataset = drafted(tmp_path / "a.csv")
    assert len(dataset.table) == ROWS - 3
    assert dataset.preparation.signature.output.classes == ("old", "young")
    assert "without the classes of fewer than 3 rows" in text
    assert "# copy: left out, it gives the target target away" in text


def test_rows_of_a_group_stay_together(tmp_path: Path) -> None:
    columns = mixed() | {"patient_id": [row // 6 for row in range(ROWS)]}
    polars.DataFrame(columns, strict=False).write_csv(tmp_path / "a.csv")
    text, _, dataset = drafted(tmp_path / "a.csv")
    assert dataset.resolved.split.tree()["by"] == "patient_id"
    assert "# patient_id: left out, rows are split by it" in text


def test_images_in_arrays(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", x=random.integers(0, 255, (60, 28, 28)).astype(np.uint8), y=np.arange(60) % 3)
    _, experiment, dataset = drafted(tmp_path / "a.npz")
    assert experiment.architecture.kind == "cnn"
    assert [block["filters"] for block in experiment.architecture.tree()["blocks"]] == [32, 64]
    assert dataset.preparation.signature.output.classes == ("0", "1", "2")


def test_texts_in_folders(tmp_path: Path) -> None:
    for label in ("ham", "spam"):
        (tmp_path / "mails" / label).mkdir(parents=True)
        for number in range(20):
            (tmp_path / "mails" / label / f"{number}.txt").write_text(f"this is {label} number {number} of them\n")
    _, experiment, dataset = drafted(tmp_path / "mails")
    assert experiment.architecture.kind == "lstm"
    assert dataset.resolved.source.kind == "text_folder"


def test_images_in_folders(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for number in range(20):
            pixels = random.integers(0, 255, (60, 40 + number % 2, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / label / f"{number}.png")
    text, experiment, dataset = drafted(tmp_path / "pets")
    assert experiment.architecture.kind == "cnn"
    assert dataset.preparation.inputs[0].shape == (60, 41, 3)
    assert "files, most of them about 60 × 41 × 3" in text
    whole = (tmp_path / "pets" / "cat" / "1.png").read_bytes()
    (tmp_path / "pets" / "cat" / "1.png").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.zeros((60, 40, 4), np.uint8)).save(tmp_path / "pets" / "cat" / "2.png")
    warned: list[str] = []
    cut = init_from(tmp_path / "pets", tmp_path / "cut.yaml", warn=warned.append).read_text(encoding="utf-8")
    [warning] = warned
    assert warning.startswith("1 image cannot be read: cat/1.png")
    assert f"# {warning}: mend the files" in cut
    assert "about 60 × 41 × 3" in cut  # channels differ
    (tmp_path / "pets" / "cat" / "0.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"0\.png"):
        init_from(tmp_path / "pets", tmp_path / "again.yaml")


@pytest.mark.parametrize("place", ["", "photos"])
def test_a_table_that_names_image_files(place: str, tmp_path: Path) -> None:
    (tmp_path / "data" / place).mkdir(parents=True)
    (tmp_path / "data" / "notes").mkdir()
    (tmp_path / "specs").mkdir()
    random = np.random.default_rng(6)
    names = [f"{number:02}.PNG" for number in range(40)]
    for name in names:
        pixels = random.integers(0, 255, (20, 30, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / place / name)
    columns = {"photo": names, "area": random.normal(size=40), "price": random.normal(size=40)}
    table = polars.DataFrame(columns)
    table.write_csv(tmp_path / "data" / "houses.csv")
    spec = init_from(tmp_path / "data" / "houses.csv", tmp_path / "specs" / "draft.yaml")
    experiment, dataset = load_data(*read_experiment(spec), spec)
    photo = yaml.safe_load(spec.read_text(encoding="utf-8"))["data"]["features"]["photo"]
    assert photo.get("folder") == ("../data/photos" if place else None)
    assert "files, most of them about 20 × 30 × 3" in spec.read_text(encoding="utf-8")
    assert experiment.architecture.kind == "combined"
    assert dataset.preparation.inputs[0].shape == (20, 30, 3)
    assert len(dataset.table) == 40

    table.with_columns(polars.col("photo").replace("03.PNG", None)).write_csv(tmp_path / "data" / "gaps.csv")
    told = "# photo: left out, image files, without a name in 1 row; to use it, take such rows out"
    assert told in drafted(tmp_path / "data" / "gaps.csv")[0]
    table.write_csv(tmp_path / "specs" / "alone.csv")
    told = "# photo: left out, image files, which are not beside the table; to use it, {kind: image, folder: <where"
    spec.unlink()
    assert told in drafted(tmp_path / "specs" / "alone.csv")[0]
    long = table.with_columns(polars.lit("long" * 99) + polars.col("photo")).drop("photo").rename({"literal": "photo"})
    long.write_csv(tmp_path / "long.csv")
    assert "# photo: left out, image files, which are not beside the table" in drafted(tmp_path / "long.csv")[0]
    (tmp_path / "data" / place / "07.PNG").unlink()
    with pytest.raises(DataError, match=r"houses\.csv: photo: 1 image cannot be read: 07\.PNG is not there"):
        init_from(tmp_path / "data" / "houses.csv", tmp_path / "again.yaml")


def test_columns_are_dropped_where_one_alone_is_in_memory_too() -> None:
    frame = polars.DataFrame({"a": [1], "b": [2], "c": [3]})
    one_by_one = without(OneByOne(frame.columns, frame.__getitem__), ["b"])
    assert one_by_one.columns == without(frame, ["b"]).columns == ["a", "c"]
    assert one_by_one["c"].to_list() == [3]


def test_a_folder_of_parts(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    for number in range(2):
        polars.DataFrame(mixed(), strict=False).write_csv(tmp_path / "parts" / f"{number}.csv", separator=";")
    _, _, dataset = drafted(tmp_path / "parts")
    assert len(dataset.table) == 2 * ROWS
    assert dataset.resolved.split.tree()["stratify"] is True


def test_a_folder_of_arrays(tmp_path: Path) -> None:
    (tmp_path / "arrays").mkdir()
    random = np.random.default_rng(7)
    np.save(tmp_path / "arrays" / "image.npy", random.integers(0, 256, (60, 8, 8), dtype=np.uint8))
    np.save(tmp_path / "arrays" / "y.npy", np.arange(60) % 3)
    text, experiment, dataset = drafted(tmp_path / "arrays")
    assert "source: {kind: arrays, path: arrays}" in text
    assert experiment.data.features is not None
    assert {name: feature.kind for name, feature in experiment.data.features.items()} == {"image": "image"}
    assert dataset.preparation.signature.outputs[0].classes == ("0", "1", "2")


def test_nothing_is_written_over(tmp_path: Path) -> None:
    polars.DataFrame(mixed(), strict=False).write_csv(tmp_path / "a.csv")
    (tmp_path / "draft.yaml").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="exists already"):
        drafted(tmp_path / "a.csv")
    assert (tmp_path / "draft.yaml").read_text(encoding="utf-8") == "mine"


def test_what_cannot_be_drafted_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file or folder"):
        init_from(tmp_path / "none.csv", tmp_path / "draft.yaml")
    (tmp_path / "a.docx").write_bytes(b"PK")
    with pytest.raises(UsageError, match="ends in none of"):
        init_from(tmp_path / "a.docx", tmp_path / "draft.yaml")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="holds nothing that a source reads"):
        init_from(tmp_path / "folder", tmp_path / "draft.yaml")
    (tmp_path / "nested.jsonl").write_text('{"tags": ["a"]}\n{"tags": ["b", "c"]}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"no column that a training reads \(tags: its values are of the type List"):
        init_from(tmp_path / "nested.jsonl", tmp_path / "draft.yaml")
    polars.DataFrame(mixed(), strict=False).write_csv(tmp_path / "a.csv")
    with pytest.raises(UsageError, match="has no column agee") as raised:
        init_from(tmp_path / "a.csv", tmp_path / "draft.yaml", "agee")
    assert raised.value.hint == "did you mean age?"
    (tmp_path / "shop.db").write_bytes(b"SQLite format 3")
    with pytest.raises(UsageError, match=r"shop\.db is a database") as caught:
        init_from(tmp_path / "shop.db", tmp_path / "c.yaml")
    assert "kind: sql, url: 'sqlite:///shop.db'" in str(caught.value.hint)
    assert "CSV file" in str(caught.value.hint)
    with pytest.raises(DataError, match=r"shop\.db is a database"):
        of_path(Csv(kind="csv", path="a.csv"), tmp_path / "shop.db")
    with pytest.raises(UsageError, match="country cannot be predicted: it has one value"):
        init_from(tmp_path / "a.csv", tmp_path / "draft.yaml", "country")
    (tmp_path / "b.csv").write_text("a,b\n1,x\n1,x\n1,x\n", encoding="utf-8")
    with pytest.raises(DataError, match="has no column that can be predicted"):
        init_from(tmp_path / "b.csv", tmp_path / "draft.yaml")
    assert not (tmp_path / "draft.yaml").exists()


WORDS = [
    "yes",
    "null",
    "1e3",
    "-",
    "a: b",
    "# c",
    "",
    " x",
    "größe",
    "{a}",
    "&a",
    "*b",
    "0x1",
    "2020-01-01",
    "a\nb",
    "y",
    "~",
]


@pytest.mark.parametrize("text", WORDS)
def test_a_text_is_read_back_as_it_was(text: str, tmp_path: Path) -> None:
    assert yaml.safe_load(flow({text or "k": [text, 0.001, 10_000, True]})) == {
        text or "k": [text, 0.001, 10_000, True]
    }
    (tmp_path / "a.yaml").write_text(
        text_of_lines([Line(text or "k", {"v": text}, "because\nof that")]), encoding="utf-8"
    )
    assert read_document(tmp_path / "a.yaml").value == {text or "k": {"v": text}}


@given(st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF), max_size=20))
def test_any_text_is(text: str) -> None:
    assert yaml.safe_load(flow([text])) == [text]
