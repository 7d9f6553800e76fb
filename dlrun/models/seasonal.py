"""`seasonal_skip`: a forecast by how far each step is from the one a season before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from dlrun.data.signature import Signature
from dlrun.models.blocks import Tensor
from dlrun.spec.problem import Problem

SeasonalSkip = Annotated[int | None, Field(ge=1)]


def seasonal_changes(series: Tensor, season: int) -> Tensor:
    """How far each step of a series is from the one a season before, normalised; behind it, as they are, all variables
    but the forecast one, which is the first: (batch, time - season, 2 variables - 1).

    A change is often a hundred times smaller than the values that it is between; batch normalization brings it to the
    size that layers learn from.
    """
    from keras import layers

    changes = layers.Subtract(name="change")([series[:, season:], series[:, :-season]])
    changes = layers.BatchNormalization(name="change_norm")(changes)
    if series.shape[-1] == 1:
        return changes
    return layers.Concatenate(name="changes_and_others")([changes, series[:, season:, 1:]])


def seasonal_forecast(changes: Tensor, series: Tensor, season: int) -> Tensor:
    """The forecast, (batch, horizon): the last season of the series and the changes that the network expects.

    Args:
        changes: (batch, horizon), what the output layer says.
        series: the input, (batch, time, variables), the forecast variable first and scaled as the target is.
        season: in steps; a horizon beyond it repeats the last season.
    """
    from keras import layers, ops

    horizon = changes.shape[-1]
    last = ops.cast(series[:, -season:, 0], "float32")  # (batch, season)
    repeated = ops.tile(last, (1, -(-horizon // season)))[:, :horizon]
    return layers.Add(name="forecast")([changes, repeated])


def check_season(season: int | None, signature: Signature) -> Iterator[Problem]:
    """Whether a seasonal skip has a forecast to help, and a window that reaches back that far."""
    if season is None:
        return
    if signature.output.task != "forecast":
        yield Problem(
            ("seasonal_skip",),
            "a season is skipped in forecasts only",
            received=f"{season}",
            hint="take it out",
            at="key",
        )
    elif signature.output.name not in signature.inputs[0].variables:
        yield Problem(
            ("seasonal_skip",),
            "the season is taken from the series that is forecast",
            expected=f"the target {signature.output.name} among the features",
            received=", ".join(signature.inputs[0].variables),
            at="key",
        )
    elif season >= signature.inputs[0].shape[0]:
        yield Problem(
            ("seasonal_skip",),
            "the window does not reach back more than a season",
            expected=f"less than the window, {signature.inputs[0].shape[0]}",
            received=f"{season}",
            hint=f"make the feature's window longer, for example {2 * season}",
        )
