"""Which of DynamoDB's errors pass by themselves: one table, from which all sets of codes come.

A code that has no row is DynamoDB's last word: nothing sends that request again. Codes of other services have a row
where botocore's standard mode repeats them, which it does whatever the service; which are left out, and why, is in
tests/core/test_error_codes.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal


class Fault(StrEnum):
    """What an error comes from."""

    LOAD = "the load"
    RACE = "another request"
    REQUEST = "the request, or the item"
    ACCESS = "the credentials, or their rights"
    CLOCK = "our clock"
    SERVICE = "the service"


class Again(StrEnum):
    """Whether the same request is sent again."""

    YES = "yes, nothing was written"
    LOOK = "no: what was read is read again first"
    UNKNOWN = "where twice is as good as once: it may have been carried out"
    ACCESS = "in the background alone, for some minutes"
    CLIENT = "by the client alone, as botocore does"
    CLOCK = "by the client, with the clock put right"
    NO = "no"


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One row. `reason` is its name within a cancelled transaction; `mode` the first of botocore's retry modes that
    repeats it (the standard mode repeats what the legacy mode does), "" where none does; `said` where AWS tells it."""

    code: str
    fault: Fault
    again: Again
    said: str
    mode: Literal["", "standard", "legacy"] = ""
    reason: str = ""


DEVELOPERS: Final = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/"
ERRORS: Final = f"{DEVELOPERS}Programming.Errors.html"
CONFLICTS: Final = f"{DEVELOPERS}transaction-apis.html#transaction-conflict-handling"
TRANSACTIONS: Final = "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"
ALL_SERVICES: Final = "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/CommonErrors.html"
CLOCKS: Final = "https://github.com/aws/aws-sdk-js-v3/blob/main/packages/service-error-classification/src/constants.ts"
BOTOCORE: Final = "https://docs.aws.amazon.com/boto3/latest/guide/retries.html"
BOTOCORE_LEGACY: Final = "https://github.com/boto/botocore/blob/develop/botocore/data/_retry.json"

ERROR_CODES: Final = (
    ErrorCode("ProvisionedThroughputExceededException", Fault.LOAD, Again.YES, ERRORS, "legacy",
              reason="ProvisionedThroughputExceeded"),
    ErrorCode("ThrottlingException", Fault.LOAD, Again.YES, ERRORS, "legacy", reason="ThrottlingError"),
    ErrorCode("RequestLimitExceeded", Fault.LOAD, Again.YES, ERRORS, "standard"),
    ErrorCode("LimitExceededException", Fault.LOAD, Again.YES, ERRORS, "standard"),
    ErrorCode("TransactionConflictException", Fault.RACE, Again.YES, CONFLICTS, reason="TransactionConflict"),
    ErrorCode("TransactionInProgressException", Fault.RACE, Again.YES, TRANSACTIONS, "legacy"),
    ErrorCode("ReplicatedWriteConflictException", Fault.RACE, Again.YES, ERRORS, "legacy"),
    ErrorCode("ConditionalCheckFailedException", Fault.RACE, Again.LOOK, ERRORS, reason="ConditionalCheckFailed"),
    ErrorCode("ValidationException", Fault.REQUEST, Again.NO, ERRORS, reason="ValidationError"),
    # AWS calls it one to be sent again; but the partition stays as full until somebody deletes what is in it.
    ErrorCode("ItemCollectionSizeLimitExceededException", Fault.REQUEST, Again.NO, TRANSACTIONS,
              reason="ItemCollectionSizeLimitExceeded"),
    ErrorCode("InternalServerError", Fault.SERVICE, Again.UNKNOWN, ERRORS),
    *(ErrorCode(code, Fault.ACCESS, Again.ACCESS, ALL_SERVICES)
      for code in ("AccessDeniedException", "ExpiredTokenException", "UnrecognizedClientException")),
    *(ErrorCode(code, Fault.CLOCK, Again.CLOCK, CLOCKS)
      for code in ("InvalidSignatureException", "RequestExpired", "RequestInTheFuture")),
    *(ErrorCode(code, Fault.LOAD, Again.CLIENT, BOTOCORE_LEGACY, "legacy")
      for code in ("RequestThrottledException", "ThrottledException", "Throttling")),
    *(ErrorCode(code, Fault.LOAD, Again.CLIENT, BOTOCORE, "standard")
      for code in ("BandwidthLimitExceeded", "EC2ThrottledException", "PriorRequestNotComplete", "RequestThrottled",
                   "SlowDown", "TooManyRequestsException")),
    *(ErrorCode(code, Fault.SERVICE, Again.CLIENT, BOTOCORE, "standard")
      for code in ("RequestTimeout", "RequestTimeoutException")),
)  # fmt: skip

# Nothing was written, and the same request may succeed a moment later.
PASSING: Final = frozenset(row.code for row in ERROR_CODES if row.again is Again.YES)
# Nothing was written, and it is not about the request: who asks may be known again soon, or be allowed again.
NO_ACCESS: Final = frozenset(row.code for row in ERROR_CODES if row.fault is Fault.ACCESS)
ABOUT_THE_ITEM: Final = frozenset(row.code for row in ERROR_CODES if row.fault is Fault.REQUEST)

# Reasons of a cancelled transaction: those that pass; those of an action that was in order, or merely came too late.
BUSY_REASONS: Final = frozenset(row.reason for row in ERROR_CODES if row.again is Again.YES and row.reason)
RACED_REASONS: Final = frozenset(row.reason for row in ERROR_CODES if row.fault is Fault.RACE and row.reason) | {"None"}
# A transaction's reason -> the code that the single operation would have had.
SINGLE_CODE_OF: Final = {row.reason: row.code for row in ERROR_CODES if row.reason}
