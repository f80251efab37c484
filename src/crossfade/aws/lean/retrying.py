"""Which failures are tried again, and after how long: botocore's rules for DynamoDB, in the client's mode, with jitter.

Two of the rules are stricter. A write whose fate is open is never sent again. And the jitter is full in every mode:
many calls that were throttled together should not come back together.

Botocore's adaptive mode also holds requests back before they are sent; here it is like its standard mode, and the pace
is set by who makes the calls.
"""

from __future__ import annotations

from typing import Final

from crossfade.aws.lean.failures import Failure, FailureKind
from crossfade.core.request.error_codes import ERROR_CODES
from crossfade.core.sync.retry import Backoff

LEGACY_CODES: Final = frozenset(row.code for row in ERROR_CODES if row.mode == "legacy")
STANDARD_CODES: Final = frozenset(row.code for row in ERROR_CODES if row.mode)
# https://github.com/boto/botocore/blob/develop/botocore/data/_retry.json
LEGACY_STATUSES: Final = frozenset({429, 500, 502, 503, 504, 509})
# https://docs.aws.amazon.com/boto3/latest/guide/retries.html#standard-retry-mode
STANDARD_STATUSES: Final = frozenset({500, 502, 503, 504})
CONFLICT: Final = (409, "ReplicatedWriteConflictException")

DELAY_SECONDS_MAX: Final = 20.0
LEGACY: Final = Backoff(0.05, DELAY_SECONDS_MAX)
STANDARD: Final = Backoff(1.0, DELAY_SECONDS_MAX)

# The standard mode's budget, so that a service in trouble is not asked many times over.
QUOTA: Final = 500
QUOTA_OF_RETRY: Final = 5
QUOTA_OF_TIMEOUT: Final = 10
QUOTA_OF_SUCCESS: Final = 1


class RetryRules:
    """One for a client; `chance` gives a random number from 0 up to 1."""

    def __init__(self, mode: str, attempts_max: int) -> None:
        self.attempts_max = attempts_max
        self._legacy = mode == "legacy"
        self._quota = QUOTA

    def delay_seconds(self, failure: Failure, attempt: int, *, repeatable: bool, chance: float) -> float | None:
        """How long to wait after the attempt of this number (from 1); None: not again."""
        if attempt >= self.attempts_max or not self._may_repeat(failure, repeatable) or not self._acquire(failure):
            return None
        return chance * (LEGACY if self._legacy else STANDARD).seconds(attempt - 1)

    def succeeded(self, retries: int) -> None:
        if not self._legacy and self._quota < QUOTA:
            self._quota = min(QUOTA, self._quota + (QUOTA_OF_RETRY if retries else QUOTA_OF_SUCCESS))

    def _may_repeat(self, failure: Failure, repeatable: bool) -> bool:
        if failure.kind is FailureKind.UNSENT:
            return True
        if failure.kind is FailureKind.HOPELESS:
            return False
        if failure.kind is FailureKind.REFUSED:
            return self._is_passing(failure)
        if failure.kind is FailureKind.SERVER:
            return repeatable and self._is_passing(failure)
        return repeatable  # timed out, broken, damaged

    def _is_passing(self, failure: Failure) -> bool:
        """Whether the service may think otherwise in a moment."""
        if not self._legacy:
            return failure.code in STANDARD_CODES or failure.status_code in STANDARD_STATUSES
        if failure.status_code == CONFLICT[0]:
            return failure.code == CONFLICT[1]
        return (failure.status_code == 400 and failure.code in LEGACY_CODES) or failure.status_code in LEGACY_STATUSES

    def _acquire(self, failure: Failure) -> bool:
        if self._legacy:
            return True
        cost = QUOTA_OF_TIMEOUT if failure.kind is FailureKind.TIMEOUT else QUOTA_OF_RETRY
        if self._quota < cost:
            return False
        self._quota -= cost
        return True
