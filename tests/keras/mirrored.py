"""Trains on several replicas and on one, and prints how far the results are apart; a program, since the processor can
be divided into devices only before TensorFlow first uses it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from dlrun.batches import arrays_of, augmentation_of
from dlrun.experiment import Experiment
from dlrun.training.loop import Loop
from dlrun.training.progress import Progress
from dlrun.training.supply import InMemory
from dlrun.training.team import Team, synchronized

TEXT = {
    "source": {"kind": "bundled", "name": "sotu_eras"},
    "features": {"text": {"kind": "text", "vocabulary_size": 50, "sequence_length": 8}},
}
DIGITS = {"kind": "bundled", "name": "digits"}
IMAGE = {"source": DIGITS, "features": {"image": {"kind": "image", "rescale": [0, 1]}}}
MIXED = {"source": DIGITS, "features": {"image": {"kind": "image", "augment": {"flip": "horizontal", "mixup": 0.5}}}}
SPECS: dict[str, dict[str, Any]] = {
    "normalised, weighted, smoothed": {
        "data": IMAGE,
        "architecture": {"kind": "cnn", "blocks": [{"filters": 4, "batch_norm": True, "pool": 2}], "dense": [8]},
        "loss": {"kind": "categorical_crossentropy", "class_weights": "balanced"},
        "regularization": {"label_smoothing": 0.1},
        "optimizer": {"kind": "sgd", "learning_rate": 0.05, "clip_norm": 0.1},
    },
    "mixed, weighted, accumulated, skipping": {
        "data": MIXED,
        "architecture": {"kind": "cnn", "blocks": [{"filters": 4, "batch_norm": True, "pool": 2}]},
        "loss": {"kind": "categorical_crossentropy", "class_weights": "balanced"},
        "training": {"batch_size": 5, "gradient_accumulation": 2, "on_not_finite": "skip"},
        "optimizer": {"kind": "sgd", "learning_rate": 0.05, "clip_global_norm": 0.1},
    },
    "focal": {
        "data": {"source": {"kind": "bundled", "name": "breast_cancer"}},
        "architecture": {"kind": "ann", "dense": [8]},
        "loss": {"kind": "focal"},
        "optimizer": {"kind": "adam", "clip_value": 1e-2},
        "regularization": {"l2": 1e-2, "weight_decay": 1e-2},
    },
    "recurrent": {"data": TEXT, "architecture": {"kind": "lstm", "embedding_size": 4, "units": [4]}},
    "reconstruction": {"data": IMAGE, "architecture": {"kind": "autoencoder", "encoder": [8], "latent": 2}},
    "numbers": {
        "data": {"source": {"kind": "bundled", "name": "diabetes"}},
        "architecture": {"kind": "ann", "dense": [8]},
        "loss": {"kind": "huber"},
    },
}
EXAMPLES, VALIDATION, BATCH = 41, 17, 8  # a last batch of one: fewer than replicas


def trained(experiment: Experiment, dataset: Any, team: Team) -> tuple[list[np.ndarray], list[dict[str, float]]]:
    """Weights and history after two epochs."""
    with team.scope():
        model = experiment.build(dataset.preparation.signature)
    train = arrays_of(experiment, dataset.train, dataset.preparation, weigh=True).first(EXAMPLES)
    validation = arrays_of(experiment, dataset.validation, dataset.preparation).first(VALIDATION)
    learner = experiment.learner(model, dataset.preparation, EXAMPLES, team)
    with team.scope():
        augmentation = augmentation_of(experiment, dataset.preparation)
    shuffled = InMemory(train, experiment.seed, shuffle=True)
    loop = Loop(learner, shuffled, InMemory(validation), experiment.training, xla=False, augmentation=augmentation)
    progress, rows = Progress(experiment.training.batch_size), []
    with synchronized(model, team):
        for _ in range(2):
            while progress.step < loop.steps_per_epoch:
                loop.advance(progress)
            rows.append(loop.end_epoch(progress))
    return [variable.value.numpy() for variable in model.weights], rows


def distance(experiment: Experiment, dataset: Any, team: Team) -> dict[str, float]:
    """How far the results on a team are from those alone, relative to the largest number of each array."""
    (weights, rows), (mine, my_rows) = (trained(experiment, dataset, each) for each in (Team.alone(), team))
    apart = [np.abs(a - b).max() / max(np.abs(a).max(), 1e-3) for a, b in zip(weights, mine, strict=True)]
    clock = ("seconds", "examples_per_second")
    columns = [
        abs(row[name] - my_row[name]) / abs(row[name] or 1.0)
        for row, my_row in zip(rows, my_rows, strict=True)
        for name in row
        if name not in clock
    ]
    return {"weights": float(max(apart)), "history": float(max(columns))}


def masks(team: Team) -> list[list[float]]:
    """What dropout leaves of ones, twice on each replica."""
    import keras

    with team.scope():
        model = keras.Sequential([keras.Input((64,)), keras.layers.Dropout(0.5, seed=1)])
    team.spread_seeds(model)
    run = tf.function(lambda: team.strategy.run(lambda: model(tf.ones((1, 64)), training=True)))
    return [part.numpy()[0].tolist() for _ in range(2) for part in team.strategy.experimental_local_results(run())]


def main() -> None:
    (processor,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 3)
    found: dict[str, Any] = {}
    team = Team(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1", "CPU:2"]))
    for name, spec in SPECS.items():
        experiment = Experiment.parse({"seed": 3, "training": {"batch_size": BATCH}} | spec)
        dataset = experiment.load(Path())
        found[name] = distance(experiment.resolve(dataset, "mirrored"), dataset, team)
    found["masks"], found["one mask"] = masks(team), masks(Team.alone())
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
