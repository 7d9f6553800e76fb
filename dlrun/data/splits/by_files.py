"""Whole files are for validation or for the test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Literal

from dlrun.data.columns import Table
from dlrun.data.splits.parts import Names, Parts, Roles, check_own_test
from dlrun.errors import DataError
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem


class FilesSplit(Spec):
    """Whole files of the source are for validation or for the test."""

    kind: Literal["files"]
    """Whole files of the source are for validation or for the test; all others are for training."""
    validation: Names | None = None
    """The files for validation, by name or pattern, such as [2019.csv, 2020-*.csv], or the folders that they are in.
    Left out: none."""
    test: Names | None = None
    """The files for the test. Left out: none."""

    @property
    def has_validation(self) -> bool:
        return self.validation is not None

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """The columns that it names: none."""
        return ()

    def check(self, own_test: bool | None) -> Iterator[Problem]:
        """What is wrong with the fields."""
        yield from check_own_test(own_test, "kind", self.kind)
        if not self.validation and not self.test:
            yield Problem(
                (), "no file is for validation, and none for the test", expected="validation, test or both",
                hint="split: {kind: files, test: last.csv}",
            )  # fmt: skip

    def check_files(self, files: Sequence[str]) -> Iterator[Problem]:
        """Patterns that no file fits, files that are in two parts, and that none is left to train on."""
        for field in ("validation", "test"):
            names: tuple[str, ...] = getattr(self, field) or ()
            for index, name in enumerate(names):
                if not any(_fits(file, name) for file in files):
                    yield Problem(
                        (field, index), f"no file of the source fits {name}", received=name, hint=_listed(files)
                    )
        held_out = [self._parts_of(file) for file in files]
        for file, parts in zip(files, held_out, strict=True):
            if len(parts) > 1:
                yield Problem(
                    ("test",), f"{PurePath(file).name} is for validation and for the test",
                    hint="each file is of one part",
                )  # fmt: skip
        if all(held_out) and files:
            yield Problem((), "no file is left to train on", hint=_listed(files))

    def parts(self, table: Table, *, seed: int, roles: Roles) -> Parts:
        """Splits the rows of a table.

        Raises:
            DataError: the source does not say which file a row is from, or a part has no rows.
        """
        import numpy as np

        if table.file_of is None:
            raise DataError(f"{table.name}: its rows are not known by file", hint="split: {kind: random}")
        for problem in self.check_files(table.files):
            raise DataError(f"{table.name}: {problem.message}", hint=problem.hint)
        of_file = np.array([(self._parts_of(file) or ["train"])[0] for file in table.files], dtype=str)
        of_row = of_file[table.file_of]
        rows = {part: np.flatnonzero(of_row == part).astype(np.int64) for part in ("train", "validation", "test")}
        for part, found in rows.items():
            if not len(found) and (part == "train" or getattr(self, part)):
                raise DataError(f"{table.name}: the files for {part} have no rows")
        return Parts(**rows)

    def _parts_of(self, file: str) -> list[str]:
        return [
            field for field in ("validation", "test") if any(_fits(file, name) for name in getattr(self, field) or ())
        ]


def _fits(file: str, pattern: str) -> bool:
    """Whether a file, or a folder that it is in, has the name, or the end of the path, that a pattern gives."""
    path, wanted = PurePath(file), pattern.rstrip("/") or pattern
    return any(place.match(wanted) for place in (path, *path.parents))


def _listed(files: Sequence[str]) -> str:
    names = [PurePath(file).name for file in files]
    return f"its files are: {', '.join(names[:10])}{', …' if len(names) > 10 else ''}"
