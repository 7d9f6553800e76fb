"""Windows of series as examples that are made when they are read, of encoded steps in memory or on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

from dlrun.data.examples import Examples
from dlrun.data.fitted_target import FittedNumbers
from dlrun.data.layout import Past
from dlrun.data.on_disk import Made
from dlrun.data.series_windows import SeriesInput

if TYPE_CHECKING:
    import numpy as np


def windows_of(
    series: SeriesInput, numbers: FittedNumbers | None, encoded: Mapping[str, np.ndarray], past: Past
) -> Examples:
    """Examples whose arrays are `Made`: a step stands in as many windows as they are long, and is kept once.

    Args:
        series: the features.
        numbers: the target; None where it is not asked for.
        encoded: the steps, by column, as `SeriesInput.encode` gives them.
        past: where windows end; with the values of the target.
    """
    import numpy as np

    def made(make: Callable[[Past], np.ndarray]) -> np.ndarray:
        return cast("np.ndarray", Made(len(past.origins), lambda part: make(past.part(part))))

    steps, *names = series.inputs
    inputs = {steps.name: made(lambda some: series.windows(encoded, some))}
    indexes = series.indexes(past)
    if indexes is not None:
        inputs[names[0].name] = cast("np.ndarray", Made(len(indexes), lambda part: indexes[part]))
    values = past.values
    if numbers is None or values is None:
        nothing = np.zeros((len(past.rows), 0))
        return Examples(past.rows, inputs, nothing.astype(np.float32), nothing, past)

    def truth(some: Past) -> np.ndarray:
        return numbers.truth(values, some.origins)

    return Examples(past.rows, inputs, made(lambda some: numbers.scaled(truth(some), some)), made(truth), past)
