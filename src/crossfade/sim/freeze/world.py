"""The world, with one effect more: a method of a repository, which is one call to its store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crossfade.control.agent import Agent
from crossfade.control.open_tickets import Ticket
from crossfade.core.effects import Call, Effect, Later
from crossfade.errors import CrossfadeError, ServiceRejected
from crossfade.sim.processes import Answered, Task
from crossfade.sim.world import World
from crossfade.switch.invoking import Invoke, Raised
from crossfade.switch.switchboard import SwitchScope


class Busy(Exception):
    """A store refused: nothing was written, and nothing will be."""


class NoAnswer(Exception):
    """A store said nothing: it may have been carried out, or may be yet."""


class CallScope(SwitchScope):
    """A scope that knows whether a write went out to a store."""

    __slots__ = ("wrote",)

    def __init__(self, agent: Agent, ticket: Ticket, put: Callable[[Later, Ticket], None]) -> None:
        super().__init__(agent, ticket, put)
        self.wrote = False

    def invoking(self, effect: Invoke) -> None:
        super().invoking(effect)
        self.wrote = self.wrote or effect.writes


class ServiceWorld(World):
    def _waits(self, task: Task, effect: Effect[Any]) -> bool:
        if not isinstance(effect, Invoke):
            return super()._waits(task, effect)
        assert isinstance(task.scope, SwitchScope)  # noqa: S101 - nobody else has one
        task.scope.invoking(effect)
        call = Call(effect.side, effect.method, {"effect": effect})
        self.network.send(task, call, self._told(task), sdk=False)
        return True

    def _told(self, task: Task) -> Answered:
        def told(value: Any, error: CrossfadeError | None) -> None:
            if isinstance(error, ServiceRejected):
                raised: CrossfadeError | None = Raised(Busy(error.code))
            else:
                raised = Raised(NoAnswer()) if error is not None else None
            found = value["value"] if raised is None else None
            self.deliver(task.process, lambda: self._step(task, found, raised))

        return told
