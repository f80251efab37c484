"""A request in botocore's form, as the JSON that DynamoDB reads.

The two differ in binary values only. orjson asks about each `bytes` that it meets; text given for a binary value, which
botocore takes as UTF-8, looks like any other text, so it is searched for in those requests that have a binary value.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from typing import Any, Final, cast

import orjson

from crossfade.core.effects import Request
from crossfade.errors import invalid_request

BINARY: Final = re.compile(rb'"BS?"')  # one search, and cheaper than two for substrings


def encoded(request: Request, *, is_text: bool = False) -> bytes:
    """Return the JSON of a request. `is_text`: no text in it is given for a binary value.

    Raises ServiceRejected for what cannot be JSON.
    """
    try:
        body = orjson.dumps(request, default=_base64)
        if not is_text and BINARY.search(body) is not None and _has_text(request):
            body = orjson.dumps(_text_as_bytes(request), default=_base64)
    except (TypeError, ValueError, RecursionError) as error:
        raise invalid_request(f"the request cannot be sent: {error}") from error
    return body


def _base64(value: Any) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return b2a_base64(cast("bytes", value), newline=False).decode("ascii")
    if hasattr(value, "read"):  # botocore takes a file
        return _base64(value.read())
    raise TypeError(f"{type(value).__name__} is none of the types of an attribute value")


def _has_text(value: Any) -> bool:
    """Whether a binary value is given as text."""
    if isinstance(value, dict):
        for name, inner in cast("dict[str, Any]", value).items():
            if name == "B" and isinstance(inner, str):
                return True
            if name == "BS" and isinstance(inner, (list, tuple)):
                if any(isinstance(each, str) for each in cast("list[Any]", inner)):
                    return True
            elif isinstance(inner, (dict, list, tuple)) and _has_text(inner):
                return True
        return False
    return isinstance(value, (list, tuple)) and any(_has_text(each) for each in cast("list[Any]", value))


def _text_as_bytes(value: Any) -> Any:
    if isinstance(value, dict):
        given = cast("dict[str, Any]", value)
        return {name: _member(name, inner) for name, inner in given.items()}
    if isinstance(value, (list, tuple)):
        return [_text_as_bytes(each) for each in cast("list[Any]", value)]
    return value


def _member(name: str, value: Any) -> Any:
    if name == "B" and isinstance(value, str):
        return value.encode()
    if name == "BS" and isinstance(value, (list, tuple)):
        return [each.encode() if isinstance(each, str) else _text_as_bytes(each) for each in cast("list[Any]", value)]
    return _text_as_bytes(value)
