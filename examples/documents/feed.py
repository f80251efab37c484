"""What the documents look like, in the old format: a nested owner, and numbers, times and flags as they came in."""

from __future__ import annotations

import random
from typing import Any

TENANTS = ("acme", "globex", "initech", "umbrella")
OWNERS = ("anna", "bo", "chen", "dipa", "emil")


def name_of(number: int) -> tuple[str, str]:
    """The key of document `number`. One of three is never removed."""
    kind = "keep" if number % 3 == 0 else "draft"
    return TENANTS[number % len(TENANTS)], f"{kind}-{number:06}"


def incoming(number: int) -> dict[str, Any]:
    """Document `number` as it comes in."""
    chance = random.Random(number)
    tenant, name = name_of(number)
    day, hour = chance.randrange(1, 29), chance.randrange(24)
    return {
        "tenant": tenant,
        "document": name,
        "title": f"Document {number}",
        "meta": {"owner": chance.choice(OWNERS), "language": chance.choice(("en", "de"))},
        "published": f"2026-{chance.randrange(1, 13):02}-{day:02}T{hour:02}:00:00Z",
        "bytes": str(chance.randrange(100_000)),
        "archived": False,
        "tags": {"all", tenant},
        "revision": 0,
    }
