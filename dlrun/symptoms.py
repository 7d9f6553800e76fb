"""What can be wrong with a machine and the packages on it, and how to mend it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dlrun.machine import size

if TYPE_CHECKING:
    from dlrun.doctor import Diagnosis

LEAST_MEMORY = 1 << 30
"""Bytes: TensorFlow alone takes some 0.7 GiB."""

LEAST_DISK = 1 << 30
"""Bytes: a run with its checkpoints and plots takes from one MB to some hundreds."""

THREAD_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")
"""What sets the threads of an operation where the spec does not; the first that is set counts."""

NVIDIA = "0x10de"
DISPLAY = ("0x0300", "0x0302")
"""PCI's numbers of the maker, and of the classes VGA and 3D controller."""

INSTALL = "install it again: pip install --force-reinstall tensorflow keras"
BACKEND = 'unset KERAS_BACKEND, and write "backend": "tensorflow" in ~/.keras/keras.json'
CLUES = {
    "SIGILL": "this processor lacks instructions that TensorFlow is built with (AVX): use another machine",
    "SIGKILL": "most likely memory ran out: end other programs, or give the container more",
    "No module named 'tensorflow'": "pip install tensorflow, in the environment that dlrun runs in",
    "No module named 'jax'": BACKEND,
    "No module named 'torch'": BACKEND,
    "circular import": f"see whether a file of yours is called tensorflow.py or keras.py; if not, {INSTALL}",
}
"""What a failure of TensorFlow says, and how to mend it."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Args:
        message: what.
        mend: how to mend it.
        prevents: whether dlrun cannot train because of it.
    """

    message: str
    mend: str
    prevents: bool = False


def symptoms(
    found: Diagnosis, requirements: Mapping[str, str], pci: Path = Path("/sys/bus/pci/devices")
) -> list[Finding]:
    """All that is wrong, what prevents training first.

    Args:
        found: a diagnosis without findings.
        requirements: the least version of each package.
        pci: Linux's folder of devices.
    """
    all_found = [
        *_tensorflow(found),
        *_versions(found.versions, requirements),
        *_gpu(found, pci),
        *_processors(found),
        *_memory(found),
        *_rounding(found.variables),
        *_places(found),
    ]
    return sorted(all_found, key=lambda finding: not finding.prevents)


def _tensorflow(found: Diagnosis) -> Iterator[Finding]:
    if found.failure:
        mend = next((mend for clue, mend in CLUES.items() if clue in found.failure), INSTALL)
        yield Finding(f"TensorFlow does not work: {found.failure}", mend, prevents=True)
    elif found.trial and found.trial["backend"] != "tensorflow":
        yield Finding(
            f"Keras computes with {found.trial['backend']}, and dlrun needs TensorFlow", BACKEND, prevents=True
        )


def _versions(versions: Mapping[str, str], requirements: Mapping[str, str]) -> Iterator[Finding]:
    for name, least in requirements.items():
        version = versions.get(name)
        if version is not None and _release(version) < _release(least):
            why = ", which has known security holes" if name == "keras" else ""
            yield Finding(
                f"{name} {version} is older than {least}{why}",
                f"pip install '{name}>={least}'",
                prevents=name == "keras",
            )


def _gpu(found: Diagnosis, pci: Path) -> Iterator[Finding]:
    if found.trial is None or found.trial["gpus"] or not _has_nvidia(pci):
        return
    hidden = found.variables.get("CUDA_VISIBLE_DEVICES")
    if hidden in ("", "-1"):
        message = f"the GPU is hidden: CUDA_VISIBLE_DEVICES is {hidden or 'empty'}"
        yield Finding(message, "unset CUDA_VISIBLE_DEVICES, or set it to 0")
        return
    reason, _, rest = str(found.trial["no_gpu"]).partition(":")
    driver = "install NVIDIA's driver; a container must be started with the GPU (docker run --gpus all)"
    yield Finding(
        f"there is an NVIDIA GPU, and TensorFlow does not see it: {reason.partition(' (')[0]}",
        rest.strip() or (driver if "driver" in reason else "pip install 'dlrun[cuda]'"),
    )


def _has_nvidia(pci: Path) -> bool:
    for device in pci.glob("*"):
        try:
            maker, kind = ((device / name).read_text(encoding="ascii").strip() for name in ("vendor", "class"))
        except OSError:
            continue
        if maker == NVIDIA and kind.startswith(DISPLAY):
            return True
    return False


def _processors(found: Diagnosis) -> Iterator[Finding]:
    usable, allowed = found.processors.usable, found.processors.allowed
    for name in THREAD_VARIABLES:
        value = found.variables.get(name, "")
        if value.isdigit() and 0 < int(value) < int(usable):
            idle = int(usable) - int(value)
            yield Finding(f"{name}={value} leaves {idle} of {usable:g} processors idle", f"unset {name}")
    if usable < allowed and "TF_NUM_INTRAOP_THREADS" not in found.variables:
        threads = max(1, round(usable))
        yield Finding(
            f"the container gives {usable:g} of {allowed} processors, and TensorFlow starts a thread for each of them",
            f"write `runtime.threads: {threads}` in the spec, or set TF_NUM_INTRAOP_THREADS={threads}",
        )


def _memory(found: Diagnosis) -> Iterator[Finding]:
    if found.memory is None or found.memory.available is None or found.memory.available >= LEAST_MEMORY:
        return
    mend = {
        "machine": "end programs that you do not need",
        "container": "give the container more memory (docker run --memory, resources.limits.memory)",
        "process": "raise the limit on this process: ulimit -v unlimited",
    }[found.memory.limited_by]
    yield Finding(f"only {size(found.memory.available)} of memory are free; TensorFlow alone takes 0.7 GiB", mend)


def _rounding(variables: Mapping[str, str]) -> Iterator[Finding]:
    if (onednn := variables.get("TF_ENABLE_ONEDNN_OPTS")) is not None:
        effect = "slower on a CPU, and other last digits" if onednn == "0" else "as it is without"
        yield Finding(f"TF_ENABLE_ONEDNN_OPTS={onednn} is set: {effect}", "unset TF_ENABLE_ONEDNN_OPTS")
    if variables.get("TF_DETERMINISTIC_OPS", "0").lower() in ("1", "true"):
        yield Finding(
            "TF_DETERMINISTIC_OPS is on: slower, and other last digits; on a CPU a run repeats to the bit without it",
            "unset TF_DETERMINISTIC_OPS, unless a GPU is to repeat to the bit",
        )
    for name in ("XLA_FLAGS", "TF_XLA_FLAGS"):
        if variables.get(name):
            yield Finding(f"{name}={variables[name]} changes how steps are compiled", f"unset {name}")


def _places(found: Diagnosis) -> Iterator[Finding]:
    for name, place in found.places.items():
        if not place.writable:
            elsewhere = "give another folder: dlrun train --out FOLDER" if name == "runs" else "see to its permissions"
            yield Finding(f"nothing can be written to the folder for {name}: {place.path}", elsewhere)
        elif place.free < LEAST_DISK:
            mend = "delete old runs, or write to another disk: dlrun train --out FOLDER"
            yield Finding(f"only {size(place.free)} are free on the disk of {place.path}", mend)


def _release(version: str) -> tuple[int, ...]:
    """The numbers of a version: (3, 15, 1) of 3.15.1 and of 3.15.1rc0."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()
