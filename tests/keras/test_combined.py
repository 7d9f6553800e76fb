"""The combined architecture: the network that one would write by hand, and what walks its layers finds all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from dlrun.data.signature import PACKED, Input, Output, Signature
from dlrun.errors import MisfitError
from dlrun.experiment import Experiment
from dlrun.models.quick import quick_layers
from dlrun.show import layer_rows
from dlrun.spec.problem import path_text
from dlrun.training.memory import least_bytes
from dlrun.training.model import Forward, restore_weights, weights

SIGNATURE = Signature(
    (
        Input("photo", "image", (8, 8, 1)),
        Input(PACKED, "vector", (3,)),
        Input("note", "tokens", (6,), 20),
        Input("title", "tokens", (4,), 20),
    ),
    Output("label", "multiclass", (3,), ("a", "b", "c")),
)
READER = {"kind": "lstm", "embedding_size": 4, "units": [5], "dense": [6]}
FEATURES = {
    "photo": {"kind": "image", "encoder": {"kind": "cnn", "blocks": [{"filters": 2, "pool": 2}]}},
    "price": {"kind": "number"},
    "note": {"kind": "text", "encoder": READER},
    "title": {"kind": "text", "encoder": READER},
}


def experiment(features: dict[str, Any] = FEATURES, **architecture: Any) -> Experiment:
    data = {"source": {"kind": "arrays", "path": "nowhere.npz"}, "target": "label", "features": features}
    tree = {"data": data, "architecture": {"kind": "combined", **architecture}}
    return Experiment.parse(tree | {"loss": {"kind": "categorical_crossentropy"}})


def examples(count: int = 5) -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    return {
        entry.name: random.integers(0, 20, (count, *entry.shape), np.int32)
        if entry.kind == "tokens"
        else random.random((count, *entry.shape), np.float32)
        for entry in SIGNATURE.inputs
    }


def by_hand() -> Any:
    photo, table = keras.Input((8, 8, 1), name="photo"), keras.Input((3,), name=PACKED)
    note, title = (keras.Input((length,), dtype="int32", name=name) for name, length in (("note", 6), ("title", 4)))
    seen = layers.Flatten()(layers.MaxPooling2D(2)(layers.Conv2D(2, 3, activation="relu")(photo)))
    numbers = layers.Dense(4, activation="relu")(table)
    read = [layers.Dense(6, activation="relu")(layers.LSTM(5)(layers.Embedding(20, 4)(text))) for text in (note, title)]
    joined = layers.Concatenate()([seen, numbers, *read])
    output = layers.Dense(3)(layers.Dense(7, activation="relu")(joined))
    return keras.Model({"photo": photo, PACKED: table, "note": note, "title": title}, output)


def test_all_layers_of_the_table_stand_one_behind_the_other() -> None:
    model = experiment(table=[4, 2], dense=[7]).build(SIGNATURE)
    assert model.get_layer("table_1").kernel.shape == (3, 4)
    assert model.get_layer("table_2").kernel.shape == (4, 2)


def test_it_is_the_network_written_by_hand() -> None:
    model, expected = experiment(table=[4], dense=[7]).build(SIGNATURE), by_hand()
    parts = [{tuple(weight.shape) for weight in each.weights} for each in (model, expected)]
    assert parts[0] == parts[1]
    assert model.count_params() == expected.count_params()
    by_layer = {
        "photo_encoder": [layers.Conv2D],
        "table_1": [layers.Dense],
        "note_encoder": [layers.Embedding, layers.LSTM, layers.Dense],
        "title_encoder": [layers.Embedding, layers.LSTM, layers.Dense],
        "dense_1": [layers.Dense],
        "output": [layers.Dense],
    }
    found: dict[type, list[Any]] = {}
    for layer in expected.layers:
        found.setdefault(type(layer), []).append(layer)
    found[layers.Dense].sort(key=lambda layer: (layer.kernel.shape[0] == 3, layer.kernel.shape[0] == 5), reverse=True)
    for name, kinds in by_layer.items():
        model.get_layer(name).set_weights([each for kind in kinds for each in found[kind].pop(0).get_weights()])
    inputs = examples()
    np.testing.assert_allclose(Forward(model)(inputs), expected.predict(inputs, verbose=0), atol=1e-6)


def test_two_encoders_that_are_alike_have_weights_of_their_own() -> None:
    model = experiment().build(SIGNATURE)
    saved = weights(model)
    assert len(saved) == len(model.weights)
    assert {"note_encoder/lstm_1/lstm_cell/kernel", "title_encoder/lstm_1/lstm_cell/kernel"} <= saved.keys()
    fresh = experiment().model_copy(update={"seed": 1}).build(SIGNATURE)
    restore_weights(fresh, saved)
    inputs = examples()
    np.testing.assert_array_equal(Forward(fresh)(inputs), Forward(model)(inputs))


def test_self_attention_over_the_inputs_pools_as_many_tokens() -> None:
    model = experiment(combine={"kind": "attention", "size": 8, "heads": 2}).build(SIGNATURE)
    assert model.get_layer("joined_1_attention").output.shape == (None, 4, 8)
    assert model.get_layer("joined").output.shape == (None, 8)
    inputs = examples()
    before = Forward(model)(inputs)
    for name in inputs:
        changed = inputs | {name: inputs[name][::-1].copy()}
        assert not np.allclose(Forward(model)(changed)[0], before[0]), f"{name} does not reach the output"


def test_the_quick_layers_are_found_inside() -> None:
    model = experiment().build(SIGNATURE)
    inputs = {name: tf.constant(values) for name, values in examples().items()}
    plain = model(inputs)
    lstm, pool = (model.get_layer(f"{name}_encoder").get_layer(layer) for name, layer in PLACES)

    @tf.function(jit_compile=True)
    def quick() -> Any:
        with quick_layers(model, xla=True):
            assert "inner_loop" in vars(lstm)
            assert "call" in vars(pool)
            return model(inputs, training=False)

    np.testing.assert_allclose(quick(), plain, atol=1e-5)
    assert "inner_loop" not in vars(lstm)


PLACES = (("title", "lstm_1"), ("photo", "conv_1_pool"))


def test_the_layers_inside_are_shown_and_counted() -> None:
    model = experiment().build(SIGNATURE)
    rows = layer_rows(model)
    assert "note_encoder/lstm_1" in {row.name for row in rows}
    assert sum(row.parameters for row in rows) == model.count_params()
    outputs = 6 * 6 * 2 + 3 * 3 * 2 + 18 + (6 + 4) * 4 + 2 * 5 + 2 * 6  # of the layers inside alone
    assert least_bytes(model, 10) > 10 * 4 * outputs


def test_layers_of_an_encoder_that_do_not_fit_are_told_where_they_are() -> None:
    bad = {
        "kind": "layers",
        "layers": [{"kind": "embedding", "size": 4}, {"kind": "conv2d", "filters": 2, "kernel_size": 3}],
    }
    with pytest.raises(MisfitError) as raised:
        experiment(FEATURES | {"note": {"kind": "text", "encoder": bad}}).build(SIGNATURE)
    (problem,) = raised.value.problems
    assert path_text(problem.path) == "data.features.note.encoder.layers[1].kind"


def test_a_default_stands_in_the_resolved_spec(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    arrays = {"photo": random.integers(0, 255, (60, 8, 8), np.uint8), "size": random.random(60)}
    np.savez(tmp_path / "few.npz", **arrays, label=np.arange(60) % 2)
    data = {"source": {"kind": "arrays", "path": "few.npz"}, "target": {"column": "label", "kind": "category"}}
    one = Experiment.parse({"data": data, "architecture": {"kind": "combined"}})
    dataset = one.load(tmp_path)
    resolved = one.resolve(dataset, "few")
    features = resolved.data.features or {}
    assert features["photo"].encoder is not None
    assert features["size"].encoder is None
    again = Experiment.parse(resolved.tree())
    found = again.load(tmp_path).preparation
    assert found.tree() == dataset.preparation.tree()
    assert [entry.name for entry in found.inputs] == ["photo", PACKED]
