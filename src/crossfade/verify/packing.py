"""Items kept in little room, while others are worked on.

As objects an item of 1 KB takes some 5 KB in a hundred places, and a few pages of those are more than a processor's
cache holds: to compare them, and to free them, took longer than to read them. So what has to wait is kept as JSON with
its names in order, in which equal items nearly always have the same bytes.
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from typing import Any, cast

import orjson

from crossfade.aws.lean.decoding import decode_binary, json_object
from crossfade.aws.lean.encoding import BINARY
from crossfade.core.items import Item, same_item


def packed(item: Item) -> bytes:
    """Binary values as base64, as DynamoDB sends them."""
    try:
        return orjson.dumps(item, default=_base64, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # half of a surrogate pair in a text, which only the standard library takes
        return json.dumps(item, default=_base64, sort_keys=True).encode()


def unpacked(body: bytes) -> Item:
    """The item as it was."""
    item: Item = json_object(body)
    if BINARY.search(body) is not None:
        decode_binary(item)
    return item


def same_packed(left: bytes, right: bytes) -> bool:
    """Whether two items mean the same: what differs in its bytes is looked at by its values."""
    return left == right or same_item(unpacked(left), unpacked(right))


def _base64(value: Any) -> str:
    return b2a_base64(cast("bytes", value), newline=False).decode("ascii")
