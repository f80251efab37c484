"""The calls of an application, each written down item by item: what was asked, and what was told.

A call on several items is, for each of them, an operation like any other. Entries of a batch have their own outcomes;
actions of a transaction have one, at one moment, and when it is cancelled its reasons tell of each what it would have
done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final, TypeAlias

from crossfade.core.effects import Reply, Request
from crossfade.core.items import Item
from crossfade.core.stages import Writes
from crossfade.errors import CrossfadeError, ServiceRejected
from crossfade.sim.applications import Application
from crossfade.sim.history import History, KeyName, Operation
from crossfade.sim.model import KEY_NAMES, Action, Answer, answer_of, answer_of_refusal, item_of, seen
from crossfade.sim.world import World


class Unanswered(Enum):
    """What was told says nothing of the item."""

    NOTHING = "it was not done"
    UNKNOWN = "it may have been done, or may be yet"


Told: TypeAlias = Answer | Unanswered
Asked: TypeAlias = Sequence[tuple[KeyName, Action]]
Ended: TypeAlias = Callable[[Reply | None, CrossfadeError | None, bool], None]

GET: Final = Action("get")
GET_EVENTUALLY: Final = Action("get", is_eventual=True)
BUSY: Final = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})


def label(key: KeyName) -> str:
    return f"{key[0]}/{key[1]}"


def key_of(key: KeyName) -> Item:
    return {"pk": {"S": key[0]}, "sk": {"S": key[1]}}


def name_of(item: Item) -> KeyName:
    return item["pk"]["S"], item["sk"]["S"]


@dataclass(slots=True)
class Calls:
    """Makes calls through clients and writes down what they were told. `stale_seconds`: how old an answer may be that
    was asked for without ConsistentRead."""

    world: World
    table: str
    history: History
    stale_seconds: float
    under_way: dict[str, int] = field(default_factory=dict[str, int])
    last_seen: dict[KeyName, int] = field(default_factory=dict[KeyName, int])
    again: set[int] = field(default_factory=set[int])  # transactions that were sent again

    def single(self, client: Application, key: KeyName, action: Action) -> None:
        operations = self.written_down(client, [(key, action)])

        def told(reply: Reply | None, error: CrossfadeError | None, sent: bool) -> None:
            answer = answer_of(action, reply) if reply is not None else of_error(action, error, sent=sent)
            if isinstance(answer, tuple) and isinstance(answer[1], tuple) and answer[1][0] is not None:
                self.last_seen[key] = answer[1][0]
            self.ended(operations, [answer])

        operation, request = action.request(self.table, key)
        self.send(client, operation, request, [key], told, lambda: mark_twice(operations))

    def transact_write(
        self, client: Application, asked: Asked, token: str = "", first: Sequence[Operation] = ()
    ) -> None:
        """`token`: the application's own. `first`: this is sent again, and these are what it did the first time."""
        operations = list(first) or self.written_down(client, asked, together=True)
        called, called_at = self.world.order(), self.world.now
        if first:
            self.again.add(first[0].called)

        def told(reply: Reply | None, error: CrossfadeError | None, sent: bool) -> None:
            if reply is not None:
                self.ended(operations, [("ok", None) for _ in asked])
                return
            found = of_cancelled([action for _, action in asked], error, sent=sent)
            if not first and all(answer is Unanswered.UNKNOWN for answer in found):
                return
            if operations[0].called not in self.again:
                for operation in operations:
                    operation.void = True
            for (key, action), answer in zip(asked, found, strict=True):
                if isinstance(answer, tuple):
                    tried = Operation(client.process.name, key, replace(action, only_tried=True), called, called_at)
                    self.history.operations.append(tried)
                    self.ended([tried], [answer])

        actions: list[Request] = []
        for key, action in asked:
            operation, request = action.request(self.table, key)
            actions.append({operation.removesuffix("Item"): request})
        whole: Request = {"TransactItems": actions}
        if token:
            whole["ClientRequestToken"] = token
        self.send(client, "TransactWriteItems", whole, [key for key, _ in asked], told)

    def transact_get(self, client: Application, keys: Sequence[KeyName]) -> None:
        operations = self.written_down(client, [(key, GET) for key in keys], together=True)

        def told(reply: Reply | None, error: CrossfadeError | None, sent: bool) -> None:
            if reply is not None:
                self.ended(operations, [answer_of(GET, one) for one in reply["Responses"]])
            else:
                self.ended(operations, of_cancelled([GET for _ in keys], error, sent=sent))

        gets = [{"Get": {"TableName": self.table, "Key": key_of(key)}} for key in keys]
        self.send(client, "TransactGetItems", {"TransactItems": gets}, keys, told)

    def batch_get(self, client: Application, keys: Sequence[KeyName], *, eventual: bool) -> None:
        action = GET_EVENTUALLY if eventual else GET
        operations = self.written_down(client, [(key, action) for key in keys])

        def told(reply: Reply | None, error: CrossfadeError | None, sent: bool) -> None:
            if reply is None:
                self.ended(operations, [of_error(action, error, sent=sent) for _ in keys])
                return
            found: dict[KeyName, Told] = dict(shown(reply["Responses"].get(self.table, [])))
            for key in reply["UnprocessedKeys"].get(self.table, {}).get("Keys", ()):
                found[name_of(key)] = Unanswered.NOTHING
            answers = [found.pop(key, ("ok", None)) for key in keys]
            self.ended(operations, answers if not found else [("odd", f"nobody asked for {found}") for _ in keys])

        wanted = {"Keys": [key_of(key) for key in keys], "ConsistentRead": not eventual}
        self.send(client, "BatchGetItem", {"RequestItems": {self.table: wanted}}, keys, told)

    def batch_write(self, client: Application, asked: Asked) -> None:
        """`asked` are puts and deletes without a condition."""
        operations = self.written_down(client, asked)

        def told(reply: Reply | None, error: CrossfadeError | None, sent: bool) -> None:
            if reply is None:
                self.ended(operations, [of_error(action, error, sent=sent) for _, action in asked])
                return
            left = {entry_key(entry) for entry in reply["UnprocessedItems"].get(self.table, ())}
            self.ended(operations, [Unanswered.NOTHING if key in left else ("ok", None) for key, _ in asked])

        entries = [entry_of(key, action) for key, action in asked]
        request: Request = {"RequestItems": {self.table: entries}}
        keys = [key for key, _ in asked]
        self.send(client, "BatchWriteItem", request, keys, told, lambda: mark_twice(operations))

    # --- what they have in common

    def oldest(self, client: Application) -> float:
        """How old a read that is not strongly consistent may be: one without a lease is of the stage that was."""
        return self.deadline(client) - self.stale_seconds

    def deadline(self, client: Application) -> float:
        """Until when the stage was known in which a read that is made now is answered."""
        return min(self.world.now, client.deadline)

    def written_down(self, client: Application, asked: Asked, *, together: bool = False) -> list[Operation]:
        """The operations of one call, which begins now."""
        called, called_at = self.world.order(), self.world.now
        who, row = client.process.name, client.row
        self.history.begins(called, called_at)
        since = self.history.since(self.oldest(client))
        may_lack = row.writes is Writes.LOCKSTEP and row.authority == "source"
        found: list[Operation] = []
        for key, action in asked:
            seen_since = since if action.is_eventual else None
            made = replace(action, may_lack=may_lack and action.is_write)
            found.append(Operation(who, key, made, called, called_at, together=together, since=seen_since))
        self.history.operations += found
        return found

    def ended(self, operations: Sequence[Operation], answers: Sequence[Told]) -> None:
        place = self.world.order()
        for operation, answer in zip(operations, answers, strict=True):
            if isinstance(answer, tuple):
                if operation.answered is None:
                    operation.answer, operation.answered, operation.answered_at = answer, place, self.world.now
            elif answer is Unanswered.NOTHING:
                operation.void = not operation.twice

    def send(
        self,
        client: Application,
        operation: str,
        request: Request,
        keys: Sequence[KeyName],
        told: Ended,
        sent_twice: Callable[[], None] = lambda: None,
    ) -> None:
        name = client.process.name
        self.under_way[name] = self.under_way.get(name, 0) + 1

        def ended(reply: Reply | None, error: CrossfadeError | None, sent: bool) -> None:
            self.under_way[name] -= 1
            told(reply, error, sent)

        client.call(operation, request, tuple(label(key) for key in keys), ended, sent_twice)


def mark_twice(operations: Sequence[Operation]) -> None:
    for operation in operations:
        operation.twice = True


def of_error(action: Action, error: CrossfadeError | None, *, sent: bool) -> Told:
    """What a call that failed as a whole tells of one item."""
    if isinstance(error, ServiceRejected):
        answer = answer_of_refusal(action, error)
        return Unanswered.NOTHING if answer is None else answer
    return Unanswered.UNKNOWN if sent else Unanswered.NOTHING


def of_cancelled(actions: Sequence[Action], error: CrossfadeError | None, *, sent: bool) -> list[Told]:
    """What a transaction that failed tells of each of its items."""
    if not isinstance(error, ServiceRejected) or error.code != "TransactionCanceledException":
        return [of_error(action, error, sent=sent) for action in actions]
    reasons: list[dict[str, Any]] = error.response.get("CancellationReasons", [])
    if len(reasons) != len(actions):
        return [("odd", f"{len(reasons)} reasons for a transaction of {len(actions)} actions") for _ in actions]
    codes = {reason["Code"] for reason in reasons}
    if codes == {"None"}:
        return [("odd", "a transaction that was cancelled for no reason") for _ in actions]
    judged = not codes & BUSY
    return [of_reason(action, reason, judged=judged) for action, reason in zip(actions, reasons, strict=True)]


def of_reason(action: Action, reason: dict[str, Any], *, judged: bool) -> Told:
    """`judged`: every action was looked at, since none of them met with a busy item."""
    match reason["Code"]:
        case "ConditionalCheckFailed":
            refusal = answer_of_refusal(action, ServiceRejected("ConditionalCheckFailedException", "", reason))
            return ("odd", f"{reason}") if refusal is None else refusal
        case "ValidationError":
            return "invalid", None
        case "None":
            return ("ok", None) if judged and action.name != "get" else Unanswered.NOTHING
        case code:
            return Unanswered.NOTHING if code in BUSY else ("odd", f"cancelled for {code}")


def shown(items: list[Item]) -> dict[KeyName, Answer]:
    """What a page or a batch shows of each item. An item that is there twice is an odd answer."""
    found: dict[KeyName, Answer] = {}
    for item in items:
        key = name_of(item)
        if key in found:
            found[key] = "odd", f"shown twice in one answer: {found[key]} and {item}"
            continue
        try:
            found[key] = "ok", seen(item)
        except (ValueError, KeyError, TypeError) as error:
            found[key] = "odd", f"{item!r}: {error}"
    return found


def entry_of(key: KeyName, action: Action) -> Request:
    if action.name == "delete":
        return {"DeleteRequest": {"Key": key_of(key)}}
    return {"PutRequest": {"Item": item_of(key, action.apply(None)[1])}}


def entry_key(entry: Request) -> KeyName:
    given: Item = entry["PutRequest"]["Item"] if "PutRequest" in entry else entry["DeleteRequest"]["Key"]
    return name_of({name: given[name] for name in KEY_NAMES})
