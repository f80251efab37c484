"""The switch between two tables of two engines: what the migration file says is mirrored, and no more is needed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import boto3
import botocore.session
import pytest

from crossfade import Migration, Table, attach
from crossfade.control.freezing import HOLD_SECONDS
from crossfade.core.items import Item
from crossfade.core.stages import Stage
from crossfade.errors import ConfigurationError, MappingInvalid, NotPossibleInStage
from crossfade.local import LocalEngine
from crossfade.mapping import identity, rename, use_as_key
from crossfade.sim.model import State
from crossfade.switch import Read, Switch, TableMirror
from crossfade.switch.membership import Timing
from tests.conftest import Database
from tests.migrations import make_table
from tests.switch.moving import TABLE, Operator, until
from tests.switch.stores import OPERATIONS
from tests.switch.test_switch import KEYS, SETTLED_SECONDS, traffic

OLD, NEW = "eu-central-1", "eu-west-1"


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Database]:
    """An engine that no transaction spans together with the first one."""
    with LocalEngine.start() as server:
        yield Database(server)


def client_in(database: Database, region: str) -> Any:
    """The engine takes any Region's name."""
    options: Any = {**database.client_options(), "region_name": region}
    library: Any = boto3
    return library.client("dynamodb", **options)


@pytest.fixture
def migration(operator: Operator, dynamodb: Database, elsewhere: Database) -> Migration:
    made = Migration(
        operator.name,
        Table(
            operator.name, key={"key": "S"}, region="eu-central-1", client=lambda: client_in(dynamodb, "eu-central-1")
        ),
        Table(operator.name, key={"id": "S"}, region="eu-west-1", client=lambda: client_in(elsewhere, "eu-west-1")),
        [rename("key", "id"), rename("log", "entries")],
        "freeze",
        TABLE,
    )
    for database, table in ((dynamodb, made.source), (elsewhere, made.target)):
        make_table(database.client(), table)
    return made


class TableShop:
    """A repository as an application has it: it knows its own table alone, and no crossfade."""

    def __init__(self, client: Any, table: str, key: str, log: str) -> None:
        self.client = client
        self._table = table
        self._key = key
        self._log = log

    def item(self, key: str) -> Item | None:
        found: Item | None = self.client.get_item(
            TableName=self._table, Key=self._key_of(key), ConsistentRead=True
        ).get("Item")
        return found

    def find(self, key: str) -> State:
        item = self.item(key)
        if item is None:
            return None
        return int(item["n"]["N"]), tuple(entry["S"] for entry in item[self._log]["L"]), None

    def append(self, key: str, token: str) -> None:
        self.client.update_item(
            TableName=self._table,
            Key=self._key_of(key),
            UpdateExpression="ADD #n :one SET #log = list_append(if_not_exists(#log, :none), :entry)",
            ExpressionAttributeNames={"#n": "n", "#log": self._log},
            ExpressionAttributeValues={":one": {"N": "1"}, ":none": {"L": []}, ":entry": {"L": [{"S": token}]}},
        )

    def remove(self, key: str) -> None:
        self.client.delete_item(TableName=self._table, Key=self._key_of(key))

    def forgotten(self) -> None:
        """Nobody has declared this one."""

    def _key_of(self, key: str) -> Item:
        return {self._key: {"S": key}}


def shops(operator: Operator, dynamodb: Database, elsewhere: Database) -> tuple[TableShop, TableShop]:
    old = TableShop(dynamodb.client(), operator.name, "key", "log")
    return old, TableShop(elsewhere.client(), operator.name, "id", "entries")


def switch_of(operator: Operator, migration: Migration, old: TableShop, new: TableShop) -> Switch:
    options = operator.options(timing=Timing(0.2, repair_seconds=0.5))
    return Switch(operator.name, old, new, OPERATIONS, mirror=TableMirror(migration), **options)


def test_between_two_engines_up_back_and_up_again(
    operator: Operator, migration: Migration, dynamodb: Database, elsewhere: Database
) -> None:
    """Two processes' switches under traffic: linearizable, equal at the end, and what the applications read of the
    target carries nothing of crossfade's."""
    old, new = shops(operator, dynamodb, elsewhere)
    one, two = (switch_of(operator, migration, old, new) for _ in range(2))
    operator.start(one)
    with one, two:
        with traffic(one, two, pause_seconds=0.02) as recorder:
            for stage in (Stage.SHADOW, Stage.LIVE, Stage.SHADOW, Stage.LIVE, Stage.RAMPDOWN):
                assert operator.walk(stage).stage is stage
                time.sleep(0.3)
        until(lambda: not operator.repairs(), SETTLED_SECONDS)
    assert sum(len(events) for events in recorder.events.values()) > 100
    assert recorder.faults() == []
    assert recorder.longest_write < HOLD_SECONDS
    assert recorder.errors == []
    for key in KEYS:
        assert old.find(key) == new.find(key)
        assert set(new.item(key) or ()) <= {"id", "n", "entries"}


def test_a_mirror_that_finds_the_other_side_changed_looks_again(
    operator: Operator, migration: Migration, dynamodb: Database, elsewhere: Database
) -> None:
    """What the other store holds, whoever wrote it, is replaced by what the authority holds."""
    old, new = shops(operator, dynamodb, elsewhere)
    new.append("a", "strange")
    switch = switch_of(operator, migration, old, new)
    operator.start(switch)
    with switch:
        _ = operator.walk(Stage.DUALWRITE)
        switch.append("a", "mine")
        until(lambda: new.find("a") == (1, ("mine",), None))
        switch.remove("a")
        until(lambda: new.find("a") is None)
        until(lambda: not operator.repairs())


@pytest.mark.parametrize("key", [17, True, b"a", ("a", "b"), Decimal(1)])
def test_a_key_that_the_table_cannot_have_is_refused_before_anything_is_written(
    operator: Operator, migration: Migration, dynamodb: Database, elsewhere: Database, key: Any
) -> None:
    old, new = shops(operator, dynamodb, elsewhere)
    switch = switch_of(operator, migration, old, new)
    operator.start(switch)
    with switch:
        _ = operator.walk(Stage.DUALWRITE)
        with pytest.raises(NotPossibleInStage, match=operator.name):
            switch.append(key, "x")
        assert operator.repairs() == ()
    assert old.client.scan(TableName=operator.name)["Items"] == []


def test_one_table_on_both_sides_is_refused(operator: Operator, dynamodb: Database) -> None:
    """What would be mirrored to it, and deleted of it, is the only copy."""
    same = Migration(
        operator.name,
        Table(operator.name, key={"key": "S"}, client=dynamodb.client),
        Table(operator.name, key={"key": "S"}, account="000000000000", client=dynamodb.client),
        identity(),
        "freeze",
        TABLE,
    )
    make_table(dynamodb.client(), same.source)
    shop = TableShop(dynamodb.client(), operator.name, "key", "log")
    switch = switch_of(operator, same, shop, shop)
    operator.start(switch)
    with pytest.raises(ConfigurationError, match="one and the same table"), switch:
        pass


def test_a_client_of_another_region_is_refused(migration: Migration, dynamodb: Database) -> None:
    """Both clients swapped would delete what is written from both tables."""
    with pytest.raises(ConfigurationError, match="is in eu-west-1"):
        _ = TableMirror(migration, source=client_in(dynamodb, "eu-west-1"))


def test_another_account_is_refused_when_the_switch_starts(
    operator: Operator, migration: Migration, dynamodb: Database, elsewhere: Database
) -> None:
    old, new = shops(operator, dynamodb, elsewhere)
    wrong = replace(migration, target=replace(migration.target, account="111122223333"))
    switch = switch_of(operator, wrong, old, new)
    operator.start(switch)
    with pytest.raises(ConfigurationError, match="is in account 000000000000"), switch:
        pass


def test_keys_of_all_types() -> None:
    table = Table("shop", key={"tenant": "B", "number": "N"}, client=unasked)
    mirror = TableMirror(
        Migration("typed", table, Table("shop-2", key=table.key, client=unasked), identity(), "freeze"),
    )
    assert mirror.item_key((b"x", Decimal("1.50"))) == {"tenant": {"B": b"x"}, "number": {"N": "1.50"}}
    assert mirror.item_key((b"x", 7)) == {"tenant": {"B": b"x"}, "number": {"N": "7"}}


def unasked() -> Any:
    session: Any = botocore.session.Session()
    session.set_credentials("unused", "unused")
    return session.create_client("dynamodb", region_name="eu-west-1")


# --- what a file may say


def test_tables_elsewhere_need_the_strategy_freeze() -> None:
    here, there = Table("shop", key={"pk": "S"}), Table("shop", key={"pk": "S"}, region="eu-west-1")
    with pytest.raises(ConfigurationError, match="no transaction spans two places"):
        _ = Migration("m", here, there, identity())
    assert Migration("m", here, there, identity(), "freeze").target_name == "shop (eu-west-1)"


def test_two_tables_of_one_name_have_to_be_told_apart() -> None:
    table = Table("shop", key={"pk": "S"}, client=unasked)
    with pytest.raises(ConfigurationError, match="source and target are both 'shop'"):
        _ = Migration("m", Table("shop", key={"pk": "S"}), table, identity(), "freeze")


@pytest.mark.parametrize(
    ("place", "said"),
    [({"region": "Europe"}, "no Region"), ({"account": 111122223333}, "no account"), ({"client": "x"}, "no function")],
)
def test_a_place_that_is_none_is_refused(place: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        _ = Table("shop", key={"pk": "S"}, **place)


def test_a_target_key_that_the_sources_does_not_lead_to_is_refused() -> None:
    with pytest.raises(MappingInvalid):
        _ = Migration(
            "m", Table("a-1", key={"pk": "S"}), Table("b-2", key={"guid": "S"}), [use_as_key("guid")], "freeze"
        )


def test_attach_says_that_a_switch_is_meant(migration: Migration, dynamodb: Database) -> None:
    with pytest.raises(ConfigurationError, match="its tables are in two places"):
        _ = attach(dynamodb.client(), migration)


def test_a_mirror_of_another_migration_is_refused(operator: Operator, migration: Migration) -> None:
    shop = TableShop(None, "shop", "key", "log")
    with pytest.raises(ConfigurationError, match="and its mirror of"):
        _ = Switch(
            "other", shop, shop, {"find": Read(key="key")}, control=operator.client, mirror=TableMirror(migration)
        )


def test_a_mirror_needs_the_strategy_freeze() -> None:
    plain = Migration("m", Table("a-1", key={"pk": "S"}), Table("b-2", key={"pk": "S"}), identity())
    with pytest.raises(ConfigurationError, match="needs no Switch"):
        _ = TableMirror(plain)
