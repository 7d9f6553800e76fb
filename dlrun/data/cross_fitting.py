"""Target encoding of train rows: fitted fold by fold, so that no row is shown its own target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dlrun.data.columns import Table
from dlrun.data.features import Category, Feature, FittedCategory
from dlrun.data.features.number import usable
from dlrun.data.features.target_encoding import OutOfFold, Smoothing, Sums
from dlrun.data.fitted_target import FittedClasses, FittedTarget
from dlrun.data.preparation import Preparation
from dlrun.data.splits import GroupSplit, KFoldSplit, RandomSplit, Split
from dlrun.data.splits.together import together
from dlrun.errors import DataError
from dlrun.seeds import generator

if TYPE_CHECKING:
    import numpy as np

FOLDS = 5
"""Into how many folds the train rows are dealt out."""

MOST_MEANS = 10_000_000
"""Values times numbers for each of them, at most."""


def cross_fitted(
    preparation: Preparation, features: Mapping[str, Feature], table: Table, rows: np.ndarray, split: Split, seed: int
) -> tuple[Preparation, OutOfFold | None]:
    """Gives target encodings their means over the train rows, and says what those rows are shown instead.

    Args:
        preparation: all else of it is fitted.
        features: as the spec has them.
        rows: for training.
        split: tells which rows stay in one fold.
        seed: which fold a row is in follows from it.

    Raises:
        DataError: there is one row only, or too many values.
    """
    encoded = {
        name: (each, feature.smoothing)
        for name, feature in features.items()
        if isinstance(feature, Category) and isinstance(each := preparation.features[name], FittedCategory)
        if feature.encoding == "target"
    }
    if not encoded:
        return preparation, None
    if len(rows) < 2:
        raise DataError(f"{table.name}: target encoding needs two train rows at least", hint="encoding: one_hot")
    fold = deal_out(table, rows, kept_together(split), tuple(features), seed)
    targets = [(target, _taught(target, table.columns[target.column][rows])) for target in preparation.targets]
    labels = [label for target, _ in targets for label in _labels(target)]
    fitted, shown = dict(preparation.features), {}
    for name, (feature, smoothing) in encoded.items():
        if (1 + feature.count) * len(labels) > MOST_MEANS:
            raise DataError(
                f"{table.name}: {name} has {feature.count:,} values, with {len(labels):,} means of the target for each",
                hint="`buckets: 10000` in the feature has values share their means",
            )
        sums = _sums(feature.indexes(table.columns[name][rows]), 1 + feature.count, fold, targets)
        means, shown[name] = _means(sums, smoothing)
        fitted[name] = feature.model_copy(
            update={"means": {label: tuple(own.tolist()) for label, own in zip(labels, means.T, strict=True)}}
        )
    return preparation.model_copy(update={"features": fitted}), OutOfFold(fold, shown)


def kept_together(split: Split) -> tuple[str, ...]:
    """What a split never parts: columns, and `duplicates`."""
    return split.together if isinstance(split, RandomSplit | GroupSplit | KFoldSplit) else ()


def deal_out(
    table: Table, rows: np.ndarray, names: tuple[str, ...], features: tuple[str, ...], seed: int
) -> np.ndarray:
    """The fold of each train row, (rows,) int8; there are two at least.

    Args:
        names: what keeps rows together, as long as that leaves two groups.
        features: the columns that enter the network.
    """
    import numpy as np

    groups = together(table, rows, names, features) if names else None
    if groups is not None and not groups.any():
        groups = None
    count = len(rows) if groups is None else int(groups.max()) + 1
    folds = np.resize(np.arange(FOLDS, dtype=np.int8), count)
    generator(seed, "target encoding").shuffle(folds)
    return folds if groups is None else folds[groups]


def _taught(target: FittedTarget, values: np.ndarray) -> np.ndarray:
    """What means are taken of, (rows,): classes by their indexes int32; numbers with mean 0 and standard deviation 1,
    float64, of which sums of squares lose nothing."""
    import numpy as np

    if isinstance(target, FittedClasses):
        return target.encode(values)
    numbers = target.truth(values)
    return np.asarray((numbers - numbers.mean()) / usable(numbers.std(), numbers.mean()))


def _labels(target: FittedTarget) -> list[str]:
    """What each mean of a target is called: of two classes there is that of the second alone."""
    if not isinstance(target, FittedClasses):
        return [f"mean of {target.column}"]
    classes = target.classes[1:] if len(target.classes) == 2 else target.classes
    return [f"share of {target.column}={each}" for each in classes]


def _sums(
    indexes: np.ndarray, values: int, fold: np.ndarray, targets: Sequence[tuple[FittedTarget, np.ndarray]]
) -> list[Sums]:
    """What is summed up of each fold.

    Args:
        indexes: of the value of each row.
        values: how many there are.
        targets: with what means are taken of.
    """
    import numpy as np

    folds = int(fold.max()) + 1
    cells, size = fold.astype(np.int64) * values + indexes, folds * values
    counts = np.bincount(cells, minlength=size)
    sums, squares = [], []
    for target, numbers in targets:
        if isinstance(target, FittedClasses):
            classes = len(target.classes)
            table = np.bincount(cells * classes + numbers, minlength=size * classes).reshape(size, classes)
            sums.append(table[:, 1:] if classes == 2 else table)
            squares.append(sums[-1])
        else:
            sums.append(np.bincount(cells, numbers, size)[:, None])
            squares.append(np.bincount(cells, numbers**2, size)[:, None])
    parts = (counts, np.concatenate(sums, axis=1, dtype=np.float64), np.concatenate(squares, axis=1, dtype=np.float64))
    return [Sums(*each) for each in zip(*(np.split(part, folds) for part in parts), strict=True)]


def _means(folds: list[Sums], smoothing: Smoothing) -> tuple[np.ndarray, np.ndarray]:
    """The means over all train rows, float64 (values, numbers), and over all folds but one, float32 (folds, values,
    numbers), both in standard deviations of what is predicted from its mean over all train rows."""
    import numpy as np

    whole = _joined(folds)
    scale = np.array([usable(each) for each in np.sqrt(whole.variance)])

    def scaled(sums: Sums) -> np.ndarray:
        return np.asarray((sums.smoothed(smoothing) - whole.mean) / scale)

    others = [_joined([each for each in folds if each is not own]) for own in folds]
    return scaled(whole), np.stack([scaled(each).astype(np.float32) for each in others])


def _joined(folds: list[Sums]) -> Sums:
    """What is summed up of several folds together."""
    import numpy as np

    parts = [(fold.counts, fold.sums, fold.squares) for fold in folds]
    return Sums(*(np.sum(each, axis=0) for each in zip(*parts, strict=True)))
