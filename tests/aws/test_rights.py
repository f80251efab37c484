"""What a process would be denied in a coming stage is found out before, and holds the stage up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from crossfade.control.rights import READING
from crossfade.core.stages import Stage
from tests.aws.conftest import wait_for
from tests.cli.conftest import Shell, bare_shell
from tests.cli.rights_play import INDEX, ONE_PART, Application, Play, make_tables
from tests.service import Answer, FakeService, Received
from tests.service.answers import refusal

__all__ = ["bare_shell"]

ROLE = "application"


@pytest.fixture
def play(bare_shell: Shell) -> Iterator[Play]:
    """A started migration by dual-write, whose application has a role."""
    with FakeService.start(bare_shell.environment["AWS_ENDPOINT_URL_DYNAMODB"]) as service:
        make_tables(bare_shell, "dual-write")
        made = Play(bare_shell, service, "dual-write")
        _ = made.types("operator", "start", "--execute")
        yield made


def denied(application: Application) -> str:
    """Return what the process tells, once it has tried."""
    agent = application.router.agent
    wait_for(lambda: bool(agent.denied), "something is denied")
    return agent.denied


def found(play: Play) -> tuple[list[str], str]:
    """Return what two processes tell: one whose rights are as they were set, and the whole of `status`."""
    with play.application() as application:
        told = denied(application)
        wait_for(lambda: told in play.types("operator", "status"), "it is in the lease")
        return told.replace(f"-{play.shell.mark}", "").split(", "), play.types("operator", "status")


def test_a_role_without_rights_on_the_target_is_held_before_lockstep(play: Play) -> None:
    """It changes nothing to find that out; `status` names process, host, table and action, the gate is closed, and
    open some seconds after the role has its rights: the process tries again."""
    play.service.deny(ROLE, ["PutItem", "ConditionCheckItem"], play.shell.tables["target"])
    before = play.shell.everything()
    with play.application() as application:
        assert denied(application) == "PutItem on {t}, ConditionCheckItem on {t}".format(t=play.shell.tables["target"])
        after = play.shell.everything()
        assert {name: after[name] for name in before if "control" not in name} == {
            name: items for name, items in before.items() if "control" not in name
        }
        client = next(each for each in play.shell.json("status")["clients"])
        assert client["denied"] == application.router.agent.denied
        said = play.types("operator", "status")
        assert f"denied to {client['host']} {client['pid']}: PutItem on {play.shell.tables['target']}" in said
        _ = play.types("operator", "advance", "--to", "shadow", "--execute")
        _ = play.types("jobs", "backfill", *ONE_PART, "--execute")
        closed = play.types("operator", "advance", "--execute", status=1)
        assert f"allowed  CLOSED  denied to {client['host']}, pid {client['pid']}: PutItem on" in closed
        assert "crossfade iam-policy" in closed
        assert "allowed  CLOSED" in play.types("operator", "advance", "--ramp", "10", "--execute", status=1)
        play.service.restore(ROLE)
        wait_for(lambda: "allowed  CLOSED" not in play.types("operator", "status"), "it has tried again")
        _ = play.types("operator", "advance", "--execute")
        assert application.router.stage is Stage.LOCKSTEP_SOURCE


def test_copy_on_write_is_held_before_prepare(bare_shell: Shell) -> None:
    """`stamp` uses the source alone; in `prepare` each read looks into the target first."""
    with FakeService.start(bare_shell.environment["AWS_ENDPOINT_URL_DYNAMODB"]) as service:
        make_tables(bare_shell, "copy-on-write")
        play = Play(bare_shell, service, "copy-on-write")
        _ = play.types("operator", "start", "--execute")
        service.deny(ROLE, "*", bare_shell.tables["target"])
        with play.application() as application:
            assert "GetItem on target" in denied(application).replace(f"-{bare_shell.mark}", "")
            _ = play.types("operator", "advance", "--to", "stamp", "--execute")
            assert "allowed  CLOSED" in play.types("operator", "advance", "--execute", status=1)


def test_what_is_denied_on_both_tables_is_not_asked_for(play: Play) -> None:
    """An application that may not write either table only reads; one that puts needs what mirrors and lockstep take."""
    for table in ("source", "target"):
        play.service.deny(ROLE, ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"], play.shell.tables[table])
    play.service.deny(ROLE, "ConditionCheckItem", play.shell.tables["target"])
    play.service.deny(ROLE, "ConditionCheckItem", play.shell.tables["source"])
    asked = set(READING)
    with play.application() as application:
        wait_for(lambda: asked <= {"DescribeTimeToLive", *operations(play)}, "everything was tried")
        wait_for(lambda: "control" in tables_of_checks(play), "the last of it, too")
        assert application.router.agent.denied == ""


def operations(play: Play) -> set[str]:
    return {entry.operation for entry in play.service.log if entry.caller == ROLE}


def tables_of_checks(play: Play) -> set[str]:
    checks = [entry for entry in play.service.log if entry.operation == "TransactWriteItems" and entry.caller == ROLE]
    return {table.removesuffix(f"-{play.shell.mark}") for entry in checks for table in entry.tables}


def test_an_update_needs_the_put_that_it_becomes(play: Play) -> None:
    """A role that may only update, on both tables, is denied the put of the mirror."""
    for table in ("source", "target"):
        play.service.deny(ROLE, ["PutItem", "DeleteItem", "BatchWriteItem"], play.shell.tables[table])
    told, _ = found(play)
    assert told == ["PutItem on source", "PutItem on target"]


def test_the_index_of_one_table_and_the_records_are_tried(play: Play) -> None:
    """A Query of the target's index; a delete in the control table, by which a lease is given back."""
    play.service.deny(ROLE, "Query", play.shell.tables["target"], index=INDEX)
    play.service.deny(ROLE, "DeleteItem", play.shell.tables["control"])
    told, status = found(play)
    assert told == [f"Query on target/index/{INDEX}", "DeleteItem on control"]
    assert "DeleteItem on control" in status.replace(f"-{play.shell.mark}", "")


def test_a_condition_on_leading_keys_is_named_as_the_likely_reason(play: Play) -> None:
    """The key that is tried is nobody's, so it is denied on both tables; on one alone, it is told as any other."""
    condition: Any = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["customer-*"]}}
    play.service.role(ROLE)
    play.service.allow(ROLE, "*", play.shell.tables["control"])
    for table in ("source", "target"):
        play.service.allow(ROLE, "*", play.shell.tables[table], condition=condition)
    told, status = found(play)
    assert told[0].startswith(
        "GetItem on source and target (of a key that no item has: does a condition on dynamodb:Lea"
    )
    assert "a key that the mapping spreads is another one" in status


@pytest.mark.parametrize(
    ("code", "text", "said"),
    [
        ("AccessDeniedException", "not authorized to perform: kms:Decrypt on resource", "(kms:Decrypt of its key)"),
        ("KMSAccessDeniedException", "The ciphertext refers to a key that you may not use", "(the KMS key of it)"),
    ],
)  # fmt: skip
def test_a_key_that_the_role_may_not_use_is_told_as_that(play: Play, code: str, text: str, said: str) -> None:
    """The target's KMS key is another one: every read of it is denied, by KMS."""

    def plan(received: Received) -> Answer | None:
        is_read = received.operation in ("GetItem", "BatchGetItem") and received.caller == ROLE
        return refusal(code, text) if is_read and play.shell.tables["target"] in received.tables else None

    play.service.plan(plan)
    told, _ = found(play)
    assert told == [f"GetItem on target {said}", f"BatchGetItem on target {said}"]
