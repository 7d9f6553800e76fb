"""Where what a person sees goes: a terminal or a pipe of any encoding, with the lines of C++ kept out of it."""

from __future__ import annotations

import codecs
import io
import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_SIGNS = {
    "★": "*",
    "●": "*",
    "·": "-",
    "\N{EN DASH}": "-",
    "—": "-",
    "→": ">",
    "…": ".",
    "\N{MULTIPLICATION SIGN}": "x",
    "±": "~",
    "✓": "+",
    "✗": "x",
    "─": "-",
    "━": "-",
    "╸": "-",
    "╺": " ",
    "│": "|",
    "“": '"',
    "”": '"',
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
}
"""What stands for a sign where the terminal has no Unicode: one character each, so that columns stay in line."""

LIKE = "dlrun.like"
"""The name of our way of encoding what an encoding lacks, for `open(errors=…)`."""

WIDE = 1000
"""Columns of what is no terminal: a pipe has no margin, and lines are not broken there."""

_terminal: TextIO | None = None
"""The real stderr while file descriptor 2 goes to a log."""


def prepare_streams() -> None:
    """From here on no character can make printing fail: one that the stream's encoding lacks is replaced by a like."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=LIKE)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_plain(sign) for sign in error.object[error.start : error.end]), error.end


def _plain(sign: str) -> str:
    if sign in PLAIN_SIGNS:
        return PLAIN_SIGNS[sign]
    letter = unicodedata.normalize("NFKD", sign)[0]
    return letter if letter.isascii() else "?"


codecs.register_error(LIKE, _replace)


def standard_console() -> Console:
    """The console on stdout."""
    return _console(sys.stdout)


def error_console() -> Console:
    """The console on stderr: the real one, also while `capture_native_stderr` keeps the lines of C++ away from it."""
    return _console(_terminal or sys.stderr)


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    class Lasting(Console):
        def on_broken_pipe(self) -> None:
            """Whoever read has gone (`dlrun train … | head`): a training goes on without being watched."""
            self.quiet = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

    # FORCE_COLOR in a build log makes rich take a pipe for a terminal; colours may be wanted there, redrawing never.
    interactive = stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    width = None if stream.isatty() or "COLUMNS" in os.environ else WIDE
    return Lasting(file=stream, width=width, force_interactive=interactive, highlight=False, markup=False, emoji=False)


@contextmanager
def capture_native_stderr(path: Path) -> Iterator[None]:
    """Within it, what C and C++ code writes to stderr is added to a file; `error_console` still writes to the user.

    TensorFlow and CUDA write past Python, to file descriptor 2, so it is that which is turned. Python's own
    `sys.stderr` (warnings) goes to the file with it.
    """
    global _terminal
    sys.stderr.flush()
    saved = os.dup(2)
    with (
        path.open("ab", buffering=0) as log,
        open(saved, "w", encoding=sys.stderr.encoding, errors=LIKE, buffering=1) as terminal,  # noqa: PTH123
    ):
        os.dup2(log.fileno(), 2)
        outer = _terminal
        _terminal = outer or terminal  # within another capture, 2 is that one's log
        try:
            yield
        finally:
            sys.stderr.flush()
            terminal.flush()
            os.dup2(saved, 2)
            _terminal = outer
