"""Series together: which rows make an example, and how several variables of them become one input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dlrun.data.columns import Table
from dlrun.data.features.date import FittedDate
from dlrun.data.features.series import FittedSeries, check_stamps, windows
from dlrun.data.features.values import Fault, as_numbers, as_text, is_missing, missing_fault
from dlrun.data.signature import Input, input_name
from dlrun.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from keras import KerasTensor

TOGETHER = "series"
"""The input that several variables share."""

MOST_NAMED = 5
"""Series that a message names, at most."""


@dataclass(frozen=True)
class Layout:
    """The rows of a table, series by series, each in order of time.

    Args:
        rows: which row stands at each place, int64 (places,); -1 for a step behind the last row of a series.
        stamps: their times, datetime64[us] (places,).
        series: which series each belongs to, counted from 0, int64 (places,).
        names: of the series, as text; empty where the table is one series.
    """

    rows: np.ndarray
    stamps: np.ndarray
    series: np.ndarray
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def ids(self) -> np.ndarray | None:
        """The name of the series of each place, (places,) object; None where there is one."""
        import numpy as np

        return np.array(self.names, object)[self.series] if self.names else None

    def kept(self, places: np.ndarray) -> Layout:
        """Some of the places, (kept,) positions or true where kept."""
        return replace(self, rows=self.rows[places], stamps=self.stamps[places], series=self.series[places])

    def take(self, values: np.ndarray) -> np.ndarray:
        """The numbers of a column, float64 (places,); NaN where there is no row."""
        import numpy as np

        numbers: np.ndarray = as_numbers(values)[0][self.rows]
        numbers[self.rows < 0] = np.nan
        return numbers

    def parts(self) -> list[np.ndarray]:
        """The places of each series."""
        import numpy as np

        return np.split(np.arange(len(self)), np.flatnonzero(np.diff(self.series)) + 1) if len(self) else []

    def extended(self, series: FittedSeries) -> Layout:
        """With the steps of one horizon behind the last row of each series."""
        import numpy as np

        rows, stamps, numbers = [], [], []
        for places in self.parts():
            times = self.stamps[places]
            next_times = series.next_times(times, np.array([len(times) - 1]))[0]
            rows += [self.rows[places], np.full(series.horizon, -1)]
            stamps += [times, next_times]
            numbers.append(np.full(len(times) + series.horizon, self.series[places[0]]))
        return Layout(np.concatenate(rows), np.concatenate(stamps), np.concatenate(numbers), self.names)


def lay_out(table: Table, time: str, by: str | None, rows: np.ndarray | None = None) -> Layout:
    """The rows of a table, series by series.

    Args:
        time: the column with the time of each row.
        by: the column that tells the series apart.
        rows: which rows, (n,), sorted; None: all.

    Raises:
        DataError: the times of a series do not rise, or are none.
    """
    import numpy as np

    rows = np.arange(len(table), dtype=np.int64) if rows is None else rows
    stamps = table.columns[time][rows]
    if stamps.dtype.kind != "M":
        raise DataError(f"{table.name}: the column {time} does not hold times")
    if by is None:
        check_stamps(stamps, time, rows)
        return Layout(rows, stamps, np.zeros(len(rows), np.int64))
    texts = np.array([text or "" for text in as_text(table.columns[by][rows])], object)
    names, series = np.unique(texts.astype(str), return_inverse=True)
    order = np.argsort(series, kind="stable")
    layout = Layout(rows[order], stamps[order], series[order].astype(np.int64), tuple(names.tolist()))
    for places in layout.parts():
        name = layout.names[layout.series[places[0]]]
        check_stamps(layout.stamps[places], time, layout.rows[places], of=f"{by} {name}")
    return layout


@dataclass(frozen=True)
class Past:
    """Where the forecasts of a series begin, and what came before.

    Args:
        layout: the rows, series by series.
        origins: the places of the last past steps, (windows,).
        values: of the target, in the units of the data, float64 (places,); None where it was not given.
    """

    layout: Layout
    origins: np.ndarray
    values: np.ndarray | None = None

    @property
    def rows(self) -> np.ndarray:
        """The rows of the last past steps, (windows,)."""
        rows: np.ndarray = self.layout.rows[self.origins]
        return rows

    @property
    def ids(self) -> np.ndarray | None:
        """The name of the series of each window, (windows,) object; None where there is one."""
        ids = self.layout.ids
        return None if ids is None else ids[self.origins]

    @property
    def time_index(self) -> np.ndarray:
        """Which of all the times of the rows, counted from 0, is that of the last past step, (windows,)."""
        import numpy as np

        index: np.ndarray = np.unique(self.layout.stamps, return_inverse=True)[1][self.origins]
        return index

    def last(self, steps: int) -> np.ndarray:
        """The last values of the target that are known, (windows, steps), oldest first."""
        if self.values is None:
            raise ValueError("the target's past is not known")
        return windows(self.values, self.origins - steps + 1, steps)

    def next_times(self, series: FittedSeries, *, given: bool) -> np.ndarray:
        """The times of the steps that are forecast, datetime64[us] (windows, horizon).

        Args:
            given: whether their rows are there.
        """
        import numpy as np

        if given:
            return windows(self.layout.stamps, self.origins + 1, series.horizon)
        found = np.empty((len(self.origins), series.horizon), "datetime64[us]")
        for places in self.layout.parts():
            inside = (self.origins >= places[0]) & (self.origins <= places[-1])
            found[inside] = series.next_times(self.layout.stamps[places], self.origins[inside] - places[0])
        return found


@dataclass(frozen=True)
class SeriesInput:
    """The features of a network that reads series: they share one input.

    Args:
        features: by column, the target first where it is among them; one series at least is not known in advance.
        time: the column with the time of each row.
        by: the column that tells several series apart.
    """

    features: Mapping[str, FittedSeries | FittedDate]
    time: str
    by: str | None = None

    @property
    def main(self) -> FittedSeries:
        """The first series: window, horizon, step and holes are those of all."""
        return next(each for each in self.features.values() if isinstance(each, FittedSeries))

    @property
    def variables(self) -> tuple[str, ...]:
        """What each number of a step is called."""
        return tuple(
            each
            for name, feature in self.features.items()
            for each in (
                calendar_names(feature, name, self.main.horizon)
                if isinstance(feature, FittedDate)
                else feature.names(name)
            )
        )

    @property
    def input(self) -> Input:
        return series_input(list(self.features), self.main.window, self.variables)

    @property
    def past(self) -> int:
        """How many rows, up to the last known one, an example needs."""
        return max(each.past for each in self.features.values() if isinstance(each, FittedSeries))

    @property
    def known(self) -> tuple[str, ...]:
        """The columns whose values must be there for the steps that are forecast."""
        names = [name for name, each in self.features.items() if isinstance(each, FittedSeries) and each.known]
        has_calendar = any(isinstance(each, FittedDate) for each in self.features.values())
        return (self.time, *names) if names or (has_calendar and self.main.holes == "ignore") else ()

    @property
    def unknown(self) -> tuple[str, ...]:
        """The columns that are read up to the last known step only."""
        return tuple(name for name, each in self.features.items() if isinstance(each, FittedSeries) and not each.known)

    @property
    def has_own_scales(self) -> bool:
        """Whether each series is scaled by itself."""
        return any(isinstance(each, FittedSeries) and each.each is not None for each in self.features.values())

    def faults(self, ids: np.ndarray) -> list[Fault]:
        """What is wrong with the names of the series, (rows,)."""
        import numpy as np

        if faults := missing_fault(ids):
            return faults
        scales = [each.each for each in self.features.values() if isinstance(each, FittedSeries) and each.each]
        if not scales:
            return []
        texts = as_text(ids)
        strange = np.array([place for place, text in enumerate(texts) if text not in scales[0]], np.int64)
        if not len(strange):
            return []
        return [Fault("a series that the train rows do not have", strange, texts[strange[0]])]

    def ahead(self, table: Table, rows: np.ndarray) -> np.ndarray:
        """Which of the rows hold only what is known in advance: those of each series behind the last that has all of
        the columns that are not, (rows,) bool."""
        import numpy as np

        if not self.known or any(
            name not in table.columns for name in (*self.unknown, *((self.by,) if self.by else ()))
        ):
            return np.zeros(len(rows), bool)
        complete = ~np.any([is_missing(table.columns[name][rows]) for name in self.unknown], axis=0)
        found = np.ones(len(rows), bool)
        ids = (
            np.zeros(len(rows))
            if self.by is None
            else np.array([text or "" for text in as_text(table.columns[self.by][rows])])
        )
        for name in np.unique(ids):
            places = np.flatnonzero(ids == name)
            last = np.flatnonzero(complete[places])
            found[places[: last[-1] + 1 if len(last) else 0]] = False
        return found

    def find(self, table: Table, rows: np.ndarray, *, target: bool, last: bool) -> Past:
        """Where windows end, in the order of the rows.

        Args:
            rows: which rows, (n,), sorted; they follow one another.
            target: whether an example has the steps that are forecast.
            last: whether only the last window of each series is wanted.

        Raises:
            DataError: the times of a series do not rise, there is no window, or, with `last`, a series has none at
                its end; or what is known in advance is missing there.
        """
        import numpy as np

        layout = lay_out(table, self.time, self.by, rows)
        follows = bool(target or self.known)
        behind = np.zeros(len(layout), bool)
        if not target:
            future = np.zeros(len(table), bool)
            future[rows] = self.ahead(table, rows)
            behind = future[layout.rows]
            if not self.known and len(self.unknown) < len(self.features):  # a calendar, whose times go on by themselves
                layout, follows = layout.extended(self.main), True
                behind = layout.rows < 0
        if last:
            layout, behind = self._ends(table.name, layout, behind, follows)
        steps = self.main.horizon if follows else 0
        origins = self.main.origins(layout.stamps, steps, past=self.past, series=layout.series)
        origins = origins[~behind[origins]]
        if len(rows) and (not len(origins) or (last and len(origins) < len(layout.parts()))):
            raise self._none(table.name, layout, origins, steps)
        return Past(layout, origins[np.argsort(layout.rows[origins], kind="stable")])

    def _ends(self, name: str, layout: Layout, behind: np.ndarray, follows: bool) -> tuple[Layout, np.ndarray]:
        """Only the places of the last window of each series, and of the horizon after it."""
        import numpy as np

        kept, short = [], []
        for places in layout.parts():
            end = int(np.count_nonzero(~behind[places]))
            if follows and len(places) - end < self.main.horizon:
                short.append((places, end))
            kept.append(places[max(0, end - self.past) : end + (self.main.horizon if follows else 0)])
        if short:
            raise self._short(name, layout, short)
        chosen = np.concatenate(kept) if kept else np.zeros(0, np.int64)
        return layout.kept(chosen), behind[chosen]

    def _short(self, name: str, layout: Layout, short: list[tuple[np.ndarray, int]]) -> DataError:
        """That rows with what is known in advance are missing, and what to write."""
        places, end = short[0]
        of = f" of {self.by} {layout.names[layout.series[places[0]]]}" if self.by else ""
        others = f"; {len(short)} series are like that" if len(short) > 1 else ""
        there = len(places) - end
        found = f"there {'is 1' if there == 1 else f'are {there}'}" if there else "there is none"
        needed = "row" if self.main.horizon == 1 else f"{self.main.horizon} rows"
        after = f"after row {layout.rows[places[end - 1]] + 1}" if end else "after a row with values"
        return DataError(
            f"{name}: the forecast needs the next {needed}{of} {after}, "
            f"with {' and '.join(self.known)}, but {found}{others}",
            hint=f"write them below, and leave {', '.join(self.unknown)} empty; "
            "or --every-window to forecast wherever the next rows are there",
        )

    def _none(self, name: str, layout: Layout, origins: np.ndarray, steps: int) -> DataError:
        """That there is no window, or none at the end of some series."""
        import numpy as np

        where, count = name, len(layout)
        if self.by is not None and len(origins):
            without = np.setdiff1d(layout.series, layout.series[origins])
            named = [layout.names[each] for each in without[:MOST_NAMED].tolist()]
            where = f"{name}: {self.by} {', '.join(named)}{', …' if len(without) > MOST_NAMED else ''}"
            count = int(np.isin(layout.series, without).sum())
        counted = "1 row holds" if count == 1 else f"{count} rows hold"
        ahead = f" and {steps} next" if steps else ""
        return DataError(
            f"{where}: {counted} no window of {self.past} past{ahead} steps",
            hint="a smaller window or horizon, more rows, or holes: ignore if the times have gaps by nature",
        )

    def encode(self, columns: Mapping[str, np.ndarray], past: Past) -> np.ndarray:
        """The columns of the whole table, (rows,) each, to float32 (windows, window, variables)."""
        import numpy as np

        layout, encoded = past.layout, []
        ids = layout.ids if self.has_own_scales else None
        for name, feature in self.features.items():
            if isinstance(feature, FittedDate):
                later = past.origins[:, None] + self.main.horizon + np.arange(1 - self.main.window, 1)
                encoded.append(feature.encode(layout.stamps)[later])
            else:
                encoded.append(feature.encode(layout.take(columns[name]), past.origins, ids))
        return encoded[0] if len(encoded) == 1 else np.concatenate(encoded, axis=2)

    def raw_inputs(self) -> dict[str, KerasTensor]:
        """A Keras input for each column: series float32 (past, 1), known ones (past + horizon, 1), a date the
        microseconds since 1970 of the `window` rows up to the last of the horizon, int64 (window, 1), and, where each
        series is scaled by itself, its name, string (1,)."""
        import keras

        raw = {
            input_name(name): keras.Input((self.main.window, 1), name=input_name(name), dtype="int64")
            if isinstance(each, FittedDate)
            else each.raw_input(input_name(name))
            for name, each in self.features.items()
        }
        if self.has_own_scales and self.by is not None:
            raw[input_name(self.by)] = keras.Input((1,), name=input_name(self.by), dtype="string")
        return raw

    def preprocess(self, raw: Mapping[str, KerasTensor]) -> KerasTensor:
        """The same as `encode`, built of Keras layers."""
        from keras import ops

        ids = raw[input_name(self.by)] if self.has_own_scales and self.by is not None else None
        encoded = [
            self._dates(each, raw[input_name(name)])
            if isinstance(each, FittedDate)
            else each.preprocess(raw[input_name(name)], ids)
            for name, each in self.features.items()
        ]
        return encoded[0] if len(encoded) == 1 else ops.concatenate(encoded, axis=-1)

    def _dates(self, feature: FittedDate, raw: KerasTensor) -> KerasTensor:
        """(batch, window, 1) to (batch, window, numbers)."""
        from keras import ops

        encoded = feature.preprocess(ops.reshape(raw, (-1, 1)))
        return ops.reshape(encoded, (-1, self.main.window, encoded.shape[-1]))

    def raw(self, columns: Mapping[str, np.ndarray], past: Past) -> dict[str, np.ndarray]:
        """The columns of a table as `raw_inputs` takes them, (windows, …) each."""
        import numpy as np

        raw: dict[str, np.ndarray] = {}
        for name, each in self.features.items():
            if isinstance(each, FittedDate):
                first = past.origins + self.main.horizon - self.main.window + 1
                found = windows(each.raw(past.layout.stamps)[:, 0], first, self.main.window)
            else:
                steps = each.past + (each.horizon if each.known else 0)
                values = past.layout.take(columns[name]).astype(np.float32)
                found = windows(values, past.origins - each.past + 1, steps)
            raw[input_name(name)] = found[:, :, None]
        if self.has_own_scales and self.by is not None and past.ids is not None:
            raw[input_name(self.by)] = past.ids[:, None]
        return raw


def calendar_names(date: FittedDate, name: str, horizon: int) -> tuple[str, ...]:
    """What each number is called that the date of the step `horizon` after it adds to a step."""
    return tuple(f"{each} +{horizon}" for each in date.names(name))


def series_input(columns: list[str], window: int, variables: tuple[str, ...]) -> Input:
    """The one input of a network that reads series; it is called as its column where that is the only one."""
    name = input_name(columns[0]) if len(columns) == 1 else TOGETHER
    return Input(name, "series", (window, len(variables)), variables=variables)
