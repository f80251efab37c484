"""Indexes of the simulated tables, and what is judged of the pages of their Queries."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade.core.items import Item
from crossfade.errors import ServiceRejected
from crossfade.migration import Index
from crossfade.sim.checkers import answers
from crossfade.sim.history import History, Missed, Operation, Repeated
from crossfade.sim.indexes import SimIndex
from crossfade.sim.model import Action, Held, State
from crossfade.sim.tables import Database
from tests.sim.histories import DONE, GET, KEY, append, got, told

BY_N = Index({"pk": "S"}, {"n": "N"})
INDEXES = [
    SimIndex("global", BY_N.names, BY_N.kinds, is_global=True, held=("log",)),
    SimIndex("local", BY_N.names, BY_N.kinds, is_global=False),
]


def database(*items: tuple[str, str], name: str = "orders") -> Database:
    made = Database({name: ("pk", "sk")}, {name: INDEXES})
    for sk, n in items:
        put(made, sk, n, 1.0, name)
    return made


def put(tables: Database, sk: str, n: str, now: float, name: str = "orders") -> None:
    item: Item = {"pk": {"S": "p"}, "sk": {"S": sk}, "n": {"N": n}, "log": {"L": []}, "more": {"S": "m"}}
    _ = tables.perform("PutItem", {"TableName": name, "Item": item}, now)


def query(tables: Database, now: float = 9.0, as_of: float | None = None, **more: Any) -> dict[str, Any]:
    request = {
        "TableName": "orders",
        "IndexName": "global",
        "KeyConditionExpression": "pk = :p",
        "ExpressionAttributeValues": {":p": {"S": "p"}},
        **more,
    }
    return tables.perform("Query", request, now, as_of)


def names(reply: dict[str, Any]) -> list[str]:
    return [item["sk"]["S"] for item in reply["Items"]]


def test_entries_are_in_order_and_pages_go_on_behind_a_cursor() -> None:
    """By number, either way; the cursor has the keys of both."""
    tables = database(("a", "10"), ("b", "9"), ("c", "-1"))
    for forward, expected in ((True, ["c", "b", "a"]), (False, ["a", "b", "c"])):
        first = query(tables, Limit=2, ScanIndexForward=forward)
        assert first["LastEvaluatedKey"].keys() == {"pk", "sk", "n"}
        rest = query(tables, ScanIndexForward=forward, ExclusiveStartKey=first["LastEvaluatedKey"])
        assert names(first) + names(rest) == expected


def test_items_with_one_sort_value_come_in_an_order_of_each_table() -> None:
    """Which stays the same, and which another table does not share."""
    items = [(letter, "1") for letter in "abcdef"]
    here = names(query(database(*items)))
    assert sorted(here) == list("abcdef")
    assert here == names(query(database(*items)))
    there = database(*items, name="others").tables["others"]
    places = [(there.index_place(INDEXES[0], entry), key[1]) for key, entry in there.entries(INDEXES[0], None)]
    assert [sk for _, sk in sorted(places)] != here


def test_pages_among_equals_show_each_item_once() -> None:
    """Also where the item of the cursor is gone."""
    tables = database(*((letter, "1") for letter in "abcd"))
    seen: list[str] = []
    start: Item | None = None
    while True:
        more: dict[str, Any] = {} if start is None else {"ExclusiveStartKey": start}
        page = query(tables, Limit=1, **more)
        seen += names(page)
        start = page.get("LastEvaluatedKey")
        if start is None:
            break
        key = {name: start[name] for name in ("pk", "sk")}
        _ = tables.perform("DeleteItem", {"TableName": "orders", "Key": key}, 2.0)
    assert sorted(seen) == list("abcd")


def test_a_global_index_may_be_late_and_a_local_one_can_be_asked_for_what_is_there() -> None:
    """The moved item is at its old place, or at its new one, and never at both; strongly consistent Queries of a global
    index are refused."""
    tables = database(("a", "1"))
    put(tables, "a", "5", 5.0)
    for index in ("global", "local"):
        late = query(tables, as_of=4.0, IndexName=index)
        assert [item["n"]["N"] for item in late["Items"]] == ["1"]
    strong = query(tables, as_of=4.0, IndexName="local", ConsistentRead=True)
    assert [item["n"]["N"] for item in strong["Items"]] == ["5"]
    with pytest.raises(ServiceRejected):
        _ = query(tables, ConsistentRead=True)


def test_an_index_shows_what_it_holds_and_only_items_that_have_its_key() -> None:
    """Here all but one attribute; an item without the sort attribute is not there."""
    tables = database(("a", "1"))
    _ = tables.perform("PutItem", {"TableName": "orders", "Item": {"pk": {"S": "p"}, "sk": {"S": "z"}}}, 2.0)
    (entry,) = query(tables)["Items"]
    assert entry.keys() == {"pk", "sk", "n", "log"}


def test_a_cursor_of_another_key_is_refused() -> None:
    """As a mark would be, once crossfade is gone; of a table as of an index."""
    tables = database(("a", "1"))
    start = {"pk": {"S": "p"}, "sk": {"S": "a"}, "n": {"N": "1"}}
    with pytest.raises(ServiceRejected):
        _ = query(tables, ExclusiveStartKey={**start, "_crossfade": {"S": "source"}})
    with pytest.raises(ServiceRejected):
        _ = tables.perform("Scan", {"TableName": "orders", "ExclusiveStartKey": start}, 2.0)


def test_a_table_tells_of_its_indexes() -> None:
    """With what they hold, and the types of all key attributes."""
    described = database().perform("DescribeTable", {"TableName": "orders"}, 1.0)["Table"]
    (of_global,) = described["GlobalSecondaryIndexes"]
    assert of_global["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["log"]}
    assert [index["IndexName"] for index in described["LocalSecondaryIndexes"]] == ["local"]
    assert {"AttributeName": "n", "AttributeType": "N"} in described["AttributeDefinitions"]


# --- what is judged -------------------------------------------------------------------------------------------------

THREE: State = (3, ("a",), None)


def missed(called: int, answered: int) -> Missed:
    """A page between these places has not shown an item, though it covers the places from 1 to 5."""
    action = Action("outside", inside=(1, 5))
    return Missed(Operation("a walk", KEY, action, called, 0.0, answered, 0.0, ("ok", False)), moves=True)


def invariants(operations: list[Operation], *found: Missed | Repeated) -> list[str]:
    history = History({KEY: THREE}, operations)
    history.missed = [each for each in found if isinstance(each, Missed)]
    history.repeated = [each for each in found if isinstance(each, Repeated)]
    return [violation.invariant for violation in answers(history)]


def test_an_item_that_stayed_at_its_place_is_on_the_page() -> None:
    """Where it has not moved; a write that leaves its n alone does not move it."""
    rest = told(99, 99, GET, got(THREE))
    assert invariants([rest], missed(10, 20)) == ["the history of an item is that of one plain item"]
    late: State = (3, ("a", "b"), None)
    log = told(12, 14, Action("log", "b"), DONE)
    assert invariants([log, told(99, 99, GET, got(late))], missed(10, 20)) != []


def test_an_item_that_has_moved_may_be_missing_or_come_twice() -> None:
    """From behind the page to before it, or the other way."""
    moved = [told(12, 14, append("b"), DONE), told(99, 99, GET, got((4, ("a", "b"), None)))]
    assert invariants(moved, missed(10, 20), Repeated("app", KEY, 10, 20, moves=True)) == []
    assert invariants(moved, missed(15, 20)) != []
    assert invariants(moved, Repeated("app", KEY, 15, 20, moves=True)) == ["a walk shows each item once"]


def test_an_entry_shows_what_the_index_holds_of_a_state_that_was_there() -> None:
    """A part of it; one that nobody has ever written is told."""
    entry = Action("entry", held=Held(log=False, status=False))
    rest = told(99, 99, GET, got(THREE))
    assert invariants([told(1, 2, entry, got((3, (), None))), rest]) == []
    assert invariants([told(1, 2, entry, got((4, (), None))), rest]) != []
    assert Held().of((None, ("a",), None)) is None
