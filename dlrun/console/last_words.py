"""An error that is told also where nothing of Python can run any more."""

from __future__ import annotations

import faulthandler
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlrun.errors import DlrunError

HERALD = "import sys; sys.stdin.read() and sys.stderr.write(sys.argv[1])"
"""Says its argument when something comes in, and nothing when its input ends."""


@contextmanager
def last_words(error: DlrunError, seconds: float) -> Iterator[None]:
    """Within it the process may take so long; then it ends with the exit code 1 and an error.

    Native code that waits holds Python's lock, so no thread or signal of Python's can end it. `faulthandler` can, and
    writes where it ended it; a process beside this one reads that, and tells the error instead.
    """
    text = f"error: {error.message}\n" + (f" mend: {error.hint}\n" if error.hint else "")
    herald = subprocess.Popen([sys.executable, "-S", "-c", HERALD, text], stdin=subprocess.PIPE)
    with herald:
        if herald.stdin is None:
            raise ValueError("a pipe was asked for")
        faulthandler.dump_traceback_later(seconds, exit=True, file=herald.stdin)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
