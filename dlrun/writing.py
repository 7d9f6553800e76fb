"""Tables that leave dlrun: CSV, Parquet or JSON lines, written in batches."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from dlrun.errors import UsageError
from dlrun.run.files import replacing

if TYPE_CHECKING:
    import polars

Format = Literal["csv", "parquet", "jsonl"]

ENDINGS: dict[str, Format] = {".csv": "csv", ".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}

FORMULA = r"^[=+\-@\t\r]"
"""A text in a CSV that starts so is a formula to a spreadsheet."""

TIME = "%Y-%m-%d %H:%M:%S%.f"

Write = Callable[["polars.DataFrame"], None]


def format_of(out: Path | None, stated: Format | None) -> Format:
    """What to write: as stated, or as the name of the file says; CSV where nothing says it.

    Raises:
        UsageError: the name says nothing, or a Parquet file is wanted where there is no file.
    """
    if out is None:
        if stated == "parquet":
            raise UsageError("Parquet cannot be printed", hint="name a file: -o out.parquet")
        return stated or "csv"
    found = stated or ENDINGS.get(out.suffix.lower())
    if found is None:
        raise UsageError(
            f"the name {out.name} does not say what to write", hint="out.csv, out.parquet or out.jsonl; or --format"
        )
    return found


@contextmanager
def to_file(out: Path, form: Format) -> Iterator[Write]:
    """Writes batches to a file that is there once all are written; if the block raises, nothing is.

    Raises:
        UsageError: the file exists, or cannot be written.
    """
    if out.exists():
        raise UsageError(f"{out} exists already", hint="name another file with -o, or remove it")
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent}", hint="make it first")
    with replacing(out) as file:
        if form != "parquet":
            yield _lines(file, form)
            return
        with _parts(file) as write:
            yield write


@contextmanager
def to_stream(stream: IO[bytes], form: Format, *, at_once: bool) -> Iterator[Write]:
    """Writes batches to a stream.

    Args:
        at_once: whether they are held back on the disk until all are there; if the block raises, nothing is written.
    """
    with ExitStack() as stack:
        held: IO[bytes] = stack.enter_context(tempfile.TemporaryFile()) if at_once else stream
        yield _lines(held, form)
        if at_once:
            held.seek(0)
            shutil.copyfileobj(held, stream)
        stream.flush()


def _lines(file: IO[bytes], form: Format) -> Write:
    first = True

    def write(frame: polars.DataFrame) -> None:
        nonlocal first
        if form == "csv":
            file.write(harmless(frame).write_csv(include_header=first, datetime_format=TIME).encode())
        else:
            file.write(frame.write_ndjson().encode())
        first = False

    return write


@contextmanager
def _parts(file: IO[bytes]) -> Iterator[Write]:
    """Parquet: a part for each batch, joined at the end, since a file of it cannot be added to."""
    import polars

    with tempfile.TemporaryDirectory(prefix="dlrun-") as folder:
        parts: list[Path] = []

        def write(frame: polars.DataFrame) -> None:
            parts.append(Path(folder, f"{len(parts):08}.parquet"))
            frame.write_parquet(parts[-1])

        yield write
        if parts:
            polars.scan_parquet(parts, glob=False).sink_parquet(file)


def harmless(frame: polars.DataFrame) -> polars.DataFrame:
    """The same frame with an apostrophe before each text that is a formula to a spreadsheet."""
    import polars

    text = polars.col(polars.String)
    return frame.with_columns(polars.when(text.str.contains(FORMULA)).then("'" + text).otherwise(text).name.keep())
