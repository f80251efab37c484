"""Keys cut out of items, and the names that they are found by."""

from __future__ import annotations

from itertools import combinations

import pytest

from crossfade.core.items import AttributeValue
from crossfade.jobs.keys import cutter, namer

VALUES: list[AttributeValue] = [{"S": "1"}, {"N": "1"}, {"B": b"1"}, {"S": "2"}, {"S": ""}]


@pytest.mark.parametrize("names", [("p",), ("p", "s")])
def test_a_key_is_cut_out(names: tuple[str, ...]) -> None:
    """The key attributes and no others."""
    item = {"p": {"S": "a"}, "s": {"N": "1"}, "rest": {"S": "x"}}
    assert cutter(names)(item) == {name: item[name] for name in names}


def test_different_keys_have_different_names() -> None:
    """Whatever their types, in both attributes."""
    name = namer(("p", "s"))
    keys = [{"p": p, "s": s} for p in VALUES for s in VALUES]
    assert all(name(left) != name(right) for left, right in combinations(keys, 2))
    name = namer(("p",))
    assert all(name({"p": left}) != name({"p": right}) for left, right in combinations(VALUES, 2))


def test_equal_keys_have_one_name() -> None:
    """A number in another form is the same key; an item is found by its key."""
    name = namer(("p", "s"))
    assert name({"p": {"S": "a"}, "s": {"N": "1.0"}}) == name({"p": {"S": "a"}, "s": {"N": "1"}, "rest": {"S": "x"}})
    assert name({"p": {"S": "a"}, "s": {"S": "b"}, "rest": {"S": "x"}}) == ("a", "b")
