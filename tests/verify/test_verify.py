"""Verify and repair on the embedded engine: every kind of damage, traffic beside it, and what is left alone."""

from __future__ import annotations

import json
import threading
import time
import tracemalloc
from typing import Any

import pytest

from crossfade.control.evidence import Evidence
from crossfade.control.gates import findings
from crossfade.control.records import Job
from crossfade.core.effects import Reply, Request
from crossfade.core.items import Item
from crossfade.core.stages import Gate, Stage
from crossfade.core.sync.sync import sync
from crossfade.errors import ConfigurationError, NotPossibleInStage
from crossfade.jobs.connecting import Connection, lean
from crossfade.mapping import rename
from crossfade.migration import Migration
from crossfade.verify import run as verify_run
from crossfade.verify.result import VerifyOptions
from tests.backfill.setting import Setting, once, order, order_key
from tests.conftest import Database


def equal_tables(dynamodb: Database, count: int = 60) -> Setting:
    setting = Setting(dynamodb)
    setting.fill(count)
    assert setting.backfill().status == "complete"
    return setting


def target_item(setting: Setting, number: int) -> Item | None:
    key = setting.migration.compiled.forward_key(order_key(number))
    reply = setting.client.get_item(TableName=setting.migration.target.name, Key=key, ConsistentRead=True)
    item: Item | None = reply.get("Item")
    return item


def delete_directly(setting: Setting, side: Any, number: int) -> None:
    key = order_key(number) if side == "source" else setting.migration.compiled.forward_key(order_key(number))
    setting.client.delete_item(TableName=setting.migration.table(side).name, Key=key)


def damage(setting: Setting) -> None:
    """One missing, one mismatched, one extra that crossfade wrote."""
    delete_directly(setting, "target", 3)
    changed = target_item(setting, 4)
    assert changed is not None
    setting.put_directly("target", {**changed, "amount": {"N": "777"}})
    delete_directly(setting, "source", 5)


def is_verified(setting: Setting) -> bool:
    state = setting.run(setting.control.state())
    evidence = setting.run(Evidence.read(setting.control))
    (finding,) = findings((Gate.VERIFIED,), state, evidence)
    return finding.is_open


def test_equal_tables_are_clean_and_open_the_gate(dynamodb: Database) -> None:
    """Nothing is found, the exit status is 0, and the gate opens."""
    setting = equal_tables(dynamodb)
    assert not is_verified(setting)
    result = setting.verify()
    assert (result.status, result.exit_status, result.matching, result.differences) == ("clean", 0, 60, 0)
    assert (result.source_items, result.target_items) == (60, 60)
    assert is_verified(setting)


def test_before_the_backfill_what_is_missing_is_the_backfills(dynamodb: Database) -> None:
    """A repair would copy the whole table key by key; once the backfill is complete it is what mends."""
    setting = Setting(dynamodb)
    setting.fill(3)
    result = setting.verify()
    assert (result.missing, result.next_step) == (3, "crossfade backfill --execute, then crossfade verify")
    assert setting.backfill().status == "complete"
    delete_directly(setting, "target", 1)
    assert setting.verify().next_step == "crossfade verify --repair --execute, then crossfade verify"


def test_hazard_32_every_single_difference_is_found(dynamodb: Database) -> None:
    """One missing, one extra and one mismatched among three hundred: no sample, no count, no join would do."""
    setting = equal_tables(dynamodb, 300)
    damage(setting)
    result = setting.verify()
    assert (result.missing, result.extra, result.mismatched) == (1, 1, 1)
    assert (result.status, result.exit_status, result.matching) == ("differences", 1, 297)
    assert not is_verified(setting)
    texts = {sample.kind: sample.text() for sample in result.samples}
    assert "- amount: 4" in texts["mismatched"]
    assert "+ amount: 777" in texts["mismatched"]
    assert "note" not in texts["mismatched"]
    assert "order='o00003'" in texts["missing"]
    assert "- note: 'order 3'" in texts["missing"]
    assert "+ note: 'order 5'" in texts["extra"]
    assert json.loads(json.dumps(result.as_json()))["extra"] == 1


def test_hazard_32_an_item_in_the_wrong_place_is_extra(dynamodb: Database) -> None:
    """It maps back to an item that exists, but that one belongs under another key; a look-up alone would miss it."""
    setting = equal_tables(dynamodb)
    item = target_item(setting, 7)
    assert item is not None
    other = "#0" if not item["customer"]["S"].endswith("#0") else "#1"
    setting.put_directly("target", {**item, "customer": {"S": order_key(7)["customer"]["S"] + other}})
    setting.put_directly("target", {"customer": {"S": "no suffix"}, "order": {"S": "x"}})
    result = setting.verify()
    assert (result.extra, result.missing, result.mismatched) == (2, 0, 0)
    repaired = setting.verify(VerifyOptions(repair=True))
    assert (repaired.repaired, repaired.left_alone) == (1, 1)
    assert len(setting.held("target")) == 61


def test_a_rate_holds_for_all_workers_together(dynamodb: Database) -> None:
    """Of 60 items in each table at 60 a second: what was read last need not be waited for, so over a second."""
    setting = equal_tables(dynamodb)
    began = time.monotonic()
    result = setting.verify(VerifyOptions(items_per_second=60.0, page_items=5))
    assert result.status == "clean"
    assert (result.source_items, result.target_items) == (60, 60)
    assert time.monotonic() - began > 1.2
    with pytest.raises(ConfigurationError, match="items_per_second is 0, and must be above 0"):
        _ = VerifyOptions(items_per_second=0.0)


def test_more_differences_than_samples_are_all_counted(dynamodb: Database) -> None:
    """Sixty missing are sixty, and ten of them are shown."""
    setting = Setting(dynamodb)
    setting.fill(60)
    result = setting.verify()
    assert (result.missing, len(result.samples)) == (60, 10)


@pytest.mark.parametrize("stage", [Stage.SHADOW, Stage.LIVE])
def test_hazard_21_a_write_in_flight_is_not_damage(dynamodb: Database, stage: Stage) -> None:
    """A difference seen at first sight, whose mirror arrives before the second look, is not reported."""
    setting = equal_tables(dynamodb)
    setting.move(stage)
    authority: Any = "source" if stage is Stage.SHADOW else "target"
    looks: list[Request] = []
    if authority == "source":
        setting.put_directly("source", order(9, total={"N": "1000"}))
    else:
        item = target_item(setting, 9)
        assert item is not None
        setting.put_directly("target", {**item, "amount": {"N": "1000"}})

    def mirror_arrives(request: Request) -> None:
        looks.append(request)
        asked = request["RequestItems"].get(setting.migration.source.name, {}).get("Keys", [])
        if asked == [order_key(9)]:  # the second look at it
            setting.run(sync(setting.pair, authority, order_key(9)))

    setting.jobs_client.before["batch_get_item"] = mirror_arrives
    result = setting.verify(VerifyOptions(workers=1, segments=1))
    assert looks
    assert result.status == "clean"


def test_a_repair_makes_equal_and_the_next_run_opens_the_gate(dynamodb: Database) -> None:
    """All three kinds are repaired toward the source; the repairing run itself opens nothing."""
    setting = equal_tables(dynamodb)
    damage(setting)
    result = setting.verify(VerifyOptions(repair=True))
    assert (result.status, result.exit_status, result.repaired, result.differences) == ("repaired", 0, 3, 3)
    setting.assert_equal()
    assert not is_verified(setting)
    assert setting.verify().status == "clean"
    assert is_verified(setting)


def test_a_repair_that_does_not_last_is_none(dynamodb: Database) -> None:
    """Each repaired key is looked at again: where somebody undoes the repair at once, the tables are not equal."""
    setting = equal_tables(dynamodb)
    damaged = {**setting.migration.compiled.forward(order(4)), "amount": {"N": "1"}}
    setting.put_directly("target", damaged)
    setting.jobs_client.after["put_item"] = lambda _: setting.put_directly("target", damaged)
    result = setting.verify(VerifyOptions(repair=True))
    assert (result.status, result.exit_status) == ("differences", 1)
    assert (result.mismatched, result.repaired, result.not_repaired) == (1, 0, 1)


def test_hazard_33_a_repair_never_overwrites_a_newer_write(dynamodb: Database) -> None:
    """The application writes between the repair's read and its write; the newer image stays, on both sides."""
    setting = equal_tables(dynamodb)
    damage(setting)
    newer = order(4, total={"N": "5000"})
    writes: list[Request] = []

    def write_newer(request: Request) -> None:
        if request["Item"]["order"] == newer["order"] and not writes:
            writes.append(request)
            setting.app("PutItem", Item=newer)

    setting.jobs_client.before["put_item"] = write_newer
    result = setting.verify(VerifyOptions(repair=True))
    assert writes
    assert result.repaired == 3
    item = target_item(setting, 4)
    assert item is not None
    assert item["amount"] == {"N": "5000"}
    setting.assert_equal()


def test_hazard_33_an_item_that_was_there_before_is_left_alone(dynamodb: Database) -> None:
    """It carries no stamp, so crossfade did not write it, so crossfade does not delete it."""
    setting = equal_tables(dynamodb)
    foreign = setting.migration.compiled.forward(order(900))
    setting.put_directly("target", foreign)
    result = setting.verify(VerifyOptions(repair=True))
    assert (result.status, result.extra, result.left_alone, result.repaired) == ("differences", 1, 1, 0)
    assert target_item(setting, 900) == foreign


def test_in_live_a_repair_goes_back_to_the_source(dynamodb: Database) -> None:
    """The target is the authority there: its items are copied back, and what it deleted is deleted."""
    setting = equal_tables(dynamodb)
    setting.move(Stage.LIVE)
    damage(setting)
    result = setting.verify(VerifyOptions(repair=True))
    assert result.repaired == 3
    held = setting.held("source").values()
    totals = {item["order"]["S"]: item["total"]["N"] for item in held}
    assert "o00003" not in totals
    assert (totals["o00004"], totals["o00005"]) == ("777", "5")
    setting.assert_equal()


def test_what_may_never_have_been_copied_is_not_deleted(dynamodb: Database) -> None:
    """The gates were forced without a backfill: items that only the source has are its only copies."""
    setting = Setting(dynamodb, stage=Stage.LIVE)
    setting.fill(10)
    result = setting.verify(VerifyOptions(repair=True))
    assert (result.missing, result.left_alone, result.repaired) == (10, 10, 0)
    assert len(setting.held("source")) == 10


def test_in_lockstep_a_repair_goes_toward_the_source(dynamodb: Database) -> None:
    """The same in the stages in which one transaction writes both sides."""
    setting = equal_tables(dynamodb)
    setting.move(Stage.LOCKSTEP_SOURCE)
    damage(setting)
    assert setting.verify(VerifyOptions(repair=True)).repaired == 3
    setting.assert_equal()


def test_an_item_that_cannot_be_mapped_is_reported(dynamodb: Database) -> None:
    """It is missing in the target, the diff says why, and a repair cannot help."""
    setting = equal_tables(dynamodb)
    setting.put_directly("source", order(500, amount={"N": "1"}))
    result = setting.verify(VerifyOptions(repair=True))
    assert (result.missing, result.not_repaired) == (1, 1)
    assert "cannot be mapped" in result.samples[0].lines[0]


def test_where_only_one_table_is_written_it_is_refused(dynamodb: Database) -> None:
    """There the two differ by design."""
    setting = Setting(dynamodb, stage=Stage.OFF)
    with pytest.raises(NotPossibleInStage):
        _ = setting.verify()


def test_hazard_35_another_mapping_is_an_error(dynamodb: Database) -> None:
    """Comparing through a mapping other than the one that was started would find damage everywhere."""
    setting = equal_tables(dynamodb, 10)
    given = setting.migration
    setting.migration = Migration(
        given.name, given.source, given.target, [rename("totel", "amount")], control_table=given.control_table
    )
    with pytest.raises(ConfigurationError, match="another mapping"):
        _ = setting.verify()


def test_a_stop_gives_partial_counts_and_no_verdict(dynamodb: Database) -> None:
    """Ctrl-C: exit status 2, the gate stays closed, and the next run comes to an end."""
    setting = equal_tables(dynamodb)
    stop = threading.Event()
    setting.jobs_client.before["batch_get_item"] = once(stop.set)
    result = setting.verify(VerifyOptions(workers=1, page_items=10), stop)
    assert (result.status, result.exit_status, result.source_items) == ("stopped", 2, 10)
    assert not is_verified(setting)
    assert setting.verify().status == "clean"


def test_a_clean_finding_is_void_when_a_client_ends_without_a_drain_meanwhile(dynamodb: Database) -> None:
    """What was compared before that end may have been left different by it."""
    setting = equal_tables(dynamodb)

    def unclean() -> None:
        setting.client.update_item(**setting.control.add_unclean())

    setting.jobs_client.before["batch_get_item"] = once(unclean)
    assert setting.verify().status == "clean"
    assert not is_verified(setting)
    assert setting.run(setting.control.job(Job.VERIFY)).unclean == 0


def plain_order(number: int) -> Item:
    """Without a number of its own: parsed numbers are kept in a cache, which is bounded, and would be measured."""
    return order(number, total={"N": "1"})


class Endless:
    """A source of `count` items and an empty target, made up as they are asked for: nothing here is kept."""

    def __init__(self, setting: Setting, count: int) -> None:
        self._setting = setting
        self._count = count
        self.meta = setting.client.meta

    def connected(self, calls_max: int) -> Connection:
        self._connection = lean(self._setting.client, calls_max)
        return self

    async def call(self, operation: str, request: Request) -> Reply:
        if operation == "Scan":
            return self._scan(**request)
        if operation == "BatchGetItem":
            return self._batch_get_item(**request)
        return await self._connection.call(operation, request)

    async def aclose(self) -> None:
        await self._connection.aclose()

    def _scan(self, **request: Any) -> Reply:
        if request["TableName"] != self._setting.migration.source.name or request["Segment"]:
            return {"Items": []}
        first = int(request["ExclusiveStartKey"]["order"]["S"][1:]) + 1 if "ExclusiveStartKey" in request else 0
        last = min(first + request["Limit"], self._count)
        reply: dict[str, Any] = {"Items": [plain_order(n) for n in range(first, last)]}
        return reply if last == self._count else reply | {"LastEvaluatedKey": order_key(last - 1)}

    def _batch_get_item(self, **request: Any) -> Reply:
        ((table, asked),) = request["RequestItems"].items()
        if table != self._setting.migration.source.name:
            return {"Responses": {}}
        return {"Responses": {table: [plain_order(int(key["order"]["S"][1:])) for key in asked["Keys"]]}}


def peak_bytes(setting: Setting, count: int) -> int:
    made_up = Endless(setting, count)
    setting.jobs_client = made_up  # type: ignore[assignment]
    tracemalloc.start()
    try:
        result = setting.verify(VerifyOptions(workers=1, page_items=100))
        assert result.missing == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_damage(dynamodb: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times as many items, all of them missing, take the same memory: suspects are bounded, samples are few."""
    monkeypatch.setattr(verify_run, "SUSPECTS_MAX", 200)
    setting = Setting(dynamodb)
    _ = peak_bytes(setting, 300)  # caches fill
    few = peak_bytes(setting, 400)
    many = peak_bytes(setting, 4_000)
    assert many < few * 1.3 + 100_000
