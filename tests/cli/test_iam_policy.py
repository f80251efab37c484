"""`crossfade iam-policy`: a whole migration gets along with what it prints, and with nothing less."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from crossfade.control.rights import PARTIES, RIGHTS, SELDOM, WRITING, rights_of
from tests.cli.conftest import Shell
from tests.cli.rights_play import Play, make_tables
from tests.docs.commands import ROOT
from tests.service import FakeService
from tests.service.policies import Decision, Wanted, decide

STRATEGIES = tuple(RIGHTS)


@pytest.fixture
def service(bare_shell: Shell) -> Iterator[FakeService]:
    with FakeService.start(bare_shell.environment["AWS_ENDPOINT_URL_DYNAMODB"]) as started:
        yield started


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_migration_needs_just_what_is_printed(bare_shell: Shell, service: FakeService, strategy: str) -> None:
    """Application, jobs and operator go from `check` to `complete` with the printed policies and are denied nothing;
    with any one action less, one of the requests that were made would be. What this migration did not happen to need
    is named in the table with the reason."""
    make_tables(bare_shell, strategy)
    play = Play(bare_shell, service, strategy)
    policies: dict[str, Any] = {
        role: json.loads(play.types("anybody", "iam-policy", "--role", role)) for role in PARTIES
    }
    for role, policy in policies.items():
        service.role(role, policy)
    play.whole()
    denied = {(entry.caller, entry.operation, entry.tables) for entry in service.log if entry.code.startswith("Access")}
    assert denied == set()
    not_missed: list[tuple[str, str, str]] = []
    for role in PARTIES:
        asked = [Wanted(action, resource) for name, action, resource in service.asked if name == role]
        for n, statement in enumerate(policies[role]["Statement"]):
            for action in statement["Action"]:
                fewer = [each for each in statement["Action"] if each != action]
                left = [*policies[role]["Statement"]]
                left[n] = {**statement, "Action": fewer}
                if all(decide([{"Statement": left}], wanted) is Decision.ALLOWED for wanted in asked):
                    not_missed.append((role, list(rights_of(role, strategy))[n], action.removeprefix("dynamodb:")))
    assert [each for each in not_missed if each not in SELDOM] == []


def test_an_application_that_only_reads_is_granted_no_write(bare_shell: Shell, service: FakeService) -> None:
    """It goes through the stages with what --reads-only prints; copy-on-write alone has its reads copy items."""
    make_tables(bare_shell, "dual-write")
    play = Play(bare_shell, service, "dual-write")
    printed = json.loads(play.types("anybody", "iam-policy", "--role", "application", "--reads-only"))
    service.role("application", printed)
    _ = play.types("operator", "start", "--execute")
    with play.application() as application:
        for stage in ("dualwrite", "shadow"):
            application.reads()
            _ = play.types("operator", "advance", "--to", stage, "--execute")
        application.reads()
    assert [entry.operation for entry in service.log if entry.code.startswith("Access")] == []
    assert not re.search("Put|Update|Delete|BatchWrite", str(printed["Statement"][:4]))
    copies = rights_of("application", "copy-on-write", reads_only=True)
    assert [action for side in ("source", "target") for action in copies[side] if action in WRITING] == [
        "ConditionCheckItem",
        "PutItem",
    ]
    assert "--role application" in bare_shell("iam-policy", "--role", "jobs", "--reads-only", status=2).output


def test_what_is_not_known_of_a_table_is_said(bare_shell: Shell) -> None:
    """Without credentials ACCOUNT stands in the policy, which standard error says; so does REGION, unless it is
    given. A migration by another strategy is refused with where to look."""
    bare_shell.write()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        del bare_shell.environment[name]
    told = bare_shell("iam-policy", "--role", "jobs")
    source = bare_shell.tables["source"]
    assert json.loads(told.stdout)["Statement"][0]["Resource"] == f"arn:aws:dynamodb:REGION:ACCOUNT:table/{source}"
    assert "REGION stands for" in told.stderr
    assert "ACCOUNT stands for" in told.stderr
    told = bare_shell("iam-policy", "--role", "jobs", "--region", "eu-central-1")
    assert f"arn:aws:dynamodb:eu-central-1:ACCOUNT:table/{source}/stream/*" in told.stdout
    bare_shell.write("[identity()]", strategy="freeze")
    assert "docs/permissions.md" in bare_shell("iam-policy", "--role", "jobs", status=2).stderr


def test_the_page_of_permissions_says_the_same() -> None:
    """Each row of docs/permissions.md is one of the table, and each of the table is there, with what is seldom asked
    for and why."""
    text = (ROOT / "docs" / "permissions.md").read_text(encoding="utf-8")
    wanted = [*rows(), *seldom()]
    assert "\n".join(row for row in wanted if row not in text) == ""


def rows() -> Iterator[str]:
    for role in PARTIES:
        for strategy in STRATEGIES:
            for resource, actions in rights_of(role, strategy).items():
                yield f"| {strategy} | `{resource}` | {', '.join(f'`{action}`' for action in actions)} |"


def seldom() -> Iterator[str]:
    for (role, resource, action), reason in SELDOM.items():
        yield f"| {role} | `{resource}` | `{action}` | {reason} |"
