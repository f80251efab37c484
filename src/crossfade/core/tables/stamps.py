"""What one side holds under one key, and the stamp of its last writer, which no caller sees."""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.core.effects import Reply
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP


@dataclass(frozen=True, slots=True)
class Stored:
    """What one side holds under one key, as that side holds it, and the stamp of its last writer."""

    item: Item | None
    stamp: str | None = None


def item_without_stamp(item: Item) -> Item:
    """The item as the caller sees it, where the caller's own table holds it."""
    return {name: value for name, value in item.items() if name != STAMP} if STAMP in item else item


ABSENT = Stored(None)


def reply_without_stamp(reply: Reply) -> Reply:
    """The answer of the caller's own table, or one of several in it, the stamp not shown."""
    item: Item | None = reply.get("Item")
    return reply if item is None else {**reply, "Item": item_without_stamp(item)}


def page_without_stamps(reply: Reply) -> Reply:
    """The answer of a forwarded Query or Scan, the stamps not shown."""
    items: list[Item] = reply.get("Items", [])
    return {**reply, "Items": [item_without_stamp(item) for item in items]} if items else reply
