"""`dlrun compare`: runs side by side, with their metrics and what differs in their specs."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dlrun.errors import RunError, UsageError
from dlrun.evaluation.names import ALL_METRICS, higher_is_better
from dlrun.run.files import plain
from dlrun.run.folder import RunFolder
from dlrun.run.history import Row
from dlrun.run.summary import Run, read_run

FACTS: Mapping[str, Callable[[Run], Any]] = {
    "name": lambda run: run.name,
    "state": lambda run: run.state,
    "epoch": lambda run: run.status and run.status.epoch,
    "epochs": lambda run: run.status and run.status.epochs,
    "best_epoch": lambda run: run.status and run.status.best_epoch,
    "started": lambda run: run.status and run.status.started,
    "seconds": lambda run: run.status and round(run.status.seconds, 3),
}
"""What every run has beside metrics and fields, by the name that it can be sorted by."""

SOURCE_NAME = "data.source.name"

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A text in a CSV that starts so is a formula to a spreadsheet."""


@dataclass(frozen=True)
class Comparison:
    """Runs side by side, in the order in which they are shown.

    Args:
        runs: all of them, the unreadable ones last.
    """

    runs: tuple[Run, ...]

    @cached_property
    def metrics(self) -> list[str]:
        """Every metric that some run has: the main ones first, then in the order of the catalogue."""
        found = {name for run in self.runs for name in run.metrics}
        main = [name for run in self.runs if (name := run.main_metric)]
        return [name for name in dict.fromkeys([*main, *ALL_METRICS, *sorted(found)]) if name in found]

    @cached_property
    def differing(self) -> list[str]:
        """The paths of the spec's fields whose value is not the same in all runs; the name, which runs carry, apart.

        A field that only some runs have counts where nothing else says why: not the filters of the one run whose
        architecture is a cnn, nor the columns of another table.
        """
        specs = [run.fields for run in self.runs if run.fields]
        paths = dict.fromkeys(path for fields in specs for path in fields if path != "name")
        varying = {path for path in paths if len({_frozen(fields[path]) for fields in specs if path in fields}) > 1}
        others = varying.__contains__
        return [
            path
            for path in paths
            if path in varying or (any(path not in fields for fields in specs) and not _explained(path, others))
        ]

    @cached_property
    def best(self) -> frozenset[tuple[Path, str]]:
        """(folder, metric) of the best values, among runs with the same main metric and data.

        Values of the validation split are only compared where no run of the group has any of the test split. A value
        that all share is best of nothing.
        """
        best: set[tuple[Path, str]] = set()
        for group in {run.group for run in self.runs}:
            runs = [run for run in self.runs if run.group == group and run.metrics]
            runs = [run for run in runs if run.split == "test"] or runs
            for metric in self.metrics:
                values = [run.metrics[metric] for run in runs if metric in run.metrics]
                if len(set(values)) > 1:
                    top = max(values) if higher_is_better(metric) else min(values)
                    best |= {(run.folder.path, metric) for run in runs if run.metrics.get(metric) == top}
        return frozenset(best)

    def histories(self) -> dict[str, list[Row]]:
        """The epochs of the runs whose curves can lie over one another, by their name.

        Those are the runs with the most common main metric, data and loss.
        """
        histories: dict[str, list[Row]] = {}
        kinds = Counter(_loss_kind(run) for run, _ in self._trained)
        for run, rows in self._trained:
            if _loss_kind(run) == kinds.most_common(1)[0][0]:
                histories[run.name if run.name not in histories else str(run.folder.path)] = rows
        return histories

    @property
    def left_out(self) -> int:
        """How many runs have epochs that are not among the `histories`, as they cannot be compared with them."""
        return len(self._trained) - len(self.histories())

    @cached_property
    def _trained(self) -> list[tuple[Run, list[Row]]]:
        """The runs that have epochs, with them."""
        trained = []
        for run in self.runs:
            try:
                rows = run.folder.history()
            except RunError:
                continue  # what is wrong with a run stands in its `problem`
            if rows:
                trained.append((run, rows))
        return trained

    def rows(self) -> list[dict[str, Any]]:
        """One flat mapping a run: what it is, its metrics, and the fields that differ; the same keys in each."""
        return [
            {
                "run": str(run.folder.path),
                **{name: fact(run) for name, fact in FACTS.items()},
                "problem": run.problem,
                "split": run.split,
                "main_metric": run.main_metric,
                **{metric: run.metrics.get(metric) for metric in self.metrics},
                "deviation": dict(run.deviation),
                "interval_low": run.interval[0] if run.interval else None,
                "interval_high": run.interval[1] if run.interval else None,
                "baselines": dict(run.baselines),
                **{path: run.fields.get(path) for path in self.differing},
            }
            for run in self.runs
        ]

    def to_json(self) -> str:
        """{"metrics": [names], "fields": [paths], "runs": [{…, "best": [metrics in which it is best]}]}."""
        runs = []
        for run, row in zip(self.runs, self.rows(), strict=True):
            names = (*self.metrics, *self.differing)
            runs.append(
                {name: value for name, value in row.items() if name not in names}
                | {"metrics": dict(run.metrics), "best": self._best_of(run)}
                | {"fields": {path: run.fields[path] for path in self.differing if path in run.fields}}
            )
        value = {"metrics": self.metrics, "fields": self.differing, "runs": runs}
        return json.dumps(plain(value), indent=2, allow_nan=False)

    def to_csv(self) -> str:
        """A table for spreadsheets. A text that one would take for a formula gets an apostrophe in front."""
        rows = self.rows()
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([_cell(name) for name in (rows[0] if rows else ())])
        writer.writerows([_cell(value) for value in row.values()] for row in rows)
        return text.getvalue()

    def _best_of(self, run: Run) -> list[str]:
        return [metric for metric in self.metrics if (run.folder.path, metric) in self.best]


def compare(paths: Sequence[Path | str], sort: str | None = None) -> Comparison:
    """Reads all runs below some paths.

    Args:
        paths: folders of runs, runs, and patterns with `*`, `?` and `**`.
        sort: a metric (best first), a field of the spec by its path or the end of it, or a fact such as `seconds`; by
            default the main metric. By a metric, runs are ranked among those with the same main metric and data only.

    Raises:
        UsageError: if a path leads nowhere, all paths are files, or nothing is named as `sort`.
    """
    folders = {folder.resolve(): folder for path in paths for place in _expand(path) for folder in _runs_below(place)}
    if folders and all(folder.is_file() for folder in folders):
        file = next(iter(folders.values()))
        raise UsageError(f"{file} is a file, and a run is a folder", hint=f"name its folder: {file.parent}")
    runs = [read_run(folder) for folder in folders.values()]
    return Comparison(tuple(_sorted(runs, sort)))


def _expand(path: Path | str) -> list[Path]:
    # No shell does it on Windows.
    if Path(path).exists():
        return [Path(path)]
    if found := _matches(Path(path)):
        return found
    from dlrun.spec.near import nearest

    parent = Path(path).parent
    near = nearest(Path(path).name, (child.name for child in parent.iterdir())) if parent.is_dir() else None
    raise UsageError(f"there is nothing at {path}", hint=f"did you mean {parent / near}?" if near else None)


def _matches(pattern: Path) -> list[Path]:
    if not any(sign in str(pattern) for sign in "*?["):
        return []
    try:
        return sorted(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))
    except ValueError as error:
        raise UsageError(f"{pattern} is no pattern: {error}") from error


def _runs_below(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    closed: list[OSError] = []
    for place, folders, files in os.walk(path, onerror=closed.append):
        folder = Path(place)
        if RunFolder.looks_like_run(folder.name or folder.resolve().name, files):
            folders.clear()
            yield folder
        folders[:] = sorted(name for name in folders if not name.startswith("."))
    yield from (Path(error.filename) for error in closed)


def _sorted(runs: Sequence[Run], sort: str | None) -> list[Run]:
    if sort is None:
        return sorted(runs, key=lambda run: _rank(run, run.main_metric))
    if any(sort in run.metrics for run in runs):
        return sorted(runs, key=lambda run: (sort not in run.metrics, _rank(run, sort)))
    if sort in FACTS:
        return sorted(runs, key=lambda run: (_ascending(FACTS[sort](run)), run.name))
    if not runs:
        return []
    path = _field_path(runs, sort)
    return sorted(runs, key=lambda run: (_ascending(run.fields.get(path)), run.name))


def _rank(run: Run, metric: str | None) -> tuple[Any, ...]:
    """The best first within its group, those that have seen the test part before those that have not."""
    value = run.metrics.get(metric or "")
    missing, unseen = value is None, run.split != "test"
    signed = -(value or 0.0) if higher_is_better(metric or "") else value or 0.0
    return run.group, unseen, missing, signed, run.name


def _loss_kind(run: Run) -> tuple[str, ...]:
    return *run.group, str(run.fields.get("loss.kind"))


def _ascending(value: Any) -> tuple[int, float, str]:
    """Numbers before texts, and what is missing last."""
    if isinstance(value, int | float):
        return 0, value, ""
    return (2, 0.0, "") if value is None else (1, 0.0, str(value))


def _field_path(runs: Sequence[Run], name: str) -> str:
    """The path of a field of the specs, from the path or the end of it."""
    paths = dict.fromkeys(path for run in runs for path in run.fields)
    ends = [path for path in paths if path == name or path.endswith(f".{name}")]
    if name in paths or len(ends) == 1:
        return name if name in paths else ends[0]
    if ends:
        raise UsageError(f"cannot sort by {name}: it may be any of {', '.join(ends)}")
    from dlrun.spec.near import nearest

    metrics = dict.fromkeys(metric for run in runs for metric in run.metrics)
    near = nearest(name, [*metrics, *FACTS, *paths, *(path.rpartition(".")[2] for path in paths)])
    raise UsageError(
        f"cannot sort by {name}: no run has such a metric or field",
        hint=f"did you mean {near}?" if near else f"sort by one of {', '.join([*metrics, *FACTS])}, or by a field",
    )


def _frozen(value: Any) -> Any:
    """Something that can stand in a set, and tells 1 from true."""
    return json.dumps(value) if isinstance(value, list | dict) else (type(value), value)


def _explained(path: str, varies: Callable[[str], bool]) -> bool:
    """Whether a field is absent from some runs because of another that varies: the kind of a section above it, or the
    source, whose columns the features are."""
    if path.startswith(("data.features.", "data.target.")) and (varies("data.source.kind") or varies(SOURCE_NAME)):
        return True
    if path.startswith("data.source.types.") and varies("data.source.path"):
        return True
    parents = path.split(".")
    return any(varies(".".join([*parents[:depth], "kind"])) for depth in range(1, len(parents)))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    text = "" if value is None else str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA_STARTS) else text
