"""What comes of a request some parts of which cannot be done now: an error, or less than was asked for.

- One item: the error itself.
- A transaction: it is cancelled, with a reason for each of its actions.
- BatchWriteItem and BatchGetItem: the parts are left unprocessed; where capacity is short for all of them, an error.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html: "if none of the items can be
  processed due to insufficient provisioned throughput on all of the tables in the request, then BatchWriteItem returns
  a ProvisionedThroughputExceededException".
- BatchExecuteStatement: an error in the place of the statement's response.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementError.html

A conflict with a transaction is that of https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/
transaction-apis.html#transaction-conflict-handling: of PutItem, UpdateItem and DeleteItem, and of each action of a
transaction; a read that is in none has no conflicts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from tests.service.answers import Answer, Body, Throttled, cancelled, conflict_reason, conflicting
from tests.service.requests import Received

TRANSACTIONS: Final = frozenset({"TransactWriteItems", "TransactGetItems", "ExecuteTransaction"})
BATCHES: Final = frozenset({"BatchWriteItem", "BatchGetItem"})


@dataclass(frozen=True, slots=True)
class Conflicting:
    """Somebody's transaction is about the item."""


Hindrance: TypeAlias = Throttled | Conflicting
Hindered: TypeAlias = Mapping[int, Hindrance]  # by the part's place


@dataclass(frozen=True, slots=True)
class Less:
    """What is left of a request to be carried out, None where nothing is; and how its answer is then completed."""

    body: Body | None
    complete: Callable[[Body], Body]


def outcome(received: Received, hindered: Hindered) -> Answer | Less:
    """Return an error, or what is to be done of the request. Something is hindered."""
    first = next(iter(hindered.values()))
    if received.operation in TRANSACTIONS:
        return cancelled([_reason(hindered.get(part.place)) for part in received.parts])
    if received.operation == "BatchExecuteStatement":
        return _fewer_statements(received, hindered)
    if received.operation in BATCHES:
        if len(hindered) == len(received.parts) and isinstance(first, Throttled):
            return first.answer()
        return _fewer_items(received, hindered)
    return first.answer() if isinstance(first, Throttled) else conflicting()


def may_conflict(received: Received) -> bool:
    if received.operation in TRANSACTIONS:
        return True
    return bool(received.parts) and received.parts[0].kind == "Write"


def _reason(hindrance: Hindrance | None) -> Body | None:
    if hindrance is None:
        return None
    return hindrance.cancels() if isinstance(hindrance, Throttled) else conflict_reason()


def _fewer_items(received: Received, hindered: Hindered) -> Less:
    writes = received.operation == "BatchWriteItem"
    now: Body = {}
    left: Body = {}
    place = 0
    for table, wanted in received.body["RequestItems"].items():
        entries = wanted if writes else wanted["Keys"]
        kept = [entry for n, entry in enumerate(entries, place) if n not in hindered]
        others = [entry for n, entry in enumerate(entries, place) if n in hindered]
        place += len(entries)
        for chosen, into in ((kept, now), (others, left)):
            if chosen:
                into[table] = chosen if writes else {**wanted, "Keys": chosen}
    name = "UnprocessedItems" if writes else "UnprocessedKeys"

    def complete(answer: Body) -> Body:
        found: Body = {} if writes else {"Responses": {}}
        unprocessed = dict(answer.get(name) or {})
        for table, more in left.items():
            there = unprocessed.get(table)
            if there is None:
                unprocessed[table] = more
            elif writes:
                unprocessed[table] = [*there, *more]
            else:
                unprocessed[table] = {**there, "Keys": [*there["Keys"], *more["Keys"]]}
        return {**found, **answer, name: unprocessed}

    return Less({**received.body, "RequestItems": now} if now else None, complete)


def _fewer_statements(received: Received, hindered: Hindered) -> Less:
    statements = received.body["Statements"]
    kept = [statement for n, statement in enumerate(statements) if n not in hindered]

    def complete(answer: Body) -> Body:
        told = iter(answer.get("Responses") or ())
        responses = [_failed(received, n, hindered[n]) if n in hindered else next(told) for n in range(len(statements))]
        return {**answer, "Responses": responses}

    return Less({**received.body, "Statements": kept} if kept else None, complete)


def _failed(received: Received, place: int, hindrance: Hindrance) -> Body:
    reason = hindrance.cancels() if isinstance(hindrance, Throttled) else conflict_reason()
    return {"Error": reason, "TableName": received.parts[place].table}
