"""Which answers are asked for again, and which are not."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade.control.calls import CONTROL, DONE, Failed, ask, change
from crossfade.core.effects import Call, Reply, Routine
from crossfade.errors import ServiceRejected, UnknownOutcome


def drive(routine: Routine[Any], answers: list[Any]) -> tuple[Any, int]:
    """The result and the number of calls; each call gets the next answer, an error is thrown."""
    calls, value, error = 0, None, None
    while True:
        try:
            effect = routine.throw(error) if error else routine.send(value)
        except StopIteration as stop:
            return stop.value, calls
        value = error = None
        if isinstance(effect, Call):
            calls += 1
            answer = answers.pop(0)
            value, error = (None, answer) if isinstance(answer, Exception) else (answer, None)


DONE_AT_ONCE: Reply = {}


def cancelled(*codes: str) -> ServiceRejected:
    reasons = [{"Code": code} for code in codes]
    return ServiceRejected("TransactionCanceledException", "", {"CancellationReasons": reasons})


def test_a_read_is_asked_again_after_a_throttle_and_a_lost_answer() -> None:
    """Both pass, and reading twice does no harm."""
    answers = [ServiceRejected("ThrottlingException", ""), UnknownOutcome("lost"), {"Item": 1}]
    assert drive(ask("GetItem", {}), answers) == ({"Item": 1}, 3)


def test_asking_ends() -> None:
    """A service that never answers is an error after a bounded number of attempts."""
    tries = 1 + (CONTROL.pauses_max or 0)
    with pytest.raises(UnknownOutcome):
        _ = drive(ask("GetItem", {}), [UnknownOutcome("lost")] * tries)


def test_a_refusal_that_does_not_pass_is_raised_at_once() -> None:
    """Missing permissions do not come by asking again."""
    with pytest.raises(ServiceRejected, match="AccessDenied"):
        _ = drive(ask("GetItem", {}), [ServiceRejected("AccessDeniedException", "")])


def test_a_conditional_write_is_not_sent_again_when_its_answer_is_lost() -> None:
    """Whether it was carried out is for the caller to find out."""
    with pytest.raises(UnknownOutcome):
        _ = drive(change("UpdateItem", {}), [UnknownOutcome("lost"), {}])


@pytest.mark.parametrize(
    ("answers", "failed", "calls"),
    [
        ([DONE_AT_ONCE], DONE, 1),
        ([ServiceRejected("ConditionalCheckFailedException", "")], (0,), 1),
        ([cancelled("None", "ConditionalCheckFailed")], (1,), 1),
        ([cancelled("TransactionConflict", "None"), DONE_AT_ONCE], DONE, 2),
        ([cancelled("TransactionConflict", "ConditionalCheckFailed")], (1,), 1),
        (
            [
                ServiceRejected("TransactionConflictException", ""),
                ServiceRejected("TransactionInProgressException", ""),
                DONE_AT_ONCE,
            ],
            DONE,
            3,
        ),
    ],
)
def test_a_conditional_write_tells_whose_condition_failed(answers: list[Any], failed: Failed, calls: int) -> None:
    """Conflicts are sent again; failed conditions come back by their position."""
    assert drive(change("TransactWriteItems", {}), answers) == (failed, calls)


def test_a_transaction_cancelled_for_another_reason_is_raised() -> None:
    """A validation error inside a transaction is neither a conflict nor a failed condition."""
    with pytest.raises(ServiceRejected):
        _ = drive(change("TransactWriteItems", {}), [cancelled("ValidationError", "None")])
