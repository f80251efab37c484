"""A small migration played by three roles, each with its own client, before a service that knows what each may do."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import botocore.session
from botocore.config import Config

from crossfade import attach
from crossfade.aws.router import Router
from crossfade.core.items import Item
from crossfade.core.stages import Stage, ladder
from crossfade.migration import load
from tests.aws.conftest import wait_for
from tests.cli.conftest import Shell, order
from tests.service import FakeService

INDEX: Final = "by-total"
KEY: Final = ("customer", "order_id")
ONE_PART: Final = ("--segments", "1", "--workers", "1")
BACKFILLED: Final = {"dual-write": Stage.LOCKSTEP_SOURCE, "copy-on-write": Stage.RAMPDOWN}  # before these
VERIFIED: Final = (Stage.LOCKSTEP_SOURCE, Stage.LOCKSTEP_TARGET, Stage.RAMPDOWN, Stage.COMPLETE)


def make_tables(shell: Shell, strategy: str) -> None:
    """Both tables, with an index each, and a few items in the source; the mapping spreads."""
    shell.write('[suffix("customer", count=2, by="order_id")]', strategy=strategy)
    for name in ("source", "target"):
        shell.client.create_table(
            TableName=shell.tables[name],
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": KEY[0], "KeyType": "HASH"}, {"AttributeName": KEY[1], "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in (*KEY, "total")],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": INDEX,
                    "KeySchema": [{"AttributeName": "total", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
    for number in range(6):
        shell.client.put_item(TableName=shell.tables["source"], Item=order(number))


def key_of(item: Item) -> Item:
    return {name: item[name] for name in KEY}


@dataclass
class Play:
    """`shell` types as a role; what is written past everybody goes to the engine itself."""

    shell: Shell
    service: FakeService
    strategy: str

    def __post_init__(self) -> None:
        for name in ("DYNAMODB", "DYNAMODB_STREAMS"):
            self.shell.environment[f"AWS_ENDPOINT_URL_{name}"] = self.service.endpoint_url

    def types(self, role: str, *words: str, status: int = 0) -> str:
        self.shell.environment["AWS_ACCESS_KEY_ID"] = role
        return self.shell(*words, status=status).stdout

    def client(self, role: str) -> Any:
        options: Any = self.service.client_options(role)
        session: Any = botocore.session.Session()
        return session.create_client("dynamodb", config=Config(retries={"total_max_attempts": 1}), **options)

    @contextmanager
    def application(self, role: str = "application") -> Generator[Application]:
        client = self.client(role)
        router = attach(client, load(self.shell.file), poll_seconds=0.05, landing_seconds=1.0)
        try:
            yield Application(client, router, self.shell.tables["source"])
        finally:
            _ = router.detach()
            client.close()

    def whole(self) -> None:
        """From `check` to `complete`, with everything that an application may ask in each stage."""
        _ = self.types("operator", "check")
        _ = self.types("operator", "start", "--execute")
        with self.application() as application:
            application.asks_everything()
            for stage in ladder(self.strategy)[1:]:
                self._jobs_before(stage)
                self._enter(stage)
                application.asks_everything()
                if stage is ladder(self.strategy)[1]:
                    _ = self.types("operator", "rollback", "--to", "off", "--execute")
                    self._enter(stage)
        _ = self.types("operator", "status")

    def _enter(self, stage: Stage) -> None:
        if stage is not Stage.COMPLETE:
            _ = self.types("operator", "advance", "--to", stage, "--execute")
            return
        days = ["--refused-days", "0", *(["--quiet-days", "0"] if self.strategy == "copy-on-write" else [])]
        _ = self.types("operator", "complete", "--execute", "--confirm", self.shell.mark, *days)

    def _jobs_before(self, stage: Stage) -> None:
        if stage in (Stage.SHADOW, Stage.DRAIN):
            _ = self.types("jobs", "watch", "--once", "--enable-stream", "--execute")
        if stage is BACKFILLED[self.strategy]:
            _ = self.types("jobs", "backfill", *ONE_PART, "--execute")
        if stage is Stage.LOCKSTEP_SOURCE:
            self._replicate()
        if stage in VERIFIED:
            self._make_different()
            _ = self.types("jobs", "verify", "--repair", *ONE_PART, "--execute")
            _ = self.types("jobs", "verify", *ONE_PART)

    def _replicate(self) -> None:
        _ = self.types("jobs", "replicate", "--once", "--enable-streams", "--execute")
        self.shell.client.put_item(TableName=self.shell.tables["source"], Item={**order(1), "total": {"S": "2"}})
        _ = self.types("jobs", "replicate", "--once", "--execute")
        _ = self.types("jobs", "replicate", "--end", "--execute")

    def _make_different(self) -> None:
        """Take an item from each table past everybody; by copy-on-write the target's loss alone is a difference."""
        sides = ("source", "target") if self.strategy == "dual-write" else ("target",)
        for place, side in enumerate(sides):
            item = sorted(self.shell.scan(self.shell.tables[side]), key=lambda each: each["order_id"]["S"])[place]
            self.shell.client.delete_item(TableName=self.shell.tables[side], Key=key_of(item))


@dataclass
class Application:
    """One that uses every operation on items."""

    client: Any
    router: Router
    table: str
    number: int = 100

    def asks_everything(self) -> None:
        """Ask for each operation at least once, on what is there and on what is not."""
        self.number += 10
        self.writes()
        self.reads()
        wait_for(lambda: self.router.pending == 0, "the background has ended")

    def writes(self) -> None:
        client, table = self.client, self.table
        items = [order(self.number + n) for n in range(6)]
        keys = [key_of(item) for item in items]
        seen: dict[str, Any] = {"UpdateExpression": "SET seen = :s", "ExpressionAttributeValues": {":s": {"S": "1"}}}
        client.put_item(TableName=table, Item=items[0])
        for key in keys[:2]:
            client.update_item(TableName=table, Key=key, ReturnValues="ALL_NEW", **seen)
        client.put_item(TableName=table, Item=items[2], ConditionExpression="attribute_not_exists(customer)")
        client.delete_item(TableName=table, Key=keys[2], ReturnValues="ALL_OLD")
        batch = [{"PutRequest": {"Item": items[3]}}, {"DeleteRequest": {"Key": keys[1]}}]
        client.batch_write_item(RequestItems={table: batch})
        check = {"TableName": table, "Key": keys[3], "ConditionExpression": "attribute_exists(customer)"}
        client.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": table, "Item": items[4]}},
                {"Update": {"TableName": table, "Key": keys[0], **seen}},
                {"Delete": {"TableName": table, "Key": keys[5]}},
                {"ConditionCheck": check},
            ]
        )

    def reads(self) -> None:
        client, table = self.client, self.table
        keys = [key_of(order(number)) for number in (1, self.number, self.number + 7)]
        client.transact_get_items(TransactItems=[{"Get": {"TableName": table, "Key": key}} for key in keys])
        for key in keys:
            client.get_item(TableName=table, Key=key)
        client.batch_get_item(RequestItems={table: {"Keys": keys}})
        for name in ("customer-1", "nobody"):
            values = {":one": {"S": name}}
            client.query(TableName=table, KeyConditionExpression="customer = :one", ExpressionAttributeValues=values)
        client.scan(TableName=table, Limit=20)
        of_index: dict[str, Any] = {"TableName": table, "IndexName": INDEX}
        values = {":one": {"S": "10"}}
        client.query(
            **of_index,
            KeyConditionExpression="#t = :one",
            ExpressionAttributeNames={"#t": "total"},
            ExpressionAttributeValues=values,
        )
        client.scan(**of_index, Limit=20)
