"""What a container leaves of a machine, from trees of files as Linux has them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dlrun.machine import cache_folder, memory, processors, size

MEMINFO = "MemTotal:       8388608 kB\nMemFree:         100 kB\nMemAvailable:    4194304 kB\n"
GIB = 1 << 30

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Linux's files")


def tree(folder: Path, **files: str) -> Path:
    """A machine of 8 GiB, 4 of them free, with more files: `__` in a name is `/`, and `_dot_` a dot."""
    for name, text in {"proc__meminfo": MEMINFO, **files}.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    return folder


def test_without_a_container_the_machine_is_the_limit(tmp_path: Path) -> None:
    found = memory(tree(tmp_path))
    assert found is not None
    assert (found.total, found.available, found.limited_by) == (8 * GIB, 4 * GIB, "machine")


def test_the_tightest_group_of_version_2_is_the_limit_and_pages_of_files_count_as_free(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        proc__self__cgroup="0::/pod/job\n",
        sys__fs__cgroup__pod__memory_dot_max=f"{2 * GIB}\n",
        sys__fs__cgroup__pod__memory_dot_current=f"{3 * GIB // 2}\n",
        sys__fs__cgroup__pod__memory_dot_stat=f"anon 5\ninactive_file {GIB // 4}\n",
        sys__fs__cgroup__pod__job__memory_dot_max="max\n",
        sys__fs__cgroup__pod__job__memory_dot_current=f"{GIB}\n",
    )
    found = memory(root)
    assert found is not None
    assert (found.total, found.available, found.limited_by) == (2 * GIB, 3 * GIB // 4, "container")


def test_what_has_the_least_left_is_the_limit_whatever_its_size(tmp_path: Path) -> None:
    outer = {"memory_dot_max": 6 * GIB, "memory_dot_current": GIB}
    groups = {f"sys__fs__cgroup__a__{name}": f"{value}\n" for name, value in outer.items()}
    root = tree(tmp_path, proc__self__cgroup="0::/a/b:c\n", **groups)
    found = memory(root)
    assert found is not None
    assert (found.total, found.limited_by) == (8 * GIB, "machine"), "4 GiB are left of it, and 5 of the container"
    inner = {"memory_dot_max": 5 * GIB, "memory_dot_current": 2 * GIB}
    tree(tmp_path, **{f"sys__fs__cgroup__a__b:c__{name}": f"{value}\n" for name, value in inner.items()})
    found = memory(root)
    assert found is not None
    assert (found.total, found.available) == (5 * GIB, 3 * GIB), "a name may have a colon"
    tree(tmp_path, sys__fs__cgroup__a__memory_dot_current=f"{4 * GIB}\n")
    found = memory(root)
    assert found is not None
    assert (found.total, found.available) == (6 * GIB, 2 * GIB), "the outer group has less left than the inner one"
    tree(tmp_path, sys__fs__cgroup__a__memory_dot_current=f"{7 * GIB}\n")
    found = memory(root)
    assert found is not None
    assert found.available == 0


def test_old_kernels_tell_free_memory_alone(tmp_path: Path) -> None:
    found = memory(tree(tmp_path, proc__meminfo="MemTotal: 1000 kB\nMemFree: 100 kB\n"))
    assert found is not None
    assert found.available == 100 * 1024


def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "dlrun"
    monkeypatch.setenv(
        "XDG_CACHE_HOME", ""
    )  # an empty one is none: https://specifications.freedesktop.org/basedir-spec
    assert cache_folder().is_relative_to(Path.home())


def test_version_1_and_a_path_that_is_only_known_outside_the_container(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        proc__self__cgroup="5:cpu,cpuacct:/host/a\n4:memory:/host/a\n1:name=systemd:/\n0::/\n",
        sys__fs__cgroup__memory__memory_dot_limit_in_bytes=f"{3 * GIB}\n",
        sys__fs__cgroup__memory__memory_dot_usage_in_bytes=f"{2 * GIB}\n",
        sys__fs__cgroup__memory__memory_dot_stat="inactive_file 1\ntotal_inactive_file 1024\n",
        sys__fs__cgroup__cpu__cpu_dot_cfs_quota_us="50000\n",
        sys__fs__cgroup__cpu__cpu_dot_cfs_period_us="100000\n",
    )
    found = memory(root)
    assert found is not None
    assert (found.total, found.available, found.limited_by) == (3 * GIB, GIB + 1024, "container")
    assert processors(root).usable == 0.5


def test_a_huge_limit_of_version_1_is_none(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        proc__self__cgroup="4:memory:/\n",
        sys__fs__cgroup__memory__memory_dot_limit_in_bytes="9223372036854771712\n",
        sys__fs__cgroup__memory__memory_dot_usage_in_bytes="1\n",
    )
    found = memory(root)
    assert found is not None
    assert found.limited_by == "machine"


@pytest.mark.parametrize(("quota", "usable"), [("max 100000", None), ("25000 100000", 0.25)])
def test_processors_of_version_2(tmp_path: Path, quota: str, usable: float | None) -> None:
    root = tree(tmp_path, proc__self__cgroup="0::/\n", sys__fs__cgroup__cpu_dot_max=f"{quota}\n")
    found = processors(root)
    assert found.machine == os.cpu_count()
    assert found.usable == (len(os.sched_getaffinity(0)) if usable is None else usable)


def test_quotas_of_version_1_that_are_none(tmp_path: Path) -> None:
    """-1 is none; a group of cpuset is none of cpu."""
    root = tree(
        tmp_path,
        proc__self__cgroup="5:cpuset:/a\n4:cpu,cpuacct:/b\n",
        sys__fs__cgroup__cpu__b__cpu_dot_cfs_quota_us="-1\n",
        sys__fs__cgroup__cpu__b__cpu_dot_cfs_period_us="100000\n",
        sys__fs__cgroup__cpu__a__cpu_dot_cfs_quota_us="25000\n",
        sys__fs__cgroup__cpu__a__cpu_dot_cfs_period_us="100000\n",
    )
    assert processors(root).usable == len(os.sched_getaffinity(0))


def test_a_limit_on_the_process_counts() -> None:
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "from dlrun.machine import memory\nfound = memory()\nprint(found.limited_by, found.total, found.available)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    limited_by, total, available = done.stdout.split()
    assert (limited_by, int(total)) == ("process", GIB)
    assert 0 < int(available) < GIB - (4 << 20)  # Python alone takes more than that


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "0.98 KiB"), (1024, "1.00 KiB"), (1536 << 20, "1.50 GiB"),
        (31.2 * GIB, "31.2 GiB"), (784 << 20, "784 MiB"), (1 << 60, "1048576 TiB"),
    ],
)  # fmt: skip
def test_sizes(count: float, text: str) -> None:
    assert size(count) == text
