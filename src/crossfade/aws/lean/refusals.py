"""What an answer that is not a success means: the error in botocore's shape, as ServiceRejected or UnknownOutcome."""

from __future__ import annotations

from http.client import responses as status_texts
from typing import Any, Final

from crossfade.aws.lean.connection import Answer
from crossfade.aws.lean.decoding import decode_binary, json_object
from crossfade.aws.lean.encoding import BINARY
from crossfade.aws.lean.failures import Failure, FailureKind
from crossfade.aws.lean.operations import LeanOperation
from crossfade.aws.own_calls import SERVER_ERROR, outcome_of
from crossfade.core.effects import Reply


def failure_of(operation: LeanOperation, answer: Answer, metadata: Reply) -> Failure:
    """The failure for an answer of 300 and more."""
    status_code = answer.status_code
    parsed = parsed_error(operation, status_code, answer.body)
    parsed["ResponseMetadata"] = metadata
    kind = FailureKind.SERVER if status_code >= SERVER_ERROR else FailureKind.REFUSED
    code: str = parsed["Error"]["Code"]
    return Failure(kind, outcome_of(status_code, parsed), code, status_code, answer.headers.get("date", ""))


def parsed_error(operation: LeanOperation, status_code: int, body: bytes) -> Reply:
    """`Error`, and whatever else the model has for this error: `Item`, `CancellationReasons`, `message`."""
    if status_code >= SERVER_ERROR and (not body.strip() or body.lstrip().startswith(b"<html>")):  # a proxy's
        return {"Error": {"Code": str(status_code), "Message": status_texts.get(status_code, "")}}
    given = _given(body)
    code = _code(given.get("__type", str(status_code)))
    parsed: Reply = {"Error": {"Message": given.get("message", given.get("Message", "")), "Code": code}}
    shape: Any = operation.model.service_model.shape_for_error_code(code)
    if shape is not None:
        if BINARY.search(body) is not None:
            decode_binary(given)
        parsed.update({name: given[name] for name in shape.members if given.get(name) is not None})
    return parsed


NO_BODY: Final = b""


def _given(body: bytes) -> Reply:
    if body == NO_BODY:
        return {}
    try:
        return json_object(body)
    except ValueError:  # whatever stands between us and the service says, it is the message
        return {"message": body.decode("utf-8", "replace")}


def _code(kind: str) -> str:
    """Return the bare code in `com.amazonaws.dynamodb.v20120810#ResourceNotFoundException:...`."""
    return kind.partition(":")[0].rpartition("#")[2]
