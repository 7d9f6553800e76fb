"""Embeddings that begin with vectors of others: their size, and their place in a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from dlrun.data.signature import Input
from dlrun.models.ann import Ann
from dlrun.models.cnn import Cnn
from dlrun.models.layer import EmbeddingLayer
from dlrun.models.layers import Layers
from dlrun.models.rnn import Recurrent
from dlrun.models.transformer import Transformer
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np

Network = TypeVar("Network", bound=Spec)


def sized(network: Network, entry: Input) -> Network:
    """The same architecture with the size of the vectors, where it leaves its own out."""
    leaves_out = "embedding_size" in type(network).model_fields and "embedding_size" not in network.model_fields_set
    if entry.vector_size is None or not leaves_out:
        return network
    return network.model_copy(update={"embedding_size": entry.vector_size})


def check_size(network: Spec, entry: Input) -> Iterator[Problem]:
    """Whether an architecture embeds tokens as the vectors do that they begin with."""
    size = entry.vector_size
    if size is None:
        return
    stated: tuple[tuple[str | int, ...], int | None] | None = None
    if isinstance(network, Layers) and isinstance(network.layers[0], EmbeddingLayer):
        stated = ("layers", 0, "size"), network.layers[0].size
    elif isinstance(network, Ann | Cnn | Recurrent | Transformer) and "embedding_size" in network.model_fields_set:
        stated = ("embedding_size",), network.embedding_size
    if stated and stated[1] != size:
        yield Problem(
            stated[0],
            f"the vectors of {entry.name} have another size",
            expected=str(size),
            received=str(stated[1]),
            hint=f"write {size}" + ("" if stated[0][0] == "layers" else ", or leave it out"),
        )
    elif isinstance(network, Transformer) and size % network.heads:
        yield Problem(
            ("heads",),
            f"the heads share the vectors of {entry.name} evenly",
            expected=f"a divisor of {size}",
            received=str(network.heads),
            at="value" if "heads" in network.model_fields_set else "key",
        )


def put_vectors(model: Any, entry: Input, rows: np.ndarray) -> None:
    """Gives the embedding of an input its first weights, float32 (vocabulary, size)."""
    from keras import layers

    names = {layer.name: layer for layer in model.layers}
    network = names.get(f"{entry.name}_encoder", model)
    [embedding] = [each for each in network.layers if isinstance(each, layers.Embedding) and each.name != "positions"]
    embedding.set_weights([rows])
