"""The pages that list things list all of them: arguments, and the permissions of what is sent."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import botocore.session
import pytest

from crossfade import Index, Migration, Table, attach, detach_on_sigterm

ROOT: Final = Path(__file__).parents[2]
SENDING: Final = ("aws", "backfill", "check", "cleanup", "cli", "control", "core", "jobs", "streams", "verify")
# IAM knows no actions of transactions.
ACTIONS: Final = {
    "TransactWriteItems": ("PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"),
    "TransactGetItems": ("GetItem",),
}


def test_every_operation_that_is_sent_has_its_permission() -> None:
    """docs/permissions.md names the action of each operation that crossfade itself asks DynamoDB or a stream for."""
    text = (ROOT / "docs" / "permissions.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(?:dynamodb:)?(\w+)`", text))
    wanted = {action for operation in set(sent()) for action in ACTIONS.get(operation, (operation,))}
    assert {"Query", "DescribeStream", "ConditionCheckItem"} <= wanted
    assert wanted - named == set()


def sent() -> Iterator[str]:
    """The names of operations that stand as arguments in the source, and those of client methods."""
    known = {name for service in ("dynamodb", "dynamodbstreams") for name in operations_of(service)}
    methods = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): name for name in known}
    for path in (each for room in SENDING for each in (ROOT / "src" / "crossfade" / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield from (a.value for a in node.args if isinstance(a, ast.Constant) and a.value in known)
                if isinstance(node.func, ast.Attribute) and node.func.attr in methods:
                    yield methods[node.func.attr]


def operations_of(service: str) -> list[str]:
    session: Any = botocore.session.Session()
    names: list[str] = session.get_service_model(service).operation_names
    return names


@pytest.mark.parametrize(
    "thing", [Migration, Table, Index, attach, detach_on_sigterm], ids=lambda thing: thing.__name__
)
def test_every_argument_is_described(thing: Callable[..., Any]) -> None:
    """docs/reference.md has a row for each argument of what a migration file and an application call."""
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {thing.__name__}\n")[1].split("\n## ")[0]
    described = {
        name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in row.strip("`").split("`, `")
    }
    names = {each.name for each in fields(thing) if each.init} if isinstance(thing, type) else {*signature(thing)}
    assert described == names


def signature(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)
