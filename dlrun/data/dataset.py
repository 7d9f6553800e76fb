"""Data that is read, split, fitted and encoded: ready for training."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dlrun.data.columns import Table
from dlrun.data.content import content_hashes
from dlrun.data.examples import Examples
from dlrun.data.inference import describe
from dlrun.data.preparation import Preparation
from dlrun.data.signature import Output
from dlrun.data.sources.lazy import LazyColumns
from dlrun.data.splits import Parts

if TYPE_CHECKING:
    import numpy as np

    from dlrun.data.section import Data


@dataclass(frozen=True)
class Dataset:
    """Data that is ready for training.

    Args:
        resolved: the section with nothing left out; a spec that says it all.
        table: what the source gave.
        parts: the row numbers of each part.
        preparation: what was fitted on the train rows.
        train: the encoded rows of each part …
        validation: …
        test: …
        streamed: whether those are on disk.
    """

    resolved: Data
    table: Table
    parts: Parts
    preparation: Preparation
    train: Examples
    validation: Examples
    test: Examples
    streamed: bool = False

    @property
    def splits(self) -> dict[str, Examples]:
        """The parts that have examples, by name: train, validation, test."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: examples for name, examples in parts.items() if len(examples)}

    @property
    def unused(self) -> tuple[str, ...]:
        """The columns of the source that play no part: neither feature nor target, nor what rows are split by."""
        defaults = self.resolved.source.defaults(pathlib.Path())
        used = {*self.preparation.features, *(each.column for each in self.resolved.targets), defaults.time}
        used.add(self.resolved.series_by)
        used.update(self.resolved.split_columns)
        return tuple(name for name in self.table.columns if name not in used)

    @property
    def class_counts(self) -> dict[str, int]:
        """How many train examples each class of the main target has, in the order of their indexes; empty where there
        are no classes."""
        return class_counts(self.preparation.signature.output, self.train)

    def forget(self) -> None:
        """Keeps no column of a table that is not in memory."""
        if isinstance(self.table.columns, LazyColumns):
            self.table.columns.forget()

    def _all_counts(self, examples: Examples) -> dict[str, Any]:
        """How many examples each class has; of several targets by the target."""
        outputs = self.preparation.signature.outputs
        counts = {output.name: class_counts(output, part) for output, part in zip(outputs, examples.each, strict=True)}
        found = {name: each for name, each in counts.items() if each}
        return found if len(outputs) > 1 else counts[outputs[0].name]

    def summary(self) -> dict[str, Any]:
        """What data.json keeps: rows, columns, classes, sizes and content hash of each part, and what was fitted."""
        return dict(self._summary)

    @cached_property
    def _summary(self) -> dict[str, Any]:
        columns = [each.column for each in self.resolved.targets]
        splits: dict[str, dict[str, Any]] = {}
        hashes = content_hashes(self.table, dict(self.parts.items()))
        for (part, rows), examples in zip(self.parts.items(), (self.train, self.validation, self.test), strict=True):
            splits[part] = {"rows": len(rows), "examples": len(examples), "sha256": hashes[part]}
            if counts := self._all_counts(examples):
                splits[part]["classes"] = counts
        found = {
            "source": self.table.name,
            "rows": len(self.table),
            "columns": {name: _summary(values) for name, values in self.table.columns.items()},
            "target": columns[0] if len(columns) == 1 else columns or None,
            "unused": list(self.unused),
            "splits": splits,
            "preparation": self.preparation.tree(),
        }
        self.forget()
        return found


def class_counts(output: Output, examples: Examples) -> dict[str, int]:
    """How many examples each class has, in the order of their indexes; empty where there are no classes."""
    import numpy as np

    counts = np.bincount(examples.target, minlength=len(output.classes)).tolist() if output.classes else []
    return dict(zip(output.classes, counts, strict=True))


def _summary(values: np.ndarray) -> dict[str, Any]:
    column = describe(values)
    summary: dict[str, Any] = {"kind": column.kind, "type": "text" if values.dtype == object else str(values.dtype)}
    if column.shape:
        summary["shape"] = list(column.shape)
    return summary
