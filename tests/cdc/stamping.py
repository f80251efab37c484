"""A migration of rows that is complete, whose tombstones are purged, and the removal of what is left: the stamps.

python -m tests.cdc.stamping ENDPOINT TAG N

is the removal in a process of its own, that kills itself at its Nth call (0: never).
"""

from __future__ import annotations

import sys
import uuid
from typing import Any, Final

import botocore.session

from crossfade.aws.own_calls import call
from crossfade.cdc import MySQL, RowMigration
from crossfade.cdc.applying import Destination
from crossfade.cdc.purging import FINAL, Purged, PurgeOptions, run_purge
from crossfade.cdc.retiring import RetiringView, RowStep, look_at_retiring
from crossfade.cdc.rows import Child
from crossfade.cdc.stamps import StampOptions, run_row_stamps
from crossfade.cdc.verifying.settling import Pause
from crossfade.cleanup.ledger import Ledger
from crossfade.cleanup.stamps import Removed
from crossfade.control.coordinator import Coordinator
from crossfade.control.starting import StartPlan
from crossfade.control.store import Caller, Control
from crossfade.core.effects import Request, Routine
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.stages import FREEZE_STRATEGY, Stage
from crossfade.drivers.scope import Scope
from crossfade.drivers.sync import SyncDriver
from crossfade.jobs.connecting import job_config
from crossfade.migration import Table
from tests.backfill.setting import Interposed, connect, create_table, no_note
from tests.cdc.shop import KEY, customer, order, order_key
from tests.cleanup.runner import Mortal
from tests.cleanup.runner import connect as connect_mortal
from tests.conftest import Database

OPTIONS: Final = StampOptions(segments=2, workers=1, page_items=5)


def migration_of(tag: str, *, folds: bool = False) -> RowMigration:
    made = RowMigration(
        name=f"rows-{tag}",
        source=MySQL(server_id=1),
        target=Table(f"target-{tag}", key=KEY),
        control_table=f"control-{tag}",
    )
    _ = made.table("shop.customers")(customer)
    if folds:
        _ = made.fold("shop.orders", into=order_key, lines=Child("shop.lines", parent="order_id"))(order)
    return made


class Stamped:
    """Nothing is carried, and no server is needed."""

    def __init__(self, database: Database, *, complete: bool = True, folds: bool = False) -> None:
        self.tag = uuid.uuid4().hex[:8]
        self.migration = migration_of(self.tag, folds=folds)
        self.client = database.client(job_config(8))
        self.jobs_client = Interposed(self.client)
        self.control = Control(self.migration.name, self.migration.control_table)
        self.caller = Caller("ann", "laptop", lambda: "today")
        self.ledger = Ledger(self.control, self.caller, 1)
        self._driver = SyncDriver(lambda _, operation, request: call(self.client, operation, request), no_note)
        create_table(self.client, self.target, KEY)
        plan = StartPlan(FREEZE_STRATEGY, self.migration.source_name, self.target, self.migration.fingerprint)
        self._coordinator = Coordinator(self.control, self.caller, force_because="a test")
        _ = self.run(self._coordinator.start(plan))
        _ = self.run(self._coordinator.walk(Stage.RAMPDOWN))
        if complete:
            self.complete()

    @property
    def target(self) -> str:
        return self.migration.target.name

    def run(self, routine: Routine[Any]) -> Any:
        return self._driver.run(routine, Scope())

    def complete(self) -> None:
        _ = self.run(self._coordinator.complete(confirmed=True))

    def done(self, *steps: RowStep) -> None:
        """Record that these are."""
        for step in steps:
            held = self.run(self.ledger.begin(step.value, {}))
            self.run(self.ledger.finish(held, {FINAL: "yes"}))

    def view(self) -> RetiringView:
        found: RetiringView = self.run(look_at_retiring(self.ledger, self.migration))
        return found

    def remove(self, options: StampOptions = OPTIONS, **how: Any) -> Removed:
        clients: Any = dict.fromkeys(("source", "target", "control"), self.jobs_client)
        return run_row_stamps(self.migration, clients, options, caller=self.caller, connect=connect, **how)

    def purge(self, **how: Any) -> Purged:
        clients: Any = dict.fromkeys(("target", "control"), self.jobs_client)
        return run_purge(
            self.migration,
            Destination(self.migration.rows, self.migration.parts_table),
            clients,
            Pause(0.0),
            PurgeOptions(segments=1, workers=1, page_items=5, landing_seconds=0.3),
            late=lambda: "",
            caller=self.caller,
            connect=connect,
            **how,
        )

    # --- the target

    def put(self, item: Item) -> None:
        self.client.put_item(TableName=self.target, Item=item)

    def update(self, item: Item, **names: str) -> None:
        """As an application that does not hide versions."""
        for name, value in names.items():
            self.client.update_item(
                TableName=self.target,
                Key=key_of(item),
                UpdateExpression="SET #name = :value",
                ExpressionAttributeNames={"#name": name},
                ExpressionAttributeValues={":value": {"S": value}},
            )

    def fill(self, count: int) -> None:
        for number in range(count):
            self.put(stamped(number))

    def held(self) -> dict[str, Item]:
        pages = self.client.get_paginator("scan").paginate(TableName=self.target, ConsistentRead=True)
        return {item["pk"]["S"]: item for page in pages for item in page["Items"]}

    def with_stamp(self) -> set[str]:
        return {name for name, item in self.held().items() if STAMP in item}


def key_of(item: Item) -> Item:
    return {name: item[name] for name in KEY}


def plain(number: int, name: str = "Ann") -> Item:
    return {"pk": {"S": f"customer#{number}"}, "sk": {"S": "profile"}, "name": {"S": name}}


def stamped(number: int) -> Item:
    """As the log has written it."""
    return {**plain(number), STAMP: {"M": {"version": {"S": f"0a{number:03}"}, "of": {"S": f"customers {number}"}}}}


def tombstone(number: int) -> Item:
    stamp: dict[str, Any] = {"version": {"S": "0b"}, "deleted": {"BOOL": True}, "at": {"N": "1"}}
    return {**key_of(plain(number)), STAMP: {"M": stamp}}


def on(item: Item, action: Any) -> Any:
    """A hook that acts before the stamp of one item is removed."""

    def before_update(request: Request) -> None:
        if request["Key"] == key_of(item):
            action()

    return before_update


def main(endpoint_url: str, tag: str, killed_at: str) -> int:
    secrets = {"aws_access_key_id": "crossfade", "aws_secret_access_key": "crossfade"}
    session: Any = botocore.session.Session()
    client = session.create_client(
        "dynamodb", config=job_config(3), endpoint_url=endpoint_url, region_name="us-east-1", **secrets
    )
    clients: Any = {"source": client, "target": client, "control": client}
    Mortal.left = int(killed_at)
    removed = run_row_stamps(migration_of(tag), clients, OPTIONS, connect=connect_mortal)
    return 0 if removed.complete else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
