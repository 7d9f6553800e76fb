"""A run at a glance, whatever state it is in: what `compare` shows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dlrun.errors import RunError
from dlrun.run.folder import RunFolder
from dlrun.run.status import Status

DATA = ("data.source.kind", "data.source.name", "data.source.path", "data.target.column")
"""The fields that tell what the data of a run is."""


@dataclass(frozen=True)
class Run:
    """One run, or what is left of one.

    Args:
        folder: where it is.
        state: running, finished, failed, interrupted, stopped (it was killed) or broken.
        problem: why it is not finished, or what of it cannot be read.
        status: where it stands; None if that cannot be read.
        split: test, or validation where there are no metrics of the test part.
        metrics: those of the split by name; of a run without final metrics, those of its best epoch.
        interval: of the main metric, low and high.
        deviation: of several folds, the standard deviation of each metric, whose mean `metrics` has.
        baselines: the main metric of each trivial baseline, by its name.
        fields: the values of its resolved spec by path.
    """

    folder: RunFolder
    state: str
    problem: str | None = None
    status: Status | None = None
    split: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    interval: tuple[float, float] | None = None
    baselines: Mapping[str, float] = field(default_factory=dict)
    deviation: Mapping[str, float] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def main_metric(self) -> str | None:
        return self.status.main_metric if self.status else None

    @property
    def group(self) -> tuple[str, ...]:
        """The main metric and what the data is: only runs that share them can be ranked. What is unknown comes last."""
        return self.main_metric or "~", *(str(self.fields.get(path) or "") for path in DATA)

    @property
    def main(self) -> float | None:
        """The value of the main metric."""
        return self.metrics.get(self.main_metric or "")


def read_run(path: Path) -> Run:
    """What there is to know of a run at a glance. Never raises: what is wrong with it stands in its `problem`."""
    folder = RunFolder(path)
    if not path.is_dir():
        return Run(folder, "broken", "it is a file, and a run is a folder")
    try:
        status = folder.status()
    except RunError as error:
        return Run(folder, "broken", error.message)
    state, problem = _state(status)
    run = Run(folder, state, problem, status)
    for reading in (_with_fields, _with_metrics):
        try:
            run = reading(run)
        except RunError as error:
            run = replace(run, problem=run.problem or error.message)
    return run


def _state(status: Status) -> tuple[str, str | None]:
    if status.is_gone:
        return "stopped", "its process is gone"
    if status.state == "failed":
        return "failed", str((status.error or {}).get("message") or "it does not say why")
    return status.state, None


def _with_fields(run: Run) -> Run:
    return replace(run, fields=run.folder.resolved_fields())


def _with_metrics(run: Run) -> Run:
    """The run with what is known of its quality: the final metrics, or those of the best epoch so far."""
    if not run.folder.has_metrics:
        if run.state == "finished":
            raise RunError(f"{run.folder.path} has no metrics, though it says that it is finished")
        return replace(run, split="validation", metrics=_so_far(run))
    metrics = run.folder.metrics()
    split = "test" if _scalars(metrics.get("test")) else "validation"
    intervals = _mapping(_mapping(metrics.get(split)).get("interval"))
    return replace(
        run,
        split=split,
        metrics=_scalars(metrics.get(split)),
        deviation=_scalars(_mapping(metrics.get("deviation")).get(split)),
        interval=_pair(intervals.get(run.main_metric or "")),
        baselines={
            name: values[run.main_metric]
            for name, tree in _mapping(metrics.get("baseline")).items()
            if run.main_metric in (values := _scalars(tree))
        },
    )


def _so_far(run: Run) -> dict[str, float]:
    if run.status is None or run.status.epoch == 0:
        return {}
    best = run.status.best_epoch or run.status.epoch
    row = next((row for row in run.folder.history() if row.get("epoch") == best), {})
    names = {column.removeprefix("validation_"): value for column, value in row.items() if "validation_" in column}
    return {name: value for name, value in _scalars(names).items() if name != "loss"}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _scalars(value: Any) -> dict[str, float]:
    return {name: item for name, item in _mapping(value).items() if isinstance(item, int | float)}


def _pair(value: Any) -> tuple[float, float] | None:
    match value:
        case [int() | float() as low, int() | float() as high]:
            return low, high
        case _:
            return None
