"""Several processes watched as one: all end when one dies, and it is told which and how."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dlrun.cluster import launch
from dlrun.cluster.launch import supervise
from dlrun.cluster.local import free_ports, run_here
from dlrun.cluster.members import TF_CONFIG, Cluster
from dlrun.errors import ClusterError, Interrupted

SLEEP = "import time; time.sleep(60)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {SLEEP}"


class Script:
    """A worker that runs a piece of Python."""

    def __init__(self, program: str) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)

    def poll(self) -> int | None:
        return self.process.poll()

    def terminate(self) -> None:
        self.process.terminate()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def said(self) -> str:
        return self.process.stdout.read() if self.process.stdout else ""


Start = Callable[..., list[Script]]


@pytest.fixture
def start() -> Iterator[Start]:
    made: list[Script] = []

    def start(*programs: str) -> list[Script]:
        made.extend(map(Script, programs))
        return made

    yield start
    for script in made:
        script.kill()
        if script.process.stdout:
            script.process.stdout.close()


def cluster(workers: int) -> Cluster:
    return Cluster(tuple(f"host{index}:1" for index in range(workers)), 0, TF_CONFIG)


def watched(scripts: list[Script], stopped: Callable[[], bool] = lambda: False) -> int:
    return supervise(scripts, cluster(len(scripts)), stopped)


def test_all_that_end_well_end_well(start: Start) -> None:
    assert watched(start("", "import time; time.sleep(0.3)", "")) == 0


def test_who_dies_is_named_with_its_last_lines_and_all_end(start: Start) -> None:
    lines = launch.LINES
    dying = f"import sys; [print('line', n) for n in range({lines} + 5)]; sys.exit(3)"
    scripts = start("import time; time.sleep(0.5)", dying, SLEEP)
    with pytest.raises(ClusterError) as raised:
        watched(scripts)
    title, *said = raised.value.message.splitlines()
    assert title == "worker 1 (host1:1) ended with the exit code 3; the last that it said:"
    assert said == [f"line {number}" for number in range(5, lines + 5)]
    assert [script.poll() for script in scripts] == [0, 3, -signal.SIGTERM]


def test_a_signal_is_told_by_its_name(start: Start) -> None:
    killing = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(ClusterError, match=re.escape("worker 1 (host1:1) was ended by SIGKILL")):
        watched(start("import time; time.sleep(1)", killing))


def test_a_chief_that_was_killed_has_told_nothing(start: Start) -> None:
    scripts = start("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", SLEEP)
    scripts[0].process.wait()
    with pytest.raises(ClusterError, match="was ended by SIGKILL"):
        watched(scripts)


def test_who_was_killed_is_told_before_who_failed_because_of_it(start: Start) -> None:
    killing = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    scripts = start("raise SystemExit(1)", "raise SystemExit(1)", killing)
    for script in scripts:
        script.process.wait()
    with pytest.raises(ClusterError, match=re.escape("worker 2 (host2:1) was ended by SIGKILL")):
        watched(scripts)


def test_what_the_chief_told_is_not_told_again(start: Start) -> None:
    scripts = start("raise SystemExit(2)", SLEEP)
    assert watched(scripts) == 2
    assert scripts[1].poll() == -signal.SIGTERM


def test_a_chief_that_does_not_end_is_not_waited_for_for_ever(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "SECONDS_TO_END", 0.5)
    began = time.monotonic()
    with pytest.raises(ClusterError, match="worker 1"):
        watched(start(DEAF, "raise SystemExit(1)"))
    assert time.monotonic() - began < 10


def test_a_stop_is_passed_on_once(start: Start) -> None:
    counting = (
        "import signal, sys, time; got = []\n"
        "signal.signal(signal.SIGTERM, lambda *_: got.append(1)); print('ready', flush=True)\n"
        "while not got: time.sleep(0.01)\n"
        "time.sleep(0.5); sys.exit(130 if len(got) == 1 else 9)"
    )
    scripts = start(counting, counting)
    for script in scripts:
        assert script.process.stdout
        script.process.stdout.readline()
    with pytest.raises(Interrupted):
        watched(scripts, lambda: True)
    assert [script.poll() for script in scripts] == [130, 130]


def test_a_worker_that_was_told_to_stop_is_no_death(start: Start) -> None:
    scripts = start("import time; time.sleep(0.5); raise SystemExit(130)", "raise SystemExit(130)")
    with pytest.raises(Interrupted):
        watched(scripts)
    assert [script.poll() for script in scripts] == [130, 130]


# Processes of dlrun


def test_the_chief_answers_and_the_others_are_silent(
    capfd: pytest.CaptureFixture[str], dlrun_environment: dict[str, str]
) -> None:
    assert run_here(["--version"], 3, dlrun_environment) == 0
    out, _ = capfd.readouterr()
    assert out == "dlrun 0.1.0\n"


def test_each_process_has_its_place(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], dlrun_environment: dict[str, str]
) -> None:
    # Python runs a sitecustomize that it finds at its start.
    hook = "import os, pathlib; pathlib.Path(os.environ['SEEN'], str(os.getpid())).write_text(os.environ['TF_CONFIG'])"
    (tmp_path / "sitecustomize.py").write_text(hook, encoding="utf-8")
    seen = tmp_path / "seen"
    seen.mkdir()
    path = f"{tmp_path}:{dlrun_environment['PYTHONPATH']}"
    run_here(["--version"], 3, dlrun_environment | {"PYTHONPATH": path, "SEEN": str(seen)})
    from dlrun.cluster.members import read_cluster

    found = [read_cluster({TF_CONFIG: file.read_text(encoding="utf-8")}) for file in seen.iterdir()]
    assert sorted(each.index for each in found if each) == [0, 1, 2]
    assert len({each.addresses for each in found if each}) == 1


def test_free_ports_are_free_and_different() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20


@pytest.fixture
def dlrun_environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
