"""Programs that play in several processes, and end all of them however they are ended themselves."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Final

INTERRUPTED: Final = 130  # what shells give a program that Ctrl-C ended
END_SECONDS: Final = 5.0  # for a process that was told to end


def run_to_end(main: Callable[[], int]) -> int:
    """The exit status of a program; SIGTERM ends it as Ctrl-C does, so that everything is cleaned up."""
    _ = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return main()
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return INTERRUPTED


@contextmanager
def workers(count: int) -> Generator[ProcessPoolExecutor]:
    """A pool whose processes are ended at once where it is left by an error or an interruption."""
    before = {*multiprocessing.active_children()}
    pool = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield pool
    except BaseException:
        ours = [process for process in multiprocessing.active_children() if process not in before]
        pool.shutdown(wait=False, cancel_futures=True)
        for process in ours:
            process.terminate()
        for process in ours:
            process.join(END_SECONDS)
        raise
    pool.shutdown()
