"""Items and values for hypothesis: every DynamoDB type, 38-digit numbers, nesting; never a float."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from crossfade.core.items import AttributeValue, Item

NAMES = ("a", "b", "c", "d.e", "status", "total")
texts = st.text(alphabet=st.characters(codec="utf-8"), max_size=6)
whole_numbers = st.integers(-(10**37), 10**37).map(str)
numbers = st.one_of(
    whole_numbers,
    st.tuples(st.integers(1, 10**37), st.integers(-60, 60)).map(lambda parts: f"{parts[0]}E{parts[1]}"),
    st.decimals(-1000, 1000, places=3, allow_nan=False).map(str),
)


def _sets(kind: str, members: st.SearchStrategy[Any]) -> st.SearchStrategy[AttributeValue]:
    return st.lists(members, min_size=1, max_size=3, unique=True).map(lambda held: {kind: held})


scalars: st.SearchStrategy[AttributeValue] = st.one_of(
    texts.map(lambda text: {"S": text}),
    numbers.map(lambda number: {"N": number}),
    st.binary(max_size=4).map(lambda raw: {"B": raw}),
    st.booleans().map(lambda flag: {"BOOL": flag}),
    st.just({"NULL": True}),
    _sets("SS", texts),
    _sets("NS", st.integers(-99, 99).map(str)),
    _sets("BS", st.binary(max_size=3)),
)
names = st.sampled_from(NAMES)


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=3).map(lambda held: {"L": held}),
        st.dictionaries(names, inner, max_size=3).map(lambda held: {"M": held}),
    )


values: st.SearchStrategy[AttributeValue] = st.recursive(scalars, _nested, max_leaves=6)
key_texts = texts.filter(bool)
others: st.SearchStrategy[dict[str, AttributeValue]] = st.dictionaries(names, values, max_size=5)


def _texts_of(*kinds: st.SearchStrategy[str]) -> st.SearchStrategy[AttributeValue]:
    return st.one_of(*kinds).map(lambda text: {"S": text})


separated = st.lists(st.text(alphabet="x#7-", max_size=3), min_size=1, max_size=3).map("#".join)
likely: st.SearchStrategy[dict[str, AttributeValue]] = st.fixed_dictionaries(
    {},
    optional={
        "a": _texts_of(st.text(alphabet="x#", max_size=3), st.integers(-9, 999).map(str), st.just("aGk=")),
        "b": _texts_of(st.text(alphabet="x#", max_size=3), numbers),
        "c": _texts_of(separated),
        "total": st.one_of(st.integers(-(10**9), 10**9).map(lambda n: {"N": str(n)}), _texts_of(numbers)),
        "status": st.fixed_dictionaries({}, optional={"a": scalars, "b": scalars}).map(lambda held: {"M": held}),
    },
)
"""Values that the pieces of the tests find something to do in."""

items: st.SearchStrategy[Item] = st.tuples(others, likely, key_texts, key_texts).map(
    lambda parts: {**parts[0], **parts[1], "customer": {"S": parts[2]}, "order": {"S": parts[3]}}
)
"""Items of a table with the key customer (S), order (S)."""
