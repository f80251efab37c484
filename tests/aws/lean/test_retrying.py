"""Which failures are tried again, in which of botocore's modes, and after how long."""

from __future__ import annotations

from typing import Any

import botocore.retries.standard as botocore_standard
import pytest

from crossfade.aws.lean.failures import Failure, FailureKind, failed
from crossfade.aws.lean.retrying import (
    DELAY_SECONDS_MAX,
    LEGACY_CODES,
    QUOTA,
    QUOTA_OF_RETRY,
    QUOTA_OF_TIMEOUT,
    STANDARD_CODES,
    RetryRules,
)
from crossfade.errors import ServiceRejected, UnknownOutcome

MODES = ("legacy", "standard", "adaptive")


def refusal(code: str, status_code: int = 400) -> Failure:
    return Failure(FailureKind.REFUSED, ServiceRejected(code, ""), code, status_code)


def server_error(status_code: int) -> Failure:
    return Failure(FailureKind.SERVER, UnknownOutcome(""), "InternalServerError", status_code)


def delay(
    mode: str, failure: Failure, attempt: int = 1, *, repeatable: bool = False, chance: float = 1.0
) -> float | None:
    return RetryRules(mode, 10).delay_seconds(failure, attempt, repeatable=repeatable, chance=chance)


@pytest.mark.parametrize("mode", MODES)
def test_throttled_requests_are_tried_again(mode: str) -> None:
    """In every mode, writes too."""
    for code in ("ProvisionedThroughputExceededException", "ThrottlingException", "TransactionInProgressException"):
        assert delay(mode, refusal(code)) is not None
    assert delay(mode, refusal("ReplicatedWriteConflictException", 409)) is not None
    assert delay(mode, refusal("ConditionalCheckFailedException")) is None
    assert delay(mode, refusal("TransactionCanceledException"), repeatable=True) is None


def test_the_modes_differ_as_botocores_do() -> None:
    """The standard mode has a longer list."""
    assert delay("legacy", refusal("RequestLimitExceeded")) is None
    assert delay("standard", refusal("RequestLimitExceeded")) is not None
    assert delay("legacy", refusal("Whatever", 429)) is not None
    assert delay("standard", refusal("Whatever", 429)) is None
    assert LEGACY_CODES < STANDARD_CODES


def test_the_standard_list_is_botocores() -> None:
    """Its own, at the version that is installed, and what its model of DynamoDB marks besides."""
    theirs: Any = botocore_standard
    throttled = theirs.ThrottledRetryableChecker._THROTTLED_ERROR_CODES
    transient = theirs.TransientRetryableChecker._TRANSIENT_ERROR_CODES
    assert set(throttled) | set(transient) | {"ReplicatedWriteConflictException"} == STANDARD_CODES


@pytest.mark.parametrize("mode", MODES)
def test_what_is_in_doubt_is_tried_again_for_reads_alone(mode: str) -> None:
    """Whatever the mode: a write is sent once."""
    for failure in (
        server_error(500),
        server_error(503),
        failed(FailureKind.TIMEOUT, ""),
        failed(FailureKind.BROKEN, ""),
        failed(FailureKind.DAMAGED, ""),
    ):
        assert delay(mode, failure, repeatable=True) is not None
        assert delay(mode, failure, repeatable=False) is None
    assert delay(mode, server_error(501), repeatable=True) is None


@pytest.mark.parametrize("mode", MODES)
def test_what_was_not_sent_is_tried_again_unless_it_is_hopeless(mode: str) -> None:
    """A certificate that does not verify will not verify in a second either."""
    assert delay(mode, failed(FailureKind.UNSENT, "")) is not None
    assert delay(mode, failed(FailureKind.HOPELESS, ""), repeatable=True) is None


def test_delays_double_and_end() -> None:
    """Full jitter over 50 ms doubled (legacy) or a second doubled, and never over twenty seconds."""
    throttled = refusal("ThrottlingException")
    assert [delay("legacy", throttled, n) for n in (1, 2, 3)] == [0.05, 0.1, 0.2]
    assert [delay("standard", throttled, n) for n in (1, 2, 3, 9)] == [1.0, 2.0, 4.0, DELAY_SECONDS_MAX]
    assert delay("standard", throttled, 2, chance=0.25) == 0.5
    assert delay("legacy", throttled, 2, chance=0.0) == 0.0
    assert delay("legacy", throttled, 10) is None


def test_the_standard_mode_has_a_budget() -> None:
    """When everything fails, retries end; successes fill it up again."""
    rules = RetryRules("standard", 10)

    def ask(failure: Failure) -> bool:
        return rules.delay_seconds(failure, 1, repeatable=True, chance=1.0) is not None

    assert ask(failed(FailureKind.TIMEOUT, ""))
    for _ in range((QUOTA - QUOTA_OF_TIMEOUT) // QUOTA_OF_RETRY):
        assert ask(refusal("ThrottlingException"))
    assert not ask(refusal("ThrottlingException"))
    rules.succeeded(1)
    assert ask(refusal("ThrottlingException"))
    for _ in range(QUOTA_OF_RETRY - 1):
        rules.succeeded(0)
    assert not ask(refusal("ThrottlingException"))


def test_the_legacy_mode_has_none() -> None:
    """As in botocore."""
    rules = RetryRules("legacy", 10)
    throttled = refusal("ThrottlingException")
    assert all(rules.delay_seconds(throttled, 1, repeatable=False, chance=1.0) for _ in range(1000))
