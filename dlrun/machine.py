"""What this process may use of the machine it is on: memory and processors, as a container or a limit leaves them."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

KILOBYTE = 1024
UNLIMITED = 1 << 60
"""Bytes from which on a limit is none: the first version of Linux's control groups writes a huge number for it."""

ROOT = Path("/")

SIZE = r"(?P<count>\d+(\.\d+)?) ?(?P<unit>[KMGT]i?B)"
"""How a number of bytes is written."""


@dataclass(frozen=True)
class Memory:
    """The memory that this process can have.

    Args:
        total: bytes in all.
        available: bytes that are free or can be made free; None where the system does not say.
        limited_by: what sets the bounds: the machine, a container, or a limit on this process (`ulimit -v`).
    """

    total: int
    available: int | None
    limited_by: Literal["machine", "container", "process"]


@dataclass(frozen=True)
class Processors:
    """The processors that this process can use.

    Args:
        machine: how many the machine has.
        allowed: how many of them this process may run on; TensorFlow starts a thread for each.
        usable: how many this process may keep busy: a container may be given a fraction of one.
    """

    machine: int
    allowed: int
    usable: float


def memory(root: Path = ROOT) -> Memory | None:
    """The memory that this process can have; None where the system does not say.

    Args:
        root: the folder that holds Linux's /proc and /sys.
    """
    found = [each for each in (_machine_memory(root), _container_memory(root), _process_memory(root)) if each]
    if not found:
        return None
    # What is left is bounded by the tightest of them, and that one's total is what a person knows as the limit.
    return min(found, key=lambda each: each.total if each.available is None else each.available)


def available_memory() -> int | None:
    """Bytes of memory that this process can still have; None where the system does not say."""
    found = memory()
    return found.available if found else None


def give_back_freed() -> None:
    """Gives the system back what this process has freed, where its C library (glibc) keeps it for later."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def processors(root: Path = ROOT) -> Processors:
    """The processors that this process can use.

    Args:
        root: the folder that holds Linux's /proc and /sys.
    """
    machine = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine
    return Processors(machine, allowed, min([allowed, *_quotas(root)]))


def size(count: float) -> str:
    """A number of bytes for a person, in three digits: 512 B, 1.50 GiB, 31.2 GiB."""
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    index = 0
    while count >= 999.5 and index < len(units) - 1:
        count, index = count / KILOBYTE, index + 1
    digits = 0 if index == 0 or count >= 99.95 else 1 if count >= 9.995 else 2
    return f"{count:.{digits}f} {units[index]}"


def bytes_of(text: str) -> int | None:
    """The number of bytes in a text such as `500 MB`, `2 GB` or `1.5 GiB`; None where it is none."""
    found = re.fullmatch(SIZE, text)
    if found is None:
        return None
    power = "KMGT".index(found["unit"][0]) + 1
    return int(float(found["count"]) * (KILOBYTE if "i" in found["unit"] else 1000) ** power)


def cache_folder() -> Path:
    """Where programs of this user keep what can be made again."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "dlrun" / "cache"
    home = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or home) / "dlrun"


def _machine_memory(root: Path) -> Memory | None:
    if sys.platform == "win32":
        return _windows_memory()
    facts = _pairs(root / "proc/meminfo")  # in KiB, each with a colon after its name
    if "MemTotal:" in facts:
        available = facts.get("MemAvailable:", facts.get("MemFree:", 0))
        return Memory(facts["MemTotal:"] * KILOBYTE, available * KILOBYTE, "machine")
    try:
        return Memory(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None, "machine")
    except (OSError, ValueError):
        return None


def _windows_memory() -> Memory | None:
    class Status(ctypes.Structure):
        """MEMORYSTATUSEX of the Windows API."""

        _fields_ = (
            ("length", ctypes.c_uint32),
            ("load", ctypes.c_uint32),
            *((name, ctypes.c_uint64) for name in ("total", "available", "a", "b", "c", "d", "e")),
        )

    status = Status(length=ctypes.sizeof(Status))
    library = getattr(ctypes, "windll", None)
    if library is None or not library.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    return Memory(status.total, status.available, "machine")


def _container_memory(root: Path) -> Memory | None:
    """The tightest of the limits of the control groups that this process is in."""
    found = []
    for limit_file, used_file, reclaimable in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        for group in _groups(root, "memory"):
            limit, used = _number(group / limit_file), _number(group / used_file)
            if limit is None or used is None or limit >= UNLIMITED:
                continue
            # Pages of files that were read are counted as used, and given up when they are needed.
            spare = _pairs(group / "memory.stat").get(reclaimable, 0)
            found.append(Memory(limit, max(limit - used + spare, 0), "container"))
    return min(found, key=lambda each: each.available or 0, default=None)


def _process_memory(root: Path) -> Memory | None:
    """What `ulimit -v` leaves, which bounds addresses rather than pages: those that are reserved count as used."""
    if sys.platform == "win32":
        return None
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY or limit >= UNLIMITED:
        return None
    try:
        pages = int((root / "proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return Memory(limit, max(limit - pages * resource.getpagesize(), 0), "process")


def _quotas(root: Path) -> Iterator[float]:
    """How many processors each control group above this process may keep busy."""
    for group in _groups(root, "cpu"):
        quota, period = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
        try:
            first, second = (group / "cpu.max").read_text(encoding="ascii").split()
            quota, period = (None if first == "max" else int(first)), int(second)
        except (OSError, ValueError):
            pass
        if quota and period and quota > 0:
            yield quota / period


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of the control groups that this process is in, from its own up to the top.

    Version 2 has one tree, in which a line of /proc/self/cgroup is `0::/a/b`; version 1 has one for each controller,
    `4:memory:/a/b`. In a container the path may be that on the host, of which only the top is to be seen.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / (controller if controllers else "")
        own = top / path.lstrip("/")
        while own != top:
            if own.is_dir():
                yield own
            own = own.parent
        yield top


def _number(path: Path) -> int | None:
    """The number in a file; None where there is none, as in `max`."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _pairs(path: Path) -> dict[str, int]:
    """The lines `name number …` of a file."""
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {}
    words = [line.split() for line in lines]
    return {word[0]: int(word[1]) for word in words if len(word) > 1 and word[1].isdigit()}
