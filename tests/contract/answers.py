"""An answer as it is compared: request ids away, sets in order, tables called the same in every world.

Everything else is compared as it came: which attributes, which digits a number has, which items in which order.
"""

from __future__ import annotations

import json
from typing import Any, Final, cast

from botocore.exceptions import ClientError

from tests.contract.steps import Answer

SETS: Final = ("SS", "NS", "BS")
# What tells one table from another of the same making; the rest of a description is compared.
OF_ONE_TABLE: Final = frozenset(
    {"TableId", "CreationDateTime", "TableSizeBytes", "ItemCount", "IndexSizeBytes"}
    | {"LastUpdateToPayPerRequestDateTime"}
)
WORLD: Final = "WORLD"
# The text of an error is in `Error`; beside it some are repeated as `message` or `Message`.
LEFT_OUT: Final = ("ResponseMetadata", "message", "Message")


def answer_or_error(error: Exception) -> Answer:
    """What a call raised: the service's error as it is in the response, or another exception with its text."""
    if isinstance(error, ClientError):
        response: dict[str, Any] = cast("Any", error).response
        return {"raised": type(error).__name__, **response}
    return {"raised": type(error).__name__, "text": str(error)}


def normalised(answer: Answer, token: str) -> Answer:
    """As compared. `token` is the part of table names that only this world has."""
    plain = {name: value for name, value in answer.items() if name not in LEFT_OUT}
    answer = cast("Answer", _normal(plain, token))
    if "ConsumedCapacity" in answer:
        answer["ConsumedCapacity"] = _by_table(answer["ConsumedCapacity"])
    if isinstance(answer.get("Responses"), dict):  # BatchGetItem: DynamoDB promises no order
        answer["Responses"] = {name: sorted(items, key=repr_sorted) for name, items in answer["Responses"].items()}
    return answer


def repr_sorted(item: dict[str, Any]) -> str:
    """A text by which items can be brought into an order."""
    return json.dumps(item, sort_keys=True, default=repr)


def _normal(value: Any, token: str) -> Any:
    if isinstance(value, str):
        return value.replace(token, WORLD) if token in value else value
    if isinstance(value, dict):
        given = cast("dict[str, Any]", value)
        return {
            _normal(name, token): _sorted(inner) if name in SETS else _normal(inner, token)
            for name, inner in given.items()
            if name not in OF_ONE_TABLE
        }
    if isinstance(value, list):
        return [_normal(inner, token) for inner in list_of(value)]
    return value


def _by_table(entries: Any) -> Any:
    """Capacity of several tables is a list without an order."""
    if not isinstance(entries, list):
        return entries
    return sorted(list_of(entries), key=lambda entry: str(entry.get("TableName")))


def _sorted(members: Any) -> Any:
    return sorted(list_of(members), key=repr) if isinstance(members, list) else members


def list_of(value: Any) -> list[Any]:
    """The value as a list of anything; empty if it is none."""
    return value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]
