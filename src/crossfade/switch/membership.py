"""One process as a client of a migration: its lease, its background work, and its part in repairs. On one event loop.

Beside the polls there is a round of repairs every few seconds, and several a second while writes are held: the keys of
this process whose mirror failed, and what clients that are gone have left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from crossfade.aws.lean.client import BulkClient
from crossfade.control.coordinator import Coordinator
from crossfade.control.freezing import poll_seconds, way_out
from crossfade.control.open_tickets import Ticket
from crossfade.control.store import Caller
from crossfade.core.effects import Later, Place, Reply, Request
from crossfade.core.stages import FREEZE, FREEZE_STRATEGY, Stage
from crossfade.drivers.aio import AioDriver
from crossfade.drivers.scope import Scope
from crossfade.errors import CrossfadeError, DatabaseError, StageUncertain, TurnedBack
from crossfade.observe import Watch
from crossfade.switch.driving import SwitchBackground, SwitchTaskDriver
from crossfade.switch.flags import Flag, Wish
from crossfade.switch.invoking import Repositories
from crossfade.switch.repairing import Repairs
from crossfade.switch.switchboard import Switchboard

BLOCKING_MAX: Final = 8  # mirrors and comparisons that block, at once: a small share of a usual pool of connections
REPAIR_SECONDS: Final = 5.0  # between two rounds: one query of a part of the control table that is mostly empty
REPAIR_FROZEN_SECONDS: Final = 0.2  # while writes wait for it
LEAVE_SECONDS_MIN: Final = 5.0  # for giving the lease back; longer, and it runs out by itself
LOOK_SECONDS: Final = 0.01  # how often one that leaves looks whether the last operation has ended


@dataclass(frozen=True, slots=True)
class Timing:
    poll_seconds: float
    repair_seconds: float = REPAIR_SECONDS


class Membership:
    """A switch's part in the migration. Everything but `put` and `rescue` is for the loop."""

    clock = staticmethod(time.monotonic)

    def __init__(
        self,
        connections: Mapping[Place, BulkClient],
        repositories: Repositories,
        make_board: Callable[[Callable[[Later, Ticket], None]], Switchboard],
        caller: Caller,
        timing: Timing,
        watch: Watch,
        flag: Flag | None = None,
    ) -> None:
        self._flag = flag
        self._connections = connections
        self._watch = watch
        self._timing = timing
        self._caller = caller
        self._executor = ThreadPoolExecutor(BLOCKING_MAX, thread_name_prefix="crossfade-switch")
        self._own = AioDriver(self._send, watch.note)
        self.driver: SwitchTaskDriver = SwitchTaskDriver(repositories, self._executor, self._send, watch.note)
        self.board: Switchboard = make_board(self._put)
        self.background: SwitchBackground = SwitchBackground(self.driver, self.board.agent, watch.note)
        self._repairs = Repairs(self.board, caller, random.sample)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def _put(self, later: Later, ticket: Ticket) -> None:
        self.background.put(later, ticket)

    async def _send(self, place: Place, operation: str, request: Request) -> Reply:
        return await self._connections[place].call(operation, request)

    # --- coming and going

    async def join(self, call_soon: Callable[[Callable[[], None]], None] | None = None) -> None:
        """Take a lease and keep it. Raises NotStarted, ConfigurationError or DatabaseError."""
        self._loop = asyncio.get_running_loop()
        self.background.begin(call_soon)
        await self._own.run(self.board.mirror.look(), Scope())
        await self._own.run(self.board.agent.join(), Scope())
        self._begin("keeper", self._keep())
        if self._flag is not None:
            self._begin("flag", self._follow(self._flag))

    async def leave(self, timeout_seconds: float) -> bool:
        """Wait for what is under way, give the lease back. Whether all was done in time; the rest is in the queue."""
        until = self.clock() + timeout_seconds
        agent = self.board.agent
        while agent.pending and self.clock() < until:
            await asyncio.sleep(LOOK_SECONDS)
        done = not agent.pending
        for task in self._tasks.values():
            _ = task.cancel()
        _ = await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        left = await self.background.close()
        try:
            async with asyncio.timeout(max(until - self.clock(), LEAVE_SECONDS_MIN)):
                await self._own.run(agent.leave(), Scope())
        except (DatabaseError, TimeoutError) as error:  # the lease will run out
            self._watch.note("leave_failed", {"client": agent.client_id, "error": str(error) or "no answer"})
            done = False
        await self.close()
        return done and not left and not len(self.board.intents)

    async def close(self) -> None:
        self._executor.shutdown(wait=False)
        for connection in self._connections.values():
            await connection.aclose()

    def _begin(self, name: str, coroutine: Any) -> None:
        """One at a time of each name."""
        if name in self._tasks and not self._tasks[name].done():
            coroutine.close()
            return
        self._tasks[name] = asyncio.create_task(coroutine, name=f"crossfade-{name}")

    # --- the lease

    async def _keep(self) -> None:
        agent = self.board.agent
        repair_at = self.clock()
        while True:
            usual = self._timing.poll_seconds
            await asyncio.sleep(poll_seconds(FREEZE_STRATEGY, agent.stage, usual))
            try:
                await self._own.run(agent.poll(), Scope())
            except Exception as error:  # noqa: BLE001 - without a lease nothing is sent, so callers are told
                self._watch.note("agent_error", {"client": agent.client_id, "error": str(error)})
            now = self.clock()
            frozen = FREEZE[agent.stage].holds
            if now >= repair_at or (frozen and now >= repair_at - self._timing.repair_seconds + REPAIR_FROZEN_SECONDS):
                repair_at = now + self._timing.repair_seconds * (0.75 + 0.5 * random.random())  # noqa: S311
                self._begin("repairs", self._repair())

    # --- repairs

    async def _repair(self) -> None:
        """One round. Never raises: the next one comes."""
        agent = self.board.agent
        try:
            await self._own.run(self._repairs.round(), Scope())
        except StageUncertain:
            pass  # without a lease nothing is repaired; the agent has said so
        except Exception as error:  # noqa: BLE001 - see above
            self._watch.note("agent_error", {"client": agent.client_id, "error": str(error)})

    # --- moving

    def rescue(self) -> None:
        """Writes are held for too long: lead the migration to a stage in which they go on. From any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                _ = self._loop.call_soon_threadsafe(lambda: self._begin("rescue", self._lead_out()))

    async def _lead_out(self) -> None:
        stage = self.board.agent.stage
        if FREEZE[stage].holds:
            _ = await self._walk(way_out(FREEZE_STRATEGY, stage), "writes were held for too long")

    async def _walk(self, to: Stage, why: str) -> CrossfadeError | None:
        """Towards a stage, as far as that is possible; what was in the way. Where another was first, it is Fenced."""
        moving = Coordinator(self.board.agent.control, self._caller, hold_seconds=self.board.hold_seconds)
        completes = to is Stage.COMPLETE and self._flag is not None and self._flag.completes
        try:
            state = await self._own.run(moving.walk(Stage.RAMPDOWN if to is Stage.COMPLETE else to), Scope())
            if completes:
                state = await self._own.run(moving.complete(confirmed=True), Scope())
        except CrossfadeError as error:
            self._watch.note("not_moved", {"to": to.value, "why": why, "error": error.message})
            return error
        self._watch.note("moved_by", {"to": state.stage.value, "why": why})
        return None

    # --- the flag

    async def _follow(self, flag: Flag) -> None:
        wish, loop = Wish(), asyncio.get_running_loop()
        while True:
            try:
                said = await loop.run_in_executor(self._executor, flag.ask)
                if said.stage is None:
                    self._watch.note("flag_error", {"key": flag.key, "error": said.problem})
                else:
                    wish.hear(said.stage)
                if wish.is_due(self.clock()):
                    await self._fulfil(wish, flag)
            except Exception as error:  # noqa: BLE001 - it is asked again
                self._watch.note("flag_error", {"key": flag.key, "error": str(error)})
            await asyncio.sleep(flag.poll_seconds * (0.75 + 0.5 * random.random()))  # noqa: S311

    async def _fulfil(self, wish: Wish, flag: Flag) -> None:
        assert wish.goal is not None  # noqa: S101 - see `is_due`
        here = self.board.agent.stage
        if wish.goal is here or (wish.goal is Stage.COMPLETE and not flag.completes and here is Stage.RAMPDOWN):
            wish.fulfilled()
            return
        error = await self._walk(wish.goal, f"the flag {flag.key}")
        if error is None:
            wish.fulfilled()
        else:
            wish.failed(self.clock(), flag.poll_seconds, held=isinstance(error, TurnedBack))
