"""`dlrun show`: the resolved spec of a file or a run, and its layers with shapes and parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dlrun.data.preparation import Preparation
from dlrun.data.signature import Signature
from dlrun.experiment import Experiment
from dlrun.reading import build_model, load_data, read_experiment, read_resolved
from dlrun.run.folder import RunFolder


@dataclass(frozen=True)
class LayerRow:
    """One layer of a model.

    Args:
        name: the layer's.
        kind: the Keras class.
        shape: of its output for one example.
        parameters: its weights, in numbers.
    """

    name: str
    kind: str
    shape: tuple[int | None, ...]
    parameters: int


@dataclass(frozen=True)
class Shown:
    """A resolved experiment and its model.

    Args:
        experiment: every field with its value.
        signature: inputs and output.
        layers: in the order of the model.
        vector_names: what each number of a table's packed input is called.
    """

    experiment: Experiment
    signature: Signature
    layers: tuple[LayerRow, ...]
    vector_names: tuple[str, ...]

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    def tree(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "experiment": self.experiment.tree(),
            "signature": asdict(self.signature),
            "vector_names": list(self.vector_names),
            "layers": [asdict(layer) for layer in self.layers],
            "parameters": self.parameters,
        }


def show(path: Path, *, overrides: Sequence[str] = ()) -> Shown:
    """Resolves a spec, reading its data, or opens a run, and builds the model.

    Args:
        path: a YAML file, or the folder of a run.
        overrides: `a.b=value`, as after `--set`; for a spec.

    Raises:
        SpecError, DataError, RunError: as `check` and `eval`.
    """
    if path.is_dir():
        run = RunFolder.open(path)
        experiment, document = read_resolved(run.resolved_path)
        preparation = Preparation.parse((run.folds() or [run])[0].preparation())
    else:
        experiment, document = read_experiment(path, overrides)
        experiment, dataset = load_data(experiment, document, path)
        preparation = dataset.preparation
    model = build_model(experiment, document, preparation.signature)
    return Shown(experiment, preparation.signature, layer_rows(model), preparation.vector_names)


def layer_rows(model: Any) -> tuple[LayerRow, ...]:
    """The layers of a Keras model, those without a name of ours left out."""
    return tuple(
        LayerRow(layer.name, type(layer).__name__, tuple(layer.output.shape[1:]), layer.count_params())
        for layer in model.layers
    )
