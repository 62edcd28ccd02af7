"""Requests to stop, heard between steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Remembers the first signal that asked to stop; a second one stops at once."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def hear(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal, as its handler."""
        if self.signal is not None:
            stop_by(number)
        self.signal = number


def stop_by(number: int) -> None:
    """Stop the way the signal does by custom.

    Raises:
        KeyboardInterrupt: For SIGINT.
        SystemExit: For SIGTERM, with status 143.
    """
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


@contextmanager
def held_signals() -> Iterator[StopRequest]:
    """SIGINT and SIGTERM become a request; outside the main thread nothing is held back."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request.hear) for number in STOPPING}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
