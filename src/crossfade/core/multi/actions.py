"""The actions of a caller's transaction that are on our table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from crossfade.core.effects import Request
from crossfade.core.evaluate.plain_table import ActionName
from crossfade.core.items import Item
from crossfade.core.request.keys import checked_key
from crossfade.core.request.names import plain_name
from crossfade.core.tables.pair import Pair
from crossfade.errors import ServiceRejected

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


NO_EXPRESSION: Final = (
    "Value null at 'transactItems.{}.member.update.updateExpression' failed to satisfy constraint: Member must not be"
    " null"
)


def actions_of(pair: Pair, request: Request) -> list[Action]:
    """Ours. Raises ServiceRejected for a malformed key."""
    found: list[Action] = []
    for place, entry in enumerate(request["TransactItems"]):
        for kind, given in entry.items():
            if plain_name(given.get("TableName", "")) == pair.caller.name:
                if len(entry) > 1:
                    raise ServiceRejected(
                        "ValidationException", "an action is one of Put, Update, Delete, ConditionCheck"
                    )
                if kind == "Update" and given.get("UpdateExpression") is None:
                    raise ServiceRejected("ValidationException", NO_EXPRESSION.format(place + 1))
                found.append(
                    Action(place, OPERATION_OF_ACTION.get(kind, "ConditionCheck"), given, checked_key(pair, given))
                )
    return found
