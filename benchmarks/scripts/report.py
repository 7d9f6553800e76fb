"""What the hand-written scripts tell the benchmark: their rate, or that the first step is done."""

import time

import keras


class Rate(keras.callbacks.Callback):
    """Prints the examples per second of each epoch."""

    def __init__(self, examples):
        super().__init__()
        self.examples = examples

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        print(f"\nexamples_per_second {self.examples / (time.perf_counter() - self.started)}", flush=True)


class FirstStep(keras.callbacks.Callback):
    """Prints a line after each step; the first one is waited for."""

    def on_train_batch_end(self, batch, logs=None):
        print("\nfirst step", flush=True)


def report(what, examples):
    return Rate(examples) if what == "rate" else FirstStep()
