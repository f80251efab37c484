"""What an operation consumes in a stage, all that is done behind its answer included: measured on the embedded engine,
which tells what each request has consumed.
"""

from __future__ import annotations

import itertools
import time
import uuid
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import pytest

from crossfade import Migration, Router, Table, attach
from crossfade.aws import member
from crossfade.control.record_items import to_item
from crossfade.control.records import PARTITION_KEY, SORT_KEY
from crossfade.core.mapping import STAMP
from crossfade.core.pages import page_fallback
from crossfade.core.stages import LADDERS, SIDES, Side, Stage, Writes
from crossfade.mapping import rename, suffix
from crossfade.migration import Strategy
from tests.conftest import Database
from tests.migrations import make_table, state_in
from tests.service import FakeService
from tests.service.requests import Kind

CALLS: Final = 4  # of each kind, each on an item of its own; what they consume is the same for all
QUIET_SECONDS: Final = 0.1  # without a request to either table: nothing is under way
PAGE_ITEMS: Final = 4
KINDS: Final[tuple[Kind, Kind]] = ("Read", "Write")

Ask = Callable[[Any, str, int, int], object]  # client, table, and the numbers of two items
_amounts = itertools.count(2)


@dataclass(frozen=True, slots=True)
class Units:
    """Read and write units of one operation on each table."""

    source_read: float
    target_read: float
    source_write: float
    target_write: float


def key_of(number: int) -> dict[str, Any]:
    """Items of one customer are on one page."""
    return {"customer": {"S": f"c{number // PAGE_ITEMS}"}, "order": {"S": f"o{number}"}}


def item_of(number: int) -> dict[str, Any]:
    """An item of half a KB, as it never was."""
    return {**key_of(number), "amount": {"N": str(next(_amounts))}, "note": {"S": "x" * 500}}


def update(client: Any, table: str, one: int, _two: int) -> object:
    added = {":one": {"N": "1"}}
    return client.update_item(
        TableName=table, Key=key_of(one), UpdateExpression="ADD amount :one", ExpressionAttributeValues=added
    )


def put_two(client: Any, table: str, one: int, two: int) -> object:
    puts = [{"PutRequest": {"Item": item_of(number)}} for number in (one, two)]
    return client.batch_write_item(RequestItems={table: puts})


def put_both(client: Any, table: str, one: int, two: int) -> object:
    puts = [{"Put": {"TableName": table, "Item": item_of(number)}} for number in (one, two)]
    return client.transact_write_items(TransactItems=puts)


def query(client: Any, table: str, one: int, _two: int) -> object:
    values = {":c": key_of(one)["customer"]}
    return client.query(TableName=table, KeyConditionExpression="customer = :c", ExpressionAttributeValues=values)


def get_both(client: Any, table: str, one: int, two: int) -> object:
    gets = [{"Get": {"TableName": table, "Key": key_of(number)}} for number in (one, two)]
    return client.transact_get_items(TransactItems=gets)


READS: Final[dict[str, Ask]] = {
    "GetItem": lambda client, table, one, _: client.get_item(TableName=table, Key=key_of(one)),
    "GetItem, strong": lambda client, table, one, _: client.get_item(
        TableName=table, Key=key_of(one), ConsistentRead=True
    ),
    "Query, 4 items": query,
    "BatchGetItem, 2 keys": lambda client, table, one, two: client.batch_get_item(
        RequestItems={table: {"Keys": [key_of(one), key_of(two)]}}
    ),
    "TransactGetItems, 2 keys": get_both,
}
WRITES: Final[dict[str, Ask]] = {
    "PutItem": lambda client, table, one, _: client.put_item(TableName=table, Item=item_of(one)),
    "UpdateItem": update,
    "DeleteItem": lambda client, table, one, _: client.delete_item(TableName=table, Key=key_of(one)),
    "BatchWriteItem, 2 puts": put_two,
    "TransactWriteItems, 2 puts": put_both,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where it is measured. `copied`: the items are in the target already, as they are sooner or later."""

    strategy: Strategy
    stage: Stage
    copied: bool = True

    def __str__(self) -> str:
        return f"`{self.stage}`" + ("" if self.copied else ", an item that is not copied yet")


def places() -> Iterator[Place]:
    for strategy, rows in LADDERS.items():
        for stage, row in rows.items():
            if row.writes is Writes.DRAINED:
                yield Place(cast("Strategy", strategy), stage, copied=False)
            yield Place(cast("Strategy", strategy), stage)


class Meter:
    """A migration on tables of its own, with all items on both sides where the stage has it so."""

    def __init__(self, service: FakeService, place: Place, compare_percent: float) -> None:
        unique = uuid.uuid4().hex[:8]
        names = {"customer": "S", "order": "S"}
        self.service = service
        self.migration = Migration(
            f"costs-{unique}",
            Table(f"costs-{unique}-s", key=names),  # type: ignore[arg-type]
            Table(f"costs-{unique}-t", key=names),  # type: ignore[arg-type]
            [suffix("customer", count=4), rename("amount", "total")],
            place.strategy,
            control_table=f"costs-{unique}-control",
        )
        database = Database(cast("Any", service))
        self.plain: Any = database.client()
        self.tables: dict[Side, str] = {side: self.migration.table(side).name for side in SIDES}
        control = Table(self.migration.control_table, key={PARTITION_KEY: "S", SORT_KEY: "S"})
        for table in (self.migration.source, self.migration.target, control):
            make_table(self.plain, table)
        state = state_in(self.migration, place.stage)
        self.plain.put_item(TableName=control.name, Item=to_item(self.migration.name, state))
        self.fill(place)
        self.numbers = itertools.count()
        self.client: Any = database.client()
        self.router: Router = attach(self.client, self.migration, compare_percent=compare_percent, landing_seconds=2.0)

    def fill(self, place: Place) -> None:
        """Every item is in the source; in the target, too, but where copy-on-write has not copied it."""
        before = (Writes.PLAIN, Writes.STAMPED, Writes.PREPARED)
        row = LADDERS[place.strategy][place.stage]
        is_copied = place.copied and not (
            place.strategy == "copy-on-write" and row.writes in before and not row.is_final
        )
        for number in range(2 * CALLS * len(READS | WRITES)):
            item = item_of(number)
            self.plain.put_item(TableName=self.tables["source"], Item=item)
            if is_copied:
                mapped = {**self.migration.compiled.forward(item), STAMP: {"S": uuid.uuid4().hex}}
                self.plain.put_item(TableName=self.tables["target"], Item=mapped)

    def units(self, ask: Ask) -> Units:
        """What a call consumes, each on items that nothing else is about."""
        before = self.told()
        for _ in range(CALLS):
            _ = ask(self.client, self.migration.source.name, next(self.numbers), next(self.numbers))
        self.wait_until_quiet()
        found = self.told()
        found.subtract(before)
        return Units(*(found[side, kind] / CALLS for kind in KINDS for side in SIDES))

    def told(self) -> Counter[tuple[Side, Kind]]:
        counted = Counter[tuple[Side, Kind]]()
        for unit, number in self.service.told().units.items():
            for side in SIDES:
                if unit.table == self.tables[side]:
                    counted[side, unit.kind] += number
        return counted

    def wait_until_quiet(self) -> None:
        seen, until = self.told(), time.monotonic() + QUIET_SECONDS
        while time.monotonic() < until or self.router.pending:
            time.sleep(0.01)
            now = self.told()
            if now != seen:
                seen, until = now, time.monotonic() + QUIET_SECONDS


@contextmanager
def metered(service: FakeService, place: Place, compare_percent: float = 100) -> Generator[Meter]:
    """A client in a stage, without what comes at times of its own: it tries no rights, and draws no page to look
    behind."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(member, "RIGHTS_AFTER_SECONDS", 3600.0)
        patched.setattr(page_fallback, "PAGES_PERCENT", 0)
        meter = Meter(service, place, compare_percent)
        try:
            yield meter
        finally:
            _ = meter.router.detach(5.0)


def measured(service: FakeService, place: Place) -> tuple[dict[str, Units], dict[str, Units]]:
    """What each kind of operation consumes; and what reads do that are not compared, where there is a difference."""
    with metered(service, place) as meter:
        found = {name: meter.units(ask) for name, ask in (READS | WRITES).items()}
    if not LADDERS[place.strategy][place.stage].compare:
        return found, {}
    with metered(service, place, 0) as meter:
        return found, {name: meter.units(ask) for name, ask in READS.items()}
