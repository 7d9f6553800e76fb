"""What several autoencoders make of examples, as folds do: the error is that of their mean."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from dlrun.data.section import Data
from dlrun.evaluation.assess import Judge, reconstructed
from dlrun.training.losses import MeanSquaredError


def test_the_error_of_several_is_that_of_their_mean(tmp_path: Path) -> None:
    values = np.random.default_rng(2).normal(size=(60, 3))
    np.savetxt(tmp_path / "table.csv", values, delimiter=",", header="a,b,c", comments="")
    tree = {"source": {"kind": "csv", "path": "table.csv"}, "split": {"validation": 0, "test": 0.5}}
    dataset = Data.parse(tree).load(tmp_path, 0, reconstructs=True)

    def judge(factor: float) -> Judge:
        inputs = keras.Input((3,), name="features")
        model = keras.Model({"features": inputs}, keras.layers.Rescaling(factor)(inputs))
        return Judge(model, dataset.preparation, (MeanSquaredError(kind="mse"),), None, 7, 0.0, 0)

    given = dataset.test.inputs["features"].astype(np.float64)
    for judges, factor in (([judge(0.5)], 0.5), ([judge(0.5), judge(0.0)], 0.25)):
        said = reconstructed(judges, "test", [dataset.test] * len(judges))
        expected = np.stack([np.square(given * (1 - factor)).mean(1), np.abs(given * (1 - factor)).mean(1)], 1)
        np.testing.assert_allclose(said.scores, expected, rtol=1e-5)
        np.testing.assert_array_equal(said.rows, dataset.test.rows)
