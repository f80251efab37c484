"""Time to Live as the service does it: on each table at a time of its own, some time after an item's own time.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html: items are deleted "within a few
days", until then they are read and written like others; only Numbers count, and no time of more than five years ago.
The record in the stream: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, TypeAlias

from tests.service.answers import Answer, Body, answered, refusal
from tests.service.clock import Clock

Ask: TypeAlias = Callable[[str, Body], Awaitable[tuple[int, Body]]]
Delete: TypeAlias = Callable[[str, Body, Body], Awaitable[bool]]  # a table, a key, the condition under which it goes

OPERATIONS: Final = frozenset({"UpdateTimeToLive", "DescribeTimeToLive"})
FIVE_YEARS_SECONDS: Final = 5 * 365.25 * 24 * 3600
OK: Final = 200


@dataclass
class Setting:
    attribute: str = ""
    delay_seconds: tuple[float, float] = (0.0, 0.0)  # of each item one between the two


@dataclass
class Expiry:
    """`delete`: carry out one delete, and have its record name the service. The engine knows of no Time to Live."""

    ask: Ask
    delete: Delete
    clock: Clock
    seed: int
    _settings: dict[str, Setting] = field(default_factory=dict[str, Setting])

    def of(self, table: str) -> Setting:
        return self._settings.setdefault(table, Setting())

    def forget(self, table: str) -> None:
        """The table is deleted."""
        _ = self._settings.pop(table, None)

    # --- answers

    async def answer(self, operation: str, body: Body) -> Answer:
        table = str(body.get("TableName", ""))
        status, told = await self.ask("DescribeTable", {"TableName": table})
        if status != OK:
            return refusal("ResourceNotFoundException", str(told.get("message") or told.get("Message")))
        if operation == "DescribeTimeToLive":
            return answered({"TimeToLiveDescription": self._description(table)})
        return self._update(table, body["TimeToLiveSpecification"])

    def _description(self, table: str) -> Body:
        attribute = self.of(table).attribute
        if not attribute:
            return {"TimeToLiveStatus": "DISABLED"}
        return {"TimeToLiveStatus": "ENABLED", "AttributeName": attribute}

    def _update(self, table: str, asked: Body) -> Answer:
        setting = self.of(table)
        if bool(asked["Enabled"]) == bool(setting.attribute):
            word = "enabled" if setting.attribute else "disabled"
            return refusal("ValidationException", f"TimeToLive is already {word}")
        if setting.attribute and setting.attribute != asked["AttributeName"]:
            text = f"TimeToLive is active on a different AttributeName: current AttributeName is {setting.attribute}"
            return refusal("ValidationException", text)
        setting.attribute = str(asked["AttributeName"]) if asked["Enabled"] else ""
        return answered({"TimeToLiveSpecification": asked})

    # --- what expires

    async def sweep(self, table: str | None = None) -> int:
        """Delete what is due, in one table or in all; return how many items that were."""
        deleted = 0
        for name, setting in list(self._settings.items()):
            if setting.attribute and table in (None, name):
                deleted += await self._sweep(name, setting)
        return deleted

    async def _sweep(self, table: str, setting: Setting) -> int:
        now = self.clock.now()
        status, told = await self.ask("DescribeTable", {"TableName": table})
        if status != OK:
            self.forget(table)
            return 0
        names = [element["AttributeName"] for element in told["Table"]["KeySchema"]]
        deleted = 0
        for item in await self._expired(table, setting.attribute, now):
            key = {name: item[name] for name in names}
            seen = item[setting.attribute]
            if float(seen["N"]) + self._delay(table, setting, key, seen["N"]) > now:
                continue
            deleted += await self.delete(table, key, unless_changed(setting.attribute, seen))
        return deleted

    async def _expired(self, table: str, attribute: str, now: float) -> list[Body]:
        request: Body = {
            "TableName": table,
            "ConsistentRead": True,
            "FilterExpression": "#expires <= :now AND #expires > :long_ago",
            "ExpressionAttributeNames": {"#expires": attribute},
            "ExpressionAttributeValues": {
                ":now": {"N": str(int(now))}, ":long_ago": {"N": str(int(now - FIVE_YEARS_SECONDS))},
            },
        }  # fmt: skip
        found: list[Body] = []
        while True:
            status, page = await self.ask("Scan", request)
            if status != OK:
                return found
            found += page["Items"]
            if "LastEvaluatedKey" not in page:
                return found
            request = {**request, "ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _delay(self, table: str, setting: Setting, key: Body, expires: str) -> float:
        lot: Any = Random(f"{self.seed}.{table}.{json.dumps(key, sort_keys=True)}.{expires}")
        return float(lot.uniform(*setting.delay_seconds))


def unless_changed(attribute: str, seen: Body) -> Body:
    return {
        "ConditionExpression": "#expires = :seen",
        "ExpressionAttributeNames": {"#expires": attribute},
        "ExpressionAttributeValues": {":seen": seen},
    }
