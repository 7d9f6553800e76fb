"""Vectors of others in the embedding of every architecture that reads a text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dlrun.data.signature import Input, Output, Signature
from dlrun.experiment import Experiment
from dlrun.models.pretrained import put_vectors, sized

ROWS = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
ARCHITECTURES: list[dict[str, Any]] = [
    {"kind": "lstm", "units": [3]},
    {"kind": "cnn", "blocks": [{"filters": 2}]},
    {"kind": "transformer", "heads": 2, "blocks": 1},
    {"kind": "layers", "layers": [{"kind": "embedding", "size": 6}, {"kind": "flatten"}]},
]


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda each: each["kind"])
def test_the_embedding_begins_with_them(architecture: dict[str, Any], trainable: bool) -> None:
    entry = Input("text", "tokens", (7,), 20, vector_size=6, trainable=trainable)
    signature = Signature((entry,), Output("label", "binary", (1,), ("a", "b")))
    tree = {"data": {"source": {"kind": "bundled", "name": "sotu_eras"}}, "architecture": architecture}
    experiment = Experiment.parse({**tree, "loss": {"kind": "binary_crossentropy"}})
    experiment = experiment.model_copy(update={"architecture": sized(experiment.architecture, entry)})
    model = experiment.build(signature)
    put_vectors(model, entry, ROWS)
    [embedding] = [each for each in model.weights if each.shape == ROWS.shape]
    np.testing.assert_array_equal(embedding.numpy(), ROWS)
    assert any(each is embedding for each in model.trainable_weights) == trainable
