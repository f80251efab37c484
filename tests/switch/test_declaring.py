"""Declarations: keys out of arguments, keys as text, and what does not fit the repositories."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.errors import ConfigurationError, NotPossibleInStage
from crossfade.switch.declaring import Read, Write, declared
from crossfade.switch.keys import KEY_TEXT_MAX, digest_of, key_of, key_text

PARTS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.uuids(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.dates(),
    st.datetimes(),
)


@settings(max_examples=60, deadline=None)
@given(st.recursive(PARTS, lambda parts: st.lists(parts, max_size=3).map(tuple), max_leaves=5))
def test_a_key_comes_back_from_its_text(key: Any) -> None:
    """With its type, since a repair hands it to the repositories as the application did."""
    found = key_of(key_text(key))
    assert found == key
    assert type(found) is type(key)


@pytest.mark.parametrize("key", [1.5, object(), ["a"], {"a": 1}, (1, 2.5), "\ud800", ("a", "\udfff")])
def test_what_does_not_come_back_is_no_key(key: object) -> None:
    """It is refused before anything is written, with the way out."""
    with pytest.raises(NotPossibleInStage, match=r"key=lambda"):
        _ = key_text(key)


def test_a_key_has_a_limit() -> None:
    """A text of some thousand characters is no key; its digest names the record."""
    with pytest.raises(NotPossibleInStage, match="characters"):
        _ = key_text("x" * KEY_TEXT_MAX)
    assert digest_of(key_text(17)) != digest_of(key_text("17"))


class Orders:
    def find(self, order_id: int, *, deep: bool = False) -> None: ...

    def move(self, item: int, to: str = "shelf") -> None: ...


def both(item: int, to: str = "") -> tuple[int, str]:
    return item, to


def each(item: int, to: str = "") -> list[int | str]:
    return [item, to, item]


@pytest.mark.parametrize(
    ("what", "arguments", "named", "keys"),
    [
        (Write(key="item"), (17,), {}, (17,)),
        (Write(key="item"), (), {"item": 17, "to": "x"}, (17,)),
        (Write(key="to"), (17,), {}, ("shelf",)),
        (Write(key=both), (17, "x"), {}, ((17, "x"),)),
        (Write(keys=each), (17, "x"), {}, (17, "x")),
    ],
)
def test_keys_are_picked_out_of_the_arguments(
    what: Write, arguments: tuple[Any, ...], named: dict[str, Any], keys: tuple[Any, ...]
) -> None:
    """By the name of an argument, wherever it is given, its default included; or by a function."""
    assert declared("move", what, Orders(), Orders()).keys(arguments, named) == keys


def test_what_does_not_fit_is_said_before_anything_starts() -> None:
    """A method or an argument that is not there, a write without a key, a ramp without one, a share above 1."""
    with pytest.raises(ConfigurationError, match=r"the new repository \(object\) has no method find"):
        _ = declared("find", Read(), Orders(), object())
    with pytest.raises(ConfigurationError, match="has no argument 'id'"):
        _ = declared("find", Read(key="id"), Orders(), Orders())
    with pytest.raises(ConfigurationError, match="needs key= or keys="):
        _ = Write()
    with pytest.raises(ConfigurationError, match="the ramp goes by keys"):
        _ = Read(eventual=True)
    with pytest.raises(ConfigurationError, match="samples"):
        _ = Read(samples=2)


def test_types_that_look_alike_are_other_keys() -> None:
    """17 and "17", a date and its text: two entities."""
    keys = [17, "17", True, Decimal(17), b"17", uuid.UUID(int=17), datetime.date(2026, 1, 1), "2026-01-01", (17,)]
    assert len({key_text(key) for key in keys}) == len(keys)


def test_a_function_of_the_key_that_fails_is_told_with_its_operation() -> None:
    """In the words of the declaration, and not as a TypeError out of a lambda."""

    def of_one(order_id: int) -> int:
        return order_id

    operation = declared("place", Write(key=of_one), Places(), Places())
    with pytest.raises(ConfigurationError, match="place: the function that gives its key failed: TypeError"):
        _ = operation.keys((17, "x"), {})


@pytest.mark.parametrize("keys", ["17", b"17", 17, None, [["a list"]]])
def test_a_function_of_several_keys_that_gives_none_is_told(keys: Any) -> None:
    """A text is no list of keys, though it can be gone through: its letters would be mirrored."""

    def of_all(*_: object) -> Any:
        return keys

    operation = declared("place", Write(keys=of_all), Places(), Places())
    with pytest.raises(ConfigurationError, match="place: the function that gives its key"):
        _ = operation.keys((17, "x"), {})


def test_keys_that_come_one_by_one_may_fail_as_well() -> None:
    """In the words of the declaration."""

    def of_all(order_id: int, *_: object) -> Any:
        yield order_id
        raise LookupError("no more")

    operation = declared("place", Write(keys=of_all), Places(), Places())
    with pytest.raises(ConfigurationError, match="failed: LookupError: no more"):
        _ = operation.keys((17, "x"), {})


def first_and_a_constant(order_id: int, *_: object) -> list[int]:
    return [1, order_id]


@pytest.mark.parametrize("what", [Write(key="order_id"), Write(keys=first_and_a_constant)])
def test_a_write_of_what_has_no_key_yet_is_refused(what: Write) -> None:
    """Where the store chooses it, nobody knows before the write what is to be mirrored."""
    operation = declared("place", what, Places(), Places())
    with pytest.raises(NotPossibleInStage, match="None") as caught:
        _ = operation.keys((None, "x"), {})
    assert "choose" in caught.value.next_step
    assert declared("place", Read(key="order_id"), Places(), Places()).keys((None, "x"), {}) == (None,)


class Streams:
    def place(self, order_id: int) -> Iterator[int]:
        yield order_id

    async def place_async(self, order_id: int) -> AsyncIterator[int]:
        yield order_id


@pytest.mark.parametrize("name", ["place", "place_async"])
def test_a_write_that_happens_while_its_answer_is_gone_through_is_refused(name: str) -> None:
    """It would be mirrored before it happens; a read may be one."""
    with pytest.raises(ConfigurationError, match="generator"):
        _ = declared(name, Write(key="order_id"), Streams(), Streams())
    assert declared(name, Read(key="order_id"), Streams(), Streams()).name == name


class Places:
    def place(self, order_id: int, total: str) -> None:
        """An order."""
