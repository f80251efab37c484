"""A process that is a client of the migration: its agent, polled as often as the stage asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crossfade.control.agent import Agent
from crossfade.control.freezing import poll_seconds
from crossfade.core.effects import Routine
from crossfade.core.stages import FREEZE_STRATEGY
from crossfade.drivers.scope import Scope
from crossfade.errors import CrossfadeError
from crossfade.sim.processes import Process, Task
from crossfade.sim.world import World

Ended = Callable[[object, CrossfadeError | None], None]


class Keeper:
    """`before` is called before each poll, `after` behind it."""

    def __init__(
        self, world: World, process: Process, agent: Agent, usual: float, before: Callable[[], None],
        after: Callable[[], None],
    ) -> None:  # fmt: skip
        self.ready = False
        self._world = world
        self._process = process
        self._agent = agent
        self._usual = usual
        self._before = before
        self._after = after
        self._join()

    def own(self, routine: Routine[Any], name: str, then: Ended) -> None:
        """Carry out one of the process's own routines."""
        self._world.start(Task(self._process, routine, name, then, Scope(), "agent"))

    def _join(self) -> None:
        def joined(_value: object, error: CrossfadeError | None) -> None:
            if error is not None:
                self._world.after(self._usual, self._join)
                return
            self.ready = True
            self._later()

        self.own(self._agent.join(), "join", joined)

    def _later(self) -> None:
        seconds = poll_seconds(FREEZE_STRATEGY, self._agent.stage, self._usual)
        self._world.after(seconds * self._world.random.uniform(0.9, 1.1), self._poll)

    def _poll(self) -> None:
        self._world.deliver(self._process, self._poll_now)

    def _poll_now(self) -> None:
        self._before()

        def polled(_value: object, _error: CrossfadeError | None) -> None:
            self._after()
            self._later()

        self.own(self._agent.poll(), "poll", polled)
