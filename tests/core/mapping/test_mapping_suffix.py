"""The suffix hash is part of the data: it may never change, and any language must be able to compute it."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.core.items import AttributeValue, Item
from crossfade.core.mapping import compile_mapping
from crossfade.core.mapping.suffix import encode, number_form, shard
from crossfade.mapping import suffix
from tests.core.mapping.mapping_strategies import key_texts

VECTORS: list[tuple[list[AttributeValue], str, int, int]] = [
    ([{"S": "order-1"}], "53000000076f726465722d31", 12, 308),
    ([{"S": "order-2"}], "53000000076f726465722d32", 2, 522),
    ([{"S": "Grüße"}], "53000000074772c3bcc39f65", 12, 292),
    ([{"N": "1.5"}], "4e000000053135652d31", 11, 3),
    ([{"N": "-300"}], "4e000000042d336532", 14, 830),
    ([{"N": "0"}], "4e00000003306530", 12, 316),
    ([{"B": b"\x00\xff"}], "420000000200ff", 8, 592),
    ([{"S": "a"}, {"N": "7"}], "5300000001614e00000003376530", 0, 840),
]
"""`by` values, the encoded bytes in hexadecimal, the suffix of 16, the suffix of 1000. Also in docs/mapping.md."""


@pytest.mark.parametrize(("values", "encoded", "of_16", "of_1000"), VECTORS)
def test_the_hash_is_what_the_documentation_says(
    values: list[AttributeValue], encoded: str, of_16: int, of_1000: int
) -> None:
    """The vectors, recomputed here from their bytes with SHA-256 alone."""
    assert encode(values).hex() == encoded
    number = int(hashlib.sha256(bytes.fromhex(encoded)).hexdigest()[:8], 16)
    assert (number % 16, number % 1000) == (of_16, of_1000)
    assert (shard(values, 16), shard(values, 1000)) == (of_16, of_1000)


@pytest.mark.parametrize(("values", "of_16"), [(values, of_16) for values, _, of_16, _ in VECTORS])
def test_the_suffix_of_an_item_is_that_hash(values: list[AttributeValue], of_16: int) -> None:
    """Through a mapping, whichever way it takes there."""
    rest = {f"part_{n}": value for n, value in enumerate(values)}
    source = {"customer": "S"} | {name: next(iter(value)) for name, value in rest.items()}
    compiled = compile_mapping(suffix("customer", count=16), cast("Any", source), cast("Any", source))
    item = {"customer": {"S": "acme"}, **rest}
    assert compiled.forward(item)["customer"] == {"S": f"acme#{of_16}"}
    assert compiled.backward_key(compiled.forward_key(item)) == item


def test_the_documentation_holds_the_vectors() -> None:
    """docs/mapping.md lists the same bytes and suffixes as the test."""
    page = Path(__file__).parents[3].joinpath("docs", "mapping.md").read_text(encoding="utf-8")
    listed = re.findall(r"\| `([0-9a-f]+)` \| (\d+) \| (\d+) \|", page)
    assert listed == [(encoded, str(of_16), str(of_1000)) for _, encoded, of_16, of_1000 in VECTORS]


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (("1.5", "1.50", "+1.5", "15e-1", "0.15E1"), "15e-1"),
        (("-300", "-3E+2", "-300.00"), "-3e2"),
        (("0", "-0", "0.000", "0e7"), "0e0"),
        (("12345678901234567890123456789012345678",), "12345678901234567890123456789012345678e0"),
    ],
)
def test_equal_numbers_have_one_form(texts: tuple[str, ...], form: str) -> None:
    """The service rewrites 1.50 as 1.5, so the hash must not see how a number is written."""
    assert {number_form(text) for text in texts} == {form}


@given(st.lists(st.text(max_size=4), min_size=1, max_size=3), st.lists(st.text(max_size=4), min_size=1, max_size=3))
def test_no_two_lists_of_values_are_encoded_alike(one: list[str], other: list[str]) -> None:
    """Lengths keep ("ab", "c") apart from ("a", "bc")."""
    same = encode([{"S": text} for text in one]) == encode([{"S": text} for text in other])
    assert same == (one == other)


@given(key_texts, key_texts, st.integers(1, 1000))
def test_hazard_14_a_suffix_is_the_same_on_every_retry(customer: str, order: str, count: int) -> None:
    """Two clients that compiled the mapping on their own, or one that retries, find one and the same place."""
    key: Item = {"customer": {"S": customer}, "order": {"S": order}}
    places = [
        compile_mapping(
            suffix("customer", count), {"customer": "S", "order": "S"}, {"customer": "S", "order": "S"}
        ).forward_key(key)["customer"]["S"]
        for _ in range(2)
    ]
    assert places[0] == places[1]
    number = re.fullmatch(re.escape(customer) + r"#(\d+)", places[0])
    assert number is not None
    assert int(number[1]) < count


def test_a_suffix_spreads_evenly() -> None:
    """16,000 consecutive order numbers over 16 suffixes: each within a tenth of its share."""
    chosen = Counter(shard([{"S": f"order-{number}"}], 16) for number in range(16_000))
    assert sorted(chosen) == list(range(16))
    assert all(900 <= items <= 1_100 for items in chosen.values())
