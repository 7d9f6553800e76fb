"""Ctrl-C and requests to terminate, noted rather than obeyed while a training can still keep what it has."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Within it, Ctrl-C, SIGTERM and a closed terminal are noted; the function that it gives says whether one came.

    A second Ctrl-C is obeyed at once. Outside the main thread, where Python handles no signals, nothing is noted.
    """
    received = threading.Event()

    def note(number: int, frame: object) -> None:
        received.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if threading.current_thread() is not threading.main_thread():
        yield received.is_set
        return
    numbers = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield received.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
