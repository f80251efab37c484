"""Differences as people read them."""

from __future__ import annotations

from crossfade.core.items import Item
from crossfade.verify.diff import LINES_MAX, item_diff_lines


def test_only_what_differs_is_shown_by_path() -> None:
    """Maps are entered; equal attributes are left out."""
    left: Item = {"a": {"S": "same"}, "detail": {"M": {"status": {"S": "paid"}, "n": {"N": "1"}}}}
    right: Item = {"a": {"S": "same"}, "detail": {"M": {"status": {"S": "open"}, "n": {"N": "1.0"}}}}
    assert item_diff_lines(left, right) == ("- detail.status: 'paid'", "+ detail.status: 'open'")


def test_absence_is_one_line() -> None:
    """An attribute that one side lacks has no line for it there."""
    assert item_diff_lines({"a": {"NULL": True}}, {}) == ("- a: null",)
    assert item_diff_lines(None, {"a": {"BOOL": False}}) == ("+ a: False",)


def test_values_that_look_alike_show_where_they_part() -> None:
    """A type that Python writes alike is named; long texts are shown from where they differ."""
    assert item_diff_lines({"a": {"S": "x"}}, {"a": {"SS": ["x"]}}) == ("- a: 'x'", "+ a: ['x']")
    assert item_diff_lines({"a": {"SS": ["x"]}}, {"a": {"L": ["x"]}}) == ("- a: ['x'] (SS)", "+ a: ['x'] (L)")
    before, after = item_diff_lines({"a": {"S": "x" * 300 + "left"}}, {"a": {"S": "x" * 300 + "right"}})
    assert "left" in before
    assert "right" in after


def test_sets_have_no_order_and_numbers_no_form() -> None:
    """What means the same is no difference."""
    assert item_diff_lines({"a": {"NS": ["1", "2"]}}, {"a": {"NS": ["2.0", "1"]}}) == ()


def test_a_sample_is_short() -> None:
    """An item of hundreds of attributes is cut, and the cut is said."""
    lines = item_diff_lines({f"a{n:03}": {"N": str(n)} for n in range(100)}, None)
    assert len(lines) == LINES_MAX
    assert lines[-1] == f"  ({100 - LINES_MAX + 1} more lines)"


def test_lists_are_entered_so_that_what_differs_is_seen_in_whatever_order_maps_tell_their_attributes() -> None:
    """Lines of an order look alike at the beginning: shown from there, both would be cut before they part."""
    left = {"lines": {"L": [{"M": {"sku": {"S": "pen"}, "n": {"N": "1"}}}, {"M": {"sku": {"S": "cup"}}}]}}
    right = {"lines": {"L": [{"M": {"n": {"N": "7"}, "sku": {"S": "pen"}}}]}}
    assert item_diff_lines(left, right) == (
        "- lines[0].n: 1",
        "+ lines[0].n: 7",
        "- lines[1]: {'sku': {'S': 'cup'}}",
    )
