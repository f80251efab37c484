"""What tokens say of the place that they stand for, and that along a chain each migration finds what is its own."""

from __future__ import annotations

from crossfade.core.items import Item
from crossfade.core.request.cursor import (
    Seal,
    at_place,
    cursor_in,
    has_foreign_mark,
    is_marked,
    mark_of,
    marked,
    opened,
    said_by,
    seal_of,
    sealed,
    with_cursor,
    without_mark,
)

KEY: Item = {"customer": {"S": "c"}, "order": {"N": "1"}}


def test_each_migration_of_a_chain_finds_its_own() -> None:
    """Whatever the later ones have said comes back to them as it was, be it nothing."""
    for later in (
        KEY,
        marked(KEY, "rest"),
        marked(marked(KEY, "rest"), "target"),
        with_cursor(KEY, marked(KEY, "rest")),
    ):
        for mark in ("", "source"):
            request = {"TableName": "orders", "ExclusiveStartKey": marked(later, mark)}
            assert mark_of(request) == mark
            assert without_mark(request) == {"TableName": "orders", "ExclusiveStartKey": later}
    assert not is_marked({"ExclusiveStartKey": marked(KEY, "")})
    assert not is_marked({})


def test_a_token_in_a_token() -> None:
    """The one that was given to us comes out again."""
    given = marked({"guid": {"B": b"1"}}, "rest begins")
    assert cursor_in(with_cursor(KEY, given)) == given
    assert cursor_in(KEY) is None
    assert cursor_in(marked(KEY, "target")) is None


def test_a_place_within_a_cursor() -> None:
    """Its key is that of the earlier place, without a mark of it; opened, it is the place itself."""
    place = marked({"customer": {"S": "d"}, "order": {"N": "2"}}, "rest")
    cursor = at_place(marked(KEY, "source"), place)
    assert {name: cursor[name] for name in KEY} == KEY
    assert opened({"ExclusiveStartKey": cursor}) == {"ExclusiveStartKey": place}
    for other in (KEY, place, marked(with_cursor(KEY, place), "target")):
        assert opened({"ExclusiveStartKey": other}) == {"ExclusiveStartKey": other}
    assert opened({"Limit": 1}) == {"Limit": 1}


def test_a_seal_tells_whose_a_mark_is() -> None:
    """Without one it is nobody's; and under a later migration's it says nothing to us."""
    seal = Seal("orders", "orders-v2", "source")
    for token in (marked(KEY, "rest"), marked(with_cursor(KEY, sealed(marked(KEY, "rest"), seal)), "target")):
        request = {"ExclusiveStartKey": sealed(token, seal)}
        assert seal_of(request) == seal
        assert said_by(request) == {"ExclusiveStartKey": token}
        assert not has_foreign_mark(request)
        assert has_foreign_mark({"ExclusiveStartKey": token})
        assert mark_of(request) == ""
        assert without_mark(request) == request
    assert seal_of({"ExclusiveStartKey": KEY}) is None
