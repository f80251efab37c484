"""Mirrors and comparisons happen after the answer, and nobody who calls ever meets them."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from crossfade.core.stages import DUAL_WRITE, Stage
from tests.aws.conftest import World, wait_for
from tests.aws.faults import Gate, Sent, refusal

UP = list(DUAL_WRITE)


def put(client: Any, world: World, order: str, amount: int = 1) -> None:
    item = world.key("c", order) | {"amount": {"N": str(amount)}}
    client.put_item(TableName=world.migration.source.name, Item=item)


def test_hazard_20_a_caller_never_waits_for_the_other_side(world: World) -> None:
    """While every request to the target is held up, writes and reads of the source are answered; then all follows."""
    client, (own, faults) = world.boto3_client(), world.detoured_client()
    router = world.attach(client, own_client=own)
    world.walk(Stage.DUALWRITE, Stage.SHADOW)
    gate = faults.plan = Gate(world.migration.target.name)
    for n in range(20):
        put(client, world, f"o{n}")
        got = client.get_item(TableName=world.migration.source.name, Key=world.key("c", f"o{n}"))
        assert got["Item"]["amount"] == {"N": "1"}
    assert gate.reached.wait(10)
    assert not gate.opened.is_set()  # all of them were answered before
    assert router.pending >= 20
    assert world.target_item("c", "o0") is None
    gate.opened.set()
    wait_for(lambda: router.pending == 0, "the mirrors")
    assert world.agree()


def test_hazard_10_a_mirror_that_the_target_refuses_is_counted_and_asks_for_a_verify(world: World) -> None:
    """The caller's write succeeds, and the loss is in the counts and in the control table before the next stage."""
    client, (own, faults) = world.boto3_client(), world.detoured_client()
    router = world.attach(client, own_client=own)
    world.set_stage(Stage.DUALWRITE)

    def refuse(sent: Sent) -> Any:
        if sent.table == world.migration.target.name and sent.operation == "PutItem":
            return refusal(sent, 400, "ValidationException")
        return None

    faults.plan = refuse
    put(client, world, "o1")
    world.set_stage(Stage.SHADOW)
    assert router.counts()["mirror_lost"] == 1
    assert world.state().unclean == 1


def test_an_item_that_cannot_be_mapped_is_the_sources_while_it_is_mirrored_and_an_error_in_lockstep(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """In dualwrite the write succeeds; the log and the lease say why there is no mirror, without a value. Once one
    transaction writes both tables, it is refused with the same reason, and nothing is written."""
    client = world.boto3_client()
    router = world.attach(client)
    world.set_stage(Stage.DUALWRITE)
    why = "cannot be mapped (rename: amount -> total: attribute 'total')"
    item = world.key("c", "o1") | {"amount": {"N": "1"}, "total": {"S": "secret"}}
    client.put_item(TableName=world.migration.source.name, Item=item)
    wait_for(lambda: router.pending == 0, "the mirror")
    assert world.source_item("c", "o1") == item
    world.set_stage(Stage.SHADOW)
    assert [why in record.getMessage() for record in caplog.records if "a mirror was lost" in record.getMessage()] == [
        True
    ]
    (lease,) = [
        record
        for record in world.plain.scan(TableName=world.migration.control_table)["Items"]
        if "lost_example" in record
    ]
    assert (lease["lost_mirrors"], lease["lost_example"]["S"].partition(": ")[2]) == ({"N": "1"}, why)
    assert "secret" not in caplog.text + repr(lease)
    world.set_stage(Stage.LOCKSTEP_SOURCE)
    with pytest.raises(ClientError, match="rename: amount -> total: attribute 'total' is already there"):
        client.put_item(TableName=world.migration.source.name, Item=item | world.key("c", "o2"))
    assert world.source_item("c", "o2") is None


def test_hazard_08_mirrors_do_not_chase_each_other(world: World) -> None:
    """One write in dualwrite, one in live: each side is written once by each, and a mirror brings no further one."""
    client, (own, faults) = world.boto3_client(), world.detoured_client()
    router = world.attach(client, own_client=own)
    world.set_stage(Stage.DUALWRITE)
    for stage, table in ((Stage.DUALWRITE, world.migration.target.name), (Stage.LIVE, world.migration.source.name)):
        world.walk(*UP[UP.index(router.stage) + 1 : UP.index(stage) + 1])
        faults.sent.clear()
        put(client, world, f"o-{stage}")
        wait_for(lambda: router.pending == 0, "the mirror")
        written = [sent.table for sent in faults.sent if sent.operation == "PutItem"]
        assert written.count(table) == 1
        assert len(written) == 1  # the caller's own goes by its own client
    assert world.agree()


def test_hazard_21_a_write_in_flight_is_not_reported_as_a_mismatch(world: World) -> None:
    """A read is compared while the mirror of the write before is held up; once it is done, both sides match."""
    client, (own, faults) = world.boto3_client(), world.detoured_client()
    seen: list[str] = []

    def observer(name: str, facts: dict[str, Any]) -> None:
        seen.append(f"{name} {facts}")

    router = world.attach(client, own_client=own, observer=observer)
    world.walk(Stage.DUALWRITE, Stage.SHADOW)
    put(client, world, "o1", 1)
    wait_for(lambda: router.pending == 0, "the first mirror")
    held, opened = threading.Event(), threading.Event()

    def hold_the_put(sent: Sent) -> None:
        if sent.table == world.migration.target.name and sent.operation == "PutItem":
            held.set()
            assert opened.wait(20)

    faults.plan = hold_the_put
    put(client, world, "o1", 2)
    assert held.wait(10)
    key = world.key("c", "o1")
    assert client.get_item(TableName=world.migration.source.name, Key=key)["Item"]["amount"] == {"N": "2"}
    looks = len(faults.sent)
    wait_for(lambda: len(faults.sent) > looks + 2, "the comparison has seen the difference")
    opened.set()
    wait_for(lambda: router.counts().get("compare.matching", 0) == 1, "the comparison")
    assert not [event for event in seen if "mismatched" in event or "missing" in event]


def test_a_difference_that_stays_is_reported_with_both_sides(world: World) -> None:
    """Damage done behind the router's back is found by a shadow read, and the observer gets what both sides hold."""
    client = world.boto3_client()
    found: list[Any] = []

    def observer(name: str, facts: dict[str, Any]) -> None:
        if name == "compare" and facts["outcome"] == "mismatched":
            found.append(facts["difference"])

    router = world.attach(client, observer=observer)
    world.walk(Stage.DUALWRITE, Stage.SHADOW)
    put(client, world, "o1", 1)
    wait_for(lambda: router.pending == 0, "the mirror")
    damaged = (world.target_item("c", "o1") or {}) | {"total": {"N": "9"}}
    world.plain.put_item(TableName=world.migration.target.name, Item=damaged)
    client.get_item(TableName=world.migration.source.name, Key=world.key("c", "o1"))
    wait_for(lambda: bool(found), "the report")
    assert found[0].source["amount"] == {"N": "1"}
    assert found[0].target["total"] == {"N": "9"}


def test_what_the_target_has_expired_already_is_no_difference(world: World) -> None:
    """The source still has it, and answers; the router asks for TTL by itself, and counts the item apart."""
    client = world.boto3_client()
    router = world.attach(client)
    world.walk(Stage.DUALWRITE, Stage.SHADOW)
    item = world.key("c", "o1") | {"amount": {"N": "1"}, "expires": {"N": str(int(time.time()) - 60)}}
    client.put_item(TableName=world.migration.source.name, Item=item)
    wait_for(lambda: router.pending == 0, "the mirror")
    specification = {"Enabled": True, "AttributeName": "expires"}
    world.plain.update_time_to_live(TableName=world.migration.target.name, TimeToLiveSpecification=specification)
    wait_for(lambda: world.target_item("c", "o1") is None, "the engine's sweep")
    read = {"TableName": world.migration.source.name, "Key": world.key("c", "o1")}
    assert [client.get_item(**read)["Item"] for _ in range(2)] == [item] * 2
    wait_for(lambda: router.counts().get("compare.expiring", 0) == 2, "the comparisons")
    assert not {"compare.missing", "expiry_unknown"} & router.counts().keys()


def test_an_error_of_an_observer_never_reaches_the_caller(world: World) -> None:
    """An observer that always raises changes nothing but a count."""

    def observer(name: str, facts: dict[str, Any]) -> None:
        raise RuntimeError(f"{name} {facts}")

    client = world.boto3_client()
    router = world.attach(client, observer=observer)
    world.walk(Stage.DUALWRITE, Stage.SHADOW)
    put(client, world, "o1")
    assert client.get_item(TableName=world.migration.source.name, Key=world.key("c", "o1"))["Item"]
    wait_for(world.agree, "the mirror")
    wait_for(lambda: router.counts().get("compare.matching", 0) == 1, "the comparison")
    assert router.counts()["observer_error"] >= 3
