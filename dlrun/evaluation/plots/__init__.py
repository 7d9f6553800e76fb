"""Pictures: every one drawn from the files of a run, in one house style."""

from __future__ import annotations

from dlrun.evaluation.plots.curves import draw_comparison, draw_curves
from dlrun.evaluation.plots.redraw import draw_all, redraw
from dlrun.evaluation.plots.style import png, save

__all__ = ["draw_all", "draw_comparison", "draw_curves", "png", "redraw", "save"]
