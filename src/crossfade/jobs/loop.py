"""A job's event loop: its own, for as long as it runs, whoever calls it."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

T = TypeVar("T")

CONTAINERS_BETWEEN: Final = 100_000  # made and not freed between two looks; a few pages, some 20 MB


def run_on_own_loop(job: Coroutine[Any, Any, T]) -> T:
    """Blocks until the job is done; what it raises is raised here.

    Where a loop runs on this thread already (a notebook), the job gets a thread, and that loop is blocked meanwhile, as
    it is by everything that blocks.
    """
    with _RareCollections():
        return _run(job)


def _run(job: Coroutine[Any, Any, T]) -> T:
    if not _loop_runs_here():
        return asyncio.run(job)
    with ThreadPoolExecutor(1, thread_name_prefix="crossfade-job") as pool:
        return pool.submit(asyncio.run, job).result()


def _loop_runs_here() -> bool:
    try:
        _ = asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _RareCollections:
    """While any job runs, the collector of cycles looks less often.

    A page is tens of thousands of containers and no cycle; looking through them anew and anew took a third of all time.
    """

    _lock = threading.Lock()
    _jobs = 0
    _former = (0, 0, 0)

    def __enter__(self) -> None:
        kind = type(self)
        with kind._lock:
            if not kind._jobs:
                kind._former = gc.get_threshold()
                young, *older = kind._former
                gc.set_threshold(young and max(young, CONTAINERS_BETWEEN), *older)  # 0: it is switched off
            kind._jobs += 1

    def __exit__(self, *_: object) -> None:
        kind = type(self)
        with kind._lock:
            kind._jobs -= 1
            if not kind._jobs:
                gc.set_threshold(*kind._former)
