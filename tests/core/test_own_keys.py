"""What a request says of keys of both tables; the rest of it, and what is malformed, stays as it was given."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade import Migration, Table
from crossfade.core.items import Item
from crossfade.core.request.own_keys import with_own_keys
from crossfade.core.tables.pair import Pair
from crossfade.mapping import rename

OLD: Item = {"pk": {"S": "a"}}
NEW: Item = {"id": {"S": "a"}}
ITEM: Item = {**OLD, "n": {"N": "1"}}
MALFORMED: tuple[dict[str, Any], ...] = (
    {"PutRequest": {"Item": ITEM}, "DeleteRequest": {"Key": OLD}},
    {"DeleteRequest": {}},
    {"PutRequest": {}},
    {},
)


@pytest.fixture
def pair() -> Pair:
    source, target = Table("old", key={"pk": "S"}), Table("new", key={"id": "S"})
    return Pair(source, target, Migration("t", source, target, [rename("pk", "id")]).compiled)


@pytest.mark.parametrize("entry", MALFORMED, ids=["both", "no key", "no item", "nothing"])
def test_a_malformed_entry_of_a_batch_is_left_for_the_service_to_refuse(pair: Pair, entry: dict[str, Any]) -> None:
    """Beside one with both keys, which loses the other table's; nothing is made of it that could be carried out."""
    batch = {"RequestItems": {"old": [entry, {"DeleteRequest": {"Key": OLD | NEW}}]}}
    changed = with_own_keys(pair, "BatchWriteItem", batch)
    assert changed == {"RequestItems": {"old": [entry, {"DeleteRequest": {"Key": OLD}}]}}


def test_a_batch_of_reads_without_keys_stays_as_it_is(pair: Pair) -> None:
    """Not one with an empty list of keys, which would be refused in other words."""
    batch: dict[str, Any] = {"RequestItems": {"old": {"ConsistentRead": True}}}
    assert with_own_keys(pair, "BatchGetItem", batch) is batch
