"""The backfill beside live traffic, on the embedded engine; the interleavings are exact."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from crossfade.backfill.copy import Limits, copy_images
from crossfade.backfill.result import BackfillOptions, BackfillResult
from crossfade.control.jobs import claim_job, load_checkpoints, save_checkpoint
from crossfade.control.records import Job, JobStatus, Role
from crossfade.core.effects import Request
from crossfade.core.items import Item
from crossfade.core.rules import Rules
from crossfade.core.stages import Stage
from crossfade.errors import ConfigurationError, Fenced, NotPossibleInStage
from crossfade.jobs.progress import Progress
from crossfade.jobs.session import Session
from crossfade.mapping import rename
from crossfade.migration import Migration
from tests.backfill.setting import LANDING_SECONDS, Setting, connect, no_note, once, order, order_key
from tests.conftest import Database

NAMES = {"#t": "total"}


def add(setting: Setting, number: int, amount: int) -> None:
    setting.app(
        "UpdateItem",
        Key=order_key(number),
        UpdateExpression="ADD #t :n",
        ExpressionAttributeNames=NAMES,
        ExpressionAttributeValues={":n": {"N": str(amount)}},
    )


def total_in_target(setting: Setting, number: int) -> str:
    key = setting.migration.compiled.forward_key(order_key(number))
    reply = setting.client.get_item(TableName=setting.migration.target.name, Key=key, ConsistentRead=True)
    text: str = reply["Item"]["amount"]["N"]
    return text


def test_everything_is_copied_and_stamped(dynamodb: Database) -> None:
    """A plain backfill leaves target == mapping(source), and says so."""
    setting = Setting(dynamodb)
    setting.fill(120)
    result = setting.backfill(BackfillOptions(segments=5, workers=3, page_items=10))
    assert (result.status, result.exit_status, result.items, result.failed) == ("complete", 0, 120, 0)
    assert result.segments == result.segments_done == 5
    setting.assert_equal()
    raw = setting.client.scan(TableName=setting.migration.target.name)["Items"]
    assert len({item["_crossfade"]["S"] for item in raw}) == 120
    record = setting.run(setting.control.job(Job.BACKFILL))
    assert record.status is JobStatus.COMPLETE
    assert json.loads(json.dumps(result.as_json()))["items"] == 120


def test_hazard_01_an_add_before_the_backfill_counts_once(dynamodb: Database) -> None:
    """An ADD that reaches the target before the item itself does not leave a partial item, nor 1 beside 101."""
    setting = Setting(dynamodb)
    setting.put_directly("source", order(100))
    setting.jobs_client.before["scan"] = once(lambda: add(setting, 100, 1))
    assert setting.backfill().status == "complete"
    assert total_in_target(setting, 100) == "101"
    setting.assert_equal()


def test_hazard_01_an_add_between_scan_and_put_is_not_lost(dynamodb: Database) -> None:
    """The bulk write puts an older image over the mirrored one, and the check-read puts that right."""
    setting = Setting(dynamodb)
    setting.fill(30)
    setting.jobs_client.before["batch_write_item"] = once(lambda: add(setting, 7, 1000))
    result = setting.backfill(BackfillOptions(segments=1, workers=1))
    assert result.changed == 1
    assert total_in_target(setting, 7) == "1007"
    setting.assert_equal()


def test_hazard_01_an_item_deleted_between_scan_and_put_stays_deleted(dynamodb: Database) -> None:
    """A delete that was mirrored before the bulk write does not come back."""
    setting = Setting(dynamodb)
    setting.fill(30)
    setting.jobs_client.before["batch_write_item"] = once(lambda: setting.app("DeleteItem", Key=order_key(7)))
    assert setting.backfill(BackfillOptions(segments=1, workers=1)).changed == 1
    assert len(setting.held("target")) == 29
    setting.assert_equal()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_hazard_02_a_stale_page_does_not_overwrite_a_newer_write(dynamodb: Database, moment: str) -> None:
    """A put by the application wins, whether its mirror lands before the bulk write or just after it."""
    setting = Setting(dynamodb)
    setting.fill(10)
    newer = order(3, total={"N": "999"}, note={"S": "newer"})
    hooks = setting.jobs_client.before if moment == "before" else setting.jobs_client.after
    hooks["batch_write_item"] = once(lambda: setting.app("PutItem", Item=newer))
    assert setting.backfill(BackfillOptions(segments=1, workers=1)).status == "complete"
    assert total_in_target(setting, 3) == "999"
    setting.assert_equal()


def test_hazard_02_is_seen_without_the_check_read(dynamodb: Database) -> None:
    """The test above bites: with the rule switched off, the stale page wins."""
    setting = Setting(dynamodb)
    setting.fill(10)
    setting.jobs_client.before["batch_write_item"] = once(lambda: add(setting, 3, 1000))
    result = setting.backfill(BackfillOptions(segments=1, workers=1, rules=Rules.without("check-read")))
    assert result.status == "complete"
    assert total_in_target(setting, 3) == "3"


def test_hazard_10_a_bulk_write_that_lands_late_does_no_harm(dynamodb: Database) -> None:
    """No answer to a bulk write: a newer write is mirrored, then the old one lands; the backfill makes sure of it."""
    setting = Setting(dynamodb)
    setting.fill(40)
    late: list[Request] = []
    landed: list[Item] = []

    def no_answer(request: Request) -> Any:
        if late:
            return setting.client.batch_write_item(**request)
        late.append(request)
        raise ReadTimeoutError(endpoint_url="http://database")

    def land(request: Request) -> None:
        del request
        if late and not landed:  # the scan of the next segment: the page without an answer has been put aside
            (puts,) = late[0]["RequestItems"].values()
            landed.append(setting.migration.compiled.backward(puts[0]["PutRequest"]["Item"]))
            add(setting, int(landed[0]["order"]["S"][1:]), 1000)
            setting.client.batch_write_item(**late[0])

    setting.jobs_client.instead["batch_write_item"] = no_answer
    setting.jobs_client.before["scan"] = land
    assert setting.backfill().status == "complete"
    assert landed
    number = int(landed[0]["order"]["S"][1:])
    assert total_in_target(setting, number) == str(number + 1000)
    setting.assert_equal()


def test_what_the_batches_leave_undone_is_done_again(dynamodb: Database) -> None:
    """UnprocessedItems, UnprocessedKeys and a throttle cost time and nothing else."""
    setting = Setting(dynamodb)
    setting.fill(60)
    source, target = setting.migration.source.name, setting.migration.target.name
    calls = {"write": 0, "get": 0}

    def write(request: Request) -> Any:
        calls["write"] += 1
        if calls["write"] == 1:
            error = {"Error": {"Code": "ThrottlingException", "Message": "slow down"}}
            raise ClientError(cast("Any", error), "BatchWriteItem")
        puts = request["RequestItems"][target]
        half = len(puts) // 2
        setting.client.batch_write_item(RequestItems={target: puts[half:]})
        return {"UnprocessedItems": {target: puts[:half]} if half else {}}

    def get(request: Request) -> Any:
        calls["get"] += 1
        asked = request["RequestItems"][source]
        keys = asked["Keys"]
        half = len(keys) // 2
        reply = setting.client.batch_get_item(RequestItems={source: {**asked, "Keys": keys[half:]}})
        left = {source: {**asked, "Keys": keys[:half]}} if half else {}
        return {**reply, "UnprocessedKeys": left}

    setting.jobs_client.instead = {"batch_write_item": write, "batch_get_item": get}
    result = setting.backfill(BackfillOptions(segments=1, workers=1))
    assert (result.status, result.items) == ("complete", 60)
    assert calls["write"] > 3
    assert calls["get"] > 1
    setting.assert_equal()


def test_hazard_12_a_second_runner_is_refused_while_the_first_one_lives(dynamodb: Database) -> None:
    """Two runners never write at the same time, and the refusal says who the other is."""
    setting = Setting(dynamodb)
    setting.fill(20)
    refusals: list[NotPossibleInStage] = []

    def begin_second() -> None:
        with pytest.raises(NotPossibleInStage) as caught:
            _ = setting.backfill()
        refusals.append(caught.value)

    setting.jobs_client.before["batch_write_item"] = once(begin_second)
    assert setting.backfill().status == "complete"
    assert "is being run by" in refusals[0].message


def test_hazard_12_a_runner_that_was_taken_over_can_write_no_checkpoint(dynamodb: Database) -> None:
    """Once the lease of the former runner has ended another one goes on, and the former one is fenced."""
    setting = Setting(dynamodb)
    setting.fill(20)

    async def taken_over() -> BackfillResult:
        former = Session(
            setting.migration,
            setting.clients,
            Role.BACKFILL,
            note=no_note,
            calls_max=1,
            lease_seconds=0.5,
            landing_seconds=LANDING_SECONDS,
            connect=connect,
        )
        await former.run(former.agent.join())  # and never polls again
        claim = await former.run(claim_job(former.agent, setting.caller, Job.BACKFILL, 2))
        checkpoints = await former.run(load_checkpoints(claim))
        result = await asyncio.to_thread(setting.backfill)
        with pytest.raises(Fenced):
            _ = await former.run(save_checkpoint(claim, checkpoints[0]))
        await former.close()
        return result

    result = asyncio.run(taken_over())
    assert (result.status, result.resumed) == ("complete", True)


def test_hazard_17_two_source_items_never_meet_in_one_target_item(dynamodb: Database) -> None:
    """A mapping that does not lead back is a failure of the item, not an overwritten item."""
    setting = Setting(dynamodb)

    class Colliding:
        source_key = target_key = (("customer", "S"), ("order", "S"))
        source_key_extras = target_key_extras = ()

        def forward_key(self, key: Item) -> Item:
            return {**key, "order": {"S": "same"}}

        def backward_key(self, key: Item) -> Item:
            return {**key, "order": order_key(0)["order"]}

        def forward(self, item: Item) -> Item:
            return {**item, "order": {"S": "same"}}

    pair = replace(setting.pair, mapping=cast("Any", Colliding()))
    images = [order(0), order(7)]
    for image in images:
        setting.put_directly("source", image)
    copied = setting.run(copy_images(pair, images, Limits()))
    assert copied.items == 1
    assert [failure.source_key for failure in copied.failures] == [order_key(7)]
    assert "does not lead back" in copied.failures[0].reason


def test_hazard_25_an_item_that_an_index_refuses_is_counted_and_the_rest_is_written(dynamodb: Database) -> None:
    """A wrong type in an index key is refused by the target alone: one failure, 39 items, gate closed."""
    index = {
        "IndexName": "by-status",
        "KeySchema": [{"AttributeName": "status", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    attributes = [{"AttributeName": "status", "AttributeType": "S"}]
    setting = Setting(dynamodb, GlobalSecondaryIndexes=[index], AttributeDefinitions=attributes)
    setting.fill(40)
    setting.put_directly("source", order(5, status={"N": "1"}))
    result = setting.backfill()
    assert (result.status, result.exit_status, result.items, result.failed) == ("incomplete", 1, 39, 1)
    assert "order='o00005'" in result.samples[0].key
    assert "ValidationException" in result.samples[0].reason
    record = setting.run(setting.control.job(Job.BACKFILL))
    assert record.status is JobStatus.RUNNING


def test_hazard_26_an_item_that_outgrows_400_kb_is_counted_until_it_is_corrected(dynamodb: Database) -> None:
    """Suffix and stamp make it too large: counted and shown; when corrected, the same command completes."""
    setting = Setting(dynamodb)
    setting.fill(30)
    setting.put_directly("source", order(5, note={"S": "x" * (400 * 1024 - 60)}))
    result = setting.backfill()
    assert (result.status, result.failed, len(result.samples)) == ("incomplete", 1, 1)
    assert len(setting.held("target")) == 29
    setting.app("PutItem", Item=order(5))
    again = setting.backfill()
    assert (again.status, again.failed, again.resumed) == ("complete", 0, True)
    setting.assert_equal()


def test_an_item_that_cannot_be_mapped_is_never_skipped_in_silence(dynamodb: Database) -> None:
    """A mapping error is counted; one that is corrected before the second look is none."""
    setting = Setting(dynamodb)
    setting.fill(20)
    for number in (3, 4):
        setting.put_directly("source", order(number, amount={"N": "1"}))  # the new name of `total` is taken
    setting.jobs_client.before["batch_get_item"] = once(lambda: setting.app("PutItem", Item=order(4)))
    result = setting.backfill(BackfillOptions(segments=1, workers=1))
    assert (result.status, result.failed) == ("incomplete", 1)
    assert "order='o00003'" in result.samples[0].key
    assert "amount" in result.samples[0].reason


def test_stop_at_the_first_error(dynamodb: Database) -> None:
    """With that option, the backfill ends after the page in which something failed."""
    setting = Setting(dynamodb)
    setting.fill(60)
    setting.put_directly("source", order(3, amount={"N": "1"}))
    options = BackfillOptions(segments=1, workers=1, page_items=60)
    assert setting.backfill(replace(options, page_items=5, stop_at_first_error=True)).items < 59
    assert setting.backfill(options).items == 59


def test_samples_are_few_and_counts_are_exact(dynamodb: Database) -> None:
    """Thirty failures are thirty, and ten of them are shown."""
    setting = Setting(dynamodb)
    for number in range(30):
        setting.put_directly("source", order(number, amount={"N": "1"}))
    result = setting.backfill()
    assert (result.failed, len(result.samples)) == (30, 10)


def test_a_stop_finishes_the_page_and_the_same_command_goes_on(dynamodb: Database) -> None:
    """Ctrl-C in the middle: the page under way is checkpointed, and none is copied twice."""
    setting = Setting(dynamodb)
    setting.fill(100)
    stop = threading.Event()
    options = BackfillOptions(segments=2, workers=1, page_items=10)
    setting.jobs_client.before["batch_write_item"] = once(stop.set)
    first = setting.backfill(options, stop)
    assert (first.status, first.exit_status, first.items) == ("stopped", 2, 10)
    second = setting.backfill(options)
    assert (second.status, second.items, second.resumed) == ("complete", 100, True)
    setting.assert_equal()


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.LOCKSTEP_SOURCE])
def test_a_stage_without_mirrors_from_the_source_is_refused(dynamodb: Database, stage: Stage) -> None:
    """Nothing is written outside dualwrite and shadow, and the refusal says what to do."""
    setting = Setting(dynamodb, stage=stage)
    setting.fill(5)
    with pytest.raises(NotPossibleInStage) as caught:
        _ = setting.backfill()
    assert caught.value.next_step
    assert setting.held("target") == {}


def test_hazard_35_another_mapping_is_an_error(dynamodb: Database) -> None:
    """A runner with a mapping other than the one that was started touches nothing."""
    setting = Setting(dynamodb)
    setting.fill(5)
    migration = setting.migration
    setting.migration = Migration(
        migration.name,
        migration.source,
        migration.target,
        [rename("totel", "amount")],
        control_table=migration.control_table,
    )
    with pytest.raises(ConfigurationError, match="another mapping"):
        _ = setting.backfill()
    assert setting.held("target") == {}


def test_watching_never_harms(dynamodb: Database) -> None:
    """A progress callback that raises is counted, and progress holds plain values."""
    setting = Setting(dynamodb)
    setting.fill(20)
    seen: list[Progress] = []

    def watch(progress: Progress) -> None:
        seen.append(progress)
        raise RuntimeError("the terminal is gone")

    result = setting.backfill(on_progress=watch)
    assert result.status == "complete"
    assert result.observer_errors == len(seen) > 0
    assert (seen[-1].items_done, seen[-1].items_total, seen[-1].segments_done) == (20, 20, 2)


def test_a_complete_backfill_is_repeated_only_on_demand(dynamodb: Database) -> None:
    """The same command on a complete backfill is refused; `again` copies everything once more."""
    setting = Setting(dynamodb)
    setting.fill(10)
    assert setting.backfill().status == "complete"
    with pytest.raises(NotPossibleInStage):
        _ = setting.backfill()
    assert setting.backfill(BackfillOptions(segments=1, workers=1, again=True)).items == 10


def test_a_lease_that_ended_stops_the_page_and_not_the_job(dynamodb: Database) -> None:
    """A pause beyond the lease: nothing more of that page is sent; it is copied again under the next lease."""
    setting = Setting(dynamodb)
    setting.fill(30)
    paused: list[str] = []

    def pause(name: str, facts: dict[str, Any]) -> None:
        if name == "fenced":
            paused.append(facts["client"])

    def fence() -> None:
        leases = setting.run(setting.control.leases())
        for lease in leases:
            setting.client.delete_item(
                TableName=setting.migration.control_table, Key=setting.control.key(f"client#{lease.client}")
            )
        while not paused:  # until the runner's own polling has noticed
            _ = threading.Event().wait(0.01)

    setting.jobs_client.before["batch_write_item"] = once(fence)
    result = setting.backfill(on_note=pause)
    assert paused
    assert (result.status, result.items, result.resumed) == ("complete", 30, True)
    setting.assert_equal()


def test_a_stop_waits_for_a_write_without_an_answer(dynamodb: Database) -> None:
    """Nobody else would make sure of that page: it is settled and checkpointed before the runner leaves."""
    setting = Setting(dynamodb)
    setting.fill(40)
    stop = threading.Event()

    def no_answer(request: Request) -> Any:
        del request
        stop.set()
        raise ReadTimeoutError(endpoint_url="http://database")

    setting.jobs_client.instead["batch_write_item"] = no_answer
    result = setting.backfill(BackfillOptions(segments=2, workers=1, page_items=10), stop)
    assert (result.status, result.items) == ("stopped", 10)
    assert len(setting.held("target")) == 10
    assert setting.run(setting.control.state()).unclean == 0
