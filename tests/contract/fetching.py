"""What the service shows of a local index that holds less than is asked for: it fetches the rest from the table, by
each item's key. The embedded engine does so for a Query of ALL_ATTRIBUTES alone.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LSI.html#LSI.Querying
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, cast

from crossfade.core.expressions import bind, projection
from tests.contract.steps import Answer, Op
from tests.contract.stricter import READS, is_local

FETCHED: Final = "what the service fetches"  # beside the engine's answer
SHOWING: Final = ("ProjectionExpression", "AttributesToGet", "Select")


def with_fetched(op: Op, answer: Answer, key_names: Iterable[str], perform: Callable[[Op], Answer]) -> Answer:
    """The answer, and beside it the items as the service shows them."""
    request = op.request
    chooses = any(name in request for name in SHOWING) and request.get("Select") in (
        None,
        "ALL_ATTRIBUTES",
        "SPECIFIC_ATTRIBUTES",
    )
    if op.name not in READS or not is_local(request) or not chooses or "Items" not in answer:
        return answer
    bare = {name: value for name, value in request.items() if name not in SHOWING}
    entries: list[Any] = perform(Op(op.name, bare))["Items"]
    keys = [{name: entry[name] for name in key_names} for entry in entries]
    table = request["TableName"]
    whole = [perform(Op("GetItem", {"TableName": table, "Key": key, "ConsistentRead": True}))["Item"] for key in keys]
    text: str | None = request.get("ProjectionExpression")
    names = cast("list[str] | None", request.get("AttributesToGet"))
    if names is not None:
        whole = [{name: item[name] for name in names if name in item} for item in whole]
    elif text is not None:
        shown = projection(text, bind(None, None))
        whole = [shown.apply(item) for item in whole]
    return {**answer, FETCHED: whole}


def as_fetched(answer: Answer, *, fetches: bool) -> Answer:
    """One of the two: the engine's, or the service's."""
    if FETCHED not in answer:
        return answer
    items = answer[FETCHED] if fetches else answer["Items"]
    return {**{name: value for name, value in answer.items() if name != FETCHED}, "Items": items}
