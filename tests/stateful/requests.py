"""Requests that applications make of one small table, drawn by hypothesis: every operation on items, few keys.

What the embedded engine does otherwise than the service is left out: an update that only removes or deletes makes an
item there where none was, so each such update also sets something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from hypothesis import strategies as st

from crossfade.core.items import AttributeValue, Item

Request = dict[str, Any]

TABLE: Final = "?"  # where the name of a table belongs
PARTITIONS: Final = ("a", "b")
SORTS: Final = ("1", "2", "3")
BATCH_ITEMS_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class Call:
    """An operation and its request. `in_order` says whether the order of the items in the answer means something."""

    operation: str
    request: Request
    in_order: bool = True


def key(partition: str, sort: str) -> Item:
    return {"pk": {"S": partition}, "sk": {"S": sort}}


keys = st.builds(key, st.sampled_from(PARTITIONS), st.sampled_from(SORTS))
texts = st.sampled_from(("x", "y", "open", "closed"))
numbers = st.sampled_from(("0", "1", "2", "1.5", "-3"))


def text(value: str) -> AttributeValue:
    return {"S": value}


def detail_of(status: str, kind: str) -> AttributeValue:
    return {"M": {"status": text(status), "kind": text(kind)}}


def item_of(key: Item, rest: Item) -> Item:
    return {**key, **rest}


def attributes() -> st.SearchStrategy[Item]:
    """All but the key; every attribute may be missing."""
    detail: st.SearchStrategy[AttributeValue] = st.builds(detail_of, texts, texts)
    kinds: dict[str, st.SearchStrategy[AttributeValue]] = {
        "n": numbers.map(lambda number: {"N": number}),
        "log": st.lists(texts, max_size=3).map(lambda entries: {"L": [text(entry) for entry in entries]}),
        "detail": detail,
        "tags": st.sets(texts, min_size=1, max_size=3).map(lambda tags: {"SS": sorted(tags)}),
        "note": texts.map(text),
    }
    return st.fixed_dictionaries({}, optional=kinds)


items: st.SearchStrategy[Item] = st.builds(item_of, keys, attributes())

# Expressions with the values that they name. What one of them needs need not be there: then both tables say so.
CONDITIONS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("attribute_not_exists(pk)", ()),
    ("attribute_exists(sk)", ()),
    ("n = :n", (":n",)),
    ("n < :n OR attribute_not_exists(n)", (":n",)),
    ("detail.#status = :s", (":s",)),
    ("contains(tags, :s) AND NOT note = :s", (":s",)),
    ("size(log) > :n", (":n",)),
    ("note IN (:s, :other)", (":s", ":other")),
    ("attribute_type(detail, :kind)", (":kind",)),
)
UPDATES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("ADD n :n", (":n",)),
    ("SET n = if_not_exists(n, :n) + :n", (":n",)),
    ("SET #log = list_append(if_not_exists(#log, :none), :entry)", (":none", ":entry")),
    ("SET detail.#status = :s", (":s",)),
    ("SET detail = :detail", (":detail",)),
    ("SET note = :s REMOVE detail", (":s",)),
    ("SET note = :s REMOVE #log[0]", (":s",)),
    ("ADD tags :tags SET note = :s", (":tags", ":s")),
    ("DELETE tags :tags SET note = :s", (":tags", ":s")),
    ("SET note = detail.#status", ()),
    ("SET n = n - :n", (":n",)),
)
RETURNS: Final = ("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW")


def values_of(names: tuple[str, ...], some_text: str, number: str) -> dict[str, AttributeValue]:
    known: dict[str, AttributeValue] = {
        ":n": {"N": number},
        ":s": text(some_text),
        ":other": text("open"),
        ":kind": text("M"),
        ":none": {"L": []},
        ":entry": {"L": [text(some_text)]},
        ":detail": {"M": {"status": text(some_text), "kind": text("new")}},
        ":tags": {"SS": [some_text, "z"]},
    }
    return {name: known[name] for name in names}


def with_expressions(request: Request, values: dict[str, AttributeValue], **expressions: str) -> Request:
    """The request with these expressions, and with the names and values that they need and no others."""
    whole = " ".join(expressions.values())
    names = {name: name[1:] for name in ("#status", "#log") if name in whole}
    given = {**request, **expressions}
    if names:
        given["ExpressionAttributeNames"] = names
    if values:
        given["ExpressionAttributeValues"] = values
    return given


@st.composite
def single_writes(draw: st.DrawFn, *, in_transaction: bool = False) -> Call:
    """A put, an update or a delete, often under a condition, with what is to be returned."""
    operation = draw(st.sampled_from(("PutItem", "UpdateItem", "UpdateItem", "DeleteItem")))
    request: Request = {"TableName": TABLE}
    expressions: dict[str, str] = {}
    values: dict[str, AttributeValue] = {}
    some_text, number = draw(texts), draw(numbers)
    if operation == "PutItem":
        request["Item"] = draw(items)
    else:
        request["Key"] = draw(keys)
    if operation == "UpdateItem":
        update, needs = draw(st.sampled_from(UPDATES))
        expressions["UpdateExpression"] = update
        values |= values_of(needs, some_text, number)
    if draw(st.booleans()):
        condition, needs = draw(st.sampled_from(CONDITIONS))
        expressions["ConditionExpression"] = condition
        values |= values_of(needs, some_text, number)
        if draw(st.booleans()):
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    if not in_transaction:
        request["ReturnValues"] = draw(st.sampled_from(RETURNS if operation == "UpdateItem" else RETURNS[:2]))
    return Call(operation, with_expressions(request, values, **expressions))


@st.composite
def gets(draw: st.DrawFn) -> Call:
    request: Request = {"TableName": TABLE, "Key": draw(keys), "ConsistentRead": draw(st.booleans())}
    if draw(st.booleans()):
        request["ProjectionExpression"] = "pk, note, detail.#status"
        request["ExpressionAttributeNames"] = {"#status": "status"}
    return Call("GetItem", request)


@st.composite
def queries(draw: st.DrawFn) -> Call:
    request: Request = {"TableName": TABLE, "ConsistentRead": draw(st.booleans())}
    condition, values = "pk = :pk", {":pk": text(draw(st.sampled_from(PARTITIONS)))}
    if draw(st.booleans()):
        condition += " AND sk >= :sk"
        values[":sk"] = text(draw(st.sampled_from(SORTS)))
    request["ScanIndexForward"] = draw(st.booleans())
    if draw(st.booleans()):
        request["Limit"] = draw(st.integers(1, 3))
    expressions = {"KeyConditionExpression": condition}
    if draw(st.booleans()):
        expressions["FilterExpression"] = "attribute_exists(note) OR n > :n"
        values[":n"] = {"N": draw(numbers)}
    return Call("Query", with_expressions(request, values, **expressions))


@st.composite
def scans(draw: st.DrawFn) -> Call:
    """All of the table in one page. Where the target serves, its order of partitions is another."""
    request: Request = {"TableName": TABLE, "ConsistentRead": draw(st.booleans())}
    if draw(st.booleans()):
        return Call("Scan", request, in_order=False)
    values: dict[str, AttributeValue] = {":n": {"N": draw(numbers)}}
    return Call("Scan", with_expressions(request, values, FilterExpression="n >= :n"), in_order=False)


@st.composite
def batch_gets(draw: st.DrawFn) -> Call:
    wanted = draw(st.lists(keys, min_size=1, max_size=BATCH_ITEMS_MAX, unique_by=str))
    entry: Request = {"Keys": wanted, "ConsistentRead": draw(st.booleans())}
    return Call("BatchGetItem", {"RequestItems": {TABLE: entry}}, in_order=False)


def place(item: Item) -> str:
    return str((item["pk"], item["sk"]))


@st.composite
def batch_writes(draw: st.DrawFn) -> Call:
    given: list[Item] = draw(st.lists(items, min_size=1, max_size=BATCH_ITEMS_MAX, unique_by=place))
    entries: list[Request] = []
    for item in given:
        if draw(st.booleans()):
            entries.append({"PutRequest": {"Item": item}})
        else:
            entries.append({"DeleteRequest": {"Key": {"pk": item["pk"], "sk": item["sk"]}}})
    return Call("BatchWriteItem", {"RequestItems": {TABLE: entries}})


@st.composite
def transact_gets(draw: st.DrawFn) -> Call:
    wanted = draw(st.lists(keys, min_size=1, max_size=BATCH_ITEMS_MAX, unique_by=str))
    return Call("TransactGetItems", {"TransactItems": [{"Get": {"TableName": TABLE, "Key": each}} for each in wanted]})


@st.composite
def transact_writes(draw: st.DrawFn) -> Call:
    actions: dict[str, Request] = {}
    for call in draw(st.lists(single_writes(in_transaction=True), min_size=1, max_size=3)):
        named: Item = call.request.get("Key") or call.request["Item"]
        actions[place(named)] = {call.operation.removesuffix("Item"): call.request}
    if draw(st.booleans()):
        condition, needs = draw(st.sampled_from(CONDITIONS))
        check = with_expressions(
            {"TableName": TABLE, "Key": draw(keys)},
            values_of(needs, draw(texts), draw(numbers)),
            ConditionExpression=condition,
        )
        _ = actions.setdefault(place(check["Key"]), {"ConditionCheck": check})
    return Call("TransactWriteItems", {"TransactItems": list(actions.values())})


calls = st.one_of(
    single_writes(),
    single_writes(),
    single_writes(),
    gets(),
    queries(),
    scans(),
    batch_gets(),
    batch_writes(),
    transact_gets(),
    transact_writes(),
)


def on_table(value: Any, table: str) -> Any:
    """A request for the table of that name."""
    if isinstance(value, dict):
        given = cast("dict[str, Any]", value)
        return {
            (table if name == TABLE else name): table
            if (name, inner) == ("TableName", TABLE)
            else on_table(inner, table)
            for name, inner in given.items()
        }
    if isinstance(value, list):
        return [on_table(inner, table) for inner in cast("Sequence[Any]", value)]
    return value
