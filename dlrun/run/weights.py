"""Arrays by name in one file: a .npz that NumPy alone can read, without pickle, the same bytes for the same arrays."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from io import BufferedRandom
from pathlib import Path
from typing import TYPE_CHECKING

from dlrun.run.files import broken, missing, reading, write_as

if TYPE_CHECKING:
    import numpy as np

OLDEST = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip file can name: the time of saving would make equal weights different files."""

DIGITS = 16
"""Of a hash in a file's name: enough against every accident."""


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], *, hashed: bool = False) -> Path:
    """Writes arrays of numbers as an uncompressed .npz, in the given order.

    Args:
        path: the file.
        arrays: by name.
        hashed: whether the file's name is to end in the first `DIGITS` of the SHA-256 of what is in it.

    Returns:
        The file as it is called in the end.
    """
    import numpy as np

    def written(file: BufferedRandom) -> Path:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                entry = zipfile.ZipInfo(f"{name}.npy", date_time=OLDEST)
                entry.create_system = 3  # else a zip of Windows would differ from one of Linux
                entry.external_attr = 0o644 << 16
                with archive.open(entry, "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)
        if not hashed:
            return path
        file.seek(0)
        return path.with_stem(f"{path.stem}_{hashlib.file_digest(file, 'sha256').hexdigest()[:DIGITS]}")

    return write_as(path, written)


def is_intact(path: Path) -> bool:
    """Whether a file of `save_arrays` with `hashed` is as it was written.

    Raises:
        RunError: if it is missing or cannot be read.
    """
    with reading(path) as file:
        return path.stem.endswith(f"_{hashlib.file_digest(file, 'sha256').hexdigest()[:DIGITS]}")


def load_arrays(path: Path, *, only: str | None = None) -> dict[str, np.ndarray]:
    """The arrays that `save_arrays` wrote, in their order, or only the one of a name.

    Raises:
        RunError: if the file is missing or broken. Checksums are compared, and nothing is unpickled.
    """
    import numpy as np

    arrays: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if only not in (None, entry.filename.removesuffix(".npy")):
                    continue
                if entry.compress_type != zipfile.ZIP_STORED:
                    raise broken(path, f"{entry.filename} in it is compressed, which dlrun never does")
                with archive.open(entry) as member:
                    arrays[entry.filename.removesuffix(".npy")] = np.lib.format.read_array(member, allow_pickle=False)
    except FileNotFoundError:
        raise missing(path) from None
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, MemoryError, NotImplementedError) as error:
        raise broken(path, str(error) or type(error).__name__) from error
    return arrays
