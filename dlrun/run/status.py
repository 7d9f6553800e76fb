"""Where a run stands: what status.json holds."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, Self, get_args

from dlrun.errors import DlrunError

State = Literal["running", "finished", "failed", "interrupted"]

VERSION = 1
"""Of the files of a run. A run with a higher one was made by a later dlrun."""


KINDS = {
    "epoch": int,
    "epochs": int,
    "best_epoch": int | None,
    "seconds": int | float,
    "main_metric": str | None,
    "error": dict | None,
    "pid": int,
    "host": str,
    "events": list,
    "folds": int | None,
    "folds_done": int,
}
"""What status.json holds under each name, apart from state and times."""


@dataclass(frozen=True)
class Status:
    """Where a run stands.

    Args:
        state: running, finished, failed or interrupted; see `is_gone` for a run that was killed.
        epoch: how many epochs are done.
        epochs: how many were asked for.
        best_epoch: the epoch with the best weights so far, counted from 1.
        started, updated, finished: UTC in ISO 8601; `updated` is when this was written.
        seconds: spent at work, the pause before a resume not counted.
        main_metric: the name of the metric that the run is judged by.
        error: message and hint of what ended it.
        pid, host: the process that runs it, and the machine it runs on.
        events: what happened on the way that is not as the spec would have it, each with `kind`, `message` and `time`:
            resumed, extended, rewound, skipped, halved, damaged.
        folds: how many trainings it is made of, where it is one of several folds; None of a single training.
        folds_done: how many of them are finished.
    """

    state: State
    epoch: int
    epochs: int
    best_epoch: int | None
    started: str
    updated: str
    finished: str | None
    seconds: float
    main_metric: str | None
    error: Mapping[str, str | None] | None
    pid: int
    host: str
    events: Sequence[Mapping[str, Any]] = ()
    version: int = VERSION
    folds: int | None = None
    folds_done: int = 0

    @classmethod
    def begin(cls, epochs: int, main_metric: str | None, folds: int | None = None) -> Self:
        """The status of a run that begins now, in this process."""
        now = _now()
        return cls(
            state="running",
            epoch=0,
            epochs=epochs,
            best_epoch=None,
            started=now,
            updated=now,
            finished=None,
            seconds=0.0,
            main_metric=main_metric,
            error=None,
            pid=os.getpid(),
            host=platform.node(),
            folds=folds,
        )

    def resumed(self, epochs: int) -> Self:
        """The status of the same run, going on now in this process, to so many epochs."""
        return replace(
            self,
            state="running",
            epochs=epochs,
            updated=_now(),
            finished=None,
            error=None,
            pid=os.getpid(),
            host=platform.node(),
        )

    def at(self, epoch: int, best_epoch: int | None) -> Self:
        """After an epoch."""
        return replace(self._worked(), epoch=epoch, best_epoch=best_epoch)

    def with_folds(self, done: int) -> Self:
        """After a fold."""
        return replace(self._worked(), folds_done=done)

    def noted(self, kind: str, message: str, **facts: Any) -> Self:
        """With one event more."""
        return replace(self, events=[*self.events, {"kind": kind, "message": message, "time": _now(), **facts}])

    def ended(self, state: State, error: DlrunError | None = None) -> Self:
        """At the end, whichever it is."""
        told = {"message": error.message, "hint": error.hint} if error else None
        now = self._worked()
        return replace(now, state=state, finished=now.updated, error=told)

    def _worked(self) -> Self:
        now = _now()
        worked = datetime.fromisoformat(now) - datetime.fromisoformat(self.updated)
        return replace(self, updated=now, seconds=self.seconds + max(worked.total_seconds(), 0.0))

    @property
    def is_gone(self) -> bool:
        """Whether it says running and its process was on this machine and is no more."""
        return self.state == "running" and self.host == platform.node() and not _is_alive(self.pid)

    def tree(self) -> dict[str, Any]:
        """As status.json has it."""
        return asdict(self)

    @classmethod
    def parse(cls, tree: Mapping[str, Any]) -> Self:
        """From what status.json has; a key that this version does not know is left out.

        Raises:
            ValueError: says what is wrong with it.
        """
        version = tree.get("version")
        if not isinstance(version, int) or version > VERSION:
            raise ValueError(f"its version is {version!r}, and this dlrun knows versions up to {VERSION}")
        tree = {"events": [], "folds": None, "folds_done": 0, **tree}  # which runs before there were such do not have
        absent = [name for name in cls.__dataclass_fields__ if name not in tree]
        if absent:
            raise ValueError(f"it has no {', '.join(absent)}")
        if tree["state"] not in get_args(State):
            raise ValueError(f"state is {tree['state']!r}, expected one of {', '.join(get_args(State))}")
        for name, kind in KINDS.items():
            if not isinstance(tree[name], kind):
                raise ValueError(f"{name} is {tree[name]!r}")
        for name in ("started", "updated"):
            if datetime.fromisoformat(str(tree[name])).tzinfo is None:
                raise ValueError(f"{name} is {tree[name]!r}, which has no time zone")
        return cls(**{name: tree[name] for name in cls.__dataclass_fields__})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":
        # Signal 0 would be Ctrl-C there, so the process is asked for by its handle.
        import ctypes

        query_limited_information, still_active = 0x1000, 259
        handle = ctypes.windll.kernel32.OpenProcess(query_limited_information, False, pid)
        code = ctypes.c_ulong()
        alive = bool(handle) and bool(ctypes.windll.kernel32.GetExitCodeProcess(handle, ctypes.byref(code)))
        ctypes.windll.kernel32.CloseHandle(handle)
        return alive and code.value == still_active
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
