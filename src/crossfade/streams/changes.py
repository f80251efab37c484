"""A record of a stream, as the rest sees it.

Order within a shard is the order in which an item was written; nothing is read out of the numbers or of the time, which
is rounded down to whole seconds. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.stages import Side

# Whom DynamoDB names for what it deletes because its time had come.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html
TTL_PRINCIPAL: Final = "dynamodb.amazonaws.com"
TTL_KIND: Final = "Service"


@dataclass(frozen=True, slots=True)
class Change:
    """One write. `key` is in the form of its side, `at` seconds since 1970, `who` empty where the record has nobody.

    `stamped`: it left a stamp that was not there before; None where the record does not tell: of a deletion, or
    because it is without the images. `image`: what it left, or took away, where the record shows it.
    """

    side: Side
    key: Item
    event: str  # INSERT, MODIFY or REMOVE
    at: float
    who: str
    expired: bool  # DynamoDB removed the item because its time had come
    stamped: bool | None = None
    image: Item | None = None


def change_of(side: Side, record: Mapping[str, Any], since: float = 0.0) -> Change:
    """Parse a record in botocore's form, of a stream that was enabled at `since`."""
    change: Mapping[str, Any] = record["dynamodb"]
    identity: Mapping[str, Any] = record.get("userIdentity") or {}
    who = str(identity.get("PrincipalId") or identity.get("principalId") or "")
    kind = str(identity.get("Type") or identity.get("type") or "")
    at: datetime = change["ApproximateCreationDateTime"]
    return Change(
        side=side,
        key=change["Keys"],
        event=str(record["eventName"]),
        at=max(at.timestamp(), since),
        who=who,
        expired=record["eventName"] == "REMOVE" and who == TTL_PRINCIPAL and kind == TTL_KIND,
        stamped=_left_a_stamp(change),
        image=change.get("NewImage") or change.get("OldImage"),
    )


def _left_a_stamp(change: Mapping[str, Any]) -> bool | None:
    if "NewImage" not in change:
        return None
    stamp: Any = change["NewImage"].get(STAMP)
    if stamp is None:
        return False
    if "OldImage" in change:
        return bool(stamp != change["OldImage"].get(STAMP))
    return None  # the same stamp may have been there before


def sequence_number(record: Mapping[str, Any]) -> str:
    """An opaque text: good for going on after it, and for nothing else."""
    return str(record["dynamodb"]["SequenceNumber"])
