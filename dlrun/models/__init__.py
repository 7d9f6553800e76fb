"""The `architecture` section: one file an architecture, one line for each in the union."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dlrun.models.ann import Ann
from dlrun.models.autoencoder import Autoencoder
from dlrun.models.cnn import Cnn
from dlrun.models.combined import Combined
from dlrun.models.layers import Layers
from dlrun.models.rnn import Recurrent
from dlrun.models.transformer import Transformer

Architecture = Annotated[
    Ann | Cnn | Recurrent | Autoencoder | Transformer | Layers | Combined,
    Field(discriminator="kind"),
]
