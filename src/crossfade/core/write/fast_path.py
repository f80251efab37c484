"""Fast path: translate a single-item request and its reply without starting a routine.

It serves calls that one side alone carries out, that ask for the item or nothing, and that nothing follows. Whatever
goes wrong on the way, the routine runs instead and makes the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from crossfade.core.effects import Reply, Request
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.request.placeholders import has_ours
from crossfade.core.stages import Side, other_side
from crossfade.core.tables.pair import Pair
from crossfade.errors import MappingError

TEXTS: Final = ("ConditionExpression", "UpdateExpression", "ExpressionAttributeNames")
WRITING: Final = frozenset({"TableName", "ExpressionAttributeValues", *TEXTS})
FAST_PARAMETERS: Final = {
    "GetItem": frozenset({"TableName", "Key", "ConsistentRead"}),
    "PutItem": WRITING - {"UpdateExpression"} | {"Item"},
    "UpdateItem": WRITING | {"Key"},
    "DeleteItem": WRITING - {"UpdateExpression"} | {"Key"},
}
KEY_LENGTH_MAX: Final = 256  # longer ones may be too long, which the routine says
NO_TEXTS: Final[Request] = {}
TEXTS_KEPT: Final = 1_000  # a program has few: what varies is in the values


class FastPath:
    """Translates a call on one item to the table that the caller does not name, and its reply back."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._side: Side = other_side(pair.view)
        self._table_name = pair.table(self._side).name
        mapping = pair.mapping
        self._schema = pair.callers_schema
        self._there, self._back = mapping.forward, mapping.backward
        self._key_there = mapping.forward_key
        if self._side == "source":
            self._there, self._back, self._key_there = mapping.backward_exactly, mapping.forward, mapping.backward_key
        self._stamps = self._side == "target"
        self._texts_there: dict[object, Request | None] = {}  # by the texts of a request

    def request(self, operation: str, request: Request, new_stamp: Callable[[], str]) -> Request | None:
        """The request as it is to be sent; None where the routine must be asked."""
        if not request.keys() <= FAST_PARAMETERS[operation]:
            return None
        texts = NO_TEXTS if operation == "GetItem" else self._texts(operation, request)
        if texts is None:
            return None
        there: Request = {**request, "TableName": self._table_name, **texts}
        try:
            given: Item = request["Item"] if operation == "PutItem" else request["Key"]
            for name, kind in self._schema:
                value = given[name]
                if len(value[kind]) > KEY_LENGTH_MAX or len(value) > 1:
                    return None
            if operation == "PutItem":
                item = there["Item"] = self._there(given)
                if self._stamps:
                    item[STAMP] = {"S": new_stamp()}
            else:
                there["Key"] = self._key_there(given)
            if self._stamps and operation == "UpdateItem":
                values: Item = request.get("ExpressionAttributeValues", NO_TEXTS)
                there["ExpressionAttributeValues"] = {**values, ":xf_stamp": {"S": new_stamp()}}
        except (MappingError, LookupError, TypeError, AttributeError):
            return None
        return there

    def turn(self, reply: Reply) -> bool:
        """Make the answer the caller's, in place. False where the routine must make it."""
        item: Item | None = reply.get("Item")
        if item is not None:
            try:
                reply["Item"] = self._back(item)
            except MappingError:
                return False
        return True

    def _texts(self, operation: str, request: Request) -> Request | None:
        """Return what a write's texts become: those that set a stamp as well. None where the other table would not
        evaluate them as the caller's does."""
        condition, change, names = (request.get(name) for name in TEXTS)
        if condition is None and change is None:
            if names is not None or "ExpressionAttributeValues" in request:
                return None  # there is something wrong with it
            if operation != "UpdateItem":
                return NO_TEXTS
        # Of a stage in which the other table serves alone; not for the start of a process in off.
        from crossfade.core.write.translate import server_evaluates, stamped_update

        texts = (operation, condition, change, None if names is None else tuple(names.items()))
        if texts in self._texts_there:
            return self._texts_there[texts]
        if len(self._texts_there) >= TEXTS_KEPT:
            self._texts_there.clear()
        there: Request | None = None
        if change != "" and not has_ours(request) and server_evaluates(self._pair, self._side, operation, request):
            there = NO_TEXTS
            if self._stamps and operation == "UpdateItem":
                stamped = stamped_update(request, "")
                there = {name: stamped[name] for name in ("UpdateExpression", "ExpressionAttributeNames")}
        self._texts_there[texts] = there
        return there
