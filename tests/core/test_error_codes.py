"""One table says which errors pass, and nothing that botocore knows of is forgotten in it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import botocore.loaders
import botocore.retries.special as botocore_special
import botocore.retries.standard as botocore_standard
import pytest

from crossfade.core.effects import Call, Reply, Routine
from crossfade.core.request import error_codes
from crossfade.core.request.error_codes import ERROR_CODES, Again
from crossfade.core.sync.retry import Backoff, is_passing, resend, send_conditional
from crossfade.errors import ServiceRejected, UnknownOutcome
from scripts.print_error_codes import table
from tests.control.test_calls import cancelled, drive

ROOT: Final = Path(__file__).parents[2]
LEFT_OUT: Final = {
    "BadDigest": "S3's, for a body that came damaged; DynamoDB takes no digest of a body",
    "IDPCommunicationError": "STS's, while it makes credentials: botocore's own affair, before DynamoDB is asked",
}
LOADER: Final[Any] = botocore.loaders.Loader()
WRITE: Final = Call("target", "PutItem", {})
DONE: Final[Reply] = {}
FAILED: Final = ServiceRejected("ConditionalCheckFailedException", "")


def codes_in(value: Any) -> Iterator[str]:
    """Every error code in botocore's rules of its legacy mode."""
    for name, inner in cast("dict[str, Any]", value).items():
        if name == "service_error_code":
            yield inner
        elif isinstance(inner, dict):
            yield from codes_in(inner)


def modelled() -> Iterator[str]:
    for service in ("dynamodb", "dynamodbstreams"):
        model: Any = LOADER.load_service_model(service, "service-2")
        yield from (name for name, shape in model["shapes"].items() if "retryable" in shape)


def in_standard_mode() -> set[str]:
    theirs: Any = botocore_standard
    throttled = theirs.ThrottledRetryableChecker._THROTTLED_ERROR_CODES
    transient = theirs.TransientRetryableChecker._TRANSIENT_ERROR_CODES
    return {*throttled, *transient, *modelled()}


def in_legacy_mode() -> set[str]:
    """Those of any service, and of DynamoDB."""
    rules: Any = LOADER.load_data("_retry")
    of_any = [rules["definitions"][name] for name in rules["retry"]["__default__"]["policies"]]
    return {code for each in (*of_any, rules["retry"]["dynamodb"]) for code in codes_in(each)}


def test_every_code_that_botocore_repeats_is_in_the_table_or_left_out_for_a_reason() -> None:
    """Its rules of every service, the lists of its standard mode, its special cases, and what its models mark."""
    special = set(re.findall(r"error_code == '(\w+)'", inspect.getsource(botocore_special)))
    theirs = {*codes_in(LOADER.load_data("_retry")), *in_standard_mode(), *special}
    ours = {row.code for row in ERROR_CODES}
    assert len(theirs) > 15
    assert theirs - ours == LEFT_OUT.keys()
    assert ours & LEFT_OUT.keys() == set()


def test_the_modes_are_botocores() -> None:
    """Which codes each of its modes repeats, for a client of DynamoDB."""
    assert {row.code for row in ERROR_CODES if row.mode == "legacy"} == in_legacy_mode()
    assert {row.code for row in ERROR_CODES if row.mode} == in_standard_mode()


def test_the_sets_are_what_they_are() -> None:
    """Spelled out, so that a row that is changed changes a test as well; and no code has two rows."""
    assert len({row.code for row in ERROR_CODES}) == len(ERROR_CODES)
    assert {
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "TransactionConflictException",
        "TransactionInProgressException",
    } == error_codes.PASSING
    assert {"ProvisionedThroughputExceeded", "ThrottlingError", "TransactionConflict"} == error_codes.BUSY_REASONS
    assert {"None", "ConditionalCheckFailed", "TransactionConflict"} == error_codes.RACED_REASONS
    assert {"AccessDeniedException", "ExpiredTokenException", "UnrecognizedClientException"} == error_codes.NO_ACCESS
    assert {"ItemCollectionSizeLimitExceededException", "ValidationException"} == error_codes.ABOUT_THE_ITEM


def test_every_row_says_where_aws_says_so() -> None:
    """A page of AWS, or a file of one of its SDKs; and what passes has a row that DynamoDB's own pages speak of."""
    assert all(re.match(r"https://(docs\.aws\.amazon\.com|github\.com/(aws|boto))/", row.said) for row in ERROR_CODES)
    assert all("/amazondynamodb/" in row.said for row in ERROR_CODES if row.again is Again.YES)


def test_the_page_has_the_table() -> None:
    """docs/reference.md shows what the script prints."""
    assert f"\n{table()}" in (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ServiceRejected("ReplicatedWriteConflictException", ""), True),
        (ServiceRejected("ValidationException", ""), False),
        (ServiceRejected("SlowDown", ""), False),
        (UnknownOutcome("lost"), False),
        (cancelled("None", "TransactionConflict", "ThrottlingError"), True),
        (cancelled("TransactionConflict", "ConditionalCheckFailed"), False),
        (cancelled("None"), False),
    ],
)
def test_a_refusal_passes_where_nothing_in_it_was_judged(error: Any, passes: bool) -> None:
    """Of a transaction all reasons have to pass; of an unknown outcome nobody knows."""
    assert is_passing(error) is passes


def test_pauses_double_up_to_their_limit_and_end() -> None:
    """The same function for every loop; without a limit there are as many as are asked for."""
    assert [pause.seconds for pause in Backoff(0.1, 0.5, 4).pauses()] == [0.1, 0.2, 0.4, 0.5]
    assert Backoff(0.05, 5.0).seconds(10_000) == 5.0
    endless = Backoff().pauses()
    assert len([next(endless) for _ in range(200)]) == 200


def test_what_is_sent_again_ends_with_the_last_error() -> None:
    """One sending more than there are pauses; what does not pass is raised at once."""

    def tries(errors: list[Any]) -> Routine[Any]:
        return resend(WRITE.__iter__, is_passing, Backoff(pauses_max=len(errors) - 1))

    busy = [ServiceRejected("ThrottlingException", f"{n}") for n in range(3)]
    assert drive(tries(busy), [*busy[:2], {"done": 1}]) == ({"done": 1}, 3)
    with pytest.raises(ServiceRejected, match="ThrottlingException: 2"):
        _ = drive(tries(busy), list(busy))
    answers: list[Any] = [ServiceRejected("AccessDeniedException", ""), {}]
    with pytest.raises(ServiceRejected, match="AccessDenied"):
        _ = drive(tries(busy), answers)
    assert answers == [{}]


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([DONE], (DONE, False)),
        ([UnknownOutcome("lost"), DONE], (DONE, True)),
        ([FAILED], (None, False)),
        ([UnknownOutcome("lost"), FAILED], (None, True)),
        ([ServiceRejected("ThrottlingException", ""), FAILED], (None, False)),
    ],
)
def test_a_condition_that_fails_after_a_lost_answer_may_have_met_our_own_write(answers: list[Any], told: Any) -> None:
    """A throttle leaves no such doubt."""
    assert drive(send_conditional(WRITE), answers)[0] == told
