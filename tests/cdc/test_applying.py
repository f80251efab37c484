"""Whatever order changes are carried out in, the target is what the rows make in the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, Final, cast

import pytest
from botocore import xform_name  # pyright: ignore[reportUnknownVariableType]
from botocore.exceptions import ClientError

from crossfade.cdc import applying
from crossfade.cdc.applying import Applied, Destination, apply
from crossfade.cdc.changes import Change, Value, Version
from crossfade.cdc.row import Row
from crossfade.cdc.rows import Child, Rows
from crossfade.cdc.values import item_of
from crossfade.core.effects import Call, Reply, Request, Routine
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.errors import ServiceRejected
from crossfade.migration import Table
from crossfade.sim import tables as sim
from tests.cdc.interleaving import Interleaving, Perform
from tests.cdc.shop import KEY, customer, order, order_key, product, shop
from tests.conftest import Database

RowData = Mapping[str, Value]
SEEDS: Final = range(1000 if os.environ.get("EVERY") else 40)
CHANGES: Final = 24
TARGET: Final = "cdc-shop"
PARTS: Final = "cdc-shop-parts"


class Shop:
    """Rows that change by chance, and the log of it."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self.rows: dict[tuple[str, int], RowData] = {}
        self.log: list[Change] = []

    def change(self) -> None:
        """One transaction: a row is put, changed, deleted, or gets another primary key."""
        table = self._random.choice(["customers", "products", "orders", "lines", "lines"])
        key, version = self._random.randrange(3), Version(1, len(self.log) + 1)
        before = self.rows.get((table, key))
        chance = self._random.random()
        if before is not None and chance < 0.3:
            self._write(table, key, None, version)
            if chance < 0.15:  # another primary key: a delete and an insert at one position
                self._write(table, (key + 1) % 3, self._drawn(table, (key + 1) % 3), Version(1, version.position, 1))
        else:
            self._write(table, key, self._drawn(table, key), version)

    def _write(self, table: str, key: int, row: RowData | None, version: Version) -> None:
        before = self.rows.get((table, key))
        self.log.append(Change(f"shop.{table}", (key,), row, version, before))
        if row is None:
            del self.rows[table, key]
        else:
            self.rows[table, key] = row

    def _drawn(self, table: str, key: int) -> RowData:
        number = self._random.randrange(100)
        match table:
            case "customers":
                return {"id": key, "name": f"name {number}"}
            case "products":
                return {"id": key, "codes": [f"{key}{code}" for code in "abc" if self._random.random() < 0.5]}
            case "orders":
                return {"id": key, "total": number}
            case _:
                return {"id": key, "order_id": self._random.choice([None, 0, 1, 2]), "count": number}

    def items(self) -> dict[str, Mapping[str, Any]]:
        """By partition key, what the rows make: written down once more, without any of crossfade."""
        found: list[Mapping[str, Any]] = []
        for (table, key), row in self.rows.items():
            match table:
                case "customers":
                    found.append(customer(Row("", row)))
                case "products":
                    found += product(Row("", row))
                case "orders":
                    lines = [
                        Row("", line)
                        for (name, _), line in sorted(self.rows.items())
                        if name == "lines" and line["order_id"] == key
                    ]
                    found.append({**order_key(key), **order(Row("", row), lines)})
                case _:
                    pass
        return {item["pk"]: item for item in found}


class Store:
    """The target and its parts."""

    def __init__(self, perform: Perform) -> None:
        self.perform = perform
        self.destination = Destination(shop(TARGET), PARTS)

    def run(self, changes: Sequence[Change], seed: int = 0, *, lost_share: float = 0.1) -> list[Applied]:
        routines = [lambda change=change: apply(self.destination, change) for change in changes]
        results = Interleaving(self.perform, seed, lost_share=lost_share).run(routines)
        for result in results:
            assert isinstance(result, Applied), result
        return results

    def items(self) -> dict[str, Item]:
        """By partition key, what nobody has deleted, without the stamp."""
        found: list[Item] = self.perform("Scan", {"TableName": TARGET, "ConsistentRead": True})["Items"]
        return {
            item["pk"]["S"]: {name: value for name, value in item.items() if name != STAMP}
            for item in found
            if "deleted" not in item[STAMP]["M"]
        }


def in_memory() -> Store:
    """Tables of the simulator: quick enough for many orders."""
    tables = sim.Database({TARGET: ("pk", "sk"), PARTS: ("item", "part")})
    return Store(lambda operation, request: tables.perform(operation, request, 0.0))


@pytest.fixture
def on_engine(dynamodb: Database) -> Iterator[Store]:
    """Tables of the embedded engine."""
    client = dynamodb.client()
    for table, key in ((TARGET, ("pk", "sk")), (PARTS, ("item", "part"))):
        client.create_table(
            TableName=table,
            AttributeDefinitions=[{"AttributeName": attribute, "AttributeType": "S"} for attribute in key],
            KeySchema=[{"AttributeName": key[0], "KeyType": "HASH"}, {"AttributeName": key[1], "KeyType": "RANGE"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def perform(operation: str, request: Request) -> Reply:
        try:
            reply: Reply = getattr(client, xform_name(operation))(**request)
        except ClientError as error:
            said: Any = cast("Any", error).response["Error"]
            raise ServiceRejected(said["Code"], said["Message"]) from None
        return reply

    yield Store(perform)
    for table in (TARGET, PARTS):
        client.delete_table(TableName=table)


def as_items(items: Mapping[str, Mapping[str, Any]]) -> dict[str, Item]:
    return {name: item_of(item) for name, item in items.items()}


def play(store: Store, seed: int, *, lost_share: float = 0.1) -> tuple[dict[str, Item], dict[str, Item]]:
    """A shop's whole log, in a drawn order and a third of it twice: what there should be, and what there is."""
    rows, random = Shop(seed), Random(seed)
    for _ in range(CHANGES):
        rows.change()
    changes = rows.log + random.sample(rows.log, len(rows.log) // 3)
    random.shuffle(changes)
    _ = store.run(changes, seed, lost_share=lost_share)
    return as_items(rows.items()), store.items()


@pytest.mark.parametrize("seed", SEEDS)
def test_any_order_ends_in_the_same_items(seed: int) -> None:
    """Late, twice, between one another's requests, with lost answers: what the rows make in the end is there."""
    wanted, found = play(in_memory(), seed)
    assert found == wanted


def test_any_order_ends_in_the_same_items_on_the_engine(on_engine: Store) -> None:
    """The simulator's tables are ours; the engine's conditions are its own."""
    wanted, found = play(on_engine, 1)
    assert found == wanted


@pytest.mark.parametrize("rule", ["version", "part", "tombstone", "lock"])
def test_each_rule_is_needed(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one taken out, some order ends in something else: so the test above would find it."""
    match rule:
        case "version":
            monkeypatch.setattr(applying, "NOT_NEWER", f"{applying.NOT_NEWER} OR attribute_exists(#stamp)")
        case "part":
            monkeypatch.setattr(applying, "PART_NOT_NEWER", f"{applying.PART_NOT_NEWER} OR attribute_exists(#version)")
        case "tombstone":
            monkeypatch.setattr(applying, "put_if", removing(applying.put_if))
        case _:
            monkeypatch.setattr(applying, "put_if", unlocked(applying.put_if))
    assert any(different(seed) for seed in range(200))


def different(seed: int) -> bool:
    wanted, found = play(in_memory(), seed, lost_share=0.0)
    return wanted != found


PutIf = Callable[..., Routine[bool]]


def unlocked(put_if: PutIf) -> PutIf:
    """Whatever the target holds now."""

    def changed(request: Request, **lock: Any) -> Routine[bool]:
        kept = ("TableName", "Item") if lock else request
        done = yield from put_if({name: request[name] for name in kept}, **lock)
        return done

    return changed


def removing(put_if: PutIf) -> PutIf:
    """In place of a tombstone: nothing."""

    def changed(request: Request, **lock: Any) -> Routine[bool]:
        done = yield from put_if(request, **lock)
        if done and "deleted" in request["Item"].get(STAMP, {"M": {}})["M"]:
            key = {name: request["Item"][name] for name in KEY}
            _ = yield from Call("target", "DeleteItem", {"TableName": TARGET, "Key": key})
        return done

    return changed


def test_again_from_the_beginning_changes_nothing() -> None:
    """The same log once more: every item stays as it is, and those that were deleted stay deleted."""
    store, rows = in_memory(), Shop(7)
    for _ in range(60):
        rows.change()
    _ = store.run(rows.log, 1)
    first = store.items()
    assert first == as_items(rows.items())
    _ = store.run(rows.log, 2)
    assert store.items() == first


def test_a_corrected_mapping_corrects_everything() -> None:
    """A replay writes at equal versions: so what a mistaken function made is made again."""
    store, rows = in_memory(), Shop(8)
    for _ in range(40):
        rows.change()
    mistaken = Rows(Table(TARGET, key=KEY))
    _ = mistaken.table("shop.customers")(nameless)
    _ = mistaken.table("shop.products")(product)
    _ = mistaken.fold("shop.orders", into=order_key, lines=Child("shop.lines", "order_id"))(order)
    right, store.destination = store.destination, Destination(mistaken, PARTS)
    _ = store.run(rows.log, 1)
    assert store.items() != as_items(rows.items())
    store.destination = right
    _ = store.run(rows.log, 2)
    assert store.items() == as_items(rows.items())


def nameless(row: Row) -> Mapping[str, Any]:
    return {**customer(row), "name": "?"}


def test_what_came_late_is_counted() -> None:
    """One that finds something newer has written nothing, and says so."""
    store = in_memory()
    row: RowData = {"id": 1, "name": "new"}
    newer, older = (Change("shop.customers", (1,), row, Version(1, position)) for position in (9, 8))
    assert store.run([newer], lost_share=0) == [Applied(1, 0)]
    assert store.run([older], lost_share=0) == [Applied(0, 1)]
    assert store.run([newer], lost_share=0) == [Applied(1, 0)]
