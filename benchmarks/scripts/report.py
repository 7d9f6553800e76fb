"""What the scripts tell the benchmark: their rate, when each epoch ends, or that the first step is done."""

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


class EpochEnd(keras.callbacks.Callback):
    """Prints when an epoch is done, validation included."""

    def on_epoch_end(self, epoch, logs=None):
        print(f"\nepoch_end {time.perf_counter()}", flush=True)


class FirstStep(keras.callbacks.Callback):
    """Prints a line after each step; the first one is waited for."""

    def on_train_batch_end(self, batch, logs=None):
        print("\nfirst step", flush=True)


def report(what, examples):
    return {"rate": Rate(examples), "epochs": EpochEnd(), "first-step": FirstStep()}[what]
