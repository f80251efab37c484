"""The same request as botocore, and of the same answer the same reply or error, for every operation."""

from __future__ import annotations

import asyncio
import datetime
import json
import re
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar, cast
from unittest import mock

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossfade.aws.lean.client import BulkClient
from crossfade.aws.lean.settings import settings_of
from crossfade.aws.own_calls import method_name, outcome_of
from crossfade.errors import ServiceRejected, UnknownOutcome
from tests.aws.lean.samples import ANSWERS, RECORDED_ANSWERS, REQUESTS, STREAMS, errors, on_the_wire
from tests.aws.lean.scripted import Received, botocore_client, http, scripted

T = TypeVar("T")
NOW = datetime.datetime(2026, 11, 22, 12, 34, 56, tzinfo=datetime.UTC)
ONE = {"total_max_attempts": 1, "mode": "legacy"}


class Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> list[bytes]:
        return [self._body]


class Beside:
    """A client of each kind at one server. Botocore's answers come without a connection, its last request is kept."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.runner = runner
        self.theirs: dict[bool, Any] = {}
        self.ours: dict[bool, BulkClient] = {}
        self.sent: Any = None
        self.answer = b""
        self.received: Received | None = None

    def plan(self, received: Received) -> bytes:
        self.received = received
        return self.answer

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def before_send(self, request: Any, **_: Any) -> AWSResponse:
        self.sent = request
        head, body = self.answer.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        return AWSResponse(request.url, int(lines[0].split(" ")[1]), headers, Raw(body))

    def call_theirs(self, operation: str, request: dict[str, Any]) -> Any:
        return getattr(self.theirs[operation in STREAMS], method_name(operation))(**request)

    def call_ours(self, operation: str, request: dict[str, Any]) -> Any:
        return self.run(self.ours[operation in STREAMS].call(operation, request))


@pytest.fixture(scope="module", params=[None, "a session's token"])
def beside(request: pytest.FixtureRequest) -> Iterator[Beside]:
    """With credentials for good, and with those of a session."""
    with asyncio.Runner() as runner:
        made = Beside(runner)
        context = scripted(made.plan)
        server = runner.run(context.__aenter__())
        for streams in (False, True):
            service = "dynamodbstreams" if streams else "dynamodb"
            url = f"{server.url}/a-path/"
            theirs = botocore_client(url, service=service, token=request.param, retries=ONE, parameter_validation=False)
            theirs.meta.events.register("before-send", made.before_send)
            made.theirs[streams] = theirs
            made.ours[streams] = BulkClient(theirs, settings_of(theirs, 2, 10, None), clock=NOW.timestamp)
        yield made
        for client in made.ours.values():
            runner.run(client.aclose())
        _ = runner.run(context.__aexit__(None, None, None))


SIGNED = re.compile(r"AWS4-HMAC-SHA256 Credential=([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})")


def signed_by_botocore(received: Received, url: str, credentials: Any) -> str:
    """Botocore's signature of exactly what was received."""
    names = {"content-type", "x-amz-target"}
    headers = {name: value for name, value in received.headers.items() if name in names}
    request = AWSRequest("POST", url, headers=headers, data=received.body)
    signer: Any = botocore.auth.SigV4Auth(credentials, "dynamodb", "eu-west-1")
    signer.add_auth(request)
    return str(request.headers["Authorization"])


@pytest.mark.parametrize("operation", sorted(REQUESTS))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_the_request_is_botocores(beside: Beside, operation: str, data: st.DataObject) -> None:
    """Target, headers, what is signed, the signature, and the meaning of the body."""
    request = data.draw(REQUESTS[operation])
    beside.answer = http()
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=NOW):
        beside.call_theirs(operation, request)
        _ = beside.call_ours(operation, request)
        theirs, ours = beside.sent, beside.received
        assert ours is not None
        credentials = beside.theirs[False]._request_signer._credentials.get_frozen_credentials()
        expected = signed_by_botocore(ours, theirs.url, credentials)
    headers = {name.lower(): text(value) for name, value in theirs.headers.items()}
    assert ours.json == json.loads(theirs.body)
    assert ours.headers["authorization"] == expected
    theirs_signed, ours_signed = SIGNED.match(headers["authorization"]), SIGNED.match(ours.headers["authorization"])
    assert theirs_signed is not None
    assert ours_signed is not None
    assert theirs_signed.groups()[:2] == ours_signed.groups()[:2]
    for name in headers.keys() - {"authorization", "content-length", "amz-sdk-invocation-id", "user-agent"}:
        assert ours.headers[name] == headers[name], name
    assert ours.headers.keys() - headers.keys() == {
        "host",
        "accept-encoding",
    }  # these botocore leaves to its HTTP client
    assert without_features(ours.headers["user-agent"]) == without_features(headers["user-agent"])
    assert ours.line == "POST /a-path/ HTTP/1.1"


def without_features(user_agent: str) -> str:
    """Botocore tells in `m/` which of its own parts a call went through."""
    return re.sub(r"m/[A-Za-z0-9,+-]+", "m/", user_agent)


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def replies(beside: Beside, operation: str, answer: bytes) -> tuple[Any, Any]:
    """Of both, to the simplest request."""
    beside.answer = answer
    request: dict[str, Any] = {"RequestItems": {}} if operation in {"BatchGetItem", "BatchWriteItem"} else {}
    return caught(beside.call_theirs, operation, request), caught(beside.call_ours, operation, request)


def caught(call: Any, operation: str, request: dict[str, Any]) -> Any:
    try:
        return call(operation, request)
    except ClientError as error:
        response = cast("Any", error).response
        response["ResponseMetadata"].pop("MaxAttemptsReached", None)  # a word of botocore's about itself
        return outcome_of(response["ResponseMetadata"]["HTTPStatusCode"], response)
    except (ServiceRejected, UnknownOutcome) as error:
        return error


def same(theirs: Any, ours: Any) -> None:
    assert type(theirs) is type(ours), (theirs, ours)
    if isinstance(theirs, ServiceRejected):
        assert (theirs.code, theirs.text, theirs.response) == (ours.code, ours.text, ours.response)
    elif isinstance(theirs, UnknownOutcome):
        assert theirs.message == ours.message
    else:
        assert theirs == ours


@pytest.mark.parametrize("operation", sorted(ANSWERS))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_an_answer_means_the_same(beside: Beside, operation: str, data: st.DataObject) -> None:
    """Binary values, sets, numbers, moments, nothing at all, nulls, and members that no model knows."""
    answer = data.draw(ANSWERS[operation])
    theirs, ours = replies(beside, operation, http(body=on_the_wire(answer), date="Sun, 22 Nov 2026 12:00:00 GMT"))
    same(theirs, ours)


@pytest.mark.parametrize("operation", ["PutItem", "TransactWriteItems", "GetRecords"])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(error=errors, status_code=st.sampled_from([400, 413, 500, 503]))
def test_an_error_means_the_same(beside: Beside, operation: str, error: dict[str, Any], status_code: int) -> None:
    """Codes with and without their namespace, `message` or `Message`, items and reasons where the model has them."""
    theirs, ours = replies(beside, operation, http(status_code, on_the_wire(error)))
    same(theirs, ours)


@pytest.mark.parametrize(("operation", "status_code", "body"), RECORDED_ANSWERS)
def test_recorded_answers_mean_the_same(beside: Beside, operation: str, status_code: int, body: bytes) -> None:
    """What servers of the protocol, and what stands before them, have been seen to answer."""
    theirs, ours = replies(beside, operation, http(status_code, body))
    same(theirs, ours)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>log in</html>", b'{"Item":'])
def test_where_botocore_takes_nonsense_for_nothing_we_do_not(beside: Beside, body: bytes) -> None:
    """The one difference: a success that is no object is to botocore an item that is not there."""
    beside.answer = http(200, body)
    with pytest.raises(UnknownOutcome, match="no DynamoDB answer"):
        _ = beside.call_ours("GetItem", {"TableName": "table", "Key": {}})


def test_text_for_a_binary_value_is_taken_as_bytes(beside: Beside) -> None:
    """Botocore encodes it; as it stands it would be some other value in base64."""
    item = {
        "b": {"B": "text"},
        "s": {"BS": ["x", b"y"]},
        "l": {"L": [{"M": {"B": {"S": "B"}}}, {"B": bytearray(b"z")}]},
    }
    beside.answer = http()
    beside.call_theirs("PutItem", {"TableName": "table", "Item": item})
    _ = beside.call_ours("PutItem", {"TableName": "table", "Item": item})
    assert beside.received is not None
    assert beside.received.json == json.loads(beside.sent.body)
    assert item["b"] == {"B": "text"}
