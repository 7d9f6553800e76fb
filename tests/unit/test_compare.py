from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from dlrun.compare import Comparison, compare
from dlrun.console import print_comparison
from dlrun.errors import TrainingError, UsageError
from dlrun.run.folder import RunFolder

SPEC = {
    "name": "cnn",
    "seed": 1,
    "optimizer": {"kind": "adam", "learning_rate": 0.001},
    "architecture": {"blocks": [{"filters": 32}], "dense": [128]},
}


def make(root: Path, name: str, spec: dict[str, Any] | None = None, **metrics: float) -> RunFolder:
    """A finished run of three epochs with those test metrics."""
    run = RunFolder.create(root, name, datetime(2026, 11, 23, 4, 5, 6))
    run.write_resolved(SPEC | {"name": name} | (spec or {}))
    run.start(3, main_metric=next(iter(metrics), "accuracy"))
    rows = [
        {"epoch": epoch, "loss": 1 / epoch, "validation_loss": 0.5, "validation_accuracy": epoch / 10}
        for epoch in (1, 2, 3)
    ]
    run.write_history(rows)
    run.update_epoch(3, best_epoch=2)
    if metrics:
        run.write_metrics({"test": {**metrics, "per_class": {"a": {"f1": 1.0}}}, "validation": {"accuracy": 0.1}})
        run.finish()
    return run


def names(comparison: Comparison) -> list[str]:
    return [run.name.partition("-")[0] for run in comparison.runs]


def shown(comparison: Comparison, width: int = 200) -> str:
    from rich.console import Console

    text = io.StringIO()
    print_comparison(comparison, Console(file=text, width=width))
    return text.getvalue()


def test_best_first_marked_and_what_differs(tmp_path: Path) -> None:
    make(tmp_path, "a", {"seed": 2}, accuracy=0.91, log_loss=0.5)
    make(
        tmp_path / "deeper" / "still",
        "b",
        {"optimizer": {"kind": "sgd", "learning_rate": 0.001}},
        accuracy=0.95,
        log_loss=0.7,
    )
    found = compare([tmp_path])
    assert names(found) == ["b", "a"]
    assert found.metrics == ["accuracy", "log_loss"]
    assert found.differing == ["seed", "optimizer.kind"]
    assert {(path.name[0], metric) for path, metric in found.best} == {("b", "accuracy"), ("a", "log_loss")}
    lines = shown(found).splitlines()
    assert lines[0].split() == ["run", "epochs", "best", "time", "accuracy", "log_loss", "seed", "optimizer.kind"]
    assert "0.9500 ★" in lines[2]
    assert "0.5000 ★" in lines[3]
    assert "learning_rate" not in lines[0]


def test_paths_may_be_runs_folders_and_patterns_and_repeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make(tmp_path / "runs", "a", accuracy=0.9)
    make(tmp_path / "runs", "b", accuracy=0.8)
    make(run.path / "inside", "c", accuracy=0.7)  # a run in a run is not looked for
    monkeypatch.chdir(tmp_path)
    assert names(compare([run.path])) == ["a"]
    assert names(compare(["runs/*"])) == ["a", "b"]
    assert names(compare(["**/b-*"])) == ["b"]
    assert names(compare([str(tmp_path / "run?" / "b-*")])) == ["b"]
    assert names(compare(["runs", run.path, "runs/a*"])) == ["a", "b"]
    monkeypatch.chdir(run.path)
    assert names(compare(["."])) == ["a"]


def test_a_path_that_leads_nowhere_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with pytest.raises(UsageError, match="there is nothing at") as caught:
        compare([tmp_path / "runz"])
    assert str(tmp_path / "runs") in str(caught.value.hint)
    with pytest.raises(UsageError, match="there is nothing at"):
        compare([str(tmp_path / "x*")])
    with pytest.raises(UsageError, match="is no pattern"):
        compare([str(tmp_path / "**x")])


def test_files_are_no_runs(tmp_path: Path) -> None:
    run = make(tmp_path, "a", accuracy=0.9)
    with pytest.raises(UsageError, match="is a file, and a run is a folder") as caught:
        compare([run.resolved_path])
    assert str(run.path) in str(caught.value.hint)


def test_no_runs_is_said_kindly(tmp_path: Path) -> None:
    found = compare([tmp_path], sort="accuracy")
    assert found.runs == ()
    assert "dlrun train" in shown(found)
    assert json.loads(found.to_json()) == {"metrics": [], "fields": [], "runs": []}
    assert found.to_csv() == "\n"


def test_broken_and_unfinished_runs_are_listed_with_why(tmp_path: Path) -> None:
    make(tmp_path, "good", accuracy=0.9)
    make(tmp_path, "running")
    make(tmp_path, "failed").fail(TrainingError("the loss is NaN \x1b[31m"))
    make(tmp_path, "interrupted").interrupt()
    RunFolder.create(tmp_path, "empty", datetime(2026, 1, 1))
    cut = make(tmp_path, "cutstatus", accuracy=0.9)
    (cut.path / "status.json").write_text('{"state": "runn', encoding="utf-8")
    bad_yaml = make(tmp_path, "badyaml", accuracy=0.9)
    bad_yaml.resolved_path.write_text("a: [1", encoding="utf-8")
    bad_metrics = make(tmp_path, "badmetrics", accuracy=0.9)
    (bad_metrics.path / "metrics.json").write_text("", encoding="utf-8")
    odd = make(tmp_path, "oddmetrics", accuracy=0.9)
    odd.write_metrics({"test": 5, "validation": {"accuracy": "high", "f1": 0.5, "x": None}, "baseline": [1]})
    without = make(tmp_path, "nometrics", accuracy=0.9)
    (without.path / "metrics.json").unlink()
    no_history = make(tmp_path, "nohistory")
    (no_history.path / "history.csv").unlink()
    (tmp_path / "file-20260101-000000").write_text("a file", encoding="utf-8")
    found = compare([tmp_path, tmp_path / "file-20260101-000000"])
    told = {run.name.partition("-")[0]: (run.state, run.problem or "") for run in found.runs}
    assert told["good"] == ("finished", "")
    assert told["running"] == ("running", "")
    assert told["failed"][0] == "failed"
    assert told["interrupted"] == ("interrupted", "")
    for name, state, problem in [
        ("empty", "broken", "status.json is missing"),
        ("cutstatus", "broken", "status.json is broken"),
        ("badyaml", "finished", "resolved.yaml is broken"),
        ("badmetrics", "finished", "metrics.json is broken"),
        ("nometrics", "finished", "has no metrics"),
        ("nohistory", "running", "history.csv is missing"),
        ("file", "broken", "it is a file"),
    ]:
        assert told[name][0] == state
        assert problem in told[name][1]
    assert dict(next(run for run in found.runs if run.name.startswith("odd")).metrics) == {"f1": 0.5}
    for width in (1, 20, 40, 80, 200):
        text = shown(found, width)
        assert "\x1b" not in text
        assert "the loss is NaN" in " ".join(text.split()) or width < 20
    assert len(found.histories()) + found.left_out == 9
    assert found.left_out == 1  # nobody knows the data of the run whose resolved.yaml is broken
    found.to_json()
    found.to_csv()


def test_a_run_that_was_killed(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from dlrun.run.folder import RunFolder\n"
        "RunFolder(Path(sys.argv[1])).resume(3); os._exit(1)"
    )
    run = make(tmp_path, "killed")
    subprocess.run([sys.executable, "-c", program, str(run.path)], check=False)
    [found] = compare([tmp_path]).runs
    assert (found.state, found.problem) == ("stopped", "its process is gone")


def test_an_unfinished_run_has_the_metrics_of_its_best_epoch(tmp_path: Path) -> None:
    make(tmp_path, "a", accuracy=0.1)
    make(tmp_path, "b").interrupt()
    found = compare([tmp_path])
    assert names(found) == ["a", "b"]  # though 0.2 is more than 0.1, it is of the validation split
    assert dict(found.runs[1].metrics) == {"accuracy": 0.2}
    assert (found.runs[0].split, found.runs[1].split) == ("test", "validation")
    assert found.best == frozenset()  # one value of the test split has none to be better than
    for width in (10, 40, 50, 60, 80, 200):
        titles = shown(found, width).splitlines()[0]
        assert "split" in titles or "accuracy" not in titles


def test_main_metric_with_interval_and_baselines(tmp_path: Path) -> None:
    run = make(tmp_path, "a", accuracy=0.9)
    run.write_metrics(
        {
            "test": {"accuracy": 0.9, "interval": {"accuracy": [0.85, 0.94]}},
            "baseline": {"majority class": {"accuracy": 0.25, "f1": 0.1}},
        }
    )
    [found] = compare([run.path]).runs
    assert found.interval == (0.85, 0.94)
    assert found.baselines == {"majority class": 0.25}
    text = shown(Comparison((found,)))
    assert "[0.8500, 0.9400]" in text
    assert "0.2500 majority class" in text


def test_runs_with_other_main_metrics_stand_apart(tmp_path: Path) -> None:
    make(tmp_path, "a", mae=3.0)
    make(tmp_path, "b", accuracy=0.9)
    make(tmp_path, "c", mae=2.0)
    found = compare([tmp_path])
    assert names(found) == ["b", "c", "a"]
    assert {(path.name[0], metric) for path, metric in found.best} == {("c", "mae")}
    assert sum(line.startswith("──") for line in shown(found).splitlines()) == 2


def data(source: dict[str, Any], target: str = "label") -> dict[str, Any]:
    return {"data": {"source": source, "target": {"column": target}}}


def test_runs_on_other_data_are_not_ranked_together(tmp_path: Path) -> None:
    text = {"kind": "keras", "name": "imdb"}
    make(tmp_path, "a", data({"kind": "csv", "path": "a.csv"}), accuracy=0.7, log_loss=0.4)
    make(tmp_path, "b", data({"kind": "csv", "path": "a.csv"}), accuracy=0.8, log_loss=0.3)
    make(tmp_path, "c", data({"kind": "csv", "path": "a.csv"}, "size"), accuracy=0.95, log_loss=0.1)
    make(tmp_path, "d", data({"kind": "csv", "path": "b.csv"}), accuracy=0.99, log_loss=0.1)
    make(tmp_path, "e", data(text), accuracy=0.9, log_loss=0.5)
    make(tmp_path, "f", data(text), accuracy=0.85, log_loss=0.1)
    found = compare([tmp_path])
    assert names(found) == ["b", "a", "c", "d", "e", "f"]
    assert names(compare([tmp_path], sort="log_loss")) == ["b", "a", "c", "d", "f", "e"]
    best = {("b", "accuracy"), ("b", "log_loss"), ("e", "accuracy"), ("f", "log_loss")}
    assert {(path.name[0], metric) for path, metric in found.best} == best
    assert sum(line.startswith("──") for line in shown(found).splitlines()) == 4


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("log_loss", "bca"),
        ("accuracy", "abc"),
        ("learning_rate", "cab"),
        ("optimizer.learning_rate", "cab"),
        ("dense", "abc"),
        ("name", "abc"),
        ("epochs", "abc"),
    ],
)
def test_sorting(tmp_path: Path, sort: str, order: str) -> None:
    for name, accuracy, log_loss, rate in [("a", 0.9, 0.3, 0.01), ("b", 0.8, 0.1, 0.1), ("c", 0.7, 0.2, 1e-5)]:
        make(
            tmp_path, name, {"optimizer": {"kind": "adam", "learning_rate": rate}}, accuracy=accuracy, log_loss=log_loss
        )
    assert "".join(names(compare([tmp_path], sort=sort))) == order


def test_missing_values_come_last_and_numbers_before_texts(tmp_path: Path) -> None:
    for name, rate in [("a", "auto"), ("b", None), ("c", 2), ("d", 0.5)]:
        make(tmp_path, name, {"optimizer": {"learning_rate": rate}}, accuracy=0.9)
    assert names(compare([tmp_path], sort="learning_rate")) == ["d", "c", "a", "b"]


def test_an_unknown_name_to_sort_by(tmp_path: Path) -> None:
    make(tmp_path, "a", {"architecture": {"blocks": [{"filters": 1}, {"filters": 2}]}}, accuracy=0.9)
    for sort, message, hint in [
        ("acuracy", "cannot sort by acuracy", "did you mean accuracy"),
        ("lerning_rate", "no run has such", "did you mean learning_rate"),
        ("zzz", "no run has such", "sort by one of accuracy, name"),
        ("filters", r"may be any of architecture.blocks\[0\].filters, architecture.blocks\[1\]", "None"),
    ]:
        with pytest.raises(UsageError, match=message) as caught:
            compare([tmp_path], sort=sort)
        assert hint in str(caught.value.hint)


def test_json_has_all_digits(tmp_path: Path) -> None:
    make(tmp_path, "a", {"seed": 5}, accuracy=0.1 + 0.2)
    make(tmp_path, "b", {"architecture": {"dense": list(range(50))}}, accuracy=0.2)
    value = json.loads(compare([tmp_path]).to_json())
    assert value["fields"] == ["seed", "architecture.blocks[0].filters", "architecture.dense"]
    first, second = value["runs"]
    assert first["metrics"] == {"accuracy": 0.1 + 0.2}
    assert first["best"] == ["accuracy"]
    assert first["fields"] == {"seed": 5, "architecture.blocks[0].filters": 32, "architecture.dense": [128]}
    assert second["fields"] == {"seed": 1, "architecture.dense": list(range(50))}
    assert (first["state"], first["epoch"], first["epochs"], first["best_epoch"]) == ("finished", 3, 3, 2)
    assert "[0, 1, 2, 3, … 50 values]" in shown(compare([tmp_path]))


def test_csv_has_no_formulas_and_real_numbers(tmp_path: Path) -> None:
    make(tmp_path, "a", {"seed": -5, "note": "=HYPERLINK(1)"}, accuracy=-0.25)
    make(tmp_path, "b", {"seed": 1, "note": "@SUM"}, accuracy=0.1 + 0.2)
    rows = list(csv.DictReader(io.StringIO(compare([tmp_path], sort="name").to_csv())))
    assert [row["note"] for row in rows] == ["'=HYPERLINK(1)", "'@SUM"]
    assert [row["seed"] for row in rows] == ["-5", "1"]
    assert [float(row["accuracy"]) for row in rows] == [-0.25, 0.1 + 0.2]


def test_histories_for_the_curves(tmp_path: Path) -> None:
    a = make(tmp_path / "x", "a", accuracy=0.9)
    make(tmp_path / "y", "a", accuracy=0.8)
    histories = compare([tmp_path]).histories()
    assert len(histories) == 2
    assert histories[a.name][2]["loss"] == 1 / 3


def test_only_curves_of_the_same_loss_and_metric_lie_over_one_another(tmp_path: Path) -> None:
    make(tmp_path, "a", {"loss": {"kind": "mse"}}, mae=1.0)
    make(tmp_path, "b", {"loss": {"kind": "focal"}}, accuracy=0.9)
    make(tmp_path, "c", {"loss": {"kind": "binary_crossentropy"}}, accuracy=0.8)
    make(tmp_path, "d", {"loss": {"kind": "binary_crossentropy"}}, accuracy=0.7)
    found = compare([tmp_path])
    assert [name[0] for name in found.histories()] == ["c", "d"]
    assert found.left_out == 2


def test_fields_that_share_their_end_keep_what_tells_them_apart(tmp_path: Path) -> None:
    for name, filters in [("a", 8), ("b", 16)]:
        blocks = [{"filters": filters}, {"filters": 2 * filters}]
        make(tmp_path, name, {"architecture": {"kind": name, "blocks": blocks}}, accuracy=0.9)
    header = shown(compare([tmp_path])).splitlines()[0].split()
    assert header[-3:] == ["architecture.kind", "blocks[0].filters", "blocks[1].filters"]


def test_narrow_terminals_keep_the_essential(tmp_path: Path) -> None:
    for name, seed in [("first", 1), ("second", 2)]:
        make(tmp_path, name, {"seed": seed}, accuracy=0.9 + seed / 100, precision=0.5, recall=0.5, f1=0.5)
    for width in (40, 60, 80):
        text = shown(compare([tmp_path]), width)
        assert max(len(line) for line in text.splitlines()) <= width
        assert "second-20261123-040506" in text
        assert "0.9200 ★" in text
        assert "seed" in text


def test_no_heavy_import(tmp_path: Path) -> None:
    make(tmp_path, "a", accuracy=0.9)
    program = (
        "import sys; from dlrun.compare import compare; from dlrun.console import prepare_streams, print_comparison\n"
        "prepare_streams()\n"
        "print_comparison(compare([sys.argv[1]])); compare([sys.argv[1]]).to_json()\n"
        "print(sorted({'tensorflow', 'keras', 'sklearn', 'matplotlib', 'polars', 'numpy'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LANG": "C", "LC_ALL": "C"}
    environment.pop("FORCE_COLOR", None)
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, check=True, env=environment
    )
    assert done.stdout.decode("ascii").splitlines()[-1] == "[]"


def test_a_field_that_is_wider_than_the_terminal_makes_room_for_others(tmp_path: Path) -> None:
    for index in range(2):
        run = RunFolder.create(tmp_path, f"r{index}", datetime(2026, 11, 23))
        wide = [f"a long name of a column {index} {each}" for each in range(4)]
        fields = {f"field_{number}": index for number in range(60)}
        run.write_resolved({"data": {"source": {"kind": "csv", "select": wide}}, "optimizer": fields})
        run.start(5, "accuracy")
        run.finish()
        run.write_metrics({"test": {"accuracy": 0.5 + index / 10}})
    text = shown(compare([tmp_path]), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "field_0" in text
    told = " ".join(text.split()).partition("No room for ")[2]
    assert told.startswith("select, ")
    assert told.endswith("more: see --csv or --json.")
