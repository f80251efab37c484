"""A process in which one migration is behind another: the first is complete, and its target is the source of the
second, which is the one that the world is about.

Each has an agent with a lease, operations and a background, as a process of one migration has (sim/client.py). How
their requests go through both is production's (aws/chain.py, aws/aio_hooks.py); their routines run in the world.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

from botocore.exceptions import BotoCoreError, ClientError

from crossfade.aws.aio_hooks import AioHooks
from crossfade.aws.in_flight import InFlight
from crossfade.aws.operation import Forwarded, Operations
from crossfade.aws.own_calls import as_outcome
from crossfade.control.agent import Agent
from crossfade.control.open_tickets import Ticket
from crossfade.core.effects import Call, Effect, Later, Reply, Request, Routine, Today
from crossfade.core.stages import Row
from crossfade.core.tables.pair import Pair
from crossfade.drivers.local import LocalEffects
from crossfade.drivers.scope import Scope
from crossfade.errors import CrossfadeError, NotPossibleInStage
from crossfade.sim.applications import Told
from crossfade.sim.client import Client, gone_on
from crossfade.sim.fibers import Came, Waiting
from crossfade.sim.processes import Answered, Process, Task
from crossfade.sim.sdk import SENDER, Sdk, Sender
from crossfade.sim.world import World

T = TypeVar("T")


class FiberDriver(LocalEffects):
    """Performs the effects of one migration's routines in the world, for the coroutines of its hooks."""

    def __init__(self, world: World, process: Process, sdk: Sdk, migration: str) -> None:
        super().__init__(
            lambda name, facts: world.note(process.name, name, facts),
            partial(world.monotonic, process),
            new_stamp=world.stamp,
        )
        self._world = world
        self._process = process
        self._sdk = sdk
        self._migration = migration

    def at_once(self, effect: Effect[Any], scope: Scope) -> Any:
        return int(self._world.now) if isinstance(effect, Today) else super().at_once(effect, scope)

    async def resume(
        self,
        routine: Routine[T],
        scope: Scope,
        value: Any = None,
        error: CrossfadeError | None = None,
        effect: Effect[Any] | None = None,
    ) -> T:
        """Go on with a routine that waits for the answer to its effect, or has yielded one that is to be performed."""
        sender, context = SENDER.get(), copy_context()

        def begin(came: Came) -> None:
            task = Task(
                self._process, gone_on(routine, value, error, effect), sender.name, came, scope, "routine",
                sender.keys, through=through(self._sdk, self._migration, context),
            )  # fmt: skip
            self._world.start(task)

        return await Waiting[T](begin)


def through(sdk: Sdk, migration: str, context: Context) -> Callable[[Task, Call, Answered], None]:
    """How the requests of a migration's routines go: through the client again."""
    return partial(sdk.own, migration, context)


class Link:
    """One migration's part of a process: what its hooks work with."""

    def __init__(self, client: Client, driver: FiberDriver) -> None:
        self._client = client
        self.driver = driver
        self.in_flight = InFlight()

    @property
    def pair(self) -> Pair:
        return self._client.pair

    @property
    def agent(self) -> Agent:
        return self._client.agent

    @property
    def operations(self) -> Operations:
        return self._client.operations

    @property
    def local(self) -> LocalEffects:
        return self.driver

    def clock(self) -> float:
        return self._client.clock()

    def adopt(self, later: Later, ticket: Ticket) -> None:
        self._client.background.put(later, ticket)

    def follow(self, forwarded: Forwarded, content: Any) -> None:
        self._client.follow(forwarded, content)


class LinkHooks(AioHooks):
    """Here nobody cancels a call, so its caller is not watched."""

    def _watch_caller(self, forwarded: Forwarded) -> None: ...


@dataclass(frozen=True, slots=True)
class Joining:
    """One of the two migrations, as a process joins it."""

    migration: str
    pair: Pair
    agent: Agent
    strategy: str


class ChainedClient:
    """What an application uses in place of a Client. It speaks of the first migration's source."""

    def __init__(self, world: World, process: Process, poll_seconds: float, first: Joining, second: Joining) -> None:
        self.world = world
        self.process = process
        self._sdk = sdk = Sdk(world, self.process)
        self._first, self._second = (
            Client(
                world, joining.pair, joining.agent, process.name, poll_seconds, joining.strategy, self.process,
                through(sdk, joining.migration, Context()),
            )
            for joining in (first, second)
        )  # fmt: skip
        for joining, client in ((second, self._second), (first, self._first)):
            driver = FiberDriver(world, self.process, sdk, joining.migration)
            link = cast("Any", Link(client, driver))  # whose driver is the world's
            hooks = LinkHooks(joining.migration, link, None, ready)
            client.looked_after.append(hooks.look_after)
            sdk.chain.add(hooks, fast_signing=False)

    @property
    def pair(self) -> Pair:
        return self._second.pair

    @property
    def agent(self) -> Agent:
        return self._second.agent

    @property
    def row(self) -> Row:
        return self._second.row

    @property
    def ready(self) -> bool:
        return self._first.ready and self._second.ready

    @property
    def left(self) -> bool:
        return self._second.left

    @property
    def pending(self) -> int:
        return self._first.pending + self._second.pending

    @property
    def deadline(self) -> float:
        return min(self._first.deadline, self._second.deadline)

    def call(
        self,
        operation: str,
        request: Request,
        keys: tuple[str, ...],
        told: Told,
        sent_twice: Callable[[], None] = lambda: None,
    ) -> None:
        """One call by the application."""

        def came(reply: Reply | None, error: Exception | None) -> None:
            if error is None:
                told(reply, None, True)
            elif isinstance(error, NotPossibleInStage):
                told(None, error, False)
            elif isinstance(error, (ClientError, BotoCoreError, CrossfadeError)):
                told(None, as_outcome(error), True)
            else:
                raise error

        sender = Sender(f"{operation} {' '.join(keys)}", "caller", keys, sent_twice)
        self._sdk.begin(sender, operation, request, came)


async def ready() -> None:
    """An application here makes no call before it has joined."""
