"""A job's event loop: its own, for as long as it runs, whoever calls it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def run_on_own_loop(job: Coroutine[Any, Any, T]) -> T:
    """Blocks until the job is done; what it raises is raised here.

    Where a loop runs on this thread already (a notebook), the job gets a thread, and that loop is blocked meanwhile, as
    it is by everything that blocks.
    """
    try:
        _ = asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(job)
    with ThreadPoolExecutor(1, thread_name_prefix="crossfade-job") as pool:
        return pool.submit(asyncio.run, job).result()
