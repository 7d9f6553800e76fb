"""Split, architecture, loss and training that suit the target and the features of a draft."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dlrun.drafting.features import ChosenFeatures, choose_features
from dlrun.drafting.forecast import Forecast, find_forecast
from dlrun.drafting.material import TABLES, Material
from dlrun.drafting.target import ChosenTarget, choose_target
from dlrun.drafting.yaml_text import Line, text_of_lines
from dlrun.errors import DataError
from dlrun.experiment import fitting_name
from dlrun.profile.classes import OUTNUMBERED
from dlrun.profile.column import counts_of
from dlrun.profile.frame import row_hashes

FEWEST_OF_A_CLASS = 5
"""Rows of each class that are needed to deal it out to all parts."""

NAMED: Mapping[str, Callable[[str], Any]] = {"integer": int, "boolean": "true".__eq__}
"""What a class is in the table, by its name and the type of its column; a text is itself."""

MANY_SERIES = 20
"""From so many series on the network is told which one it reads; of fewer, a new one can be forecast too."""


def draft(path: pathlib.Path, spec: pathlib.Path, material: Material, wanted: str | None) -> str:
    """The text of a spec.

    Args:
        path: the data, as the user named it.
        spec: where the spec is going to be.
        wanted: the target, as the user says; None: what names and values tell.

    Raises:
        UsageError, DataError: no column can be predicted, or none is left to predict it from.
    """
    target = choose_target(material, wanted)
    forecast = find_forecast(material, target)
    chosen = choose_features(material, target) if forecast is None else _series(material, target, forecast)
    if not chosen.used:
        told = "; ".join(f"{name}: {reason}" for name, reason in list(chosen.left_out.items())[:5])
        told = f" ({told})" if told else ", which is its only one"
        raise DataError(f"no column of {material.name} is left to predict {target.name} from{told}")
    return text_of_lines([*_lines(path, spec, material, target, chosen, forecast)])


def _series(material: Material, target: ChosenTarget, forecast: Forecast) -> ChosenFeatures:
    chosen = ChosenFeatures()
    feature: dict[str, Any] = {"kind": "series", "window": forecast.window, "horizon": forecast.horizon}
    reason = f"the last {forecast.window} rows say the next {forecast.horizon if forecast.horizon > 1 else 'one'}"
    if forecast.working_days:
        feature["holes"] = "ignore"
        reason += ", weekends and holidays left out"
    chosen.use(target.name, feature, reason)
    series = 1 if forecast.by is None else material.profile[forecast.by].distinct or 0
    if forecast.by is not None and series >= MANY_SERIES:
        told = f"a learned vector tells which series it is; one-hot, each step would have {series + 1:,} numbers more"
        chosen.use(forecast.by, {"kind": "category", "encoding": "embedding"}, told)
    for column in material.profile.columns:
        if column.name not in (target.name, forecast.time, forecast.by):
            chosen.left_out[column.name] = "the series is forecast from its own past"
    return chosen


def _lines(
    path: pathlib.Path,
    spec: pathlib.Path,
    material: Material,
    target: ChosenTarget,
    chosen: ChosenFeatures,
    forecast: Forecast | None,
) -> Iterator[Line]:
    profile = material.profile
    yield Line(None, reason=f"Drafted from {path}: {profile.rows:,} rows, {len(profile.columns):,} columns. Each line "
               "says why; change what you know better.")  # fmt: skip
    if material.damaged:
        yield Line(None, reason=f"{material.damaged}: mend the files, or take them out, before you train.")
    yield Line(None, reason=f"See the data: dlrun check --deep {spec}    Train: dlrun train {spec}")
    yield Line(None)
    yield Line("name", fitting_name(spec.stem))
    yield Line("seed", 42, "all randomness follows from it: split, first weights, order, dropout")
    yield Line(None)
    yield Line("data")
    yield from _source(material, target, forecast)
    given = {"column": target.name, "kind": target.kind}
    count = f"{len(target.classes)} classes" if target.kind == "category" else _span(target)
    yield Line("target", target.name if forecast else given, f"{target.reason}; {count}", 1)
    if forecast and forecast.by:
        told = f"{material.profile[forecast.by].distinct:,} series, each with times in even steps"
        yield Line("series_by", forecast.by, told, 1)
    yield from _split(material, target, chosen, forecast)
    yield Line("features", depth=1)
    for name, feature in chosen.used.items():
        yield Line(name, feature, chosen.reasons[name], 2)
    for name, reason in chosen.left_out.items():
        yield Line(None, reason=f"{name}: left out, {reason}", depth=2)
    yield Line(None)
    yield from _architecture(material, target, chosen, forecast)
    yield Line(None)
    yield from _training(material, target, chosen, forecast)


def _span(target: ChosenTarget) -> str:
    least, greatest = target.column.least, target.column.greatest
    if isinstance(least, int | float) and isinstance(greatest, int | float):
        return f"a number, {least:.6g} to {greatest:.6g}"
    return "a number"


def _source(material: Material, target: ChosenTarget, forecast: Forecast | None) -> Iterator[Line]:
    source, reasons = dict(material.source), list(material.reasons)
    if forecast is not None:
        source |= {"types": {forecast.time: {"time": forecast.form}}} if forecast.form else {}
        source["time"] = forecast.time
        if forecast.other:
            told = "where its steps are less even" if forecast.alone else "in even steps too: see which is meant"
            reasons.append(f"{forecast.time} could be written as {forecast.other}, {told}")
    if source["kind"] in TABLES:
        read = NAMED.get(target.column.type, str)
        if rare := [name for name in target.classes if name not in _kept(material, target)]:
            source["where"] = [{"column": target.name, "none_of": list(map(read, rare))}]
            reasons.append(f"without the classes of fewer than 3 rows, and rows without {target.name}")
        elif target.column.missing and target.kind == "number":
            source["where"] = [{"column": target.name, "min": target.column.least}]
            reasons.append(f"without the {target.column.missing:,} rows that have no {target.name}")
        elif target.column.missing:
            source["where"] = [{"column": target.name, "any_of": list(map(read, target.classes))}]
            reasons.append(f"without the {target.column.missing:,} rows that have no {target.name}")
    yield Line("source", source, "; ".join(reasons), 1)


def _split(
    material: Material, target: ChosenTarget, chosen: ChosenFeatures, forecast: Forecast | None
) -> Iterator[Line]:
    if material.own_validation:
        parts = "train, validation and test" if material.own_test else "train and validation, and there is no test part"
        yield Line("split", {"kind": "files"}, f"the data says itself what is {parts}", 1)
        return
    split: dict[str, Any] = {"validation": 0.15}
    split |= {} if material.own_test else {"test": 0.2}
    if forecast is not None:
        yield Line("split", {"kind": "time", **split}, "earlier rows train, later rows test", 1)
        return
    reasons = ["the test part is the source's own"] if material.own_test else []
    if chosen.group is not None:
        split = {"kind": "group", "by": chosen.group, **split}
        reasons.append(f"rows of one {chosen.group} stay together")
    elif _rarest(material, target, target.classes) >= FEWEST_OF_A_CLASS:
        split["stratify"] = True
        reasons.append("each part gets each class in the same proportion")
    copies, alone = _copies(material, target, chosen)
    if copies and ("stratify" not in split or _rarest(material, target, alone) >= FEWEST_OF_A_CLASS):
        split["keep_together"] = "duplicates"
        reasons.append(f"{copies:,} rows are there twice: none in two parts")
    yield Line("split", split, "; ".join(reasons) or "at random", 1)


def _kept(material: Material, target: ChosenTarget) -> Mapping[str, int]:
    """The classes that the draft trains, and how many rows each has: of a table those of three rows or more, where
    there are two of them."""
    often = {name: count for name, count in target.classes.items() if count >= 3}
    return often if material.source["kind"] in TABLES and len(often) >= 2 else target.classes


def _rarest(material: Material, target: ChosenTarget, counts: Mapping[str, int]) -> int:
    """The least of the counts of the classes that are trained; 0 where a number is predicted."""
    return min((counts.get(name, 0) for name in _kept(material, target)), default=0)


def _copies(material: Material, target: ChosenTarget, chosen: ChosenFeatures) -> tuple[int, Mapping[str, int]]:
    """Rows whose features another row has too, where all are columns with one value a row; and how many rows of each
    class have none that is like them."""
    names = list(chosen.used)
    if material.own_test or any(name not in material.frame.columns for name in names):
        return 0, {}
    import numpy as np
    import polars

    found = row_hashes(material.frame, names)
    ordered = np.sort(found)
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    if not 0 < 10 * len(again) < len(found):  # more than that are rows of few values, alike by chance
        return 0, {}
    if not target.classes:
        return len(again), {}
    del ordered  # as large as a column
    place = np.minimum(np.searchsorted(again, found), len(again) - 1)
    return len(again), counts_of(material.frame[target.name].filter(polars.Series(again[place] != found)))


def _architecture(
    material: Material, target: ChosenTarget, chosen: ChosenFeatures, forecast: Forecast | None
) -> Iterator[Line]:
    rows = material.profile.rows
    units = 16 if rows < 500 else 32 if rows < 5_000 else 64 if rows < 100_000 else 128
    images, texts = chosen.of_kind("image"), chosen.of_kind("text")
    table = chosen.of_kind("number", "category", "date")
    yield Line("architecture")
    if forecast is not None:
        yield Line("kind", "lstm", "reads the rows in their order", 1)
        yield Line("units", [max(units // 2, 16)], "one layer; more for a longer series", 1)
        if forecast.season:
            yield Line(
                "seasonal_skip", forecast.season[0], f"{forecast.season[1]}: says how far it is from one before", 1
            )
    elif len(images) + len(texts) + bool(table) > 1:
        yield Line("kind", "combined", "each input through an encoder of its own, then joined", 1)
        yield Line("dense", [units], "behind them", 1)
    elif images:
        sides = chosen.used[images[0]].get("size") or material.profile[images[0]].shape[:2]
        yield from _cnn(min(sides))
    elif texts:
        yield Line("kind", "lstm", "reads the words in their order", 1)
        yield Line("embedding_size", 32 if rows < 5_000 else 64, "numbers for each word", 1)
        yield Line("units", [units], "the state that it keeps while reading", 1)
        yield Line("pooling", "average", "all of the text counts, not its end alone", 1)
    else:
        yield Line("kind", "ann", "dense layers, for a table", 1)
        yield Line("dense", [units, units // 2], f"hidden layers, as wide as {rows:,} rows bear", 1)
    yield Line(None)
    yield Line("regularization", {"dropout": 0.3 if images or texts else 0.1}, "against learning rows by heart")


def _cnn(side: int) -> Iterator[Line]:
    """Blocks that halve the image until it has some 4 to 7 pixels a side, or five of them.

    Args:
        side: pixels of the shorter one.
    """
    blocks: list[dict[str, Any]] = []
    filters = 16 if side < 16 else 32
    while side >= 8 and len(blocks) < 5:
        blocks.append({"filters": filters, "kernel_size": 3, "padding": "same", "pool": 2})
        side, filters = side // 2, min(2 * filters, 128)
    blocks = blocks or [{"filters": filters, "kernel_size": 3, "padding": "same"}]
    yield Line("kind", "cnn", "convolutions, for images", 1)
    yield Line("blocks", None, f"each halves the image; {side} pixels a side are left", 1)
    for block in blocks:
        yield Line(None, block, depth=2, list_item=True)
    yield Line("pooling", "flatten" if side <= 8 else "global_average", depth=1)
    yield Line("dense", [64], depth=1)


def _training(
    material: Material, target: ChosenTarget, chosen: ChosenFeatures, forecast: Forecast | None
) -> Iterator[Line]:
    rows = material.profile.rows
    counts = _kept(material, target)
    loss: dict[str, Any] = {"kind": "mse"}
    reason = "the squared distance, of a number"
    if counts:
        loss = {"kind": "binary_crossentropy" if len(counts) == 2 else "categorical_crossentropy"}
        reason = f"for {len(counts)} classes"
        if max(counts.values()) > OUTNUMBERED * min(counts.values()):
            loss["class_weights"] = "balanced"
            reason += "; rare ones count more, since they are outnumbered ten to one"
    yield Line("optimizer", {"kind": "adam", "learning_rate": 0.001})
    yield Line("loss", loss, reason)
    yield Line(None)
    size = 16 if rows < 500 else 32 if rows < 5_000 else 64 if rows < 100_000 else 256 if rows < 1_000_000 else 1024
    quick = forecast is None and not chosen.of_kind("image", "text")
    epochs, patience = (100, 10) if quick and rows < 100_000 else (20, 3)
    yield Line("training")
    yield Line("epochs", epochs, "at most", 1)
    yield Line("batch_size", size, "rows of a step", 1)
    yield Line("early_stopping", {"monitor": "validation_loss", "patience": patience},
               "stops where it no longer gets better, and keeps the best", 1)  # fmt: skip
