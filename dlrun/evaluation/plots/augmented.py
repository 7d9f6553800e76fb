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
            channels), from black 0 to white 1, with 1, 3 or 4 channels.
    """
    originals, augmented = (np.clip(samples[name], 0, 1) for name in ("originals", "augmented"))
    count, epochs, height, width, _ = augmented.shape
    side = min(max(height / width, 0.5), 2.0)
    figure = new_figure(
        1.05 * (epochs + 1) + 0.4, 1.05 * side * count + 1.1, "Augmented images of the train split",
        "first column: as they are; then as the network sees them, another way in each epoch",
    )  # fmt: skip
    panels = figure.subplots(count, epochs + 1, squeeze=False)
    for row, original, versions in zip(panels, originals, augmented, strict=True):
        for axes, image in zip(row, [original, *versions], strict=True):
            axes.imshow(image.squeeze(-1) if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
    for axes, name in zip(panels[0], ["original", *(f"epoch {epoch}" for epoch in range(1, epochs + 1))], strict=True):
        axes.set_title(name, fontsize=8, color=INK, fontweight="normal")
    return figure
