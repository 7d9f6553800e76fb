"""Whole files are for validation or for the test."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from pathlib import PurePath
from typing import Literal

from dlrun.data.columns import Table
from dlrun.data.splits.parts import Names, Parts, Roles, check_own_test, own_validation
from dlrun.errors import DataError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

SHOWN = 10
"""So many files are told by name."""


class FilesSplit(Spec):
    """Whole files of the source are for validation or for the test."""

    kind: Literal["files"]
    """Whole files of the source are for validation or for the test; all others are for training. A folder of classes
    with parts in it keeps those, and so does a data set of Hugging Face."""
    validation: Names | None = None
    """The files for validation, by name or pattern, such as [2019.csv, 2020-*.csv], or the folders that they are in.
    Left out: the source's own validation part, or none."""
    test: Names | None = None
    """The files for the test. Left out: the source's own test part, or none."""

    @property
    def has_validation(self) -> bool:
        return self.validation is not None

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """The columns that it names: none."""
        return ()

    def check(self, own_test: bool | None) -> Iterator[Problem]:
        """What is wrong with the fields."""
        if self.test is not None:
            yield from check_own_test(own_test, "test", ", ".join(self.test))

    def check_files(self, files: Sequence[str], own: Collection[str] = ()) -> Iterator[Problem]:
        """Patterns that no file fits, files that are in two parts, and that none is left to train on.

        Args:
            files: those that are in no part of the source's own.
            own: the parts that the source has itself.
        """
        if not self.validation and not self.test and not own:
            yield Problem(
                (), "no file is for validation, and none for the test", expected="validation, test or both",
                hint="split: {kind: files, test: last.csv}",
            )  # fmt: skip
            return
        if self.validation and "validation" in own:
            yield own_validation("validation", ", ".join(self.validation))
            return
        for field in ("validation", "test"):
            names: tuple[str, ...] = getattr(self, field) or ()
            for index, name in enumerate(names):
                if not any(_fits(file, name) for file in files):
                    yield Problem(
                        (field, index), f"no file of the source fits {name}", received=name, hint=_listed(files)
                    )
        held_out = [self._parts_of(file) for file in files]
        if both := [_shown(file) for file, parts in zip(files, held_out, strict=True) if len(parts) > 1]:
            more = f" and {len(both) - SHOWN:,} more" if len(both) > SHOWN else ""
            verb = "is" if len(both) == 1 else "are"
            yield Problem(
                ("test",), f"{', '.join(both[:SHOWN])}{more} {verb} for validation and for the test",
                hint="each file is of one part",
            )  # fmt: skip
        if all(held_out) and files:
            yield Problem((), "no file is left to train on", hint=_listed(files))

    def parts(self, table: Table, *, seed: int, roles: Roles) -> Parts:
        """Splits the rows of a table.

        Raises:
            DataError: the source does not say which file a row is from, a pattern fits none, or none trains.
        """
        import numpy as np

        if table.file_of is None:
            raise DataError(f"{table.name}: its rows are not known by file", hint="split: {kind: random}")
        own = {"validation": table.validation_rows, "test": table.test_rows}
        kept = {part: rows for part, rows in own.items() if rows is not None}
        free = ~np.logical_or.reduce([np.zeros(len(table), bool), *kept.values()])
        numbers = np.unique(table.file_of[free])
        files = [table.files[number] for number in numbers]
        for problem in self.check_files(files, kept):
            raise DataError(f"{table.name}: {problem.message}", hint=problem.hint)
        of_file = np.full(len(table.files), "train", "<U10")
        of_file[numbers] = [(self._parts_of(file) or ["train"])[0] for file in files]
        of_row = of_file[table.file_of]
        for part, held in kept.items():
            of_row[held] = part
        rows = {part: np.flatnonzero(of_row == part).astype(np.int64) for part in ("train", "validation", "test")}
        if not len(rows["train"]):
            raise DataError(f"{table.name}: the files for train have no rows")
        return Parts(**rows)

    def _parts_of(self, file: str) -> list[str]:
        return [
            field for field in ("validation", "test") if any(_fits(file, name) for name in getattr(self, field) or ())
        ]


def _fits(file: str, pattern: str) -> bool:
    """Whether a file, or a folder that it is in, has the name, or the end of the path, that a pattern gives."""
    path = PurePath(file)
    return path.match(pattern) or _lies_in(path.parent, pattern)


@lru_cache(maxsize=1 << 12)
def _lies_in(folder: PurePath, pattern: str) -> bool:
    return any(place.match(pattern) for place in (folder, *folder.parents))


def _shown(file: str) -> str:
    """A file by its name; one of a folder of classes by its way from there, since many have the same name."""
    return PurePath(file).name if PurePath(file).is_absolute() else file


def _listed(files: Sequence[str]) -> str:
    names = [_shown(file) for file in files[: SHOWN + 1]]
    return f"its files are: {', '.join(names[:SHOWN])}{', …' if len(names) > SHOWN else ''}"
