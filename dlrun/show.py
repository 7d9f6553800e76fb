"""`dlrun show`: the resolved spec of a file or a run, and its layers with shapes and parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from dlrun.data.features import Fitted
from dlrun.data.preparation import Preparation
from dlrun.data.signature import PACKED, Signature, input_name
from dlrun.experiment import Experiment
from dlrun.models.combined import Combined
from dlrun.models.encoders import default_encoder
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
class Way:
    """A column's way into the network.

    Args:
        column: of the data.
        feature: its kind, and what was fitted on the train rows.
        input: the network's input, and the places that the column has in it where it shares it.
        encoder: what reads it before it meets the others; the network itself where there is one for all.
        width: how many numbers it has when it meets the others, or the output layer's network.
        joined: how it meets the others.
    """

    column: str
    feature: str
    input: str
    encoder: str
    width: int
    joined: str


@dataclass(frozen=True)
class Shown:
    """A resolved experiment and its model.

    Args:
        experiment: every field with its value.
        signature: inputs and output.
        layers: in the order of the model.
        vector_names: what each number of a table's packed input is called.
        ways: of each column into the network.
    """

    experiment: Experiment
    signature: Signature
    layers: tuple[LayerRow, ...]
    vector_names: tuple[str, ...]
    ways: tuple[Way, ...] = ()

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    def tree(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "experiment": self.experiment.tree(),
            "signature": asdict(self.signature),
            "vector_names": list(self.vector_names),
            "ways": [asdict(way) for way in self.ways],
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
    ways = tuple(ways_in(experiment, preparation, model))
    return Shown(experiment, preparation.signature, layer_rows(model), preparation.vector_names, ways)


def layer_rows(model: Any) -> tuple[LayerRow, ...]:
    """The layers of a Keras model; those of a model in it as `model/layer`, without its input."""
    rows: list[LayerRow] = []
    for layer in model.layers:
        if hasattr(layer, "layers"):
            inside = (row for row in layer_rows(layer) if row.kind != "InputLayer")
            rows += (replace(row, name=f"{layer.name}/{row.name}") for row in inside)
        else:
            shape = tuple(layer.output.shape[1:])
            rows.append(LayerRow(layer.name, type(layer).__name__, shape, layer.count_params()))
    return tuple(rows)


def ways_in(experiment: Experiment, preparation: Preparation, model: Any) -> Iterator[Way]:
    """The way of each column into the model of a resolved experiment."""
    architecture, filled = experiment.architecture, 0
    inputs = {entry.name: entry for entry in preparation.inputs}
    series = preparation.series_input
    steps = series.steps if series else {}
    for name, feature in preparation.features.items():
        packed = series is None and preparation.is_packed(name)
        entry = preparation.inputs[0] if name in steps else inputs[PACKED if packed else input_name(name)]
        width, where = prod(entry.shape), entry.name
        if packed:
            own = prod(feature.input(name).shape)
            where += f" {filled + 1}" + (f" to {filled + own}" if own > 1 else "")
            filled, width = filled + own, own
        elif series is not None and name in steps and len(series.variables) > 1:
            names = series.names(name)
            where += f": {', '.join(names)}"
            width = series.main.window * len(names)
        encoder: str = architecture.kind
        joined: str = architecture.kind
        if entry.kind == "index" and not isinstance(architecture, Combined):
            encoder, width = "embedding", model.get_layer(f"{entry.name}_embedding").output.shape[-1]
            where += f": at each of {series.main.window} steps" if series and architecture.kind != "ann" else ""
        if isinstance(architecture, Combined):
            joined = architecture.combine.kind
            stated = (experiment.data.features or {})[name].encoder or (default_encoder(entry) if series else None)
            encoder = stated.kind if stated else f"table {[block.units for block in architecture.table]}"
            if stated:
                width = model.get_layer(f"{entry.name}_encoder").output.shape[-1]
            elif architecture.table:
                width = architecture.table[-1].units
            else:
                encoder = "as it is"
        yield Way(name, fitted_words(feature), where, encoder, width, joined)


def fitted_words(feature: Fitted) -> str:
    """What a feature has learned, in a few words: `number: offset 3.1, scale 0.4`, `text: vocabulary of 298`."""
    words = []
    for name, value in feature:
        match value:
            case bool():
                pass
            case float(one) | int(one) | (float(one) | int(one),):
                words.append(f"{name} {one:.4g}")
            case dict():
                words.append(f"{name} of {len(value)}")
            case (_, *_) if name != "shape":
                words.append(f"{name} of {len(value)}")
    return f"{feature.kind}: {', '.join(words)}" if words else feature.kind
