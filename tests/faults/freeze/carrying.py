"""Every fate of changes that a real worker applies, and who judges it.

However often it has to begin again, in the end the target is what the rows make, with the tombstones of what is gone.
No offset is kept before what it covers, no message is left out, and only what cannot be applied is a dead letter.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final, cast

from crossfade.cdc import wire as encoding
from crossfade.cdc.applying import apply, part_key
from crossfade.cdc.changes import Change, Value, Version
from crossfade.cdc.connecting import KafkaSettings
from crossfade.cdc.migration import MySQL, RowMigration
from crossfade.cdc.planning import folded, name_of_row, planned
from crossfade.cdc.row import Row
from crossfade.cdc.rows import Child
from crossfade.cdc.running import working
from crossfade.cdc.running.pipeline import Pipeline
from crossfade.cdc.topics import Kafka
from crossfade.cdc.values import item_of
from crossfade.control.store import Caller
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.errors import CrossfadeError, DatabaseError
from crossfade.migration import Table
from crossfade.sim.table import Key
from crossfade.sim.tables import Database
from tests.cdc.shop import KEY, customer, order, order_key, product
from tests.faults.freeze.brokers import TOPIC, Broker, Message
from tests.faults.freeze.clock import Clock, Killed, virtual_time
from tests.faults.freeze.mishaps import POLL, Fate, Mishap
from tests.faults.freeze.places import Place
from tests.faults.freeze.switching import NAME, TABLE, Operator, staged
from tests.faults.freeze.wire import Course, Wire

TARGET: Final = "shop"
PARTS: Final = "shop-parts"
QUIET_SECONDS: Final = 1.5
WORK_SECONDS_MAX: Final = 300.0  # of one worker
WORKERS_MAX: Final = 8  # each mishap ends one at most
LATENCY_SECONDS: Final = 0.006  # longer than Kafka's client looks away
POISON: Final = "poison"

RowData = Mapping[str, Value]


def row_of(table: str, position: int, row: RowData | None, before: RowData | None = None, place: int = 0) -> Change:
    told = row if row is not None else before
    assert told is not None
    return Change(f"shop.{table}", (told["id"],), row, Version(1, position, place), before)


A: Final[RowData] = {"id": 1, "name": "a"}
B: Final[RowData] = {"id": 1, "name": "b"}
OTHER: Final[RowData] = {"id": 2, "name": "b"}
CODES: Final[RowData] = {"id": 1, "codes": ["x", "y"]}
FEWER: Final[RowData] = {"id": 1, "codes": ["y"]}
ORDER: Final[RowData] = {"id": 1, "total": 5}
SECOND: Final[RowData] = {"id": 2, "total": 7}
LINE: Final[RowData] = {"id": 1, "order_id": 1, "count": 3}
LINE_TWO: Final[RowData] = {"id": 2, "order_id": 1, "count": 4}
MORE: Final[RowData] = {"id": 1, "order_id": 1, "count": 4}
MOST: Final[RowData] = {"id": 1, "order_id": 1, "count": 5}
MOVED: Final[RowData] = {"id": 1, "order_id": 2, "count": 3}
BAD: Final[RowData] = {"id": 3, "name": POISON}


@dataclass(frozen=True, slots=True)
class Carry:
    """Changes that are applied before, and those that come."""

    name: str
    given: tuple[Change, ...]
    coming: tuple[Change, ...]


CARRIES: Final = (
    Carry("etl: an insert", (), (row_of("customers", 1, A),)),
    Carry("etl: an update", (row_of("customers", 1, A),), (row_of("customers", 2, B, A),)),
    Carry("etl: a delete", (row_of("customers", 1, A),), (row_of("customers", 2, None, A),)),
    Carry(
        "etl: another primary key",
        (row_of("customers", 1, A),),
        (row_of("customers", 2, None, A), row_of("customers", 2, OTHER, None, 1)),
    ),
    Carry("etl: fewer items of a row", (row_of("products", 1, CODES),), (row_of("products", 2, FEWER, CODES),)),
    Carry(
        "etl: an insert that comes once more behind its delete",
        (),
        (row_of("customers", 1, A), row_of("customers", 2, None, A), row_of("customers", 1, A)),
    ),
    Carry(
        "etl: a parent and its children",
        (),
        (row_of("lines", 1, LINE), row_of("orders", 1, ORDER, None, 1), row_of("lines", 1, LINE_TWO, None, 2)),
    ),
    Carry(
        "etl: a child that goes over to another parent",
        (row_of("orders", 1, ORDER), row_of("orders", 1, SECOND, None, 1), row_of("lines", 1, LINE, None, 2)),
        (row_of("lines", 2, MOVED, LINE), row_of("lines", 1, LINE, None, 2)),
    ),
    Carry(
        "etl: a child that changes twice",
        (row_of("orders", 1, ORDER), row_of("lines", 1, LINE, None, 1)),
        (row_of("lines", 2, MORE, LINE), row_of("lines", 3, MOST, MORE)),
    ),
    Carry(
        "etl: a parent that is deleted",
        (row_of("orders", 1, ORDER), row_of("lines", 1, LINE, None, 1)),
        (row_of("orders", 2, None, ORDER), row_of("lines", 2, None, LINE, 1)),
    ),
    Carry("etl: one that cannot be applied", (), (row_of("customers", 1, BAD), row_of("customers", 2, A))),
)


def strict(row: Row) -> Mapping[str, Any]:
    if row["name"] == POISON:
        raise ValueError("nobody is called so")
    return customer(row)


def migration() -> RowMigration:
    made = RowMigration(
        NAME, MySQL(server_id=1), Table(TARGET, key=KEY), Kafka(TOPIC, partitions=1), control_table=TABLE
    )
    _ = made.table("shop.customers")(strict)
    _ = made.table("shop.products")(product)
    _ = made.fold("shop.orders", into=order_key, lines=Child("shop.lines", parent="order_id"))(order)
    return made


class CarryWorld:
    """A topic, a target, and who applies."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.clock = Clock()
        self.database = Database({TABLE: ("migration", "record"), TARGET: ("pk", "sk"), PARTS: ("item", "part")})
        self.wire = Wire(self.clock, self.database, LATENCY_SECONDS)
        self.operator = Operator(self.clock, self.database)
        self.caller = Caller("etl", "here", lambda: "now")
        self.pipeline = Pipeline(migration(), self.wire.client, self.caller, self.operator.run, KafkaSettings())
        self.broker = Broker(self.wire)

    def given(self, carry: Carry) -> None:
        for name, table in self.database.tables.items():
            table.items.clear()
            table.versions.clear()
            if name == TABLE:
                table.items.update(staged(self.place.stage, self.place.carried))
        for change in carry.given:
            self.apply(change)
        messages = [
            Message(encoding.encoded_key(change), encoding.encoded(change), at)
            for at, change in enumerate(carry.coming)
        ]
        self.broker = Broker(self.wire, messages)

    def apply(self, change: Change) -> None:
        """As nobody disturbs it."""
        _ = self.operator.run(apply(self.pipeline.destination(), change))

    def work(self) -> Exception | None:
        """One worker, until all is quiet: what it ended with. Raises Killed."""
        process, until = self.wire.process(), self.clock.now + WORK_SECONDS_MAX
        stop = SimpleNamespace(is_set=lambda: self.clock.now >= until)
        routine = working._work(  # pyright: ignore[reportPrivateUsage]
            self.pipeline, self.pipeline.etl(), cast("Any", stop), lambda _look: None, lambda _name, _facts: None,
            QUIET_SECONDS,
        )  # fmt: skip
        try:
            with virtual_time(self.clock, self.wire.process), self.wire.connected(), self.broker.connected():
                _ = process.run(routine)
                return None
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker has ended with it
            return error
        finally:
            with virtual_time(self.clock, self.wire.process), self.wire.connected(), self.broker.connected():
                _ = process.close()

    def items(self, table: str) -> dict[Key, Item]:
        return self.database.tables[table].items


@dataclass
class CarryTrial:
    """All the fates of some changes."""

    world: CarryWorld
    carry: Carry
    wrongs: list[tuple[Fate, str, Course]] = field(default_factory=list[tuple[Fate, str, Course]])
    tried: int = 0
    _early: list[str] = field(default_factory=list[str])

    def make(self, fate: Fate) -> Course:
        world = self.world
        random.seed(0)
        world.given(self.carry)
        self._early.clear()
        course = Course(world.clock, fate, on_take=self._take)
        world.wire.course, world.broker.watch = course, self._kept
        wrongs = list(self._worked(course))
        world.wire.course = None
        wrongs += [*self._early[:1], *self._ended()]
        wrongs += ["it made step after step, without an end"] if course.endless else []
        if course.met == len(fate):
            self.tried += 1
            self.wrongs += [(fate, wrong, course) for wrong in wrongs]
        return course

    def _take(self, mishap: Mishap) -> None:
        self.world.broker.taken = mishap.name

    def _worked(self, course: Course) -> Iterator[str]:
        """Workers, one after the other, until one of them has had nothing more to do."""
        for _ in range(WORKERS_MAX):
            began, before = self.world.clock.now, len(course.requests)
            try:
                error = self.world.work()
            except Killed:
                continue
            if error is None:
                if self.world.clock.now - began >= WORK_SECONDS_MAX:
                    yield f"a worker has not come to an end: offset {self.world.broker.offset}"
                elif self.world.broker.offset < len(self.carry.coming):
                    continue  # its last offsets were not kept
                self.world.clock.advance(WORK_SECONDS_MAX)
                return
            if isinstance(error, DatabaseError) and not any(step == POLL for step, _ in course.requests[before:]):
                continue  # it could not be started
            if not isinstance(error, CrossfadeError) or not any("denied" in mishap.name for _, mishap, _ in course.hit):
                yield f"a worker ended with {type(error).__name__}: {error}"
        yield f"{WORKERS_MAX} workers were not enough: offset {self.world.broker.offset}"

    # --- what offsets cover

    def _kept(self, offset: int) -> None:
        """What lies below is applied, or among the dead letters."""
        for at, change in enumerate(self.carry.coming[:offset]):
            if encoding.encoded(change) not in self.world.broker.letters and not self._applied(change):
                self._early.append(f"offset {offset} was kept, and message {at} is not applied")

    def _applied(self, change: Change) -> bool:
        world, rows = self.world, self.world.pipeline.migration.rows
        if is_poison(change):
            return False
        plan, version = planned(rows, change), str(change.version)
        for entry in plan.written:
            held = world.items(TARGET).get((entry.key["pk"]["S"], entry.key["sk"]["S"]))
            if held is None or held[STAMP]["M"]["version"]["S"] < version:
                return False
        for part in plan.parts:
            kept = world.items(PARTS).get((part_key(part)["item"]["S"], name_of_row(part.table, part.key)))
            key = folded(part.fold, rows.target, part.parent, ()).key
            held = world.items(TARGET).get((key["pk"]["S"], key["sk"]["S"]))
            if kept is None or held is None or min(kept["version"]["S"], held[STAMP]["M"]["version"]["S"]) < version:
                return False
        return True

    # --- what there is in the end

    def _ended(self) -> Iterator[str]:
        world, changes = self.world, [*self.carry.given, *self.carry.coming]
        wanted = made_of(changes)
        if (found := self._shown()) != wanted:
            yield f"the target holds {found}, and the rows make {wanted}"
        letters = set(world.broker.letters)
        poisoned = {encoding.encoded(change) for change in self.carry.coming if is_poison(change)}
        if letters != poisoned:
            yield f"the dead letters are {letters}, and {poisoned} cannot be applied"
        for change in reversed([change for change in changes if not is_poison(change)]):
            world.apply(change)  # late, as a worker that was away for long
        if (found := self._shown()) != wanted:
            yield f"once more from the end to the beginning, the target holds {found}, and the rows make {wanted}"

    def _shown(self) -> dict[str, Item]:
        """What an application sees."""
        return {
            item["pk"]["S"]: {name: value for name, value in item.items() if name != STAMP}
            for item in self.world.items(TARGET).values()
            if "deleted" not in item[STAMP]["M"]
        }


def is_poison(change: Change) -> bool:
    return change.row is not None and change.row.get("name") == POISON


def made_of(changes: Sequence[Change]) -> dict[str, Item]:
    """What the rows make in the end, written down once more."""
    rows: dict[tuple[str, Any], RowData] = {}
    for change in sorted(changes, key=lambda change: change.version):
        if change.row is None:
            _ = rows.pop((change.table, change.key), None)
        elif not is_poison(change):
            rows[change.table, change.key] = change.row
    found: list[Mapping[str, Any]] = []
    for (table, _), row in rows.items():
        match table:
            case "shop.customers":
                found.append(customer(Row(table, row)))
            case "shop.products":
                found += product(Row(table, row))
            case "shop.orders":
                lines = [
                    Row("", line)
                    for (name, _), line in sorted(rows.items(), key=lambda entry: str(entry[0]))
                    if name == "shop.lines" and line["order_id"] == row["id"]
                ]
                found.append({**order_key(cast("int", row["id"])), **order(Row(table, row), lines)})
            case _:
                pass
    return {item["pk"]: item_of(item) for item in found}
