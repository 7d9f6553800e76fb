"""What augmentation makes of train images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dlrun.evaluation.plots.style import INK, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@house_style()
def draw_augmented(samples: Mapping[str, Any]) -> Figure:
    """A row for each image: as it is, and as the network sees it in the first epochs.

    Args:
        samples: `originals` (images, height, width, channels) and `augmented` (images, epochs, height, width,
            channels), from black 0 to white 1, with 1, 3 or 4 channels; where they are mixed also `partners`, with
            which image each is, and `shares`, how much of it is left, (images, epochs) each.
    """
    originals, augmented = (np.clip(samples[name], 0, 1) for name in ("originals", "augmented"))
    count, epochs, height, width, _ = augmented.shape
    side = min(max(height / width, 0.5), 2.0)
    mixed = "shares" in samples
    told = "first column: as they are; then as the network sees them, another way in each epoch"
    told += "; below, how much of which image" if mixed else ""
    tall = (1.05 * side + (0.12 if mixed else 0)) * count + 1.1
    figure = new_figure(1.05 * (epochs + 1) + 0.4, tall, "Augmented images of the train split", told)
    panels = figure.subplots(count, epochs + 1, squeeze=False)
    for row, original, versions in zip(panels, originals, augmented, strict=True):
        for axes, image in zip(row, [original, *versions], strict=True):
            axes.imshow(image.squeeze(-1) if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
    if mixed:
        caption(panels, samples["partners"], samples["shares"])
    for axes, name in zip(panels[0], ["original", *(f"epoch {epoch}" for epoch in range(1, epochs + 1))], strict=True):
        axes.set_title(name, fontsize=8, color=INK, fontweight="normal")
    return figure


def caption(panels: np.ndarray, partners: np.ndarray, shares: np.ndarray) -> None:
    """Says below each mixed image what it is made of, the images counted from 1.

    Args:
        panels: axes, (images, 1 + epochs).
        partners, shares: as `draw_augmented` takes them.
    """
    for index, (row, others, left) in enumerate(zip(panels, partners, shares, strict=True), 1):
        row[0].set_xlabel(f"image {index}", fontsize=7, labelpad=2)
        for axes, other, share in zip(row[1:], others, left, strict=True):
            axes.set_xlabel(f"{share:.0%} of {index}, {1 - share:.0%} of {other + 1}", fontsize=6, labelpad=2)
