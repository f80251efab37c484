"""What an application of the target's shape has written, and was told is written, it reads: in every stage, also where
the mapping takes not all of an item back. Or it is refused, and what was there before is there still."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from crossfade import Migration, Table, attach
from crossfade.control.records import PARTITION_KEY, SORT_KEY
from crossfade.core.items import Item
from crossfade.core.mapping import Piece
from crossfade.core.stages import LADDERS, Stage
from crossfade.mapping import custom, drop, move, set_default
from crossfade.migration import Strategy
from tests.conftest import Database
from tests.migrations import make_table, put_in_stage

CONTROL: Final = "control-acknowledged"
KEY: Final[Item] = {"pk": {"S": "a"}}
STAGES: Final[list[tuple[Strategy, Stage]]] = [
    (strategy, stage)  # type: ignore[misc]  # pyright: ignore[reportAssignmentType]
    for strategy, rows in LADDERS.items()
    for stage in rows
]


def lowered(found: Item) -> Item:
    return found | {"state": {"S": found["state"]["S"].lower()}} if "state" in found else found


def raised(found: Item) -> Item:
    return found | {"state": {"S": found["state"]["S"].upper()}} if "state" in found else found


# Each takes some items of the target back to another item.
PIECES: Final[dict[str, Piece]] = {
    "set_default": set_default("state", "open"),
    "move": move("info.state", "state"),
    "move into a map": move("state", "box.state"),
    "drop": drop("state"),
    "custom": custom(lowered, raised),
}
WRITTEN: Final[tuple[Item, ...]] = (
    {},
    {"state": {"S": "open"}},
    {"state": {"S": "Closed"}},
    {"state": {"S": "Closed"}, "info": {"M": {}}},
    {"box": {"M": {"state": {"S": "open"}}}},
    {"info": {"S": "no map"}, "state": {"S": "open"}},
)


@dataclass
class Writer:
    """The ways to write one item; each takes all attributes but the key."""

    client: Any
    table: str

    def put(self, attributes: Item) -> None:
        self.client.put_item(TableName=self.table, Item=KEY | attributes)

    def batch(self, attributes: Item) -> None:
        entry = {"PutRequest": {"Item": KEY | attributes}}
        assert not self.client.batch_write_item(RequestItems={self.table: [entry]})["UnprocessedItems"]

    def transact(self, attributes: Item) -> None:
        put = {"TableName": self.table, "Item": KEY | attributes}
        self.client.transact_write_items(TransactItems=[{"Put": put}])

    def update(self, attributes: Item) -> None:
        """What is not among the attributes is removed."""
        others = {name for item in WRITTEN for name in item} - attributes.keys()
        names = {f"#{name}": name for name in (*attributes, *others)}
        sets = ", ".join(f"#{name} = :{name}" for name in attributes)
        request: dict[str, Any] = {
            "UpdateExpression": (f"SET {sets} " if sets else "")
            + ("REMOVE " + ", ".join(f"#{name}" for name in sorted(others)) if others else ""),
            "ExpressionAttributeNames": names,
        }
        if sets:
            request["ExpressionAttributeValues"] = {f":{name}": value for name, value in attributes.items()}
        self.client.update_item(TableName=self.table, Key=KEY, **request)

    def read(self) -> Item | None:
        found: Item | None = self.client.get_item(TableName=self.table, Key=KEY, ConsistentRead=True).get("Item")
        return found

    def ways(self) -> Iterator[Callable[[Item], None]]:
        yield from (self.put, self.batch, self.transact, self.update)


@pytest.fixture(scope="module", autouse=True)
def control(dynamodb: Database) -> None:
    make_table(dynamodb.client(), Table(CONTROL, key={PARTITION_KEY: "S", SORT_KEY: "S"}))


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize(("strategy", "stage"), STAGES, ids=lambda given: str(given))
def test_what_was_acknowledged_is_read(dynamodb: Database, strategy: Strategy, stage: Stage, piece: str) -> None:
    """Strongly consistent, by the same application, right after the write."""
    unique = f"acknowledged-{uuid.uuid4().hex[:10]}"
    key: dict[str, Any] = {"pk": "S"}
    migration = Migration(
        unique, Table(f"{unique}-1", key), Table(f"{unique}-2", key), [PIECES[piece]], strategy, CONTROL
    )
    plain = dynamodb.client()
    for table in (migration.source, migration.target):
        make_table(plain, table)
    put_in_stage(plain, migration, stage)
    client = dynamodb.client()
    writer = Writer(client, migration.target.name)
    with attach(client, migration, view="target"):
        for write in writer.ways():
            for attributes in WRITTEN:
                before = writer.read()
                refused = refusal_of(write, attributes)
                assert refused in ("", "ValidationException", "TransactionCanceledException")
                wanted = before if refused else KEY | attributes
                assert writer.read() == wanted, f"{write.__name__} of {attributes}, {refused or 'acknowledged'}"


def refusal_of(write: Callable[[Item], None], attributes: Item) -> str:
    """The error's code; "" where it was acknowledged."""
    try:
        write(attributes)
    except ClientError as refusal:
        response: Any = refusal.response  # pyright: ignore[reportUnknownMemberType]
        return str(response["Error"]["Code"])
    return ""
