"""Series together: which rows make an example, and how several variables become one input."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeGuard

from dlrun.data.columns import Table
from dlrun.data.features.category import FittedCategory
from dlrun.data.features.date import FittedDate
from dlrun.data.features.series import FittedSeries
from dlrun.data.features.steps import windows
from dlrun.data.features.values import Fault, as_text, is_missing, missing_fault
from dlrun.data.layout import Layout, Past, lay_out, numbered
from dlrun.data.series_ends import EndFault, series_ends
from dlrun.data.signature import Input, input_name
from dlrun.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from keras import KerasTensor

TOGETHER = "series"
"""The input that several variables share."""


@dataclass(frozen=True)
class SeriesInput:
    """The features of a network that reads series: they share one input, beside which the name of each may be embedded.

    Args:
        features: by column, the target first where it is among them; one series at least is not known in advance. The
            date is that of the time column, and the category that of the column that tells the series apart.
        time: the column with the time of each row.
        by: the column that tells several series apart.
    """

    features: Mapping[str, FittedSeries | FittedDate | FittedCategory]
    time: str
    by: str | None = None

    @property
    def main(self) -> FittedSeries:
        """The first series: window, horizon, step and holes are those of all."""
        return next(each for each in self.features.values() if isinstance(each, FittedSeries))

    @property
    def name(self) -> FittedCategory | None:
        """What tells the network which series it reads, one-hot or embedded; None where nothing does."""
        return next((each for each in self.features.values() if isinstance(each, FittedCategory)), None)

    @property
    def steps(self) -> dict[str, FittedSeries | FittedDate | FittedCategory]:
        """The features whose numbers stand at each step: all but a name that is embedded."""
        return {name: each for name, each in self.features.items() if not is_embedded(each)}

    @property
    def variables(self) -> tuple[str, ...]:
        """What each number of a step is called."""
        return tuple(each for name in self.steps for each in self.names(name))

    def names(self, column: str) -> tuple[str, ...]:
        """What each number is called that a column adds to a step."""
        feature = self.features[column]
        if isinstance(feature, FittedDate):
            return calendar_names(feature, column, self.main.horizon)
        return feature.names(column)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """That of the steps, and where the name of the series is embedded, that of its index."""
        embedded = [each.input(input_name(name)) for name, each in self.features.items() if is_embedded(each)]
        return (series_input(list(self.steps), self.main.window, self.variables), *embedded)

    @property
    def past(self) -> int:
        """How many rows, up to the last known one, an example needs."""
        return max(each.past for each in self.features.values() if isinstance(each, FittedSeries))

    @property
    def known(self) -> tuple[str, ...]:
        """The columns whose values must be there for the steps that are forecast."""
        names = [name for name, each in self.features.items() if isinstance(each, FittedSeries) and each.known]
        return (self.time, *names) if names or (self.has_calendar and self.main.holes == "ignore") else ()

    @property
    def has_calendar(self) -> bool:
        """Whether the times of the steps enter the network, which go on by themselves."""
        return any(isinstance(each, FittedDate) for each in self.features.values())

    @property
    def unknown(self) -> tuple[str, ...]:
        """The columns that are read up to the last known step only."""
        return tuple(name for name, each in self.features.items() if isinstance(each, FittedSeries) and not each.known)

    @property
    def has_own_scales(self) -> bool:
        """Whether each series is scaled by itself."""
        return any(isinstance(each, FittedSeries) and each.each is not None for each in self.features.values())

    def faults(self, table: Table, rows: np.ndarray) -> list[tuple[str, Fault]]:
        """What keeps rows from being forecast, of which the last may hold only what is known in advance: columns, and
        the positions of the rows among those given."""
        import numpy as np

        found = self.faults_of_names(table, rows) or self._unknown_names(table, rows)
        given = np.flatnonzero(~self.ahead(table, rows))
        for name, feature in self.features.items():
            if name not in table.columns:
                continue
            read = given if name in self.unknown else np.arange(len(rows))
            for fault in feature.faults(table.columns[name][rows[read]]):
                at = None if fault.positions is None else read[fault.positions]
                found.append((name, replace(fault, positions=at)))
        return found

    def faults_of_names(self, table: Table, rows: np.ndarray) -> list[tuple[str, Fault]]:
        """What is wrong with the names of the series: missing ones, and those that need a scale and have none."""
        if self.by is None or self.by not in table.columns:
            return []
        ids = table.columns[self.by][rows]
        if faults := missing_fault(ids):
            return [(self.by, fault) for fault in faults]
        scaled = [each.each for each in self.features.values() if isinstance(each, FittedSeries) and each.each]
        return [(self.by, fault) for fault in _strange(ids, scaled[0])] if scaled else []

    def _unknown_names(self, table: Table, rows: np.ndarray) -> list[tuple[str, Fault]]:
        """The series of which the network is told the name, and has learned nothing under it."""
        name = self.name
        if name is None or name.has_unknown or self.by is None or self.by not in table.columns:
            return []
        return [(self.by, fault) for fault in _strange(table.columns[self.by][rows], frozenset(name.categories))]

    def ahead(self, table: Table, rows: np.ndarray) -> np.ndarray:
        """Which of the rows hold only what is known in advance: those of each series behind the last that has all of
        the columns that are not, (rows,) bool."""
        import numpy as np

        if not self.known or any(
            name not in table.columns for name in (*self.unknown, *((self.by,) if self.by else ()))
        ):
            return np.zeros(len(rows), bool)
        complete = ~np.any([is_missing(table.columns[name][rows]) for name in self.unknown], axis=0)
        series = np.zeros(len(rows), np.int64) if self.by is None else numbered(table.columns[self.by][rows])[1]
        places = np.arange(len(rows))
        last = np.full(series.max(initial=0) + 1, -1)
        np.maximum.at(last, series[complete], places[complete])
        ahead: np.ndarray = places > last[series]
        return ahead

    def find(self, table: Table, rows: np.ndarray, *, target: bool, last: bool, new: bool = False) -> Past:
        """Where windows end, in the order of the rows.

        Args:
            rows: which rows, (n,), sorted; they follow one another.
            target: whether an example has the steps that are forecast.
            last: whether only the last window of each series is wanted.
            new: whether the table is new to a trained model, whose window stands.

        Raises:
            DataError: the times of a series do not rise, there is no window, or, with `last`, a series has none at
                its end; or what is known in advance is missing there.
        """
        import numpy as np

        layout, behind, follows = self._laid_out(table, rows, target=target)
        if last:
            ends = series_ends(self, layout, behind, follows=follows)
            if wrong := [each.fault for each in ends if each.fault is not None]:
                others = f"; {len(wrong)} series are like that" if len(wrong) > 1 else ""
                raise DataError(f"{table.name}: {wrong[0].told}{others}", hint=wrong[0].hint)
            chosen = np.concatenate([each.places for each in ends]) if ends else np.zeros(0, np.int64)
            layout, behind = layout.kept(chosen), behind[chosen]
        steps = self.main.horizon if follows else 0
        origins = self.main.origins(layout.stamps, steps, past=self.past, series=layout.series)
        origins = origins[~behind[origins]]
        if len(rows) and not len(origins):
            raise self._none(table.name, len(layout), steps, new=new or not target)
        return Past(layout, origins[np.argsort(layout.rows[origins], kind="stable")])

    def without_end(self, table: Table, rows: np.ndarray) -> list[tuple[np.ndarray, EndFault]]:
        """The series that cannot be forecast from their end: the rows of each, (n,), and why.

        Args:
            rows: as `find` takes them, of new data.

        Raises:
            DataError: the times of a series do not rise.
        """
        layout, behind, follows = self._laid_out(table, rows, target=False)
        parts, ends = layout.parts(), series_ends(self, layout, behind, follows=follows)
        found = [(layout.rows[places], end.fault) for places, end in zip(parts, ends, strict=True) if end.fault]
        return [(own[own >= 0], fault) for own, fault in found]

    def _laid_out(self, table: Table, rows: np.ndarray, *, target: bool) -> tuple[Layout, np.ndarray, bool]:
        """The rows series by series, which of the places hold only what is known in advance, and whether an example
        has the steps of the horizon."""
        import numpy as np

        layout = lay_out(table, self.time, self.by, rows)
        follows = bool(target or self.known)
        behind = np.zeros(len(layout), bool)
        if not target:
            future = np.zeros(len(table), bool)
            future[rows] = self.ahead(table, rows)
            behind = future[layout.rows]
            if not self.known and self.has_calendar:
                layout, follows = layout.extended(self.main), True
                behind = layout.rows < 0
        return layout, behind, follows

    def _none(self, name: str, count: int, steps: int, *, new: bool) -> DataError:
        """That there is no window."""
        counted = "1 row holds" if count == 1 else f"{count} rows hold"
        ahead = f" and {steps} next" if steps else ""
        hint = "a smaller window or horizon, more rows, or holes: ignore if the times have gaps by nature"
        if new:
            hint = "more rows, or those that are missing between others"
        return DataError(f"{name}: {counted} no window of {self.past} past{ahead} steps", hint=hint)

    def encode(self, columns: Mapping[str, np.ndarray], layout: Layout) -> Iterator[tuple[str, np.ndarray]]:
        """The columns of the whole table, (rows,) each, of which `windows` are made: the name of each, and float32
        (places, numbers). What tells the series apart is not among them: it is the same at all places of one."""
        ids = layout.ids if self.has_own_scales else None
        for name, feature in self.features.items():
            if isinstance(feature, FittedDate):
                yield name, feature.encode(layout.stamps)
            elif isinstance(feature, FittedSeries):
                yield name, feature.encode(layout.take(columns[name]), ids)

    def windows(self, encoded: Mapping[str, np.ndarray], past: Past) -> np.ndarray:
        """What `encode` gives, by column, to float32 (windows, window, variables)."""
        import numpy as np

        found, window = [], self.main.window
        for name, feature in self.steps.items():
            if isinstance(feature, FittedDate):
                found.append(windows(encoded[name], past.origins + self.main.horizon - window + 1, window))
            elif isinstance(feature, FittedCategory):
                which = feature.encode(np.array(past.layout.names or (), object))[past.layout.series[past.origins]]
                found.append(np.broadcast_to(which[:, None], (len(which), window, which.shape[1])))
            else:
                found.append(feature.windows(encoded[name], past.origins))
        return found[0] if len(found) == 1 else np.concatenate(found, axis=2)

    def indexes(self, past: Past) -> np.ndarray | None:
        """Of a name that is embedded, which it is of each window, int32 (windows,); None where none is."""
        import numpy as np

        if self.name is None or not is_embedded(self.name):
            return None
        found: np.ndarray = self.name.indexes(np.array(past.layout.names or (), object))[
            past.layout.series[past.origins]
        ]
        return found

    def raw_inputs(self) -> dict[str, KerasTensor]:
        """A Keras input for each column: series float32 (past, 1), known ones (past + horizon, 1), a date the
        microseconds since 1970 of the `window` rows up to the last of the horizon, int64 (window, 1), and, where it
        enters the network or its scale is its own, the name of the series, string (1,)."""
        import keras

        raw = {
            input_name(name): keras.Input((self.main.window, 1), name=input_name(name), dtype="int64")
            if isinstance(each, FittedDate)
            else each.raw_input(input_name(name))
            for name, each in self.features.items()
        }
        if self.has_own_scales and self.by is not None:
            raw.setdefault(input_name(self.by), keras.Input((1,), name=input_name(self.by), dtype="string"))
        return raw

    def preprocess(self, raw: Mapping[str, KerasTensor]) -> dict[str, KerasTensor]:
        """The same as `encode`, built of Keras layers."""
        from keras import ops

        ids = raw[input_name(self.by)] if self.has_own_scales and self.by is not None else None
        encoded, apart = [], {}
        for name, each in self.features.items():
            given = raw[input_name(name)]
            if isinstance(each, FittedDate):
                encoded.append(self._dates(each, given))
            elif is_embedded(each):
                apart[input_name(name)] = each.preprocess(given)
            elif isinstance(each, FittedCategory):
                encoded.append(ops.repeat(ops.expand_dims(each.preprocess(given), 1), self.main.window, axis=1))
            else:
                encoded.append(each.preprocess(given, ids))
        steps = encoded[0] if len(encoded) == 1 else ops.concatenate(encoded, axis=-1)
        return {self.inputs[0].name: steps, **apart}

    def _dates(self, feature: FittedDate, raw: KerasTensor) -> KerasTensor:
        """(batch, window, 1) to (batch, window, numbers)."""
        from keras import ops

        encoded = feature.preprocess(ops.reshape(raw, (-1, 1)))
        return ops.reshape(encoded, (-1, self.main.window, encoded.shape[-1]))

    def raw(self, columns: Mapping[str, np.ndarray], past: Past) -> dict[str, np.ndarray]:
        """The columns of a table as `raw_inputs` takes them, (windows, …) each."""
        import numpy as np

        raw: dict[str, np.ndarray] = {}
        if self.by is not None and past.ids is not None and (self.has_own_scales or self.by in self.features):
            raw[input_name(self.by)] = past.ids[:, None]
        for name, each in self.features.items():
            if isinstance(each, FittedCategory):
                continue
            if isinstance(each, FittedDate):
                first = past.origins + self.main.horizon - self.main.window + 1
                found = windows(each.raw(past.layout.stamps)[:, 0], first, self.main.window)
            else:
                steps = each.past + (each.horizon if each.known else 0)
                values = past.layout.take(columns[name]).astype(np.float32)
                found = windows(values, past.origins - each.past + 1, steps)
            raw[input_name(name)] = found[:, :, None]
        return raw


def is_embedded(feature: FittedSeries | FittedDate | FittedCategory) -> TypeGuard[FittedCategory]:
    """Whether a feature is the name of the series as an index, which the network makes a vector of."""
    return isinstance(feature, FittedCategory) and feature.encoding == "embedding"


def _strange(ids: np.ndarray, known: Container[str]) -> list[Fault]:
    """The names of series that are not known, (rows,)."""
    import numpy as np

    texts = as_text(ids)
    strange = np.array([place for place, text in enumerate(texts) if text not in known], np.int64)
    if not len(strange):
        return []
    return [Fault("a series that the train rows do not have", strange, texts[strange[0]])]


def calendar_names(date: FittedDate, name: str, horizon: int) -> tuple[str, ...]:
    """What each number is called that the date of the step `horizon` after it adds to a step."""
    return tuple(f"{each} +{horizon}" for each in date.names(name))


def series_input(columns: list[str], window: int, variables: tuple[str, ...]) -> Input:
    """The one input of a network that reads series; it is called as its column where that is the only one."""
    name = input_name(columns[0]) if len(columns) == 1 else TOGETHER
    return Input(name, "series", (window, len(variables)), variables=variables)
