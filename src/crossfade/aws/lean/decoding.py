"""An answer's JSON as a reply in botocore's form.

The two differ in binary values and in moments. The first are looked for only where the text of the answer has a `B` or
a `BS`; the second only in the few operations that have any.
"""

from __future__ import annotations

import json
from binascii import a2b_base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, cast

import orjson
from botocore.parsers import create_parser  # pyright: ignore[reportUnknownVariableType]
from botocore.utils import parse_timestamp  # pyright: ignore[reportUnknownVariableType]

from crossfade.aws.lean.encoding import BINARY
from crossfade.aws.lean.operations import LeanOperation
from crossfade.core.effects import Reply

CREATED: Final = "ApproximateCreationDateTime"


def decoded(operation: LeanOperation, body: bytes) -> Reply:
    """Raises ValueError when it is no object, which botocore takes for an empty answer: an item that is not there."""
    if operation.timestamps and operation.name != "GetRecords":
        return _parsed_by_botocore(operation, body)
    reply = json_object(body)
    if BINARY.search(body) is not None:
        decode_binary(reply)
    if not reply.keys() <= operation.members or None in reply.values():
        reply = {name: value for name, value in reply.items() if name in operation.members and value is not None}
    if operation.timestamps:
        _date_records(reply)
    return reply


def json_object(body: bytes) -> Reply:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:  # stricter than the standard library, as to surrogates for one
        value = json.loads(body)
    if type(value) is not dict:
        raise ValueError(f"the answer is no JSON object but {type(value).__name__}")
    return cast("Reply", value)


def decode_binary(value: Any) -> None:
    """Decode binary values in place.

    An attribute that is itself named B holds an object, so text is found in binary values only.
    """
    if isinstance(value, dict):
        given = cast("dict[str, Any]", value)
        for name, inner in given.items():
            if isinstance(inner, str):
                if name == "B":
                    given[name] = a2b_base64(inner)
            elif isinstance(inner, dict):
                decode_binary(inner)
            elif isinstance(inner, list):
                if name == "BS" and inner and isinstance(inner[0], str):
                    given[name] = [a2b_base64(each) for each in cast("list[str]", inner)]
                else:
                    decode_binary(inner)
    elif isinstance(value, list):
        for each in cast("Sequence[Any]", value):
            decode_binary(each)


def _date_records(reply: Reply) -> None:
    """Whole seconds, so a page of records has few different ones."""
    moments: dict[Any, datetime] = {}
    for record in reply.get("Records", ()):
        change = record.get("dynamodb")
        if change is None or CREATED not in change:
            continue
        given = change[CREATED]
        if given not in moments:
            moments[given] = cast("Any", parse_timestamp)(given)
        change[CREATED] = moments[given]


def _parsed_by_botocore(operation: LeanOperation, body: bytes) -> Reply:
    """DescribeTable and its like: seldom called, and with a shape worth walking."""
    _ = json_object(body)
    parser: Any = cast("Any", create_parser)("json")
    response: dict[str, Any] = {"status_code": 200, "headers": {}, "body": body, "context": {}}
    reply: Reply = parser.parse(response, operation.model.output_shape)
    _ = reply.pop("ResponseMetadata")
    return reply
