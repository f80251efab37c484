"""What an application sees through the hooks: the same in every stage as with one plain table."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, cast

import pytest

from crossfade import ConfigurationError, NotPossibleInStage, NotStarted, Table, attach
from crossfade.aws.lean.decoding import decoded
from crossfade.aws.signer import SIGNATURE_NAME
from crossfade.control.open_tickets import Ticket
from crossfade.control.record_items import to_item
from crossfade.core.stages import DUAL_WRITE, Stage
from crossfade.mapping import identity
from tests.aws.conftest import World, new_session, wait_for
from tests.migrations import state_in

conditions: Any = importlib.import_module("boto3.dynamodb.conditions")  # without types

UP = list(DUAL_WRITE)
WAY = [*UP[:-1], *UP[-3::-1], *UP[1:]]  # up to the last step, back down, and all the way


def exercise(table: Any, customer: str) -> list[Any]:
    """What an application does, and every answer that it gets."""
    seen: list[Any] = []
    for n in range(5):
        table.put_item(Item={"customer": customer, "order": f"o{n}", "amount": Decimal(n), "tags": {"a", "b"}})
    update = table.update_item(
        Key={"customer": customer, "order": "o1"},
        UpdateExpression="ADD amount :one SET history = list_append(if_not_exists(history, :empty), :entry)",
        ExpressionAttributeValues={":one": 1, ":entry": ["x"], ":empty": []},
        ReturnValues="ALL_NEW",
    )
    seen.append(update["Attributes"])
    with pytest.raises(table.meta.client.exceptions.ConditionalCheckFailedException) as refused:
        table.put_item(
            Item={"customer": customer, "order": "o2"},
            ConditionExpression=conditions.Attr("customer").not_exists(),
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    seen += [refused.value.response["Error"], refused.value.response["Item"], str(refused.value)]
    seen.append(table.delete_item(Key={"customer": customer, "order": "o3"}, ReturnValues="ALL_OLD")["Attributes"])
    keys = [{"customer": customer, "order": f"o{n}"} for n in range(5)]
    seen += [table.get_item(Key=key, ConsistentRead=True).get("Item") for key in keys]
    query: dict[str, Any] = {
        "KeyConditionExpression": conditions.Key("customer").eq(customer),
        "ScanIndexForward": False,
        "ConsistentRead": True,
    }
    first = table.query(Limit=2, **query)
    rest = table.query(ExclusiveStartKey=first["LastEvaluatedKey"], **query)
    seen += [first["Items"], first["LastEvaluatedKey"], rest["Items"], rest["Count"], rest["ScannedCount"]]
    return seen


def renamed(value: Any, former: str, name: str) -> Any:
    """The same answers as if they were about another customer."""
    if isinstance(value, dict):
        return {key: renamed(inner, former, name) for key, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [renamed(inner, former, name) for inner in cast("Any", value)]
    return name if value == former else value


def copy_to_target(world: World) -> None:
    """What the backfill would bring."""
    for item in world.plain.scan(TableName=world.migration.source.name)["Items"]:
        world.plain.put_item(TableName=world.migration.target.name, Item=world.migration.compiled.forward(item))


def test_a_table_resource_answers_the_same_in_every_stage(world: World) -> None:
    """Python types in and out, errors and pages included, all the way up, down and up again; the tables agree."""
    table = world.boto3_table()
    expected = exercise(table, "plain")
    router = world.attach(table)
    for n, stage in enumerate(WAY):
        if n:
            world.set_stage(stage)
        if stage is Stage.DUALWRITE:
            copy_to_target(world)
        assert router.stage is stage
        assert renamed(exercise(table, f"c{n}"), f"c{n}", "plain") == expected, stage
        if stage not in (Stage.OFF, Stage.COMPLETE):
            wait_for(world.agree, f"both tables agree in {stage}")
    counts = router.counts()
    assert counts.get("mirror_lost", 0) == 0
    assert counts.get("compare.mismatched", 0) + counts.get("compare.missing", 0) + counts.get("compare.extra", 0) == 0
    assert counts["compare.matching"] > 0


@pytest.mark.parametrize("stage", [Stage.SHADOW, Stage.LIVE])
def test_hazard_18_19_a_paginator_reads_a_partition_that_is_spread_over_many(world: World, stage: Stage) -> None:
    """The low-level client's paginator sees each item once, in order, and its token stays good when the stage moves."""
    client = world.boto3_client()
    _ = world.attach(client)
    world.walk(*UP[1 : UP.index(stage) + 1])
    orders = [f"o{n:02d}" for n in range(25)]
    for order in reversed(orders):
        client.put_item(TableName=world.migration.source.name, Item=world.key("c", order) | {"amount": {"N": "1.50"}})
    request = {
        "TableName": world.migration.source.name,
        "KeyConditionExpression": "customer = :c",
        "ExpressionAttributeValues": {":c": {"S": "c"}},
        "ConsistentRead": True,
    }
    seen: list[str] = []
    for n, page in enumerate(client.get_paginator("query").paginate(**request, PaginationConfig={"PageSize": 4})):
        assert len(page["Items"]) <= 4
        assert page["ResponseMetadata"]["HTTPStatusCode"] == 200
        seen += [item["order"]["S"] for item in page["Items"]]
        if n == 1:  # between two pages
            world.set_stage(UP[UP.index(stage) + 1])
        if n == 3:
            world.set_stage(UP[UP.index(stage)])
    assert seen == orders


def test_hazard_13_a_delete_by_the_old_key_reaches_the_item_under_its_new_key(world: World) -> None:
    """Callers keep using the source's key; the target's item, stored under another partition, is gone afterwards."""
    client = world.boto3_client()
    _ = world.attach(client)
    world.walk(*UP[1 : UP.index(Stage.LIVE) + 1])
    key = world.key("c", "o1")
    client.put_item(TableName=world.migration.source.name, Item=key | {"amount": {"N": "7"}})
    stored = world.target_item("c", "o1")
    assert stored is not None
    assert stored["customer"] != {"S": "c"}
    client.delete_item(TableName=world.migration.source.name, Key=key)
    assert world.target_item("c", "o1") is None
    wait_for(lambda: world.source_item("c", "o1") is None, "the source follows")


def test_hazard_24_exact_values_come_back_exactly(world: World) -> None:
    """38 digits, binary given as text or bytearray, sets, NULL, empty and nested values, written and read in live."""
    client = world.boto3_client()
    _ = world.attach(client)
    world.walk(*UP[1 : UP.index(Stage.LIVE) + 1])
    values: dict[str, Any] = {
        "amount": {"N": "12345678901234567890123456789012345678"},
        "small": {"N": "-1E-130"},
        "null": {"NULL": True},
        "empty": {"S": ""},
        "bytes": {"B": b"\x00\xff"},
        "nested": {"M": {"list": {"L": [{"BOOL": False}, {"M": {}}, {"NS": ["2", "1"]}]}}},
    }
    given = values | {"text as binary": {"B": "abc"}, "array": {"B": bytearray(b"xyz")}}
    item = world.key("c", "o1") | given
    client.put_item(TableName=world.migration.source.name, Item=item)
    found = client.get_item(TableName=world.migration.source.name, Key=world.key("c", "o1"))["Item"]
    assert found.pop("nested")["M"]["list"]["L"][:2] == [{"BOOL": False}, {"M": {}}]
    assert Decimal(found.pop("small")["N"]) == Decimal("-1E-130")
    kept = {name: value for name, value in values.items() if name not in ("nested", "small")}
    assert found == world.key("c", "o1") | kept | {"text as binary": {"B": b"abc"}, "array": {"B": b"xyz"}}
    assert item["array"] == {"B": bytearray(b"xyz")}  # the caller's own dictionary is as it was
    wait_for(world.agree, "both tables agree")


def test_a_caller_may_change_what_it_gave_and_what_it_got(world: World) -> None:
    """Neither the mirror nor a later answer sees what a caller does to its own dictionaries."""
    client = world.boto3_client()
    _ = world.attach(client)
    world.walk(*UP[1 : UP.index(Stage.LIVE) + 1])
    name, item = world.migration.source.name, world.key("c", "o1") | {"amount": {"N": "1"}}
    answer = client.put_item(TableName=name, Item=item)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert answer["ResponseMetadata"]["RequestId"]
    item["amount"]["N"] = "2"
    first = client.get_item(TableName=name, Key=world.key("c", "o1"))
    first["Item"]["amount"]["N"] = "3"
    assert client.get_item(TableName=name, Key=world.key("c", "o1"))["Item"]["amount"] == {"N": "1"}
    wait_for(world.agree, "both tables agree")
    assert (world.source_item("c", "o1") or {})["amount"] == {"N": "1"}


def test_requests_on_other_tables_are_not_touched(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that is not of the migration is used with one plain request a call, and no ticket is taken."""
    client = world.boto3_client()
    router = world.attach(client)
    world.set_stage(Stage.DUALWRITE)
    begun: list[bool] = []
    begin = router.agent.begin

    def counted(strict: bool) -> Ticket:
        begun.append(strict)
        return begin(strict)

    monkeypatch.setattr(router.agent, "begin", counted)
    key = {"migration": {"S": "other"}, "record": {"S": "r"}}
    client.put_item(TableName=world.migration.control_table, Item=key)
    assert client.get_item(TableName=world.migration.control_table, Key=key)["Item"] == key
    assert client.describe_table(TableName=world.migration.control_table)["Table"]["TableStatus"] == "ACTIVE"
    assert begun == []
    client.put_item(TableName=world.migration.source.name, Item=world.key("c", "o1"))
    assert begun == [True]


def test_the_tables_arn_means_the_table(world: World) -> None:
    """A request that names the source by its ARN is routed like one that names it."""
    client = world.boto3_client()
    _ = world.attach(client)
    world.set_stage(Stage.DUALWRITE)
    arn = f"arn:aws:dynamodb:us-east-1:000000000000:table/{world.migration.source.name}"
    client.put_item(TableName=arn, Item=world.key("c", "o1"))
    wait_for(lambda: world.target_item("c", "o1") is not None, "the mirror")


def test_what_a_stage_cannot_do_right_is_refused_before_anything_is_written(world: World) -> None:
    """PartiQL over the source in dualwrite, and a write to the target, raise NotPossibleInStage; the ticket is given
    back."""
    client = world.boto3_client()
    router = world.attach(client)
    source, target = world.migration.source.name, world.migration.target.name
    names = tuple(world.key("c", "o1"))
    statement = f"INSERT INTO \"{source}\" VALUE {{'{names[0]}': 'c', '{names[1]}': '%s'}}"
    client.execute_statement(Statement=statement % "o1")  # off: one table is enough
    assert world.source_item("c", "o1") is not None
    world.set_stage(Stage.DUALWRITE)
    with pytest.raises(NotPossibleInStage, match="PartiQL on"):
        client.execute_statement(Statement=statement % "o2")
    with pytest.raises(NotPossibleInStage, match="crossfade itself writes"):
        client.put_item(TableName=target, Item=world.key("c", "o2"))
    assert world.source_item("c", "o2") is None
    assert router.pending == 0


def test_attach_says_what_is_wrong_and_leaves_the_client_alone(world: World) -> None:
    """An unknown migration, another mapping, another service: an error at attach, and no handler stays behind."""
    client = world.boto3_client()
    before = handlers(client)
    world.plain.delete_item(
        TableName=world.migration.control_table,
        Key={"migration": {"S": world.migration.name}, "record": {"S": "state"}},
    )
    with pytest.raises(NotStarted):
        _ = world.attach(client)
    with pytest.raises(ConfigurationError, match="cannot be attached"):
        _ = world.attach(object())
    assert handlers(client) == before


EVENTS = (
    *("provide-client-params", "before-parameter-build", "before-call", "request-created", "before-send"),
    *("needs-retry", "after-call", "after-call-error", "before-sign", "choose-signer", "response-received"),
)


def handlers(client: Any) -> dict[str, list[Any]]:
    """Every handler that a PutItem meets, in order."""
    trie = client.meta.events._emitter._handlers
    return {event: list(trie.prefix_search(f"{event}.dynamodb.PutItem")) for event in EVENTS}


def test_detach_restores_the_client_exactly(world: World) -> None:
    """Attached twice and detached, the handlers of a resource's client are what they were, and the lease is gone."""
    table = world.boto3_table()
    before = handlers(table.meta.client)
    for fast_signing in (False, True):
        router = world.attach(table, fast_signing=fast_signing)
        assert handlers(table.meta.client) != before
        assert router.detach()
        assert handlers(table.meta.client) == before
    leases = world.plain.query(
        TableName=world.migration.control_table,
        KeyConditionExpression="migration = :m AND begins_with(#r, :client)",
        ExpressionAttributeNames={"#r": "record"},
        ExpressionAttributeValues={":m": {"S": world.migration.name}, ":client": {"S": "client#"}},
    )
    assert leases["Count"] == 0
    assert world.state().unclean == 0


def test_an_answer_that_is_read_by_us_is_the_one_that_botocore_reads(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every type, in a stage that looks at the answer."""
    client, plain = world.boto3_client(), world.boto3_client()
    name, key = world.migration.source.name, world.key("c", "o")
    nested: Any = {
        "L": [{"B": b"\x00"}, {"NULL": True}, {"M": {"B": {"BS": [b"x", b"y"]}, "e": {"M": dict[str, Any]()}}}]
    }
    item: dict[str, Any] = {
        **key,
        "nested": nested,
        "t": {"BOOL": False},
        "n": {"NS": ["1", "2.5"]},
        "s": {"S": "ü" * 200},
    }
    request = {"TableName": name, "Key": key, "ReturnConsumedCapacity": "TOTAL"}
    _ = world.attach(client)
    world.walk(Stage.DUALWRITE, Stage.SHADOW)
    client.put_item(TableName=name, Item=item)
    read_by_us: list[str] = []

    def noting(operation: Any, body: bytes) -> Any:
        read_by_us.append(operation.name)
        return decoded(operation, body)

    monkeypatch.setattr("crossfade.aws.chain.decoded", noting)
    found, expected = client.get_item(**request), plain.get_item(**request)
    assert {**found, "ResponseMetadata": 0} == {**expected, "ResponseMetadata": 0}
    assert found["Item"] == item
    assert found["ResponseMetadata"]["HTTPHeaders"].keys() == expected["ResponseMetadata"]["HTTPHeaders"].keys()
    assert read_by_us == ["GetItem"]


class Versions:
    """By which version a client was told to sign, since the last look."""

    def __init__(self, client: Any) -> None:
        self._seen: list[str] = []
        client.meta.events.register("before-sign.dynamodb", self._noting)

    def _noting(self, signature_version: str, **_: Any) -> None:
        self._seen.append(signature_version)

    def of(self, call: Callable[[], object]) -> set[str]:
        self._seen.clear()
        _ = call()
        return set(self._seen)


def test_the_quick_signer_signs_for_those_who_ask_for_it(world: World) -> None:
    """By itself attaching leaves signing to botocore; with detach the signer goes."""
    client = world.boto3_client()
    versions = Versions(client)
    get = partial(client.get_item, TableName=world.migration.source.name, Key=world.key("c", "o"))
    router = world.attach(client)
    assert versions.of(get) == {"v4"}
    assert router.detach()
    router = world.attach(client, fast_signing=True)
    assert versions.of(get) == {SIGNATURE_NAME}
    assert router.detach()
    assert versions.of(get) == {"v4"}


def test_one_of_two_migrations_on_a_client_is_enough_for_the_quick_signer(world: World) -> None:
    """And when it goes, signing is botocore's again, while the other one stays."""
    target = Table("orders-v3", key=world.migration.target.key)
    later = replace(world.migration, name="later", source=world.migration.target, target=target, mapping=identity())
    world.plain.put_item(TableName=later.control_table, Item=to_item(later.name, state_in(later, Stage.OFF)))
    client = world.boto3_client()
    versions = Versions(client)
    get = partial(client.get_item, TableName=world.migration.source.name, Key=world.key("c", "o"))
    _ = world.attach(client)
    with attach(client, later, poll_seconds=0.02, fast_signing=True):
        assert versions.of(get) == {SIGNATURE_NAME}
    assert versions.of(get) == {"v4"}


def test_a_client_of_a_session_attached_with_it_has_the_quick_signer(world: World) -> None:
    """It has the session's handlers."""
    for fast_signing, version in ((True, SIGNATURE_NAME), (False, "v4")):
        session = new_session()
        router = world.attach(session, own_client=world.boto3_client(), fast_signing=fast_signing)
        client = session.client("dynamodb", **world.database.client_options())
        get = partial(client.get_item, TableName=world.migration.source.name, Key=world.key("c", "o"))
        assert Versions(client).of(get) == {version}
        assert router.detach()
