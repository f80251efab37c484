"""Answers as far as two tables can give the same ones."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any, Final, cast

# The service repeats an error's text as `message`; Local does not, and tells of capacity that nobody asked for.
LOCALS_OWN: Final = frozenset({"message", "ConsumedCapacity"})
# What Local says of keys, and what the service says.
LOCALS_WORDS: Final = {
    r"One of the required keys was not given a value": (
        "One or more parameter values were invalid: Missing the key title in the item"
    ),
    r"One or more parameter values were invalid: Type mismatch for key$": (  # of a key given, not of an item
        "The provided key element does not match the schema"
    ),
}


def told(call: Callable[..., Any], **parameters: Any) -> Any:
    """The answer to a call, or the error: its class, code and words, and whatever came with it."""
    try:
        return comparable(call(**parameters))
    except Exception as error:  # noqa: BLE001  whatever an application may meet
        return comparable({"class": type(error).__name__, "words": str(error), **getattr(error, "response", {})})


def comparable(answer: Any) -> Any:
    """Without request ids, and without what DynamoDB Local alone leaves out or adds."""
    if isinstance(answer, dict):
        given: dict[str, Any] = cast("Any", answer)
        return {
            name: value["HTTPStatusCode"] if name == "ResponseMetadata" else comparable(value)
            for name, value in given.items()
            if name not in LOCALS_OWN
        }
    if isinstance(answer, str):
        for local, service in LOCALS_WORDS.items():
            answer = re.sub(local, service, answer)
    if isinstance(answer, list):
        members: list[Any] = cast("Any", answer)
        return [comparable(each) for each in members]
    return answer


def opened(token: str) -> Any:
    """What is in a token of botocore's paginators, whose text depends on the order of the key's attributes."""
    return json.loads(base64.b64decode(token))


def unordered(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Items of a Scan: partitions have no order that an application may rely on."""
    return sorted(items, key=lambda item: [str(item.get(name)) for name in ("author", "title", "copies")])
