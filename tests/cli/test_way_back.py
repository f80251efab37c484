"""What a plan says of the way back."""

from __future__ import annotations

from collections.abc import Callable

from crossfade.control.records import STATE
from crossfade.core.stages import Stage
from tests.cli.conftest import Shell, order


def test_the_way_back_of_copy_on_write_ends_in_prepare(bare_shell: Shell) -> None:
    """Below it nobody would look at what the target holds by then: that gate cannot be passed, but before drain."""
    bare_shell.write(strategy="copy-on-write")
    bare_shell.create("source", 1)
    bare_shell.create("target")
    _ = bare_shell("start", "--execute")
    far = bare_shell("advance", "--to", Stage.DRAIN).output
    assert "rollback --to prepare --execute (no further, once the target has an item)" in " ".join(far.split())
    for stage in (Stage.STAMP, Stage.PREPARE):
        assert "rollback --to off --execute" in bare_shell("advance", "--to", stage).output


def test_a_way_back_is_open_where_each_of_its_steps_is(at_stage: Callable[[str], Shell]) -> None:
    """In live, with a verify that counts no more: the first step down is open, the second is not, and nothing moves."""
    shell = at_stage("live")
    assert "Way back  open: the source is kept equal" in shell("status").output
    key = {"migration": {"S": shell.mark}, "record": {"S": STATE}}
    _ = shell.client.update_item(
        TableName=shell.tables["control"],
        Key=key,
        UpdateExpression="ADD unclean :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    said = shell("status").output
    assert "Way back  closed now, below lockstep_target: needs a verify that finds nothing" in said
    for words in ((), ("--execute",)):
        said = shell("rollback", "--to", "off", *words, status=1).output
        assert "the step lockstep_target -> lockstep_source has a closed gate (verified)" in said
        assert "it leads to lockstep_target at most, which must then be named with --to" in said
        assert shell.json("status")["state"]["stage"] == "live"
    _ = shell("verify", "--segments", "1", "--workers", "1")
    assert "Way back  open" in shell("status").output
    _ = shell("rollback", "--to", "off", "--execute")
    assert shell.json("status")["state"]["stage"] == "off"


def test_a_rollback_that_is_named_no_further_than_it_can_go_goes_there(at_stage: Callable[[str], Shell]) -> None:
    """The stage that was said is one that can be named."""
    shell = at_stage("live")
    _ = shell.client.update_item(
        TableName=shell.tables["control"],
        Key={"migration": {"S": shell.mark}, "record": {"S": STATE}},
        UpdateExpression="ADD unclean :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    _ = shell("rollback", "--to", "lockstep_target", "--execute")
    assert shell.json("status")["state"]["stage"] == "lockstep_target"


def test_status_of_prepare_says_whether_the_target_is_empty(bare_shell: Shell) -> None:
    """With an item in it, nothing leads below prepare, and that is said as it is."""
    bare_shell.write(strategy="copy-on-write")
    bare_shell.create("source", 1)
    bare_shell.create("target")
    _ = bare_shell("start", "--execute")
    _ = bare_shell("advance", "--to", Stage.PREPARE, "--execute")
    assert "Way back  open: " in bare_shell("status").output
    _ = bare_shell.client.put_item(TableName=bare_shell.tables["target"], Item=order(1))
    said = bare_shell("status").output
    assert f"Way back  closed: {bare_shell.tables['target']} holds items" in said
    assert "has a closed gate (empty)" in bare_shell("rollback", "--execute", "--to", "off", status=1).output
    assert bare_shell.json("status")["state"]["stage"] == "prepare"
