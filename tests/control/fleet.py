"""A fleet of thousands in virtual time: the agents and the coordinator of production, and a table that counts.

    python -m tests.control.fleet [CLIENTS]     what it costs, second by second

Everything that the control table is asked is carried out by the simulator's database, some milliseconds after it was
sent, and counted: units by second, and reads and writes of each item by second.
"""

from __future__ import annotations

import hashlib
import math
import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from typing import Any, Final

from crossfade.control.agent import LEASE_SECONDS, POLL_SECONDS, Agent
from crossfade.control.coordinator import Coordinator
from crossfade.control.fleet import Pauses
from crossfade.control.record_items import from_item
from crossfade.control.records import STATE, JournalEntry, Role, State
from crossfade.control.store import TABLE_DEFAULT, Caller, Control
from crossfade.core.effects import Call, Effect, Note, Now, Reply, Request, Routine, Sleep, Stamp, Today
from crossfade.core.stages import Stage
from crossfade.errors import CrossfadeError, ServiceRejected
from crossfade.sim.tables import Database

CLIENTS: Final = 5_000
LANDING_SECONDS: Final = 4.0
LATENCY_SECONDS: Final = (0.004, 0.02)
OPERATION_SECONDS: Final = 0.3  # at most, with its mirror: each client has one under way whenever it polls
JOINING_SECONDS: Final = 60.0  # of a deploy
ITEM_KB: Final = 1024.0
READ_KB: Final = 4096.0
MIGRATION: Final = "fleet"

Ended = Callable[[Any], None]


@dataclass
class Costs:
    """What was asked, by second: units, and how often each item was read and written."""

    written: Counter[int] = field(default_factory=Counter[int])
    read: Counter[int] = field(default_factory=Counter[int])
    reads_of: dict[str, Counter[int]] = field(default_factory=dict[str, Counter[int]])
    writes_of: dict[str, Counter[int]] = field(default_factory=dict[str, Counter[int]])

    def most(self, counted: Counter[int], since: float, until: float) -> int:
        return max((n for second, n in counted.items() if since <= second < until), default=0)

    def mean(self, counted: Counter[int], since: float, until: float) -> float:
        return sum(n for second, n in counted.items() if since <= second < until) / (until - since)

    def most_of_an_item(self, by_item: dict[str, Counter[int]], since: float, until: float) -> int:
        return max((self.most(counted, since, until) for counted in by_item.values()), default=0)


class Fleet:
    """So many clients of one migration. `stopped`: those that say nothing any more."""

    def __init__(self, clients: int, seed: int = 1, *, joining_seconds: float = JOINING_SECONDS) -> None:
        self.now = 0.0
        self.random = random.Random(seed)
        self.database = Database({TABLE_DEFAULT: ("migration", "record")})
        self.costs = Costs()
        self.control = Control(MIGRATION)
        self.caller = Caller("ann", "laptop", lambda: "now")
        self.agents: list[Agent] = []
        self.stopped: set[Agent] = set()
        self.notes: Counter[str] = Counter()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._start()
        for number in range(clients):
            self.after(self.random.random() * joining_seconds, partial(self._join, number))

    def _start(self) -> None:
        state = State(Stage.OFF, 1, 0, "dual-write", "orders", "orders-v2", "f00d", 0, 1, "now", "now")
        entry = JournalEntry(1, "token", 1, "started", "ann", "laptop", "now", "", forced=False)
        for record in (state, entry):
            _ = self.database.perform("PutItem", self.control.put(record), 0.0)

    # --- time

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self._order += 1
        heappush(self._heap, (self.now + seconds, self._order, action))

    def run(self, seconds: float) -> None:
        """Let so much time go by."""
        until = self.now + seconds
        while self._heap and self._heap[0][0] <= until:
            self.now, _, action = heappop(self._heap)
            action()
        self.now = until

    def carry_out(self, routine: Routine[Any], seconds_max: float = 600.0) -> float:
        """Carry a routine out beside all else; how long it took."""
        began, ended = self.now, list[float]()
        self.begin(routine, lambda _: ended.append(self.now))
        while not ended and self.now < began + seconds_max:
            self.now, _, action = heappop(self._heap)
            action()
        assert ended, "it does not end"
        return ended[0] - began

    def begin(self, routine: Routine[Any], then: Ended) -> None:
        self._step(routine, then, None, None)

    def _step(self, routine: Routine[Any], then: Ended, value: Any, error: CrossfadeError | None) -> None:
        while True:
            try:
                effect = routine.send(value) if error is None else routine.throw(error)
            except StopIteration as stop:
                then(stop.value)
                return
            value, error = None, None
            if isinstance(effect, Call):
                self._send(effect, partial(self._step, routine, then))
                return
            if isinstance(effect, Sleep):
                self.after(effect.seconds, partial(self._step, routine, then, None, None))
                return
            value = self._at_once(effect)

    def _at_once(self, effect: Effect[Any]) -> Any:
        match effect:
            case Now():
                return self.now
            case Today():
                return int(self.now)
            case Stamp():
                return f"{self.random.getrandbits(96):024x}"
            case Note():
                self.notes[effect.name] += 1
                return None
            case _:
                raise AssertionError(effect)

    def _send(self, call: Call, answer: Callable[[Any, CrossfadeError | None], None]) -> None:
        def land() -> None:
            reply: Reply | None = None
            error: CrossfadeError | None = None
            try:
                reply = self._performed(call.operation, call.request)
            except CrossfadeError as refused:
                error = refused
            self._count(call.operation, call.request, reply or {})
            self.after(self.random.uniform(*LATENCY_SECONDS), lambda: answer(reply, error))

        self.after(self.random.uniform(*LATENCY_SECONDS), land)

    def _performed(self, operation: str, request: Request) -> Reply:
        """Renewals, which are nearly all there is, by hand; the rest by the simulator's database."""
        if operation != "UpdateItem" or "#token" not in request["ExpressionAttributeNames"]:
            return self.database.perform(operation, request, self.now)
        table, values = self.database.table(TABLE_DEFAULT), request["ExpressionAttributeValues"]
        key = (request["Key"]["migration"]["S"], request["Key"]["record"]["S"])
        item, names = table.items.get(key), request["ExpressionAttributeNames"].values()
        tokens = [value for name, value in values.items() if name.startswith(":token") and name != ":token"]
        is_next = item is not None and int(item["beat"]["N"]) <= int(values[":beat"]["N"]) and item["token"] in tokens
        if item is None or not is_next:
            raise ServiceRejected("ConditionalCheckFailedException", "The conditional request failed")
        table.items[key] = item | {name: values[f":{name}"] for name in names}
        return {}

    # --- what it costs

    def _count(self, operation: str, request: Request, reply: Reply) -> None:
        second, costs = int(self.now), self.costs
        if operation == "TransactWriteItems":
            for action in request["TransactItems"]:
                (one,) = action.values()
                self._count_write(one, 2)
        elif operation in ("PutItem", "UpdateItem", "DeleteItem"):
            self._count_write(request, 1)
        elif operation == "GetItem":
            name = self._name(request["Key"])
            _ = costs.reads_of.setdefault(name, Counter()).update([second])
            costs.read[second] += 1
        else:
            size = sum(map(size_of, reply.get("Items", ())))
            strong = 1.0 if request.get("ConsistentRead") else 0.5
            costs.read[second] += math.ceil(strong * max(1, math.ceil(size / READ_KB)))

    def _count_write(self, request: Request, times: int) -> None:
        second = int(self.now)
        key = request.get("Key") or {name: request["Item"][name] for name in ("migration", "record")}
        item = self.database.table(TABLE_DEFAULT).items.get((key["migration"]["S"], key["record"]["S"]))
        self.costs.written[second] += times * max(1, math.ceil(size_of(item or {}) / ITEM_KB))
        _ = self.costs.writes_of.setdefault(self._name(key), Counter()).update([second])

    def _name(self, key: Request) -> str:
        return f"{key['migration']['S']} {key['record']['S']}"

    # --- the clients

    def _join(self, number: int) -> None:
        agent = Agent(
            MIGRATION,
            client_id(number),
            landing_seconds=LANDING_SECONDS,
            host=f"ip-10-0-{number // 256}-{number % 256}.eu-west-1.compute.internal",
            pid=number,
            fingerprint="f00d",
            clock=lambda: self.now,
            new_id=lambda: client_id(number) + "-again",
            lease_seconds=LEASE_SECONDS,
            role=Role.APP,
        )
        self.agents.append(agent)
        pauses = Pauses(POLL_SECONDS)
        self.begin(agent.join(), lambda _: self._later(agent, pauses))

    def _later(self, agent: Agent, pauses: Pauses) -> None:
        self.after(pauses.next_seconds(agent.beat_seconds, self.random.random()), lambda: self._poll(agent, pauses))

    def _poll(self, agent: Agent, pauses: Pauses) -> None:
        if agent in self.stopped:
            return
        assert agent.holds_lease, "a lease ran out"
        ticket = agent.begin(strict=True)
        self.after(self.random.random() * OPERATION_SECONDS, lambda: agent.end(ticket))
        self.begin(agent.poll(), lambda _: self._later(agent, pauses))

    def now_state(self) -> State:
        key = (MIGRATION, STATE)
        return from_item(State, self.database.table(TABLE_DEFAULT).items[key])

    def coordinator(self) -> Coordinator:
        return Coordinator(self.control, self.caller, force_because="nothing is mirrored here")


def client_id(number: int) -> str:
    digest = hashlib.sha256(str(number).encode()).hexdigest()[:16]
    return f"app-ip-10-0-{number // 256}-{number % 256}-{number}-{digest}"


def size_of(item: Request) -> int:
    """Return about the size of an item, as DynamoDB counts it."""
    return sum(len(name) + len(str(next(iter(value.values())))) for name, value in item.items())


def main(clients: int) -> None:
    """Print what a deploy, a quiet minute and three moves cost."""
    fleet = Fleet(clients)
    fleet.run(JOINING_SECONDS)
    told(fleet, f"{clients:,} clients join", 0.0)
    fleet.run(30.0)
    since = fleet.now
    fleet.run(60.0)
    told(fleet, "a minute in which nothing happens", since)
    for stage in (Stage.DUALWRITE, Stage.SHADOW, Stage.LOCKSTEP_SOURCE):
        since = fleet.now
        seconds = fleet.carry_out(fleet.coordinator().walk(stage))
        told(fleet, f"the move to {stage}, {seconds:.1f} s", since)


def told(fleet: Fleet, what: str, since: float) -> None:
    costs, until = fleet.costs, max(fleet.now, since + 1)
    print(f"{what}: a second")
    for name, units in (("write units", costs.written), ("read units", costs.read)):
        mean, most = costs.mean(units, since, until), costs.most(units, since, until)
        print(f"    {name:12} {mean:7.0f} on average, {most:6} at most")
    print(f"    reads of one item   {costs.most_of_an_item(costs.reads_of, since, until):6} at most")
    print(f"    writes of one item  {costs.most_of_an_item(costs.writes_of, since, until):6} at most")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CLIENTS)
