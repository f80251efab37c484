"""Ctrl-C once: finish the page and leave. Ctrl-C twice: end now, which loses nothing but the page."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopEvent(threading.Event):
    """A stop that remembers whether it was Ctrl-C that asked for it."""

    interrupted = False


@contextmanager
def stop_on_signals(stop: threading.Event) -> Generator[threading.Event, None, None]:
    """Set `stop` on the first SIGINT or SIGTERM; the second one does what it always does. In the main thread only."""
    former = {number: signal.getsignal(number) for number in SIGNALS}

    def once(number: int, frame: Any) -> None:
        del frame
        if number == signal.SIGINT and isinstance(stop, StopEvent):
            stop.interrupted = True
        stop.set()
        _ = signal.signal(number, former[signal.Signals(number)])

    for number in SIGNALS:
        _ = signal.signal(number, once)
    try:
        yield stop
    finally:
        for number, handler in former.items():
            _ = signal.signal(number, handler)
