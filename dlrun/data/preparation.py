"""From raw columns to what the network takes: the fitted features and target of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from dlrun.data.columns import Table
from dlrun.data.examples import Examples
from dlrun.data.features import Fitted, FittedCategory, FittedDate, FittedNumber, FittedSeries
from dlrun.data.features.target_encoding import OutOfFold
from dlrun.data.features.values import Fault, as_numbers, as_text, complaint
from dlrun.data.fitted_target import FittedClasses, FittedNumbers, FittedTarget
from dlrun.data.series_examples import windows_of
from dlrun.data.series_windows import SeriesInput
from dlrun.data.signature import PACKED, Input, Signature, input_name, pack, reconstruction
from dlrun.errors import DataError
from dlrun.spec.base import Spec
from dlrun.spec.near import nearest

if TYPE_CHECKING:
    import numpy as np
    from keras import KerasTensor

MOST_LISTED = 20
"""Columns that are listed in a message, at most."""


class Preparation(Spec):
    """What was fitted on the train rows. Plain data: `tree()` and `parse()` carry it through JSON to the last bit."""

    features: dict[str, Fitted]
    """The fitted features by column."""
    target: FittedTarget | None = None
    """The fitted target; none where the input is to be reconstructed."""
    further: tuple[FittedTarget, ...] = ()
    """Of several targets those but the main one."""
    time: str | None = None
    """The column with the time of each row."""
    series_by: str | None = None
    """The column that tells several series apart."""
    apart: tuple[str, ...] = ()
    """The columns of numbers and one-hot categories that have an input, and an encoder, of their own."""

    @property
    def series(self) -> FittedSeries | None:
        """The first series, where there are any: window, horizon, step and holes are those of all."""
        return None if self.series_input is None else self.series_input.main

    @property
    def series_input(self) -> SeriesInput | None:
        """The features together where they are series."""
        together = {
            name: each
            for name, each in self.features.items()
            if isinstance(each, FittedSeries | FittedDate)
            or (isinstance(each, FittedCategory) and name == self.series_by)
        }
        if self.time is None or not any(isinstance(each, FittedSeries) for each in together.values()):
            return None
        target = self.target.column if self.target else None
        first = dict(sorted(together.items(), key=lambda pair: pair[0] != target))
        return SeriesInput(first, self.time, self.series_by)

    @property
    def vector_names(self) -> tuple[str, ...]:
        """What each number of the packed input, or of a step of series, is called; empty where there is none."""
        if self.series_input is not None:
            return self.series_input.variables if len(self.series_input.variables) > 1 else ()
        names: list[str] = []
        for name, feature in self.features.items():
            if isinstance(feature, FittedNumber | FittedCategory | FittedDate) and self.is_packed(name):
                names.extend(feature.names(name))
        return tuple(names)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of the network."""
        if self.series_input is not None:
            return self.series_input.inputs
        return pack([feature.input(input_name(name)) for name, feature in self.features.items()], self.apart)

    def is_packed(self, name: str) -> bool:
        """Whether a column shares its input with others."""
        return self.features[name].input(name).kind == "vector" and name not in self.apart

    @property
    def signature(self) -> Signature:
        output = self.target.output if self.target else reconstruction(self.inputs)
        return Signature(self.inputs, output, tuple(target.output for target in self.further))

    @property
    def targets(self) -> tuple[FittedTarget, ...]:
        """All fitted targets, the main one first; none where the input is to be reconstructed."""
        return () if self.target is None else (self.target, *self.further)

    @property
    def each(self) -> tuple[Preparation, ...]:
        """The same features with each target alone, the main one first."""
        if not self.further:
            return (self,)
        return tuple(self.model_copy(update={"target": target, "further": ()}) for target in self.targets)

    @property
    def target_scale(self) -> float:
        """How many units of the data one unit of the network's output is; 1 where they are the same."""
        return self.target.scale if isinstance(self.target, FittedNumbers) else 1.0

    def encode(
        self,
        table: Table,
        rows: np.ndarray | None = None,
        *,
        target: bool = True,
        last: bool = False,
        new: bool = False,
        out_of_fold: OutOfFold | None = None,
    ) -> Examples:
        """Encodes rows of any table in the source's form.

        Args:
            table: with the columns of the features and, where it is asked for, of the target.
            rows: which, (n,), sorted; None: all. A series takes them as rows that follow one another.
            target: whether to encode the target too.
            last: of series, whether to encode the last window of each only.
            new: whether the table is new to a trained model: what is told then is to be mended in it.
            out_of_fold: of train rows: what they are shown of columns whose encoding has learned from the target.

        Raises:
            DataError: columns are missing or of another form, values are missing or cannot be read: all at once,
                with the numbers of the rows; or the input is to be reconstructed, and there are several.
        """
        import numpy as np

        rows = _rows(table, rows)
        if self.series_input is not None:
            return self.windows(table, rows, target=target, last=last, new=new).in_memory()
        columns = self._columns(table, rows, target)
        inputs = self._encode_inputs(columns, out_of_fold)
        if not target:
            nothing = np.zeros((len(rows), 0), np.float32), np.zeros((len(rows), 0))
            return Examples(rows, inputs, *nothing, further=tuple(nothing for _ in self.further))
        if self.target is None:
            given = inputs[self.signature.output.name]
            return Examples(rows, inputs, given, given)
        (main, truth), *further = (_encoded(each, columns[each.column]) for each in self.targets)
        return Examples(rows, inputs, main, truth, further=tuple(further))

    def windows(
        self,
        table: Table,
        rows: np.ndarray | None = None,
        *,
        target: bool = True,
        last: bool = False,
        new: bool = False,
        keep: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> Examples:
        """The windows of series that `encode` gives, made when they are read. Arguments and errors as there.

        Args:
            keep: puts encoded steps, (places, numbers), where they are to be; None: they stay in memory.
        """
        series, numbers = self.series_input, self.target
        if series is None:
            raise ValueError("no feature is a series")
        rows = _rows(table, rows)
        self._check_columns(table, rows, target)
        past = series.find(table, rows, target=target, last=last, new=new)
        if not isinstance(numbers, FittedNumbers):
            numbers = None
        elif target or numbers.column in series.features:
            past = replace(past, values=past.layout.take(table.columns[numbers.column]))
        encoded = {
            name: values if keep is None else keep(values) for name, values in series.encode(table.columns, past.layout)
        }
        return windows_of(series, numbers if target else None, encoded, past)

    def unknown(self, table: Table, rows: np.ndarray | None = None) -> dict[str, tuple[int, tuple[str, ...]]]:
        """The values of categories that are not told apart, since the train rows have them too rarely or not at all:
        by column in how many rows they stand, and up to three of them. Missing values are not counted.

        Args:
            table: as `encode` takes it.
            rows: which, (n,); None: all.
        """
        found: dict[str, tuple[int, tuple[str, ...]]] = {}
        for name, feature in self.features.items():
            if not isinstance(feature, FittedCategory) or name not in table.columns:
                continue
            values = table.columns[name] if rows is None else table.columns[name][rows]
            if unknown := feature.unknown(values):
                found[name] = (len(unknown), tuple(dict.fromkeys(unknown))[:3])
        return found

    def missing(self, table: Table, *, target: bool = False) -> list[str]:
        """A clause for each column that is needed and not there."""
        names = list(self._readers(target))
        if self.series_input is not None:
            names += [each for each in (self.time, self.series_by) if each is not None]
        return _missing_columns([name for name in dict.fromkeys(names) if name not in table.columns], table)

    def faults(self, table: Table, rows: np.ndarray, *, target: bool = False) -> list[tuple[str, Fault]]:
        """What keeps rows from being encoded: columns, and the positions of the rows among those given."""
        if self.series_input is not None and not target:
            return self.series_input.faults(table, rows)
        found = [
            (name, fault)
            for name, readers in self._readers(target).items()
            if name in table.columns
            for reader in readers
            for fault in reader.faults(_cut(table, name, rows))
        ]
        return found if self.series_input is None else found + self.series_input.faults_of_names(table, rows)

    def _readers(self, target: bool) -> dict[str, list[Fitted | FittedTarget]]:
        """What reads each column that is needed."""
        readers: dict[str, list[Fitted | FittedTarget]] = {name: [each] for name, each in self.features.items()}
        for each in self.targets if target else ():
            readers.setdefault(each.column, []).append(each)
        return readers

    def _columns(self, table: Table, rows: np.ndarray, target: bool) -> dict[str, np.ndarray]:
        """The columns that are needed, cut to the rows, after all that is wrong with them has been told."""
        self._check_columns(table, rows, target)
        return {name: _cut(table, name, rows) for name in self._readers(target)}

    def _check_columns(self, table: Table, rows: np.ndarray, target: bool) -> None:
        """Raises DataError with all that is wrong with the columns that are needed."""
        complaints = self.missing(table, target=target)
        complaints += [complaint(name, fault, rows) for name, fault in self.faults(table, rows, target=target)]
        if complaints:
            raise DataError(f"{table.name}: " + "; ".join(dict.fromkeys(complaints)))

    def _encode_inputs(self, columns: dict[str, np.ndarray], out_of_fold: OutOfFold | None) -> dict[str, np.ndarray]:
        """One array for each input of the network, in the order of the signature."""
        import numpy as np

        count = len(next(iter(columns.values())))
        inputs: dict[str, np.ndarray] = {}
        width, filled = len(self.vector_names), 0
        for name, feature in self.features.items():
            if isinstance(feature, FittedSeries):
                continue  # they share an input of their own
            if out_of_fold is not None and isinstance(feature, FittedCategory) and feature.means is not None:
                encoded = out_of_fold.encode(name, feature.indexes(columns[name]))
            else:
                encoded = feature.encode(columns[name])
            if not self.is_packed(name):
                inputs[input_name(name)] = encoded
                continue
            if PACKED not in inputs:
                inputs[PACKED] = np.empty((count, width), np.float32)
            inputs[PACKED][:, filled : filled + encoded.shape[1]] = encoded
            filled += encoded.shape[1]
        return inputs

    def raw_inputs(self) -> dict[str, KerasTensor]:
        """A Keras input for each feature as the data has it, by `input_name`: numbers float32 (1,), dates int64
        (1,), categories and texts string (1,), images uint8 (height, width, channels), series as
        `SeriesInput.raw_inputs` says."""
        if self.series_input is not None:
            return self.series_input.raw_inputs()
        return {input_name(name): feature.raw_input(input_name(name)) for name, feature in self.features.items()}

    def preprocess(self, raw: dict[str, KerasTensor]) -> dict[str, KerasTensor]:
        """The same as `encode`, built of Keras layers that load without dlrun: raw inputs to network inputs."""
        import keras

        if self.series_input is not None:
            return self.series_input.preprocess(raw)
        tensors: dict[str, list[KerasTensor]] = {}
        for name, feature in self.features.items():
            if isinstance(feature, FittedSeries):
                continue
            tensors.setdefault(PACKED if self.is_packed(name) else input_name(name), []).append(
                feature.preprocess(raw[input_name(name)])
            )
        return {
            name: each[0] if len(each) == 1 else keras.ops.concatenate(each, axis=-1) for name, each in tensors.items()
        }

    def restore_raw(self, outputs: KerasTensor, raw: dict[str, KerasTensor]) -> KerasTensor:
        """Outputs of the network for numbers, in the units of the data, built of Keras layers."""
        if not isinstance(self.target, FittedNumbers):
            raise ValueError("the target is no number")
        ids = raw[input_name(self.series_by)] if self.series_by and self.target.each else None
        return self.target.restore_raw(outputs, raw.get(input_name(self.target.column)), ids)

    def raw(self, table: Table, rows: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """The columns of a table as `raw_inputs` takes them.

        Raises:
            DataError: as `encode`.
        """
        import numpy as np

        rows = _rows(table, rows)
        if self.series_input is not None:
            return self.series_input.raw(table.columns, self.series_input.find(table, rows, target=False, last=False))
        raw: dict[str, np.ndarray] = {}
        for name, values in self._columns(table, rows, target=False).items():
            feature = self.features[name]
            match feature.kind:
                case "number":
                    raw[input_name(name)] = as_numbers(values)[0].astype(np.float32).reshape(len(values), -1)
                case "date":
                    raw[input_name(name)] = feature.raw(values)
                case "category" | "text":
                    raw[input_name(name)] = np.array([[text or ""] for text in as_text(values)], object)
                case _:
                    raw[input_name(name)] = values.reshape(len(values), *feature.input(name).shape)
        return raw


def _encoded(target: FittedTarget, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A target as the loss takes it, and in the units of the data."""
    if isinstance(target, FittedClasses):
        classes = target.encode(values)
        return classes, classes
    truth = target.truth(values)
    return target.scaled(truth), truth


def _rows(table: Table, rows: np.ndarray | None) -> np.ndarray:
    """Which rows are meant: those given, or all."""
    import numpy as np

    return np.arange(len(table), dtype=np.int64) if rows is None else rows


def _cut(table: Table, name: str, rows: np.ndarray) -> np.ndarray:
    return table.columns[name] if len(rows) == len(table) else table.columns[name][rows]


def _missing_columns(names: list[str], table: Table) -> list[str]:
    """A clause for each column that is not there, with the nearest one; where there is none, all are listed once."""
    nearby = {name: nearest(name, table.columns) for name in names}
    clauses = [
        f"the column {name} is missing" + (f" (did you mean {nearby[name]}?)" if nearby[name] else "") for name in names
    ]
    if not all(nearby.values()) and len(table.columns) <= MOST_LISTED:
        clauses.append(f"the columns are: {', '.join(table.columns)}")
    return clauses
