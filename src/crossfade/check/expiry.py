"""Expiry (TTL) of the target, which a migration that goes by copy-on-write does not bear before it is complete.

The service removes an expired item from one table alone. Where an item is the target's, or else the source's, its twin
in the source would then be the item again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from crossfade.check.report import Finding
from crossfade.migration import Migration

NOT_SUPPORTED = frozenset({"UnknownOperationException", "ResourceNotFoundException"})


def expiry_findings(client_target: Any, migration: Migration) -> Iterator[Finding]:
    """`client_target`: a DynamoDB client; the target is there."""
    if migration.strategy != "copy-on-write":
        return
    name = migration.target.name
    try:
        described = client_target.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    except ClientError as error:
        response: Any = error.response  # pyright: ignore[reportUnknownMemberType]
        if response.get("Error", {}).get("Code") not in NOT_SUPPORTED:
            yield Finding(
                "warning",
                "expiry-unknown",
                f"whether items of target {name} expire could not be asked: {error}",
                next_step="allow dynamodb:DescribeTimeToLive, or see to it that TTL is off there until it is complete",
            )
        return
    if described.get("TimeToLiveStatus") in ("ENABLED", "ENABLING"):
        yield Finding(
            "error",
            "target-expires",
            f"items of target {name} expire by {described.get('AttributeName')!r}: one that does so before the stage is"
            " complete would be what the source still holds again",
            next_step=f"switch TTL off on {name}, and on again when the migration is complete",
        )
