"""Target keys that items hold, or that are derived from the old key: there and back, and what cannot work."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import assume, given

from crossfade import Migration, Table
from crossfade.core.items import Item, same_item
from crossfade.core.mapping import CompiledMapping, Kind, Piece, compile_mapping
from crossfade.errors import MappingError, MappingInvalid, NotPossibleInStage
from crossfade.mapping import convert, derive_key, identity, move, rename, text_to_number, use_as_key
from tests.core.mapping.mapping_strategies import items

KEY: dict[str, Kind] = {"customer": "S", "order": "S"}
GUID: dict[str, Kind] = {"guid": "S"}
NAMESPACE = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
DERIVED = derive_key("guid", ("customer", "order"), NAMESPACE)
HELD = use_as_key("guid")
ITEM: Item = {"customer": {"S": "c"}, "order": {"S": "o"}, "guid": {"S": "g"}, "total": {"S": "1"}}


def compiled(*pieces: Piece, target: dict[str, Kind] | None = None) -> CompiledMapping:
    return compile_mapping(list(pieces), KEY, target or GUID)


@given(items)
def test_what_is_derived_comes_back(item: Item) -> None:
    """The new item has the old key beside the new one; item and keys lead back, and there again."""
    mapping = compiled(DERIVED)
    try:
        target = mapping.forward(item)
    except MappingError:
        _ = assume(False)
        raise
    text = f"{item['customer']['S']}#{item['order']['S']}"
    assert target == {**item, "guid": {"S": str(uuid.uuid5(NAMESPACE, text))}}
    assert same_item(mapping.backward(target), item)
    key: Item = {name: item[name] for name in KEY}
    assert mapping.forward_key(key) == {"guid": target["guid"]}
    assert mapping.backward_key({**key, "guid": target["guid"]}) == key


@given(items)
def test_what_is_held_stays_as_it_is(item: Item) -> None:
    """Items are the same in both tables; a key leads across with all its attributes."""
    mapping = compiled(HELD)
    held: Item = {**item, "guid": {"S": "g"}}
    assert mapping.forward(held) == held
    assert mapping.backward(held) == held
    both: Item = {name: held[name] for name in (*KEY, "guid")}
    assert mapping.forward_key(both) == {"guid": {"S": "g"}}
    assert mapping.backward_key(both) == both


@pytest.mark.parametrize("separator", ["#", "/"])
def test_a_part_that_holds_the_separator_is_refused(separator: str) -> None:
    """But for the last one: otherwise two items could become one."""
    mapping = compiled(derive_key("guid", ("customer", "order"), NAMESPACE, separator))
    _ = mapping.forward({"customer": {"S": "a"}, "order": {"S": f"b{separator}c"}})
    with pytest.raises(MappingError, match="holds the separator"):
        _ = mapping.forward({"customer": {"S": f"a{separator}b"}, "order": {"S": "c"}})


def test_a_foreign_key_is_not_taken_for_a_derived_one() -> None:
    """An item of the target, or a key, whose guid is another is refused."""
    mapping = compiled(DERIVED)
    with pytest.raises(MappingError, match="customer, order make 1f40"):
        _ = mapping.backward({**ITEM})
    with pytest.raises(MappingError, match="customer, order make 1f40"):
        _ = mapping.backward_key({name: ITEM[name] for name in (*KEY, "guid")})
    with pytest.raises(MappingError, match="'guid' is already there"):
        _ = mapping.forward(ITEM)
    with pytest.raises(MappingError, match="'guid' is missing"):
        _ = compiled(HELD).forward({name: ITEM[name] for name in KEY})


@pytest.mark.parametrize("piece", [DERIVED, HELD])
def test_half_a_key_leads_nowhere(piece: Piece) -> None:
    """A guid alone does not lead back, and a partition of one table is no partition of the other."""
    mapping = compiled(piece)
    assert mapping.source_key_extras == (("customer", "S"), ("order", "S"))
    assert (mapping.sort, mapping.keys_only) == ("other", False)
    with pytest.raises(MappingError):
        _ = mapping.backward_key({"guid": {"S": "g"}})
    for value, back in (({"S": "c"}, False), ({"S": "g"}, True)):
        with pytest.raises(NotPossibleInStage):
            _ = mapping.partitions(value, back=back)


def test_other_pieces_may_stand_beside() -> None:
    """They may touch anything but the keys."""
    mapping = compiled(DERIVED, convert("total", text_to_number), rename("total", "sum"))
    item: Item = {"customer": {"S": "c"}, "order": {"S": "o"}, "total": {"S": "1"}}
    assert mapping.forward(item)["sum"] == {"N": "1"}
    assert mapping.backward(mapping.forward(item)) == item


@pytest.mark.parametrize(
    ("pieces", "target", "shown"),
    [
        ([use_as_key("customer")], {"customer": "S"}, "'customer' already holds a part of the key"),
        ([HELD], {"id": "S"}, "'guid' is no key attribute of the target (id)"),
        ([DERIVED], {"guid": "N"}, "must be S"),
        ([derive_key("guid", ("customer",), NAMESPACE)], GUID, "order: part of the source's key"),
        ([derive_key("guid", ("email",), NAMESPACE)], GUID, "by='email' is no text of the source's key"),
        ([DERIVED, rename("order", "order_id")], GUID, "has to stay on the item"),
        ([rename("order", "order_id"), HELD], GUID, "has to stay on the item"),
        ([HELD, move("order", "m.order")], GUID, "'order' holds a part of the key"),
        ([convert("guid", text_to_number), HELD], {"guid": "N"}, "as the item holds it"),
        ([rename("id", "guid"), HELD], GUID, "as the item holds it"),
    ],
)
def test_what_cannot_work_is_refused(pieces: list[Piece], target: dict[str, Kind], shown: str) -> None:
    """When the mapping is made."""
    with pytest.raises(MappingInvalid) as raised:
        _ = compiled(*pieces, target=target)
    assert shown in raised.value.message


WRONG: Any = 5


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("guid", (), NAMESPACE), "must name one or more"),
        (("guid", ("a", "a"), NAMESPACE), "must name one or more"),
        (("guid", ("a",), "namespace"), "is no UUID"),
        (("guid", ("a",), WRONG), "is no UUID"),
        (("guid", ("a",), NAMESPACE, "--"), "must be one character"),
    ],
)
def test_a_derivation_that_makes_no_sense_is_refused(arguments: Any, shown: str) -> None:
    """Where the piece is written."""
    with pytest.raises(MappingInvalid, match=shown):
        _ = derive_key(*arguments)


def test_the_fingerprint_tells_derivations_apart() -> None:
    """Another namespace or separator makes other keys."""
    pieces = (
        DERIVED,
        HELD,
        derive_key("guid", ("customer", "order"), uuid.UUID(int=1)),
        derive_key("guid", ("customer", "order"), NAMESPACE, "/"),
    )
    assert len({compiled(piece).fingerprint for piece in pieces}) == len(pieces)


def test_such_a_key_is_for_copy_on_write() -> None:
    """The other strategy has to find the source's item of each target item."""
    source, target = Table("articles", KEY), Table("articles-v2", GUID)
    assert Migration("m", source, target, DERIVED, "copy-on-write").compiled.source_key_extras
    with pytest.raises(MappingInvalid, match="does not lead back"):
        _ = Migration("m", source, target, DERIVED)
    assert not Migration("m", source, Table("articles-v2", KEY), identity()).compiled.source_key_extras


@pytest.mark.parametrize("strategy", ["dual-write", "freeze"])
def test_an_items_own_attribute_in_the_targets_key_is_for_copy_on_write(strategy: Any) -> None:
    """What the source's key does not tell cannot be deleted after the source's item; that the target's key leads back
    does not help."""
    source, target = Table("articles", {"customer": "S"}), Table("articles-v2", {"customer": "S", "day": "S"})
    assert Migration("m", source, target, use_as_key("day"), "copy-on-write").compiled.target_key_extras
    with pytest.raises(MappingInvalid, match="the source's key does not lead to the target's"):
        _ = Migration("m", source, target, use_as_key("day"), strategy)
