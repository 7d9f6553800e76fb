"""What the sources of named data sets share: all is known of them before anything is read."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Self

from dlrun.data.columns import Column, Defaults
from dlrun.data.sources.known import KnownSet
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem


class NamedSource(Spec):
    """A source whose data sets are listed in `known.py`; `about` finds the one that is meant."""

    @property
    def about(self) -> KnownSet:
        """What is known of the data set."""
        raise NotImplementedError

    def check(self, base: pathlib.Path) -> Iterator[Problem]:
        """Nothing can be wrong before it is read."""
        return iter(())

    def known(self, base: pathlib.Path) -> dict[str, Column]:
        """The columns, without reading anything."""
        return dict(self.about.columns)

    def defaults(self, base: pathlib.Path) -> Defaults:
        """The roles of the columns."""
        return self.about.defaults

    def has_test(self, base: pathlib.Path) -> bool:
        """Whether there is a test part."""
        return self.about.own_test

    def resolve(self, base: pathlib.Path) -> Self:
        """The same source, wherever the spec lies."""
        return self
