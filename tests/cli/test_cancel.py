"""Giving up in every stage of either strategy: what is left where is said before, and is so after."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crossfade import attach
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.stages import COPY_ON_WRITE, DUAL_WRITE, Stage
from crossfade.migration import load
from tests.cli.conftest import ITEMS, Shell, order
from tests.conftest import Database

PARTS = ("customer", "order_id")
QUICK = ("--segments", "1", "--workers", "1")


def key(number: int) -> Item:
    return {part: order(number)[part] for part in PARTS}


def application_writes(shell: Shell, database: Database) -> None:
    """Five writes through the router, by a process that ends in order."""
    source = shell.tables["source"]
    client: Any = database.client()
    router = attach(client, load(shell.file), poll_seconds=0.05, landing_seconds=1.0)
    paid = {"UpdateExpression": "SET paid = :p", "ExpressionAttributeValues": {":p": {"S": "yes"}}}
    for number in (1, ITEMS + 1):
        client.update_item(TableName=source, Key=key(number), **paid)
    client.put_item(TableName=source, Item=order(ITEMS))
    for number in (2, ITEMS + 2):
        client.delete_item(TableName=source, Key=key(number))
    assert router.detach(10.0)


def what_applications_know() -> list[Item]:
    items = {number: order(number) for number in range(ITEMS + 1) if number != 2}
    items[1] = {**items[1], "paid": {"S": "yes"}}
    items[ITEMS + 1] = {**key(ITEMS + 1), "paid": {"S": "yes"}}
    return in_order(items.values())


def in_order(items: Any) -> list[Item]:
    plain = [{name: value for name, value in item.items() if name != STAMP} for item in items]
    return sorted(plain, key=lambda item: str(item["order_id"]))


def records(shell: Shell) -> set[str]:
    """What is left in the control table, by the beginnings of its names."""
    return {item["record"]["S"].partition("#")[0] for item in shell.scan(shell.tables["control"])}


@pytest.mark.parametrize("stage", [stage for stage in DUAL_WRITE if stage is not Stage.COMPLETE])
def test_dual_write_can_be_given_up_in_every_stage(started: Shell, dynamodb: Database, stage: Stage) -> None:
    """The source has all that applications know, whichever side decided; of the migration the journal is left."""
    if stage is not Stage.OFF:
        _ = started("advance", "--to", "dualwrite", "--execute")
    if stage not in (Stage.OFF, Stage.DUALWRITE):
        _ = started("backfill", *QUICK, "--execute")
        _ = started("verify", *QUICK)
        _ = started("advance", "--to", stage.value, "--execute")
    application_writes(started, dynamodb)
    before = started.everything()
    plan = started.json("cancel")
    assert started.everything() == before
    source, target = plan["remarks"]
    assert source.startswith(f"{started.tables['source']}: every item")
    assert target.startswith(f"{started.tables['target']}: what it holds now; nothing keeps it up to date")
    assert started.json("cancel", "--execute")["left"] == plan["remarks"]
    assert in_order(started.scan(started.tables["source"])) == what_applications_know()
    assert not any(STAMP in item for item in started.scan(started.tables["source"]))
    assert records(started) == {"journal"}
    _ = started("start", "--execute")


def test_a_way_that_is_closed_further_down_is_not_begun(started: Shell) -> None:
    """In live, with a client since that ended unfinished: the stage stays, and the gate says what to do."""
    _ = started("advance", "--to", "live", "--force", "--why", "a test", "--execute")
    before = started.everything()
    assert "nothing has been verified" in started("cancel", "--execute", status=1).output
    assert started.everything() == before


@pytest.mark.parametrize("stage", ["off", "stamp", "prepare", "drain"])
def test_copy_on_write_can_be_given_up_while_the_target_is_empty(
    draining: Shell, dynamodb: Database, stage: str
) -> None:
    """The source has all that applications know, stamps and all, and that is said."""
    if stage != "off":
        _ = draining("advance", "--to", "stamp" if stage == "stamp" else "prepare", "--execute")
    application_writes(draining, dynamodb)
    if stage == "drain":
        _ = draining("advance", "--to", "drain", "--execute")
    plan = draining.json("cancel")
    source, target = plan["remarks"]
    assert "every item; what was written since stamp keeps the attribute _crossfade" in source
    assert target == f"{draining.tables['target']}: nothing; it can be deleted."
    assert draining.json("cancel", "--execute")["left"] == plan["remarks"]
    items = draining.scan(draining.tables["source"])
    assert in_order(items) == what_applications_know()
    stamped = {item["order_id"]["S"] for item in items if STAMP in item}
    assert stamped == (set() if stage == "off" else {"0001", "0060", "0061"})
    assert draining.scan(draining.tables["target"]) == []
    assert records(draining) == {"journal"}


@pytest.mark.parametrize("stage", [stage for stage in COPY_ON_WRITE if not COPY_ON_WRITE[stage].is_single])
def test_copy_on_write_is_not_given_up_once_the_target_has_items(
    draining: Shell, dynamodb: Database, stage: Stage
) -> None:
    """Nothing at all is changed, not even the stage; and it is said what is where, and what remains to be done."""
    _ = draining("advance", "--to", "drain", "--execute")
    application_writes(draining, dynamodb)
    if stage is Stage.PREPARE:
        _ = draining("rollback", "--to", "prepare", "--execute")
    if stage is Stage.RAMPDOWN:
        _ = draining("backfill", *QUICK, "--execute")
        _ = draining("verify", *QUICK)
        _ = draining("advance", "--to", "rampdown", "--execute")
    before = draining.everything()
    for words in (("cancel",), ("cancel", "--execute")):
        said = " ".join(draining(*words, status=1).output.split())
        assert f"{draining.tables['target']}: what was written or copied since drain was entered" in said
        assert f"this migration cannot be given up any more. Stay in {stage}, or go on to complete." in said
        assert "holds items that below prepare nobody would look at" in said
        assert "Way back" not in said
    assert draining.everything() == before


@pytest.mark.parametrize("strategy", ["dual-write", "copy-on-write"])
def test_what_is_complete_is_not_given_up(bare_shell: Shell, strategy: str) -> None:
    """There is no way back, and nothing to give up."""
    bare_shell.write(strategy=strategy)
    bare_shell.create("source")
    bare_shell.create("target")
    _ = bare_shell("start", "--execute")
    _ = bare_shell("advance", "--to", "dualwrite" if strategy == "dual-write" else "drain", "--execute")
    _ = bare_shell("backfill", *QUICK, "--execute")
    _ = bare_shell("verify", *QUICK)
    _ = bare_shell("advance", "--to", "rampdown", "--execute")
    quiet = ("--quiet-days", "0") if strategy == "copy-on-write" else ()
    _ = bare_shell("complete", "--execute", "--confirm", bare_shell.mark, *quiet)
    before = json.dumps(bare_shell.everything())
    assert "is complete: there is nothing left to give up" in bare_shell("cancel", "--execute", status=1).output
    assert json.dumps(bare_shell.everything()) == before
