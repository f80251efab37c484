"""An outcome in the form in which botocore hands it to a caller: a parsed answer with its metadata, and a status.

What a mirror or a comparison still looks at is handed out as a copy: a boto3 resource converts the answer in place, and
a caller may change it.
"""

from __future__ import annotations

import uuid
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any, Final, cast

import orjson
from botocore.exceptions import ClientError

from crossfade.aws.bulk.decoding import decode_binary, json_object
from crossfade.aws.bulk.encoding import BINARY
from crossfade.core.effects import Reply, Request
from crossfade.errors import CrossfadeError, Rejected, UnknownOutcome

OK: Final = 200
BAD_REQUEST: Final = 400
INTERNAL_SERVER_ERROR: Final = 500


@dataclass(slots=True)
class ShortAnswer:
    """What botocore looks at of an HTTP response, for an answer that no single HTTP response gave."""

    status_code: int
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    content: bytes = b""


def fresh(value: Any) -> Any:
    """A deep copy of what JSON could hold, and bytes. Text given for a binary value becomes bytes, as on the wire."""
    if isinstance(value, dict):
        given = cast("dict[str, Any]", value)
        copy = {name: fresh(inner) for name, inner in given.items()}
        if isinstance(copy.get("B"), (str, bytearray)):
            copy["B"] = as_bytes(copy["B"])
        elif isinstance(copy.get("BS"), list):
            copy["BS"] = [as_bytes(each) for each in copy["BS"]]
        return copy
    if isinstance(value, (list, tuple)):
        return [fresh(inner) for inner in cast("list[Any]", value)]
    return value


def copied(value: Any) -> Any:
    """The same as `fresh`, quicker where there is nothing binary in it."""
    try:
        return orjson.loads(orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_DATETIME))
    except (TypeError, ValueError):
        return fresh(value)


def from_wire(body: bytes, request: Request | None = None) -> Request:
    """A copy of a request, read from the JSON that botocore made of it: quicker than walking through it.

    `request`: as the caller made it, where that may matter: botocore adds a token to a transaction that has none.
    """
    copy = json_object(body)
    if BINARY.search(body) is not None:
        decode_binary(copy)
    if request is not None and "ClientRequestToken" not in request:
        _ = copy.pop("ClientRequestToken", None)
    return copy


def encoded(request: Request) -> bytes:
    """A request as DynamoDB reads it."""
    return orjson.dumps(request, default=binary)


def binary(value: Any) -> str:
    if isinstance(value, (bytes, bytearray)):
        return b64encode(value).decode("ascii")
    raise TypeError(f"{value!r} is no part of an attribute value")


def as_bytes(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode()
    return bytes(value) if isinstance(value, bytearray) else value


def parsed_answer(outcome: Reply | CrossfadeError, *, shared: bool = True) -> tuple[int, Reply]:
    """Status and parsed answer for a reply or an error. For an UnknownOutcome, see `raise_as_botocore_would`.

    `shared`: whether somebody else may still look at the reply.
    """
    if isinstance(outcome, Rejected):
        return with_metadata(BAD_REQUEST, fresh(dict(outcome.response)))
    if isinstance(outcome, CrossfadeError):
        # The SDKs' word for "it failed on our side, it may have been carried out, try again".
        error = {"Code": "InternalServerError", "Message": outcome.message}
        return with_metadata(INTERNAL_SERVER_ERROR, {"Error": error, "message": outcome.message})
    return with_metadata(OK, copied(outcome) if shared else dict(outcome))


def with_metadata(status_code: int, parsed: Reply) -> tuple[int, Reply]:
    """Callers find a request id, a status and a count of retries in every answer; a real answer's own are kept."""
    kept: Reply = parsed.get("ResponseMetadata", {})
    if "RequestId" in kept:
        parsed["ResponseMetadata"] = {**kept, "HTTPStatusCode": status_code}
        return status_code, parsed
    made: Reply = {"RequestId": uuid.uuid4().hex.upper(), "HTTPHeaders": {}, "RetryAttempts": 0}
    parsed["ResponseMetadata"] = {**made, **kept, "HTTPStatusCode": status_code}
    return status_code, parsed


def client_error(outcome: CrossfadeError, operation: str) -> ClientError:
    _, parsed = parsed_answer(outcome)
    return ClientError(parsed, operation)


def raise_as_botocore_would(outcome: UnknownOutcome, operation: str) -> None:
    """The exception of the call that failed (a timeout, a broken connection, a server's error)."""
    if outcome.__cause__ is not None:
        raise outcome.__cause__
    raise client_error(outcome, operation)
