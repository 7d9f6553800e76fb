"""Checkpoints on the disk: whole or not there, whatever ends the process that writes them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dlrun.errors import RunError
from dlrun.run.checkpoints import Checkpoint, Checkpoints
from dlrun.run.lock import locked

ARRAYS = {"model/0000_kernel": np.arange(12.0).reshape(3, 4), "optimizer/0000_iterations": np.array(7, np.int64)}
BEST = {"dense/kernel": np.arange(6, dtype=np.float32)}


def save(checkpoints: Checkpoints, epoch: int, step: int = 0, *, best: int = 0, value: float = 0.0) -> Path:
    arrays = {name: array + np.asarray(value, array.dtype) for name, array in ARRAYS.items()}
    weights = {name: array + best for name, array in BEST.items()}
    return checkpoints.save((epoch, step), {"value": value}, arrays, (best, weights) if best else None)


def loaded(folder: Path) -> Checkpoint:
    checkpoint = Checkpoints(folder).load()
    assert checkpoint is not None
    return checkpoint


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    save(Checkpoints(tmp_path), 2, 30, best=1, value=0.1)
    checkpoint = loaded(tmp_path)
    assert checkpoint.state == {"value": 0.1}
    assert list(checkpoint.arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(checkpoint.arrays[name], array + np.asarray(0.1, array.dtype))
        assert checkpoint.arrays[name].dtype == array.dtype
    assert checkpoint.best is not None
    np.testing.assert_array_equal(checkpoint.best["dense/kernel"], BEST["dense/kernel"] + 1)


def test_where_there_is_none(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "checkpoints").load() is None
    save(Checkpoints(tmp_path / "checkpoints"), 1)
    assert loaded(tmp_path / "checkpoints").best is None


def test_the_last_two_are_kept_with_the_best_of_each(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for epoch, best in ((2, 1), (3, 2), (3, 2), (4, 3), (5, 4)):
        save(checkpoints, epoch, best=best)
    assert checkpoints.places() == [(5, 0), (4, 0)]
    assert sorted(path.name[:16] for path in tmp_path.glob("best*")) == ["best_epoch_00003", "best_epoch_00004"]
    assert len(list(tmp_path.iterdir())) == 4


def test_the_best_is_not_written_again_while_it_stays(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    weights = dict(BEST)
    for epoch in (2, 3):
        checkpoints.save((epoch, 0), {}, ARRAYS, (1, weights))
        (best,) = tmp_path.glob("best*")
        if epoch == 2:
            written = best.stat().st_mtime_ns
    assert best.stat().st_mtime_ns == written


def test_one_more_place_can_be_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in (0, 10, 20, 30):
        checkpoints.save((1, step), {}, ARRAYS, protected=(1, 0))
    assert checkpoints.places() == [(1, 30), (1, 20), (1, 0)]


def test_a_future_that_will_not_be_is_removed(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for epoch in (1, 2, 3):
        save(checkpoints, epoch, best=epoch)
    save(checkpoints, 2, 5, best=1, value=1.0)
    assert checkpoints.places() == [(2, 5), (2, 0)]
    assert loaded(tmp_path).state == {"value": 1.0}


def test_another_checkpoint_at_the_same_place_takes_its_place(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for value in (1.0, 2.0):
        save(checkpoints, 2, value=value)
    assert len(checkpoints.paths()) == 1
    assert loaded(tmp_path).state == {"value": 2.0}


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "best cut", "best gone"])
def test_a_damaged_checkpoint_is_found_out_and_the_one_before_is_used(tmp_path: Path, damage: str) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 2, best=1, value=1.0)
    last = save(checkpoints, 3, best=2, value=2.0)
    file = next(tmp_path.glob("best_epoch_00002*")) if damage.startswith("best") else last
    content = file.read_bytes()
    match damage.removeprefix("best "):
        case "cut":
            file.write_bytes(content[: len(content) // 2])
        case "flip":
            file.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
        case "empty":
            file.write_bytes(b"")
        case "gone":
            file.unlink()
    found = Checkpoints(tmp_path)
    checkpoint = found.load()
    assert checkpoint is not None
    assert checkpoint.state == {"value": 1.0}
    assert found.damaged == [file]
    save(found, 2, 5, best=1, value=1.5)  # and goes on from there
    assert loaded(tmp_path).state == {"value": 1.5}
    assert found.places() == [(2, 5), (2, 0)]


def test_of_a_later_version_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlrun.run.checkpoints.VERSION", 2)
    save(Checkpoints(tmp_path), 2)
    monkeypatch.undo()
    found = Checkpoints(tmp_path)
    assert found.load() is None
    assert len(found.damaged) == 1


WRITER = """
import os, signal, sys
from pathlib import Path
import numpy as np
from dlrun.run.checkpoints import Checkpoints

folder, last = Path(sys.argv[1]), int(sys.argv[2])
seen = 0

def kill(event, arguments):
    global seen
    if event in ("open", "os.rename", "os.remove") and any(str(folder) in str(each) for each in arguments):
        seen += 1
        if seen == last:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
checkpoints = Checkpoints(folder)
checkpoints.clear_unfinished()
before = checkpoints.load()
for epoch in range(before.state["epoch"] + 1 if before else 1, 6):
    arrays = {"a": np.full(1000, float(epoch))}
    best = (epoch // 2, {"w": np.full(9, epoch // 2)}) if epoch > 1 else None
    checkpoints.save((epoch, 0), {"epoch": epoch}, arrays, best)
    print(epoch, flush=True)
print("done", seen)
"""


def test_a_kill_at_any_stage_of_writing_leaves_the_last_one_whole(tmp_path: Path) -> None:
    """The process is killed at its first, second, third … touch of the folder; what it had said is still there."""
    kills = 0
    for last in range(1, 200):
        folder = tmp_path / str(last)
        folder.mkdir()
        done = subprocess.run([sys.executable, "-c", WRITER, folder, str(last)], capture_output=True, text=True)
        if done.returncode == 0:
            break
        kills += 1
        assert done.returncode == -9, done.stderr
        told = [int(line) for line in done.stdout.split()]
        checkpoint = Checkpoints(folder).load()
        if told:
            assert checkpoint is not None
        if checkpoint is not None:
            epoch = checkpoint.state["epoch"]
            assert epoch >= max(told, default=0)
            assert checkpoint.arrays["a"].tolist() == [float(epoch)] * 1000
            assert (checkpoint.best is None) == (epoch == 1)
            assert checkpoint.best is None or set(checkpoint.best["w"].tolist()) == {epoch // 2}
        again = subprocess.run([sys.executable, "-c", WRITER, folder, "0"], capture_output=True, text=True, check=True)
        assert again.stdout.split()[-2] == "done"
        assert loaded(folder).state == {"epoch": 5}
        assert not list(folder.glob(".*"))
    assert kills >= 30


# One process at a time

HOLDER = """
import sys
from pathlib import Path
from dlrun.run.lock import locked
with locked(Path(sys.argv[1])):
    print("mine", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mine\n"
        with pytest.raises(RunError, match=f"is being trained by process {holder.pid} on"), locked(tmp_path):
            pass
        holder.kill()
        holder.wait()
        with locked(tmp_path):  # a killed process holds nothing
            assert (tmp_path / ".lock").exists()
    assert not list(tmp_path.iterdir())
