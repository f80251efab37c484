"""Time to Live (TTL): by which attribute a table expires its items, and for how long an item's time has been over.

"DynamoDB automatically deletes expired items within a few days of their expiration time", and until then they are read
and written like others (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html). Each table does so
by itself: of two that hold the same item, one may have it for days after the other has deleted it.
"""

from __future__ import annotations

from typing import Final

from crossfade.core.effects import Reply
from crossfade.core.items import Item

DAY_SECONDS: Final = 24 * 3600
# How long after its time an item that one table still has is taken for one that will expire there as well: what the
# service calls "a few days", with room. Whoever lost nothing but such an item has lost nothing, so there is no hurry.
GRACE_SECONDS: Final = 7 * DAY_SECONDS
# The value is "a top-level attribute" of type Number, in seconds, and counts only if it is "not older than five years":
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-before-you-start.html
AGE_SECONDS_MAX: Final = int(5 * 365.25 * DAY_SECONDS)


def expiry_attribute(reply: Reply) -> str:
    """Return the attribute that a DescribeTimeToLive answer names; "" where TTL is off."""
    found: dict[str, str] = reply.get("TimeToLiveDescription", {})
    return found.get("AttributeName", "") if found.get("TimeToLiveStatus") in ("ENABLED", "ENABLING") else ""


def overdue_seconds(item: Item, attribute: str, today: float) -> int | None:
    """Return for how long the item's time has been over at `today` (seconds since 1970), if its table may delete it.

    None for a time to come, milliseconds among them, or of more than five years ago, and for what is no Number.
    """
    value = item.get(attribute, {}).get("N") if attribute else None
    overdue = None if value is None else today - float(value)
    return int(overdue) if overdue is not None and 0 <= overdue < AGE_SECONDS_MAX else None
