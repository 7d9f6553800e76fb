"""The folder of a run: what is in it, how each file is written and read. Nothing else knows the files' names."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlrun.errors import DlrunError, RunError
from dlrun.run.checkpoints import Checkpoints
from dlrun.run.files import (
    broken,
    missing,
    read_bytes,
    read_json,
    read_text,
    replacing,
    unwritable,
    write_bytes,
    write_json,
    write_text,
)
from dlrun.run.history import Row, history_text, parse_history
from dlrun.run.lock import locked
from dlrun.run.status import State, Status

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

STATUS = "status.json"
SPEC = "spec.yaml"
RESOLVED = "resolved.yaml"
HISTORY = "history.csv"
METRICS = "metrics.json"
FOLDS = "folds"

STAMPED = re.compile(r"-\d{8}-\d{6}(-\d+)?$")
"""How the name of a run folder ends."""

NAME_LENGTH = 100


@dataclass(frozen=True)
class RunFolder:
    """A run on the disk.

    Args:
        path: the folder. `create` and `open` make sure that it is a run; the class itself does not look.
    """

    path: Path

    @classmethod
    def create(cls, root: Path, name: str, now: datetime) -> RunFolder:
        """A new, empty folder `<root>/<name>-<YYYYMMDD-HHMMSS>[-n]`, which no other process can be given as well.

        Raises:
            DlrunError: if it cannot be made.
        """
        safe = re.sub(r"[^\w.-]", "_", name)[:NAME_LENGTH].lstrip(".") or "run"
        stem = f"{safe}-{now:%Y%m%d-%H%M%S}"
        try:
            root.mkdir(parents=True, exist_ok=True)
            for attempt in range(1, 1_000_000):
                path = root / (stem if attempt == 1 else f"{stem}-{attempt}")
                try:
                    path.mkdir()
                except FileExistsError:
                    continue
                return cls(path)
        except OSError as error:
            raise DlrunError(
                f"cannot make a run folder in {root}: {error.strerror}",
                hint="name a folder that you can write to with --out",
            ) from error
        raise DlrunError(f"{root} is full of runs named {stem}")

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The run at a path.

        Raises:
            RunError: if there is none; the message says what was looked for, the hint what may have been meant.
        """
        if cls.is_run(path):
            return cls(path)
        if path.is_dir():
            inside = sorted(
                (child for child in path.iterdir() if cls.is_run(child)), key=lambda run: run.stat().st_mtime
            )
            raise RunError(
                f"{path} is not a run: it has no {STATUS}",
                hint=f"name one of the runs in it, such as {inside[-1]}" if inside else None,
            )
        owner = next((parent for parent in path.absolute().parents if cls.is_run(parent)), None)
        if path.exists():
            raise RunError(
                f"{path} is a file, and a run is a folder with a {STATUS}",
                hint=f"name the run that it belongs to: {owner}" if owner else None,
            )
        raise RunError(f"there is no run at {path}: no such folder", hint=_near(path))

    @staticmethod
    def is_run(path: Path) -> bool:
        """Whether the folder has the file that every run has from its start."""
        return (path / STATUS).is_file()

    @staticmethod
    def looks_like_run(name: str, files: Iterable[str]) -> bool:
        """Whether a folder of that name with those files is a run or what is left of one."""
        return not {STATUS, SPEC, RESOLVED, HISTORY, METRICS}.isdisjoint(files) or bool(STAMPED.search(name))

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.path.name or self.path.resolve().name

    @property
    def title(self) -> str:
        """What to call it in a message: its name, and of a fold that of the whole run too."""
        folds = self.path.resolve().parent
        return f"fold {self.name} of {folds.parent.name}" if folds.name == FOLDS else self.name

    # status.json

    def status(self) -> Status:
        """Where the run stands.

        Raises:
            RunError: as do all readers, if the file is missing or broken.
        """
        file = self.path / STATUS
        try:
            return Status.parse(read_json(file))
        except ValueError as error:
            raise broken(file, str(error)) from error

    def start(self, epochs: int, main_metric: str | None = None, folds: int | None = None) -> None:
        """The run begins, in this process; of several folds, where there are so many."""
        self._write_status(Status.begin(epochs, main_metric, folds))

    def resume(self, epochs: int) -> None:
        """The run goes on, in this process, to so many epochs."""
        self._write_status(self.status().resumed(epochs))

    def note(self, kind: str, message: str, **facts: Any) -> None:
        """Something happened that is not as the spec would have it."""
        self._write_status(self.status().noted(kind, message, **facts))

    def locked(self) -> AbstractContextManager[None]:
        """Within it, this process alone trains the run.

        Raises:
            RunError: another process does, with its id.
        """
        return locked(self.path)

    def update_epoch(self, epoch: int, best_epoch: int | None = None) -> None:
        """So many epochs are done."""
        self._write_status(self.status().at(epoch, best_epoch))

    def update_folds(self, done: int) -> None:
        """So many folds are done."""
        self._write_status(self.status().with_folds(done))

    def finish(self) -> None:
        """All is done and written."""
        self._end("finished")

    def fail(self, error: DlrunError) -> None:
        """The run ended by an error."""
        self._end("failed", error)

    def interrupt(self) -> None:
        """The run was told to end."""
        self._end("interrupted")

    def _end(self, state: State, error: DlrunError | None = None) -> None:
        begun = self.status() if self.is_run(self.path) else Status.begin(0, None)
        self._write_status(begun.ended(state, error))

    def _write_status(self, status: Status) -> None:
        write_json(self.path / STATUS, status.tree())

    # folds/

    def fold(self, number: int) -> RunFolder:
        """The run of one fold, counted from 1, begun or not."""
        return RunFolder(self.path / FOLDS / str(number))

    def make_fold(self, number: int) -> RunFolder:
        """The folder for the run of one fold.

        Raises:
            RunError: it cannot be made.
        """
        fold = self.fold(number)
        try:
            fold.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(fold.path, error) from error
        return fold

    def folds(self) -> list[RunFolder]:
        """The runs of the folds that have begun, in their order; none where it is a single training."""
        count = self.status().folds or 0
        return [fold for number in range(1, count + 1) if self.is_run((fold := self.fold(number)).path)]

    # spec.yaml, resolved.yaml

    def write_spec(self, content: bytes, overrides: Sequence[str] = ()) -> None:
        """The user's file to the byte, under a comment that lists the `--set`s where there are any."""
        lines = [f"#   --set {' '.join(override.splitlines())}\n" for override in overrides]
        header = "".join(["# changed on the command line by\n", *lines, "\n"]) if lines else ""
        mark = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
        write_bytes(self.path / SPEC, mark + header.encode("utf-8", "backslashreplace") + content.removeprefix(mark))

    def spec(self) -> bytes:
        """The user's file."""
        return read_bytes(self.path / SPEC)

    def write_resolved(self, tree: Mapping[str, Any]) -> None:
        """Every field of the spec with its value."""
        from dlrun.run.resolved import resolved_text

        write_text(self.path / RESOLVED, resolved_text(tree))

    def resolved(self) -> dict[str, Any]:
        """Every field of the spec with its value."""
        from dlrun.run.resolved import parse_resolved

        return self._resolved(parse_resolved)

    def resolved_fields(self) -> dict[str, Any]:
        """The same, flat: value by path, `architecture.blocks[0].filters`."""
        from dlrun.run.resolved import resolved_fields

        return self._resolved(resolved_fields)

    def _resolved(self, parse: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        try:
            return parse(read_text(self.resolved_path))
        except ValueError as error:
            raise broken(self.resolved_path, str(error)) from error

    @property
    def resolved_path(self) -> Path:
        return self.path / RESOLVED

    # history.csv

    def write_history(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Writes one row an epoch. All rows have the columns of the first; floats keep their bits."""
        write_text(self.path / HISTORY, history_text(rows))

    def history(self) -> list[Row]:
        """The rows of history.csv: whole numbers as int, others as float with the bits that were written."""
        try:
            return parse_history(read_text(self.path / HISTORY))
        except ValueError as error:
            raise broken(self.path / HISTORY, str(error)) from error

    # JSON and tables

    def write_environment(self, value: Mapping[str, Any]) -> None:
        """Versions, device, threads, determinism, command line."""
        write_json(self.path / "environment.json", value)

    def environment(self) -> dict[str, Any]:
        """Versions, device, threads, determinism, command line."""
        return read_json(self.path / "environment.json")

    def write_data(self, value: Mapping[str, Any]) -> None:
        """Rows, columns, classes, split sizes and their hashes."""
        write_json(self.path / "data.json", value)

    def data(self) -> dict[str, Any]:
        """Rows, columns, classes, split sizes and their hashes."""
        return read_json(self.path / "data.json")

    def write_metrics(self, value: Mapping[str, Any]) -> None:
        """Metrics by split (train, validation, test), and those of the baselines."""
        write_json(self.path / METRICS, value)

    def metrics(self) -> dict[str, Any]:
        """Metrics by split (train, validation, test), and those of the baselines."""
        return read_json(self.path / METRICS)

    @property
    def has_metrics(self) -> bool:
        return (self.path / METRICS).is_file()

    def write_confusion_matrix(self, labels: Sequence[str], counts: Any) -> None:
        """Class names, and counts (classes, classes): a row for each true class, a column for each predicted one."""
        write_json(self.path / "confusion_matrix.json", {"labels": list(labels), "counts": counts})

    def write_confusion_matrices(self, matrices: Mapping[str, Mapping[str, Any]]) -> None:
        """Of several targets: `labels` and `counts` by the target's name, of those that are classes."""
        write_json(self.path / "confusion_matrix.json", matrices)

    def confusion_matrix(self) -> dict[str, Any]:
        """`labels` and `counts`; of several targets both by the target's name."""
        return read_json(self.path / "confusion_matrix.json")

    def write_predictions(self, frames: Iterable[pl.DataFrame]) -> None:
        """A row for each evaluated example.

        Args:
            frames: one at least; each is made when the one before is written.
        """
        from polars.io.plugins import register_io_source

        left = iter(frames)
        first = next(left)
        source = register_io_source(lambda *_: chain([first], left), schema=first.schema)
        with replacing(self.path / "predictions.parquet") as file:
            source.sink_parquet(file)

    def predictions(self) -> pl.DataFrame:
        """A row for each evaluated example."""
        import polars as pl

        file = self.path / "predictions.parquet"
        try:
            return pl.read_parquet(file, glob=False)
        except FileNotFoundError:
            raise missing(file) from None
        except (pl.exceptions.PolarsError, OSError) as error:
            raise broken(file, str(error)) from error

    def scan_predictions(self) -> pl.LazyFrame:
        """The same, of which is read what is asked for."""
        import polars as pl

        return pl.scan_parquet(self.path / "predictions.parquet", glob=False)

    # model/, samples, plots/

    def save_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """The weights of the model by name; the same weights make the same bytes."""
        from dlrun.run.weights import save_arrays

        save_arrays(self._inside("model", "weights.npz"), weights)

    def load_weights(self) -> dict[str, np.ndarray]:
        """The weights of the model by name, in the order of saving."""
        from dlrun.run.weights import load_arrays

        return load_arrays(self.path / "model" / "weights.npz")

    def write_preparation(self, value: Mapping[str, Any]) -> None:
        """The fitted state of features and target."""
        write_json(self._inside("model", "preparation.json"), value)

    def preparation(self) -> dict[str, Any]:
        """The fitted state of features and target."""
        return read_json(self.path / "model" / "preparation.json")

    def write_threshold(self, value: Mapping[str, Any]) -> None:
        """From which probability on an example counts as of the second of two classes: `value`, and what chose it."""
        write_json(self._inside("model", "threshold.json"), value)

    def threshold(self) -> float | None:
        """The `value` of it; None where the more probable class counts."""
        file = self.path / "model" / "threshold.json"
        return float(read_json(file)["value"]) if file.is_file() else None

    def save_samples(self, samples: Mapping[str, np.ndarray]) -> None:
        """A few examples to look at, such as `originals` and `reconstructions`."""
        from dlrun.run.weights import save_arrays

        save_arrays(self.path / "samples.npz", samples)

    def load_samples(self) -> dict[str, np.ndarray]:
        """What `save_samples` wrote."""
        from dlrun.run.weights import load_arrays

        return load_arrays(self.path / "samples.npz")

    def save_augmented(self, samples: Mapping[str, np.ndarray]) -> None:
        """A few images of the train split, `originals`, and what augmentation makes of them, `augmented`; where
        they are mixed, with which and to what part."""
        from dlrun.run.weights import save_arrays

        save_arrays(self.path / "augmented.npz", samples)

    def load_augmented(self) -> dict[str, np.ndarray] | None:
        """What `save_augmented` wrote; None where nothing is augmented."""
        from dlrun.run.weights import load_arrays

        file = self.path / "augmented.npz"
        return load_arrays(file) if file.exists() else None

    def write_plot(self, name: str, png: bytes) -> None:
        """A picture, `plots/<name>.png`."""
        write_bytes(self._inside("plots", f"{name}.png"), png)

    @property
    def plots(self) -> Path:
        return self.path / "plots"

    def save_model(self, model: Any) -> None:
        """The whole Keras model, `model.keras`.

        Raises:
            RunError: it cannot be written.
        """
        unfinished = self.path / "model.tmp.keras"  # Keras insists on the ending
        try:
            model.save(unfinished)
            unfinished.replace(self.model_path)
        except OSError as error:
            raise unwritable(self.model_path, error) from error
        finally:
            unfinished.unlink(missing_ok=True)

    @property
    def model_path(self) -> Path:
        """Where the whole model for Keras is."""
        return self.path / "model.keras"

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """What an exact resume needs."""
        return Checkpoints(self.path / "checkpoints")

    def write_log(self, content: bytes) -> None:
        """Begins log.txt."""
        write_bytes(self.log_path, content)

    @property
    def log_path(self) -> Path:
        """What was said, TensorFlow's own lines included."""
        return self.path / "log.txt"

    def _inside(self, folder: str, name: str) -> Path:
        (self.path / folder).mkdir(exist_ok=True)
        return self.path / folder / name


def _near(path: Path) -> str | None:
    """A hint at the run that was probably meant."""
    parent = path.parent
    if not parent.is_dir():
        return None
    from dlrun.spec.near import nearest

    near = nearest(path.name, (child.name for child in parent.iterdir() if RunFolder.is_run(child)))
    return f"did you mean {parent / near}?" if near else None
