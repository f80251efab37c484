"""Answers as far as two tables can give the same ones."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any, Final, cast

from tests.core.wording import without_preamble

# The text of an error is in `Error`; beside it some answers repeat it.
REPEATED: Final = "message"
# The service and we write STRING where the engine writes S.
TYPE_NAMED: Final = re.compile(r"(?<=action is not supported for the type) \w+")


def told(call: Callable[..., Any], **parameters: Any) -> Any:
    """The answer to a call, or the error: its class, code and words, and whatever came with it."""
    try:
        return comparable(call(**parameters))
    except Exception as error:  # noqa: BLE001  whatever an application may meet
        return comparable({"class": type(error).__name__, "words": str(error), **getattr(error, "response", {})})


def comparable(answer: Any) -> Any:
    """Without request ids, and with the words of errors as every Region has them."""
    if isinstance(answer, dict):
        given: dict[str, Any] = cast("Any", answer)
        return {
            name: value["HTTPStatusCode"] if name == "ResponseMetadata" else comparable(value)
            for name, value in given.items()
            if name != REPEATED
        }
    if isinstance(answer, str):
        return TYPE_NAMED.sub("", without_preamble(answer))
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
