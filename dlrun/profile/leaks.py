"""Columns that give the target away: copies of it, under another name or on another scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from dlrun.data.inference import ROWS_A_CATEGORY
from dlrun.profile.finding import Finding
from dlrun.profile.frame import Frame
from dlrun.profile.values import FEWEST

if TYPE_CHECKING:
    import polars

EXACTLY = 1e-9
"""How near to 1 the correlation of two columns is that are the same but for rounding."""

SOME = 10_000
"""Ranks are compared in so many rows first, and in all only where they agree there."""


def look_for_leaks(frame: Frame, features: Sequence[str], target: str) -> Iterator[Finding]:
    """Features that are the target in disguise.

    Args:
        frame: with the target and the features that have one value a row.
    """
    truth = frame[target]
    for name in features:
        reason = _reason(frame[name], truth)
        if reason:
            what = f"{name} gives the target {target} away: {reason}"
            mend = f"leave {name} out of data.features, if it is not known before {target} is"
            yield Finding("leak", what, mend, 1, columns=(name,), severity="error")


def _reason(column: polars.Series, truth: polars.Series) -> str | None:
    both = column.is_not_null() & truth.is_not_null()
    if 2 * both.sum() < len(truth):
        return None
    column, truth = column.filter(both), truth.filter(both)
    if len(truth) < FEWEST or truth.n_unique() < 2:
        return None
    if column.dtype == truth.dtype and (column == truth).all():
        return "it is equal to it in every row"
    if reason := _one_to_one(column, truth):
        return reason
    if column.dtype.is_numeric() and truth.dtype.is_numeric() and truth.n_unique() >= FEWEST:
        return _on_a_curve(column, truth)
    return None


def _one_to_one(column: polars.Series, truth: polars.Series) -> str | None:
    """Each value of the one goes with one value of the other. Where nearly all values are different, so do those of
    any two columns."""
    import polars

    different = truth.n_unique()
    if different * ROWS_A_CATEGORY > len(truth) or column.n_unique() != different:
        return None
    pairs = polars.struct(polars.lit(column), polars.lit(truth).alias(f"{truth.name} ")).n_unique()
    if polars.select(pairs).item() != different:
        return None
    return f"each of its {different} values goes with one value of the target"


def _on_a_curve(column: polars.Series, truth: polars.Series) -> str | None:
    """Whether the one is a straight line over the other, or rises or falls with it everywhere."""
    import polars

    pair = polars.DataFrame({"column": column, "truth": truth}).cast(polars.Float64)

    def agree(rows: polars.DataFrame, method: Literal["pearson", "spearman"]) -> bool:
        found = rows.select(polars.corr("column", "truth", method=method)).item()
        return found is not None and abs(found) > 1 - EXACTLY

    if agree(pair, "pearson"):
        return "it is the same on another scale (their correlation is 1)"
    some = pair.gather_every(max(1, len(truth) // SOME))
    if agree(some, "spearman") and column.n_unique() == truth.n_unique() and agree(pair, "spearman"):
        return "sorted by the one, the other is sorted too (the correlation of their ranks is 1)"
    return None
