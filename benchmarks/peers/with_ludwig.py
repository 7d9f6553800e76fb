"""`ludwig train`, all of it, with a line more on stdout: the examples per second of each epoch's steps."""

import sys
import time

from ludwig import train
from ludwig.callbacks import Callback


class Rate(Callback):
    def on_epoch_start(self, trainer, progress_tracker, save_path):
        self.started, self.steps = time.perf_counter(), progress_tracker.steps

    def on_batch_end(self, trainer, progress_tracker, save_path, sync_step=True):
        self.seconds = time.perf_counter() - self.started

    def on_epoch_end(self, trainer, progress_tracker, save_path):
        examples = (progress_tracker.steps - self.steps) * trainer.batch_size
        print(f"\nexamples_per_second {examples / self.seconds}", flush=True)


plain = train.train_cli
train.train_cli = lambda **arguments: plain(**{**arguments, "callbacks": [*arguments["callbacks"], Rate()]})
train.cli(sys.argv[1:])
