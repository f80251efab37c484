"""What becomes of requests whose answer is lost, late, or not to be given."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any, cast

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from crossfade.aws import hooks
from crossfade.control.records import PARTITION_KEY, SORT_KEY
from crossfade.core.stages import DUAL_WRITE, Stage
from tests.aws.conftest import World, wait_for
from tests.aws.faults import Detour, Faults, Gate, Sent, go_on, once, refusal, timed_out

UP = list(DUAL_WRITE)
ONE_ATTEMPT = Config(retries={"total_max_attempts": 1})
THREE_ATTEMPTS = Config(retries={"total_max_attempts": 3, "mode": "standard"})


def to_live(world: World) -> None:
    world.walk(*UP[1 : UP.index(Stage.LIVE) + 1])


def lost_reply(sent: Sent) -> None:
    """Carried out, and nobody hears of it."""
    _ = sent.carry_out()
    raise timed_out(sent)


def is_put_to(table: str) -> Callable[[Sent], bool]:
    return lambda sent: sent.operation == "PutItem" and sent.table == table


def put(client: Any, world: World, order: str, amount: int) -> Any:
    item = world.key("c", order) | {"amount": {"N": str(amount)}}
    return client.put_item(TableName=world.migration.source.name, Item=item)


def amount_in_target(world: World, order: str) -> str | None:
    item = world.target_item("c", order)
    return None if item is None else item["total"]["N"]


def test_hazard_10_a_write_with_a_lost_reply_is_mirrored_all_the_same(world: World) -> None:
    """The caller gets botocore's own timeout, the source has the item, and so has the target soon after."""
    client = world.boto3_client(config=ONE_ATTEMPT)
    faults = Faults(client)
    _ = world.attach(client)
    world.set_stage(Stage.DUALWRITE)
    faults.plan = once(lost_reply, is_put_to(world.migration.source.name))
    with pytest.raises(ReadTimeoutError):
        put(client, world, "o1", 1)
    wait_for(lambda: amount_in_target(world, "o1") == "1", "the mirror")


def test_hazard_10_a_write_that_lands_late_is_mirrored_when_it_has(world: World) -> None:
    """The ticket stays open until the request can land no more, and what it wrote by then reaches the target."""
    client = world.boto3_client(config=ONE_ATTEMPT)
    faults = Faults(client)
    router = world.attach(client, landing_seconds=0.5)
    world.set_stage(Stage.DUALWRITE)
    late: list[Sent] = []

    def swallow(sent: Sent) -> None:
        late.append(sent)
        raise timed_out(sent)

    faults.plan = once(swallow, is_put_to(world.migration.source.name))
    with pytest.raises(ReadTimeoutError):
        put(client, world, "o1", 1)
    assert router.pending > 0
    _ = late[0].carry_out()
    wait_for(lambda: router.pending == 0, "nothing is open any more")
    assert amount_in_target(world, "o1") == "1"


def test_a_write_in_off_that_may_still_land_holds_the_stage(world: World) -> None:
    """Even where nothing is mirrored: `dualwrite` is not acknowledged before a lost write of `off` can land no more."""
    client = world.boto3_client(config=ONE_ATTEMPT)
    faults = Faults(client)
    router = world.attach(client, landing_seconds=0.5)
    faults.plan = once(lost_reply, is_put_to(world.migration.source.name))
    with pytest.raises(ReadTimeoutError):
        put(client, world, "o1", 1)
    world.set_stage(Stage.DUALWRITE, wait=False)
    wait_for(lambda: router.stage is Stage.DUALWRITE, "the new stage for new operations")
    assert (router.pending, router.agent.acknowledged) == (1, 1)
    wait_for(lambda: router.agent.acknowledged == 2, "the acknowledgement")
    assert router.pending == 0


def test_hazard_06_an_add_is_never_sent_twice_by_us(world: World) -> None:
    """In live an ADD whose reply is lost is found by its stamp: it counts once, and the caller gets its answer."""
    client = world.boto3_client()  # botocore's own retries are on
    faults = Faults(client)
    _ = world.attach(client)
    to_live(world)
    put(client, world, "o1", 1)
    faults.plan = once(lost_reply, is_put_to(world.migration.target.name))
    answer = client.update_item(
        TableName=world.migration.source.name,
        Key=world.key("c", "o1"),
        UpdateExpression="ADD amount :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnValues="ALL_NEW",
    )
    assert answer["Attributes"]["amount"] == {"N": "2"}
    assert amount_in_target(world, "o1") == "2"
    wait_for(world.agree, "both tables agree")


def test_hazard_10_a_refusal_after_a_lost_attempt_is_mirrored_too(world: World) -> None:
    """botocore's second attempt of a conditional put is refused as the first was carried out; the target gets it."""
    client = world.boto3_client()
    faults = Faults(client)
    _ = world.attach(client)
    world.set_stage(Stage.DUALWRITE)
    faults.plan = once(lost_reply, is_put_to(world.migration.source.name))
    with pytest.raises(client.exceptions.ConditionalCheckFailedException) as refused:
        client.put_item(
            TableName=world.migration.source.name,
            Item=world.key("c", "o1") | {"amount": {"N": "1"}},
            ConditionExpression="attribute_not_exists(customer)",
        )
    assert refused.value.response["ResponseMetadata"]["RetryAttempts"] == 1
    wait_for(lambda: amount_in_target(world, "o1") == "1", "the mirror")


def test_a_conflict_with_our_own_transactions_is_tried_again_for_the_caller(world: World) -> None:
    """A forwarded put that meets a TransactionConflictException succeeds at last, and the answer says 200."""
    client = world.boto3_client()
    faults = Faults(client)
    _ = world.attach(client)
    world.set_stage(Stage.DUALWRITE)
    faults.plan = once(
        lambda sent: refusal(sent, 400, "TransactionConflictException"), is_put_to(world.migration.source.name)
    )
    answer = put(client, world, "o1", 1)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert "Error" not in answer
    assert (world.source_item("c", "o1") or {})["amount"] == {"N": "1"}
    wait_for(lambda: amount_in_target(world, "o1") == "1", "the mirror")


def test_a_servers_error_is_the_callers_and_the_mirror_follows(world: World) -> None:
    """A 500 after the source was written: the caller sees that very error, the target is kept equal."""
    client = world.boto3_client(config=ONE_ATTEMPT)
    faults = Faults(client)
    _ = world.attach(client)
    world.set_stage(Stage.DUALWRITE)

    def fails_after_all(sent: Sent) -> Any:
        _ = sent.carry_out()
        return refusal(sent, 500, "InternalServerError")

    faults.plan = once(fails_after_all, is_put_to(world.migration.source.name))
    with pytest.raises(client.exceptions.InternalServerError):
        put(client, world, "o1", 1)
    wait_for(lambda: amount_in_target(world, "o1") == "1", "the mirror")


def test_a_lost_reply_of_the_target_is_botocores_own_error_in_live(world: World) -> None:
    """A routed delete with an unknown outcome raises what the call itself raised, and the source follows the target."""
    client = world.boto3_client(config=ONE_ATTEMPT)
    faults = Faults(client)
    _ = world.attach(client)
    to_live(world)
    put(client, world, "o1", 1)
    wait_for(world.agree, "both tables agree")
    table = world.migration.target.name
    faults.plan = once(lost_reply, lambda sent: sent.operation == "DeleteItem" and sent.table == table)
    with pytest.raises(ReadTimeoutError):
        client.delete_item(TableName=world.migration.source.name, Key=world.key("c", "o1"))
    wait_for(lambda: world.source_item("c", "o1") is None, "the mirror back")


def test_hazard_10_a_caller_that_is_interrupted_is_remembered(world: World) -> None:
    """A KeyboardInterrupt fires none of botocore's events, but the write it left behind is mirrored."""
    client = world.boto3_client()
    faults = Faults(client)
    router = world.attach(client)
    world.set_stage(Stage.DUALWRITE)

    def interrupt(sent: Sent) -> None:
        _ = sent.carry_out()
        raise KeyboardInterrupt

    faults.plan = once(interrupt, is_put_to(world.migration.source.name))
    interrupted = False
    try:
        put(client, world, "o1", 1)
    except KeyboardInterrupt:
        interrupted = True
    assert interrupted
    wait_for(lambda: amount_in_target(world, "o1") == "1", "the mirror")
    wait_for(lambda: router.pending == 0, "nothing is left open")


def test_hazard_10_an_interrupted_call_whose_error_is_kept_is_found_by_its_age(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As above, but something holds the traceback, and with it the call's context: then its age tells."""
    monkeypatch.setattr(hooks, "RETRY_PAUSE_SECONDS_MAX", 0.0)
    client = world.boto3_client()
    faults = Faults(client)
    router = world.attach(client, landing_seconds=0.3)
    world.set_stage(Stage.DUALWRITE)

    def interrupt(sent: Sent) -> None:
        _ = sent.carry_out()
        raise KeyboardInterrupt

    faults.plan = once(interrupt, is_put_to(world.migration.source.name))
    with pytest.raises(KeyboardInterrupt) as kept:
        put(client, world, "o1", 1)
    wait_for(lambda: amount_in_target(world, "o1") == "1", "the mirror")
    wait_for(lambda: router.pending == 0, "nothing is left open")
    assert kept.value is not None


def test_an_interrupt_in_the_middle_of_a_routed_write_is_remembered(world: World) -> None:
    """In live the router's own call to the target is interrupted after it was carried out; the source still follows."""
    client = world.boto3_client()
    faults = Faults(client)
    router = world.attach(client)
    to_live(world)

    def interrupt(sent: Sent) -> None:
        _ = sent.carry_out()
        raise KeyboardInterrupt

    faults.plan = once(interrupt, is_put_to(world.migration.target.name))
    with pytest.raises(KeyboardInterrupt):
        put(client, world, "o1", 1)
    wait_for(lambda: world.source_item("c", "o1") is not None, "the mirror back")
    wait_for(lambda: router.pending == 0, "nothing is left open")


def cut_off(world: World, faults: Detour) -> None:
    """From the control table, until the plan is another."""

    def plan(sent: Sent) -> None:
        names = {sent.table, *(str(action) for action in sent.body.get("TransactItems", []))}
        if any(world.migration.control_table in name for name in names):
            raise timed_out(sent)

    faults.plan = plan


def told_as_documented(error: Exception) -> None:
    """What the docstring of StageUncertain says of a call site, and that the SDK has not tried again."""
    response: Any = cast("Any", error).response
    assert isinstance(error, ClientError)
    assert response["Error"]["Code"] == "InternalServerError"
    metadata = response["ResponseMetadata"]
    assert (metadata["HTTPStatusCode"], metadata["RetryAttempts"]) == (500, 0)


def test_hazard_09_a_client_without_a_lease_writes_nothing_but_goes_on_reading(world: World) -> None:
    """Cut off from the control table it refuses writes and strong reads with a retryable error; later all is well."""
    client, (own, detour) = world.boto3_client(config=THREE_ATTEMPTS), world.detoured_client()
    router = world.attach(client, own_client=own, lease_seconds=1.0)
    put(client, world, "o1", 1)
    cut_off(world, detour)
    wait_for(lambda: router.agent.deadline < monotonic(), "the end of the lease")
    source, key = world.migration.source.name, world.key("c", "o1")
    with pytest.raises(client.exceptions.InternalServerError, match="nothing was sent") as told:
        put(client, world, "o1", 2)
    told_as_documented(told.value)
    with pytest.raises(client.exceptions.InternalServerError, match="nothing was sent"):
        client.get_item(TableName=source, Key=key, ConsistentRead=True)
    assert client.get_item(TableName=source, Key=key)["Item"]["amount"] == {"N": "1"}
    detour.plan = go_on
    wait_for(lambda: router.agent.deadline > monotonic(), "a new lease")
    put(client, world, "o1", 3)
    assert (world.source_item("c", "o1") or {})["amount"] == {"N": "3"}


def test_hazard_09_a_write_that_outlives_its_lease_is_not_acknowledged_and_is_repaired(world: World) -> None:
    """The fleet has gone on to live without us; what we then wrote to the source is undone, and the caller was told."""
    client, (own, detour) = world.boto3_client(config=THREE_ATTEMPTS), world.detoured_client()
    faults = Faults(client)
    router = world.attach(client, own_client=own, lease_seconds=1.0, landing_seconds=0.2)
    put(client, world, "o1", 1)
    former = router.client_id

    def stall(_sent: Sent) -> None:
        """The process stands still after the last check, and is counted as gone; the fleet moves on and writes."""
        cut_off(world, detour)
        wait_for(lambda: router.agent.deadline + 0.2 < monotonic(), "the end of the lease, and of what may land")
        key = {PARTITION_KEY: {"S": world.migration.name}, SORT_KEY: {"S": f"client#{former}"}}
        world.plain.delete_item(TableName=world.migration.control_table, Key=key)
        world.set_stage(Stage.LIVE, wait=False)
        moved = world.migration.compiled.forward(world.key("c", "o1") | {"amount": {"N": "7"}})
        world.plain.put_item(TableName=world.migration.target.name, Item=moved)

    faults.plan = once(stall, is_put_to(world.migration.source.name))
    with pytest.raises(ClientError, match="may or may not have been carried out") as told:
        put(client, world, "o1", 2)
    told_as_documented(told.value)
    assert (world.source_item("c", "o1") or {})["amount"] == {"N": "2"}  # it did stray
    detour.plan = go_on
    wait_for(lambda: (world.source_item("c", "o1") or {})["amount"] == {"N": "7"}, "the repair, from the authority")
    assert router.client_id != former
    assert router.stage is Stage.LIVE
    wait_for(lambda: world.state().unclean > 0, "a verify is asked for")


def test_an_attempt_is_not_sent_when_the_lease_has_ended_meanwhile(world: World) -> None:
    """botocore would send a second attempt; the lease ended during the first, so there is only one."""
    client, (own, detour) = world.boto3_client(), world.detoured_client()
    faults = Faults(client)
    router = world.attach(client, own_client=own, lease_seconds=1.0)
    world.set_stage(Stage.DUALWRITE)

    def stall(sent: Sent) -> None:
        cut_off(world, detour)
        wait_for(lambda: router.agent.deadline < monotonic(), "the end of the lease")
        raise timed_out(sent)

    is_ours = is_put_to(world.migration.source.name)
    faults.plan = once(stall, is_ours)
    with pytest.raises(ClientError, match="could not renew its lease"):
        put(client, world, "o1", 1)
    assert sum(is_ours(sent) for sent in faults.sent) == 1
    assert world.source_item("c", "o1") is None


def test_detach_waits_for_what_is_under_way(world: World) -> None:
    """A mirror held up at the target is done before `detach` returns; without time for it, a verify is asked for."""
    own, faults = world.detoured_client()
    client = world.boto3_client()
    for order, in_time in (("o1", True), ("o2", False)):
        faults.plan = go_on
        router = world.attach(client, own_client=own)
        world.set_stage(Stage.DUALWRITE, wait=False)
        wait_for(lambda router=router: router.stage is Stage.DUALWRITE, "dualwrite")  # type: ignore[misc]
        gate = faults.plan = Gate(world.migration.target.name)
        put(client, world, order, 1)
        assert gate.reached.wait(10)
        if in_time:
            gate.opened.set()
        assert router.detach(5.0 if in_time else 0.1) is in_time
        assert (amount_in_target(world, order) == "1") is in_time
        gate.opened.set()
        assert (world.state().unclean > 0) is not in_time
        world.routers.remove(router)
