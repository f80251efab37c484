"""One way to drive every driver from a test, so that the contract is written once."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import pytest

from crossfade.control.agent import Agent
from crossfade.control.open_tickets import Ticket
from crossfade.core.effects import Call, Later, Place, Reply, Request, Routine
from crossfade.core.stages import Stage
from crossfade.drivers.aio import AioBackground, AioDriver
from crossfade.drivers.loop_thread import LoopThread
from crossfade.drivers.scope import Scope, TicketScope
from crossfade.drivers.sync import SyncDriver
from crossfade.errors import StageUncertain

T = TypeVar("T")
WAIT_SECONDS_MAX = 10.0


def ticket(epoch: int = 1, *, strict: bool = True) -> Ticket:
    return Ticket(Stage.DUALWRITE, epoch, 0, 1, strict)


@dataclass
class FakeAgent:
    """What a driver needs of an agent: who holds what, what was lost, and whether the lease has ended."""

    epoch: int = 1
    ended: bool = False
    held: list[Ticket] = field(default_factory=list[Ticket])
    lost_keys: list[str] = field(default_factory=list[str])

    def may_send(self, _ticket: Ticket, *, writes: bool = True) -> None:  # noqa: ARG002
        if self.ended:
            raise StageUncertain("the lease has ended")

    def is_ours(self, _ticket: Ticket) -> bool:
        return not self.ended

    def hold(self, held: Ticket) -> None:
        self.held.append(held)

    def release(self, held: Ticket) -> None:
        self.held.remove(held)

    def lost(self, key: str, _error: object) -> None:
        self.lost_keys.append(key)

    def as_agent(self) -> Agent:
        return cast("Agent", self)


Answer = Callable[[Place, str, Request], Reply]


@dataclass
class Harness(ABC):
    """A driver and its background, with `answer` as the world."""

    agent: FakeAgent = field(default_factory=FakeAgent)
    notes: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    slept: list[float] = field(default_factory=list[float])
    answer: Answer = lambda place, operation, request: {"place": place, "operation": operation, **request}

    def note(self, name: str, facts: dict[str, Any]) -> None:
        self.notes.append((name, facts))

    def scope(self, held: Ticket | None = None, forward: Call | None = None) -> Scope:
        if held is None:
            return Scope(forward)
        return TicketScope(self.agent.as_agent(), held, self.put_here, forward)

    def count(self, name: str, outcome: str | None = None) -> int:
        return sum(noted == name and facts.get("outcome") == outcome for noted, facts in self.notes)

    @abstractmethod
    def run(self, routine: Routine[T], scope: Scope) -> T: ...
    @abstractmethod
    def put_here(self, later: Later, held: Ticket) -> None:
        """`put` from where routines run."""

    @abstractmethod
    def put(self, later: Later, held: Ticket) -> None: ...
    @abstractmethod
    def drain(self, timeout_seconds: float) -> bool: ...
    @abstractmethod
    def close(self) -> int: ...
    @abstractmethod
    def stop(self) -> None: ...


class OnLoop(Harness):
    """The background is on the loop of a thread of its own; what blocks in a test blocks a helper, never the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.thread: LoopThread = LoopThread("test")

        async def call(place: Place, operation: str, request: Request) -> Reply:
            return await asyncio.to_thread(self.answer, place, operation, request)

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        self.tasks: AioDriver = AioDriver(call, self.note, sleep=sleep, jitter=lambda: 0.0)
        self.background: AioBackground = AioBackground(self.tasks, self.agent.as_agent(), self.note, workers=4)
        self.on_loop(lambda: self.background.begin(self.thread.call_soon))

    def put_here(self, later: Later, held: Ticket) -> None:
        self.background.put(later, held)

    def on_loop(self, function: Callable[[], None]) -> None:
        async def run() -> None:
            function()

        self.thread.run(run())

    def drain(self, timeout_seconds: float) -> bool:
        return self.thread.run(self.background.drain(timeout_seconds))

    def close(self) -> int:
        return self.thread.run(self.background.close())

    def stop(self) -> None:
        _ = self.close()
        assert self.thread.close()


class Threads(OnLoop):
    """Routines run, and put their work, on threads that are not the loop's."""

    def __init__(self) -> None:
        super().__init__()

        def call(place: Place, operation: str, request: Request) -> Reply:
            return self.answer(place, operation, request)

        self._driver = SyncDriver(call, self.note, sleep=self.slept.append, jitter=lambda: 0.0)

    def run(self, routine: Routine[T], scope: Scope) -> T:
        return self._driver.run(routine, scope)

    def put(self, later: Later, held: Ticket) -> None:
        self.put_here(later, held)

    def stop(self) -> None:
        super().stop()
        self._driver.close()


class Tasks(OnLoop):
    """Routines run, and put their work, on the loop itself."""

    def run(self, routine: Routine[T], scope: Scope) -> T:
        return self.thread.run(self.tasks.run(routine, scope))

    def put(self, later: Later, held: Ticket) -> None:
        self.on_loop(lambda: self.put_here(later, held))


@pytest.fixture(params=[Threads, Tasks], ids=["threads", "asyncio"])
def driver(request: pytest.FixtureRequest) -> Iterator[Harness]:
    """Every driver in turn."""
    harness: Harness = request.param()
    yield harness
    harness.stop()
