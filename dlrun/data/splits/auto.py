"""The split that suits the data, where the spec names none."""

from __future__ import annotations

from typing import Literal

from dlrun.data.splits.at_random import RandomSplit
from dlrun.data.splits.by_files import FilesSplit
from dlrun.data.splits.by_group import GroupSplit
from dlrun.data.splits.by_time import TimeSplit
from dlrun.data.splits.parts import DealtSplit


class AutoSplit(DealtSplit):
    """By time for a series, by its group where the source says what must stay together, and at random otherwise; a
    source with a validation part keeps it."""

    kind: Literal["auto"] = "auto"
    """By time for a series, by its group where the source says what must stay together, and at random otherwise; a
    source with a validation part keeps it."""

    def choose(
        self, *, series: bool, group: str | None, own_validation: bool = False
    ) -> RandomSplit | GroupSplit | TimeSplit | FilesSplit:
        """The split that it stands for.

        Args:
            series: whether there is one among the features.
            group: the column whose rows must stay together.
            own_validation: whether the source has a validation part of its own.
        """
        if own_validation:
            return FilesSplit(kind="files")
        if series:
            return TimeSplit(kind="time", validation=self.validation, test=self.test)
        said = self.model_dump(exclude={"kind"})
        return RandomSplit(**said) if group is None else GroupSplit(kind="group", by=group, **said)
