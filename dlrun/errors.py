"""What can go wrong, as a tree. `cli.py` turns each into a message and an exit code; nothing else exits.

DlrunError                   1
├── UsageError               2   the command line is wrong
├── SpecError                2   the spec is wrong: a list of problems, each with its place
├── MisfitError              2   problems in the spec that only its data or the built network shows
├── DataError                1   the data cannot be read, or does not fit the spec or the model
├── RunError                 1   a run folder is missing, broken, unfinished or of another version
├── DeviceError              1   the device that was asked for is not there
├── ClusterError             1   the workers do not find one another, or are not of one mind
├── TrainingError            1   training could not go on
│   ├── NotFiniteError       1   a loss became NaN or infinite
│   └── OutOfMemoryError     1   a batch does not fit in memory
├── MissingExtraError        1   an optional package is not installed
└── Interrupted              130 the user pressed Ctrl-C, or the process was told to end
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlrun.spec.document import Document
    from dlrun.spec.problem import Problem


class DlrunError(Exception):
    """The parent of all errors that are meant for a person.

    Args:
        message: what is wrong, in one or two sentences.
        hint: how to mend it.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def reason_of(error: Exception) -> str:
    """Why something could not be read, as the system says it; as Python says it where that says nothing."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


class UsageError(DlrunError):
    """The command line is wrong."""

    exit_code = 2


class SpecError(DlrunError):
    """The spec is wrong.

    Args:
        document: the text that the problems point into.
        problems: every mistake that was found, at least one.
    """

    exit_code = 2

    def __init__(self, document: Document, problems: Sequence[Problem]) -> None:
        count = len(problems)
        super().__init__(f"{document.name}: {count} {'mistake' if count == 1 else 'mistakes'}")
        self.document = document
        self.problems = tuple(problems)

    def tree(self) -> list[dict[str, Any]]:
        """The mistakes as `--json` prints them, in the order of the file."""
        from dlrun.spec.problem import path_text

        found = []
        for problem in self.document.ordered(self.problems):
            place = self.document.place_of(problem)
            found.append(
                {
                    "file": place.name,
                    "line": place.line,
                    "column": place.column,
                    "path": path_text(problem.path),
                    "message": problem.message,
                    "expected": problem.expected,
                    "received": problem.received,
                    "mend": problem.hint,
                }
            )
        return found


class MisfitError(DlrunError):
    """The spec does not fit its data, or its layers one another, which only reading or building them could tell.

    Whoever holds the spec's text turns it into a `SpecError`.

    Args:
        problems: what is wrong, with paths from the top of the spec; at least one.
    """

    exit_code = 2

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.message for problem in problems), hint=problems[0].hint)
        self.problems = problems


class DataError(DlrunError):
    """The data cannot be read, or does not fit the spec or the model."""


class RunError(DlrunError):
    """A run folder is missing, broken, unfinished or of another version."""


class DeviceError(DlrunError):
    """The device that was asked for is not there."""


class ClusterError(DlrunError):
    """The workers of a training do not find one another, or are not of one mind."""


class TrainingError(DlrunError):
    """Training could not go on."""


class NotFiniteError(TrainingError):
    """A loss became NaN or infinite."""


class OutOfMemoryError(TrainingError):
    """A batch does not fit in memory.

    Args:
        message, hint: as of every error.
        fitting: the batch size that would fit, a power of two; None where not even 1 does.
    """

    def __init__(self, message: str, *, hint: str | None = None, fitting: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.fitting = fitting


class MissingExtraError(DlrunError):
    """An optional package is not installed."""


class Interrupted(DlrunError):  # noqa: N818 - it is no error of anyone's
    """The user pressed Ctrl-C, or the process was told to end."""

    exit_code = 130
