"""How a training looks while it runs: on a terminal a table that grows and a bar; elsewhere a line an epoch."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from dlrun.console.last_words import last_words
from dlrun.console.numbers import duration, number, rate
from dlrun.console.streams import capture_native_stderr, standard_console
from dlrun.evaluation.names import higher_is_better, label

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

    from dlrun.errors import DlrunError

Row = Mapping[str, float | int | None]
NUMBER_WIDTH = 9
LABEL_WIDTH = 12
GAP = "  "
MARK = " ★"
LEAST_BAR = 10


@dataclass(frozen=True)
class _Column:
    """A column of the table of epochs: `worth` tells which stay when the terminal is narrow, the highest longest."""

    key: str
    above: str
    title: str
    worth: int

    @property
    def width(self) -> int:
        return min(
            max(len(self.above), len(self.title), 7 if self.key in ("epoch", "seconds") else NUMBER_WIDTH), LABEL_WIDTH
        )


class TrainingDisplay:
    """Shows a training as it goes; to be used as a context manager around it.

    On a terminal every finished epoch stays as a row of a table, marked where it is the best so far, and the running
    one is a bar below. In a pipe there is one plain line an epoch.

    Args:
        console: where to; stdout by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or standard_console()
        self._live: Live | None = None
        self._columns: list[_Column] = []
        self._epochs = self._steps_per_epoch = 0
        self._main_metric: str | None = None
        self._monitor: str | None = None
        self._best: float | None = None
        self._clock: tuple[int, float] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def logging_to(self, path: Path) -> AbstractContextManager[None]:
        """Within it, the lines that TensorFlow's C++ code writes to stderr go to a file."""
        return capture_native_stderr(path)

    def last_words(self, error: DlrunError, seconds: float) -> AbstractContextManager[None]:
        """Within it the process may take so long; then it ends with an error, whatever native code waits for."""
        return last_words(error, seconds)

    def announce(self, name: str, *facts: str) -> None:
        """What is about to be trained: its name, then what is known of it."""
        from rich.text import Text

        self.console.print(Text.assemble((name, "bold"), "  ", " · ".join(facts)), soft_wrap=True)

    def start(
        self, epochs: int, steps_per_epoch: int, *, main_metric: str | None = None, monitor: str | None = None
    ) -> None:
        """The training begins.

        Args:
            epochs: how many there will be at most.
            steps_per_epoch: how many steps each has.
            main_metric: the metric to show beside the loss; the first one of a row by default.
            monitor: the column of the history that tells the best epoch; by default the validation loss, or the loss
                where there is no validation.
        """
        self._epochs, self._steps_per_epoch = epochs, steps_per_epoch
        self._main_metric, self._monitor = main_metric, monitor
        self._columns, self._best, self._clock = [], None, None
        if self.console.is_interactive:
            from rich.live import Live

            # No thread of its own: the loop tells of a chunk some four times a second.
            self._live = Live(console=self.console, auto_refresh=False, transient=True, redirect_stderr=False)
            self._live.start()

    def on_chunk(self, epoch: int, step: int, metrics: Mapping[str, float], examples_per_second: float) -> None:
        """So many steps of the epoch are done; `metrics` are the means since its beginning."""
        if self._live:
            done = (epoch - 1) * self._steps_per_epoch + step
            self._live.update(self._bar(epoch, step, metrics, examples_per_second, self._left(done)), refresh=True)

    def aside(self, message: str) -> None:
        """What takes a while before the first epoch."""
        from rich.text import Text

        self.console.print(Text(message, style="dim"), soft_wrap=True)

    def on_event(self, message: str) -> None:
        """Something happened that is not as the spec would have it."""
        from rich.text import Text

        self.console.print(Text(message, style="yellow"), soft_wrap=True)

    def on_epoch(self, row: Row) -> None:
        """An epoch is done: its row of the history."""
        monitor = self._monitor or ("validation_loss" if "validation_loss" in row else "loss")
        value = row.get(monitor)
        sign = -1 if higher_is_better(monitor) else 1
        is_best = value is not None and (self._best is None or sign * value < sign * self._best)
        self._best = value if is_best else self._best
        if not self._live:
            self.console.print(_line(row, self._epochs), soft_wrap=True)
            return
        if not self._columns:
            self._columns = _fitting(_columns(row, self._main_metric), self.console.width)
            self._print_row([column.above for column in self._columns], "dim")
            self._print_row([column.title for column in self._columns], "bold")
        cells = [_cell(column.key, row, self._epochs) for column in self._columns]
        self._print_row(cells, "green" if is_best else "", MARK if is_best else "")

    def _print_row(self, cells: Sequence[str], style: str, mark: str = "") -> None:
        from rich.text import Text

        padded = [cell.rjust(column.width) for column, cell in zip(self._columns, cells, strict=True)]
        self.console.print(Text(GAP.join(padded) + mark, style=style, no_wrap=True))

    def _left(self, done: int) -> float | None:
        """Seconds until all epochs are done, from the time since the first chunk, in which the graph was compiled."""
        now = time.monotonic()
        if self._clock is None:
            self._clock = done, now
        first, began = self._clock
        return (now - began) / (done - first) * (self._epochs * self._steps_per_epoch - done) if done > first else None

    def _bar(
        self, epoch: int, step: int, metrics: Mapping[str, float], examples_per_second: float, left: float | None
    ) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        before = f"epoch {epoch}/{self._epochs}"
        after = f"{step / self._steps_per_epoch:4.0%}"
        if left is not None:
            after += f"{GAP}{duration(left)} left"
        if len(before) + len(after) + LEAST_BAR + 2 > self.console.width:
            after = after[:4]
        bar = Table.grid(padding=(0, 1, 0, 0), expand=True)
        bar.add_column(no_wrap=True)
        bar.add_column(ratio=1)
        bar.add_column(no_wrap=True)
        bar.add_row(
            Text(before, style="bold"),
            ProgressBar(self._steps_per_epoch, step, complete_style="cyan"),
            Text(after, style="dim"),
        )
        shown = [f"{name} {number(value)}" for name, value in metrics.items()] + [rate(examples_per_second)]
        while len(shown) > 1 and len(GAP.join(shown)) > self.console.width:
            # The loss is told longest, then the rate, then the metrics in their order.
            shown.pop(-2 if len(shown) > 2 else -1)
        return Group(bar, Text(GAP.join(shown), style="dim", no_wrap=True))


def _columns(row: Row, main_metric: str | None) -> list[_Column]:
    """The columns to show of a row of the history."""
    others = [key for key in row if f"validation_{key}" in row and key != "loss"]
    metric = main_metric if main_metric in row else next(iter(others), None)
    columns = [_Column("epoch", "", "epoch", 9), _Column("loss", "train", "loss", 5)]
    if metric:
        columns.append(_Column(metric, "train", label(metric).lower(), 4))
    if "validation_loss" in row:
        columns.append(_Column("validation_loss", "validation", "loss", 8))
    if metric and f"validation_{metric}" in row:
        columns.append(_Column(f"validation_{metric}", "validation", label(metric).lower(), 7))
    columns += [_Column("learning_rate", "learning", "rate", 3), _Column("seconds", "", "time", 6)]
    return [column for column in columns if column.key in row]


def _fitting(columns: list[_Column], width: int) -> list[_Column]:
    """As many of the columns as the terminal has room for."""
    columns = list(columns)
    while len(columns) > 1 and sum(column.width + len(GAP) for column in columns) > width:
        columns.remove(min(columns, key=lambda column: column.worth))
    return columns


def _cell(key: str, row: Row, epochs: int) -> str:
    value = row.get(key)
    if value is None:
        return "—"
    match key:
        case "epoch":
            return f"{value}/{epochs}"
        case "seconds":
            return duration(value)
        case "learning_rate":
            return f"{value:.4g}"
        case _:
            return number(value)


def _line(row: Row, epochs: int) -> str:
    """`epoch 3/20  loss 0.0931  validation_loss 0.0712  learning_rate 0.001  41,203 examples/s  4.1 s`."""
    parts = [f"epoch {row['epoch']}/{epochs}"]
    parts += [
        f"{key} {_cell(key, row, epochs)}"
        for key in row
        if key not in ("epoch", "seconds", "examples_per_second") and row[key] is not None
    ]
    if (examples_per_second := row.get("examples_per_second")) is not None:
        parts.append(rate(examples_per_second))
    if (seconds := row.get("seconds")) is not None:
        parts.append(duration(seconds))
    return GAP.join(parts)
