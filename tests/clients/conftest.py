"""A library's table of books: once plain, and once in the middle of a migration, in any stage of it."""

from __future__ import annotations

import importlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

import pytest

from crossfade import Migration, Table, attach
from crossfade.control.records import PARTITION_KEY, SORT_KEY
from crossfade.core.stages import LADDERS, Stage
from crossfade.mapping import rename, suffix
from crossfade.migration import Strategy
from tests.aws.conftest import World, wait_for
from tests.conftest import Database
from tests.migrations import make_table, put_in_stage

Kinds = dict[str, Literal["S", "N", "B"]]
KEY: Kinds = {"author": "S", "title": "S"}
READERS_KEY: Kinds = {"reader": "S"}
CONTROL_KEY: Kinds = {PARTITION_KEY: "S", SORT_KEY: "S"}
BATCH = 25  # BatchWriteItem's limit
RAMP_PERCENT = 50  # so that in the stages with a ramp either side serves reads


@dataclass(frozen=True, slots=True)
class Library:
    """What an example is given. `readers` is a table that no migration touches.

    `settle` waits until reads that may lag behind writes lag no more, since a plain table of the engine never does.
    """

    resource: Any
    books: str
    readers: str
    settle: Callable[[], None]

    @property
    def table(self) -> Any:
        return self.resource.Table(self.books)

    @property
    def client(self) -> Any:
        """The low-level client behind the resource, with the hooks that the resource has."""
        return self.resource.meta.client

    @property
    def exceptions(self) -> Any:
        return self.client.exceptions


def new_resource(database: Database) -> Any:
    module: Any = importlib.import_module("boto3.session")
    return module.Session().resource("dynamodb", **database.client_options())


def empty(client: Any, table: Table) -> None:
    pages = client.get_paginator("scan").paginate(TableName=table.name, PaginationConfig={"PageSize": BATCH})
    for page in pages:
        keys = [{name: item[name] for name in table.key} for item in page["Items"]]
        if keys:
            client.batch_write_item(RequestItems={table.name: [{"DeleteRequest": {"Key": key}} for key in keys]})


@dataclass(frozen=True, slots=True)
class Emptied:
    """Examples begin with empty tables: `fresh` runs one and leaves none of its items behind."""

    library: Library
    plain: Any
    tables: tuple[Table, ...]
    check: Callable[[], None]

    def fresh(self, example: Callable[[Library], list[Any]]) -> list[Any]:
        try:
            seen = example(self.library)
            self.library.settle()
            self.check()
        finally:
            self.library.settle()
            for table in self.tables:
                empty(self.plain, table)
        return seen


def nothing() -> None:
    """A plain table has nothing to wait for or to agree with."""


@pytest.fixture(scope="module")
def plain_library(dynamodb: Database) -> Iterator[Emptied]:
    """The library on one plain table."""
    unique = uuid.uuid4().hex[:8]
    client = dynamodb.client()
    tables = (Table(f"books-{unique}", key=KEY), Table(f"readers-{unique}", key=READERS_KEY))
    for table in tables:
        make_table(client, table)
    library = Library(new_resource(dynamodb), tables[0].name, tables[1].name, nothing)
    yield Emptied(library, client, tables, nothing)
    for table in tables:
        client.delete_table(TableName=table.name)


@pytest.fixture(
    scope="module",
    params=[(strategy, stage) for strategy, rows in LADDERS.items() for stage in rows],
    ids=lambda which: "-".join(which),
)
def migrating_library(dynamodb: Database, request: pytest.FixtureRequest) -> Iterator[Emptied]:
    """The same library on a table whose authors move to four partitions each: `attach`, and nothing else."""
    strategy, stage = cast("tuple[Strategy, Stage]", request.param)
    unique = uuid.uuid4().hex[:8]
    migration = Migration(
        name=f"books-{unique}",
        source=Table(f"books-{unique}", key=KEY),
        target=Table(f"books-v2-{unique}", key=KEY),
        mapping=[suffix("author", count=4, by="title"), rename("copies", "stock")],
        control_table=f"control-{unique}",
        strategy=strategy,
    )
    client = dynamodb.client()
    readers = Table(f"readers-{unique}", key=READERS_KEY)
    control = Table(migration.control_table, key=CONTROL_KEY)
    tables = (migration.source, migration.target, readers, control)
    for table in tables:
        make_table(client, table)
    put_in_stage(client, migration, stage, RAMP_PERCENT)
    world = World(dynamodb, migration, client)
    resource = new_resource(dynamodb)
    router = attach(resource, migration, poll_seconds=0.02, landing_seconds=2.0)
    equal = LADDERS[strategy][stage].keeps_equal

    def settle() -> None:
        wait_for(lambda: router.pending == 0, "every mirror and every comparison has ended")

    def check() -> None:
        counts = router.counts()
        assert router.stage is stage
        assert not [name for name in counts if "lost" in name or name in ("compare.mismatched", "observer_error")]
        if equal:
            assert world.agree()

    yield Emptied(Library(resource, migration.source.name, readers.name, settle), client, tables[:3], check)
    assert router.detach(10.0)
    for table in tables:
        client.delete_table(TableName=table.name)
