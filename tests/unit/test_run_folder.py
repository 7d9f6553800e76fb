from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlrun.errors import DlrunError, RunError, TrainingError
from dlrun.run.environment import environment, git_commit
from dlrun.run.files import read_json, replacing, write_json, write_text
from dlrun.run.folder import RunFolder
from dlrun.run.history import history_text, parse_history
from dlrun.run.resolved import parse_resolved, resolved_fields, resolved_text

NOW = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "runs [a]", "cnn", NOW)


# Making and finding


def test_name_has_time_and_is_never_given_twice(tmp_path: Path) -> None:
    names = [RunFolder.create(tmp_path / "a" / "runs", "cnn_mnist", NOW).name for _ in range(3)]
    assert names == [f"cnn_mnist-20261123-040506{end}" for end in ("", "-2", "-3")]


def test_processes_never_share_a_folder(tmp_path: Path) -> None:
    program = (
        "from datetime import datetime; from pathlib import Path; from dlrun.run.folder import RunFolder\n"
        f"for _ in range(20): print(RunFolder.create(Path({str(tmp_path)!r}), 'x', datetime(2026, 1, 1)).name)"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    names = [name for process in processes for name in process.communicate()[0].split()]
    assert len(names) == len(set(names)) == 60


@pytest.mark.parametrize(
    ("name", "start"), [("a/b\\c", "a_b_c-"), ("..", "run-"), ("Größe 1", "Größe_1-"), ("x" * 300, "x" * 100 + "-2")]
)
def test_name_is_safe_as_a_folder(tmp_path: Path, name: str, start: str) -> None:
    folder = RunFolder.create(tmp_path, name, NOW)
    assert folder.name.startswith(start)
    assert folder.path.parent == tmp_path


def test_root_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file", encoding="utf-8")
    with pytest.raises(DlrunError, match="cannot make a run folder in") as caught:
        RunFolder.create(tmp_path / "runs", "cnn", NOW)
    assert caught.value.hint is not None
    assert "--out" in caught.value.hint


def test_open_takes_a_run_and_says_what_else_is_wrong(run: RunFolder) -> None:
    with pytest.raises(RunError, match=r"is not a run: it has no status\.json"):
        RunFolder.open(run.path)
    run.start(epochs=3)
    assert RunFolder.open(run.path) == run
    for path, message, hint in [
        (run.path / "status.json", "is a file", str(run.path)),
        (run.path.parent, "is not a run", run.name),
        (run.path.with_name("cnn-20261123-040507"), "there is no run at", run.name),
    ]:
        with pytest.raises(RunError, match=message) as caught:
            RunFolder.open(path)
        assert hint in str(caught.value.hint)
    with pytest.raises(RunError, match="there is no run") as caught:
        RunFolder.open(run.path / "no" / "where")
    assert caught.value.hint is None


# Files as such


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_crash_while_writing_keeps_the_old_file(number: int, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_json(file, {"a": 1})

    def crash() -> None:
        with replacing(file) as out:
            out.write(b"half")
            assert [path.name for path in tmp_path.iterdir() if path != file] == [f".a.json.{os.getpid()}.tmp"]
            raise OSError(number, "no space left on device")

    with pytest.raises(RunError, match="no space") as told:
        crash()
    assert told.value.hint == (None if number == errno.EIO else "make room on the disk")
    assert read_json(file) == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    program = (
        "import sys; from pathlib import Path; from dlrun.run.files import write_json\n"
        "for n in range(150): write_json(Path(sys.argv[1]), {'n': n, 'x': [n] * 20000})"
    )
    write_json(file, {"n": -1, "x": [-1]})
    with subprocess.Popen([sys.executable, "-c", program, str(file)]) as writer:
        while writer.poll() is None:
            value = read_json(file)
            assert set(value["x"]) == {value["n"]}
    assert writer.returncode == 0


def test_json_of_keys_and_rows_that_are_not_jsons_own(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {3: (1, math.nan, {"a": (np.inf,)}), "b": [1, {"c": 2}]})
    assert read_json(tmp_path / "a.json") == {"3": [1, None, {"a": [None]}], "b": [1, {"c": 2}]}
    assert '"b": [\n    1,\n    {\n' in (tmp_path / "a.json").read_text(encoding="utf-8"), "for people too"


def test_json_is_exact_and_knows_numpy(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    value = {
        "z": 0.1 + 0.2,
        "a": np.float32(0.1),
        "n": math.nan,
        "i": np.inf,
        "m": np.eye(2, dtype=int),
        "t": "ü\udcff",
    }
    write_json(file, value)
    read = read_json(file)
    assert list(read) == list(value)
    assert read["z"] == 0.1 + 0.2
    assert read["a"] == float(np.float32(0.1))
    assert read["n"] is read["i"] is None
    assert read["m"] == [[1, 0], [0, 1]]
    assert read["t"] == "ü\udcff"
    assert '"m": [\n    [1, 0],\n    [0, 1]\n  ]' in file.read_text(encoding="utf-8")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=9), json_values, min_size=1, max_size=5))
def test_json_round_trip(tmp_path_factory: pytest.TempPathFactory, value: dict[str, object]) -> None:
    file = tmp_path_factory.getbasetemp() / "round_trip.json"
    write_json(file, value)
    assert read_json(file) == value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"state": "runn', "line 1, column 11"),
        (b"", "is broken"),
        (b"[1]", "holds a list"),
        (b"\xff\xfe", "byte 0 is not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"1" * 5000 + b"}", "is broken"),
    ],
)
def test_broken_json_is_named(run: RunFolder, content: bytes, message: str) -> None:
    (run.path / "metrics.json").write_bytes(content)
    with pytest.raises(RunError, match=message) as caught:
        run.metrics()
    assert str(run.path / "metrics.json") in caught.value.message


def test_missing_files_are_named(run: RunFolder) -> None:
    for read, name in [
        (run.status, "status.json"), (run.spec, "spec.yaml"), (run.resolved, "resolved.yaml"),
        (run.resolved_fields, "resolved.yaml"), (run.history, "history.csv"), (run.metrics, "metrics.json"),
        (run.environment, "environment.json"), (run.data, "data.json"), (run.predictions, "predictions.parquet"),
        (run.confusion_matrix, "confusion_matrix.json"), (run.load_weights, "weights.npz"),
        (run.preparation, "preparation.json"), (run.load_samples, "samples.npz"),
    ]:  # fmt: skip
        with pytest.raises(RunError, match=rf"{name} is missing"):
            read()


def test_a_folder_in_place_of_a_file_is_no_crash(run: RunFolder) -> None:
    for name in ("metrics.json", "samples.npz", "predictions.parquet"):
        (run.path / name).mkdir()
    for read in (run.metrics, run.load_samples, run.predictions):
        with pytest.raises(RunError):
            read()


# spec.yaml, resolved.yaml


def test_spec_is_kept_to_the_byte(run: RunFolder) -> None:
    content = b"\xef\xbb\xbf# mine\r\nname: caf\xc3\xa9\r\nseed: 1"
    run.write_spec(content)
    assert run.spec() == content
    run.write_spec(content, ["training.epochs=3", "name=a\nb: c"])
    text = run.spec().decode("utf-8-sig")
    assert text.startswith(
        "# changed on the command line by\n#   --set training.epochs=3\n#   --set name=a b: c\n\n# mine\r\n"
    )
    assert parse_resolved(text) == {"name": "café", "seed": 1}


TREE = {
    "name": "ü: '1e-3'",
    "seed": 42,
    "optimizer": {"kind": "adam", "learning_rate": 1e-5, "epsilon": 1e-07, "clip_norm": None},
    "architecture": {"blocks": [{"filters": 32}, {"filters": 64, "pool": [2, 2]}], "dense": [128, 64], "extra": {}},
}


def test_resolved_round_trip(run: RunFolder) -> None:
    run.write_resolved(TREE)
    assert run.resolved() == TREE
    assert list(run.resolved()) == list(TREE)
    assert run.resolved_fields() == {
        "name": "ü: '1e-3'",
        "seed": 42,
        "optimizer.kind": "adam",
        "optimizer.learning_rate": 1e-5,
        "optimizer.epsilon": 1e-07,
        "optimizer.clip_norm": None,
        "architecture.blocks[0].filters": 32,
        "architecture.blocks[1].filters": 64,
        "architecture.blocks[1].pool": [2, 2],
        "architecture.dense": [128, 64],
        "architecture.extra": {},
    }


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), json_values, min_size=1, max_size=5))
def test_resolved_keeps_every_value(tree: dict[str, object]) -> None:
    # YAML has no place for some control characters; PyYAML escapes them, which must come back as well.
    text = resolved_text(tree)
    assert parse_resolved(text) == tree
    assert {path.split(".")[0].split("[")[0] for path in resolved_fields(text)} == set(tree)


def test_a_list_under_its_key_and_a_long_text_stay_in_their_section() -> None:
    tree = {"a": [1, 2], "b": "word " * 100, "c": "x: 1\ny: 2\n", "d": [{"e": [1]}, {"e": [2]}]}
    assert resolved_fields(resolved_text(tree)) == {
        "a": [1, 2], "b": "word " * 100, "c": "x: 1\ny: 2\n", "d[0].e": [1], "d[1].e": [2]
    }  # fmt: skip


BOMB = "a: &a [x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{one}'] * 9)}]\n" for one, after in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "line "),
        ("- 1\n- 2\n", "holds a list"),
        ("a: \x00", "not YAML"),
        (BOMB, "alias"),
        ("a: " + "[" * 5000, "is broken"),
        ("a: !!python/object/apply:os.system [ls]", "not YAML"),
        ("a: 2026-99-99", "month"),
        ("", "holds a NoneType"),
    ],
)
def test_broken_resolved_is_named(run: RunFolder, text: str, message: str) -> None:
    run.resolved_path.write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=message) as caught:
        run.resolved()
    assert str(run.resolved_path) in caught.value.message
    if text:
        with pytest.raises(RunError, match="is broken"):
            run.resolved_fields()


# status.json


def test_the_life_of_a_run(run: RunFolder) -> None:
    run.start(epochs=5, main_metric="accuracy")
    begun = run.status()
    assert (begun.state, begun.epoch, begun.epochs, begun.pid, begun.is_gone) == ("running", 0, 5, os.getpid(), False)
    run.update_epoch(2, best_epoch=1)
    assert (run.status().epoch, run.status().best_epoch) == (2, 1)
    run.interrupt()
    ended = run.status()
    assert ended.state == "interrupted"
    assert ended.finished == ended.updated
    run.resume(5)
    assert (run.status().state, run.status().finished, run.status().started) == ("running", None, begun.started)
    run.fail(TrainingError("the loss is NaN", hint="lower the learning rate"))
    assert run.status().error == {"message": "the loss is NaN", "hint": "lower the learning rate"}
    run.resume(5)
    run.finish()
    assert (run.status().state, run.status().error, run.status().epoch) == ("finished", None, 2)
    assert datetime.fromisoformat(begun.started).tzinfo is UTC


def test_a_run_may_fail_before_it_starts(run: RunFolder) -> None:
    run.fail(TrainingError("no memory"))
    assert (run.status().state, run.status().error) == ("failed", {"message": "no memory", "hint": None})


def test_time_at_work_leaves_out_the_pause(run: RunFolder) -> None:
    run.start(epochs=5)
    change(run, started="2026-01-01T00:00:00+00:00", updated="2026-01-01T00:00:00+00:00", seconds=10.0)
    run.resume(5)
    run.finish()
    assert 10 <= run.status().seconds < 15


def test_a_run_whose_process_is_gone(run: RunFolder) -> None:
    program = (
        "import sys; from pathlib import Path; from dlrun.run.folder import RunFolder\n"
        "RunFolder(Path(sys.argv[1])).start(3)"
    )
    subprocess.run([sys.executable, "-c", program, str(run.path)], check=True)
    assert run.status().is_gone
    change(run, host="another machine")
    assert not run.status().is_gone


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "version is 2"),
        ({"state": "dancing"}, "state is 'dancing'"),
        ({"epoch": "3"}, "epoch is '3'"),
        ({"started": "yesterday"}, "yesterday"),
        ({"updated": "2026-01-01T00:00:00"}, "no time zone"),
        ({"pid": None}, "pid is None"),
    ],
)
def test_broken_status_is_said(run: RunFolder, changes: dict[str, object], message: str) -> None:
    run.start(epochs=5)
    change(run, **changes)
    with pytest.raises(RunError, match=message):
        run.status()


def change(run: RunFolder, **changes: object) -> None:
    """Changes status.json as a hand would."""
    file = run.path / "status.json"
    tree = json.loads(file.read_text(encoding="utf-8")) | changes
    file.write_text(json.dumps(tree), encoding="utf-8")


# history.csv


def test_history_to_the_bit(run: RunFolder) -> None:
    rows = [
        {"epoch": 1, "loss": 0.1 + 0.2, "validation_loss": None, "seconds": np.float64(1e-300)},
        {"epoch": np.int64(2), "loss": np.float32(0.1), "validation_loss": math.inf, "seconds": 1.0},
    ]
    run.write_history(rows)
    text = (run.path / "history.csv").read_bytes()
    assert text.startswith(b"epoch,loss,validation_loss,seconds\n1,0.30000000000000004,,1e-300\n2,0.1000000014")
    read = run.history()
    assert read[0] == rows[0]
    assert read[1] == {"epoch": 2, "loss": float(np.float32(0.1)), "validation_loss": math.inf, "seconds": 1.0}
    assert isinstance(read[1]["seconds"], float)
    with pytest.raises(ValueError, match="columns"):
        run.write_history([*rows, {"epoch": 3}])
    assert len(run.history()) == 2


@given(st.lists(st.tuples(st.integers(), st.floats(), st.none() | st.floats()), max_size=5))
def test_history_round_trip(rows: list[tuple[int, float, float | None]]) -> None:
    written = [{"epoch": epoch, "loss": loss, "b": other} for epoch, loss, other in rows]
    read = parse_history(history_text(written))
    assert repr(read) == repr(written)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch,loss\n1,0.5\n2", "line 3 has 1 values"),
        ("epoch,loss\n1,x\n", "line 2"),
        ('a\n"\x00', "is broken|line 2"),
    ],
)
def test_broken_history_is_named(run: RunFolder, text: str, message: str) -> None:
    (run.path / "history.csv").write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=message):
        run.history()


def test_empty_history_has_no_rows(run: RunFolder) -> None:
    run.write_history([])
    assert run.history() == []


# Arrays and tables


def test_weights_to_the_bit_and_the_same_bytes(run: RunFolder, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = {
        "dense/kernel": rng.normal(size=(3, 4)).astype("float32"),
        "dense/bias": np.zeros(0, "float64"),
        "step": np.array(7, "int64"),
        "transposed": rng.normal(size=(2, 3)).T,
    }
    run.save_weights(weights)
    other = RunFolder.create(tmp_path, "other", NOW)
    other.save_weights({name: array.copy(order="F") for name, array in weights.items()})
    files = [folder.path / "model" / "weights.npz" for folder in (run, other)]
    assert files[0].read_bytes() == files[1].read_bytes()
    with zipfile.ZipFile(files[0]) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    read = run.load_weights()
    assert list(read) == list(weights)
    for name, array in weights.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)
    with np.load(files[0]) as by_numpy:
        np.testing.assert_array_equal(by_numpy["dense/kernel"], weights["dense/kernel"])


def test_weights_that_are_broken_or_hostile(run: RunFolder) -> None:
    run.save_weights({"a": np.arange(1000.0)})
    file = run.path / "model" / "weights.npz"
    content = file.read_bytes()
    flipped = bytearray(content)
    flipped[500] ^= 1
    for bad in (content[:-100], content[:50], b"", bytes(flipped)):
        file.write_bytes(bad)
        with pytest.raises(RunError, match=r"weights\.npz is broken"):
            run.load_weights()
    with file.open("wb") as out:
        np.savez(out, a=np.array([{"x": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(RunError, match="allow_pickle"):
        run.load_weights()
    np.savez_compressed(file, a=np.zeros(10))
    with pytest.raises(RunError, match="compressed"):
        run.load_weights()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(
            "a.npy",
            b"\x93NUMPY\x01\x00v\x00"
            + b"{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999999,), }".ljust(117)
            + b"\n",
        )
    with pytest.raises(RunError, match="is broken"):
        run.load_weights()


def test_tables_samples_and_the_rest(run: RunFolder) -> None:
    frame = pl.DataFrame({"row": [1, 2], "split": ["test", "test"], "truth": ["a", "ü"], "score": [0.1, None]})
    run.write_predictions([frame])
    assert run.predictions().equals(frame)
    run.write_predictions(frame[each : each + 1] for each in range(2))
    assert run.predictions().equals(frame)
    (run.path / "predictions.parquet").write_bytes((run.path / "predictions.parquet").read_bytes()[:-9])
    with pytest.raises(RunError, match=r"predictions\.parquet is broken"):
        run.predictions()
    run.save_samples({"originals": np.ones((2, 3))})
    np.testing.assert_array_equal(run.load_samples()["originals"], np.ones((2, 3)))
    run.write_confusion_matrix(("a", "b"), np.array([[3, 1], [0, 2]]))
    assert run.confusion_matrix() == {"labels": ["a", "b"], "counts": [[3, 1], [0, 2]]}
    for write, read in [
        (run.write_metrics, run.metrics), (run.write_data, run.data),
        (run.write_environment, run.environment), (run.write_preparation, run.preparation),
    ]:  # fmt: skip
        write({"a": {"b": 1.5}})
        assert read() == {"a": {"b": 1.5}}
    assert run.has_metrics
    run.write_plot("curves", b"png")
    assert (run.plots / "curves.png").read_bytes() == b"png"
    assert {run.model_path.parent, run.checkpoints.folder.parent, run.log_path.parent} == {run.path}


# environment.json


def test_environment_tells_versions_without_importing_them() -> None:
    program = (
        "import sys, json; from dlrun.run.environment import environment\n"
        "found = environment(device='cpu', threads={'intra': 2}, determinism=True, workers=1)\n"
        "assert not {'tensorflow', 'keras', 'polars', 'sklearn', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "print(json.dumps(found))"
    )
    done = subprocess.run([sys.executable, "-c", program, "a b"], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["packages"]["numpy"] == np.__version__
    assert found["packages"]["polars"] == pl.__version__
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert (found["device"], found["threads"], found["op_determinism"], found["workers"]) == (
        "cpu",
        {"intra": 2},
        True,
        1,
    )
    assert found["command"] == ["-c", "a b"]


def test_git_commit_and_whether_it_was_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert git_commit(tmp_path) is None

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        done = subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init")
    write_text(tmp_path / "a.txt", "1")
    git("add", "a.txt")
    git("commit", "-m", "one")
    write_text(tmp_path / "unknown.txt", "1")
    assert git_commit(tmp_path) == {"commit": git("rev-parse", "HEAD"), "dirty": False}
    write_text(tmp_path / "a.txt", "2")
    assert environment(device="cpu", folder=tmp_path)["git"] == {"commit": git("rev-parse", "HEAD"), "dirty": True}
    monkeypatch.setenv("PATH", "")
    assert git_commit(tmp_path) is None
