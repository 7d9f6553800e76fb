"""`dlrun`, all of it, with one line more: it says on stdout when a chunk of steps is done; the first is one step."""

from collections.abc import Mapping

from dlrun import cli, console


class Display(console.TrainingDisplay):
    def on_chunk(self, epoch: int, step: int, metrics: Mapping[str, float], examples_per_second: float) -> None:
        super().on_chunk(epoch, step, metrics, examples_per_second)
        print("first step", flush=True)


console.TrainingDisplay = Display
cli.main()
