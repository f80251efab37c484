"""A switch at the end of its process: see drivers/process_end.py."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from crossfade.aws.router import DETACH_SECONDS

LOOP_SECONDS: Final = 5.0  # how much longer than it was granted closing may take on a loop that has other work too


@dataclass(eq=False)
class SwitchEnd:
    """What the process's end knows of a switch, whose own names are its repositories'."""

    close: Callable[[float], bool]
    aclose: Callable[[float], Coroutine[Any, Any, bool]]
    pending: Callable[[], int]
    loop: asyncio.AbstractEventLoop | None = None  # of coroutines: where it was started
    holding: bool = field(default=False, init=False)  # no call begins any more: it waits until the process has ended
    pid: int = field(default_factory=os.getpid)

    @property
    def unfinished(self) -> int:
        return self.pending()

    def hold(self) -> None:
        self.holding = True

    def end(self) -> None:
        _ = self.end_within(DETACH_SECONDS)

    def end_within(self, timeout_seconds: float) -> bool:
        loop = self.loop
        if loop is None:
            return self.close(timeout_seconds)
        if self.pid != os.getpid() or not loop.is_running():
            return False
        future = asyncio.run_coroutine_threadsafe(self.aclose(timeout_seconds), loop)
        return future.result(timeout_seconds + LOOP_SECONDS)
