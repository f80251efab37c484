"""Whatever a mapping accepts comes back as it was; whatever would not, it refuses."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crossfade.core.items import AttributeValue, Item, same_item
from crossfade.core.mapping import STAMP, CompiledMapping, Kind, Piece, compile_mapping
from crossfade.core.mapping.rehearsal import rehearse
from crossfade.errors import MappingError, MappingInvalid
from crossfade.mapping import (
    Converter,
    base64_to_binary,
    convert,
    custom,
    drop,
    epoch_to_iso,
    flag_to_number,
    identity,
    iso_to_epoch,
    join,
    move,
    number_to_text,
    rename,
    set_default,
    set_to_list,
    split,
    suffix,
    text_to_number,
)
from tests.core.mapping.mapping_strategies import NAMES, items, names, numbers, texts, values

KEY: dict[str, Kind] = {"customer": "S", "order": "S"}
CONVERTERS = (text_to_number, number_to_text, epoch_to_iso, iso_to_epoch, base64_to_binary, flag_to_number, set_to_list)


def compiled(*pieces: Piece, target: Mapping[str, Kind] = KEY) -> CompiledMapping:
    return compile_mapping(list(pieces), KEY, target)


def there_and_back(mapping: CompiledMapping, item: Item) -> Item:
    """Map an item both ways and assert what holds for every mapping; discards items that the mapping refuses."""
    before = copy.deepcopy(item)
    try:
        target = mapping.forward(item)
    except MappingError:
        _ = assume(False)
        raise
    assert item == before, "forward changed its argument"
    kept = copy.deepcopy(target)
    back = mapping.backward({**target, STAMP: {"S": "x"}})
    assert target == kept, "backward changed its argument"
    key = {name: target[name] for name, _ in mapping.target_key}
    assert mapping.forward_key({name: item[name] for name in KEY}) == key
    assert same_item(mapping.backward_key(key), {name: item[name] for name in KEY})
    assert same_item(back, item)
    return target


@given(items)
def test_identity_stores_an_item_as_it_is(item: Item) -> None:
    """identity() changes nothing, of any type."""
    assert there_and_back(compiled(identity()), item) == item


paths = st.one_of(names.map(lambda name: (name,)), st.tuples(names, names), st.tuples(names, names, names))


@st.composite
def ordinary_pieces(draw: st.DrawFn) -> Piece:
    """A piece over ordinary attributes, drops left out (they lose something by declaration)."""
    try:
        match draw(st.sampled_from(("rename", "move", "convert", "set_default", "join", "split"))):
            case "rename":
                return rename((draw(names),), (draw(names),))
            case "move":
                return move(draw(paths), draw(paths))
            case "convert":
                return convert(draw(paths), draw(st.sampled_from(CONVERTERS)))
            case "set_default":
                return set_default((draw(st.sampled_from((*NAMES, "new"))),), draw(values))
            case "join":
                return join(("a", "b"), into="joined", separator=draw(st.sampled_from(("#", "##"))))
            case _:
                return split("c", into={"first": "S", "second": draw(st.sampled_from(("S", "N")))})
    except MappingInvalid:
        _ = assume(False)
        raise


KEY_PARTS: tuple[tuple[tuple[Piece, ...], dict[str, Kind]], ...] = (
    ((), KEY),
    ((suffix("customer", count=7, by="order"),), KEY),
    ((rename("customer", "pk"), rename("order", "sk")), {"pk": "S", "sk": "S"}),
    ((join(("customer", "order"), into="pk"), set_default("sk", "ROOT")), {"pk": "S", "sk": "S"}),
    ((set_default("kind", "ORDER"), join(("kind", "customer"), into="pk"), suffix("pk", 3)), {"pk": "S", "order": "S"}),
    ((rename("customer", "x"), rename("order", "customer"), rename("x", "order")), {"order": "S", "customer": "S"}),
)


@given(items, st.lists(ordinary_pieces(), max_size=4), st.sampled_from(KEY_PARTS), st.integers(0, 4))
def test_any_mapping_brings_back_what_it_accepts(
    item: Item, pieces: list[Piece], key_part: tuple[tuple[Piece, ...], dict[str, Kind]], place: int
) -> None:
    """Random lists of pieces, with and without a change of the key: backward undoes forward, and a key alone agrees."""
    key_pieces, target_key = key_part
    try:
        mapping = compiled(*pieces[:place], *key_pieces, *pieces[place:], identity(), target=target_key)
    except MappingInvalid:
        try:
            mapping = compiled(*pieces[:place], *key_pieces, *pieces[place:], target=target_key)
        except MappingInvalid:
            _ = assume(False)
            raise
    target = there_and_back(mapping, item)
    assert rehearse(mapping, item).target == target


@given(items, names, st.sampled_from((*NAMES, "new")))
def test_rename_comes_back(item: Item, old: str, new: str) -> None:
    """rename(old, new) undone is the item as it was."""
    _ = assume(old != new)
    target = there_and_back(compiled(rename((old,), (new,))), item)
    assert target.get(new) == item.get(old)
    assert old not in target


@given(items, paths, paths)
def test_move_comes_back(item: Item, old: tuple[str, ...], new: tuple[str, ...]) -> None:
    """A value moved between any two places is the same item again afterwards, empty parents included."""
    try:
        mapping = compiled(move(old, new))
    except MappingInvalid:
        _ = assume(False)
        raise
    _ = there_and_back(mapping, item)


@pytest.mark.parametrize(
    ("converter", "value", "expected"),
    [
        (text_to_number, {"S": "12.5"}, {"N": "12.5"}),
        (number_to_text, {"N": "12.50"}, {"S": "12.5"}),
        (epoch_to_iso, {"N": "0"}, {"S": "1970-01-01T00:00:00Z"}),
        (epoch_to_iso, {"N": "-62135596800"}, {"S": "0001-01-01T00:00:00Z"}),
        (iso_to_epoch, {"S": "2026-11-22T15:46:03Z"}, {"N": "1795362363"}),
        (base64_to_binary, {"S": "aGk="}, {"B": b"hi"}),
        (flag_to_number, {"BOOL": True}, {"N": "1"}),
        (set_to_list, {"SS": ["b", "a"]}, {"L": [{"S": "a"}, {"S": "b"}]}),
    ],
)
def test_a_converter_makes_what_it_says(converter: Converter, value: AttributeValue, expected: AttributeValue) -> None:
    """Each ready-made converter, on one value that everybody can check, and back."""
    item: Item = {"customer": {"S": "c"}, "order": {"S": "o"}, "a": value}
    assert there_and_back(compiled(convert("a", converter)), item)["a"] == expected


@pytest.mark.parametrize(
    ("converter", "value", "shown"),
    [
        (text_to_number, {"S": "007"}, "is '007', which would come back as '7'"),
        (text_to_number, {"S": "12.50"}, "is '12.50', which would come back as '12.5'"),
        (text_to_number, {"S": "twelve"}, "is 'twelve'"),
        (text_to_number, {"N": "12"}, "is 12 of type N, not S"),
        (epoch_to_iso, {"N": "1.5"}, "only whole seconds"),
        (epoch_to_iso, {"N": "1E+20"}, "is 1E+20"),
        (iso_to_epoch, {"S": "2026-11-22T15:46:03+01:00"}, "is '2026-11-22T15:46:03+01:00'"),
        (iso_to_epoch, {"S": "2026-1-2T3:4:5Z"}, "which would come back as '2026-01-02T03:04:05Z'"),
        (base64_to_binary, {"S": "aGk"}, "is 'aGk'"),
        (base64_to_binary, {"S": "aGl="}, "which would come back as 'aGk='"),
    ],
)
def test_a_value_without_exact_counterpart_is_refused(converter: Converter, value: AttributeValue, shown: str) -> None:
    """A converter that would change the value on the way back says so, with both forms."""
    item: Item = {"customer": {"S": "c"}, "order": {"S": "o"}, "a": value}
    with pytest.raises(MappingError) as raised:
        _ = compiled(convert("a", converter)).forward(item)
    assert shown in raised.value.message
    assert "'a'" in raised.value.message


@given(items, numbers, texts)
def test_hazard_24_numbers_sets_and_nesting_come_back_exactly(item: Item, number: str, text: str) -> None:
    """38-digit numbers, sets, nulls, binary and nested maps pass unharmed through a mapping around them."""
    item = {**item, "amount": {"N": number}, "deep": {"M": {"x": {"L": [{"N": number}, {"S": text}, {"NULL": True}]}}}}
    target = there_and_back(compiled(rename("amount", "sum"), move("deep.x", "x")), item)
    assert target["sum"] is item["amount"]
    assert target["x"] is item["deep"]["M"]["x"]


@given(items, values)
def test_drop_loses_only_what_it_names(item: Item, default: AttributeValue) -> None:
    """After drop(name, default) the way back differs from the item under that name alone, where the default stands."""
    mapping = compiled(drop("a", default))
    target = mapping.forward(item)
    assert "a" not in target
    assert same_item(mapping.backward(target), {**item, "a": default})
    assert bool(rehearse(mapping, item).lost) == (not same_item({"": item.get("a", {"S": "none"})}, {"": default}))


def test_custom_is_checked_on_every_item() -> None:
    """A pair of functions that do not undo each other is found out on the first item that shows it."""
    lossy = custom(lambda item: {**item, "a": {"S": "x"}}, lambda item: item, name="lossy")
    item: Item = {"customer": {"S": "c"}, "order": {"S": "o"}, "a": {"S": "y"}}
    with pytest.raises(MappingError, match="'a' is 'y', which would come back as 'x'"):
        _ = compiled(lossy).forward(item)
    assert compiled(lossy).forward({**item, "a": {"S": "x"}})["a"] == {"S": "x"}


def test_custom_may_not_touch_the_key() -> None:
    """A function that changes a key attribute is refused on the item."""

    def shout(item: Item) -> Item:
        item["customer"] = {"S": item["customer"]["S"].swapcase()}
        return item

    with pytest.raises(MappingError, match="'customer' holds a part of the key and was changed"):
        _ = compiled(custom(shout, shout)).forward({"customer": {"S": "c"}, "order": {"S": "o"}})


def test_custom_functions_may_change_the_item_they_are_given() -> None:
    """A function that alters nested values in place cannot reach the caller's item."""

    def there(item: Item) -> Item:
        item["a"]["L"].append({"S": "end"})
        return item

    def back(item: Item) -> Item:
        del item["a"]["L"][-1]
        return item

    item: Item = {"customer": {"S": "c"}, "order": {"S": "o"}, "a": {"L": [{"S": "start"}]}}
    target = there_and_back(compiled(custom(there, back)), item)
    assert target["a"] == {"L": [{"S": "start"}, {"S": "end"}]}


def test_the_stamp_of_an_earlier_migration_is_nobodys_data() -> None:
    """What an earlier migration left in the table that is now the source is not carried over."""
    item: Item = {"customer": {"S": "c"}, "order": {"S": "o"}}
    assert compiled(identity()).forward({**item, STAMP: {"S": "left"}}) == item


@pytest.mark.parametrize(
    ("piece", "extra", "shown"),
    [
        (rename("a", "b"), {"b": {"S": "there"}}, "'b' is already there"),
        (move("a.x", "b"), {"a": {"S": "text"}}, "'a' is no map"),
        (move("a.x", "b"), {"b": {"S": "there"}}, "'b' is already there"),
        (move("a", "b.x"), {"a": {"S": "v"}, "b": {"S": "text"}}, "'b' is no map"),
        (move("a", "b.x"), {"a": {"S": "v"}, "b": {"M": {}}}, "there and empty"),
        (set_default("a", 1), {"a": {"N": "1"}}, "'a' is already there"),
        (split("a", into=("x", "y")), {"a": {"S": "alone"}}, "not 2 texts joined by '#'"),
        (split("a", into={"x": "S", "y": "N"}), {"a": {"S": "k#007"}}, "would come back as '7'"),
        (split("a", into=("x", "y")), {"y": {"S": "there"}}, "'y' is already there"),
        (join(("x", "y"), into="a"), {"x": {"S": "1#2"}, "y": {"S": "3"}}, "holds the separator"),
        (join(("x", "y"), into="a", separator="::"), {"x": {"S": "1:"}, "y": {"S": ":3"}}, "does not come apart"),
        (join(("x", "y"), into="a"), {"x": {"S": "1"}}, "'y' is missing while the others are there"),
        (join(("x", "y"), into="a"), {"x": {"S": "1"}, "y": {"N": "2"}}, "not of type S"),
    ],
)
def test_an_item_that_would_not_come_back_is_refused(piece: Piece, extra: Item, shown: str) -> None:
    """Each piece names itself, the attribute and the reason."""
    with pytest.raises(MappingError) as raised:
        _ = compiled(piece).forward({"customer": {"S": "c"}, "order": {"S": "o"}, **extra})
    assert shown in raised.value.message
    assert raised.value.message.startswith(piece.describe())


@pytest.mark.parametrize(
    ("piece", "before", "after"),
    [
        (move("a.x", "b"), {"a": {"M": {"x": {"S": "v"}}}}, {"a": {"M": {}}, "b": {"S": "v"}}),
        (move("a", "b.x.y"), {"a": {"S": "v"}}, {"b": {"M": {"x": {"M": {"y": {"S": "v"}}}}}}),
        (move("a.x", "a.y"), {"a": {"M": {"x": {"S": "v"}}}}, {"a": {"M": {"y": {"S": "v"}}}}),
        (move("a.x", "b"), {"a": {"M": {}}}, {"a": {"M": {}}}),
        (split("a", into={"x": "S", "y": "N"}), {"a": {"S": "k#7"}}, {"x": {"S": "k"}, "y": {"N": "7"}}),
        (split("a", into=("x", "y")), {"a": {"S": "k#l#m"}}, {"x": {"S": "k"}, "y": {"S": "l#m"}}),
        (join({"x": "S", "y": "N"}, into="a"), {"x": {"S": "k"}, "y": {"N": "7.0"}}, {"a": {"S": "k#7"}}),
        (set_default("a", True), {}, {"a": {"BOOL": True}}),
        (rename("a", "b"), {"a": {"NULL": True}}, {"b": {"NULL": True}}),
    ],
)
def test_a_piece_makes_what_the_documentation_says(piece: Piece, before: Item, after: Item) -> None:
    """The other pieces on one item each, there and back; emptied parents stay, missing ones are made."""
    key: Item = {"customer": {"S": "c"}, "order": {"S": "o"}}
    assert there_and_back(compiled(piece), {**key, **before}) == {**key, **after}


def test_a_move_does_not_make_an_item_deeper_than_dynamodb_takes() -> None:
    """32 levels, the value within counted; there and back."""

    def nested(levels: int) -> AttributeValue:
        value: AttributeValue = {"S": "v"}
        for _ in range(levels):
            value = {"L": [value]}
        return value

    key: Item = {"customer": {"S": "c"}, "order": {"S": "o"}}
    deeper, flatter = compiled(move("a", "b.c.d")), compiled(move("b.c.d", "a"))
    _ = deeper.forward({**key, "a": nested(29)})
    with pytest.raises(MappingError, match=r"move: a -> b.c.d: attribute 'b.c.d' would lie in more than 32 levels"):
        _ = deeper.forward({**key, "a": nested(30)})
    with pytest.raises(MappingError, match=r"attribute 'b.c.d' would lie in more than 32 levels"):
        _ = flatter.backward({**key, "a": nested(30)})
