"""The commands from end to end: real processes, real data."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kinds import kinds
from running import CONFIGS, IMAGE, ROOT, SERIES, TEXT, dlrun, history, plain, read, trained, write

from dlrun.models import Architecture

FILES = {
    "spec.yaml", "resolved.yaml", "status.json", "environment.json", "data.json", "history.csv", "metrics.json",
    "predictions.parquet", "model/weights.npz", "model/preparation.json", "model.keras", "log.txt",
}  # fmt: skip

# Every architecture

SPECS: dict[str, dict[str, Any]] = {
    "ann": {
        "data": {"source": {"kind": "bundled", "name": "diabetes"}},
        "architecture": {"dense": [8]},
        "regularization": {"dropout": 0.3, "l2": 1e-3},
    },
    "cnn": {
        "data": IMAGE,
        "architecture": {"blocks": [{"filters": 4, "batch_norm": True, "pool": 2, "dropout": 0.2}], "dense": [8]},
        "loss": {"kind": "categorical_crossentropy", "class_weights": "balanced"},
        "regularization": {"label_smoothing": 0.1},
    },
    "lstm": {"data": TEXT, "architecture": {"embedding_size": 4, "units": [4]}, "regularization": {"dropout": 0.2}},
    "gru": {"data": SERIES, "architecture": {"units": [4]}},
    "simple_rnn": {"data": TEXT, "architecture": {"embedding_size": 4, "units": [4], "recurrent_dropout": 0.2}},
    "autoencoder": {"data": IMAGE, "architecture": {"encoder": [16], "latent": 4, "noise": 0.3}},
    "transformer": {
        "data": TEXT,
        "architecture": {"embedding_size": 4, "heads": 2, "blocks": 1, "feed_forward": 4},
        "regularization": {"dropout": 0.2},
    },
    "combined": {
        "data": TEXT | {"features": {**TEXT["features"], "president": {"kind": "category"}}},
        "architecture": {"dense": [4]},
    },
    "layers": {"data": IMAGE, "architecture": {"layers": [{"kind": "flatten"}, {"kind": "dropout", "rate": 0.2}]}},
}
CLASSIFIES = ("cnn", "lstm", "simple_rnn", "transformer", "combined", "layers")


def test_no_architecture_is_without_a_spec() -> None:
    assert set(SPECS) == set(kinds(Architecture))


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The run of an architecture's spec; the same arguments give the same run, which is trained once by whichever
    process of the tests asks for it first, and changed by none."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "architectures"
    folder.mkdir(exist_ok=True)

    def run(kind: str, *arguments: str) -> Path:
        own = folder / "".join(filter(str.isalnum, "".join([kind, *arguments])))
        done = own / "done"
        try:
            own.mkdir()
        except FileExistsError:
            end = time.monotonic() + 300
            while not done.exists() and time.monotonic() < end:
                time.sleep(0.1)
        else:
            spec = SPECS[kind]
            tree = spec | {
                "name": kind,
                "seed": 3,
                "architecture": {"kind": kind, **spec["architecture"]},
                "training": {"epochs": 2, "batch_size": 64},
            }
            trained(write(own / f"{kind}.yaml", tree), own / "runs", *arguments)
            done.touch()
        (made,) = (own / "runs").iterdir()
        return made

    return run


@pytest.mark.parametrize("kind", SPECS)
def test_the_same_spec_and_seed_give_the_same_bits(kind: str, run_of: Callable[..., Path]) -> None:
    one, two = run_of(kind), run_of(kind, "--set", "evaluation.plots=false")
    assert one != two
    assert len(history(one)) == 2
    assert history(one) == history(two)
    assert (one / "model" / "weights.npz").read_bytes() == (two / "model" / "weights.npz").read_bytes()
    assert read(one / "metrics.json") == read(two / "metrics.json")


def test_another_seed_gives_others(run_of: Callable[..., Path]) -> None:
    one, other = run_of("ann"), run_of("ann", "--seed", "4")
    assert history(one) != history(other)
    assert (one / "model" / "weights.npz").read_bytes() != (other / "model" / "weights.npz").read_bytes()
    assert "--set seed=4" in (other / "spec.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load((other / "resolved.yaml").read_text(encoding="utf-8"))["seed"] == 4


@pytest.mark.parametrize("kind", SPECS)
def test_a_run_has_every_file(kind: str, run_of: Callable[..., Path]) -> None:
    run = run_of(kind)
    files = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert files >= FILES
    assert ("confusion_matrix.json" in files) == (kind in CLASSIFIES)
    assert len([file for file in files if file.startswith("plots/") and file.endswith(".png")]) >= 2
    assert not [file for file in files if ".tmp" in file]
    assert re.fullmatch(rf"{kind}-\d{{8}}-\d{{6}}(-\d+)?", run.name)
    assert read(run / "metrics.json").keys() == {"train", "validation", "test", "baseline"}
    assert (run / "spec.yaml").read_bytes() == (run.parents[1] / f"{kind}.yaml").read_bytes()
    status = read(run / "status.json")
    assert (status["state"], status["epoch"], status["epochs"], status["error"]) == ("finished", 2, 2, None)


def test_a_resolved_spec_trains_to_the_same_bits(run_of: Callable[..., Path], tmp_path: Path) -> None:
    run = run_of("cnn")
    again = trained(run / "resolved.yaml", tmp_path)
    assert history(again) == history(run)
    assert (again / "resolved.yaml").read_bytes() == (run / "resolved.yaml").read_bytes()


# Evaluation


@pytest.mark.parametrize("kind", ["cnn", "ann", "gru", "autoencoder", "lstm"])
def test_eval_says_to_the_digit_what_training_wrote(kind: str, run_of: Callable[..., Path]) -> None:
    run = run_of(kind)
    done = dlrun("eval", run, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    answer, metrics = json.loads(done.stdout), read(run / "metrics.json")
    assert answer["split"] == "test"
    assert answer["metrics"] == metrics["test"]
    assert answer["baseline"] == metrics["baseline"]
    assert answer["examples"] == read(run / "data.json")["splits"]["test"]["examples"]


def test_eval_of_another_split(run_of: Callable[..., Path]) -> None:
    run = run_of("ann")
    for split in ("validation", "train"):
        done = dlrun("eval", run, "--split", split, "--json")
        assert json.loads(done.stdout)["metrics"] == read(run / "metrics.json")[split]
    wrong = dlrun("eval", run, "--split", "tset")
    assert wrong.returncode == 2
    assert plain(wrong.stderr) == (
        "error: there is no split tset: it is one of train, validation, test mend: write `test`"
    )


def test_eval_for_a_person(run_of: Callable[..., Path]) -> None:
    run = run_of("autoencoder")
    done = dlrun("eval", run)
    assert done.returncode == 0
    assert run.name in done.stdout
    assert "MSE" in done.stdout
    assert "the noisy input itself" in done.stdout


def test_eval_of_what_is_no_run(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        done = dlrun("eval", folder)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The run of a config, trained in full."""
    folder = tmp_path_factory.mktemp("quick")
    made: dict[str, Path] = {}

    def run(config: str) -> Path:
        if config not in made:
            made[config] = trained(CONFIGS / f"{config}.yaml", folder)
        return made[config]

    return run


@pytest.mark.parametrize("config", ["cnn_digits", "ann_breast_cancer", "ann_diabetes", "ann_csv"])
def test_a_quick_config_reaches_what_its_header_says(config: str, quick: Callable[[str], Path]) -> None:
    header = (CONFIGS / f"{config}.yaml").read_text(encoding="utf-8").splitlines()[1]
    expected = re.search(r"; (?P<metric>[a-z0-9_]+) (?P<value>[\d.]+)", header)
    assert expected, f"the header of {config} names no metric: {header}"
    test = read(quick(config) / "metrics.json")["test"]
    low, high = test["interval"][expected["metric"]]
    assert low <= float(expected["value"]) <= high


def test_eval_of_a_file(quick: Callable[[str], Path], tmp_path: Path) -> None:
    run = quick("ann_csv")
    same = dlrun("eval", run, "--data", CONFIGS / "wine.csv", "--json")
    assert same.returncode == 0, same.stderr
    answer = json.loads(same.stdout)
    lines = (CONFIGS / "wine.csv").read_text(encoding="utf-8").splitlines()
    assert answer["examples"] == len(lines) - 1
    assert answer["baseline"] == {}
    metrics, data = read(run / "metrics.json"), read(run / "data.json")["splits"]
    right = sum(metrics[split]["accuracy"] * data[split]["examples"] for split in ("train", "validation", "test"))
    assert answer["metrics"]["accuracy"] == pytest.approx(right / (len(lines) - 1))

    header = lines[0].split(",")
    few = tmp_path / "few.csv"
    columns = [header.index(name) for name in header if name not in ("hue", "proline")]
    few.write_text(
        "\n".join(",".join(line.split(",")[column] for column in columns) for line in lines) + "\n", encoding="utf-8"
    )
    done = dlrun("eval", run, "--data", few)
    assert done.returncode == 1
    assert "hue" in done.stderr
    assert "proline" in done.stderr

    wrong = tmp_path / "wrong.csv"
    rows = [line.split(",") for line in lines]
    rows[3][header.index("alcohol")] = "strong"
    rows[5][header.index("cultivar")] = "9"
    wrong.write_text("\n".join(",".join(row) for row in rows) + "\n", encoding="utf-8")
    done = dlrun("eval", run, "--data", wrong)
    assert done.returncode == 1
    assert "alcohol" in done.stderr
    assert "Traceback" not in done.stderr


def test_data_that_changed_is_refused(tmp_path: Path) -> None:
    for name in ("ann_csv.yaml", "wine.csv"):
        shutil.copy(CONFIGS / name, tmp_path)
    run = trained(tmp_path / "ann_csv.yaml", tmp_path / "runs", "--set", "training.epochs=1")
    text = (tmp_path / "wine.csv").read_text(encoding="utf-8")
    head, first, rest = text.split("\n", 2)
    value = first.split(",")[1]
    (tmp_path / "wine.csv").write_text(f"{head}\n{first.replace(value, '99.5', 1)}\n{rest}", encoding="utf-8")
    done = dlrun("eval", run)
    assert done.returncode == 1
    assert "is no longer what" in done.stderr
    assert "--data FILE" in done.stderr


# Comparing


def test_compare(run_of: Callable[..., Path], tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for run in (run_of("ann"), run_of("ann", "--seed", "4"), run_of("cnn")):
        shutil.copytree(run, runs / run.name)
    (runs / "broken-20260101-000000").mkdir()
    (runs / "broken-20260101-000000" / "status.json").write_text('{"state": ', encoding="utf-8")
    picture = tmp_path / "curves.png"
    done = dlrun("compare", runs, "--plot", picture)
    assert done.returncode == 0, done.stderr
    for shown in ("ann-", "cnn-", "broken-20260101-000000", "seed"):
        assert shown in done.stdout + done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    as_json = dlrun("compare", runs, "--json")
    text = json.dumps(json.loads(as_json.stdout))
    assert "broken-20260101-000000" in text
    as_csv = dlrun("compare", runs, "--csv", "--sort", "mae")
    rows = list(csv.DictReader(as_csv.stdout.splitlines()))
    errors = [float(row["mae"]) for row in rows if row.get("mae")]
    assert len(errors) == 2
    assert errors == sorted(errors)
    assert set(errors) == {read(run_of("ann", *seed) / "metrics.json")["test"]["mae"] for seed in ((), ("--seed", "4"))}


# The terminal


def test_a_pipe_gets_one_line_an_epoch_and_stderr_nothing(tmp_path: Path) -> None:
    spec = CONFIGS / "ann_breast_cancer.yaml"
    done = dlrun("train", spec, "--out", tmp_path, "--set", "training.epochs=3", PYTHONUTF8="1")
    assert (done.returncode, done.stderr) == (0, "")
    epochs = [line for line in done.stdout.splitlines() if line.startswith("epoch ")]
    assert [line.split()[1] for line in epochs] == ["1/3", "2/3", "3/3"]
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout
    (run,) = tmp_path.iterdir()
    for shown in ("Accuracy", "majority class", f"dlrun eval {run}", f"dlrun compare {tmp_path}"):
        assert shown in done.stdout
    assert (run / "plots" / "curves.png").is_file()
    log = (run / "log.txt").read_text(encoding="utf-8", errors="replace")
    assert "oneDNN" in log or "cpu_feature_guard" in log


def test_json_is_all_that_is_printed(tmp_path: Path) -> None:
    done = dlrun("train", CONFIGS / "ann_csv.yaml", "--out", tmp_path, "--set", "training.epochs=1", "--json")
    answer = json.loads(done.stdout)
    assert answer["metrics"] == read(Path(answer["run"]) / "metrics.json")
    assert "epoch 1/1" in done.stderr


def test_a_stream_of_another_encoding_and_a_read_only_place(tmp_path: Path) -> None:
    done = dlrun("check", CONFIGS / "cnn_mnist.yaml", PYTHONIOENCODING="ascii", COLUMNS="40", NO_COLOR="1")
    assert done.returncode == 0, done.stderr
    assert "no mistakes" in done.stdout
    (tmp_path / "file").touch()
    done = dlrun("train", CONFIGS / "ann_csv.yaml", "--out", tmp_path / "file")
    assert done.returncode == 1
    assert "cannot make a run folder" in done.stderr


# What goes wrong


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_interrupted(tmp_path: Path) -> None:
    command = ["train", CONFIGS / "cnn_digits.yaml", "--out", tmp_path, "--set", "training.epochs=100000"]
    command += ["--set", "training.early_stopping=null"]
    process = subprocess.Popen(
        [sys.executable, "-m", "dlrun", *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, encoding="utf-8", cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch 3/"):
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.startswith("interrupted")
    assert "Traceback" not in said
    (run,) = tmp_path.iterdir()
    status = read(run / "status.json")
    assert status["state"] == "interrupted"
    assert status["epoch"] == len(history(run)) >= 3
    done = dlrun("eval", run, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["accuracy"] > 0.3


def test_a_loss_that_is_not_finite(tmp_path: Path) -> None:
    done = dlrun(
        *("train", CONFIGS / "ann_diabetes.yaml", "--out", tmp_path),
        *("--set", "optimizer={kind: sgd, learning_rate: 1e30}"),
    )
    assert done.returncode == 1
    assert re.match(r"error: the loss is no longer finite since epoch \d+, step \d+\n mend: lower opt", done.stderr)
    assert "1e+30" in done.stderr
    (run,) = tmp_path.iterdir()
    status = read(run / "status.json")
    assert status["state"] == "failed"
    assert "no longer finite" in status["error"]["message"]
    assert not (run / "model" / "weights.npz").exists(), "weights that are not numbers are of no use"
    done = dlrun("eval", run)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")


def test_a_training_that_fails_keeps_every_epoch_until_then(tmp_path: Path) -> None:
    rising = "optimizer={kind: sgd, learning_rate: 40, momentum: 0.9, schedule: {kind: constant, warmup: 100}}"
    done = dlrun(
        *("train", CONFIGS / "ann_diabetes.yaml", "--out", tmp_path),
        *("--set", rising, "--set", "training.early_stopping=null"),
    )
    assert done.returncode == 1
    epochs = len([line for line in done.stdout.splitlines() if line.startswith("epoch ")])
    (run,) = tmp_path.iterdir()
    assert epochs > 2
    assert read(run / "status.json")["epoch"] == len(history(run)) == epochs


def test_no_gpu_is_an_error_with_the_reason(tmp_path: Path) -> None:
    done = dlrun("train", CONFIGS / "ann_csv.yaml", "--out", tmp_path, "--device", "gpu", CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 1
    assert done.stderr.startswith("error: there is no GPU that TensorFlow can use: ")
    assert " mend: " in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_data_set_without_a_network(tmp_path: Path) -> None:
    offline = {"KERAS_HOME": str(tmp_path / "keras"), "https_proxy": "http://127.0.0.1:9"}
    done = dlrun("train", CONFIGS / "lstm_imdb.yaml", "--out", tmp_path / "runs", **offline)
    assert done.returncode == 1
    assert str(tmp_path / "keras" / "datasets" / "imdb.npz") in done.stderr
    assert "put it there under that name" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_spec_that_only_data_shows_to_be_wrong(tmp_path: Path) -> None:
    shutil.copy(CONFIGS / "wine.csv", tmp_path)
    tree = {
        "data": {"source": {"kind": "csv", "path": "wine.csv"}, "target": {"column": "cultivar", "kind": "category"}},
        "architecture": {"kind": "lstm"},
        "loss": {"kind": "categorical_crossentropy", "class_weights": {"1": 1.0, "2": 1.0, "4": 1.0}},
    }
    done = dlrun("train", write(tmp_path / "mine.yaml", tree), "--out", tmp_path / "runs")
    assert (done.returncode, done.stdout) == (2, "")
    assert "architecture.kind: lstm cannot read these features" in done.stderr
    assert "loss.class_weights: every class needs its weight" in done.stderr
    assert not (tmp_path / "runs").exists()


# The other commands


def test_check_deep(tmp_path: Path) -> None:
    done = dlrun("check", CONFIGS / "ann_csv.yaml", "--deep", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert answer["rows"].keys() == {"train", "validation", "test"}
    assert answer["parameters"] == 6 * 32 + 32 + 32 * 16 + 16 + 16 * 3 + 3
    assert len(answer["loss"]) == 2
    assert answer["profile"]["columns"]["cultivar"]["counts"] == {"2": 71, "1": 59, "3": 48}
    (finding,) = answer["findings"]
    assert (answer["valid"], finding["kind"], finding["count"]) == (True, "few_validation", 27)


def test_check_deep_ends_with_an_error_where_the_data_has_one(tmp_path: Path) -> None:
    rows = [f"{number % 7},{number % 2},{'ab'[number % 2]}" for number in range(60)]
    (tmp_path / "a.csv").write_text("\n".join(["x,copy,y", *rows]), encoding="utf-8")
    tree = {"data": {"source": {"kind": "csv", "path": "a.csv"}, "target": "y"}, "architecture": {"kind": "ann"}}
    spec = write(tmp_path / "mine.yaml", tree)
    done = dlrun("check", spec, "--deep")
    assert (done.returncode, done.stderr) == (1, "")
    assert "the data has mistakes" in done.stdout
    leak = "error: copy gives the target y away: each of its 2 values goes with one value of the target"
    assert leak in plain(done.stdout)
    assert "next" not in done.stdout


def test_show_of_a_run_and_of_its_spec_agree(run_of: Callable[..., Path]) -> None:
    run = run_of("cnn")
    of_run, of_spec = (json.loads(dlrun("show", path, "--json").stdout) for path in (run, run / "spec.yaml"))
    assert of_run["layers"] == of_spec["layers"]
    assert of_run["parameters"] == sum(layer["parameters"] for layer in of_run["layers"])
    assert of_run["signature"] == of_spec["signature"]
    text = dlrun("show", run).stdout
    for layer in of_run["layers"]:
        assert layer["name"] in text


def test_init_then_train(tmp_path: Path) -> None:
    done = dlrun("init", "--kind", "ann", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "dlrun train ann.yaml" in done.stdout
    run = trained(tmp_path / "ann.yaml", tmp_path / "runs", "--set", "training.epochs=2")
    assert run.name.startswith("ann-")
    assert dlrun("init", "--kind", "ann", folder=tmp_path).returncode == 2


# What leaves the machine

LOADED = """
import sys, keras
for path in sys.argv[1:]:
    keras.models.load_model(path)
assert not any(name.partition(".")[0] == "dlrun" for name in sys.modules)
"""


def test_plain_keras_loads_the_model_of_every_run(run_of: Callable[..., Path]) -> None:
    models = [run_of(kind) / "model.keras" for kind in SPECS]
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *map(str, models)],
        capture_output=True,
        text=True,
        check=False,
        cwd=models[0].parent,
    )
    assert done.returncode == 0, done.stderr


def test_a_run_can_be_used_where_its_data_is_not(tmp_path: Path) -> None:
    for name in ("wine.csv", "ann_csv.yaml"):
        shutil.copy(CONFIGS / name, tmp_path)
    run = trained(tmp_path / "ann_csv.yaml", tmp_path / "runs", "--set", "training.epochs=1")
    moved = tmp_path / "sent" / "a run"
    moved.parent.mkdir()
    run.rename(moved)
    (tmp_path / "wine.csv").rename(tmp_path / "others.csv")
    assert dlrun("show", moved).returncode == 0
    done = dlrun("eval", moved, "--data", tmp_path / "others.csv", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["examples"] == 178
    gone = dlrun("eval", moved)
    assert gone.returncode == 1
    assert "wine.csv" in gone.stderr


def test_a_training_outlives_whoever_reads_it(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "dlrun", "train", "configs/ann_csv.yaml", "--out", str(tmp_path)]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=120) == 0
    (run,) = tmp_path.iterdir()
    assert read(run / "status.json")["state"] == "finished"


def test_what_goes_unused_is_said(tmp_path: Path) -> None:
    done = dlrun("train", "configs/ann_csv.yaml", "--out", tmp_path, "--set", "training.epochs=1")
    assert "unused: ash, alcalinity_of_ash" in done.stdout.splitlines()[0]


def test_mistakes_as_json(tmp_path: Path) -> None:
    spec = write(tmp_path / "bad.yaml", {"data": IMAGE, "architecture": {"kind": "cnnn", "blocks": [{"filters": 4}]}})
    done = dlrun("check", spec, "--json")
    assert done.returncode == 2
    answer = json.loads(done.stdout)
    assert answer["valid"] is False
    assert answer["mistakes"][0]["path"] == "architecture.kind"
    assert answer["mistakes"][0]["mend"] == "write `cnn`"


def test_unknown_categories_in_new_data_are_said(tmp_path: Path) -> None:
    rows = [f"{place},{size},{size * 2 + (place == 'north')}" for size in range(40) for place in ("north", "south")]
    (tmp_path / "plots.csv").write_text("\n".join(["place,size,price", *rows]), encoding="utf-8")
    tree = {
        "data": {
            "source": {"kind": "csv", "path": "plots.csv"},
            "target": {"column": "price", "kind": "number"},
            "features": {"place": {"kind": "category", "encoding": "embedding"}, "size": {"kind": "number"}},
        },
        "architecture": {"kind": "ann", "dense": []},
        "training": {"epochs": 1},
    }
    run = trained(write(tmp_path / "plots.yaml", tree), tmp_path / "runs")
    new = tmp_path / "new.csv"
    new.write_text(
        "\n".join(["place,size,price", *(row.replace("south", "Atlantis") for row in rows)]), encoding="utf-8"
    )
    done = dlrun("eval", run, "--data", new)
    assert "note: 40 of 80 values of place are unknown to the model, such as Atlantis" in done.stdout


def test_version() -> None:
    assert dlrun("--version").stdout == "dlrun 0.1.0\n"
