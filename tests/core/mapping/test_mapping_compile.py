"""What cannot work is said when the migration is made, and what the router asks of a mapping is answered right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from crossfade.core.items import Item
from crossfade.core.mapping import STAMP, Kind, Piece, compile_mapping
from crossfade.errors import MappingError, MappingInvalid, NotPossibleInStage
from crossfade.mapping import (
    convert,
    custom,
    drop,
    identity,
    join,
    move,
    number_to_text,
    prepend,
    rename,
    set_default,
    split,
    suffix,
    text_to_number,
)

KEY: dict[str, Kind] = {"customer": "S", "order": "S"}
NUMBER_KEY: dict[str, Kind] = {"customer": "N", "order": "S"}
WRONG: Any = "text_to_number"
FLOAT: Any = 1.5


def same(item: Item) -> Item:
    return item


@pytest.mark.parametrize("nothing", [None, [], ()])
def test_hazard_35_a_missing_mapping_is_never_identity(nothing: object) -> None:
    """No mapping and an empty one are errors that tell how to say identity."""
    with pytest.raises(MappingInvalid, match="no mapping") as raised:
        _ = compile_mapping(nothing, KEY, KEY)
    assert "identity()" in raised.value.next_step


@pytest.mark.parametrize(
    ("pieces", "source", "target", "shown"),
    [
        ([identity], KEY, KEY, "identity in the mapping is no piece"),
        ("rename", KEY, KEY, "the mapping is 'rename'"),
        ([rename("a", "b"), rename("a", "b")], KEY, KEY, "in the mapping twice"),
        ([identity(), rename("a", "b")], KEY, KEY, "nothing changes, but other pieces do"),
        # keys
        ([identity()], KEY, {"pk": "S", "order": "S"}, "nothing makes 'pk'"),
        (
            [rename("email", "pk")],
            KEY,
            {"pk": "S", "order": "S"},
            "'pk', a key attribute of the target, is not made of",
        ),
        ([identity()], KEY, {"customer": "S"}, "order: part of the source's key, but not of the target's"),
        ([identity()], NUMBER_KEY, KEY, "declared S, but the mapping makes it N"),
        ([drop("order")], KEY, KEY, "'order' holds a part of the key"),
        ([move("order", "meta.order")], KEY, KEY, "'order' holds a part of the key"),
        ([rename("a", "order")], KEY, KEY, "'order' already holds a part of the key"),
        ([set_default("order", "x")], KEY, KEY, "'order' holds a part of the key"),
        ([convert("order", forward=lambda v: v, backward=lambda v: v)], KEY, KEY, "the types must be known"),
        ([convert("order", text_to_number)], KEY, KEY, "declared S, but the mapping makes it N"),
        ([convert("customer", text_to_number)], NUMBER_KEY, KEY, "takes S and makes N, but 'customer' is N"),
        ([join(("customer", "email"), into="pk")], KEY, {"pk": "S", "order": "S"}, "with an ordinary attribute"),
        ([join(("customer", "order"), into="pk")], NUMBER_KEY, {"pk": "S"}, "'customer' is of type N, not S"),
        ([set_default("kind", True)], KEY, {"customer": "S", "kind": "S"}, "a key attribute is S, N or B, not BOOL"),
        # suffixes
        ([suffix("order", by="order")], KEY, KEY, "by='order' is not in the rest of the key (customer)"),
        ([suffix("customer", by="email")], KEY, KEY, "by='email' is not in the rest of the key (order)"),
        ([suffix("email")], KEY, KEY, "'email' holds no part of the key here (held by customer, order)"),
        ([suffix("customer")], NUMBER_KEY, NUMBER_KEY, "only a text can take a suffix"),
        ([suffix("customer")], {"customer": "S"}, {"customer": "S"}, "no other attribute to compute the suffix from"),
        # conflicts
        ([rename("a", "c"), rename("b", "c")], KEY, KEY, "'c' is made by another piece too: [rename: a -> c]"),
        ([set_default("c", 1), move("x.y", "c")], KEY, KEY, "'c' is made by another piece too"),
        ([move("x", "m.x"), rename("b", "m")], KEY, KEY, "'m.x' is made by another piece too"),
        ([rename("a", "b"), convert("a", text_to_number)], KEY, KEY, "'a' was taken away before, by [rename: a -> b]"),
        ([rename("a", "b"), move("a.x", "c")], KEY, KEY, "'a.x' was taken away before"),
        ([rename("a", STAMP)], KEY, KEY, "crossfade's own name"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused(
    pieces: Any, source: Mapping[str, Kind], target: Mapping[str, Kind], shown: str
) -> None:
    """Each fault of a whole mapping is named, with the piece, before any item is seen."""
    with pytest.raises(MappingInvalid) as raised:
        _ = compile_mapping(pieces, source, target)
    assert shown in raised.value.message


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (lambda: rename("a.b", "c"), "nested path"),
        (lambda: rename("a", "a"), "to itself"),
        (lambda: move("a", "a.b"), "inside one another"),
        (lambda: move("a[0]", "b"), "inside a list"),
        (lambda: move("a..b", "c"), "1 to 65535 bytes"),
        (lambda: convert("a"), "the function and its inverse are both needed"),
        (lambda: convert("a", forward=lambda v: v), "the function and its inverse are both needed"),
        (lambda: convert("a", WRONG), "is no Converter"),
        (lambda: convert("a", text_to_number, python=True), "a converter, or functions, not both"),
        (lambda: custom(same, WRONG), "the function and its inverse are both needed"),
        (lambda: set_default("a", FLOAT), "1.5 is no attribute value"),
        (lambda: drop("a", {"S": "x", "N": "1"}), "is no attribute value"),
        (lambda: suffix("a", 0), "count is 0"),
        (lambda: suffix("a", 1001), "count is 1001"),
        (lambda: suffix("a", separator="-1"), "does not end with a digit"),
        (lambda: split("a", into=("x",)), "two parts or more"),
        (lambda: split("a", into="xy"), "a tuple of names"),
        (lambda: join(("a", "b"), into="c", separator=""), "one character or more"),
    ],
)
def test_a_piece_that_makes_no_sense_is_refused(make: Any, shown: str) -> None:
    """Arguments are checked where the piece is written, so the error has that line."""
    with pytest.raises(MappingInvalid) as raised:
        _ = make()
    assert shown in raised.value.message


@pytest.mark.parametrize(
    ("pieces", "target", "keys_only", "sort"),
    [
        ([identity()], KEY, True, "same"),
        ([suffix("customer")], KEY, True, "same"),
        ([rename("order", "sk"), suffix("customer", by="sk")], {"customer": "S", "sk": "S"}, True, "same"),
        ([suffix("customer"), set_default("version", 2)], KEY, False, "same"),
        ([convert("order", text_to_number)], {"customer": "S", "order": "N"}, True, "other"),
        ([join(("customer", "order"), into="pk")], {"pk": "S"}, True, "other"),
        ([rename("customer", "x"), rename("order", "customer"), rename("x", "order")], KEY, True, "other"),
        (
            [set_default("kind", "ORDER"), join(("kind", "customer"), into="pk")],
            {"pk": "S", "order": "S"},
            True,
            "same",
        ),
        ([custom(same, same)], KEY, False, "same"),
    ],
)
def test_what_a_mapping_says_about_keys(
    pieces: list[Piece], target: dict[str, Kind], keys_only: bool, sort: str
) -> None:
    """keys_only and sort, on which the router's short cuts rest."""
    mapping = compile_mapping(pieces, KEY, target)
    assert (mapping.keys_only, mapping.sort) == (keys_only, sort)


def test_a_table_without_sort_keys_has_sort_none() -> None:
    """Neither side has a sort key."""
    assert compile_mapping([rename("id", "pk")], {"id": "N"}, {"pk": "N"}).sort == "none"


def test_partitions_lists_every_suffix_once() -> None:
    """A suffix over 16 makes 16 partitions; a rename before it and a constant joined in do not matter."""
    mapping = compile_mapping(
        [set_default("kind", "C"), join(("kind", "customer"), into="pk"), suffix("pk", 16)],
        KEY,
        {"pk": "S", "order": "S"},
    )
    assert mapping.partitions({"S": "acme"}) == tuple({"S": f"C#acme#{number}"} for number in range(16))
    assert compile_mapping(identity(), KEY, KEY).partitions({"S": "acme"}) == ({"S": "acme"},)


def test_partitions_are_refused_where_the_sort_key_decides() -> None:
    """A target partition joined from both key parts cannot be told from the partition alone."""
    mapping = compile_mapping([join(("customer", "order"), into="pk")], KEY, {"pk": "S"})
    with pytest.raises(NotPossibleInStage, match="cannot be told: 'pk' is also made from the rest"):
        _ = mapping.partitions({"S": "acme"})


def test_hazard_16_a_target_key_never_depends_on_an_ordinary_attribute() -> None:
    """Keys of a mapping that compiles are mapped alike from the key alone and from the whole item."""
    mapping = compile_mapping([suffix("customer", 7), rename("total", "sum")], KEY, KEY)
    key: Item = {"customer": {"S": "acme"}, "order": {"S": "1"}}
    item: Item = {**key, "total": {"N": "1"}}
    target = mapping.forward(item)
    assert mapping.forward_key(key) == {name: target[name] for name in KEY}
    assert mapping.forward({**item, "total": {"N": "2"}})["customer"] == target["customer"]


def test_a_key_with_other_attributes_is_refused() -> None:
    """forward_key takes exactly the key attributes, of the declared types, not empty."""
    mapping = compile_mapping(identity(), KEY, KEY)
    wrong: list[Item] = [
        {"customer": {"S": "a"}},
        {"customer": {"S": "a"}, "order": {"N": "1"}},
        {"customer": {"S": ""}, "order": {"S": "1"}},
        {"customer": {"S": "a"}, "order": {"S": "1"}, "x": {"S": "1"}},
    ]
    for key in wrong:
        with pytest.raises(MappingError):
            _ = mapping.forward_key(key)


def test_a_foreign_target_item_is_not_taken_for_one_of_ours() -> None:
    """A suffix that does not follow from the key, or another value in a constant key, has no source item."""
    mapping = compile_mapping(
        [suffix("customer", 16), set_default("kind", "ORDER"), join(("kind", "order"), into="sk")],
        KEY,
        {"customer": "S", "sk": "S"},
    )
    ours = mapping.forward_key({"customer": {"S": "acme"}, "order": {"S": "1"}})
    with pytest.raises(MappingError, match="its suffix should be"):
        _ = mapping.backward_key({**ours, "customer": {"S": "acme"}})
    with pytest.raises(MappingError, match="no item of the source has that key"):
        _ = mapping.backward_key({**ours, "sk": {"S": "INVOICE#1"}})


def test_the_fingerprint_tells_mappings_apart() -> None:
    """It changes with arguments, order, functions and keys, and not from one compilation to the next."""

    def one(item: Item) -> Item:
        return {**item}

    def other(item: Item) -> Item:
        return dict(item)

    mappings: list[list[Piece]] = [
        [identity()],
        [suffix("customer", 16)],
        [suffix("customer", 17)],
        [rename("a", "b"), rename("c", "d")],
        [rename("c", "d"), rename("a", "b")],
        [convert("a", text_to_number)],
        [convert("a", number_to_text)],
        [convert("a", forward=one, backward=one)],
        [convert("a", forward=one, backward=one, python=True)],
        [custom(one, one, name="x")],
        [custom(other, other, name="x")],
        [set_default("a", {"SS": ["x", "y"]})],
    ]
    prints = [compile_mapping(pieces, KEY, KEY).fingerprint for pieces in mappings]
    assert len(set(prints)) == len(prints)
    assert prints == [compile_mapping(pieces, KEY, KEY).fingerprint for pieces in mappings]
    assert all(len(each) == 16 and int(each, 16) >= 0 for each in prints)


def test_describe_has_one_line_a_piece() -> None:
    """The lines name what changes into what."""
    pieces = [suffix("customer", 16), move("detail.status", "status"), convert("total", text_to_number)]
    assert compile_mapping(pieces, KEY, KEY).describe() == [
        "suffix: customer -> customer#0 to #15, by order",
        "move: detail.status -> status",
        "convert: total by text_to_number",
    ]


@pytest.mark.parametrize(
    ("pieces", "sort", "prefix"),
    [
        ([rename("sk", "order")], "same", ""),
        ([set_default("kind", "ORDER"), join(("kind", "sk"), into="order")], "same", "ORDER#"),
        (
            [set_default("a", "x"), set_default("b", "y"), join(("a", "b", "sk"), into="order", separator="/")],
            "same",
            "x/y/",
        ),
        ([convert("sk", prepend("A#")), rename("sk", "order")], "same", "A#"),
        ([convert("sk", prepend("A#")), set_default("k", "B"), join(("k", "sk"), into="order")], "same", "B#A#"),
        ([set_default("k", "B"), convert("k", prepend("A")), join(("k", "sk"), into="order")], "same", "AB#"),
        ([set_default("kind", "ORDER"), join(("sk", "kind"), into="order")], "other", ""),
        ([set_default("n", 7), join({"n": "N", "sk": "S"}, into="order")], "other", ""),
        ([convert("sk", prepend("A#").reversed()), rename("sk", "order")], "other", ""),
        ([convert("sk", prepend("\U0010ffff")), rename("sk", "order")], "other", ""),
    ],
)
def test_what_stands_before_the_sort_key_is_known(pieces: list[Piece], sort: str, prefix: str) -> None:
    """A constant text keeps the order; anything else is another form."""
    mapping = compile_mapping(pieces, {"pk": "S", "sk": "S"}, {"pk": "S", "order": "S"})
    assert (mapping.sort, mapping.sort_prefix) == (sort, prefix)
