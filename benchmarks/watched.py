"""`dlrun`, all of it, with a few lines more on stdout: when a chunk of steps is done (the first is one step), and when
an epoch is, by the clock that all processes share."""

import time
from collections.abc import Mapping

from dlrun import cli, console


class Display(console.TrainingDisplay):
    def on_chunk(self, epoch: int, step: int, metrics: Mapping[str, float], examples_per_second: float) -> None:
        super().on_chunk(epoch, step, metrics, examples_per_second)
        print("first step", flush=True)

    def on_epoch(self, row: Mapping[str, float]) -> None:
        super().on_epoch(row)
        print("epoch_end", time.perf_counter(), flush=True)


console.TrainingDisplay = Display
cli.main()
