"""An attached client signs what botocore would: compared with its own signer, request by request and call by call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import botocore
import botocore.auth
import botocore.session
import pytest
from aiobotocore.session import AioSession
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.credentials import Credentials
from hypothesis import example, given
from hypothesis import strategies as st

from crossfade.aws.signer import SIGNATURE_NAME, KeptSigV4, choose_signer

SIGNER: Any = botocore.auth.SigV4Auth
EVENT = "choose-signer.dynamodb"
USUAL = {
    "X-Amz-Target": "DynamoDB_20120810.PutItem",
    "Content-Type": "application/x-amz-json-1.0",
    "User-Agent": "Boto3/1.40 md/Botocore#1.40 ua/2.1",
    "amz-sdk-invocation-id": "1c7e0b7f",
    "amz-sdk-request": "ttl=20261122T000000Z; attempt=2; max=3",
}
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *USUAL,
            "x-amzn-trace-id",
            "traceparent",
            "Expect",
            "X-Team",
            "x-amz-content-sha256",
            "Date",
            "X-Amz-Date",
            "Authorization",
            "X-Amz-Security-Token",
            "Host",
        ]
    ),
    st.text(st.sampled_from("aZ0 /=;,é\t"), max_size=20),
)
URLS = st.sampled_from(
    [
        "https://dynamodb.eu-west-1.amazonaws.com/",
        "https://123456789012.ddb.eu-west-1.amazonaws.com",
        "http://127.0.0.1:8000/",
        "http://LOCALHOST:80",
        "https://user:pass@proxy.example:8443/",
        "http://[::1]:8000/",
        "https://example.com/a/../path/",
        "https://example.com/?b=2&a=1",
        "https://example.com/#here",
    ]
)


class Prepared:
    """One request, made anew for each signer."""

    def __init__(self, url: str, headers: dict[str, str], body: bytes, context: dict[str, Any], method: str) -> None:
        self._make: Callable[[], Any] = lambda: AWSRequest(method=method, url=url, headers=headers, data=body)
        self._context = context

    def signed(self, signer: Any, token: str | None) -> tuple[list[tuple[str, str]], dict[str, Any]]:
        request = self._make()
        request.context.update(self._context)
        keys = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", token)
        signer(credentials=keys, service_name="dynamodb", region_name="eu-west-1").add_auth(request)
        return request.headers.items(), request.context


def in_one_second(make: Callable[[], tuple[Any, Any]], moment_of: Callable[[Any], str]) -> tuple[Any, Any]:
    """Two results of one second: the date is signed."""
    while True:
        one, other = make()
        if moment_of(one) == moment_of(other):
            return one, other


@given(
    headers=HEADERS,
    url=URLS,
    body=st.binary(max_size=200),
    token=st.none() | st.just("FQoGZXIvYXdzE"),
    context=st.sampled_from([{}, {}, {"payload_signing_enabled": False}, {"checksum": {"request_algorithm": "none"}}]),
    method=st.sampled_from(["POST", "POST", "POST", "GET"]),
)
@example(headers=USUAL, url="http://127.0.0.1:8000/", body=b"{}", token="t", context={}, method="POST")  # noqa: S106
def test_every_request_is_signed_as_botocore_signs_it(
    headers: dict[str, str], url: str, body: bytes, token: str | None, context: dict[str, Any], method: str
) -> None:
    """All headers in their order, and what the context is left with."""
    request = Prepared(url, headers, body, context, method)
    ours, theirs = in_one_second(
        lambda: (request.signed(KeptSigV4, token), request.signed(SIGNER, token)),
        lambda signed: signed[1]["timestamp"],
    )
    assert ours == theirs


def asked(*_: object) -> None:
    pytest.fail("botocore's signer was asked")


def test_the_usual_request_does_not_come_to_botocores_signer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or what is above would compare it with itself."""
    monkeypatch.setattr(SIGNER, "add_auth", asked)
    for headers in (USUAL, {**USUAL, "x-amzn-trace-id": "Root=1-5759e988"}):
        found, _ = Prepared("https://dynamodb.eu-west-1.amazonaws.com/", headers, b"{}", {}, "POST").signed(
            KeptSigV4, None
        )
        assert "Authorization" in dict(found)


def test_whoever_reads_the_log_gets_botocores(caplog: pytest.LogCaptureFixture) -> None:
    """It tells at DEBUG what is signed, which is how people find out about a signature that is refused."""
    with caplog.at_level(logging.DEBUG, logger="botocore.auth"):
        _ = Prepared("https://example.com/", USUAL, b"{}", {}, "POST").signed(KeptSigV4, None)
    assert any("CanonicalRequest" in record.getMessage() for record in caplog.records)


def test_another_key_signs_otherwise_at_once() -> None:
    """Credentials that were refreshed, another region: nothing that is kept is taken for them."""
    seen: set[str] = set()
    for secret, region in (("one", "eu-west-1"), ("two", "eu-west-1"), ("one", "us-east-1")):
        request: Any = AWSRequest(method="POST", url="https://example.com/", headers=USUAL, data=b"{}")
        KeptSigV4(credentials=Credentials("AKID", secret), service_name="dynamodb", region_name=region).add_auth(
            request
        )
        seen.add(request.headers["Authorization"].rpartition("=")[2])
    assert len(seen) == 3


def test_without_credentials_the_error_is_botocores() -> None:
    request: Any = AWSRequest(method="POST", url="https://example.com/", headers=USUAL, data=b"{}")
    with pytest.raises(Exception, match="Unable to locate credentials"):
        KeptSigV4(credentials=None, service_name="dynamodb", region_name="eu-west-1").add_auth(request)


# --- a client


OPTIONS: dict[str, Any] = {
    "region_name": "eu-west-1",
    "aws_access_key_id": "AKIDEXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG",
    "aws_session_token": "FQoGZXIvYXdzE",
}
CALL: dict[str, Any] = {"TableName": "orders", "Key": {"pk": {"S": "é"}}}


def named(request: Any, **_: Any) -> None:
    request.headers["X-Team"] = "orders"


def unsigned(**_: Any) -> object:
    return botocore.UNSIGNED


class Sent:
    """What a client would send, and by which version it was told to sign."""

    def __init__(self, client: Any) -> None:
        self.headers: dict[str, str] = {}
        self.version: object = None
        client.meta.events.register_last("before-sign.dynamodb", self._signing)
        client.meta.events.register("before-send.dynamodb", self._send)

    def _signing(self, signature_version: object, **_: Any) -> None:
        self.version = signature_version

    def _send(self, request: Any, **_: Any) -> Any:
        given: dict[str, str | bytes] = dict(request.headers.items())
        self.headers = {name: value if isinstance(value, str) else value.decode() for name, value in given.items()}
        no_headers: dict[str, str] = {}
        answer: Any = AWSResponse(request.url, 200, no_headers, None)
        answer._content = b"{}"
        return answer

    def signed(self) -> list[str]:
        return [self.headers[name] for name in ("X-Amz-Date", "Authorization", "X-Amz-Security-Token")]


def clients() -> tuple[Any, Any]:
    session: Any = botocore.session.Session()
    with_ours, plain = (session.create_client("dynamodb", **OPTIONS) for _ in range(2))
    with_ours.meta.events.register_last(EVENT, choose_signer)
    return with_ours, plain


def test_a_client_sends_the_same() -> None:
    """Botocore's own way through its events; with the header of a handler that comes before the signer."""
    with_ours, plain = clients()
    ours, theirs = Sent(with_ours), Sent(plain)
    for client in (with_ours, plain):
        client.meta.events.register("before-sign.dynamodb", named)

    def both() -> tuple[Any, Any]:
        _ = with_ours.get_item(**CALL), plain.get_item(**CALL)
        return ours.signed(), theirs.signed()

    one, other = in_one_second(both, lambda signed: signed[0])
    assert one == other
    assert "x-team" in one[1]
    assert (ours.version, theirs.version) == (SIGNATURE_NAME, "v4")


def test_a_client_of_aiobotocore_sends_the_same() -> None:
    """Its signer awaits the credentials, and asks the same event."""

    async def scenario() -> None:
        session: Any = AioSession()
        async with session.create_client("dynamodb", **OPTIONS) as with_ours:
            with_ours.meta.events.register_last(EVENT, choose_signer)
            async with session.create_client("dynamodb", **OPTIONS) as plain:
                sent = [await signed_alone(client) for client in (with_ours, plain)]
                while sent[0][0] != sent[1][0]:
                    sent = [await signed_alone(client) for client in (with_ours, plain)]
        assert sent[0] == sent[1]

    async def signed_alone(client: Any) -> tuple[str, str]:
        request: Any = AWSRequest(method="POST", url="https://example.com/", headers=USUAL, data=b"{}")
        request.context["client_config"] = client.meta.config
        await client._request_signer.sign("GetItem", request)
        return request.headers["X-Amz-Date"], request.headers["Authorization"]

    asyncio.run(scenario())


def test_another_signer_stays() -> None:
    """What the application chose itself, a URL that is signed, and a version 4 that is not botocore's in Python."""
    with_ours, _ = clients()
    sent = Sent(with_ours)
    with_ours.meta.events.register_first(EVENT, unsigned, unique_id="own")
    _ = with_ours.get_item(**CALL)
    assert "Authorization" not in sent.headers
    with_ours.meta.events.unregister(EVENT, unique_id="own")
    assert "X-Amz-Signature=" in with_ours.generate_presigned_url("get_item", Params=CALL)
    assert sent.version == "v4-query"


def test_a_signer_that_somebody_put_in_place_of_botocores_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the AWS common runtime does."""
    monkeypatch.setitem(botocore.auth.AUTH_TYPE_MAPS, "v4", type("Theirs", (SIGNER,), {}))
    assert choose_signer("v4") is None
