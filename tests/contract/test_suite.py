"""The suite itself: it notices what is wrong, names what differs, and its page is up to date."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crossfade.core.stages import Stage
from tests.conftest import Database
from tests.contract.differences import softened
from tests.contract.document import PAGES
from tests.contract.playing import cases_with
from tests.contract.report import command, show
from tests.contract.running import Failure, PlainResults, give, one, open_world
from tests.contract.steps import EVERY_CASE, Answer, Op
from tests.contract.worlds import Combination

ROOT = Path(__file__).parents[2]
OFF = Combination("identity", "source", Stage.OFF, "boto3")
Spoil = Callable[[Op, Answer], Answer]


def failures(dynamodb: Database, spoil: Spoil, text: str, combination: Combination = OFF) -> list[Failure]:
    """What the suite says of a router that spoils its answers."""
    options: dict[str, Any] = dict(dynamodb.client_options())
    plain, world = PlainResults(options), open_world(options, combination)
    right = world.perform

    def perform(op: Op) -> Answer:
        return spoil(op, right(op))

    world.perform = perform  # type: ignore[method-assign]  # pyright: ignore[reportAttributeAccessIssue]
    try:
        give(cases_with(text), world)
        found = [one(case, world, combination, plain) for case in cases_with(text)]
    finally:
        _ = world.close()
        plain.close()
    return [failure for failure in found if failure is not None]


def without(name: str) -> Spoil:
    return lambda _, answer: {key: value for key, value in answer.items() if key != name}


def counting_one(_op: Op, answer: Answer) -> Answer:
    return {**answer, "Count": 1}


def backwards(_op: Op, answer: Answer) -> Answer:
    return {**answer, "Items": answer.get("Items", [])[::-1]}


def without_errors(_op: Op, answer: Answer) -> Answer:
    return {} if "Error" in answer else answer


def with_a_stamp(_op: Op, answer: Answer) -> Answer:
    return {**answer, "Item": {**answer.get("Item", {}), "_crossfade": {"S": "stamp"}}}


def test_a_right_router_passes(dynamodb: Database) -> None:
    """Where answers are left as they are there is nothing to report."""
    assert failures(dynamodb, lambda _, answer: answer, "PutItem: if, n") == []


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (without("Item"), "GetItem: strongly consistent"),
        (without("LastEvaluatedKey"), "Query: pages, of two"),
        (without("Attributes"), "UpdateItem: returning, ALL_NEW of a number"),
        (without("ConsumedCapacity"), "ReturnConsumedCapacity: of, GetItem, TOTAL"),
        (counting_one, "Query: where, a partition"),
        (backwards, "Query: where, a partition"),
        (without_errors, "PutItem: put if absent twice"),
        (with_a_stamp, "GetItem: an item that is there"),
    ],
    ids=[
        "no item",
        "no token",
        "no attributes",
        "no capacity",
        "a wrong count",
        "another order",
        "no error",
        "a stamp",
    ],
)
def test_a_wrong_answer_is_reported(dynamodb: Database, spoil: Spoil, text: str) -> None:
    """Something missing, added or in another order fails the case, and the report says how to repeat it."""
    found = failures(dynamodb, spoil, text)
    assert found
    assert "(- one plain table, + the migrating one)" in show(found[0])
    assert command(found[0]).startswith("make contract CASES=")


def test_another_text_of_an_error_is_reported(dynamodb: Database) -> None:
    """Errors are compared by code and by text."""

    def reworded(_op: Op, answer: Answer) -> Answer:
        return {**answer, "Error": {**answer["Error"], "Message": "No."}} if "Error" in answer else answer

    assert failures(dynamodb, reworded, "GetItem: a key, empty")


def test_a_lost_write_is_reported(dynamodb: Database) -> None:
    """What a write left behind is read back at the end of its case."""
    options: dict[str, Any] = dict(dynamodb.client_options())
    plain, world = PlainResults(options), open_world(options, OFF)
    right = world.perform
    world.perform = lambda op: {} if op.name == "DeleteItem" else right(op)  # type: ignore[method-assign]  # pyright: ignore[reportAttributeAccessIssue]
    (case,) = cases_with("DeleteItem: an item that is there")
    give([case], world)
    failure = one(case, world, OFF, plain)
    _ = world.close()
    plain.close()
    assert failure is not None
    assert failure.op is not None
    assert failure.op.name == "GetItem"


def test_differences_hold_only_where_they_are_named() -> None:
    """Less capacity than was consumed is wrong everywhere; more is right only where both tables may be used."""
    op = Op("PutItem", {})

    def equal(consumed: float, stage: Stage) -> bool:
        traces = [[(op, {"ConsumedCapacity": {"TableName": "t", "CapacityUnits": units}})] for units in (2.0, consumed)]
        plain, ours = softened(traces[0], traces[1], replace(OFF, stage=stage))
        return plain == ours

    assert equal(3.0, Stage.LOCKSTEP_TARGET)
    assert not equal(1.0, Stage.LOCKSTEP_TARGET)
    assert not equal(3.0, Stage.OFF)
    assert not equal(3.0, Stage.DUALWRITE)


def test_the_book_is_large_and_its_names_are_its_own() -> None:
    """At least 400 cases, each with a name and with keys that no other case writes to."""
    assert len(EVERY_CASE) >= 400
    assert len({case.name for case in EVERY_CASE}) == len(EVERY_CASE)
    writers = [case.prefix for case in EVERY_CASE if not case.only_reads]
    assert len(set(writers)) == len(writers)


def test_the_page_is_what_the_tables_say() -> None:
    """docs/operations.md and docs/engine.md are made from the tables that the comparison obeys."""
    for name, page in PAGES.items():
        assert (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") == page()
