"""Background work done before the answer, by tasks: see inline.py."""

from __future__ import annotations

import asyncio
import time

from crossfade.control.agent import Agent
from crossfade.drivers.aio import AioDriver, AsyncCallFunction
from crossfade.drivers.inline import AT_ONCE, PAUSE_SECONDS_MAX, Begun, InlineWork, PutOff
from crossfade.drivers.local import NoteFunction


class InlineTasks(InlineWork):
    """The work of callers that are tasks of one loop."""

    def __init__(self, agent: Agent, note: NoteFunction, call: AsyncCallFunction) -> None:
        super().__init__(agent, note, time.monotonic, asyncio.current_task)
        self._driver = AioDriver(call, note, sleep=short_sleep)

    async def work_off(self, caller: object) -> None:
        """Do what is due; what is put off, the next caller goes on with. Raises nothing but a cancellation."""
        found = [*self.take_put_off(), *self.take(caller)]
        try:
            while found:
                now, found = found[:AT_ONCE], found[AT_ONCE:]
                _ = await asyncio.gather(*map(self._do, now))
                found += self.take(caller)
        finally:
            for begun in found:  # the caller was cancelled
                self.put_off(begun)

    async def _do(self, begun: Begun) -> None:
        error: Exception | None = None
        try:
            await self._driver.resume(begun.routine, begun.scope, error=begun.error, effect=begun.effect)
        except PutOff:
            self.put_off(begun)
            return
        except Exception as failed:  # noqa: BLE001 - the caller has its answer; a mirror's error is counted as a loss
            error = failed
        except BaseException as cancelled:
            self.interrupted(begun, cancelled)
            raise
        self.ended(begun, error)


async def short_sleep(seconds: float) -> None:
    """Sleep, where that does not hold an answer back for long. Raises PutOff."""
    if seconds > PAUSE_SECONDS_MAX:
        raise PutOff
    await asyncio.sleep(seconds)
