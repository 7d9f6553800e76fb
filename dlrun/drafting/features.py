"""How each column of a draft enters the network, or why it does not."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dlrun.data.inference import MOST_CATEGORIES, ROWS_A_CATEGORY
from dlrun.drafting.material import Material, are_image_files
from dlrun.drafting.readings import Reading, evenest, readings
from dlrun.drafting.target import ChosenTarget
from dlrun.profile.column import ColumnProfile
from dlrun.profile.finding import counted, listed
from dlrun.profile.leaks import look_for_leaks
from dlrun.profile.values import id_reason
from dlrun.profile.written import mend_numbers, odd_times, told_odd, written

if TYPE_CHECKING:
    import polars

WORDS = 4
"""Words of a text, on average, from which on their order says something."""

FEW = 10
"""Different whole numbers up to which they could be names."""

MOSTLY_MISSING = 0.5
"""The share of missing values above which a column is left out."""

SKEWED = 20
"""How many times the median the greatest of positive numbers is where their logarithm serves better."""

MOST_BUCKETS = 256
"""Into how many buckets the values of a column of many are dealt, at most."""

SIDE = 128
"""Pixels a side to which image files are brought."""

GROUP = re.compile(
    r"(^|.*[_\W])(patient|user|customer|client|subject|person|session|group|site|store|speaker|author|device|machine|"
    r"participant|household|family)([_\W]?(id|nr|no|name))?$|.*[a-z]I[Dd]$|.+_id$",
    re.IGNORECASE,
)
"""How columns are called whose rows belong together."""


@dataclass
class ChosenFeatures:
    """The features of a draft.

    Args:
        used: by column, each as the spec has it.
        reasons: why, by column.
        left_out: why not, by column.
        group: the column whose rows stay together.
    """

    used: dict[str, dict[str, Any]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    group: str | None = None

    def use(self, name: str, feature: Mapping[str, Any], reason: str) -> None:
        self.used[name], self.reasons[name] = dict(feature), reason

    def of_kind(self, *kinds: str) -> list[str]:
        return [name for name, feature in self.used.items() if feature["kind"] in kinds]


def choose_features(material: Material, target: ChosenTarget) -> ChosenFeatures:
    """All columns but the target: each as what it holds."""
    chosen = ChosenFeatures()
    for column in material.profile.columns:
        if column.name != target.name:
            _choose(chosen, column, material)
    chosen.left_out |= material.unread
    flat = [name for name in chosen.used if name in material.frame.columns and material.profile[name].type != "array"]
    for finding in look_for_leaks(material.frame, flat, target.name) if target.name in material.frame.columns else ():
        name = finding.columns[0]
        chosen.left_out[name] = f"it {finding.what.removeprefix(name).strip()}"
        del chosen.used[name]
    return chosen


def _choose(chosen: ChosenFeatures, column: ColumnProfile, material: Material) -> None:
    name, rows = column.name, column.rows
    if name not in material.frame.columns:
        _choose_array(chosen, column, material)
        return
    values = material.frame[name]
    if column.type == "empty" or column.distinct == 1:
        chosen.left_out[name] = "it has no value" if column.type == "empty" else "it has one value"
    elif column.type == "array":
        _choose_rows(chosen, name, values)
    elif column.missing > MOSTLY_MISSING * rows:
        chosen.left_out[name] = f"it is missing in {_percent(column)} of the rows"
    elif column.type == "text" and are_image_files(values):
        chosen.left_out[name] = _told_images(column)
    elif chosen.group is None and GROUP.match(name) and _is_group(column):
        chosen.group = name
        chosen.left_out[name] = "rows are split by it"
    elif reason := id_reason(values, column):
        chosen.left_out[name] = f"it looks like an id: {reason}"
    elif column.infinite:
        chosen.left_out[name] = f"{column.infinite:,} of its values are infinite"
    elif column.is_too_large:
        chosen.left_out[name] = "some of its values are too large for 32 bits"
    elif column.type == "time":
        _choose_times(chosen, name, material)
    elif column.type in ("integer", "number"):
        _choose_number(chosen, column)
    elif column.type == "boolean":
        chosen.use(name, {"kind": "category"}, "true or false")
    else:
        _choose_text(chosen, column, values, material)


def _choose_times(chosen: ChosenFeatures, name: str, material: Material) -> None:
    values = material.frame[name]
    found = readings(values)
    if not found and (odd := odd_times(values) if written(values).are_times else None):
        chosen.left_out[name] = f"times, as text; to use it, mend {told_odd(values, odd)}"
    elif not found:
        chosen.left_out[name] = "no feature reads such times: times of a day, or written in a way that is not known"
    elif reading := _meant(name, found, material):
        parts = ["year", "month", "day", "weekday"] + (["hour"] if reading.has_hours else [])
        form = {"format": reading.form} if reading.form else {}
        chosen.use(name, {"kind": "date", **form, "parts": parts}, reading.span)
    else:
        ways = " or ".join(f"{{kind: date, format: {json.dumps(each.form)}}}" for each in found)
        chosen.left_out[name] = f"nothing says whether its day or its month stands first; to use it, {ways}"


def _meant(name: str, found: Sequence[Reading], material: Material) -> Reading | None:
    """The one reading of a column, or the one that has day and month in the order of the other columns of the table, or
    the one in which times rise in even steps; None where nothing tells."""
    if len(found) == 1:
        return found[0]
    others = [readings(material.frame[other]) for other in material.frame.columns if other != name]
    orders = {other[0].day_first for other in others if len(other) == 1} - {None}
    if len(orders) == 1:
        return next((each for each in found if each.day_first in orders), None)
    stepped = evenest(found)
    return stepped[0] if stepped and stepped[2] else None


def _is_group(column: ColumnProfile) -> bool:
    """Whether values stand in several rows each, and there are enough of them to be parted."""
    distinct = column.distinct or 0
    return column.type in ("integer", "text") and not column.missing and 10 <= distinct <= column.rows / 2


def _choose_rows(chosen: ChosenFeatures, name: str, values: polars.Series) -> None:
    """A column with as many numbers in each row, or with objects."""
    import polars

    if isinstance(values.dtype, polars.Struct):
        fields = listed([field.name for field in values.dtype.fields])
        chosen.left_out[name] = f"it holds objects; to use it, write a column for each of {fields}"
    elif values.explode().null_count():
        chosen.left_out[name] = "numbers are missing in its rows"
    else:
        chosen.use(name, {"kind": "number"}, f"{len(values[0])} numbers a row")


def _choose_array(chosen: ChosenFeatures, column: ColumnProfile, material: Material) -> None:
    sides = " × ".join(map(str, column.shape))
    if column.type == "image" and column.least is None:
        size = [max(1, min(side, SIDE)) for side in column.shape[:2]]
        feature = {"kind": "image", "size": size, "resize": "fit", "rescale": [0, 1]}
        if folder := material.image_folders.get(column.name):
            feature["folder"] = folder
        chosen.use(column.name, feature, f"files, most of them about {sides}; resized where they differ")
    elif column.type == "image":
        chosen.use(
            column.name, {"kind": "image", "rescale": [0, 1]}, f"{sides}, {column.least:g} to {column.greatest:g}"
        )
    elif column.type == "array" and len(column.shape) == 1:
        chosen.use(column.name, {"kind": "number"}, f"{sides} numbers a row")
    else:
        chosen.left_out[column.name] = f"no feature reads values of the shape {sides}"


def _told_images(column: ColumnProfile) -> str:
    """Why names of image files are left out."""
    if column.missing:
        return f"image files, without a name in {counted(column.missing, 'row')}; to use it, take such rows out"
    return "image files, which are not beside the table; to use it, {kind: image, folder: <where they are>}"


def _choose_number(chosen: ChosenFeatures, column: ColumnProfile) -> None:
    feature: dict[str, Any] = {"kind": "number"}
    least, greatest = column.least, column.greatest
    reason = f"{least:.6g} to {greatest:.6g}" if isinstance(least, int | float) else ""
    if column.missing:
        feature["missing"] = "median"
        reason += f"; missing in {_percent(column)}"
    if column.quartiles and isinstance(least, int | float) and isinstance(greatest, int | float):
        median = column.quartiles[1]
        if least >= 0 and median > 0 and greatest > SKEWED * median:
            feature["transform"] = "log1p"
            reason += f", half of them below {median:.6g}"
    if column.type == "integer" and column.counts and 2 < len(column.counts) <= FEW:
        reason += "; kind: category, if they are names and not amounts"
    chosen.use(column.name, feature, reason)


def _choose_text(chosen: ChosenFeatures, column: ColumnProfile, values: polars.Series, material: Material) -> None:
    name, rows, distinct = column.name, column.rows, column.distinct or 0
    found = written(values)
    if found.are_times:
        _choose_times(chosen, name, material)
    elif found.are_numbers and found.units + found.thousands + found.points + found.commas:
        chosen.left_out[name] = f"numbers as text; to use it, {mend_numbers(found)}"
    elif distinct <= MOST_CATEGORIES and ROWS_A_CATEGORY * distinct <= rows:
        missing = f"; missing in {_percent(column)}" if column.missing else ""
        chosen.use(name, {"kind": "category"}, f"{distinct} different values{missing}")
    elif (column.words or 0) >= WORDS:
        words = values.drop_nulls().gather_every(max(1, rows // 20_000)).str.count_matches(r"\S+")
        length = max(8, min(400, int(words.quantile(0.95) or 8)))
        feature = {"kind": "text", "vocabulary_size": 10_000 if rows > 5_000 else 5_000, "sequence_length": length}
        feature |= {"missing": "empty"} if column.missing else {}
        chosen.use(name, feature, f"95 % of the texts have at most {length} words")
    elif 2 * distinct <= rows:
        buckets = min(MOST_BUCKETS, 1 << (distinct - 1).bit_length())
        feature = {"kind": "category", "buckets": buckets}
        chosen.use(name, feature, f"{distinct:,} different values, dealt into buckets by their hash")
    else:
        chosen.left_out[name] = f"{distinct:,} different short texts: nearly each row has its own"


def _percent(column: ColumnProfile) -> str:
    share = 100 * column.missing / column.rows
    return f"{share:.0f}%" if share >= 1 else "less than 1%"
