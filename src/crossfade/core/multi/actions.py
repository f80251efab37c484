"""The actions of a caller's transaction that are on our table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crossfade.core.effects import Request
from crossfade.core.evaluate.plain_table import ActionName
from crossfade.core.items import Item, same_item
from crossfade.core.mapping.values import show_key
from crossfade.core.request.keys import checked_key, invalid_key
from crossfade.core.request.names import plain_name
from crossfade.core.stages import Side
from crossfade.core.tables.pair import Pair, key_name
from crossfade.errors import invalid_request

OPERATION_OF_ACTION: Final[dict[str, ActionName]] = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheck",
}


@dataclass(frozen=True, slots=True)
class Action:
    """One action on our table: its place in the caller's list, and what it says."""

    place: int
    operation: ActionName
    request: Request
    key: Item  # of the source


MULTIPLE_OPERATIONS: Final = "Transaction request cannot include multiple operations on one item"
NO_EXPRESSION: Final = (
    "Value null at 'transactItems.{}.member.update.updateExpression' failed to satisfy constraint: Member must not be"
    " null"
)


def check_apart(pair: Pair, keys: Sequence[Item], told: str) -> None:
    """No two parts of a request are about items that share a key of either table. Raises ServiceRejected; `told`: what
    the caller's own table says."""
    sides: tuple[Side, ...] = ("source", "target") if pair.mapping.target_key_extras else ("source",)
    for side in sides:
        seen: dict[str, Item] = {}
        for key in keys:
            there = pair.key(side, key)
            other = seen.setdefault(key_name(there), key)
            if other is key:
                continue
            if side == pair.view or len(sides) == 1 or same_item(other, key):
                raise invalid_request(told)
            raise invalid_key(
                f"{show_key(other)} and {show_key(key)} are under one key in {pair.table(side).name}: {show_key(there)}"
            )


def actions_of(pair: Pair, request: Request) -> list[Action]:
    """Ours. Raises ServiceRejected for a malformed key."""
    found: list[Action] = []
    for place, entry in enumerate(request["TransactItems"]):
        for kind, given in entry.items():
            if plain_name(given.get("TableName", "")) == pair.caller.name:
                if len(entry) > 1:
                    raise invalid_request("an action is one of Put, Update, Delete, ConditionCheck")
                if kind == "Update" and given.get("UpdateExpression") is None:
                    raise invalid_request(NO_EXPRESSION.format(place + 1))
                operation = OPERATION_OF_ACTION.get(kind, "ConditionCheck")
                found.append(Action(place, operation, given, checked_key(pair, given)))
    return found
