"""One item as a plain table would keep it: the sequential specification that recorded histories are checked against.

Written apart from core/expressions on purpose: a fault there must not hide itself. A state is what an application can
see of one item, or None for its absence; an action knows its request, and what it would answer and leave.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from crossfade.core.effects import Reply, Request
from crossfade.core.items import AttributeValue, Item
from crossfade.errors import ServiceRejected

KEY_NAMES: Final = ("pk", "sk")

# n (None: absent), log (empty: absent), status (None: no `detail`); or None when there is no item.
State: TypeAlias = tuple[int | None, tuple[str, ...], str | None] | None
# ok: carried out, with what was returned; refused: the condition failed, with what was shown; invalid: not a request
# for this item; odd: an answer no plain table would give.
Answer: TypeAlias = tuple[Literal["ok", "refused", "invalid", "odd"], Any]

ActionName = Literal[
    "put", "bare", "create", "replace", "append", "append_if", "log", "add", "label", "mark", "unmark",
    "delete", "delete_if",
    "check", "check_if", "check_absent", "get", "get_if", "entry", "outside",
]  # fmt: skip
# get_if: what a page with a filter shows of an item; it is there, and its n is `expected` or more.
# entry: what an index shows of an item; outside: that the item is at no place of an index between two values of n.
PUTS: Final[frozenset[ActionName]] = frozenset({"put", "bare", "create", "replace"})
READING: Final[frozenset[ActionName]] = frozenset(
    {"check", "check_if", "check_absent", "get", "get_if", "entry", "outside"}
)
STILL: Final[frozenset[ActionName]] = frozenset({"log", "label", "mark", "unmark"})  # these leave an item's n alone


def item_of(key: tuple[str, str], state: State) -> Item | None:
    """The item, in the source's form, that an application would see in this state."""
    if state is None:
        return None
    n, log, status = state
    item: Item = {"pk": {"S": key[0]}, "sk": {"S": key[1]}}
    if n is not None:
        item["n"] = {"N": str(n)}
    if log:
        item["log"] = {"L": [{"S": token} for token in log]}
    if status is not None:
        item["detail"] = {"M": {"status": {"S": status}, "kind": {"S": "order"}}}
    return item


def state_of(item: Item) -> State:
    """What an application sees of an item, or of a part of one. Raises ValueError where it should not be so."""
    known = {"pk", "sk", "n", "log", "detail"}
    if not item.keys() <= known:
        raise ValueError(f"attributes nobody wrote: {sorted(item.keys() - known)}")
    n = int(item["n"]["N"]) if "n" in item else None
    log = tuple([entry["S"] for entry in item["log"]["L"]]) if "log" in item else ()
    status: str | None = item["detail"]["M"]["status"]["S"] if "detail" in item else None
    return n, log, status


@dataclass(frozen=True, slots=True)
class Held:
    """What an index has of items: those with an n, if it is by that, and `log` and `status` where it holds them."""

    by_n: bool = True
    log: bool = True
    status: bool = True

    def of(self, state: State) -> State:
        """Return what it shows of an item."""
        if state is None or (self.by_n and state[0] is None):
            return None
        n, log, status = state
        n = n if self.by_n or (self.log and self.status) else None
        return n, log if self.log else (), status if self.status else None


WHOLE: Final = Held(by_n=False)


def seen(item: Item | None) -> State:
    return None if item is None else state_of(item)


@dataclass(frozen=True, slots=True)
class Action:
    """One operation on one item. `expected` is the n that a condition asks for; `shows` is ReturnValues.

    `held`: of an index; `inside`: the lowest and the highest n of the places that it is about.

    `only_tried`: an action of a transaction that was cancelled, which tells whether it would have been carried out.

    `may_lack`: it was made in lockstep while the source decides. There an item that the answer shows may lack an
    attribute that a client of the stage before was adding (docs/operations.md, "attributes that are being added").
    """

    name: ActionName
    token: str = ""
    expected: int = 0
    shows: str = "NONE"
    shows_on_failure: bool = False
    only_tried: bool = False
    is_eventual: bool = False
    held: Held = WHOLE
    inside: tuple[float, float] = (0, 0)
    may_lack: bool = False

    def is_answered_by(self, told: Answer | None, state: State) -> bool:
        """Return whether a plain table that holds this would have told that."""
        answer, _ = self.apply(state)
        if answer == told or not self.may_lack or told is None or answer[0] != told[0]:
            return answer == told
        shown: State = told[1]
        there: State = answer[1]
        if shown is None or there is None:
            return False
        return all(not mine or mine == theirs for mine, theirs in zip(shown, there, strict=True))

    @property
    def is_write(self) -> bool:
        return self.name not in READING and not self.only_tried

    def apply(self, state: State) -> tuple[Answer, State]:
        """The answer of a plain table, and what it holds afterwards."""
        if self.only_tried:
            return self._applied(state)[0], state
        return self._applied(state)

    def _applied(self, state: State) -> tuple[Answer, State]:
        name = self.name
        if name == "get":
            return ("ok", state), state
        if name == "get_if":
            passes = state is not None and state[0] is not None and state[0] >= self.expected
            return ("ok", state if passes else None), state
        if name == "entry":
            return ("ok", self.held.of(state)), state
        if name == "outside":
            at = None if state is None else state[0]
            return ("ok", at is not None and self.inside[0] <= at <= self.inside[1]), state
        if not self._allowed(state):
            return ("refused", state if self.shows_on_failure else None), state
        if name in READING:
            return ("ok", None), state
        if name in ("delete", "delete_if"):
            return ("ok", state if self.shows == "ALL_OLD" else None), None
        if name in PUTS:
            return ("ok", state if self.shows == "ALL_OLD" else None), self._put()
        if state is None and name == "unmark":
            return ("ok", None), None  # an update that only removes makes no item
        if name == "mark" and (state is None or state[2] is None):
            return ("invalid", None), state
        after = self._updated(state)
        return ("ok", self._shown(state, after)), after

    def _put(self) -> State:
        return (self.expected, (), None) if self.name == "bare" else (self.expected, (self.token,), self.token)

    def _updated(self, state: State) -> State:
        n, log, status = (None, (), None) if state is None else state
        match self.name:
            case "mark" | "label":
                return n, log, self.token
            case "unmark":
                return n, log, None
            case "add":
                return (n or 0) + 1, log, status
            case "log":
                return n, (*log, self.token), status
            case _:
                return (n or 0) + 1, (*log, self.token), status

    def _allowed(self, state: State) -> bool:
        match self.name:
            case "create" | "check_absent":
                return state is None
            case "append_if" | "check":
                return state is not None
            case "replace" | "delete_if" | "check_if":
                return state is not None and state[0] == self.expected
            case _:
                return True

    def _shown(self, before: State, after: State) -> State:
        match self.shows:
            case "ALL_OLD":
                return before
            case "ALL_NEW":
                return after
            case "UPDATED_OLD":
                return self._touched(before)
            case "UPDATED_NEW":
                return self._touched(after)
            case _:
                return None

    def _touched(self, state: State) -> State:
        """The attributes that this update names, as far as they are there (only append and add ask for this)."""
        if state is None:
            return None
        n, log, _ = state
        touched = (n, log if self.name != "add" else (), None)
        return None if touched == (None, (), None) else touched

    def request(self, table: str, key: tuple[str, str]) -> tuple[str, Request]:
        """The operation and its request, as an application written for the source would make it.

        A ConditionCheck is an operation too here: it is one of a transaction.
        """
        name = self.name
        whole: Item = {"pk": {"S": key[0]}, "sk": {"S": key[1]}}
        if name == "get":
            return "GetItem", {"TableName": table, "Key": whole, "ConsistentRead": not self.is_eventual}
        request: Request = {"TableName": table}
        if self.shows != "NONE":
            request["ReturnValues"] = self.shows
        names: dict[str, str] = {}
        values: dict[str, AttributeValue] = {}
        if name in ("create", "check_absent"):
            request["ConditionExpression"] = "attribute_not_exists(pk)"
        elif name in ("append_if", "check"):
            request["ConditionExpression"] = "attribute_exists(pk)"
        elif name in ("replace", "delete_if", "check_if"):
            request["ConditionExpression"] = "n = :seen"
            values[":seen"] = {"N": str(self.expected)}
        if self.shows_on_failure:
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        if name in PUTS:
            request["Item"] = item_of(key, self._put())
            operation = "PutItem"
        else:
            request["Key"] = whole
            operation = OPERATIONS.get(name, "UpdateItem")
        if operation == "UpdateItem":
            request["UpdateExpression"] = UPDATES[name]
            if name != "unmark":
                names, more = self._placeholders()
                values.update(more)
        if names:
            request["ExpressionAttributeNames"] = names
        if values:
            request["ExpressionAttributeValues"] = values
        return operation, request

    def _placeholders(self) -> tuple[dict[str, str], dict[str, AttributeValue]]:
        if self.name == "mark":
            return {"#status": "status"}, {":token": {"S": self.token}}
        if self.name == "add":
            return {}, {":one": {"N": "1"}}
        if self.name == "label":
            return {}, {":detail": {"M": {"status": {"S": self.token}, "kind": {"S": "order"}}}}
        if self.name == "log":
            return {"#log": "log"}, {":none": {"L": []}, ":token": {"L": [{"S": self.token}]}}
        return {"#log": "log"}, {":one": {"N": "1"}, ":none": {"L": []}, ":token": {"L": [{"S": self.token}]}}


OPERATIONS: Final[dict[str, str]] = {
    "delete": "DeleteItem",
    "delete_if": "DeleteItem",
    "check": "ConditionCheck",
    "check_if": "ConditionCheck",
    "check_absent": "ConditionCheck",
}
LOG: Final = "SET #log = list_append(if_not_exists(#log, :none), :token)"
APPEND: Final = f"{LOG} ADD n :one"
UPDATES: Final[dict[str, str]] = {
    "append": APPEND,
    "append_if": APPEND,
    "log": LOG,
    "add": "ADD n :one",
    "label": "SET detail = :detail",
    "mark": "SET detail.#status = :token",
    "unmark": "REMOVE detail",
}


def answer_of(action: Action, reply: Reply) -> Answer:
    """What the application was told, in the terms of this model."""
    item: Item | None = reply.get("Item") if action.name == "get" else reply.get("Attributes")
    try:
        return "ok", seen(item)
    except (ValueError, KeyError, TypeError) as error:
        return "odd", f"{item!r}: {error}"


def answer_of_refusal(action: Action, error: ServiceRejected) -> Answer | None:
    """Return the answer that a DynamoDB error stands for; None where it was merely busy."""
    if error.code == "ValidationException":
        return "invalid", None
    if error.code != "ConditionalCheckFailedException":
        return None
    item: Item | None = error.response.get("Item")
    if action.shows_on_failure:
        try:
            return "refused", seen(item)
        except (ValueError, KeyError, TypeError) as odd:
            return "odd", f"{item!r}: {odd}"
    return ("odd", f"an item nobody asked for: {item!r}") if item is not None else ("refused", None)
