"""An outcome in the form in which botocore hands it to a caller: a parsed answer with its metadata, and a status.

What a mirror or a comparison still looks at is handed out as a copy: a boto3 resource converts the answer in place, and
a caller may change it.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Final, cast

import orjson
from botocore.exceptions import ClientError

from crossfade.aws.lean.decoding import decode_binary, json_object
from crossfade.aws.lean.encoding import BINARY
from crossfade.core.effects import Reply, Request
from crossfade.core.request.wellformed import without_nulls
from crossfade.errors import CrossfadeError, ServiceRejected, UnknownOutcome

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


def copy_reply(value: Any) -> Any:
    """Copy a value as `fresh` does, faster where nothing in it is binary."""
    try:
        return orjson.loads(orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_DATETIME))
    except (TypeError, ValueError):
        return fresh(value)


def from_wire(body: bytes, request: Request | None = None) -> Request:
    """A copy of a request, read from the JSON that botocore made of it: quicker than walking through it.

    `request`: as the caller made it, where that may matter: botocore adds a token to a transaction that has none.
    """
    copy = json_object(body)
    if b"null" in body:
        copy = without_nulls(copy)
    if BINARY.search(body) is not None:
        decode_binary(copy)
    if request is not None and "ClientRequestToken" not in request:
        _ = copy.pop("ClientRequestToken", None)
    return copy


def as_bytes(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode()
    return bytes(value) if isinstance(value, bytearray) else value


def parsed_answer(outcome: Reply | CrossfadeError, *, shared: bool = True) -> tuple[int, Reply]:
    """Status and parsed answer for a reply or an error. For an UnknownOutcome, see `raise_as_botocore_would`.

    `shared`: whether somebody else may still look at the reply.
    """
    if isinstance(outcome, ServiceRejected):
        return with_metadata(BAD_REQUEST, fresh(dict(outcome.response)))
    if isinstance(outcome, CrossfadeError):
        # The SDKs' word for "it failed on our side, it may have been carried out, try again".
        error = {"Code": "InternalServerError", "Message": outcome.message}
        return with_metadata(INTERNAL_SERVER_ERROR, {"Error": error, "message": outcome.message})
    return with_metadata(OK, copy_reply(outcome) if shared else dict(outcome))


def with_metadata(status_code: int, parsed: Reply) -> tuple[int, Reply]:
    """Callers find a request id, a status, headers and a count of retries in every answer; a real answer's own are
    kept."""
    kept: Reply = parsed.get("ResponseMetadata", {})
    request_id = kept.get("RequestId") or uuid.uuid4().hex.upper()
    made: Reply = {"RequestId": request_id, "HTTPHeaders": kept.get("HTTPHeaders") or headers(request_id)}
    parsed["ResponseMetadata"] = {"RetryAttempts": 0, **kept, **made, "HTTPStatusCode": status_code}
    return status_code, parsed


def headers(request_id: str) -> dict[str, str]:
    """Return the headers of an answer that no single HTTP response gave."""
    return {
        "server": "Server",
        "date": formatdate(usegmt=True),
        "content-type": "application/x-amz-json-1.0",
        "connection": "keep-alive",
        "x-amzn-requestid": request_id,
    }


def client_error(outcome: CrossfadeError, operation: str) -> ClientError:
    _, parsed = parsed_answer(outcome)
    return ClientError(parsed, operation)


def raise_as_botocore_would(outcome: UnknownOutcome, operation: str) -> None:
    """The exception of the call that failed (a timeout, a broken connection, a server's error)."""
    cause = outcome.__cause__
    if cause is not None and not isinstance(cause, CrossfadeError):
        raise cause
    raise client_error(outcome, operation)
