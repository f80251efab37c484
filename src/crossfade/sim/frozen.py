"""A process that does everything within its application's calls, and is frozen between them: see aws/inline.py.

A call renews the lease where that is due, waits for its mirrors, and says that nothing is open; then it has its answer,
and the process is frozen for as long as nobody calls it, or for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Final

from crossfade.control.agent import Agent
from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.request.names import WRITES
from crossfade.core.tables.pair import Pair
from crossfade.errors import CrossfadeError
from crossfade.sim.applications import Told
from crossfade.sim.client import Client
from crossfade.sim.faults import Fault
from crossfade.sim.processes import Process
from crossfade.sim.scenario import Scenario
from crossfade.sim.world import World

POLLS_MAX: Final = 3
PATIENCE_SECONDS: Final = 0.75  # for which an answer is held back by mirrors
LOOK_SECONDS: Final = 0.02
FREEZES: Final = 0.5  # of the moments at which nothing is under way
FROZEN_LEASES: Final = (0.3, 3.0)
OVERDUE: Final = 0.05  # of the calls whose mirrors are not made yet: the process is ended at its time limit
RESTART_SECONDS: Final = (0.1, 2.0)
CALLED_AGAIN_LEASES: Final = 2.0  # a call that touches no item, so that what was put off has its turn


class InlineClient(Client):
    def __init__(
        self, world: World, pair: Pair, agent: Agent, process: Process, scenario: Scenario, random: Random
    ) -> None:
        self._random = random
        self._lease_seconds = scenario.lease_seconds
        self._under_way = 0
        self._writing = 0
        self.ended: Callable[[], None] = lambda: None  # called some time after it was ended
        self._asking = False  # the agent's routines run one at a time
        self._waiting: list[Callable[[], None]] = []
        super().__init__(world, pair, agent, process.name, scenario.poll_seconds, scenario.strategy, process)
        self._call_again_later()

    def _poll_later(self) -> None:
        """Nobody polls but its calls."""

    def call(
        self,
        operation: str,
        request: Request,
        keys: tuple[str, ...],
        told: Told,
        sent_twice: Callable[[], None] = lambda: None,
    ) -> None:
        writes = operation in WRITES

        def answered(reply: Reply | None, error: CrossfadeError | None, sent: bool) -> None:
            self._close(writes, partial(told, reply, error, sent))

        self._open(writes, partial(super().call, operation, request, keys, answered, sent_twice))

    def _call_again_later(self) -> None:
        seconds = CALLED_AGAIN_LEASES * self._lease_seconds * self._random.uniform(0.5, 1.5)

        def call() -> None:
            if self.process.alive:
                if self.ready and self.pending and self.process.paused_until <= self.world.now:
                    self._open(False, lambda: self._close(False, lambda: None))
                self._call_again_later()

        self.world.after(seconds, call)

    # --- around a call

    def _open(self, writes: bool, then: Callable[[], None]) -> None:
        self._under_way += 1
        self._writing += writes
        self.operations.look_after()
        self._renewed(POLLS_MAX, then)

    def _close(self, writes: bool, told: Callable[[], None]) -> None:
        """The call has its answer when its mirrors are made, or put off."""
        until = self.world.now + PATIENCE_SECONDS
        if not (self.background.idle or self.world.faults.healed) and self._random.random() < OVERDUE:
            _ = self.world.faults.count(Fault.CRASH)
            self.world.crash(self.process)
            self.world.after(self._random.uniform(*RESTART_SECONDS), self.ended)
            return

        def look() -> None:
            if not self.background.idle and self.world.now < until:
                self.world.after(LOOK_SECONDS, lambda: self.world.deliver(self.process, look))
                return
            self._writing -= writes
            self._rested(ended)

        def ended() -> None:
            self._under_way -= 1
            told()
            self._freeze()

        look()

    def _freeze(self) -> None:
        if not self._under_way and not self.world.faults.healed and self._random.random() < FREEZES:
            self.world.suspend(self.process, self._lease_seconds * self._random.uniform(*FROZEN_LEASES))

    # --- the lease

    def _renewed(self, tries: int, then: Callable[[], None]) -> None:
        if not (tries and self.agent.must_poll(writes=self._writing > 0)):
            then()
        elif self._asking:
            self._waiting.append(partial(self._renewed, tries, then))
        else:
            routine = self.agent.poll(writes=self._writing > 0)
            self._ask("poll", routine, partial(self._renewed, tries - 1, then))

    def _rested(self, then: Callable[[], None]) -> None:
        if self._writing or not self.agent.may_rest:
            then()
        elif self._asking:
            self._waiting.append(partial(self._rested, then))
        else:
            self._ask("rest", self.agent.rest(), then)

    def _ask(self, name: str, routine: Routine[None], then: Callable[[], None]) -> None:
        def asked(_value: object, _error: CrossfadeError | None) -> None:
            self._asking = False
            then()
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each()

        self._asking = True
        self._agent_task(routine, name, asked)
