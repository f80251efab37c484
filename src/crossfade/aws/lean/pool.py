"""The connections to one endpoint, and the calls that wait for one.

The connection used last is used next: in quiet times the others grow old and are closed by the service, and the few
that are in use stay warm. Read timeouts are looked after by one timer for all, so that no call pays for its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from crossfade.aws.lean.connection import Answer, Connection
from crossfade.aws.lean.failures import FailureKind, NotSent, QueueFull, failed
from crossfade.aws.lean.opening import Opener

# A timeout is noticed late by up to a tenth of itself, and by no more than a second.
SWEEPS_A_TIMEOUT: Final = 10
SWEEP_SECONDS_MAX: Final = 1.0


class Pool:
    def __init__(
        self,
        opener: Opener,
        *,
        connections_max: int,
        queue_max: int,
        connect_timeout_seconds: float,
        read_timeout_seconds: float,
    ) -> None:
        self._opener = opener
        self._connections_max = connections_max
        self._queue_max = queue_max
        self._connect_timeout_seconds = connect_timeout_seconds
        self._read_timeout_seconds = read_timeout_seconds
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._opening = 0
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def connections(self) -> int:
        return len(self._open)

    async def exchange(self, data: bytes) -> Answer:
        """Raises Failure, or NotSent when the pool is full or closed."""
        connection = self._idle_one() or await self._another()
        waiter = connection.exchange(data)
        if self._sweeper is None:
            self._sweep()
        try:
            return await waiter
        except asyncio.CancelledError:
            connection.abort()  # its answer would be taken for the next one's
            raise
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """What is under way ends as an unknown outcome, what waits as not sent."""
        self._closed = True
        self._stop_sweeping()
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(NotSent("the client was closed"))
        self._waiting.clear()
        for connection in list(self._open):
            if connection.busy:
                connection.fail(failed(FailureKind.BROKEN, "the client was closed"))
            else:
                connection.abort()
        self._idle.clear()

    async def closed(self) -> None:
        """Until the event loop has let go of the connections."""
        while self._open:
            await asyncio.sleep(0)

    # --- a connection for a call

    def _idle_one(self) -> Connection | None:
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.usable(self._loop.time()):
                return connection
        return None

    async def _another(self) -> Connection:
        while True:
            if self._closed:
                raise NotSent("the client was closed")
            if len(self._open) + self._opening < self._connections_max:
                return await self._new_one()
            connection = await self._next_one()
            if connection is not None and connection.usable(self._loop.time()):
                return connection

    async def _new_one(self) -> Connection:
        timeout = self._connect_timeout_seconds
        self._opening += 1
        try:
            async with asyncio.timeout(None if timeout == float("inf") else timeout):
                connection = await self._opener.open(self._lost)
        except BaseException as error:
            self._opening -= 1
            self._wake_one()  # there is room for another
            if isinstance(error, TimeoutError):
                raise failed(
                    FailureKind.UNSENT, f"no connection to {self._opener.host} in {timeout:g} seconds"
                ) from error
            raise
        self._opening -= 1
        if not connection.reusable:  # `_lost` may have been called already, and would not be again
            self._wake_one()
            raise failed(FailureKind.UNSENT, f"{self._opener.host} closed the connection at once")
        self._open.add(connection)
        if self._closed:
            connection.abort()
            raise NotSent("the client was closed")
        return connection

    async def _next_one(self) -> Connection | None:
        """The next that is given back; None when one has ended, so that there is room for another."""
        if len(self._waiting) >= self._queue_max:
            raise QueueFull(
                f"{self._connections_max} connections are in use and {len(self._waiting)} calls wait for one",
                next_step="make fewer calls at once, or raise connections_max or queue_max",
            )
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._pass_on(waiter.result())
            raise

    def _pass_on(self, connection: Connection | None) -> None:
        """What was given to a call that was cancelled in the same moment."""
        if connection is None:
            self._wake_one()
        else:
            self._give_back(connection)

    def _give_back(self, connection: Connection) -> None:
        if connection not in self._open or not connection.reusable:
            return  # `_lost` wakes who waits
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._idle.append(connection)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._wake_one()

    def _wake_one(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    # --- timeouts

    def _sweep(self) -> None:
        """While anything is under way."""
        self._sweeper = None
        timeout = self._read_timeout_seconds
        if timeout == float("inf"):
            return
        now = self._loop.time()
        busy = False
        for connection in list(self._open):
            if connection.busy:
                busy = True
                if now - connection.heard_at >= timeout:
                    connection.fail(failed(FailureKind.TIMEOUT, f"no answer in {timeout:g} seconds"))
        if busy:
            self._sweeper = self._loop.call_later(min(timeout / SWEEPS_A_TIMEOUT, SWEEP_SECONDS_MAX), self._sweep)

    def _stop_sweeping(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
