"""What the sources of named data sets share: all is known of them before anything is read."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping
from typing import ClassVar, Self

from dlrun.data.columns import Column, Defaults
from dlrun.data.sources.known import KnownSet
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem


class NamedSource(Spec):
    """A source of named data sets; `sets` tells what is known of each."""

    sets: ClassVar[Mapping[str, KnownSet]]
    kind: str
    """Which source."""
    name: str
    """Which of its data sets."""

    @property
    def about(self) -> KnownSet:
        """What is known of the data set."""
        return self.sets[self.name]

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
