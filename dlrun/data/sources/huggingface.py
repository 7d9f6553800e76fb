"""Data sets of Hugging Face that are on this machine, through the extra dlrun[huggingface]. Nothing is downloaded."""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import Field

from dlrun.data.columns import Column, Defaults, Table, near
from dlrun.data.on_disk import OnDisk
from dlrun.data.sources.class_folders import NAMES, PartName
from dlrun.data.sources.files import RELATIVE, locate, near_file
from dlrun.data.sources.frames import columns_of, with_times
from dlrun.data.sources.record_pictures import decoded
from dlrun.errors import DataError, MissingExtraError
from dlrun.machine import cache_folder
from dlrun.spec.base import Spec
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import numpy as np

OFFLINE = "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"
"""Variables that keep the library off the network."""

SEVERAL, ONE, INFO = "dataset_dict.json", "state.json", "dataset_info.json"

BLOCK = 256
"""Images of parts that are joined at once."""

Named = Annotated[str, Field(min_length=1)]


class HuggingFace(Spec):
    """A data set that was saved with `save_to_disk`, or that the library `datasets` has in its cache."""

    kind: Literal["huggingface"]
    """A data set of Hugging Face that is on this machine: saved with save_to_disk, or in the cache of the library
    datasets. Needs the extra dlrun[huggingface]; nothing is downloaded."""
    path: Named | None = None
    """The folder that save_to_disk wrote; a relative path is relative to the spec file."""
    name: Named | None = None
    """Instead of path: its name on the hub, such as stanfordnlp/imdb, of one that is in the cache."""
    config: Named | None = None
    """Of a named data set that has several: which."""
    part: Named = "train"
    """The part whose rows are trained on. Parts called `validation` (or `valid`, `val`, `dev`) and `test` are the
    source's own, unless it is one of them."""
    time: str | None = None
    """The column with the time of each row; for series and for a split by time."""

    def check(self, base: pathlib.Path) -> Iterator[Problem]:
        """What is wrong with the fields and with the folder, as far as its descriptions show it."""
        if (self.path is None) == (self.name is None):
            told = "neither path nor name" if self.path is None else "both path and name"
            yield Problem((), f"the source has {told}", expected="one of the two", hint="path: my_dataset")
            return
        if self.config is not None and self.path is not None:
            yield Problem(("config",), "config belongs to name", hint="take it out", at="key")
        if self.path is None:
            return
        try:
            parts = self._parts(base)
        except DataError as error:
            yield Problem(("path",), error.message, received=self.path, hint=error.hint)
            return
        if parts and self.part not in parts:
            yield Problem(("part",), f"there is no part {self.part}", hint=f"the parts are: {', '.join(parts)}")
        known = self.known(base)
        if self.time is not None and known is not None and self.time not in known:
            yield Problem(("time",), f"there is no column {self.time}", hint=near(self.time, known))

    def _parts(self, base: pathlib.Path) -> list[str]:
        """The parts of a saved data set; empty of one that has none.

        Raises:
            DataError: the folder is none of a data set.
        """
        place = locate(base, self.path or "")
        if not place.is_dir():
            raise DataError(f"there is no folder {place}", hint=near_file(place) or RELATIVE)
        if (place / SEVERAL).is_file():
            parts = _json(place / SEVERAL).get("splits")
            if isinstance(parts, list) and parts:
                return [str(part) for part in parts]
            raise DataError(f"{place / SEVERAL} names no parts", hint="save the data set again")
        if not (place / ONE).is_file():
            raise DataError(f"{place} is no saved data set: it has no {ONE}", hint="dataset.save_to_disk(folder)")
        return []

    def known(self, base: pathlib.Path) -> dict[str, Column] | None:
        """The columns of a saved data set, by its description; None of one in the cache."""
        if self.path is None:
            return None
        try:
            parts = self._parts(base)
            place = locate(base, self.path)
            features = _json((place / self.part if parts else place) / INFO).get("features")
        except DataError:
            return None
        return {name: _known(each) for name, each in features.items()} if isinstance(features, dict) else None

    def defaults(self, base: pathlib.Path) -> Defaults:
        """The roles of the columns."""
        return Defaults(target="label", time=self.time)

    def has_test(self, base: pathlib.Path) -> bool | None:
        """Whether there is a test part; None where that is not known."""
        if self.path is None:
            return None
        try:
            return "test" in self._own(self._parts(base))
        except DataError:
            return None

    def own_parts(self, base: pathlib.Path) -> tuple[PartName, ...] | None:
        """The parts of the data that those of the data set are; None where that is not known."""
        try:
            return None if self.path is None else tuple(self._own(self._parts(base)))
        except DataError:
            return None

    def _own(self, parts: Sequence[str]) -> dict[PartName, str]:
        """Which parts of the data set are those of the data.

        Args:
            parts: those that the data set has; none where it is one table.
        """
        own: dict[PartName, str] = {"train": self.part}
        called = [name for name, part in NAMES.items() if part == "validation" and name in parts]
        if called and NAMES.get(self.part, "train") == "train":
            own["validation"] = called[0]
        if "test" in parts and self.part != "test":
            own["test"] = "test"
        return own

    def resolve(self, base: pathlib.Path) -> HuggingFace:
        """The same source with an absolute path."""
        return self.model_copy(update={"path": self.path and str(locate(base, self.path))})

    def load(self, base: pathlib.Path) -> Table:
        """Reads the rows.

        Raises:
            DataError: the data set is not on this machine, or damaged.
            MissingExtraError: the library is not installed.
        """
        import numpy as np

        name = self.name or locate(base, self.path or "").name
        found = self._found(base, name)
        parts = list(found) if isinstance(found, dict) else []
        if not parts:
            columns = self._columns(found, name)
            return Table(name, columns)
        if self.part not in parts:
            raise DataError(f"{name} has no part {self.part}", hint=f"part: one of {', '.join(parts)}")
        own = self._own(parts)
        others = [part for part in parts if part not in (self.part, *own.values())]
        notes = (f"{name}: the rows of {', '.join(others)} are not used",) if others else ()
        held = [self._columns(found[part], name) for part in own.values()]
        for part, its in zip(own.values(), held, strict=True):
            if list(its) != list(held[0]):
                raise DataError(f"{name}: the parts {self.part} and {part} have other columns")
        of_part = np.repeat(np.arange(len(held)), [len(next(iter(each.values()))) for each in held])
        rows = {part: of_part == number for number, part in enumerate(own)}
        columns = {column: _joined(name, column, held) for column in held[0]}
        return Table(
            name, columns, rows.get("test"), notes=notes, files=tuple(own.values()), file_of=of_part,
            validation_rows=rows.get("validation"),
        )  # fmt: skip

    def _found(self, base: pathlib.Path, name: str) -> Any:
        """The data set, or those of all parts by name."""
        if importlib.util.find_spec("datasets") is None:
            raise MissingExtraError(
                "data sets of Hugging Face are read with the library datasets, which is not installed",
                hint="pip install 'dlrun[huggingface]'",
            )
        os.environ.update(dict.fromkeys(OFFLINE, "1"))
        import datasets

        datasets.disable_progress_bars()
        try:
            if self.path is not None:
                return datasets.load_from_disk(str(locate(base, self.path)))
            return datasets.load_dataset(self.name, self.config)
        except (OSError, ValueError, KeyError, TypeError) as error:  # a ConnectionError is an OSError
            if isinstance(error, ConnectionError):
                mend = f'python -c "import datasets; datasets.load_dataset({name!r})" fetches it'
                raise DataError(f"{name} is not in the cache of the library datasets", hint=mend) from None
            first = (str(error) or type(error).__name__).splitlines()[0]
            raise DataError(f"{name} cannot be read: {first}", hint="save or fetch the data set again") from None

    def _columns(self, part: Any, name: str) -> dict[str, np.ndarray]:
        """The columns of a part as `Table` has them."""
        import datasets
        import numpy as np

        images = [each for each, feature in part.features.items() if isinstance(feature, datasets.Image)]
        for column in images:
            part = part.cast_column(column, datasets.Image(decode=False))
        try:
            frame = part.with_format(None).to_polars()
        except (OSError, ValueError) as error:
            raise DataError(f"{name} cannot be read: {str(error).splitlines()[0]}") from None
        if not frame.height:
            raise DataError(f"{name} has no rows")
        if self.time is not None and self.time in frame.columns:
            frame = with_times(frame, self.time, name)
        columns = columns_of(frame.drop(images), name)
        for column, feature in part.features.items():
            if isinstance(feature, datasets.ClassLabel):
                names = np.array([*feature.names, None], object)
                columns[column] = names[[-1 if value is None else value for value in frame[column].to_list()]]
            elif column in images:
                contents = [_content(each, name, row) for row, each in enumerate(frame[column].to_list(), 1)]
                columns[column] = decoded(contents, name, column)
        return {column: columns[column] for column in part.features}


def _content(image: dict[str, Any] | None, name: str, row: int) -> bytes:
    """The content of an image file that stands in a row, or that the row names."""
    if image is not None and image.get("bytes") is not None:
        return bytes(image["bytes"])
    try:
        return pathlib.Path((image or {})["path"]).read_bytes()
    except (OSError, KeyError, TypeError):
        raise DataError(f"{name}: row {row} has no image", hint="take the row out") from None


def _joined(name: str, column: str, parts: Sequence[Mapping[str, np.ndarray]]) -> np.ndarray:
    """A column of all parts."""
    import numpy as np

    first, *others = (part[column] for part in parts)
    for values in others:
        if first.shape[1:] != values.shape[1:]:
            raise DataError(f"{name}: {column} has the shapes {first.shape[1:]} and {values.shape[1:]} in its parts")
    if not any(isinstance(values, OnDisk) for values in (first, *others)):
        return np.concatenate([first, *others]) if others else first
    whole = OnDisk(cache_folder() / "streamed", first.shape[1:], first.dtype)
    for values in (first, *others):
        for start in range(0, len(values), BLOCK):
            whole.append(values[start : start + BLOCK])
    return cast("np.ndarray", whole)  # it is sliced as arrays are


def _json(file: pathlib.Path) -> dict[str, Any]:
    """The description in a file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read: {error}", hint="save the data set again") from None
    return found if isinstance(found, dict) else {}


def _known(feature: Any) -> Column:
    """What the description of a feature says of its column."""
    kind = feature.get("_type") if isinstance(feature, dict) else None
    if kind == "ClassLabel" and isinstance(feature.get("names"), list):
        from dlrun.data.features.category import sort_texts

        return Column("category", classes=tuple(sort_texts([str(each) for each in feature["names"]])))
    return Column("unknown")
