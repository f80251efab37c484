"""The old table made as cheap as it gets while it is kept: one unit each, or on-demand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from crossfade.cleanup.connections import Hands
from crossfade.cleanup.table import ON_DEMAND, PROVISIONED, UNITS, billing_of, throughput_of
from crossfade.core.effects import Request
from crossfade.errors import ConfigurationError

LEAST: Final = dict.fromkeys(UNITS, 1)


def wanted_change(description: Mapping[str, Any], *, on_demand: bool) -> Request | None:
    """The UpdateTable that is left to be done; None when it is as it should be. A table that is on-demand stays so:
    it costs nothing while nobody uses it."""
    if billing_of(description) == ON_DEMAND:
        return None
    name = description["TableName"]
    if on_demand:
        return {"TableName": name, "BillingMode": ON_DEMAND}
    request: Request = {"TableName": name}
    if throughput_of(description) != LEAST:
        request["ProvisionedThroughput"] = dict(LEAST)
    indexes = [
        {"Update": {"IndexName": each["IndexName"], "ProvisionedThroughput": dict(LEAST)}}
        for each in description.get("GlobalSecondaryIndexes", ())
        if throughput_of(each) != LEAST
    ]
    if indexes:
        request["GlobalSecondaryIndexUpdates"] = indexes
    return request if len(request) > 1 else None


def figures(description: Mapping[str, Any]) -> str:
    """`provisioned 5/5, by-day 10/10` or `on-demand`, for the record."""
    if billing_of(description) != PROVISIONED:
        return "on-demand"
    parts = [("provisioned", description)]
    parts += [(each["IndexName"], each) for each in description.get("GlobalSecondaryIndexes", ())]
    return ", ".join(f"{name} {'/'.join(str(n) for n in throughput_of(each).values())}" for name, each in parts)


async def lower_throughput(hands: Hands, *, on_demand: bool) -> str:
    """Ask for it once, and wait until the table is as it should be; its figures then. Raises ConfigurationError."""
    description = await hands.active_table("source")
    change = wanted_change(description, on_demand=on_demand)
    if change is not None:
        _ = await hands.ask("source", "UpdateTable", change)
    for look in range(hands.patience.showing):
        description = await hands.active_table("source")
        if wanted_change(description, on_demand=on_demand) is None:
            return figures(description)
        seen = f"the change is accepted, and not shown: {figures(description)}"
        await hands.look_again("source", seen, look, hands.patience.showing)
    raise ConfigurationError(
        f"DynamoDB has accepted the change of {description['TableName']}, and goes on showing {figures(description)}",
        next_step="see whether auto scaling raises it again, and end that; then the same command, or --on-demand",
    )
