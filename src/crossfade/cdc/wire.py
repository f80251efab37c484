"""A change as bytes, for a topic of our own and for the rows that are kept until an item can be made of them.

JSON, since people look into topics. What JSON has is written as it is; anything else is a pair of a tag and a text:

    ["n", "1.50"]       Decimal, with its scale        ["D", "2026-11-29"]    date
    ["b", "AAE="]       bytes, as base64               ["T", "2026-..."]      datetime, with its zone if it has one
    ["t", -1500000]     timedelta, in microseconds     ["s", ["a", "b"]]      set
    ["j", ...]          a list or an object: a JSON column; in it a Decimal is {"~": "1.5"}
"""

from __future__ import annotations

import base64
import datetime
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, cast

import orjson

from crossfade.cdc.changes import Change, ChangeUnreadable, Value, Version

TAG: Final = "~"  # of a Decimal within a JSON column; an object that has such a name itself is put into one that tells
INTEGERS: Final = (-(2**63), 2**64 - 1)  # what a reader of JSON keeps exact; beyond, an integer is a Decimal too
MICROSECOND: Final = datetime.timedelta(microseconds=1)


def encoded_key(change: Change) -> bytes:
    """What a topic is partitioned by: changes of one row stay in order."""
    return orjson.dumps([change.table, [packed(value) for value in change.key]])


def encoded(change: Change) -> bytes:
    """The whole change. Raises ChangeUnreadable for a value that no column can hold."""
    document = {
        "table": change.table,
        "key": [packed(value) for value in change.key],
        "row": packed_row(change.row),
        "before": packed_row(change.before),
        "version": str(change.version),
        "committed_at": change.committed_at,
        "origin": change.origin,
        "before_unknown": change.before_unknown,
    }
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError as error:  # half a character, for example
        raise ChangeUnreadable(f"a change of {change.table} cannot be written as JSON: {error}") from None


def decoded(message: bytes) -> Change:
    """The change again. Raises ChangeUnreadable for anything that `encoded` did not make."""
    try:
        document = orjson.loads(message)
        return Change(
            document["table"],
            tuple(unpacked(value) for value in document["key"]),
            unpacked_row(document["row"]),
            Version.of_text(document["version"]),
            unpacked_row(document["before"]),
            document["committed_at"],
            document["origin"],
            document["before_unknown"],
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ChangeUnreadable(f"no change that crossfade wrote: {type(error).__name__}: {error}") from None


def packed_row(row: Mapping[str, Value] | None) -> dict[str, Any] | None:
    """A row as JSON has it."""
    if row is None:
        return None
    return {name: value if type(value) in AS_IT_IS else packed(value) for name, value in row.items()}


def unpacked_row(row: dict[str, Any] | None) -> dict[str, Value] | None:
    """The row again."""
    if row is None:
        return None
    return {name: value if type(value) in AS_IT_IS else unpacked(value) for name, value in row.items()}


def packed(value: Value) -> Any:
    """One column's value as JSON has it."""
    if isinstance(value, AS_IT_IS):
        return value
    tag = TAG_OF.get(type(value))
    if tag is not None:
        return [tag, TAGS[tag][1](value)]
    raise ChangeUnreadable(f"a column cannot hold {value!r}, a {type(value).__name__}")


def unpacked(value: Any) -> Value:
    """The value again. Raises ChangeUnreadable."""
    if isinstance(value, AS_IT_IS):
        return value
    try:
        tag, held = value
        result: Value = TAGS[tag][2](held)
    except (TypeError, KeyError, ValueError, InvalidOperation) as error:  # binascii's error is a ValueError
        raise ChangeUnreadable(f"{value!r} is no value of a column: {type(error).__name__}: {error}") from None
    return result


def _packed_json(value: Any) -> Any:
    if isinstance(value, Decimal) or (isinstance(value, int) and not INTEGERS[0] <= value <= INTEGERS[1]):
        return {TAG: str(value)}
    if isinstance(value, list):
        return [_packed_json(entry) for entry in cast("list[object]", value)]
    if isinstance(value, dict):
        entries = {name: _packed_json(entry) for name, entry in cast("dict[str, object]", value).items()}
        return {TAG: entries} if TAG in entries else entries
    return value


def _unpacked_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_unpacked_json(entry) for entry in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    entries = cast("dict[str, object]", value)
    held = entries.get(TAG)
    if isinstance(held, str):
        return Decimal(held)
    if isinstance(held, dict):  # an object that has such a name itself
        entries = cast("dict[str, object]", held)
    return {name: _unpacked_json(entry) for name, entry in entries.items()}


def _text_of_bytes(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _bytes_of_text(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


AS_IT_IS: Final = (str, int, float, bool, type(None))
# By tag: the types, to JSON, and back.
TAGS: Final[dict[str, tuple[tuple[type, ...], Callable[[Any], Any], Callable[[Any], Value]]]] = {
    "n": ((Decimal,), str, Decimal),
    "b": ((bytes,), _text_of_bytes, _bytes_of_text),
    "T": ((datetime.datetime,), datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    "D": ((datetime.date,), datetime.date.isoformat, datetime.date.fromisoformat),
    "t": ((datetime.timedelta,), lambda value: value // MICROSECOND, lambda held: held * MICROSECOND),
    "s": ((frozenset,), sorted, frozenset),
    "j": ((list, dict), _packed_json, _unpacked_json),
}
TAG_OF: Final[dict[type, str]] = {kind: tag for tag, (kinds, _, _) in TAGS.items() for kind in kinds}
