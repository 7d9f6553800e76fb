"""`dlrun init`: a commented spec to start from."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from dlrun.errors import RunError, UsageError
from dlrun.experiment import fitting_name
from dlrun.run.files import write_text
from dlrun.schema import write_schema
from dlrun.spec.near import nearest

SCHEMA = "dlrun.schema.json"
MODELINE = f"# yaml-language-server: $schema={SCHEMA}\n"
"""What makes VS Code's YAML extension check and complete the file."""


TEMPLATES = {
    "ann": "ann",
    "autoencoder": "autoencoder",
    "cnn": "cnn",
    "combined": "combined",
    "gru": "lstm",
    "layers": "layers",
    "lstm": "lstm",
    "simple_rnn": "lstm",
    "transformer": "transformer",
}
"""The file in dlrun/templates for each architecture."""


def init_from(
    data: Path, out: Path | None = None, target: str | None = None, *, warn: Callable[[str], object] | None = None
) -> Path:
    """Drafts a spec for a file or a folder, and writes the schema beside it; never over a spec that exists.

    Args:
        data: a table (.csv, .parquet, .jsonl), arrays (.npz), or a folder of parts, texts or images.
        out: the file; None: called as the data, in the working folder.
        target: the column that is predicted; None: what names and values tell.
        warn: is told what is wrong with the data that the draft names too.

    Returns:
        The file.

    Raises:
        UsageError: the data is not there or of no kind that is read, or the file exists or cannot be written.
        DataError: the data cannot be read, or nothing in it can be predicted.
    """
    from dlrun.drafting.material import read_material
    from dlrun.drafting.plan import draft

    path = out or Path(f"{fitting_name(data.absolute().name.split('.')[0])}.yaml")
    _check_free(path)
    material = read_material(data, path.parent)
    written = _write(path, draft(data, path, material, target))
    if warn is not None and material.damaged:
        warn(material.damaged)
    return written


def init(kind: str, out: Path | None = None) -> Path:
    """Writes the template of an architecture, and the schema beside it; never over a spec that exists.

    Args:
        kind: of the architecture.
        out: the file; None: `<kind>.yaml` in the working folder.

    Returns:
        The file.

    Raises:
        UsageError: there is no such architecture, or the file exists or cannot be written.
    """
    if kind not in TEMPLATES:
        near = nearest(kind, TEMPLATES)
        raise UsageError(
            f"there is no architecture {kind}: expected one of {', '.join(TEMPLATES)}",
            hint=f"did you mean {near}?" if near else None,
        )
    path = out or Path(f"{kind}.yaml")
    _check_free(path)
    template = TEMPLATES[kind]
    text = resources.files("dlrun.templates").joinpath(f"{template}.yaml").read_text(encoding="utf-8")
    for placeholder, value in {
        "{file}": str(path),
        "{name}": json.dumps(fitting_name(path.stem)),
        f"kind: {template}\n": f"kind: {kind}\n",
    }.items():
        text = text.replace(placeholder, value)
    return _write(path, text)


def _check_free(path: Path) -> None:
    if path.exists():
        raise UsageError(f"{path} exists already", hint="name another file with -o")


def _write(path: Path, text: str) -> Path:
    try:
        write_text(path, MODELINE + text)
    except RunError as error:
        raise UsageError(error.message) from None
    write_schema(path.parent / SCHEMA)
    return path
