"""A process that applies: one worker of an ETL, with its lease, its partitions and its lanes.

What it is told by a message, how far a partition is done, what is kept with an offset, whether it may apply and the
applying itself are production's. Its loop (fetching, lanes, commits, what a rebalance takes away) is written here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from crossfade.cdc.applying import Applied, Destination, apply, pass_over
from crossfade.cdc.bookkeeping import Mark
from crossfade.cdc.bookkeeping import Sequence as Bookkeeping
from crossfade.cdc.changes import Change
from crossfade.cdc.etl.progress import packed_mark, unpacked_mark
from crossfade.cdc.etl.standing import Resting, Standing, carries
from crossfade.cdc.inputs import Kind, NoChange, read_own
from crossfade.cdc.terms import Terms
from crossfade.control.agent import Agent
from crossfade.core.effects import Routine, relayed
from crossfade.core.rules import Rules
from crossfade.drivers.scope import Scope, TicketScope
from crossfade.errors import CrossfadeError, StageUncertain
from crossfade.sim.freeze.dropped import applied_without
from crossfade.sim.freeze.member import Keeper
from crossfade.sim.freeze.topic import Kept, Message, Topic
from crossfade.sim.processes import Process, Task
from crossfade.sim.world import World

FETCH_SECONDS: Final = 0.03
FETCHED_MAX: Final = 6  # messages of one partition at once
IN_FLIGHT_MAX: Final = 8
COMMIT_SECONDS: Final = 0.25
AGAIN_SECONDS: Final = 0.2  # until a worker that has ended looks whether it may begin again

Work = Callable[[], None]


@dataclass(slots=True)
class Partition:
    """One that the worker has: from where it reads on, and how far all is done."""

    next: int
    committed: int
    mark: Mark
    terms: Terms
    book: Bookkeeping = field(default_factory=Bookkeeping)

    @property
    def kept_mark(self) -> Mark:
        return self.mark.then(self.book.mark)


class Worker:
    """One session: from joining the group to whatever ends it. `over` is called when it has ended."""

    def __init__(self, carrier: Carrier, session: int, over: Callable[[], None]) -> None:
        self.ended = False
        self._carrier = carrier
        self._session = session
        self._over = over
        self._world = carrier.world
        self._topic = carrier.topic
        self._partitions: dict[int, Partition] = {}
        self._giving: dict[int, Callable[[], None]] = {}
        self._lanes: dict[tuple[int, bytes | None], deque[Work]] = {}
        self._count = 0
        self._committed_at = self._world.now
        self._topic.join(self)
        self._later()

    @property
    def process(self) -> Process:
        return self._carrier.process

    @property
    def idle(self) -> bool:
        return not self._count

    # --- what the group asks for

    def join_again(self) -> None:
        """The group has gone on without this one."""
        if not self.ended:
            self._topic.join(self)

    def take(self, partition: int, kept: Kept) -> None:
        _ = self._giving.pop(partition, None)
        mark = unpacked_mark(kept.metadata)
        self._partitions[partition] = Partition(kept.offset, kept.offset, mark, Terms(mark.term))

    def give_up(self, partition: int, then: Callable[[], None]) -> None:
        """Nothing more of it is fetched; what is under way is waited for, then its offset is kept."""
        self._giving[partition] = then
        self._world.deliver(self.process, self._give)

    def lose(self, partition: int) -> None:
        """Others have it now: what was read goes on, but nothing of it is kept."""
        _ = self._partitions.pop(partition, None)
        _ = self._giving.pop(partition, None)

    def _give(self) -> None:
        for number in list(self._giving):
            found = self._partitions.get(number)
            if found is None or not found.book.pending or self.ended:
                self._commit(number)
                then = self._giving.pop(number)
                then()

    # --- its loop

    def _later(self) -> None:
        seconds = FETCH_SECONDS * self._world.random.uniform(0.3, 1.0)
        self._world.after(seconds, lambda: self._world.deliver(self.process, self._turn))

    def _turn(self) -> None:
        if self.ended:
            return
        for number in list(self._partitions):
            self._fetch(number)
        if self._world.now - self._committed_at >= COMMIT_SECONDS:
            self._committed_at = self._world.now
            for number in list(self._partitions):
                self._commit(number)
        self._later()

    def _fetch(self, number: int) -> None:
        found = self._partitions.get(number)
        if found is None or number in self._giving:
            return
        count = self._world.random.randint(1, FETCHED_MAX)
        messages = self._topic.partitions[number]
        while count and self._count < IN_FLIGHT_MAX and found.next < len(messages) and not self.ended:
            self._dispatch(number, found, messages[found.next])
            found.next += 1
            count -= 1

    def _dispatch(self, number: int, found: Partition, message: Message) -> None:
        offset, terms = found.next, found.terms
        if terms.has_ended(message.headers) and self._carrier.rules.term:
            found.book.begin(offset)
            found.book.end(offset)
            return
        told = read_own(message.key, message.value, offset=offset)
        if isinstance(told, NoChange):
            found.book.begin(offset, Mark(told.text if told.kind is Kind.HEARTBEAT else "", told.at, term=terms.latest))
            found.book.end(offset)
            return
        found.book.begin(offset, Mark(term=terms.latest))
        done: Work = partial(found.book.end, offset)
        if not self._carrier.rules.offsets:
            done()
            done = nothing
        self._put((number, message.key), partial(self._apply, (number, message.key), told, done))

    def _commit(self, number: int) -> None:
        found = self._partitions.get(number)
        if found is None or found.book.done_below <= found.committed:
            return
        if self._topic.keep(self, number, found.book.done_below, packed_mark(found.kept_mark)):
            found.committed = found.book.done_below

    # --- its lanes

    def _put(self, lane: tuple[int, bytes | None], work: Work) -> None:
        self._count += 1
        waiting = self._lanes.get(lane)
        if waiting is not None:
            waiting.append(work)
            return
        self._lanes[lane] = deque()
        work()

    def _done(self, lane: tuple[int, bytes | None]) -> None:
        self._count -= 1
        waiting = self._lanes[lane]
        if waiting and not self.ended:
            waiting.popleft()()
            return
        self._count -= len(waiting)
        del self._lanes[lane]
        self._give()

    def _apply(self, lane: tuple[int, bytes | None], changes: list[Change], done: Callable[[], None]) -> None:
        if not changes:
            done()
            self._done(lane)
            return

        def applied(_value: object, error: CrossfadeError | None) -> None:
            if error is None:
                self._apply(lane, changes[1:], done)
                return
            self.end(error)
            self._done(lane)

        self._carrier.apply(self._session, changes[0], applied)

    def end(self, error: CrossfadeError) -> None:
        """What is under way goes on; what waits is forgotten; what is done is kept."""
        if self.ended:
            return
        self.ended = True
        self._world.note(self.process.name, "worker_ended", {"error": error.message})
        for number in list(self._partitions):
            self._commit(number)
        self._give()
        self._topic.leave(self)
        self._partitions.clear()
        self._over()


class Carrier:
    """The process. Without the rule `carrier-lease` it asks nobody whether it may."""

    def __init__(
        self, world: World, process: Process, topic: Topic, destination: Destination, agent: Agent, rules: Rules,
        poll_seconds: float,
    ) -> None:  # fmt: skip
        self.world = world
        self.process = process
        self.topic = topic
        self.rules = rules
        self.agent = agent
        self.worker: Worker | None = None
        self._destination = destination
        self._standing = Standing(agent, partial(world.monotonic, process))
        if rules.carrier_lease:
            self._keeper = Keeper(world, process, agent, poll_seconds, self._standing.look_after, nothing)
        self._begin()

    @property
    def idle(self) -> bool:
        return (self.worker is None or self.worker.idle) and not self.agent.pending

    def apply(self, session: int, change: Change, then: Callable[[object, CrossfadeError | None], None]) -> None:
        """One change, as a routine of this process."""
        name = f"apply {change.table.split('.')[1]} {change.key[0]!r}"
        if not self.rules.carrier_lease:
            self.world.start(Task(self.process, self._applying(change), name, then, Scope(), "etl"))
            return
        try:
            ticket = self._standing.take(session)
        except (Resting, StageUncertain) as error:
            then(None, error)
            return
        scope = TicketScope(self.agent, ticket, no_background)

        def ended(value: object, error: CrossfadeError | None) -> None:
            self._standing.give_back(ticket, may_land=scope.may_land)
            then(value, error)

        routine = self._applying(change) if carries(ticket.stage) else pass_over(self._destination, change)
        self.world.start(Task(self.process, routine, name, ended, scope, "etl"))

    def _applying(self, change: Change) -> Routine[Applied]:
        return relayed(apply(self._destination, change), partial(applied_without, self.rules))

    def _begin(self) -> None:
        """A worker, as soon as there may be one."""
        session = 0
        if self.rules.carrier_lease:
            try:
                session = self._standing.begin()
            except (Resting, StageUncertain):
                self._begin_later()
                return
        self.worker = Worker(self, session, self._begin_later)

    def _begin_later(self) -> None:
        self.worker = None
        self.world.after(AGAIN_SECONDS, lambda: self.world.deliver(self.process, self._begin))


def nothing() -> None:
    """Done already."""


def no_background(*_arguments: object) -> None:
    raise AssertionError("applying leaves nothing for later")
