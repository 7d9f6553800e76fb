"""What an autoencoder makes of its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dlrun.evaluation.metrics import QUANTILES
from dlrun.evaluation.plots.style import BLUE, FAINT, INK, ORANGE, QUIET, house_style, join, new_figure, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS = {"originals": "original", "noisy": "with noise", "reconstructions": "reconstruction"}
IMAGES, LINES = 10, 4


@house_style()
def draw_reconstructions(samples: Mapping[str, Any], title: str = "", note: str = "") -> Figure:
    """Originals beside their reconstructions: images as images, everything else as lines.

    Args:
        samples: `originals` and `reconstructions`, and `noisy` where noise was to be removed, each (k, …); images
            (k, height, width, channels) with 1, 3 or 4 channels.
        title: what it shows.
        note: what else is to be said, below the title.
    """
    shown = {name: np.asarray(samples[name], dtype=np.float64) for name in ROWS if name in samples}
    errors = np.square(shown["originals"] - shown["reconstructions"])
    errors = errors.reshape(len(errors), -1).mean(axis=1)
    title = title or f"{len(errors)} originals and their reconstructions"
    if shown["originals"].ndim == 4 and shown["originals"].shape[-1] in (1, 3, 4):
        return _draw_images(shown, errors, title, note)
    return _draw_lines(shown, errors, title, note)


def _draw_images(shown: Mapping[str, Any], errors: Any, title: str, note: str) -> Figure:
    count = min(IMAGES, len(errors))
    originals = shown["originals"]
    low, high = float(originals.min()), float(originals.max())
    figure = new_figure(
        1.0 * max(count, 5) + 1.1, 1.02 * len(shown) + 1.0, title, join(note, "below: mean squared error of each")
    )
    panels = figure.subplots(len(shown), count, squeeze=False)
    for row, (name, images) in zip(panels, shown.items(), strict=True):
        scaled = np.clip((images - low) / ((high - low) or 1.0), 0, 1)
        for axes, image in zip(row, scaled, strict=False):
            axes.imshow(image.squeeze(-1) if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        row[0].set_ylabel(ROWS[name], rotation=0, ha="right", va="center", color=INK)
    for axes, error in zip(panels[-1], errors, strict=False):
        axes.set_xlabel(number(float(error)), fontsize=8)
    return figure


def _draw_lines(shown: Mapping[str, Any], errors: Any, title: str, note: str) -> Figure:
    count = min(LINES, len(errors))
    rows = -(-count // 2)
    sequences = shown["originals"].ndim == 3
    what = "the first variable over time" if sequences else "the values of each example in order"
    figure = new_figure(9.6, 2.3 * rows + 1.0, title, join(note, what))
    panels = figure.subplots(rows, min(2, count), squeeze=False, sharex=True)
    for axes in panels.ravel()[count:]:
        axes.set_axis_off()
    styles = {
        "originals": {"color": INK, "linewidth": 1.4},
        "noisy": {"color": FAINT, "linewidth": 1},
        "reconstructions": {"color": BLUE, "linewidth": 1.6},
    }
    for index, axes in enumerate(panels.ravel()[:count]):
        for name in ("noisy", "originals", "reconstructions"):
            if name in shown:
                values = shown[name][index]
                values = values[:, 0] if sequences else values.ravel()
                axes.plot(range(1, len(values) + 1), values, label=ROWS[name], **styles[name])
        axes.set_title(f"mean squared error {number(float(errors[index]))}")
        axes.locator_params(axis="x", integer=True)
    for axes in panels[-1]:
        axes.set_xlabel("step" if sequences else "value")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@house_style()
def draw_error_distribution(errors: Any, title: str = "", split: str = "") -> Figure:
    """How the mean squared errors of the examples are distributed; those to the right of p99 are the strangest.

    Args:
        errors: (n,), not negative.
        title: what it shows.
        split: what the examples are called.
    """
    errors = np.asarray(errors, dtype=np.float64)
    marks = {name: float(np.quantile(errors, share)) for name, share in QUANTILES.items() if share < 1}
    figure = new_figure(
        9.0,
        4.0,
        title or f"Half of the reconstructions have a mean squared error below {number(marks['p50'])}",
        f"{len(errors):,} {split} examples; p99: 99 % of them are below".replace("  ", " "),
    )
    axes = figure.add_subplot()
    positive = errors[errors > 0]
    wide = len(positive) == len(errors) and errors.max() > 100 * np.median(errors)
    count = int(np.clip(np.sqrt(len(errors)), 10, 80))
    bins = np.geomspace(errors.min(), errors.max(), count).tolist() if wide else count
    heights, *_ = axes.hist(errors, bins=bins, color=BLUE, alpha=0.85, linewidth=0.4, edgecolor="white")
    if wide:
        axes.set_xscale("log")
    axes.set_ylim(0, float(np.max(heights)) * 1.28)
    for index, (name, value) in enumerate(marks.items()):
        height = 0.97 - 0.065 * index
        axes.plot([value, value], [0, height - 0.02], color=ORANGE if name == "p99" else QUIET, linewidth=1,
                  transform=axes.get_xaxis_transform())  # fmt: skip
        axes.annotate(f"{name}  {number(value)}", (value, height), (4, 0), ("data", "axes fraction"), "offset points",
                      va="center", fontsize=8, color=ORANGE if name == "p99" else QUIET)  # fmt: skip
    axes.set(xlabel="mean squared error of an example", ylabel="examples")
    axes.grid(visible=False, axis="x")
    return figure
