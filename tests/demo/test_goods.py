"""What the shop's table holds, and the mapping as the proof says it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.core.items import same_item
from crossfade.demo.comparing import STAMP, SUFFIXES, old_form, suffix_of
from crossfade.demo.goods import KINDS, blocks_of_a_kind, canonical, document, key_of, number_in, numbers_max
from crossfade.demo.performance import MIGRATION
from crossfade.migration import load


@given(st.integers(0, 1_000_000))
def test_the_migration_file_and_the_proof_say_the_same(number: int) -> None:
    """The mapping of the file, undone by the proof's own few lines, gives the document, under the same suffix."""
    key = key_of(number)
    mapping = load(MIGRATION).compiled
    before = document(key, f"token-{number}") | {"digest": {"B": b"\x00\x01\x02\xff"}}
    after = mapping.forward(before)
    assert after["customer"] == {"S": f"{key.customer}#{suffix_of(key.document)}"}
    assert same_item(old_form(after | {STAMP: {"S": "stamp"}}), before)
    assert suffix_of(key.document) < SUFFIXES


@given(st.integers(0, 1_000_000))
def test_a_number_and_its_key_belong_together(number: int) -> None:
    """The key of a number says the number and its kind, and drawing by kind finds numbers of that kind."""
    assert key_of(number).number == number
    for kind in KINDS:
        assert key_of(number_in(kind, number, 9)).kind == kind


@pytest.mark.parametrize("items", [400, 2_000, 50_000])
def test_most_documents_are_under_one_key_and_all_numbers_in_range(items: int) -> None:
    """Six of ten documents have one partition key; holds yet to be made are below the largest number."""
    share = sum(key_of(n).customer == "acme" for n in range(items)) / items
    assert share == 0.6
    blocks = blocks_of_a_kind(items)
    assert number_in("hold", blocks + max(1, blocks // 8), 9) < numbers_max(items)


def test_equal_items_have_one_canonical_form() -> None:
    """Sets in any order, numbers with zeros at their ends, also deep inside."""
    left = {"a": {"L": [{"M": {"n": {"N": "1.50"}}}]}, "s": {"SS": ["b", "a"]}, "z": {"N": "0.0"}}
    right = {"a": {"L": [{"M": {"n": {"N": "1.5"}}}]}, "s": {"SS": ["a", "b"]}, "z": {"N": "0"}}
    assert canonical(left) == canonical(right)
    assert canonical({"n": {"N": "100"}}) == canonical({"n": {"N": "1E2"}})
    assert canonical({"n": {"N": "1"}}) != canonical({"n": {"N": "1.1"}})
