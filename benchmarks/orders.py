"""The migration that the jobs are measured with: 1 KB items, a suffix, and an attribute that moves out of a map."""

from __future__ import annotations

from typing import Any, Final

from crossfade import Migration, Table
from crossfade.core.mapping.suffix import shard
from crossfade.mapping import move, suffix

KEY: Final[dict[str, Any]] = {"customer": "S", "order": "S"}
SOURCE: Final = "orders"
TARGET: Final = "orders-v2"
SUFFIXES: Final = 16
TEXTS: Final = 6
TEXT: Final = "x" * 125


def migration() -> Migration:
    pieces = [suffix("customer", count=SUFFIXES), move("detail.status", "status")]
    return Migration("orders", Table(SOURCE, KEY), Table(TARGET, KEY), pieces)


def number_of(key: Any) -> int:
    """Of an item, from its key."""
    return int(key["order"]["S"][1:])


def source_key(number: int) -> Any:
    return {"customer": {"S": f"c{number % 1009:05d}"}, "order": {"S": f"o{number:09d}"}}


def target_key(number: int) -> Any:
    key = source_key(number)
    stem = key["customer"]["S"]
    return {**key, "customer": {"S": f"{stem}#{shard([key['order']], SUFFIXES)}"}}


def source_item(number: int) -> Any:
    """About 1 KB in eleven attributes."""
    detail = {"status": {"S": "shipped"}, "carrier": {"S": "by sea"}, "weight": {"N": "12.5"}}
    return source_key(number) | rest(number) | {"detail": {"M": detail}}


def target_item(number: int) -> Any:
    detail = {"carrier": {"S": "by sea"}, "weight": {"N": "12.5"}}
    moved = {"detail": {"M": detail}, "status": {"S": "shipped"}, "_crossfade": {"S": "0123456789abcdef" * 2}}
    return target_key(number) | rest(number) | moved


def rest(number: int) -> Any:
    texts = {f"text_{n}": {"S": TEXT} for n in range(TEXTS)}
    return {"total": {"N": str(number)}, "paid": {"BOOL": True}} | texts
