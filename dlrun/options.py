"""Arguments and options of the command line that commands share, or that take some names only."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from dlrun.errors import UsageError
from dlrun.spec.near import nearest


def one_of(what: str, names: type[StrEnum]) -> dict[str, Any]:
    """What makes an option take some names only; Typer itself would tell pydantic's words of another one."""
    known = {each.value: each for each in names}

    def parse(value: str) -> StrEnum:
        if value in known:
            return known[value]
        near = nearest(value, known)
        hint = f"write `{near}`" if near else None
        raise UsageError(f"there is no {what} {value}: it is one of {', '.join(known)}", hint=hint)

    return {"parser": parse, "metavar": "|".join(known)}


class DeviceName(StrEnum):
    auto = "auto"
    cpu = "cpu"
    gpu = "gpu"


class ClusterName(StrEnum):
    ray = "ray"


class SplitName(StrEnum):
    train = "train"
    validation = "validation"
    test = "test"


class FormatName(StrEnum):
    csv = "csv"
    parquet = "parquet"
    jsonl = "jsonl"


SpecFile = Annotated[Path, typer.Argument(metavar="SPEC", help="The YAML file.", show_default=False)]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a field, such as training.epochs=20; may be repeated."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=2, help="Train in so many processes together, on this machine or on --cluster.", show_default=False
    ),
]
OnCluster = Annotated[
    ClusterName | None,
    typer.Option(
        "--cluster",
        help="Place the workers there, one on each node if --workers does not say.",
        show_default=False,
        **one_of("cluster", ClusterName),
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program, and nothing else.")]
OnDevice = Annotated[
    DeviceName | None,
    typer.Option(
        "--device",
        help="Instead of the spec's runtime.device.",
        show_default=False,
        **one_of("device", DeviceName),
    ),
]
OfSplit = Annotated[
    SplitName | None,
    typer.Option("--split", help="Which split; left out: test.", show_default=False, **one_of("split", SplitName)),
]
InFormat = Annotated[
    FormatName | None,
    typer.Option(
        "--format", help="Left out: as FILE ends, or csv.", show_default=False, **one_of("format", FormatName)
    ),
]
