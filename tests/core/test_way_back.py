"""What an application of the target's shape writes while the source still counts: kept exactly, or refused."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade import Table
from crossfade.core.items import Item
from crossfade.core.mapping import Piece, compile_mapping
from crossfade.core.sync.sync import sync
from crossfade.core.tables.pair import Pair
from crossfade.errors import MappingError
from crossfade.mapping import custom, join, move, rename, set_default

KEY: Any = {"pk": "S"}


def compiled(*pieces: Piece) -> Any:
    return compile_mapping(list(pieces), KEY, KEY)


def item(**attributes: Any) -> Item:
    return {"pk": {"S": "a"}, **attributes}


def lowered(found: Item) -> Item:
    return found | {"w": {"S": found["w"]["S"].lower()}} if "w" in found else found


def raised(found: Item) -> Item:
    return found | {"w": {"S": found["w"]["S"].upper()}} if "w" in found else found


@pytest.mark.parametrize(
    ("mapping", "written"),
    [
        (compiled(set_default("state", "open")), item(state={"S": "closed"})),
        (compiled(set_default("state", "open")), item()),
        (compiled(move("info.phase", "phase")), item(phase={"S": "new"})),
        (compiled(move("extra", "box.extra")), item(extra={"S": "x"})),
        (compiled(custom(lowered, raised)), item(w={"S": "D"})),
    ],
    ids=["another value", "without the default", "without the map", "at the old place", "custom"],
)
def test_what_would_come_again_as_another_item_is_refused(mapping: Any, written: Item) -> None:
    """Taken leniently it is still an item, as much of it as the source can hold."""
    with pytest.raises(MappingError, match="cannot take"):
        _ = mapping.backward_exactly(written)
    assert mapping.backward(written)["pk"] == {"S": "a"}


@pytest.mark.parametrize(
    ("mapping", "written"),
    [
        (compiled(set_default("state", "open")), item(state={"S": "open"}, n={"N": "1.0"})),
        (compiled(move("info.phase", "phase")), item(phase={"S": "new"}, info={"M": {}})),
        (compiled(rename("a", "b")), item(b={"SS": ["y", "x"]}, _crossfade={"S": "stamp"})),
    ],
)
def test_what_leads_back_is_taken(mapping: Any, written: Item) -> None:
    back = mapping.backward_exactly(written)
    again = mapping.forward(back)
    assert {name: value for name, value in written.items() if name != "_crossfade"} == again


def test_a_delete_of_a_key_that_the_other_table_cannot_have_loses_no_mirror() -> None:
    """Neither side has such an item, so both agree; one that the source has is still an error."""
    source, target = Table("one", key={"customer": "S"}), Table("two", key={"pk": "S"})
    joined = compile_mapping([set_default("kind", "T"), join(("customer", "kind"), into="pk")], source.key, target.key)
    pair, key = Pair(source, target, joined), {"customer": {"S": "a#b"}}

    def mirrored(reply: dict[str, Any]) -> None:
        routine = sync(pair, "source", key)
        asked: Any = next(routine)
        assert (asked.place, asked.operation) == ("source", "GetItem")
        with pytest.raises(StopIteration):
            _ = routine.send(reply)

    mirrored({})
    with pytest.raises(MappingError, match="separator"):
        mirrored({"Item": key})
