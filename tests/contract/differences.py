"""Where the answer of a migrating table may differ from that of one plain table: all of it, as data.

Nothing else may differ, and no case is left out. docs/operations.md is printed from these tables.

A `Refusal` is an operation that is refused before anything is written: the plain table is then not asked either, so
that what follows in the case shows that nothing was done. A `Difference` says what is compared instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeAlias, cast

from crossfade.core.items import ValidationError, size_bytes
from crossfade.core.mapping import STAMP
from crossfade.core.request.limits import STAMP_BYTES
from crossfade.core.stages import Ramp, Writes
from tests.contract.answers import list_of
from tests.contract.engine_facts import Trace, as_the_service
from tests.contract.shapes import View
from tests.contract.steps import Answer, Op
from tests.contract.stricter import is_local
from tests.contract.worlds import Combination

Where: TypeAlias = Callable[[Combination, str], bool]  # of an operation by its name

SINGLE_WRITES: Final = frozenset({"PutItem", "UpdateItem", "DeleteItem"})
WRITES: Final = SINGLE_WRITES | {"BatchWriteItem", "TransactWriteItems"}
READS: Final = frozenset({"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"})
PARTIQL: Final = frozenset({"ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"})
OPERATIONS: Final = (
    "GetItem",
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "Query",
    "Scan",
    "BatchGetItem",
    "BatchWriteItem",
    "TransactGetItems",
    "TransactWriteItems",
    "ExecuteStatement",
    "BatchExecuteStatement",
    "ExecuteTransaction",
    "DescribeTable",
    "DescribeTimeToLive",
)
ACTIONS_MAX: Final = 100  # of one TransactWriteItems, the service's limit
TRANSACTION_BYTES_MAX: Final = 4 * 1024 * 1024
REFUSED: Final[Answer] = {"refused": "crossfade.NotPossibleInStage, and nothing was done"}


def two_sided(combination: Combination, _operation: str) -> bool:
    """Where one write may be two, one a side."""
    return combination.row.writes is Writes.LOCKSTEP or combination.row.merges


def in_lockstep(combination: Combination, _operation: str) -> bool:
    """Where each write is two, one a side."""
    return combination.row.writes is Writes.LOCKSTEP


def put_bytes(op: Op) -> int:
    """Of the items that a transaction puts."""
    actions: list[Any] = op.request.get("TransactItems") or []
    try:
        return sum(size_bytes(action["Put"].get("Item") or {}) for action in actions if action.get("Put"))
    except ValidationError:  # an item that no table takes
        return 0


def with_stamps(op: Op) -> int:
    """The same when each has a stamp."""
    puts = [action for action in list_of(op.request.get("TransactItems") or []) if "Put" in action]
    return put_bytes(op) + STAMP_BYTES * len(puts)


def merged(combination: Combination, _operation: str) -> bool:
    """Where items are in both tables, some here and some there."""
    return combination.row.merges


def between(combination: Combination, _operation: str) -> bool:
    """Wherever crossfade stands between the caller and the table."""
    return not combination.untouched


def anywhere(_combination: Combination, _operation: str) -> bool:
    """In every stage and view."""
    return True


def not_the_callers_table_alone(combination: Combination, operation: str) -> bool:
    """Where the answer may need another table than the caller's, or carries a stamp."""
    row = combination.row
    if combination.kind.is_chain or combination.view == "target" or row.authority == "target":
        return not combination.untouched
    if row.stamps_source:
        return True
    return row.writes is Writes.LOCKSTEP if operation in WRITES else row.ramp is not Ramp.NONE


def stamped(combination: Combination, _operation: str) -> bool:
    """Where a write leaves a stamp."""
    row = combination.row
    return combination.kind.is_chain or row.authority == "target" or row.stamps_source or in_lockstep(combination, "")


def stamps_transactions(combination: Combination, operation: str) -> bool:
    """Where the writes of a transaction leave stamps."""
    return stamped(combination, operation) and not combination.untouched


def walked(combination: Combination, *, consistent: bool) -> View | None:
    """The table whose order a Scan follows; None where it goes through one after the other."""
    row = combination.row
    if row.merges:
        return None
    if row.order.side == "target":
        return "target"
    return "target" if consistent and row.authority == "target" else "source"


def elsewhere(combination: Combination, *, consistent: bool) -> bool:
    """Whether that is another than the table that the caller names; so is each that follows the first of a chain."""
    return combination.kind.is_chain or walked(combination, consistent=consistent) != combination.view


def other_order(combination: Combination, _operation: str) -> bool:
    """Where one Scan or another walks the table that the caller does not name."""
    return (combination.row.merges or combination.kind.moves_partitions) and any(
        elsewhere(combination, consistent=consistent) for consistent in (True, False)
    )


def other_tables_index(combination: Combination, _operation: str) -> bool:
    """Where a Query or Scan of an index is answered from the table that the caller does not name."""
    return not combination.untouched and elsewhere(combination, consistent=False)


def other_tables_index_at_times(combination: Combination, _operation: str) -> bool:
    """As above, or where a strongly consistent one is."""
    return not combination.untouched and any(
        elsewhere(combination, consistent=consistent) for consistent in (True, False)
    )


def by_a_global_index(combination: Combination, _operation: str) -> bool:
    """Where the other table finds the items of a partition by a global index alone."""
    row = combination.row
    alone = not combination.kind.is_chain and row.is_single and row.authority == combination.view
    return not alone and bool(combination.kind.target.own_key)


def asks_by_old_key(op: Op) -> bool:
    """Whether it goes by the partitions of the old table."""
    return bool(op.request.get("IndexName", "by_score" if op.name == "Query" else "") == "by_score")


@dataclass(frozen=True, slots=True)
class Refusal:
    """`concerns` looks at one request alone."""

    name: str
    operations: frozenset[str]
    concerns: Callable[[Op], bool]
    where: Where
    why: str
    way_out: str


@dataclass(frozen=True, slots=True)
class Difference:
    """`soften` takes both traces and gives what is to be equal instead."""

    name: str
    operations: frozenset[str]
    where: Where
    soften: Callable[[Trace, Trace, Combination], tuple[Trace, Trace]]
    instead: str
    why: str


REFUSALS: Final = (
    Refusal(
        "PartiQL",
        PARTIQL,
        lambda op: op.name in PARTIQL and "orders" in str(op.request),
        between,
        "the text of a statement is not translated",
        "the operations on items: GetItem, PutItem, UpdateItem, Query, TransactWriteItems, ...",
    ),
    Refusal(
        "more than 50 writes in one transaction",
        frozenset({"TransactWriteItems"}),
        lambda op: op.name == "TransactWriteItems" and 2 * len(op.request.get("TransactItems") or ()) > ACTIONS_MAX,
        two_sided,
        "in the lockstep stages, and where items are copied, each write is two, one a side, and a transaction has at"
        " most 100 actions",
        "smaller transactions",
    ),
    Refusal(
        "more than 2 MB of writes in one transaction",
        frozenset({"TransactWriteItems"}),
        lambda op: op.name == "TransactWriteItems" and put_bytes(op) <= TRANSACTION_BYTES_MAX < 2 * put_bytes(op),
        in_lockstep,
        "in the lockstep stages the items of both tables are in it, and a transaction has at most 4 MB of items",
        "smaller transactions",
    ),
    Refusal(
        "a transaction of nearly 4 MB of items",
        frozenset({"TransactWriteItems"}),
        lambda op: op.name == "TransactWriteItems" and put_bytes(op) <= TRANSACTION_BYTES_MAX < with_stamps(op),
        stamps_transactions,
        f"the items carry a stamp each, {STAMP_BYTES} bytes, and with a ClientRequestToken its record is in it",
        "smaller transactions",
    ),
    Refusal(
        "more than 50 reads in one transaction",
        frozenset({"TransactGetItems"}),
        lambda op: (
            op.name == "TransactGetItems"
            and ACTIONS_MAX < 2 * len(op.request.get("TransactItems") or ()) <= 2 * ACTIONS_MAX
        ),
        merged,
        "while items are in both tables each read is two, one a side, and a transaction has at most 100 actions",
        "fewer reads in one",
    ),
    Refusal(
        "strong consistency by the old key",
        frozenset({"Query", "Scan"}),
        lambda op: bool(op.request.get("ConsistentRead")) and asks_by_old_key(op),
        by_a_global_index,
        "a strongly consistent Query of the table, or of a local index: a target whose key is an attribute of its own"
        " finds the items of a partition by a global index, which is eventually consistent",
        "leave `ConsistentRead` out, or read items by their whole key",
    ),
)


def refusing(combination: Combination) -> frozenset[str]:
    """The names of the refusals that hold in this combination."""
    return frozenset(
        refusal.name
        for refusal in REFUSALS
        if any(refusal.where(combination, operation) for operation in refusal.operations)
    )


def concerned(op: Op) -> frozenset[str]:
    """The names of the refusals that are about this operation."""
    return frozenset(refusal.name for refusal in REFUSALS if refusal.concerns(op))


def marked(combination: Combination, _operation: str) -> bool:
    """Where a page may be begun in one table's order while a stage near would begin it in the other's."""
    return combination.kind.is_chain or combination.row.order.is_marked


# --- capacity


def capacity(plain: Trace, ours: Trace, combination: Combination) -> tuple[Trace, Trace]:
    """Ours is to be there, of the same form, under the same names, and at least the plain table's. Where an update is
    the first write of the item to the target, its indexes take one entry each in place of an old and a new one. Where
    a local index holds another part of an item than that of the other table, what is fetched from the table differs."""
    softened: Trace = []
    for n, (op, answer) in enumerate(ours):
        other = plain[n][1] if n < len(plain) else {}
        consumed, expected = answer.get("ConsumedCapacity"), other.get("ConsumedCapacity")
        may_differ = not_the_callers_table_alone(combination, op.name)
        elsewhere_told = bool(combination.kind.target.own_key) or is_local(op.request)
        enough = some if combination.row.merges or elsewhere_told else at_least
        if (
            may_differ
            and consumed is not None
            and expected is not None
            and has_parts(consumed, totals(expected) if elsewhere_told else expected, enough)
        ):
            answer = {**answer, "ConsumedCapacity": expected}
        softened.append((op, answer))
    return plain, softened


def totals(expected: Any) -> Any:
    """Where what the table or a local index answers in one table, a global index answers in the other."""
    if isinstance(expected, list):
        return [totals(each) for each in list_of(expected)]
    return {name: value for name, value in expected.items() if name in ("TableName", "CapacityUnits")}


def at_least(consumed: Decimal, expected: Decimal) -> bool:
    return consumed >= expected


def some(consumed: Decimal, expected: Decimal) -> bool:
    return consumed > 0 or not expected


def has_parts(consumed: Any, expected: Any, enough: Callable[[Decimal, Decimal], bool]) -> bool:
    if isinstance(expected, dict):
        wanted = cast("dict[str, Any]", expected)
        return (
            isinstance(consumed, dict)
            and wanted.keys() <= cast("dict[str, Any]", consumed).keys()
            and all(has_parts(consumed[name], value, enough) for name, value in wanted.items())
        )
    if isinstance(expected, list):
        given = list_of(expected)
        ours = list_of(consumed)
        return len(ours) == len(given) and all(
            has_parts(*pair, enough) for pair in zip(by_table(ours), by_table(given), strict=True)
        )
    if isinstance(expected, (int, float)) and isinstance(consumed, (int, float)):
        return enough(Decimal(str(consumed)), Decimal(str(expected)))
    return bool(consumed == expected)


def by_table(entries: list[Any]) -> list[Any]:
    return sorted(entries, key=lambda entry: str(entry.get("TableName")))


# --- scans


def scans(plain: Trace, ours: Trace, combination: Combination) -> tuple[Trace, Trace]:
    """All pages of all such Scans of the case are one bag of items, with the sum of their counts."""
    return pooled(plain, combination), pooled(ours, combination)


def in_another_order(op: Op, combination: Combination) -> bool:
    consistent = bool(op.request.get("ConsistentRead"))
    return op.name == "Scan" and elsewhere(combination, consistent=consistent)


def pooled(trace: Trace, combination: Combination) -> Trace:
    rest: Trace = []
    items: list[Any] = []
    counts = {"Count": 0, "ScannedCount": 0}
    last: Op | None = None
    for op, answer in trace:
        if "raised" in answer or not in_another_order(op, combination):
            rest.append((op, answer))
            continue
        last = op
        items += answer.get("Items", ())
        for name in counts:
            counts[name] += answer.get(name, 0)
    if last is not None:
        rest.append((last, {"Items": sorted(items, key=order), **counts}))
    return rest


def order(item: Any) -> str:
    return json.dumps(item, sort_keys=True, default=repr)


# --- tokens


def tokens(plain: Trace, ours: Trace, _combination: Combination) -> tuple[Trace, Trace]:
    """Ours without their mark."""
    return plain, [(op, without_mark(answer)) for op, answer in ours]


def without_mark(answer: Answer) -> Answer:
    token: Answer | None = answer.get("LastEvaluatedKey")
    if not token or STAMP not in token:
        return answer
    return {**answer, "LastEvaluatedKey": {name: value for name, value in token.items() if name != STAMP}}


# --- equals in an index


def equals(plain: Trace, ours: Trace, combination: Combination) -> tuple[Trace, Trace]:
    """Where a page shows two items with one score, which page of the Query shows which is not compared."""
    if not any(shows_equals(answer) for _, answer in plain):
        return plain, ours
    return in_one_bag(plain, combination), in_one_bag(ours, combination)


def shows_equals(answer: Answer) -> bool:
    scores = [json.dumps(item["score"]) for item in answer.get("Items") or () if "score" in item]
    return len(set(scores)) < len(scores)


def in_one_bag(trace: Trace, combination: Combination) -> Trace:
    """The items of all pages of Queries of indexes that the other table answers."""
    rest: Trace = []
    items: list[Any] = []
    for op, answer in trace:
        consistent = bool(op.request.get("ConsistentRead"))
        other = elsewhere(combination, consistent=consistent)
        if op.name == "Query" and "IndexName" in op.request and "Items" in answer and other:
            items += answer["Items"]
        else:
            rest.append((op, answer))
    return [*rest, (Op("Query", {}), {"Items": sorted(items, key=order)})]


# --- tokens that are made up


def made_up(plain: Trace, ours: Trace, _combination: Combination) -> tuple[Trace, Trace]:
    """Of a Query of an index that goes on at a token nobody has given: that both sides take it or both do not."""
    given = [answer.get("LastEvaluatedKey") for _, answer in plain]
    places = {
        n
        for n, (op, _) in enumerate(plain)
        if "IndexName" in op.request
        and "ExclusiveStartKey" in op.request
        and op.request["ExclusiveStartKey"] not in given[:n]
    }
    return taken_alone(plain, places), taken_alone(ours, places)


CUT: Final = "it lacks the attribute _crossfade"  # so that nothing tells where among equals it lies


def taken_alone(trace: Trace, places: set[int]) -> Trace:
    return [
        (op, {"taken": True} if n in places and ("raised" not in answer or CUT in str(answer)) else answer)
        for n, (op, answer) in enumerate(trace)
    ]


# --- collections


def in_another_collection(combination: Combination, operation: str) -> bool:
    """Where a table without collections may serve: one whose key is an attribute of its own."""
    return bool(combination.kind.target.own_key) and not_the_callers_table_alone(combination, operation)


def collections(plain: Trace, ours: Trace, _combination: Combination) -> tuple[Trace, Trace]:
    """The plain table's are left out where ours has none."""
    return [
        (op, without(answer, METRICS) if n < len(ours) and METRICS not in ours[n][1] else answer)
        for n, (op, answer) in enumerate(plain)
    ], ours


METRICS: Final = "ItemCollectionMetrics"


def without(answer: Answer, left_out: str) -> Answer:
    return {name: value for name, value in answer.items() if name != left_out}


# --- transactions sent again


def sent_again(plain: Trace, ours: Trace, _combination: Combination) -> tuple[Trace, Trace]:
    """The plain table tells what it read to find the token; ours does not."""
    softened: Trace = []
    for n, (op, answer) in enumerate(plain):
        parts = list_of(answer.get("ConsumedCapacity") or [])
        only_read = bool(parts) and not any("WriteCapacityUnits" in part for part in parts)
        if op.name == "TransactWriteItems" and only_read and n < len(ours) and "ConsumedCapacity" not in ours[n][1]:
            answer = {name: value for name, value in answer.items() if name != "ConsumedCapacity"}
        softened.append((op, answer))
    return softened, ours


# --- tokens that came with other tables


def used_elsewhere(plain: Trace, ours: Trace, _combination: Combination) -> tuple[Trace, Trace]:
    """Of a token that came with transactions of other tables alone, and with others: that the first was carried out."""
    places = set[int]()
    first: dict[str, bool] = {}
    for n, (op, _) in enumerate(plain):
        token = op.request.get("ClientRequestToken") if op.name == "TransactWriteItems" else None
        if token is not None:
            ours_too = "orders" in str(op.request.get("TransactItems"))
            if first.setdefault(str(token), ours_too) != ours_too:
                places.add(n)
    return without_places(plain, places), without_places(ours, places)


def without_places(trace: Trace, places: set[int]) -> Trace:
    return [(op, {} if n in places else answer) for n, (op, answer) in enumerate(trace)]


# --- descriptions


def descriptions(plain: Trace, ours: Trace, _combination: Combination) -> tuple[Trace, Trace]:
    return named_only(plain), named_only(ours)


def named_only(trace: Trace) -> Trace:
    """Of a table's description its name and status."""
    return [
        (
            op,
            {name: answer["Table"].get(name) for name in ("TableName", "TableStatus")} if "Table" in answer else answer,
        )
        for op, answer in trace
    ]


STAMPED_SIZE: Final = re.compile(r"(Item size (?:to update )?has exceeded the maximum allowed size): .*_crossfade.*")


def without_the_stamps_part(plain: Trace, ours: Trace, _combination: Combination) -> tuple[Trace, Trace]:
    """The refusal of an item's size, without what is said of the stamp in it."""
    softened: Trace = []
    for op, answer in ours:
        error: Answer = answer.get("Error", {})
        said = STAMPED_SIZE.fullmatch(str(error.get("Message")))
        softened.append((op, answer if said is None else {**answer, "Error": {**error, "Message": said[1]}}))
    return plain, softened


DIFFERENCES: Final = (
    Difference(
        "the stamp's part of an item that is too large",
        frozenset({"PutItem", "UpdateItem", "BatchWriteItem"}),
        stamped,
        without_the_stamps_part,
        "the plain table's refusal, word by word, and behind it how many bytes the stamp takes",
        "where items carry a stamp it counts, and the service does not tell by how much an item is too large",
    ),
    Difference(
        "consumed capacity",
        READS | WRITES,
        not_the_callers_table_alone,
        capacity,
        "`ConsumedCapacity` is there, has the same parts under the same names, and is at least the plain table's (while"
        " items are copied: more than nothing where the plain table's is)",
        "it says what was really consumed: both sides where both were used for the answer, the read before a write"
        " that is evaluated here, and the bytes of the stamp and of the other form; where the target's key is an"
        " attribute of its own, a global index in place of a table or a local one; where an index of one table holds"
        " less than that of the other, what is fetched from the table, in strongly consistent reads",
    ),
    Difference(
        "order of partitions",
        frozenset({"Scan"}),
        other_order,
        scans,
        "the items of all pages together, and the sums of their counts",
        "a Scan goes in the order of one table's partitions: from `rampdown` on the target's, before it the source's; a"
        " strongly consistent one goes by the target's from `lockstep_target` on. While items are copied it goes"
        " through the source, and then through what only the target has",
    ),
    Difference(
        "marked tokens",
        frozenset({"Query", "Scan"}),
        marked,
        tokens,
        "the token without the attribute `_crossfade`",
        "the `LastEvaluatedKey` of a Scan, or of a Query of an index, tells in whose order it was begun, so that it can"
        " go on in it whatever the stage is by then; without it, it is taken for one of the stage that it is used in;"
        " so does that of a Query of the table where the target has its own key",
    ),
    Difference(
        "order among equals",
        frozenset({"Query"}),
        other_tables_index_at_times,
        equals,
        "the items of all pages together",
        "items of an index with one sort value come in an order that DynamoDB does not tell; ours is the table's own",
    ),
    Difference(
        "a place among equals",
        frozenset({"Query"}),
        other_tables_index,
        made_up,
        "whether the token is taken; while items are copied it may also be refused, with the reason, where there are"
        " such items",
        "items of an index with one sort value come in an order that DynamoDB does not tell; a token that no answer"
        " gave may lie elsewhere among them",
    ),
    Difference(
        "item collections",
        WRITES,
        in_another_collection,
        collections,
        "everything but `ItemCollectionMetrics`",
        "a table whose key is an attribute of its own has no local indexes, and so no collections to tell of",
    ),
    Difference(
        "capacity of a repeated transaction",
        frozenset({"TransactWriteItems"}),
        anywhere,
        sent_again,
        "everything but `ConsumedCapacity`",
        "a transaction that is sent again with its token is found in the control table, not in the caller's",
    ),
    Difference(
        "a token of other tables",
        frozenset({"TransactWriteItems"}),
        anywhere,
        used_elsewhere,
        "that the transaction that came first is carried out",
        "a token that came with a transaction of other tables alone is not known to crossfade, nor one that came with"
        " this table to DynamoDB: with a transaction of the other kind, which a plain table refuses"
        " (IdempotentParameterMismatchException), it is that transaction's own",
    ),
    Difference(
        "the table that serves",
        frozenset({"DescribeTable"}),
        between,
        descriptions,
        "the table's name and status",
        "the description is that of the table that serves, under the caller's name for it and, while the caller's own"
        " table is there, with the indexes of that",
    ),
)


def softened(plain: Trace, ours: Trace, combination: Combination) -> tuple[Trace, Trace]:
    """Both traces after every difference that holds in this combination."""
    takes_transactions = two_sided(combination, "") or combination.row.writes is Writes.DELETING
    ours = [(op, as_refused(op, answer)) for op, answer in ours]

    def is_made_here(op: Op) -> bool:
        return "IndexName" in op.request and elsewhere(combination, consistent=bool(op.request.get("ConsistentRead")))

    plain, ours = as_the_service(plain, ours, takes_transactions=takes_transactions, is_made_here=is_made_here)
    for difference in DIFFERENCES:
        if any(op.name in difference.operations and difference.where(combination, op.name) for op, _ in plain):
            plain, ours = difference.soften(plain, ours, combination)
    return plain, ours


def as_refused(op: Op, answer: Answer) -> Answer:
    """A refusal that says that nothing was done is the refusal that is expected; any other is not."""
    if answer.get("raised") != "NotPossibleInStage" or not concerned(op):
        return answer
    return REFUSED if "nothing was" in answer.get("text", "") else answer


BETWEEN_PAGES: Final = {
    "a parallel Scan (`Segment`, `TotalSegments`) whose segments begin on two sides of the move where the order"
    " changes": "a segment is a part of one table's own order, and where its first page is asked for decides which"
    " table's: with dual-write the source's up to `live` and the target's from `rampdown` on, of a strongly consistent"
    " Scan the source's up to `lockstep_source` and the target's from `lockstep_target` on; with copy-on-write the"
    " source's up to `drain` and the target's from `rampdown` on. Each segment goes on as it began, in whatever stage;"
    " but where the mapping changes the partition key or its form, segments of both tables together miss items and"
    " repeat others (and DynamoDB promises of no two tables that they are divided alike). So let all segments of a Scan"
    " begin before the move, or after it: those that are seen before it are told by `crossfade status`",
    "an item that is deleted and put anew between two pages of a Scan, or of a Query of an index, in `prepare` or"
    " `drain`": "it is another item, which may be in the other table, and so at another place: the pages may show it a"
    " second time, or not at all. In a Query of the table it is where it was. And an eventually consistent Query of an"
    " index, which lags by a moment, may show what the source held under that key when the item was copied",
    "a strongly consistent Scan, or Query of an index, that goes on across the move where the authority changes"
    " (`lockstep_source` and `lockstep_target`, either way; with copy-on-write from `rampdown` back to `drain`)": "it"
    " would go on in the order of a table that gets what is written a moment later. It is refused (ValidationException,"
    " with the reason): begin it anew, or go on without `ConsistentRead`",
}
WHILE_CLIENTS_MOVE: Final = {
    "attributes that are being added": "in `lockstep_source`, while other clients are still on their way from or to"
    " `shadow`, the whole item that a write answers with (`ALL_OLD`, `ALL_NEW`, or `ALL_OLD` of a failed condition) may"
    " lack an attribute that it did not have when it was read, and that one of those clients added in the same"
    " milliseconds, before the write: their writes take no lock, and DynamoDB has no condition on attributes whose"
    " names are not known. The tables hold both writes, and what the answer shows was all there",
}
"""What the comparison, which plays each case in one stage, does not meet."""
