"""Tables in files with a JSON object in each line."""

from __future__ import annotations

import codecs
import json
import pathlib
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, ClassVar, Literal

from dlrun.data.columns import Batch
from dlrun.data.sources import json_blocks
from dlrun.data.sources.aside import Whole
from dlrun.data.sources.converted import Converted
from dlrun.data.sources.csv_checks import check_encoding
from dlrun.data.sources.files import lines_of, opened, read_whole
from dlrun.data.sources.frames import Types, batch_of, conform
from dlrun.data.sources.json_text import ONE_A_LINE, blocks_of, fault_of, is_suspicious, mixed, parse, sound, with_all
from dlrun.data.sources.nested import without_empty
from dlrun.errors import DataError

if TYPE_CHECKING:
    import polars


class Json(Converted):
    """JSON lines: an object in each line, whose keys are the columns; a key that is left out, or null, is a missing
    value."""

    endings: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson", ".json")
    kind: Literal["json"]
    """JSON lines: an object in each line, whose keys are the columns; a key that is left out is a missing value."""

    def names(self, file: pathlib.Path) -> None:
        """Nothing: a later line may have other keys than the first. But that one is looked at.

        Raises:
            DataError: the file is not of this kind.
        """
        with opened(file) as stream:
            lines = lines_of(stream, str(file), hint=ONE_A_LINE)
            first = next((line for line in lines if line.strip(codecs.BOM_UTF8 + b" \t\r\n")), b"")
        check_encoding(first, str(file))
        if not first:
            raise DataError(f"{file} is empty")
        if fault := fault_of(first.removeprefix(codecs.BOM_UTF8).decode()):
            raise DataError(f"the first line of {file} {fault}", hint=ONE_A_LINE)

    def frame(self, stream: IO[bytes], name: str, types: Types) -> polars.DataFrame:
        """All rows of a file.

        Raises:
            DataError: it is damaged, with the line.
        """
        data = read_whole(stream, name).removeprefix(codecs.BOM_UTF8)
        if not data.strip():
            raise DataError(f"{name} is empty")
        check_encoding(data, name)
        frame = parse(data)
        if frame is None or is_suspicious(data, frame):
            lines = data.decode().split("\n")
            for number, line in enumerate(lines, 1):
                if line.strip() and (fault := fault_of(line)):
                    raise DataError(f"{name}: line {number} {fault}", hint=ONE_A_LINE)
            frame = frame if frame is not None else mixed([json.loads(line) for line in lines if line.strip()])
        if not frame.width:
            raise DataError(f"{name} has no columns: its objects are empty")
        return without_empty(frame)

    def batches(self, stream: IO[bytes], name: str, size: int) -> Iterator[Batch]:
        """Rows of a file in blocks of about `size` bytes, -1: all at once; lines that are no objects are set apart.

        Raises:
            DataError: it is empty, or not UTF-8.
        """
        start, number, columns = 0, 1, dict[str, None]()
        for block in blocks_of(stream, size):
            check_encoding(block, name, number)
            number += block.count(b"\n")
            frame, bad = sound(block.decode())
            columns |= dict.fromkeys(frame.columns)
            if not columns:
                told = next(
                    (f"line {1 + position} {fault}" for position, fault in bad.items()), "its objects are empty"
                )
                raise DataError(f"{name} has no columns: {told}", hint=ONE_A_LINE)
            frame = with_all(frame, list(columns))
            yield batch_of(conform(frame, self.types or {}), bad, name, start, self.time, self.types or {})
            start += frame.height + len(bad)
        if not start:
            raise DataError(f"{name} is empty")

    def put_aside(self, file: pathlib.Path, types: Types, folder: pathlib.Path) -> Whole:
        """Writes the rows of a file in blocks as Parquet files into a folder.

        Raises:
            DataError: as `frame`.
        """
        json_blocks.put_aside(file, folder)
        if not any(folder.glob("*.parquet")):
            raise DataError(f"{file} has no columns: its objects are empty")
        return lambda column: conform(column, types)
