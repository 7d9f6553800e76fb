"""The peers' Python environments, each in a folder of its own name; none of them is needed for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from material import HERE

Command = Callable[[Path, int], list[str]]
"""From a data file and a number of epochs to what is run."""


@dataclass(frozen=True)
class Peers:
    """The environments that are there.

    Args:
        folder: holds `torch`, `jax` and `ludwig`, or some of them; None for no peer at all.
    """

    folder: Path | None

    def python(self, name: str) -> str | None:
        """The interpreter of an environment, or None where it is not there."""
        found = [self.folder / name / path for path in ("bin/python", "Scripts/python.exe")] if self.folder else []
        return next((str(path.absolute()) for path in found if path.exists()), None)

    def missing(self) -> Iterator[str]:
        """How to make those that are not there."""
        for name in ("torch", "jax", "ludwig"):
            if self.folder and self.python(name) is None:
                venv, needs = self.folder / name, HERE / "peers" / f"{name}.txt"
                yield f"python -m venv {venv} && {venv}/bin/pip install -r {needs}"

    def commands(self, model: str) -> dict[str, Command]:
        """What trains one of the models in each of the peers that are there."""
        found: dict[str, Command] = {}
        if torch := self.python("torch"):
            for how in ("eager", "compiled"):
                found[f"PyTorch, {how}"] = _command(torch, "with_torch.py", model, how)
        if jax := self.python("jax"):
            found["Keras on JAX"] = _command(jax, "with_jax.py", model, "rate")
        return found


def _command(python: str, script: str, model: str, how: str) -> Command:
    return lambda data, epochs: [python, str(HERE / "peers" / script), model, str(data), str(epochs), how]
