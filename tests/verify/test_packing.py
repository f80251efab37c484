"""Items in little room: nothing of their meaning is lost."""

from __future__ import annotations

import pytest

from crossfade.core.items import Item
from crossfade.verify.packing import packed, same_packed, unpacked

ITEM: Item = {
    "key": {"S": "acme"},
    "B": {"B": b"\x00\xff"},
    "bytes": {"BS": [b"a", b"b"]},
    "detail": {"M": {"B": {"S": "text"}, "list": {"L": [{"N": "1.50"}, {"B": b"!"}, {"NULL": True}]}}},
    "half": {"S": "\ud83d"},
}


@pytest.mark.parametrize("left_out", ["", "half"])
def test_an_item_comes_back_as_it_was(left_out: str) -> None:
    """Binary values, an attribute called B, and a text that orjson refuses."""
    item = {name: value for name, value in ITEM.items() if name != left_out}
    assert unpacked(packed(item)) == item


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ({"a": {"S": "1"}, "b": {"N": "1"}}, {"b": {"N": "1"}, "a": {"S": "1"}}, True),
        ({"a": {"N": "1.50"}}, {"a": {"N": "1.5"}}, True),
        ({"a": {"SS": ["x", "y"]}}, {"a": {"SS": ["y", "x"]}}, True),
        ({"a": {"BS": [b"x", b"y"]}}, {"a": {"BS": [b"y", b"x"]}}, True),
        ({"a": {"L": [{"S": "x"}, {"S": "y"}]}}, {"a": {"L": [{"S": "y"}, {"S": "x"}]}}, False),
        ({"a": {"S": "eA=="}}, {"a": {"B": b"x"}}, False),
        ({"a": {"N": "1"}}, {"a": {"S": "1"}}, False),
    ],
)
def test_what_means_the_same_is_the_same(left: Item, right: Item, *, same: bool) -> None:
    """The order of names, the form of numbers and the order of sets do not matter; all else does."""
    assert same_packed(packed(left), packed(right)) is same
