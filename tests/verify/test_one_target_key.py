"""Items of the source that share one key of the target: named by backfill and verify, never repaired, never lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from crossfade.core.effects import Request
from crossfade.core.items import Item
from crossfade.core.stages import Side, Stage
from crossfade.core.sync.copy import CopyOutcome, copy_key
from crossfade.mapping import rename, use_as_key
from crossfade.verify.result import VerifyOptions
from tests.backfill.setting import KEY, Setting
from tests.conftest import Database


@dataclass(frozen=True)
class Way:
    """A mapping under which two items may meet; `meets` is what a second item has of the first."""

    pieces: list[Any]
    target_key: dict[str, str]
    meets: tuple[str, ...]


WAYS = {
    "a key alone": Way([use_as_key("guid")], {"guid": "S"}, ("guid",)),
    "in a partition": Way([use_as_key("guid")], {"customer": "S", "guid": "S"}, ("customer", "guid")),
    "beside other pieces": Way([use_as_key("guid"), rename("total", "amount")], {"guid": "S"}, ("guid",)),
}


def item(name: str) -> Item:
    return {"customer": {"S": f"c-{name}"}, "order": {"S": name}, "guid": {"S": f"g-{name}"}}


def count(setting: Setting, side: Side) -> int:
    items: list[Item] = setting.client.scan(TableName=setting.migration.table(side).name, ConsistentRead=True)["Items"]
    return len(items)


def draining(dynamodb: Database, way: Way) -> Setting:
    return Setting(
        dynamodb, mapping=way.pieces, stage=Stage.DRAIN, strategy="copy-on-write", keys=(KEY, way.target_key)
    )


def with_twins(dynamodb: Database, way: Way, *, copied: bool) -> Setting:
    """Three items, of which `b` and `c` share a key of the target; `copied`: b is in the target already."""
    setting = draining(dynamodb, way)
    first = item("b")
    for each in (item("a"), first):
        setting.put_directly("source", each)
    if copied:
        result = setting.run(copy_key(setting.pair, setting.pair.source_key(first)))
        assert result.outcome is CopyOutcome.COPIED
    setting.put_directly("source", {**item("c"), **{name: first[name] for name in way.meets}})
    return setting


@pytest.mark.parametrize("copied", [False, True], ids=["at once", "one after the other"])
@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
def test_both_are_named_and_nothing_is_called_complete_or_repaired(
    dynamodb: Database, way: Way, *, copied: bool
) -> None:
    """Backfill is incomplete; verify shows both keys of the source; a repair leaves both alone, and is no success."""
    setting = with_twins(dynamodb, way, copied=copied)
    backfill = setting.backfill()
    assert (backfill.status, backfill.exit_status, backfill.failed) == ("incomplete", 1, 1)
    (sample,) = backfill.samples
    assert "'b'" in sample.reason
    assert "'c'" in sample.reason
    for repair in (False, True):
        result = setting.verify(VerifyOptions(repair=repair))
        assert (result.status, result.exit_status) == ("differences", 1)
        assert (result.mismatched, result.repaired, result.left_alone) == (1, 0, int(repair))
        (difference,) = result.samples
        shown = difference.text()
        assert "'b'" in shown
    assert "'c'" in shown
    assert count(setting, "source") == 3
    assert count(setting, "target") == 2


@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
def test_once_one_of_them_is_corrected_both_are_copied(dynamodb: Database, way: Way) -> None:
    """The same commands go on, and say that all is well."""
    setting = with_twins(dynamodb, way, copied=False)
    assert setting.backfill().status == "incomplete"
    twin = {**item("c"), **{name: item("b")[name] for name in way.meets}}
    setting.client.delete_item(
        TableName=setting.migration.source.name, Key={name: twin[name] for name in setting.migration.source.key_names}
    )
    setting.put_directly("source", item("c"))
    repaired = setting.verify(VerifyOptions(repair=True))
    assert repaired.exit_status == 0
    assert setting.backfill().status == "complete"
    assert setting.verify().status == "clean"
    assert count(setting, "target") == 3


def test_a_target_key_that_holds_the_whole_old_one_cannot_meet(dynamodb: Database) -> None:
    """Items that share the attribute are two items of the target as well."""
    way = Way([use_as_key("guid")], {"order": "S", "guid": "S"}, ("guid",))
    setting = Setting(
        dynamodb,
        mapping=way.pieces,
        stage=Stage.DRAIN,
        strategy="copy-on-write",
        keys=({"order": "S"}, way.target_key),
    )
    for name in ("a", "b"):
        setting.put_directly("source", {"order": {"S": name}, "guid": {"S": "shared"}})
    assert setting.backfill().status == "complete"
    assert setting.verify().status == "clean"
    assert count(setting, "target") == 2


@pytest.mark.parametrize("strategy", ["dual-write", "copy-on-write"])
def test_a_repair_counts_what_it_has_seen_equal(dynamodb: Database, strategy: Any) -> None:
    """The target loses each item again just after it was written: none of them was repaired."""
    stage = Stage.DUALWRITE if strategy == "dual-write" else Stage.DRAIN
    setting = Setting(dynamodb, strategy=strategy, stage=stage)
    setting.fill(2)
    lost = setting.migration.target

    def lose(_request: Request) -> None:
        for found in setting.client.scan(TableName=lost.name, ConsistentRead=True)["Items"]:
            setting.client.delete_item(TableName=lost.name, Key={name: found[name] for name in lost.key_names})

    setting.jobs_client.after["put_item"] = lose
    setting.jobs_client.after["transact_write_items"] = lose
    result = setting.verify(VerifyOptions(repair=True))
    assert (result.missing, result.repaired, result.exit_status) == (2, 0, 1)


def test_a_stray_that_comes_back_was_not_removed(dynamodb: Database) -> None:
    """An item of the target that no item of the source maps to, and that somebody goes on writing."""
    setting = Setting(dynamodb)
    stray: Item = {"customer": {"S": "no suffix"}, "order": {"S": "1"}, "_crossfade": {"S": "ours"}}
    setting.put_directly("target", stray)

    def again(_request: Request) -> None:
        setting.put_directly("target", stray)

    setting.jobs_client.after["delete_item"] = again
    result = setting.verify(VerifyOptions(repair=True))
    assert (result.extra, result.repaired, result.not_repaired, result.exit_status) == (1, 0, 1, 1)
