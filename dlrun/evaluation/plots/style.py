"""The house style of all pictures, and how they are saved.

Matplotlib's objects are used directly, without pyplot: it imports faster and there is no current figure to leak.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, QUIET, FAINT = "#222222", "#6b6b6b", "#c4c4c4"
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
COLOURS = (BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9", "#222222", "#8C6D31")
"""Told apart by colour-blind people: M. Okabe, K. Ito, "Color Universal Design" (2008); its yellow, which no white
paper shows, made brown."""

DPI = 150
STYLE: Any = {
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": QUIET,
    "axes.titlesize": 9,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlepad": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": "#ececec",
    "grid.linewidth": 0.8,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": QUIET,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Within it (also as a decorator) everything is drawn in the house style, whatever the user's matplotlibrc says."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def new_figure(width: float, height: float, title: str, subtitle: str = "") -> Figure:
    """An empty figure with a title that states the finding, and below it a quieter line.

    Args:
        width: in inches, as height.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    head = 0.62 if subtitle else 0.42
    layout = ConstrainedLayoutEngine(rect=(0.01, 0.01, 0.98, 1 - head / height - 0.01), w_pad=0.08, h_pad=0.06)
    figure = Figure(figsize=(width, height), dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)
    left = 0.12 / width
    figure.text(left, 1 - 0.12 / height, title, ha="left", va="top", fontsize=11, fontweight="bold")
    figure.text(left, 1 - 0.37 / height, subtitle, ha="left", va="top", color=QUIET)
    return figure


def png(figure: Figure) -> bytes:
    """The picture as a file holds it."""
    buffer = BytesIO()
    with house_style():
        if layout := figure.get_layout_engine():
            layout.execute(figure)
            layout.execute(figure)  # it settles in the second pass only
            figure.set_layout_engine("none")  # or `savefig` would draw all twice
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def save(figure: Figure, path: Path) -> None:
    """Writes a PNG; who reads it meanwhile sees the old file or the new one, never a part.

    Raises:
        OSError: if it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(png(figure))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def number(value: float) -> str:
    """A number for people: four significant digits, thousands apart."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:#.4g}".rstrip(".") if value == 0 or abs(value) >= 1e-3 else f"{value:.2e}"


def with_interval(value: float, interval: Sequence[float] | None) -> str:
    """`0.983 [0.964, 0.992]`: as many digits as half of the interval has, rounded to one or two."""
    if not interval or (half := (interval[1] - interval[0]) / 2) <= 0:
        return number(value)
    from math import floor, log10

    digits = -floor(log10(half)) + (half / 10 ** floor(log10(half)) < 2)
    form = f",.{max(digits, 0)}f" if digits <= 6 else ".2e"
    return f"{value:{form}} [{interval[0]:{form}}, {interval[1]:{form}}]"


def with_spread(mean: float, deviation: float) -> str:
    """`0.977 ± 0.028`: the standard deviation with two significant digits, and the mean with as many."""
    digits = max(1 - int(f"{deviation:.1e}".partition("e")[2]), 0)
    return f"{mean:,.{digits}f} ± {deviation:,.{digits}f}" if deviation > 0 and digits <= 6 else number(mean)


def shorten(text: str, length: int) -> str:
    """A long name with its middle left out, since names of runs and classes differ at both ends."""
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f"{text[: length - 1 - tail]}…{text[len(text) - tail :]}"


def join(*parts: str) -> str:
    """The parts that say something, in one line."""
    return " · ".join(part for part in parts if part)


def plain(text: str) -> str:
    """A user's name, such that matplotlib takes no `$` in it for the beginning of a formula."""
    return text.replace("$", r"\$")


def label_ends(axes: Axes, ends: Sequence[tuple[float, str, str]], gap: float = 0.065) -> None:
    """Writes beside the right edge what each line is, at its height, moved apart where they would overlap.

    Args:
        axes: with its lines and limits.
        ends: (y, text, colour) of each line.
        gap: least distance of two labels, as a fraction of the axes' height.
    """
    transform = axes.transScale + axes.transLimits
    placed = sorted((float(transform.transform((axes.get_xlim()[1], y))[1]), text, colour) for y, text, colour in ends)
    heights = [min(max(height, 0.0), 1.0) for height, *_ in placed]
    for index in range(1, len(heights)):
        heights[index] = max(heights[index], heights[index - 1] + gap)
    excess = max(0.0, heights[-1] - 1.0) if heights else 0.0
    for index in reversed(range(len(heights))):
        ceiling = heights[index + 1] - gap if index + 1 < len(heights) else heights[index] - excess
        heights[index] = min(heights[index], ceiling)
    for height, (_, text, colour) in zip(heights, placed, strict=True):
        axes.annotate(
            plain(text), (1, height), (5, 0), "axes fraction", "offset points", color=colour, va="center", fontsize=8
        )
