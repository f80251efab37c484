"""What is sent where a rule is left out: the routines are production's, and so are their requests but for that."""

from __future__ import annotations

from typing import Any

from crossfade.cdc.applying import NOT_NEWER, PART_NOT_NEWER
from crossfade.control.records import REPAIRS, SORT_KEY
from crossfade.core.effects import Call, Effect, Now, Request
from crossfade.core.mapping import STAMP
from crossfade.core.rules import Rules

LOCKED = ("#stamp = :found", "attribute_not_exists(#stamp)")


def applied_without(rules: Rules, effect: Effect[Any]) -> Effect[Any]:
    """What applies changes."""
    if not isinstance(effect, Call) or effect.operation != "PutItem":
        return effect
    request = effect.request
    condition: str = request.get("ConditionExpression", "")
    if (not rules.version and condition in (NOT_NEWER, PART_NOT_NEWER)) or (
        not rules.rebuild_lock and condition in LOCKED
    ):
        return Call(effect.place, "PutItem", {"TableName": request["TableName"], "Item": request["Item"]})
    if not rules.tombstone and "deleted" in request["Item"].get(STAMP, {}).get("M", {}):
        key = {name: request["Item"][name] for name in ("pk", "sk")}
        rest: Request = {name: value for name, value in request.items() if name != "Item"}
        return Call(effect.place, "DeleteItem", {**rest, "Key": key})
    return effect


def recorded_without(rules: Rules, effect: Effect[Any]) -> Effect[Any]:
    """What a switch puts into the control table."""
    if rules.repair_queue or not isinstance(effect, Call) or effect.operation != "PutItem":
        return effect
    if effect.request["Item"].get(SORT_KEY, {}).get("S", "").startswith(REPAIRS):
        return Now()
    return effect
