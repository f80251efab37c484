"""backfill and verify as commands: progress, results, exit statuses, repair."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.cli.conftest import ITEMS, Shell, order

JOB = ("--segments", "2", "--workers", "2")


def test_backfill_writes_json_lines(at_stage: Callable[[str], Shell]) -> None:
    """Progress, then the result, each a line; a second run is refused with status 2 and names the next command."""
    shell = at_stage("dualwrite")
    lines = shell.lines("backfill", *JOB, "--execute")
    assert {line["event"] for line in lines} == {"progress", "result"}
    assert (lines[-1]["status"], lines[-1]["items"], lines[-1]["next_step"]) == ("complete", ITEMS, "crossfade verify")
    refused = shell("backfill", "--execute", status=2).stderr
    assert "the backfill is complete since" in refused
    assert "--again" in refused
    assert "Backfill complete" in shell("backfill", *JOB, "--again", "--execute").output


def test_backfill_that_cannot_copy_an_item(at_stage: Callable[[str], Shell]) -> None:
    """Status 1, the item with the reason, and what to do; corrected, the same command completes it."""
    shell = at_stage("dualwrite")
    wrong = {**order(7), "total": {"S": "seven"}}
    _ = shell.client.put_item(TableName=shell.tables["source"], Item=wrong)
    said = shell("backfill", *JOB, "--execute", status=1).output
    assert "Backfill incomplete" in said
    assert "order_id='0007'" in said
    _ = shell.client.put_item(TableName=shell.tables["source"], Item=order(7))
    assert "Backfill complete" in shell("backfill", *JOB, "--execute").output


def test_backfill_obeys_a_rate(at_stage: Callable[[str], Shell]) -> None:
    """The plan says the limits that were given."""
    shell = at_stage("dualwrite")
    assert (
        "at most 50 items and 20 write units a second"
        in shell("backfill", "--rate", "50", "--write-units", "20").output
    )


def test_verify_shows_differences_and_repairs_them(at_stage: Callable[[str], Shell]) -> None:
    """Status 1 and readable diffs; --repair needs --execute, and ends with status 0; after it a verify is clean."""
    shell = at_stage("dualwrite")
    _ = shell("backfill", *JOB, "--execute")
    changed, gone = shell.scan(shell.tables["target"])[:2]
    key = ("customer", "order_id")
    _ = shell.client.put_item(TableName=shell.tables["target"], Item={**changed, "amount": {"N": "1234567"}})
    _ = shell.client.delete_item(TableName=shell.tables["target"], Key={name: gone[name] for name in key})
    found = shell("verify", *JOB, status=1).output
    assert "mismatched  customer=" in found
    assert "+ amount: 1234567" in found
    assert "missing 1, extra 0, mismatched 1" in found
    assert "Nothing was changed; add --execute" in shell("verify", *JOB, "--repair").output
    assert "repaired 2" in shell("verify", *JOB, "--repair", "--execute").output
    assert "both tables are equal" in shell("verify", *JOB).output


def test_verify_writes_json_lines(at_stage: Callable[[str], Shell]) -> None:
    """The last line is the result with the next command."""
    shell = at_stage("dualwrite")
    _ = shell("backfill", *JOB, "--execute")
    result = shell.lines("verify", *JOB)[-1]
    assert (result["event"], result["status"], result["matching"]) == ("result", "clean", ITEMS)
    assert result["next_step"] == "crossfade advance --to shadow --execute"


def test_verify_counts_what_has_expired_in_one_table_apart(at_stage: Callable[[str], Shell]) -> None:
    """TTL of the target has deleted an item: no difference, no repair of it, and shown by the command and by status."""
    shell = at_stage("dualwrite")
    past = {**order(7), "expires": {"N": str(int(time.time()) - 60)}}
    _ = shell.client.put_item(TableName=shell.tables["source"], Item=past)
    _ = shell("backfill", *JOB, "--execute")
    specification = {"Enabled": True, "AttributeName": "expires"}
    _ = shell.client.update_time_to_live(TableName=shell.tables["target"], TimeToLiveSpecification=specification)
    while len(shell.scan(shell.tables["target"])) == ITEMS:  # until the engine has swept it
        time.sleep(0.1)
    found = shell("verify", *JOB).output
    assert "both tables are equal" in found
    assert "mismatched 0, expiring 1" in found
    assert (shell.lines("verify", *JOB)[-1]["expiring"], len(shell.scan(shell.tables["source"]))) == (1, ITEMS)
    assert "expiring in source 1" in shell("status").output
    assert "mismatched 0, expiring 1" in shell("verify", *JOB, "--repair", "--execute").output
    assert len(shell.scan(shell.tables["source"])) == ITEMS
