"""Work in lanes: what is put into one lane is done in its order, one after the other; lanes go on beside each other.

Versions would put any order right. Lanes save what that costs: writes that are refused because a later one has been
there, and retries of two against each other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Final

IN_FLIGHT_MAX: Final = 256  # so that there is always something to begin while more is read
AT_ONCE_MAX: Final = 64  # what one core keeps under way against a store that answers in milliseconds
LOOK_SECONDS: Final = 0.005  # between two looks at whether something has settled

Work = Callable[[], Awaitable[None]]


class Lanes:
    """For one loop. The first failure ends all of them: what waits is not begun, what is under way is left alone.

    So many lanes at once are gone on with by as many tasks, each of which takes the next lane when one is done: a task
    for each piece of work would cost as much as reading it.
    """

    def __init__(self, in_flight_max: int = IN_FLIGHT_MAX, at_once_max: int = AT_ONCE_MAX) -> None:
        self.failure: BaseException | None = None
        self._in_flight_max = in_flight_max
        self._at_once_max = at_once_max
        self._waiting: dict[Hashable, deque[Work]] = {}
        self._ready: deque[Hashable] = deque()  # lanes that nobody goes on with yet
        self._tasks: set[asyncio.Task[None]] = set()
        self._going_on = 0  # of these, those that will look for another lane
        self._count = 0
        self._freed = asyncio.Event()

    @property
    def in_flight(self) -> int:
        """Begun or waiting in its lane."""
        return self._count

    @property
    def full(self) -> bool:
        return self._count >= self._in_flight_max

    def put(self, lane: Hashable, work: Work) -> None:
        """Queue work behind all that was put into this lane before, even where the lanes are full."""
        self._count += 1
        waiting = self._waiting.get(lane)
        if waiting is not None:
            waiting.append(work)
            return
        self._waiting[lane] = deque([work])
        self._ready.append(lane)
        if self._going_on < self._at_once_max:
            self._going_on += 1
            task = asyncio.get_running_loop().create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def fail(self, error: BaseException) -> None:
        """End them, for this reason unless there is one already."""
        self.failure = self.failure or error
        self._freed.set()

    async def room(self, seconds: float) -> bool:
        """Wait until they are not full any more, for so long; False where they still are. Raises the failure."""
        if self.full and self.failure is None:
            self._freed.clear()
            try:
                _ = await asyncio.wait_for(self._freed.wait(), seconds)
            except TimeoutError:
                return False
        self.raise_failure()
        return not self.full

    async def settled(self) -> None:
        """Wait until nothing is under way. Raises the failure, behind what was under way then."""
        while self._tasks:
            _ = await asyncio.wait(self._tasks)
        self.raise_failure()

    def raise_failure(self) -> None:
        if self.failure is not None:
            raise self.failure

    async def close(self) -> None:
        """Cancel what is left."""
        for task in self._tasks:
            _ = task.cancel()
        _ = await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while self._ready and self.failure is None:
                await self._go_on_with(self._ready.popleft())
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                raise
            self.fail(error)
        finally:
            self._going_on -= 1

    async def _go_on_with(self, lane: Hashable) -> None:
        waiting = self._waiting[lane]
        try:
            while waiting and self.failure is None:
                await waiting.popleft()()
                self._count -= 1
                if not self.full:
                    self._freed.set()
        finally:
            del self._waiting[lane]
