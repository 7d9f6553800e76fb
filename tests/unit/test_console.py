from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dlrun.console import TrainingDisplay, print_error, print_summary
from dlrun.console.numbers import duration, number, setting
from dlrun.errors import DataError, Interrupted, SpecError
from dlrun.run.folder import RunFolder
from dlrun.spec.document import read_document
from dlrun.spec.problem import Problem
from dlrun.spec.render import render_all

ROWS = [
    {
        "epoch": epoch,
        "loss": 0.5 / epoch,
        "accuracy": 1 - 0.1 / epoch,
        "validation_loss": validation_loss,
        "validation_accuracy": 0.97,
        "learning_rate": 0.001,
        "seconds": 4.08,
        "examples_per_second": 41203.4,
    }
    for epoch, validation_loss in [(1, 0.2), (2, 0.0712), (3, 0.08)]
]


def console(width: int = 80, *, terminal: bool = False) -> Console:
    return Console(
        file=io.StringIO(), width=width, force_terminal=terminal, force_interactive=terminal, highlight=False
    )


def said(where: Console) -> str:
    assert isinstance(where.file, io.StringIO)
    return where.file.getvalue()


def python(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A real process with its streams in pipes."""
    kept = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "COLUMNS", "NO_COLOR")}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, check=True, env=kept | environment
    )


# Numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.98704, "0.9870"), (1.0, "1.000"), (0.9999999, "1.000"), (12.345, "12.35"), (123.45, "123.5"),
        (41203.4, "41,203"), (999.96, "1,000"), (0.0712345, "0.07123"), (0.00012347, "0.0001235"),
        (0.0000312, "3.120e-05"), (0.0, "0"), (-0.25, "-0.2500"), (1234, "1,234"), (0, "0"),
        (float("nan"), "nan"), (float("inf"), "inf"), (1.5e12, "1.500e+12"),
    ],
)  # fmt: skip
def test_numbers_have_four_significant_digits(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00 s"), (0.04, "0.04 s"), (4.12, "4.1 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"), (125, "2 min 05 s"),
        (3599.4, "59 min 59 s"), (3599.6, "1 h 00 min"), (3720, "1 h 02 min"), (273_600, "3 d 04 h"),
    ],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.001, "0.001"), (1e-5, "1e-05"), (0.1 + 0.2, "0.30000000000000004"), (None, "null"), (True, "true"),
        ([32, 64], "[32, 64]"), (list(range(9)), "[0, 1, 2, 3, … 9 values]"), ("a\x1b[2J", "a\\x1b[2J"), (7, "7"),
    ],
)  # fmt: skip
def test_settings_are_exact(value: object, text: str) -> None:
    assert setting(value) == text


# The training display


def test_a_pipe_gets_one_line_an_epoch_at_once() -> None:
    program = (
        "import sys, os; from dlrun.console import TrainingDisplay, prepare_streams\n"
        "prepare_streams()\n"
        "with TrainingDisplay() as display:\n"
        "    display.start(2, 10, main_metric='accuracy')\n"
        "    display.on_chunk(1, 5, {'loss': 0.5}, 100.0)\n"
        "    display.on_epoch({'epoch': 1, 'loss': 0.0931, 'accuracy': 0.9712, 'validation_loss': 0.0712,"
        " 'learning_rate': 0.001, 'seconds': 4.08, 'examples_per_second': 41203.4})\n"
        "    display.on_chunk(2, 5, {'loss': 0.5}, 100.0)\n"
        "    os._exit(0)"  # nothing is flushed any more
    )
    line = (
        b"epoch 1/2  loss 0.09310  accuracy 0.9712  validation_loss 0.07120  learning_rate 0.001"
        b"  41,203 examples/s  4.1 s"
    )
    assert python(program).stdout.splitlines() == [line]
    assert python(program, FORCE_COLOR="1").stdout.splitlines() == [line]
    assert python(program, PYTHONIOENCODING="ascii", LANG="C", NO_COLOR="1").stdout.splitlines() == [line]


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_terminal_keeps_finished_epochs_and_redraws_the_running_one(width: int) -> None:
    where = console(width, terminal=True)
    with TrainingDisplay(where) as display:
        display.start(20, 100, main_metric="accuracy")
        for row in ROWS:
            display.on_chunk(int(row["epoch"]), 50, {"loss": 0.5, "accuracy": 0.9}, 41203.4)
            display.on_chunk(int(row["epoch"]), 100, {"loss": 0.5, "accuracy": 0.9}, 41203.4)
            display.on_epoch(row)
    lines = re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", said(where)).splitlines()
    rows = [line for line in lines if line.strip().startswith(("1/20", "2/20", "3/20"))]
    assert len(rows) == 3
    assert ["★" in line for line in rows] == [True, True, False]
    assert "epoch 1/20" in said(where)
    assert ("41,203 examples/s" in said(where)) == (width > 20)
    assert ("left" in said(where)) == (width > 20)
    assert ("0.07120" in rows[1]) == (width > 20)
    assert ("0.001" in rows[1]) == (width >= 80)


def test_the_best_epoch_follows_the_monitor() -> None:
    where = console(terminal=True)
    with TrainingDisplay(where) as display:
        display.start(3, 1, monitor="accuracy")
        for epoch, accuracy in enumerate([0.5, 0.4, 0.6], start=1):
            display.on_epoch({"epoch": epoch, "loss": 0.1, "accuracy": accuracy})
    assert [line.endswith("★\x1b[0m") for line in said(where).splitlines() if "/3" in line] == [True, False, True]


def test_a_row_with_what_is_missing() -> None:
    where = console(terminal=True)
    with TrainingDisplay(where) as display:
        display.start(1, 1)
        display.on_epoch({"epoch": 1, "loss": None, "seconds": None})
    assert "—" in said(where)


# Errors


def test_an_error_has_message_and_mend() -> None:
    where = console()
    print_error(DataError("no file at [bold]x\x1b[2J\nin two lines", hint="put one there"), where)
    print_error(Interrupted("stopped at epoch 3"), where)
    assert said(where) == (
        "error: no file at [bold]x\\x1b[2J\nin two lines\n mend: put one there\ninterrupted: stopped at epoch 3\n"
    )


@pytest.mark.parametrize("width", [40, 80])
def test_the_mistakes_of_a_spec_look_as_their_plain_text(tmp_path: Path, width: int) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: [1]\ntraining:\n\tepochs: -1\n".replace("\t", "  "), encoding="utf-8")
    document = read_document(file)
    problems = [
        Problem(("name",), "not a text", expected="a text", received="a list", hint="write a name " * 10),
        Problem(("training", "epochs"), "too small", at="key"),
        Problem((), "no data"),
    ]
    where = console(width)
    print_error(SpecError(document, problems), where)
    assert said(where) == render_all(problems, document, width) + "\n"
    coloured = console(width, terminal=True)
    print_error(SpecError(document, problems), coloured)
    assert "\x1b[1;31m" in said(coloured)


def test_no_character_makes_printing_fail() -> None:
    program = (
        "from dlrun.console import *; from dlrun.errors import DataError\n"
        "prepare_streams()\n"
        "print_error(DataError('Größe “x” → 漢字 ★ ± \\udcff', hint='naïve…'))\n"
        "standard_console().print('R² ─')"
    )
    done = python(program, PYTHONIOENCODING="ascii", LANG="C", LC_ALL="C")
    assert done.stderr.decode("ascii").splitlines() == [
        'error: Grosse "x" > ?? * ~ \\udcff'.replace("ss", "?"),
        " mend: naive.",
    ]
    assert done.stdout.decode("ascii") == f"R2 -{os.linesep}"


def test_colours_only_where_they_are_wanted() -> None:
    program = "from dlrun.console import *; from dlrun.errors import DataError; print_error(DataError('x', hint='y'))"
    assert b"\x1b" not in python(program).stderr
    assert b"\x1b" in python(program, FORCE_COLOR="1").stderr
    assert b"\x1b[31" not in python(program, FORCE_COLOR="1", NO_COLOR="1").stderr


# The lines of C++


def test_native_lines_go_to_the_log_and_errors_to_the_user(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_bytes(b"before\n")
    program = (
        "import os, sys; from pathlib import Path; from dlrun.console import *; from dlrun.errors import DataError\n"
        "prepare_streams(); log = Path(sys.argv[1])\n"
        "with capture_native_stderr(log):\n"
        "    os.write(2, b'from C\\n'); os.system('echo from a child 1>&2')\n"
        "    print('from Python', file=sys.stderr)\n"
        "    print_error(DataError('for the user'))\n"
        "    with capture_native_stderr(log.with_name('inner.txt')):\n"
        "        os.write(2, b'from C, deeper\\n'); print_error(DataError('also for the user'))\n"
        "    os.write(2, b'from C again\\n')\n"
        "os.write(2, b'after\\n'); print_error(DataError('at the end'))\n"
    )
    done = python(program, str(log))
    assert done.stderr.decode().splitlines() == [
        "error: for the user", "error: also for the user", "after", "error: at the end"
    ]  # fmt: skip
    lines = [line.strip() for line in log.read_text(encoding="utf-8").splitlines()]
    assert lines == ["before", "from C", "from a child", "from Python", "from C again"]
    assert (tmp_path / "inner.txt").read_text(encoding="utf-8").splitlines() == ["from C, deeper"]


def test_stderr_comes_back_after_an_error(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from dlrun.console import *\n"
        "try:\n"
        "    with capture_native_stderr(Path(sys.argv[1])): raise KeyError\n"
        "except KeyError: os.write(2, b'after\\n')"
    )
    assert python(program, str(tmp_path / "log.txt")).stderr.splitlines() == [b"after"]


# The end of a run


@pytest.mark.parametrize("width", [40, 80])
def test_the_end_of_a_run(tmp_path: Path, width: int) -> None:
    run = RunFolder.create(tmp_path / "my runs", "cnn", datetime(2026, 11, 23))
    run.write_resolved({"name": "cnn"})
    run.start(5, "accuracy")
    run.update_epoch(5, best_epoch=4)
    run.finish()
    run.write_metrics(
        {
            "test": {"accuracy": 0.98765, "log_loss": 0.05, "interval": {"accuracy": [0.985, 0.99]}},
            "baseline": {"majority class": {"accuracy": 0.1135}},
        }
    )
    where = console(width)
    print_summary(run, where)
    words = " ".join(said(where).split())
    assert words.startswith("Accuracy 0.9877 95% interval [0.9850, 0.9900] majority class 0.1135")
    assert "finished after 5 of 5 epochs" in words
    assert "the weights are those of the last epoch; the best was epoch 4" in words
    assert "Log loss 0.05000" in words
    assert f'dlrun eval "{run.path}"\n' in said(where)
    assert f'dlrun compare "{run.path.parent}"\n' in said(where)


@pytest.mark.parametrize(
    ("early_stopping", "best", "expected"),
    [
        (None, 5, ""),
        ({"restore_best": True, "min_delta": 0.0}, 5, ""),
        ({"restore_best": True, "min_delta": 0.0}, 4, "; the weights are those of epoch 4, the best"),
        ({"restore_best": False}, 4, "; the weights are those of the last epoch; the best was epoch 4"),
        (
            {"restore_best": True, "min_delta": 0.1},
            4,
            "; the weights are those that early stopping restored; the best was epoch 4",
        ),
    ],
)
def test_which_weights_are_kept(tmp_path: Path, early_stopping: object, best: int, expected: str) -> None:
    run = RunFolder.create(tmp_path, "cnn", datetime(2026, 11, 23))
    run.write_resolved({"name": "cnn", "training": {"early_stopping": early_stopping}})
    run.start(9, "accuracy")
    run.update_epoch(5, best_epoch=best)
    run.write_metrics({"test": {"accuracy": 0.5}})
    run.interrupt()
    where = console(200)
    print_summary(run, where)
    [line] = [line for line in said(where).splitlines() if line.startswith("interrupted after 5 of 9 epochs")]
    assert line.partition(" s")[2].rstrip() == expected


@pytest.mark.parametrize(
    ("metric", "value", "baselines", "unbeaten"),
    [
        ("accuracy", 0.5, {"majority class": 0.6}, "majority class"),
        ("accuracy", 0.6, {"majority class": 0.6}, "majority class"),
        ("accuracy", 0.7, {"majority class": 0.6}, None),
        ("mae", 2.0, {"last value": 3.0, "same hour yesterday": 1.0}, "same hour yesterday"),
        ("mae", 0.5, {"last value": 3.0, "same hour yesterday": 1.0}, None),
        ("mae", 2.0, {}, None),
    ],
)
@pytest.mark.parametrize("folds", [False, True])
def test_a_run_that_beats_no_trivial_model_says_so(
    tmp_path: Path, folds: bool, metric: str, value: float, baselines: dict[str, float], unbeaten: str | None
) -> None:
    run = RunFolder.create(tmp_path, "cnn", datetime(2026, 11, 23))
    run.write_resolved({"name": "cnn"})
    run.start(5, metric)
    run.finish()
    tree: dict[str, Any] = {name: {metric: each} for name, each in baselines.items()}
    spread = {"deviation": {"test": {metric: 0.1}}} if folds else {}
    run.write_metrics({"test": {metric: value}, "baseline": tree, **spread})
    where = console(200)
    print_summary(run, where)
    lines = [line.strip() for line in said(where).splitlines() if "trivial" in line]
    assert lines == ([f"The model is not better than its trivial model, {unbeaten}."] if unbeaten else [])


def test_it_is_light() -> None:
    program = (
        "import sys, dlrun.console\n"
        "print(sorted({'rich.console', 'rich.live', 'tensorflow', 'numpy', 'yaml', 'pydantic'} & set(sys.modules)))"
    )
    assert python(program).stdout.strip() == b"[]"
