"""Which encoder reads which input of a combined architecture: what the features say, and what they leave out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlrun.data.features import Feature
from dlrun.data.signature import PACKED, Input, Signature, input_name
from dlrun.errors import MisfitError
from dlrun.models.encoders import Encoder, check_encoder, default_encoder
from dlrun.models.pretrained import sized
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    from dlrun.models import Architecture
    from dlrun.models.blocks import Units
    from dlrun.models.combined import Combined
    from dlrun.models.regularization import Regularization

Features = Mapping[str, Feature]


def encoded(features: Features) -> tuple[str, ...]:
    """The columns whose feature states an encoder."""
    return tuple(name for name, feature in features.items() if feature.encoder is not None)


def encoders(features: Features, inputs: Sequence[Input]) -> dict[str, Encoder]:
    """What reads each input, by the input's name; numbers and one-hot categories that share one have no encoder."""
    stated = {input_name(name): feature.encoder for name, feature in features.items()}
    return {
        each.name: sized(stated.get(each.name) or default_encoder(each), each) for each in inputs if each.name != PACKED
    }


def with_encoders(features: Features, inputs: Sequence[Input]) -> dict[str, Feature]:
    """The same features, none of them without the encoder that it has."""
    found = encoders(features, inputs)
    return {
        name: feature.model_copy(update={"encoder": found.get(input_name(name))}) for name, feature in features.items()
    }


def build_combined(
    architecture: Combined, features: Features, signature: Signature, units: Units, regularization: Regularization
) -> Any:
    """The Keras model of a combined architecture.

    Raises:
        MisfitError: layers of an encoder do not fit one another.
    """
    columns = {input_name(name): name for name in features}
    try:
        return architecture.build(signature, units, regularization, encoders(features, signature.inputs))
    except MisfitError as error:
        places = ((("data", "features", columns[str(each.path[0])], "encoder"), each) for each in error.problems)
        raise MisfitError(*(replace(each, path=(*place, *each.path[1:])) for place, each in places)) from error


def check_unread(features: Features, architecture: Architecture) -> Iterator[Problem]:
    """Encoders beside an architecture that has no place for them."""
    for name, feature in features.items():
        if feature.encoder is not None:
            yield Problem(
                ("features", name, "encoder"),
                f"{architecture.kind} reads the features itself, without encoders",
                expected="architecture: {kind: combined}",
                received=f"architecture: {{kind: {architecture.kind}}}",
                hint="write `architecture: {kind: combined}`, or take the encoder out",
                at="key",
            )


def check_encoders(features: Features, signature: Signature) -> Iterator[Problem]:
    """Whether each encoder can read its input; paths are relative to the data section."""
    columns = {input_name(name): name for name in features}
    found = encoders(features, signature.inputs)
    for entry in signature.inputs:
        if entry.name not in found:
            continue
        column = columns.get(entry.name, entry.name)
        problems = check_encoder(found[entry.name], entry, signature)
        if column in features and features[column].encoder is not None:
            yield from (problem.under("features", column, "encoder") for problem in problems)
        elif any(problems):
            yield Problem(
                ("features", column),
                f"the encoder that {column} has by default cannot read it",
                expected="an encoder of its own",
                received=" × ".join(map(str, entry.shape)),
                hint=f"{column}: {{…, encoder: {{kind: ann}}}}, or another kind",
                at="key",
            )
