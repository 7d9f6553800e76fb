"""What stands between one input and the place where several are joined: any network, without its output layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from dlrun.data.signature import Input, Signature
from dlrun.models.ann import Ann
from dlrun.models.blocks import ConvBlock
from dlrun.models.cnn import Cnn
from dlrun.models.layers import Layers
from dlrun.models.pretrained import check_size, sized
from dlrun.models.rnn import Recurrent
from dlrun.models.transformer import Transformer
from dlrun.spec.problem import Problem

Encoder = Annotated[Ann | Cnn | Recurrent | Transformer | Layers, Field(discriminator="kind")]


def default_encoder(entry: Input) -> Encoder:
    """What reads an input whose feature says nothing of it."""
    match entry.kind:
        case "image":
            blocks = tuple(ConvBlock(filters=filters, padding="same", pool=2) for filters in (32, 64))
            return Cnn(kind="cnn", blocks=blocks, pooling="global_average")
        case "tokens" | "series":
            return sized(Recurrent(kind="lstm"), entry)
        case "index":
            return Ann(kind="ann", dense=())  # the embedding alone
        case "vector":
            return Ann(kind="ann")


def check_encoder(encoder: Encoder, entry: Input, signature: Signature) -> Iterator[Problem]:
    """What is wrong with an encoder by itself, or keeps it from reading its input."""
    if hasattr(encoder, "check_alone"):
        yield from encoder.check_alone()
    yield from check_size(encoder, entry)
    if getattr(encoder, "seasonal_skip", None) is not None:
        yield Problem(
            ("seasonal_skip",),
            "an encoder has no forecast whose season could be skipped",
            hint="take it out",
            at="key",
        )
        return
    yield from encoder.check(Signature((entry,), signature.output))
