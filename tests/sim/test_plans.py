"""The simulator carries out the plans that the router does, and finds a fault in the carrying out of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import pytest

from crossfade.aws.operation import Operations
from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.plan import (
    PASS_THROUGH,
    REPLY_THEN_MIRROR,
    SINGLE_ITEM,
    PassThrough,
    Plan,
    Planner,
    ReplyThenMirror,
    Run,
    Translate,
)
from crossfade.core.rules import Rules
from crossfade.core.stages import Stage
from crossfade.core.write.fast_path import FastPath
from crossfade.errors import CrossfadeError, UnknownOutcome
from crossfade.sim.campaign import campaign

STRATEGIES = ("dual-write", "copy-on-write")
WORLDS_MAX = 400  # within so many, each fault must show


def played(worlds: int, strategy: str) -> str | None:
    """What went wrong in one of so many worlds, if anything."""
    found = campaign(range(worlds), Rules(), 1, lambda _tally: None, strategy).failed
    return None if found is None else str(found)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_plan_is_played(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in its stages; in copy-on-write no routine follows a reply."""
    plans = Counter[type[Plan]]()
    plan_of = Planner.plan

    def counted(self: Planner, *arguments: Any, **options: Any) -> Plan:
        plan = plan_of(self, *arguments, **options)
        plans[type(plan)] += 1
        return plan

    monkeypatch.setattr(Planner, "plan", counted)
    assert played(10, strategy) is None
    kinds: set[type[Plan]] = {PassThrough, Translate, Run}
    if strategy == "dual-write":
        kinds.add(ReplyThenMirror)
    assert set(plans) == kinds
    assert min(plans.values()) > 10


def passing_what_is_mirrored(self: Planner, stage: Stage, ramp_percent: int) -> dict[str, Plan | None]:
    """PassThrough: nothing follows a reply that a mirror should follow."""
    plans = SINGLES(self, stage, ramp_percent)
    return {name: PASS_THROUGH if plan is REPLY_THEN_MIRROR else plan for name, plan in plans.items()}


def without_the_mirror(self: Operations, *_: Any) -> None:
    """ReplyThenMirror: the routine never runs."""


def without_the_condition(
    self: FastPath, operation: str, request: Request, new_stamp: Callable[[], str]
) -> Request | None:
    """Translate: whatever the condition is, the other table's item is written."""
    there = TRANSLATED(self, operation, request, new_stamp)
    if there is not None and "ConditionExpression" in there and "UpdateExpression" not in there:
        kept = ("TableName", "Item", "Key")
        return {name: value for name, value in there.items() if name in kept}
    return there


def errors_as_replies(
    self: Operations, routine: Routine[Reply], scope: Any, operation: str, request: Request
) -> Routine[Reply | CrossfadeError]:
    """Run: what nobody knows the outcome of is told as done."""
    outcome = yield from CARRIED_OUT(self, routine, scope, operation, request)
    return cast("Reply", {}) if operation in SINGLE_ITEM and isinstance(outcome, UnknownOutcome) else outcome


SINGLES = Planner._plan_singles  # pyright: ignore[reportPrivateUsage]
TRANSLATED = FastPath.request
CARRIED_OUT = Operations._carried_out  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    ("where", "name", "fault", "strategy"),
    [
        (Planner, "_plan_singles", passing_what_is_mirrored, "dual-write"),
        (Operations, "follow_up", without_the_mirror, "dual-write"),
        (FastPath, "request", without_the_condition, "dual-write"),
        (FastPath, "request", without_the_condition, "copy-on-write"),
        (Operations, "_carried_out", errors_as_replies, "dual-write"),
        (Operations, "_carried_out", errors_as_replies, "copy-on-write"),
    ],
)
def test_a_fault_in_each_plan_is_found(
    where: type, name: str, fault: object, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is simulated is what runs: the plan is carried out by the same code as on botocore's events."""
    monkeypatch.setattr(where, name, fault)
    assert played(WORLDS_MAX, strategy) is not None
